//! Whose turn it is while AWS throttles: this process's part in the one fair line of all of them.
//!
//! SageMaker lets an account make a few calls a second. Who is refused, or comes while others wait, takes a
//! place in a line that stands in the state table; its page's address carries the place, and comes back when
//! it is its turn. The rules are [`fair_line`]'s, which knows nothing of AWS; here its words are carried out:
//! calls made, the table read and written, pages sent away.
//!
//! | who asks | in a line |
//! | --- | --- |
//! | a page | takes a place, and comes back to it |
//! | a sign-in, whose answer is a redirect to such a page | takes none, and makes no call while others wait: its page will |
//! | a client that has no page to come back | asks as it likes, and is told to come back some time |
//!
//! A place that somebody makes up is worth a call at once, which whoever keeps asking has as well. It lets
//! nobody into anything: the line decides when a call is made, and never which.

mod memory;
mod place;

pub use memory::Lines;
pub use place::{Place, Returns, Step};

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fair_line::{Knowledge, Known, Line, Millis, Next, Turn, Write, seconds_to};
use jiff::SignedDuration;

use self::memory::{LATELY, Name, Remembered};
use super::audit::{Facts, about};
use super::time::RequestTime;
use crate::aws::error::{AwsError, Kind};
use crate::aws::line_table::Answer;
use crate::random::random;
use crate::team::{AccountId, Region};

/// Come back: it is not this person's turn yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// In so many seconds.
    pub seconds: u16,
    /// To this place; `None` where none could be kept.
    pub place: Option<Place>,
}

/// Why a call in turn has no result.
#[derive(Debug, Clone)]
pub enum Unserved {
    /// It was not made, since it is not this person's turn, or was made and throttled.
    Back(Back),
    /// It failed otherwise.
    Failed(AwsError),
}

/// One request's way through the lines of one team's account.
pub struct Queue<'a> {
    lines: &'a Lines,
    account: &'a AccountId,
    region: &'a Region,
    facts: &'a Facts,
    returns: Returns,
    time: RequestTime,
    turns: Mutex<HashMap<Step, Turn>>,
}

/// Nobody is waited for until later than this before the answer is due: the call takes its time, too.
const FOR_THE_CALL: Duration = Duration::from_millis(400);
/// Somebody for whom no place could be kept comes back in this many seconds: at least, and at most.
const SOME_TIME: (u16, u16) = (2, 6);
/// Somebody with a place comes back in this many seconds at least.
const SOONEST: u16 = 1;
/// A table that has not answered is not asked again for so long.
const SILENT: Millis = 2_000;
/// A change that met another Region's is made again so often, after so long each time.
const CONFLICTS: u32 = 2;
const BETWEEN: Duration = Duration::from_millis(30);
/// While others wait to look, somebody who waits for a profile yields to them: of 256 visits so many look all
/// the same.
const LOOKS_ALL_THE_SAME: u8 = 85;
/// Somebody who yields comes back after a tenth of the profile's age, or when the line ends: at least and at
/// most after this.
const YIELDS: (Millis, Millis) = (1_500, 30_000);
/// Nobody yields for a profile that is older than this: it should have been ready long ago.
const YOUNG: SignedDuration = SignedDuration::from_mins(3);
/// Somebody who yields comes back after this part of the profile's age …
const OF_ITS_AGE: Millis = 10;
/// … and up to 255 times so many milliseconds later, by chance, so that they do not all come at once.
const APART: Millis = 4;
/// A line shorter than this is none.
const SHORT: Millis = 100;

impl<'a> Queue<'a> {
    /// For a request for something in this account and Region. `facts` say in the log whose it is.
    pub fn new(
        lines: &'a Lines,
        (account, region): (&'a AccountId, &'a Region),
        returns: Returns,
        facts: &'a Facts,
        time: RequestTime,
    ) -> Self {
        let queue = Self { lines, account, region, facts, returns, time, turns: Mutex::default() };
        if queue.place().is_some() {
            queue.alert();
        }
        queue
    }

    /// Makes a call when it is this person's turn, and again while it is throttled and the request has time.
    ///
    /// # Errors
    ///
    /// It is not this person's turn, or the call failed.
    pub async fn in_turn<T, F>(&self, step: Step, call: impl Fn() -> F) -> Result<T, Unserved>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        loop {
            self.until_called(step).await.map_err(Unserved::Back)?;
            let answer = Box::pin(call()).await;
            if !self.was_throttled(step, &answer) {
                return answer.map_err(Unserved::Failed);
            }
        }
    }

    /// Learns from the answer to a call; whether it was throttled, so that its person takes a place.
    pub fn was_throttled<T>(&self, step: Step, answer: &Result<T, AwsError>) -> bool {
        let mut turn = self.turn(step);
        match answer {
            Err(error) if error.kind == Kind::Throttled => {
                about!(warn, self.facts, error = %error, "AWS throttles");
                self.alert();
                turn.was_refused(self.now());
                self.keep(step, turn);
                return true;
            }
            // Whether it was let through is not known.
            Err(error) if error.leaves_open() => {}
            // Whatever AWS says to it, the call was let through.
            _ if turn.ticket().is_none() => {
                let now = self.now();
                let mut memory = self.lines.memory();
                let line = memory.line(&self.name(step), now);
                line.outside.retain(|at| now - at < LATELY);
                line.outside.push(now);
            }
            _ => {}
        }
        // A place is good for one call.
        self.keep(step, self.new_turn(None));
        false
    }

    /// Waits until it is this person's turn, within the request as long as that has time.
    ///
    /// # Errors
    ///
    /// When to come back.
    pub async fn until_called(&self, step: Step) -> Result<(), Back> {
        let mut turn = self.turn(step);
        if let Some(place) = self.place_to_come() {
            if place.at > self.now() + self.left() {
                return Err(self.back_at(place.at, Some(place)).await);
            }
            // Who is called elsewhere stands in no other line on the way: one call out of turn.
            if place.step != step {
                let back = Back { seconds: SOONEST, place: Some(place) };
                return if turn.is_refused() { Err(back) } else { Ok(()) };
            }
        }
        let place = |turn: &Turn, at| turn.ticket().map(|ticket| Place { step, ticket, at });
        let called = loop {
            let now = self.now();
            if turn.is_refused() && self.time.left().is_zero() {
                // Its person has been answered: nobody would come back to a place.
                break Err(Back { seconds: SOONEST, place: place(&turn, now) });
            }
            match turn.next(self.knowledge(step), now, now + self.left()) {
                Next::Call => break Ok(()),
                Next::Sleep(at) => sleep(at - now).await,
                Next::ComeBack(at) => break Err(self.back_at(at, place(&turn, at)).await),
                Next::BackOff => {
                    let seconds = some_time();
                    let at = now + Millis::from(seconds) * 1_000;
                    break Err(Back { seconds, place: place(&turn, at) });
                }
                Next::Read => {
                    if self.read(step).await.is_none() {
                        turn.table_failed();
                    }
                }
                Next::Write(write) => self.write(step, write, &mut turn).await,
            }
        };
        self.keep(step, turn);
        called
    }

    /// Lets others look who stand in line for it, and comes back later: a profile that SageMaker has
    /// prepared for this long is ready no sooner for being looked at. A third looks all the same, so that
    /// nobody is forgotten.
    ///
    /// # Errors
    ///
    /// When to come back.
    pub async fn lets_others_look(&self, age: SignedDuration) -> Result<(), Back> {
        if self.place().is_some() || age > YOUNG {
            return Ok(());
        }
        let now = self.now();
        let line = self.look_up(Step::Look).await.and_then(|known| known.line);
        let length = line.map_or(0, |line| line.ends_at() - now);
        let [chance, spread] = random::<2>();
        if length <= SHORT || chance < LOOKS_ALL_THE_SAME {
            return Ok(());
        }
        let age = Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX);
        let gap =
            (age / OF_ITS_AGE).max(length).clamp(YIELDS.0, YIELDS.1) + Millis::from(spread) * APART;
        Err(Back { seconds: whole(gap / 1_000), place: None })
    }

    /// Whether others wait for a URL or a look.
    pub async fn is_crowded(&self) -> bool {
        for step in [Step::Presign, Step::Look] {
            let known = self.look_up(step).await;
            if known.is_some_and(|known| known.is_there(self.now()) == Some(true)) {
                return true;
            }
        }
        false
    }

    /// In how long to look again at a profile that SageMaker has prepared for `age` milliseconds.
    pub fn look_again_after(&self, age: Millis) -> Duration {
        let now = self.now();
        let mut memory = self.lines.memory();
        let is_alert = memory.is_alert(now);
        let gap = memory.line(&self.name(Step::Look), now).looks.again_after(age, is_alert);
        Duration::from_millis(gap.unsigned_abs())
    }

    /// SageMaker has prepared a profile in `age` milliseconds, as far as its person was there to see it.
    pub fn was_prepared_in(&self, age: Millis) {
        if SignedDuration::from_millis(age) > YOUNG {
            return;
        }
        let now = self.now();
        self.lines.memory().line(&self.name(Step::Look), now).looks.took(age);
    }

    /// The line, as far as it is worth a look.
    async fn look_up(&self, step: Step) -> Option<Known> {
        let Knowledge { known, alert, .. } = self.knowledge(step);
        let is_known = known.is_some_and(|known| known.is_there(self.now()).is_some());
        if is_known || !alert { known } else { self.read(step).await }
    }

    async fn back_at(&self, at: Millis, place: Option<Place>) -> Back {
        let now = self.now();
        // Only who waits already is kept waiting: whoever comes sees at once that it goes on.
        let until = if self.place().is_some() { now + self.left() } else { now };
        let (seconds, held) = seconds_to(at, now, until);
        sleep(held).await;
        Back { seconds: whole(seconds), place }
    }

    async fn read(&self, step: Step) -> Option<Known> {
        if self.is_silent() {
            return None;
        }
        let name = self.name(step);
        let sent = self.time.millis();
        match self.lines.table.read(&name.to_string()).await {
            Ok(Answer { said: line, second }) => Some(self.learn(&name, line, sent, second)),
            Err(error) => {
                self.lost(&error);
                None
            }
        }
    }

    async fn write(&self, step: Step, write: Write, turn: &mut Turn) {
        let name = self.name(step);
        if self.is_silent() {
            return turn.table_failed();
        }
        let sent = self.time.millis();
        let mut written = self.lines.table.write(&name.to_string(), write, self.now()).await;
        for _ in 0..CONFLICTS {
            // Another Region wrote it at the same moment, and neither was written.
            if written.as_ref().is_err_and(|error| error.kind == Kind::Throttled) {
                tokio::time::sleep(BETWEEN).await;
                written = self.lines.table.write(&name.to_string(), write, self.now()).await;
            }
        }
        match written {
            Ok(Answer { said, second }) => {
                let line = match said {
                    Ok(line) => {
                        turn.wrote(write, line);
                        Some(line)
                    }
                    Err(other) => {
                        turn.was_too_late();
                        other
                    }
                };
                self.learn(&name, line, sent, second);
                if let Write::Ticket(..) = write {
                    self.lines.memory().line(&name, sent).outside.clear();
                }
            }
            Err(error) => {
                turn.table_failed();
                self.lost(&error);
            }
        }
    }

    /// Whether the table has just not answered.
    fn is_silent(&self) -> bool {
        let now = self.now();
        self.lines.memory().is_silent(now, SILENT)
    }

    fn lost(&self, error: &AwsError) {
        let now = self.now();
        self.lines.memory().failed = Some(now);
        let told = "no place in line: whoever waits comes back some time";
        about!(warn, self.facts, error = %error, "{told}");
    }

    fn learn(
        &self,
        name: &Name,
        line: Option<Line>,
        sent: Millis,
        second: Option<Millis>,
    ) -> Known {
        let received = self.time.millis();
        let mut memory = self.lines.memory();
        if let Some(second) = second {
            memory.clock.heard(sent, received, second);
        }
        let at = memory.clock.shared(received);
        memory.learn(name, line, at)
    }

    fn knowledge(&self, step: Step) -> Knowledge {
        let now = self.now();
        let mut memory = self.lines.memory();
        let alert = memory.is_alert(now);
        let Remembered { known, outside, .. } = memory.line(&self.name(step), now);
        let outside = outside.iter().filter(|at| now - **at < LATELY).count();
        Knowledge { known: *known, alert, outside: outside as u64 }
    }

    /// There is a line somewhere: whether it is here is looked up.
    pub fn alert(&self) {
        let now = self.now();
        self.lines.memory().alerted = Some(now);
    }

    /// By the table's clock.
    fn now(&self) -> Millis {
        self.lines.memory().clock.shared(self.time.millis())
    }

    /// How long a call can be waited for.
    fn left(&self) -> Millis {
        let left = self.time.left().saturating_sub(FOR_THE_CALL);
        Millis::try_from(left.as_millis()).unwrap_or(Millis::MAX)
    }

    fn name(&self, step: Step) -> Name {
        let account = (step != Step::Assume).then(|| self.account.clone());
        Name { account, region: self.region.clone(), step }
    }

    /// The place that the person has come back to.
    fn place(&self) -> Option<Place> {
        self.returns.place().filter(|place| Turn::counts(place.at, self.now()))
    }

    /// The same, as long as it is still to come in this request.
    fn place_to_come(&self) -> Option<Place> {
        self.place().filter(|place| !self.turns().contains_key(&place.step))
    }

    fn turn(&self, step: Step) -> Turn {
        let place = self.place_to_come().filter(|place| place.step == step);
        let known = self.turns().get(&step).copied();
        known.unwrap_or_else(|| self.new_turn(place.map(|place| place.ticket)))
    }

    fn new_turn(&self, ticket: Option<u64>) -> Turn {
        match self.returns {
            Returns::ByPage(_) => Turn::new(ticket),
            Returns::ByRedirect => Turn::passing(),
            Returns::ByItself => Turn::outside(),
        }
    }

    fn keep(&self, step: Step, turn: Turn) {
        self.turns().insert(step, turn);
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<Step, Turn>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep(millis: Millis) {
    tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0))).await;
}

fn some_time() -> u16 {
    let [chance] = random::<1>();
    let (least, most) = SOME_TIME;
    least + u16::from(chance) % (most - least + 1)
}

fn whole(seconds: Millis) -> u16 {
    u16::try_from(seconds.max(1)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_no_place_comes_back_in_two_to_six_seconds() {
        assert!((0..1_000).all(|_| (2..=6).contains(&some_time())));
        assert_eq!((whole(0), whole(-3), whole(7), whole(100_000)), (1, 1, 7, u16::MAX));
    }
}
