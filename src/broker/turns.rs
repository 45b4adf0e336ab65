//! Whose turn it is while AWS throttles: a queue without a place where it is kept.
//!
//! SageMaker lets an account make a few calls a second. When more people come than that, the waiting
//! pages come back and ask again, and whoever happens to ask when a call is free gets through: the
//! last one waits twice as long as in a queue, and the more pages wait the more calls are in vain.
//! Functions share no memory in which a queue could stand. But each page knows since when its person
//! has waited, and each process sees who is throttled and who is not. So a process learns how long
//! those have waited whose turn it is, the *front* of the line, and asks AWS only for them:
//!
//! | what happens | the front |
//! | --- | --- |
//! | somebody is throttled who has waited longer than the front | moves to what they have waited |
//! | somebody gets through | comes nearer, by a seventh and 0.3 s |
//! | nobody is throttled for five seconds | fades, and after ten is forgotten: there is no line |
//!
//! Where nobody gets through at all, the visits become rarer.
//!
//! Whoever has waited less is told when to come back, and costs no call. `benches/monday.py` measures
//! what that is worth beside a perfect queue.
//!
//! How long a page has waited is what its address says, so a person can claim a longer wait than is
//! true. That only makes others wait as if that person had asked AWS as often as they liked, which
//! they can do anyway; nobody gets into anything by it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::team::door::DoorKind;
use crate::team::{AccountId, Region};

/// The lines in which people stand, as far as this process knows.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Line, Front>>);

/// What is throttled together: one kind of call in one account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    account: Option<AccountId>,
    region: Region,
    step: Step,
}

/// The calls of an opening, as far as they are throttled by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `AssumeRole`, throttled in the broker's own account.
    Assume,
    /// `DescribeUserProfile` and `ListTags`.
    Look,
    /// `CreateUserProfile`.
    Create,
    /// `UpdateUserProfile` and `AddTags`.
    Change,
    /// `CreatePresignedDomainUrl`.
    Presign,
    /// The URL of a door, and the state of what is behind it.
    Door(DoorKind),
}

#[derive(Debug, Clone, Copy)]
struct Front {
    /// How long they have waited whose turn it is, in seconds.
    seconds: f64,
    began_at: Timestamp,
    throttled_at: Timestamp,
    /// Calls that were throttled since the last one that was not.
    in_vain: u32,
}

/// After this long without a throttled call there is no line …
const MEMORY: SignedDuration = SignedDuration::from_secs(10);
/// … and after so many seconds it begins to fade.
const QUIET_SECONDS: f64 = 5.0;

/// A line this short is waited for within the request, in seconds …
const SHORT_SECONDS: f64 = 3.0;
/// … unless so many calls one after the other were in vain.
const JAMMED: u32 = 8;

/// Whoever has waited longer than this is not believed: an old bookmark, not a waiting page.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(30);

/// Between two visits of a waiting page, in seconds, before they are spread.
const SOONEST_SECONDS: f64 = 1.5;
const LATEST_SECONDS: f64 = 20.0;

/// A page comes back before its turn is due by this much of the way: lines also become shorter.
const OF_THE_WAY: f64 = 0.8;

/// More lines than accounts that a person can meet; forgotten ones are dropped beyond.
const MANY_LINES: usize = 1_000;

impl Step {
    /// The operation that a call of this kind is known by.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Assume => "sts:AssumeRole",
            Self::Look => "sagemaker:DescribeUserProfile",
            Self::Create => "sagemaker:CreateUserProfile",
            Self::Change => "sagemaker:UpdateUserProfile",
            Self::Presign => "sagemaker:CreatePresignedDomainUrl",
            Self::Door(kind) => kind.row().open_action,
        }
    }

    /// The kind that an operation belongs to.
    pub fn of(operation: &str) -> Self {
        match operation {
            "sts:AssumeRole" => Self::Assume,
            "sagemaker:CreateUserProfile" => Self::Create,
            "sagemaker:UpdateUserProfile" | "sagemaker:AddTags" => Self::Change,
            "sagemaker:CreatePresignedDomainUrl" => Self::Presign,
            _ => Self::Look,
        }
    }
}

impl Line {
    /// The line for a call in a team's account.
    pub fn new(account: &AccountId, region: &Region, step: Step) -> Self {
        let account = (step != Step::Assume).then(|| account.clone());
        Self { account, region: region.clone(), step }
    }
}

impl Turns {
    /// Whether somebody who has waited this long may ask AWS now.
    pub fn is_due(&self, line: &Line, waited: SignedDuration, now: Timestamp) -> bool {
        waited.as_secs_f64() >= self.front(line, now).unwrap_or(0.0)
    }

    /// Whether somebody was throttled lately.
    pub fn is_throttled(&self, line: &Line, now: Timestamp) -> bool {
        self.known(line, now).is_some()
    }

    /// Whether waiting within the request can help.
    pub fn is_short(&self, line: &Line, now: Timestamp) -> bool {
        self.known(line, now)
            .is_none_or(|front| front.seconds_at(now) < SHORT_SECONDS && front.in_vain < JAMMED)
    }

    /// Somebody who has waited this long was throttled.
    pub fn throttled(&self, line: &Line, waited: SignedDuration, now: Timestamp) {
        let mut fronts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if fronts.len() >= MANY_LINES {
            fronts.retain(|_, front| front.is_remembered(now));
        }
        let known = fronts.get(line).filter(|front| front.is_remembered(now));
        let new = Front { seconds: 0.0, began_at: now, throttled_at: now, in_vain: 0 };
        let mut front = known.copied().unwrap_or(new);
        // Nobody waits in a line for longer than there is one: whoever says so left a page open.
        let waited = waited.min(now.duration_since(front.began_at)).as_secs_f64();
        front.seconds = front.seconds_at(now).max(waited);
        front.throttled_at = front.throttled_at.max(now);
        front.in_vain = front.in_vain.saturating_add(1);
        fronts.insert(line.clone(), front);
    }

    /// Somebody got through.
    pub fn served(&self, line: &Line) {
        let mut fronts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(front) = fronts.get_mut(line) {
            front.seconds = (front.seconds * 6.0 / 7.0 - 0.3).max(0.0);
            front.in_vain = 0;
        }
    }

    /// When somebody who has waited this long comes back, before it is spread.
    pub fn come_back(&self, line: &Line, waited: SignedDuration, now: Timestamp) -> Duration {
        let known = self.known(line, now);
        let (front, in_vain) =
            known.map_or((0.0, 0), |front| (front.seconds_at(now), front.in_vain));
        // Where nothing moves at all, nobody gains by coming soon.
        let jam = f64::from(1 + in_vain / JAMMED);
        let soonest = (SOONEST_SECONDS * jam).min(LATEST_SECONDS / 2.0);
        let rest = (front - waited.as_secs_f64()) * OF_THE_WAY;
        Duration::from_secs_f64(rest.clamp(soonest, LATEST_SECONDS))
    }

    fn front(&self, line: &Line, now: Timestamp) -> Option<f64> {
        self.known(line, now).map(|front| front.seconds_at(now))
    }

    fn known(&self, line: &Line, now: Timestamp) -> Option<Front> {
        let fronts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fronts.get(line).filter(|front| front.is_remembered(now)).copied()
    }
}

impl Front {
    fn is_remembered(&self, now: Timestamp) -> bool {
        // Requests beside each other have begun at different moments: one may be the other's future.
        now.duration_since(self.throttled_at).abs() < MEMORY
    }

    /// What is left of it: the longer nobody was throttled, the less there is a line.
    fn seconds_at(&self, now: Timestamp) -> f64 {
        let quiet = now.duration_since(self.throttled_at).abs().as_secs_f64();
        let memory = MEMORY.as_secs_f64();
        self.seconds * ((memory - quiet) / (memory - QUIET_SECONDS)).clamp(0.0, 1.0)
    }
}

/// How long a waiting page has waited that began at `since` (epoch seconds); `None` when that cannot be.
pub fn waited_since(since: i64, now: Timestamp) -> Option<SignedDuration> {
    let waited = now.duration_since(Timestamp::from_second(since).ok()?);
    (!waited.is_negative() && waited < LONGEST_WAIT).then_some(waited)
}

/// Whole seconds around `duration`, at least one, so that people who came at once do not all come back
/// at once. `random` decides.
pub fn spread(duration: Duration, random: [u8; 4]) -> u16 {
    let fraction = f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX);
    let span = 0.25 + duration.as_secs_f64() * 0.15;
    let seconds = duration.as_secs_f64() + span * (2.0 * fraction - 1.0);
    // Rounded up or down by the digits that the line above does not use.
    let [.., last] = random;
    let rounded = (seconds + f64::from(last) / 256.0).floor();
    // `LATEST_SECONDS` and all other waits are far below.
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

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    fn line(step: Step) -> Line {
        let account = AccountId::try_from("111111111111".to_owned()).unwrap();
        Line::new(&account, &Region::try_from("eu-west-1".to_owned()).unwrap(), step)
    }

    #[test]
    fn without_a_throttled_call_it_is_everybodys_turn() {
        let turns = Turns::default();
        assert!(turns.is_due(&line(Step::Presign), seconds(0), at(0)));
        assert!(!turns.is_throttled(&line(Step::Presign), at(0)));
    }

    #[test]
    fn one_throttled_newcomer_makes_nobody_else_wait() {
        for waited in [0, 1_000] {
            let turns = Turns::default();
            turns.throttled(&line(Step::Presign), seconds(waited), at(0));
            assert!(turns.is_throttled(&line(Step::Presign), at(1)));
            assert!(turns.is_due(&line(Step::Presign), seconds(0), at(1)));
        }
    }

    /// A line in which somebody was throttled every four seconds, the last who had waited this long.
    fn turns_after(waited: i64) -> Turns {
        let turns = Turns::default();
        for second in (-100..0).step_by(4) {
            turns.throttled(&line(Step::Presign), seconds(0), at(second));
        }
        turns.throttled(&line(Step::Presign), seconds(waited), at(0));
        turns
    }

    #[test]
    fn nobody_has_waited_longer_than_there_is_a_line() {
        let turns = turns_after(1_000);
        assert!(!turns.is_due(&line(Step::Presign), seconds(99), at(0)));
        assert!(turns.is_due(&line(Step::Presign), seconds(100), at(0)));
    }

    #[test]
    fn who_has_waited_less_than_those_at_the_front_is_not_asked_for() {
        let turns = turns_after(30);
        turns.throttled(&line(Step::Presign), seconds(10), at(1));
        assert!(!turns.is_due(&line(Step::Presign), seconds(29), at(2)));
        assert!(turns.is_due(&line(Step::Presign), seconds(30), at(2)));
        assert!(turns.is_due(&line(Step::Look), seconds(0), at(2)), "another kind of call");
        let back = turns.come_back(&line(Step::Presign), seconds(10), at(2));
        assert_eq!(back, Duration::from_secs(16));
    }

    #[test]
    fn the_front_comes_nearer_with_each_that_gets_through() {
        let turns = turns_after(7);
        turns.served(&line(Step::Presign));
        assert!(!turns.is_due(&line(Step::Presign), seconds(5), at(1)));
        assert!(turns.is_due(&line(Step::Presign), seconds(6), at(1)));
        for _ in 0..12 {
            turns.served(&line(Step::Presign));
        }
        assert!(turns.is_due(&line(Step::Presign), seconds(0), at(1)));
    }

    #[test]
    fn the_front_fades_after_five_seconds_and_is_forgotten_after_ten() {
        let (turns, line) = (turns_after(10), line(Step::Presign));
        assert!(!turns.is_due(&line, seconds(9), at(5)));
        assert!(turns.is_due(&line, seconds(8), at(6)));
        assert!(!turns.is_due(&line, seconds(7), at(6)));
        assert!(turns.is_throttled(&line, at(9)));
        assert!(turns.is_due(&line, seconds(0), at(10)));
        assert!(!turns.is_throttled(&line, at(10)));
        assert!(turns.is_due(&line, seconds(0), at(-10)), "the clock was set back");
    }

    #[test]
    fn a_request_waits_in_a_short_line_that_moves() {
        let (turns, line) = (Turns::default(), line(Step::Presign));
        for _ in 1..JAMMED {
            turns.throttled(&line, seconds(0), at(0));
        }
        assert!(turns.is_short(&line, at(0)));
        turns.throttled(&line, seconds(0), at(0));
        assert!(!turns.is_short(&line, at(0)), "jammed");
        assert_eq!(turns.come_back(&line, seconds(0), at(0)), Duration::from_secs(3));
        turns.served(&line);
        assert!(turns.is_short(&line, at(0)));
        assert!(!turns_after(3).is_short(&line, at(0)), "long");
    }

    #[test]
    fn roles_are_assumed_in_one_line_for_all_accounts() {
        let other = AccountId::try_from("222222222222".to_owned()).unwrap();
        let region = Region::try_from("eu-west-1".to_owned()).unwrap();
        assert_eq!(line(Step::Assume), Line::new(&other, &region, Step::Assume));
        assert_ne!(line(Step::Look), Line::new(&other, &region, Step::Look));
    }

    #[test]
    fn an_old_bookmark_and_a_moment_to_come_are_no_waiting() {
        assert_eq!(waited_since(1_800_000_000, at(7)), Some(seconds(7)));
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
