//! What a person is told who has to wait.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::broker::line::{Back, Place};
use crate::random::random;
use crate::session::Seen;

/// What a person waits for, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Why.
    pub reason: Reason,
    /// When to come back: whole seconds.
    pub seconds: u16,
    /// Since when the person waits for AWS, epoch seconds.
    pub since: Option<i64>,
    /// The place in line to come back to.
    pub place: Option<Place>,
    /// What the next visit need not look at again.
    pub seen: Option<Seen>,
}

/// Why a team does not open yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SageMaker prepares the profile.
    Profile,
    /// What is behind the door is being prepared or updated.
    Door,
    /// AWS throttles.
    Aws,
}

/// When a page comes back that waits for AWS and has no place.
const ASK_AGAIN: Duration = Duration::from_millis(3_500);

/// When a page comes back for which the next visit has hardly anything to do.
pub(super) const SOON: Duration = Duration::from_millis(900);

/// Whoever has waited longer than this is not believed: an old bookmark, not a waiting page.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(30);

impl Wait {
    /// For `reason`, about so long.
    pub fn about(reason: Reason, duration: Duration) -> Self {
        let seconds = spread(duration, random());
        Self { reason, seconds, since: None, place: None, seen: None }
    }

    /// For AWS, where it is nobody's turn in particular.
    pub fn for_aws() -> Self {
        Self::about(Reason::Aws, ASK_AGAIN)
    }

    /// For somebody whose turn it was and whose calls took too long: they keep their place.
    pub fn cut_off(place: Place, now: Timestamp, waited: SignedDuration) -> Self {
        let since = Some((now - waited).as_second());
        Self { since, place: Some(place), ..Self::about(Reason::Aws, SOON) }
    }

    /// For one's turn.
    pub fn for_turn(back: Back) -> Self {
        let Back { seconds, place } = back;
        Self { reason: Reason::Aws, seconds, since: None, place, seen: None }
    }
}

/// How long a waiting page has waited that began at `since` (epoch seconds); `None` when that cannot be.
pub fn waited_since(since: i64, now: Timestamp) -> Option<SignedDuration> {
    let waited = now.duration_since(Timestamp::from_second(since).ok()?);
    (!waited.is_negative() && waited < LONGEST_WAIT).then_some(waited)
}

/// People come back this much of their wait earlier or later …
const SPREAD: f64 = 0.15;
/// … and this many seconds besides.
const LEAST_SPREAD: f64 = 0.25;

/// Whole seconds around `duration`, at least one, so that people who came at once do not all come back
/// at once. `random` decides.
fn spread(duration: Duration, random: [u8; 4]) -> u16 {
    let fraction = f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX);
    let span = LEAST_SPREAD + duration.as_secs_f64() * SPREAD;
    let seconds = duration.as_secs_f64() + span * (2.0 * fraction - 1.0);
    // Rounded up or down by the byte that decides least above.
    let [.., last] = random;
    let rounded = (seconds + f64::from(last) / 256.0).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let whole = rounded.clamp(1.0, 600.0) as u16;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn an_old_bookmark_and_a_moment_to_come_are_no_waiting() {
        let waited = SignedDuration::from_secs(7);
        assert_eq!(waited_since(1_800_000_000, at(7)), Some(waited));
        assert_eq!(waited_since(1_800_000_000, at(3_600)), None);
        assert_eq!(waited_since(1_800_000_000, at(-1)), None);
        assert_eq!(waited_since(i64::MAX, at(0)), None);
    }

    #[test]
    fn spread_seconds_are_whole_around_the_duration_and_at_least_one() {
        let all = |duration| -> Vec<u16> {
            let random = |i: u32| (i * 65_537).to_be_bytes();
            let mut all: Vec<_> = (0..65_536).map(|i| spread(duration, random(i))).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        assert_eq!(all(Duration::from_millis(1_500)), [1, 2]);
        assert_eq!(all(Duration::from_secs(10)), [8, 9, 10, 11, 12]);
        assert_eq!(all(Duration::ZERO), [1]);
    }
}
