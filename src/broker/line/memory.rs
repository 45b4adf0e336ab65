//! What this process knows of the lines.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fair_line::{Clock, Known, Line, Looks, Millis};

use super::place::Step;
use crate::aws::line_table::LineTable;
use crate::team::{AccountId, Region};

/// What this process knows of the lines.
#[derive(Debug)]
pub struct Lines {
    pub(super) table: LineTable,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) clock: Clock,
    /// When a call was throttled last, or a page came back to a place.
    pub(super) alerted: Option<Millis>,
    /// When the table did not answer last.
    pub(super) failed: Option<Millis>,
    lines: HashMap<Name, Remembered>,
}

/// What is throttled together: one kind of call in one account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) account: Option<AccountId>,
    pub(super) region: Region,
    pub(super) step: Step,
}

#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) known: Option<Known>,
    /// When calls were let through lately that were made without a place.
    pub(super) outside: Vec<Millis>,
    /// How long profiles took.
    pub(super) looks: Looks,
}

/// Lines are looked up for so long after a call was throttled.
const ALERT: Millis = 60_000;
/// Whoever takes a place writes down how many calls were let through without one within this time.
pub(super) const LATELY: Millis = 2_000;
/// What was heard this long ago gives way to whatever is heard.
const HEARD: Millis = 700;
/// More lines than accounts that are busy at once; those that were not seen lately are dropped beyond.
const MANY_LINES: usize = 1_000;

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_ref().map_or("hub", AccountId::as_str);
        write!(f, "{account} {} {}", self.region, self.step.word())
    }
}

impl Lines {
    /// The lines that stand in `table`.
    pub fn new(table: LineTable) -> Self {
        Self { table, memory: Mutex::default() }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    pub(super) fn line(&mut self, name: &Name, now: Millis) -> &mut Remembered {
        if self.lines.len() >= MANY_LINES && !self.lines.contains_key(name) {
            let is_recent = |seen: &Known| (now - seen.at).abs() < ALERT;
            self.lines.retain(|_, line| line.known.as_ref().is_some_and(is_recent));
        }
        self.lines.entry(name.clone()).or_default()
    }

    /// Takes over what was heard at this moment, unless something newer was heard just before: answers come in
    /// another order than they were given.
    pub(super) fn learn(&mut self, name: &Name, line: Option<Line>, at: Millis) -> Known {
        let order = |line: &Line| (line.given, line.plan.version);
        let is_newer = |known: &Known| {
            let pair = known.line.zip(line);
            (at - known.at).abs() < HEARD && pair.is_some_and(|(k, l)| order(&k) > order(&l))
        };
        let remembered = self.line(name, at);
        // With its own moment: an item that was deleted begins with small numbers, and is believed soon.
        let known = remembered.known.filter(is_newer).unwrap_or(Known { line, at });
        remembered.known = Some(known);
        known
    }

    /// Whether the table did not answer within this.
    pub(super) fn is_silent(&self, now: Millis, within: Millis) -> bool {
        self.failed.is_some_and(|at| (now - at).abs() < within)
    }

    pub(super) fn is_alert(&self, now: Millis) -> bool {
        self.alerted.is_some_and(|at| (now - at).abs() < ALERT)
    }
}

#[cfg(test)]
mod tests {
    use fair_line::Plan;

    use super::*;

    #[test]
    fn lines_are_of_an_account_a_region_and_a_kind_of_call_and_roles_of_the_hub() {
        let account = |id: &str| Some(AccountId::try_from(id.to_owned()).unwrap());
        let region = Region::try_from("eu-west-1".to_owned()).unwrap();
        let name = |account, step| Name { account, region: region.clone(), step }.to_string();
        assert_eq!(name(account("111111111111"), Step::Presign), "111111111111 eu-west-1 url");
        assert_eq!(name(None, Step::Assume), "hub eu-west-1 role");
    }

    #[test]
    fn lines_that_nobody_has_seen_lately_are_forgotten_where_there_are_many() {
        let (mut memory, region) = (Memory::default(), Region::try_from("eu-west-1".to_owned()));
        let region = region.unwrap();
        let name = |number: usize| {
            let account = Some(AccountId::try_from(format!("{number:012}")).unwrap());
            Name { account, region: region.clone(), step: Step::Look }
        };
        for number in 0..MANY_LINES {
            let at = if number == 7 { 100_000 } else { 0 };
            memory.line(&name(number), 0).known = Some(Known { line: None, at });
        }
        memory.line(&name(MANY_LINES), 100_000);
        assert_eq!(memory.lines.len(), 2);
        assert!(memory.lines.contains_key(&name(7)));
    }

    #[test]
    fn an_answer_that_was_overtaken_changes_nothing_and_an_item_made_anew_is_soon_believed() {
        let mut memory = Memory::default();
        let region = Region::try_from("eu-west-1".to_owned()).unwrap();
        let name = Name { account: None, region, step: Step::Assume };
        let line = |given| Some(Line { given, outside: 0, plan: Plan::first(0) });
        assert_eq!(memory.learn(&name, line(41), 1_000).line, line(41));
        let overtaken = memory.learn(&name, line(40), 1_200);
        assert_eq!((overtaken.line, overtaken.at), (line(41), 1_000));
        assert_eq!(memory.learn(&name, line(40), 1_600).line, line(41));
        assert_eq!(memory.learn(&name, line(1), 1_700).line, line(1), "made anew");
        assert_eq!(memory.learn(&name, line(2), 1_701).line, line(2));
        assert_eq!(memory.learn(&name, None, 1_702).line, None, "deleted");
    }
}
