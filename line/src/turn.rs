//! One person's way through a line: what to do next.

use crate::{Line, Millis, Plan, Write};

/// A line, as a process saw it last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// The line, where there was one.
    pub line: Option<Line>,
    /// When it was seen.
    pub at: Millis,
}

/// What a process knows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Knowledge {
    /// The line, as it was seen last.
    pub known: Option<Known>,
    /// Whether a call of whatever kind was refused lately, or somebody came back from a line.
    pub alert: bool,
    /// How many calls were let through lately for people without a ticket.
    pub outside: u64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Make the call, and tell when it is refused.
    Call,
    /// Change the table's item, and tell what came of it.
    Write(Write),
    /// Read the table's item.
    Read,
    /// Wait within the request until this moment.
    Sleep(Millis),
    /// Come back at this moment, with the ticket.
    ComeBack(Millis),
    /// Come back some time: no place could be kept.
    BackOff,
}

/// One person's turn for one call.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    ticket: Option<u64>,
    /// When a call was refused for which no place was kept yet.
    refused: Option<Millis>,
    /// Whether the last refusal was answered with a plan or a ticket.
    settled: bool,
    planned: bool,
    /// How often the call was refused in this visit.
    refusals: u8,
    place: Keeps,
}

/// Whether somebody can come back to a place.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Keeps {
    Place,
    /// Their answer leads to a page that can: they call only where nobody waits.
    Passes,
    /// They cannot, or the table does not answer.
    Nothing,
}

/// What was seen of a line is believed for this long.
const FRESH: Millis = 700;
/// Whoever comes believes for this long that there is a line, or none …
const BELIEVED: Millis = 5_000;
/// … and there is one for this long after the last ticket's turn.
const LINGERS: Millis = 5_000;
/// A ticket whose call is refused so long after its moment has come late.
const LATE: Millis = 700;
/// A ticket this little before its moment is called.
const EARLY: Millis = 15;
/// Who comes so late has no place any more: an old bookmark, not a waiting page.
const FORGOTTEN: u64 = 120_000;
/// Who waits for longer than this looks in on the way: lines also become faster.
const LONG: Millis = 6_000;
/// A visit whose call was refused so often comes back later: an outage is not met with more calls.
const PERSISTENT: u8 = 4;
const SOONEST: Millis = 1_000;
/// Pages come back this long before their moment.
const AHEAD: Millis = 150;
const LONGEST: Millis = 30_000;

impl Known {
    /// Whether somebody's turn is still to come, or was just now.
    fn is_waited_in(&self, now: Millis) -> bool {
        self.line.is_some_and(|line| now < line.ends_at() + LINGERS)
    }

    /// Whether somebody who comes now takes a ticket; `None` where that has to be looked up.
    pub fn is_there(&self, now: Millis) -> Option<bool> {
        let end = self.line.map(|line| line.ends_at());
        if end.is_some_and(|end| now < end) {
            return Some(true);
        }
        (now - self.at < BELIEVED).then(|| end.is_some_and(|end| now < end + LINGERS))
    }
}

impl Turn {
    /// For somebody who has this ticket, or none.
    pub fn new(ticket: Option<u64>) -> Self {
        let place = Keeps::Place;
        Self { ticket, refused: None, settled: true, planned: false, refusals: 0, place }
    }

    /// Whether the last call was refused, and neither a ticket nor a plan followed from it.
    pub fn is_refused(&self) -> bool {
        !self.settled
    }

    /// For somebody whose answer leads to a page, which will take a ticket.
    pub fn passing() -> Self {
        Self { place: Keeps::Passes, ..Self::new(None) }
    }

    /// For somebody who cannot come back to a place.
    pub fn outside() -> Self {
        Self { place: Keeps::Nothing, ..Self::new(None) }
    }

    /// The ticket, for the next visit.
    pub fn ticket(&self) -> Option<u64> {
        self.ticket
    }

    /// What to do next at `now`, by what is known. The request can wait until `until`.
    pub fn next(&self, knowledge: Knowledge, now: Millis, until: Millis) -> Next {
        let Knowledge { known, alert, outside } = knowledge;
        let is_unknown = alert && known.and_then(|known| known.is_there(now)).is_none();
        match self.place {
            Keeps::Place => {}
            _ if !self.settled => return Next::BackOff,
            Keeps::Passes if is_unknown => return Next::Read,
            Keeps::Passes if known.is_some_and(|known| known.is_waited_in(now)) => {
                return Next::BackOff;
            }
            Keeps::Passes | Keeps::Nothing => return Next::Call,
        }
        let fresh = known.filter(|known| (now - known.at).abs() < FRESH);
        let Some(ticket) = self.ticket else {
            if self.settled {
                match known.and_then(|known| known.is_there(now)) {
                    Some(true) => {}
                    None if alert => return Next::Read,
                    Some(false) | None => return Next::Call,
                }
            }
            return match fresh.and_then(|known| known.line) {
                Some(line) if !self.planned && line.is_idle(line.given + 1, now) => {
                    Next::Write(Write::Begin(line.begun_anew(line.given + 1, now, self.refused)))
                }
                _ => Next::Write(Write::Ticket(Plan::first(now), outside)),
            };
        };
        let Some(known) = fresh else { return Next::Read };
        let Some(line) = known.line.filter(|line| ticket <= line.given) else {
            // Nobody was given such a ticket, or the line is gone: it is worth one call.
            let next = Write::Ticket(Plan::first(now), outside);
            return if self.settled { Next::Call } else { Next::Write(next) };
        };
        let due = line.plan.due(ticket);
        if due > now + EARLY {
            if let Some(plan) = line.goes_on(ticket, now).filter(|_| !self.planned) {
                return Next::Write(Write::Plan(plan));
            }
            let waits = due <= until && self.refusals < PERSISTENT;
            return if waits { Next::Sleep(due) } else { come_back(&line.plan, due, now) };
        }
        if !self.settled {
            // Who comes late loses their place, and puts nobody off; nor does who has made up a ticket.
            let write = if now - due > LATE {
                Write::Ticket(Plan::first(now), outside)
            } else {
                Write::Plan(line.after_refusal(ticket, now))
            };
            return Next::Write(write);
        }
        if self.refusals >= PERSISTENT {
            return Next::ComeBack(now + SOONEST);
        }
        if self.planned {
            return Next::Call;
        }
        if ticket == line.given && line.is_idle(ticket, now) {
            return Next::Write(Write::Plan(line.begun_anew(ticket, now, self.refused)));
        }
        line.faster(ticket, now).map_or(Next::Call, |plan| Next::Write(Write::Plan(plan)))
    }

    /// Whether a ticket whose page was told to come back at `at` still counts. Nobody is told to come back
    /// later than that, either.
    pub fn counts(at: Millis, now: Millis) -> bool {
        at.abs_diff(now) < FORGOTTEN
    }

    /// What was asked for was written: the line as it is now.
    pub fn wrote(&mut self, write: Write, line: Line) {
        match write {
            Write::Ticket(..) => self.ticket = Some(line.given),
            Write::Begin(_) => (self.ticket, self.planned) = (Some(line.given), true),
            Write::Plan(_) => self.planned = true,
        }
        self.settled = true;
    }

    /// Somebody else changed the line meanwhile.
    pub fn was_too_late(&mut self) {
        self.planned = true;
        // With a ticket, the other's plan says when it is called; without one it is still to be taken.
        self.settled |= self.ticket.is_some();
    }

    /// The call was refused.
    pub fn was_refused(&mut self, now: Millis) {
        self.refused = Some(now);
        self.refusals = self.refusals.saturating_add(1);
        (self.settled, self.planned) = (false, false);
    }

    /// The table did not answer.
    pub fn table_failed(&mut self) {
        self.place = Keeps::Nothing;
    }
}

/// Pages come back after whole seconds: in how many, and how long the answer is held back before, so that
/// a place at `at` is come back to a little early, with all the time of a request left for those who were
/// refused meanwhile. The answer can be held back until `until`.
pub fn seconds_to(at: Millis, now: Millis, until: Millis) -> (Millis, Millis) {
    let wait = at - AHEAD - now;
    let held = if wait > 1_000 { wait.rem_euclid(1_000).min(until - now).max(0) } else { 0 };
    (((wait - held) / 1_000).max(1), held)
}

/// A line may also become faster; the less is known of it, the more.
fn come_back(plan: &Plan, due: Millis, now: Millis) -> Next {
    let wait = due - now;
    let part = match wait {
        _ if !plan.sure => wait / 2,
        ..=LONG => wait,
        _ => wait * 6 / 10,
    };
    Next::ComeBack(now + part.clamp(SOONEST, LONGEST).min(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_that_nobody_was_given_is_worth_one_call_and_then_a_ticket_of_the_line() {
        const NOW: Millis = 1_800_000_000_000;
        for line in [None, Line::apply(None, Write::Ticket(Plan::first(NOW), 0)).ok()] {
            let known = Some(Known { line, at: NOW });
            let knowledge = Knowledge { known, alert: true, outside: 0 };
            let mut turn = Turn::new(Some(u64::MAX));
            assert_eq!(turn.next(knowledge, NOW, NOW), Next::Call);
            turn.was_refused(NOW);
            let Next::Write(write) = turn.next(knowledge, NOW, NOW) else { panic!("a call again") };
            turn.wrote(write, Line::apply(line, write).unwrap());
            assert!(turn.ticket().is_some_and(|ticket| ticket <= 2));
        }
    }

    #[test]
    fn a_place_counts_for_two_minutes_before_and_after_its_moment() {
        for (at, counts) in [(0, true), (119_999, true), (-119_999, true), (120_000, false)] {
            assert_eq!(Turn::counts(at, 0), counts, "{at}");
        }
        assert!(!Turn::counts(Millis::MIN, Millis::MAX));
    }

    #[test]
    fn who_passes_by_calls_only_where_nobody_waits() {
        const NOW: Millis = 1_800_000_000_000;
        let line = Line::apply(None, Write::Ticket(Plan::first(NOW), 0)).ok();
        let at = |now| {
            let knowledge =
                Knowledge { known: Some(Known { line, at: now }), ..Knowledge::default() };
            Turn::passing().next(knowledge, now, now)
        };
        assert_eq!(at(NOW), Next::BackOff);
        assert_eq!(at(NOW + 4_000), Next::BackOff, "somebody waited just now");
        assert_eq!(at(NOW + 6_000), Next::Call, "nobody waits any more");
        assert_eq!(Turn::passing().next(Knowledge::default(), NOW, NOW), Next::Call);
        let alert = Knowledge { alert: true, ..Knowledge::default() };
        assert_eq!(Turn::passing().next(alert, NOW, NOW), Next::Read);
        let mut refused = Turn::passing();
        refused.was_refused(NOW);
        assert_eq!(refused.next(alert, NOW, NOW), Next::BackOff);
    }

    #[test]
    fn pages_come_back_after_whole_seconds_a_little_before_their_moment() {
        assert_eq!(seconds_to(5_650, 0, 1_800), (5, 500));
        assert_eq!(seconds_to(5_650, 0, 300), (5, 300), "no longer than a request may take");
        assert_eq!(seconds_to(5_150, 0, 1_800), (5, 0));
        assert_eq!(seconds_to(1_100, 0, 1_800), (1, 0), "at least one");
        assert_eq!(seconds_to(-7_000, 0, 1_800), (1, 0));
    }
}
