//! What the table holds of a line, and how it changes.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// A line, as the table holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// The last ticket that was given out.
    pub given: u64,
    /// How many calls were let through for people without a ticket, as far as anybody told.
    pub outside: u64,
    /// When it is whose turn.
    pub plan: Plan,
}

/// When it is whose turn: `ticket` at `at`, and the others before and after it at `rate`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Counts up with every change.
    pub version: u64,
    /// The ticket whose turn it is …
    pub ticket: u64,
    /// … at this moment.
    pub at: Millis,
    /// Tickets a second.
    pub rate: f64,
    /// Whether the rate was ever found to be too high. Until then it goes up fast.
    pub sure: bool,
    /// How many calls may be made at once after a while without any.
    pub spare: f64,
    /// The last refusal, or when the line began anew.
    pub since: Since,
    /// Since when the calls are counted that tell the least rate.
    pub counted: Since,
}

/// Where the counting of calls that were let through began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Since {
    /// The moment.
    pub at: Millis,
    /// Whose turn it was.
    pub ticket: u64,
    /// How many had been let through without a ticket.
    pub outside: u64,
    /// Whether a call was refused at that moment; otherwise the line began anew.
    pub refused: bool,
}

/// A change of the table's item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Write {
    /// One more ticket: `given` goes up by one, and `outside` by so many. Where there is no plan, this
    /// one becomes it. No other change is in its way.
    Ticket(Plan, u64),
    /// One more ticket, with which the line begins anew, if nothing else has changed meanwhile.
    Begin(Plan),
    /// Another plan, if the one before it is still the table's.
    Plan(Plan),
}

/// Calls a second where nothing is known yet: rather too many, which costs calls, than too few, which
/// costs everybody time.
const FIRST_RATE: f64 = 12.0;
/// An outage in which every call is refused says nothing about the time after it: the rate goes no lower …
const SLOWEST: f64 = 0.5;
/// … and is so many times that, and not sure, once a call is let through again, or nobody was refused in so
/// many turns.
const OVER: f64 = 6.0;
const QUIET: f64 = 2.0;
/// Where nothing changes in so many turns and so long, those whose turns they were have gone.
const DESERTED: f64 = 16.0;
const DESERTED_FOR: Millis = 4_000;
const FASTEST: f64 = 500.0;
const MOST_SPARE: f64 = 10.0;
/// No moment and no number of a table is greater.
const MOST: u64 = 1 << 50;

/// The rate goes up every so many tickets, for each of them by this share: as long as it was never too
/// high …
const UNSURE: (u64, f64) = (2, 0.16);
/// … and after that: as many calls are to be refused as keep the balance with [`DOWN`], about a tenth.
const SURE: (u64, f64) = (6, 0.0045);
/// After more calls that were let through without a refusal than these …
const EXPECTED: f64 = 60.0;
/// … and so many more it goes up twice as fast, and faster and faster: it is far too low, or the refusals had
/// other reasons.
const SURPRISING: f64 = 10.0;
/// It goes up only while people wait for longer than this …
const WAITING: Millis = 300;
/// … and those who are called are there in time, within this.
const IN_TIME: Millis = 500;

/// By which factor the rate goes down with a refused call …
const DOWN: f64 = 0.96;
/// … while the rate is not sure …
const DOWN_UNSURE: f64 = 0.9;
/// … and with the first refusal of a line, which had calls to spare.
const DOWN_FIRST: f64 = 0.973;

/// Calls that were let through between two refusals came by in that time, whatever else is wrong: the
/// rate is no lower, but for this much that was lost to pages that came late.
const AT_LEAST: f64 = 1.05;
/// … nor so many times that, once it is sure: pages that come late make room for others.
const AT_MOST: f64 = 2.0;
/// They are counted once there are so many …
const ENOUGH: f64 = 4.0;
/// … and anew once there are more.
const MANY: f64 = 60.0;

impl Line {
    /// The line after a change, as the table makes it.
    ///
    /// # Errors
    ///
    /// The line as it is, which is not the one that the change was made for.
    #[expect(clippy::result_large_err, reason = "what is there is small, and handed back at once")]
    pub fn apply(item: Option<Self>, write: Write) -> Result<Self, Option<Self>> {
        match (item, write) {
            (None, Write::Ticket(plan, outside)) => Ok(Self { given: 1, outside, plan }),
            (Some(line), Write::Ticket(_, more)) => {
                Ok(Self { given: line.given + 1, outside: line.outside + more, ..line })
            }
            (Some(line), Write::Plan(plan)) if line.plan.version + 1 == plan.version => {
                Ok(Self { plan, ..line })
            }
            (Some(line), Write::Begin(plan))
                if line.plan.version + 1 == plan.version && line.given + 1 == plan.ticket =>
            {
                Ok(Self { given: plan.ticket, plan, ..line })
            }
            (item, Write::Plan(_) | Write::Begin(_)) => Err(item),
        }
    }

    /// Whether a line that came from a table can be one.
    pub fn is_sound(&self) -> bool {
        self.given < MOST && self.outside < MOST && self.plan.is_sound()
    }

    /// When the last ticket's turn is.
    pub fn ends_at(&self) -> Millis {
        self.plan.due(self.given)
    }

    /// Whether more calls could have been made by now than are made at once: the line begins anew with
    /// this ticket.
    pub(crate) fn is_idle(&self, ticket: u64, now: Millis) -> bool {
        let Plan { spare, rate, .. } = self.plan;
        self.plan.due(ticket) + millis((spare + 0.5) / rate) < now
    }

    /// How many calls were let through since then.
    #[expect(clippy::cast_precision_loss, reason = "people in a line")]
    fn through(&self, ticket: u64, since: Since) -> f64 {
        let Since { ticket: first, outside, .. } = since;
        (ticket.saturating_sub(first) + self.outside.saturating_sub(outside)) as f64
    }

    /// The plan of a line that begins anew with this ticket; `refused`: when its call was refused, before
    /// the ticket was taken.
    pub(crate) fn begun_anew(&self, ticket: u64, now: Millis, refused: Option<Millis>) -> Plan {
        let plan = self.plan;
        let mut spare = plan.spare;
        if !plan.since.refused && self.through(ticket, plan.since) > spare + 1.0 {
            spare = (spare + 1.0).min(MOST_SPARE);
        }
        let (at, since) = match refused {
            Some(at) => (now.max(at + millis(1.0 / plan.rate)), at),
            None => (now - millis(spare / plan.rate), now),
        };
        let refused = refused.is_some();
        let since = Since { at: since, ticket, outside: self.outside, refused };
        Plan { version: plan.version + 1, ticket, at, spare, since, counted: since, ..plan }
    }

    /// A faster plan, where it is time for one.
    #[expect(clippy::cast_precision_loss, reason = "people in a line")]
    pub(crate) fn faster(&self, ticket: u64, now: Millis) -> Option<Plan> {
        let plan = self.plan;
        let (every, share) = if plan.sure { SURE } else { UNSURE };
        let more = self.through(ticket, plan.since) - EXPECTED;
        let surprise = more.max(0.0) / SURPRISING;
        let share = (share * (1.0 + surprise * surprise)).min(UNSURE.1);
        let called = ticket.saturating_sub(plan.ticket);
        let people_wait = self.ends_at() > now + WAITING;
        let in_time = now - plan.due(ticket) < IN_TIME;
        let is_over = plan.rate <= SLOWEST && called >= 1;
        let came_by = self.through(ticket, plan.since) / seconds(now - plan.since.at);
        let most = if plan.sure { plan.rate.max(AT_MOST * came_by) } else { FASTEST };
        let factor = if is_over { OVER } else { 1.0 + called.min(2 * every) as f64 * share };
        (people_wait && in_time && (is_over || called >= every)).then(|| Plan {
            version: plan.version + 1,
            ticket,
            at: plan.due(ticket).max(now - millis(plan.spare / plan.rate)),
            rate: (plan.rate * factor).min(most).min(FASTEST),
            sure: plan.sure && !is_over,
            ..plan
        })
    }

    /// The plan of somebody with this ticket who meets a line in which nothing goes on: an outage has ended,
    /// or nobody is there any more.
    pub(crate) fn goes_on(&self, ticket: u64, now: Millis) -> Option<Plan> {
        let plan = self.plan;
        let version = plan.version + 1;
        let turns = (seconds(now - plan.at) * plan.rate).floor();
        if plan.rate <= SLOWEST && turns >= QUIET {
            let at = plan.at + millis(turns / plan.rate);
            let (ticket, rate) = (plan.ticket + whole(turns), plan.rate * OVER);
            return Some(Plan { version, at, ticket, rate, sure: false, ..plan });
        }
        let is_deserted = turns >= DESERTED && now - plan.at >= DESERTED_FOR;
        is_deserted.then_some(Plan { version, at: now, ticket, ..plan })
    }

    /// The plan after a ticket's call was refused at `now`, in its turn: the ticket is called again when
    /// the next call is free, and everybody behind it moves along.
    pub(crate) fn after_refusal(&self, ticket: u64, now: Millis) -> Plan {
        let plan = self.plan;
        let here = Since { at: now, ticket, outside: self.outside, refused: true };
        let mut spare = plan.spare;
        let factor = if plan.since.refused {
            if plan.sure { DOWN } else { DOWN_UNSURE }
        } else {
            // So many more calls were let through at once than come by in that time.
            let came_by = plan.rate * seconds(now - plan.since.at);
            spare = spare.min((self.through(ticket, plan.since) - came_by).max(0.0));
            DOWN_FIRST
        };
        let mut rate = (plan.rate * factor).max(SLOWEST);
        let counted = self.through(ticket, plan.counted);
        if counted >= ENOUGH {
            let came_by = AT_LEAST * counted / seconds(now - plan.counted.at);
            rate = rate.max(came_by.min(plan.rate));
        }
        let is_over = counted >= MANY || !plan.since.refused;
        Plan {
            version: plan.version + 1,
            ticket,
            at: now + millis(1.0 / rate),
            rate,
            sure: plan.sure || counted >= ENOUGH,
            spare,
            since: here,
            counted: if is_over { here } else { plan.counted },
        }
    }
}

impl Plan {
    /// The plan of a line of which nothing is known, begun by whoever was refused at `now`.
    pub fn first(now: Millis) -> Self {
        let since = Since { at: now, ticket: 1, outside: 0, refused: true };
        let at = now + millis(1.0 / FIRST_RATE);
        Self {
            version: 1,
            ticket: 1,
            at,
            rate: FIRST_RATE,
            sure: false,
            spare: 0.0,
            since,
            counted: since,
        }
    }

    fn is_sound(&self) -> bool {
        let moments = [self.at, self.since.at, self.counted.at];
        let numbers = [self.version, self.ticket, self.since.ticket, self.counted.ticket];
        (SLOWEST..=FASTEST).contains(&self.rate)
            && (0.0..=MOST_SPARE).contains(&self.spare)
            && moments.iter().all(|at| at.unsigned_abs() < MOST)
            && numbers.iter().all(|number| *number < MOST)
    }

    /// When it is a ticket's turn.
    #[expect(clippy::cast_precision_loss, reason = "people in a line")]
    pub fn due(&self, ticket: u64) -> Millis {
        let seconds = ticket.abs_diff(self.ticket) as f64 / self.rate;
        if ticket < self.ticket { self.at - millis(seconds) } else { self.at + millis(seconds) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "moments of one line are close to each other")]
fn seconds(millis: Millis) -> f64 {
    millis as f64 / 1e3
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and saturates"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[expect(clippy::cast_possible_truncation, reason = "saturates; and lines are short")]
fn millis(seconds: f64) -> Millis {
    (seconds * 1e3).round().clamp(-1e12, 1e12) as Millis
}

impl Write {
    /// The plan that is written, or that is to be where there is none.
    pub fn plan(self) -> Plan {
        match self {
            Self::Ticket(plan, _) | Self::Begin(plan) | Self::Plan(plan) => plan,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn line(rate: f64) -> Line {
        let plan = Plan { at: NOW, rate, ..Plan::first(NOW) };
        Line { given: 40, outside: 0, plan }
    }

    #[test]
    fn after_an_outage_whoever_asks_makes_the_line_faster() {
        assert_eq!(line(SLOWEST).goes_on(40, NOW + 3_999), None);
        let plan = line(SLOWEST).goes_on(40, NOW + 4_000).unwrap();
        assert_eq!((plan.ticket, plan.at, plan.rate, plan.sure), (3, NOW + 4_000, 3.0, false));
    }

    #[test]
    fn a_line_whose_people_have_gone_goes_on_with_whoever_asks() {
        for (rate, deserted) in [(2.0, 8_000), (4.0, 4_000), (500.0, 4_000)] {
            assert_eq!(line(rate).goes_on(40, NOW + deserted - 1), None, "{rate}");
            let plan = line(rate).goes_on(40, NOW + deserted).unwrap();
            assert_eq!((plan.ticket, plan.at, plan.rate), (40, NOW + deserted, rate));
        }
    }

    #[test]
    fn a_plan_that_stands_still_or_is_not_of_this_world_is_none() {
        let sound = Plan::first(NOW);
        assert!(sound.is_sound());
        let since = Since { at: Millis::MIN, ..sound.since };
        for plan in [
            Plan { rate: 0.0, ..sound },
            Plan { rate: f64::NAN, ..sound },
            Plan { spare: -1.0, ..sound },
            Plan { at: Millis::MAX, ..sound },
            Plan { version: u64::MAX, ..sound },
            Plan { since, ..sound },
        ] {
            assert!(!plan.is_sound(), "{plan:?}");
        }
        let sound = Line { given: 1, outside: 0, plan: sound };
        assert!(sound.is_sound());
        assert!(!Line { given: u64::MAX, ..sound }.is_sound());
        assert!(!Line { outside: u64::MAX, ..sound }.is_sound());
    }
}
