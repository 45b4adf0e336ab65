//! The connections of `serve`, of which there are only so many.
//!
//! Where all places are taken, the connections go that have been of no use for longest: nothing is being
//! answered on them, and the last answer that was taken from them, or else their beginning, lies furthest
//! back. So somebody who opens thousands and says nothing, sends slowly or reads nothing makes room for
//! whoever comes and asks. First go those of a client that has more than a quarter of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::bodies::Peer;

/// Of a connection that is newer, or has been of use since, nobody can tell yet what it is.
const PROBATION: Duration = Duration::from_millis(300);
/// How long a new connection waits before room is made once more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// This part of all places is made free at once, so that a flood does not count all of them for each.
const MADE_FREE: usize = 16;
/// One client may have this part of all places before its own go first.
const SHARE: usize = 4;

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    limit: usize,
    open: Arc<Mutex<Open>>,
}

type Open = HashMap<u64, Arc<Connection>>;

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    open: Arc<Mutex<Open>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connections {
    /// So many at once.
    pub(super) fn new(limit: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(limit)), limit, open: Arc::default() }
    }

    /// A place for a connection from `client`; where there is none, others lose theirs.
    pub(super) async fn enter(&self, client: IpAddr) -> Place {
        let place = loop {
            let place = Arc::clone(&self.places).acquire_owned();
            match tokio::time::timeout(Duration::ZERO, place).await {
                Ok(place) => break place.ok(),
                Err(_) => {
                    for connection in self.least_useful(now()) {
                        connection.lost.store(true, Ordering::Relaxed);
                        connection.evicted.notify_one();
                    }
                    let place = Arc::clone(&self.places).acquire_owned();
                    if let Ok(place) = tokio::time::timeout(LOOK_AGAIN, place).await {
                        break place.ok();
                    }
                }
            }
        };
        let connection = Arc::new(Connection::new(client));
        let mut open = lock(&self.open);
        let number = connection.number;
        open.insert(number, Arc::clone(&connection));
        drop(open);
        Place { connection, open: Arc::clone(&self.open), _place: place }
    }

    /// The connections that make room for new ones.
    fn least_useful(&self, now: Instant) -> Vec<Arc<Connection>> {
        let open = lock(&self.open);
        let mut of_client: HashMap<Peer, usize> = HashMap::new();
        for connection in open.values() {
            *of_client.entry(connection.client).or_default() += 1;
        }
        let has_many = |client| of_client.get(client).is_some_and(|n| *n > self.limit / SHARE);
        let mut useless: Vec<_> = open
            .values()
            .filter_map(|connection| {
                let since = connection.useless_since()?;
                let is_old = now.duration_since(since) > PROBATION;
                is_old.then(|| ((!has_many(&connection.client), since), Arc::clone(connection)))
            })
            .collect();
        useless.sort_by_key(|(order, _)| *order);
        useless.truncate((self.limit / MADE_FREE).max(1));
        useless.into_iter().map(|(_, connection)| connection).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.open).remove(&self.connection.number);
    }
}

/// One connection, and of what use it is.
#[derive(Debug)]
pub(super) struct Connection {
    number: u64,
    client: Peer,
    under_way: AtomicU32,
    /// Requests whose answer is being made.
    answering: AtomicU32,
    has_asked: AtomicBool,
    /// When an answer was last taken from it, or it began.
    of_use_at: Mutex<Instant>,
    changed: Notify,
    evicted: Notify,
    lost: AtomicBool,
}

/// One request of a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Connection>);

/// One answer, until the client has taken it.
#[derive(Debug)]
pub(super) struct Answering {
    connection: Arc<Connection>,
    is_being_made: AtomicBool,
    is_taken: AtomicBool,
}

impl Connection {
    fn new(client: IpAddr) -> Self {
        static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            client: Peer::of(client),
            under_way: AtomicU32::new(0),
            answering: AtomicU32::new(0),
            has_asked: AtomicBool::new(false),
            of_use_at: Mutex::new(now()),
            changed: Notify::new(),
            evicted: Notify::new(),
            lost: AtomicBool::new(false),
        }
    }

    /// A request has begun.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        self.changed.notify_one();
        UnderWay(Arc::clone(self))
    }

    /// A request has been read, and is being answered.
    pub(super) fn answer(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering {
            connection: Arc::clone(self),
            is_being_made: AtomicBool::new(true),
            is_taken: AtomicBool::new(false),
        }
    }

    fn useless_since(&self) -> Option<Instant> {
        let is_answering = self.answering.load(Ordering::Relaxed) > 0;
        let is_lost = self.lost.load(Ordering::Relaxed);
        (!is_answering && !is_lost).then(|| *lock(&self.of_use_at))
    }

    /// Ends when a newer connection takes the place.
    pub(super) async fn lost_its_place(&self) {
        self.evicted.notified().await;
    }

    /// Ends when nothing was asked for as long as is allowed: `first` for the first request, `later` for
    /// every other.
    pub(super) async fn idle_too_long(&self, first: Duration, later: Duration) {
        loop {
            let asked = self.has_asked.load(Ordering::Relaxed);
            let patience = if asked { later } else { first };
            let changed = tokio::time::timeout(patience, self.changed.notified()).await.is_ok();
            if !changed && self.under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

impl Answering {
    /// The answer is there; the client has still to take it.
    pub(super) fn is_made(&self) {
        if self.is_being_made.swap(false, Ordering::Relaxed) {
            self.connection.answering.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The connection has taken it; one that resets its streams has not.
    pub(super) fn is_taken(&self) {
        self.is_taken.store(true, Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.is_made();
        if self.is_taken.load(Ordering::Relaxed) {
            *lock(&self.connection.of_use_at) = now();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "how long a connection has been of no use")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: [u8; 4] = [192, 0, 2, 1];

    fn numbers(connections: &[Arc<Connection>]) -> Vec<u64> {
        connections.iter().map(|connection| connection.number).collect()
    }

    /// As if it had begun, or been of use, so long after the others.
    fn later(place: &Place, by: u32) {
        *lock(&place.connection.of_use_at) += PROBATION * by;
    }

    #[tokio::test]
    async fn a_connection_without_a_request_ends_and_one_with_a_request_does_not() {
        const FIRST: Duration = Duration::from_millis(5);
        const LATER: Duration = Duration::from_millis(10);
        let connection = Arc::new(Connection::new(MANY.into()));
        connection.idle_too_long(FIRST, Duration::MAX).await;
        let request = connection.begin();
        let waiting = tokio::time::timeout(LATER * 5, connection.idle_too_long(FIRST, LATER));
        assert!(waiting.await.is_err(), "a request is under way");
        drop(request);
        connection.idle_too_long(Duration::MAX, LATER).await;
    }

    #[tokio::test]
    async fn the_connection_that_was_of_no_use_for_longest_makes_room() {
        let (connections, start) = (Connections::new(16), now());
        let asking = connections.enter(MANY.into()).await;
        let silent = connections.enter(MANY.into()).await;
        later(&asking, 2);
        assert!(connections.least_useful(start).is_empty(), "nobody can tell yet");
        let least = || numbers(&connections.least_useful(now() + PROBATION * 9));
        assert_eq!(least(), [silent.connection.number]);
        let answer = silent.connection.answer();
        assert_eq!(least(), [asking.connection.number], "the other one is being answered");
        drop((asking, answer, silent));
        assert!(least().is_empty());
    }

    #[tokio::test]
    async fn who_takes_all_places_loses_one_to_whoever_comes() {
        let connections = Connections::new(4);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(connections.enter(MANY.into()).await);
        }
        let first = held.remove(0);
        let leaves = tokio::spawn(async move { first.connection.lost_its_place().await });
        let entered = connections.enter([192, 0, 2, 9].into()).await;
        leaves.await.unwrap();
        assert_eq!(lock(&connections.open).len(), 4);
        drop(entered);
    }

    #[tokio::test]
    async fn the_connections_of_who_has_too_many_go_before_older_ones_of_others() {
        let connections = Connections::new(8);
        let older = connections.enter([192, 0, 2, 7].into()).await;
        let mut many = Vec::new();
        for _ in 0..3 {
            many.push(connections.enter(MANY.into()).await);
            later(&many[many.len() - 1], 2);
        }
        let least = || connections.least_useful(now() + PROBATION * 9);
        assert_eq!(least().len(), 1);
        assert_eq!(least()[0].client, Peer::of(MANY.into()));
        drop(many.pop());
        assert_eq!(numbers(&least()), [older.connection.number]);
    }

    #[tokio::test]
    async fn who_has_a_network_of_ipv6_is_one_client_with_all_its_addresses() {
        let connections = Connections::new(8);
        let older = connections.enter([192, 0, 2, 7].into()).await;
        let mut many = Vec::new();
        for number in 0..3 {
            let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, number);
            many.push(connections.enter(address.into()).await);
            later(&many[many.len() - 1], 2);
        }
        let least = numbers(&connections.least_useful(now() + PROBATION * 9));
        assert_eq!(least, [many[0].connection.number]);
        drop(many.pop());
        let least = numbers(&connections.least_useful(now() + PROBATION * 9));
        assert_eq!(least, [older.connection.number]);
    }

    #[test]
    fn an_answer_that_is_not_taken_is_no_use() {
        let connection = Arc::new(Connection::new(MANY.into()));
        let since = connection.useless_since().unwrap();
        let answer = connection.answer();
        assert_eq!(connection.useless_since(), None, "it is being made");
        answer.is_made();
        assert_eq!(connection.useless_since(), Some(since), "nobody has taken it");
        drop(answer);
        assert_eq!(connection.useless_since(), Some(since), "its stream was reset");
        let answer = connection.answer();
        answer.is_taken();
        drop(answer);
        assert!(connection.useless_since() > Some(since));
    }
}
