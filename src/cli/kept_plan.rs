//! A plan in a file: what a pull request was agreed upon is what is written, or nothing is.
//!
//! It holds each item as it was read and as it is to be, in `DynamoDB`'s own notation. Applying it reads the
//! tables again: where one item is not exactly what was read, nothing is written. Up to
//! [`MOST_AT_ONCE`](crate::aws::mapping_tables::MOST_AT_ONCE) items are then written in one transaction; of a
//! larger plan each item is written on its own condition, so that only an edit in those very seconds leaves a
//! part of it.

use std::path::Path;

use serde_json::{Value, json};

use super::Exit;
use super::hub::Head;
use super::input::text_of;
use super::output::{Code, Failure, plain};
use crate::mappings::file::typed;
use crate::mappings::plan::{Change, Plan, State};
use crate::mappings::stream::record_of;
use crate::mappings::{Mapping, Stored, Table, subject};
use crate::team::item::{Item, Record};

/// The member that makes a file a kept plan; its value is the version of its form.
const MARK: &str = "studio_broker_plan";
const VERSION: u64 = 1;

/// Keeps a plan.
pub(super) fn write(path: &Path, head: &Head, plan: &Plan) -> Result<(), Failure> {
    let record = |record: &Option<Record>| record.as_ref().map(typed);
    let changes = plan.changes.iter().map(|change| {
        json!({
            "table": change.table,
            "key": change.key,
            "before": record(&change.before),
            "after": record(&change.after),
        })
    });
    let whole = json!({
        MARK: VERSION,
        "hub": head.as_json(),
        "changes": changes.collect::<Vec<_>>(),
    });
    std::fs::write(path, format!("{whole:#}\n")).map_err(|error| {
        Failure::usage(format!("cannot write {}: {error}", plain(&path.to_string_lossy())))
    })
}

/// A plan that a file holds.
pub(super) struct Kept {
    file: String,
    hub: Value,
    changes: Vec<One>,
}

struct One {
    table: Table,
    key: String,
    before: Option<Record>,
    after: Option<Record>,
}

/// The plan that a file holds; `None` where it is a file of teams and `IdPs`, or standard input.
pub(super) fn read(path: &Path) -> Result<Option<Kept>, Failure> {
    if path == Path::new("-") || path.is_dir() {
        return Ok(None);
    }
    let file = plain(&path.to_string_lossy());
    // What cannot be read is told by whoever reads it as a file of mappings. Only an ordinary file is read
    // twice: what a pipe holds is gone afterwards.
    let is_file = path.is_file();
    let Some(text) = is_file.then(|| text_of(path).ok()).flatten() else { return Ok(None) };
    if !text.trim_start().starts_with('{') || !text.contains(MARK) {
        return Ok(None);
    }
    let Ok(whole) = serde_json::from_str::<Value>(&text) else { return Ok(None) };
    let Some(version) = whole.get(MARK) else { return Ok(None) };
    let bad = |what: &str| {
        Failure::usage(format!("{file}: this kept plan cannot be used: {what}"))
            .code(Code::PlanInvalid)
    };
    if version.as_u64() != Some(VERSION) {
        return Err(bad("another version of this program wrote it"));
    }
    let listed = whole.get("changes").and_then(Value::as_array);
    let changes: Option<Vec<One>> = listed.and_then(|all| all.iter().map(one).collect());
    let changes = changes.ok_or_else(|| bad("somebody has changed it"))?;
    let hub = whole.get("hub").cloned().unwrap_or_default();
    Ok(Some(Kept { file, hub, changes }))
}

fn one(change: &Value) -> Option<One> {
    let table = match change.get("table")?.as_str()? {
        "teams" => Table::Teams,
        "idps" => Table::Idps,
        _ => return None,
    };
    let key = change.get("key")?.as_str()?.to_owned();
    let record = |name: &str| match change.get(name)? {
        Value::Null => Some(None),
        Value::Object(record) => {
            let record = record_of(record);
            // The key of another item would write that one.
            let named = record.get(table.key())?.as_s().ok()?;
            (*named == key).then_some(Some(record))
        }
        _ => None,
    };
    let (before, after) = (record("before")?, record("after")?);
    (before.is_some() || after.is_some()).then_some(One { table, key, before, after })
}

impl Kept {
    /// The plan as it follows from the tables now, where they are what was read.
    pub(super) fn against(self, head: &Head, state: &State) -> Result<Plan, Failure> {
        let (here, there) = (head.as_json(), self.hub);
        if here != there {
            let message = format!(
                "{}: made for {}, and this is {}: nothing was written",
                self.file,
                Head::words(&there),
                Head::words(&here)
            );
            return Err(Failure::usage(message).code(Code::PlanOfAnotherHub));
        }
        let now = |one: &One| state.items(one.table).get(&one.key).map(|stored| &stored.record);
        let changed: Vec<_> = self
            .changes
            .iter()
            .filter(|one| now(one) != one.before.as_ref())
            .map(|one| subject(one.table, &one.key))
            .collect();
        if !changed.is_empty() {
            return Err(outdated(&changed));
        }
        let mut wanted: Vec<(Table, Mapping)> = Vec::new();
        let mut changes = Vec::new();
        for one in self.changes {
            let stored = state.items(one.table).get(&one.key);
            let Some(after) = one.after else {
                changes.extend(stored.map(|stored| Change::removal(one.table, &one.key, stored)));
                continue;
            };
            let read = Stored::of(one.table, after.clone());
            let known = |name: &String| one.table.attributes().contains(&name.as_str());
            if !read.unwritable.is_empty() || !after.keys().all(known) {
                return Err(refused(
                    &self.file,
                    one.table,
                    &one.key,
                    "attributes that nobody knows",
                ));
            }
            let Some(mapping) = read.mapping() else {
                let faults: Vec<_> = read.faults().iter().map(ToString::to_string).collect();
                return Err(refused(&self.file, one.table, &one.key, &faults.join("; ")));
            };
            let item: &Item = &read.item;
            let Some(mut change) = Change::to(one.table, &one.key, stored, item, mapping) else {
                continue;
            };
            change.after = Some(after);
            changes.push(change);
            wanted.push((one.table, mapping.clone()));
        }
        Ok(Plan::of_changes(changes, &wanted, state))
    }
}

fn refused(file: &str, table: Table, key: &str, why: &str) -> Failure {
    let message = format!("{file}: {}: {why}: nothing was written", subject(table, key));
    Failure::usage(message).code(Code::PlanInvalid)
}

/// The failure of a plan whose tables have moved on.
pub(super) fn outdated(names: &[String]) -> Failure {
    let message = format!(
        "somebody else changed meanwhile, and nothing was written: {}; make the plan anew",
        names.join(", ")
    );
    Failure::new(Exit::Conflict, message).with("changed", json!(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_names_another_item_is_no_change() {
        let record = |id: &str| json!({"team_id": {"S": id}});
        let change =
            |after: Value| json!({"table": "teams", "key": "a", "before": null, "after": after});
        assert!(one(&change(record("a"))).is_some());
        assert!(one(&change(record("b"))).is_none());
        assert!(one(&change(Value::Null)).is_none());
        assert!(
            one(&json!({"table": "state", "key": "a", "before": null, "after": record("a")}))
                .is_none()
        );
    }
}
