//! Room for the requests whose body is still arriving.
//!
//! What they hold together is bounded: requests of an ordinary response's size have room of their own,
//! and so have larger ones. Where the room is full, or one client has more than its share of it, the
//! bodies go of which least has arrived lately, the oldest first. An honest body arrives at once; whoever
//! wants to hold room must keep sending as fast as honest people do, for as long as they hold it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The most that all requests of one size hold, in bytes.
const ROOM: usize = 64 * 1024 * 1024;
/// Up to here a request is small; 99 of 100 responses are.
const SMALL: usize = 32 * 1024;
/// One client may hold this part of the room.
const SHARE: usize = 4;
/// This part of the room is made free at once, so that a flood does not count all bodies for each.
const MADE_FREE: usize = 16;
/// What each request holds beside what arrives.
const ITSELF: usize = 1024;
/// What has arrived lately: within this time and the one before.
const LATELY: Duration = Duration::from_millis(150);
/// A body that has just begun counts as if so much had arrived lately.
const FAST: usize = SMALL;
/// How long a body waits for room …
const PATIENCE: Duration = Duration::from_millis(1_000);
/// … looking for it this often; and as often, at most, it is asked who is slow, however many wait.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

const FULL: &str = "others hold all the room for bodies";

/// Who sends: an address, or the network that one subscriber of IPv6 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Self(Ipv6Addr::from(network).into())
            }
            v4 => Self(v4),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Size {
    Small,
    Large,
}

/// The requests whose body is still arriving.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    bodies: HashMap<u64, Arriving>,
    /// Bytes by size.
    of_size: HashMap<Size, usize>,
    /// The same by client.
    of_peer: HashMap<(Size, Peer), usize>,
    /// When nobody was slower than so fast, where there was no room.
    nobody_slower: HashMap<(Size, Option<Peer>), (usize, Instant)>,
}

/// One body.
#[derive(Debug)]
struct Arriving {
    peer: Peer,
    size: Size,
    bytes: usize,
    since: Instant,
    lately: Lately,
    /// Since when it waits for room: nothing can arrive meanwhile, and time stands still for it.
    waits: Option<Instant>,
    lost: Arc<Notify>,
}

/// What has arrived of a body in the span of time at hand, and in the one before.
#[derive(Debug, Clone, Copy)]
struct Lately {
    span: u128,
    now: usize,
    before: usize,
}

impl Arriving {
    fn span(&self, now: Instant) -> u128 {
        now.duration_since(self.since).as_millis() / LATELY.as_millis()
    }

    /// What has arrived lately.
    fn speed(&self, now: Instant) -> usize {
        let now = self.waits.unwrap_or(now);
        let (span, Lately { span: last, now, before }) = (self.span(now), self.lately);
        match span.saturating_sub(last) {
            _ if span == 0 => FAST.max(now),
            0 => now + before,
            1 => now,
            _ => 0,
        }
    }

    fn arrives(&mut self, bytes: usize, now: Instant) {
        if let Some(waits) = self.waits.take() {
            self.since += now.duration_since(waits);
        }
        let span = self.span(now);
        let before = match span.saturating_sub(self.lately.span) {
            0 => self.lately.before,
            1 => self.lately.now,
            _ => 0,
        };
        let already = if span == self.lately.span { self.lately.now } else { 0 };
        self.lately = Lately { span, now: already + bytes, before };
    }
}

impl Held {
    /// A body of which nothing has arrived; its number, and what is told when it loses its place.
    fn begin(&mut self, peer: Peer, now: Instant) -> (u64, Arc<Notify>) {
        let (number, lost) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        let body = Arriving {
            peer,
            size: Size::Small,
            bytes: 0,
            since: now,
            lately: Lately { span: 0, now: 0, before: 0 },
            waits: Some(now),
            lost: Arc::clone(&lost),
        };
        self.bodies.insert(number, body);
        (number, lost)
    }

    /// Takes `bytes` more for a body, if there is room, or others make it.
    fn take(&mut self, number: u64, bytes: usize, now: Instant) -> bool {
        let Some(body) = self.bodies.get(&number) else { return false };
        let (peer, before, total) = (body.peer, (body.size, body.bytes), body.bytes + bytes);
        let size = if total <= SMALL { Size::Small } else { Size::Large };
        let needed = if size == before.0 { bytes } else { total };
        // What it brings is part of how fast it arrives.
        let speed = body.speed(now);
        let asks = (number, speed.max((speed + bytes).min(FAST)));
        self.make_room(asks, size, None, needed, ROOM, now);
        self.make_room(asks, size, Some(peer), needed, ROOM / SHARE, now);
        if self.held(size, None) + needed > ROOM
            || self.held(size, Some(peer)) + needed > ROOM / SHARE
        {
            return false;
        }
        self.count(before.0, peer, before.1, false);
        self.count(size, peer, total, true);
        if let Some(body) = self.bodies.get_mut(&number) {
            (body.size, body.bytes) = (size, total);
            body.arrives(bytes, now);
        }
        true
    }

    fn held(&self, size: Size, peer: Option<Peer>) -> usize {
        let held = match peer {
            Some(peer) => self.of_peer.get(&(size, peer)),
            None => self.of_size.get(&size),
        };
        held.copied().unwrap_or_default()
    }

    /// Where there is no room among the bodies of a size (and client), the slowest ones go that are slower
    /// than the body which needs it.
    fn make_room(
        &mut self,
        (number, speed): (u64, usize),
        size: Size,
        peer: Option<Peer>,
        needed: usize,
        room: usize,
        now: Instant,
    ) {
        if self.held(size, peer) + needed <= room {
            return;
        }
        let known = self.nobody_slower.get(&(size, peer));
        if known.is_some_and(|(than, at)| speed <= *than && now.duration_since(*at) < LOOK_AGAIN) {
            return;
        }
        self.nobody_slower.retain(|_, (_, at)| now.duration_since(*at) < LOOK_AGAIN);
        let mut slower: Vec<_> = self
            .bodies
            .iter()
            .filter(|(other, body)| **other != number && body.waits.is_none() && body.size == size)
            .filter(|(_, body)| peer.is_none_or(|peer| body.peer == peer))
            .map(|(other, body)| (body.speed(now), body.since, *other))
            .filter(|(others, ..)| *others < speed)
            .collect();
        slower.sort_unstable();
        if slower.is_empty() {
            self.nobody_slower.insert((size, peer), (speed, now));
        }
        let goal = (room - room / MADE_FREE).saturating_sub(needed);
        for (.., other) in slower {
            if self.held(size, peer) <= goal {
                break;
            }
            if let Some(body) = self.remove(other) {
                body.lost.notify_one();
            }
        }
    }

    fn remove(&mut self, number: u64) -> Option<Arriving> {
        let body = self.bodies.remove(&number)?;
        self.count(body.size, body.peer, body.bytes, false);
        Some(body)
    }

    fn count(&mut self, size: Size, peer: Peer, bytes: usize, more: bool) {
        let change = |held: &mut usize| {
            *held = if more { *held + bytes } else { held.saturating_sub(bytes) };
        };
        change(self.of_size.entry(size).or_default());
        let of_peer = self.of_peer.entry((size, peer)).or_default();
        change(of_peer);
        if *of_peer == 0 {
            self.of_peer.remove(&(size, peer));
        }
    }
}

/// A body's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    held: Arc<Mutex<Held>>,
    lost: Arc<Notify>,
}

impl Bodies {
    /// A place for a request of `peer` whose headers hold `head` bytes.
    ///
    /// # Errors
    ///
    /// There is no room, and will be none soon.
    pub(super) async fn enter(&self, peer: Peer, head: usize) -> Result<Place, &'static str> {
        let mut place = self.place(peer);
        place.grow(ITSELF + head).await?;
        Ok(place)
    }

    fn place(&self, peer: Peer) -> Place {
        let (number, lost) = lock(&self.held).begin(peer, now());
        Place { number, held: Arc::clone(&self.held), lost }
    }
}

impl Place {
    /// Ends when another body takes the room.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Takes room for `bytes` more.
    ///
    /// # Errors
    ///
    /// There is no room, and will be none soon.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), &'static str> {
        let deadline = now() + PATIENCE;
        loop {
            {
                let (now, mut held) = (now(), lock(&self.held));
                if held.take(self.number, bytes, now) {
                    return Ok(());
                }
                match held.bodies.get_mut(&self.number) {
                    Some(body) if now < deadline => drop(body.waits.get_or_insert(now)),
                    _ => return Err(FULL),
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.held).remove(self.number);
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "how fast a body arrives")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn peer(last: u8) -> Peer {
        Peer::of([192, 0, 2, last].into())
    }

    impl Held {
        /// A body of which so much arrives at once; whether there was room.
        fn bring(&mut self, peer: Peer, bytes: usize, now: Instant) -> (u64, bool) {
            let (number, _) = self.begin(peer, now);
            (number, self.take(number, ITSELF, now) && self.take(number, bytes - ITSELF, now))
        }

        /// Fills a quarter of the room for each of `peers`, by 1 MiB each.
        fn fill(&mut self, peers: std::ops::Range<u8>, now: Instant) -> Vec<u64> {
            let bodies = peers.flat_map(|last| std::iter::repeat_n(peer(last), 16));
            let brought = bodies.map(|peer| self.bring(peer, MIB, now));
            brought.map(|(number, fits)| if fits { number } else { panic!("no room") }).collect()
        }

        fn are_there(&self, numbers: &[u64]) -> usize {
            numbers.iter().filter(|number| self.bodies.contains_key(number)).count()
        }
    }

    #[test]
    fn a_slow_body_loses_its_place_to_a_fast_one() {
        let (mut held, start) = (Held::default(), now());
        let bodies = held.fill(0..4, start);
        assert!(!held.bring(peer(9), SMALL + 1, start + LATELY).1, "nobody is slow yet");
        let later = start + LATELY * 3;
        let (number, fits) = held.bring(peer(9), SMALL + 1, later);
        assert!(fits && held.are_there(&[number]) == 1);
        let lost = bodies.len() - held.are_there(&bodies);
        assert!((1..=5).contains(&lost), "{lost}");
        assert_eq!(held.are_there(&bodies[..lost]), 0, "the oldest go first");
    }

    #[test]
    fn a_body_that_keeps_arriving_stays() {
        let (mut held, start) = (Held::default(), now());
        let bodies = held.fill(0..3, start);
        let later = start + LATELY * 3;
        assert!(held.take(bodies[0], 1, later), "and its own client's slower ones make room");
        held.fill(4..6, later);
        assert_eq!(held.are_there(&bodies[..1]), 1);
    }

    #[test]
    fn small_bodies_have_room_of_their_own() {
        let (mut held, start) = (Held::default(), now());
        let bodies = held.fill(0..4, start);
        assert!(held.bring(peer(9), SMALL, start + LATELY * 3).1);
        assert_eq!(held.are_there(&bodies), bodies.len(), "and take none from others");
    }

    #[test]
    fn one_client_holds_a_quarter_and_only_its_own_bodies_go_for_more() {
        let (mut held, start) = (Held::default(), now());
        let others = held.fill(1..3, start);
        let own = held.fill(0..1, start);
        assert!(held.bring(peer(0), MIB, start + LATELY * 3).1);
        assert_eq!(held.are_there(&others), others.len());
        assert!(held.are_there(&own) < own.len());
    }

    #[test]
    fn where_all_are_fast_the_one_that_comes_is_refused() {
        let (mut held, start) = (Held::default(), now());
        let bodies = held.fill(0..4, start);
        for step in 1..20 {
            let now = start + LATELY * step / 4;
            for body in held.bodies.values_mut() {
                body.arrives(MIB, now);
            }
            let (number, fits) = held.bring(peer(9), MIB, now);
            assert!(!fits, "{step}");
            held.remove(number);
        }
        assert_eq!(held.are_there(&bodies), bodies.len());
    }

    #[test]
    fn time_stands_still_for_a_body_that_waits() {
        let (mut held, start) = (Held::default(), now());
        held.fill(0..4, start);
        let (waits, _) = held.begin(peer(9), start);
        assert!(held.take(waits, ITSELF, start));
        assert!(!held.take(waits, MIB, start));
        held.bodies.get_mut(&waits).unwrap().waits = Some(start);
        let later = start + LATELY * 3;
        assert_eq!(held.bodies[&waits].speed(later), FAST);
        assert!(held.take(waits, MIB, later));
        assert_eq!(held.bodies[&waits].speed(later), FAST.max(MIB + ITSELF));
    }

    #[test]
    fn what_leaves_gives_its_room_back() {
        let (mut held, now) = (Held::default(), now());
        for _ in 0..3 {
            for number in held.fill(0..4, now) {
                held.remove(number);
            }
        }
        assert!(held.bodies.is_empty() && held.of_peer.is_empty());
        assert!(held.of_size.values().all(|bytes| *bytes == 0));
    }

    #[tokio::test]
    async fn a_place_is_given_back_when_it_is_dropped() {
        let bodies = Bodies::default();
        let mut place = bodies.enter(peer(0), 100).await.unwrap();
        place.grow(SMALL).await.unwrap();
        assert_eq!(lock(&bodies.held).held(Size::Large, None), ITSELF + 100 + SMALL);
        drop(place);
        assert_eq!(lock(&bodies.held).held(Size::Large, None), 0);
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_peer() {
        let of = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
