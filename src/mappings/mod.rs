//! What administrators write: the items of the teams and `IdPs` tables, from a file, by the command line
//! or by hand.
//!
//! | part | what it does |
//! | --- | --- |
//! | [`advice`] | what is lawful in a team and probably a mistake |
//! | [`user_settings`] | settings and Regions, held against what AWS publishes about its API |
//! | [`places`] | the accounts and domains that teams ever had |
//! | [`change`] | the difference between two states of one item, in words |
//! | `doors` | what a change of a team's doors means |
//! | [`privileged`] | which settings reach beyond a person's own profile |
//! | [`stream`] | validates every item that somebody has changed, within seconds |
//! | [`yaml`] | YAML and JSON with the line of every value; and YAML written back |
//! | [`mod@file`] | a file of teams and `IdPs`, held against the same rules as a sign-in's |
//! | [`plan`] | from the tables to the file: what changes, and what follows from it |
//!
//! Nothing here reads a clock, the environment, a file or AWS: [`crate::aws::mapping_tables`] reads and
//! writes the tables. All of it is pure but [`stream`], which writes log lines.

pub mod advice;
pub mod change;
#[cfg(feature = "cli")]
pub mod doors;
#[cfg(feature = "cli")]
pub mod file;
pub mod places;
#[cfg(feature = "cli")]
pub mod plan;
pub mod privileged;
pub mod stream;
pub mod user_settings;
#[cfg(feature = "cli")]
pub mod yaml;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use schemars::schema_for;
use serde::Serialize;
use serde_json::{Value, json};

use crate::team::Team;
use crate::team::idp::Idp;
use crate::team::item::{Fault, Item, Read, Record, excerpt, read_record, readable_part};

/// Whose file an item comes from: bounds what `--prune` removes.
pub const OWNER: &str = "owner";
/// Who wrote an item last through the command line: the ARN of the credentials.
pub const CHANGED_BY: &str = "changed_by";
/// When that was, RFC 3339.
pub const CHANGED_AT: &str = "changed_at";

/// Attributes that say something about an item and decide nothing: no sign-in looks at them, no difference is
/// made of them, and hand edits may leave them out or spoil them.
pub const NOTES: [&str; 2] = [CHANGED_BY, CHANGED_AT];

/// Who writes, and when: what an item keeps of its last change by a command.
#[derive(Debug, Clone)]
pub struct Signature {
    /// ARN of the credentials; `None` where AWS did not say it.
    pub by: Option<String>,
    /// When, in whole seconds.
    pub at: Timestamp,
}

impl Signature {
    /// Puts it into an item. What an earlier writer left goes with it.
    pub fn put_into(&self, record: &mut Record) {
        record.insert(CHANGED_AT.to_owned(), AttributeValue::S(self.at.to_string()));
        match &self.by {
            Some(by) => record.insert(CHANGED_BY.to_owned(), AttributeValue::S(by.clone())),
            None => record.remove(CHANGED_BY),
        };
    }
}

/// One of the two tables that administrators write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Teams, by `team_id`.
    Teams,
    /// `IdPs`, by `entity_id`.
    Idps,
}

impl Table {
    /// The attribute that is the key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Teams => "team_id",
            Self::Idps => "entity_id",
        }
    }

    /// What an item of it is called in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Teams => "team",
            Self::Idps => "IdP",
        }
    }

    /// The JSON Schema of an item: what may be absent is never null, and no text is empty.
    pub fn schema(self) -> Value {
        let mut schema = match self {
            Self::Teams => json!(schema_for!(Team)),
            Self::Idps => json!(schema_for!(Idp)),
        };
        let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
        let parts = definitions.into_iter().flat_map(|parts| parts.values_mut());
        let members = parts.filter_map(|part| part.get_mut("properties")?.as_object_mut());
        members.flat_map(|members| members.values_mut()).for_each(tighten);
        let mut properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        properties.iter_mut().flat_map(|members| members.values_mut()).for_each(tighten);
        let notes = [
            (OWNER, "Whose file the item comes from: bounds what `--prune` removes."),
            (
                CHANGED_BY,
                "Who wrote the item last through the command line: the ARN of the credentials.",
            ),
            (CHANGED_AT, "When that was, RFC 3339."),
        ];
        properties.into_iter().for_each(|members| {
            let note = |said: &str| json!({"type": "string", "minLength": 1, "description": said});
            members.extend(notes.map(|(name, said)| (name.to_owned(), note(said))));
        });
        schema
    }

    /// Every attribute that an item may have.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Teams => &[
                "team_id",
                "display_name",
                "description",
                "account_id",
                "region",
                "domain_id",
                "execution_role_arn",
                "broker_role_arn",
                "external_id",
                "groups",
                "members",
                "authn_contexts",
                "user_settings",
                "tags",
                "session_duration_seconds",
                "landing_uri",
                "space_name",
                "apps",
                "doors",
                "contact",
                "links",
                "labels",
                "allowed_cidrs",
                "adopt_profiles",
                "enabled",
                "paused_reason",
                "revision",
                OWNER,
                CHANGED_BY,
                CHANGED_AT,
            ],
            Self::Idps => &[
                "entity_id",
                "metadata_xml",
                "display_name",
                "portal_url",
                "directory",
                "allowed_teams",
                "user_attribute",
                "teams_attribute",
                "groups_attribute",
                "identity_store_id",
                "identity_store_region",
                "denied_users",
                "authn_contexts",
                "request_authn_contexts",
                "allow_unsolicited",
                "handoff",
                "require_signed",
                "enabled",
                OWNER,
                CHANGED_BY,
                CHANGED_AT,
            ],
        }
    }

    /// Reads an item as a sign-in reads it.
    ///
    /// # Errors
    ///
    /// Every attribute that breaks its rule, all at once.
    pub fn read(self, item: &Item) -> Result<Read<Mapping>, Vec<Fault>> {
        fn boxed<T>(read: Read<T>, of: impl Fn(Box<T>) -> Mapping) -> Read<Mapping> {
            let Read { value, in_part, unknown_attributes } = read;
            Read { value: of(Box::new(value)), in_part, unknown_attributes }
        }
        match self {
            Self::Teams => Team::read(item).map(|read| boxed(read, Mapping::Team)),
            Self::Idps => Idp::read(item).map(|read| boxed(read, Mapping::Idp)),
        }
    }
}

/// `team "x"`.
pub fn subject(table: Table, key: &str) -> String {
    format!("{} {}", table.noun(), excerpt(key))
}

/// What `plan` says about an attribute that nobody knows.
pub fn unknown_attribute(table: Table, name: &str) -> String {
    let known = table.attributes();
    let expected = match nearest(name, known.iter().copied()).first() {
        Some(candidate) => format!("perhaps {candidate}"),
        None => format!("one of {}", known.join(", ")),
    };
    format!("found an attribute {} that nobody knows, expected {expected}", excerpt(name))
}

/// The known words that somebody may have meant, at most three, the nearest first: a third of the letters
/// may differ, whatever the case.
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wanted.to_lowercase();
    let most = (lower.chars().count() / 3).clamp(1, 3);
    let mut near: Vec<_> = known
        .filter(|word| *word != wanted)
        .map(|word| (distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, word)| word).collect()
}

/// Levenshtein's distance, of the first 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut next = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&row, j) + usize::from(ca != *cb);
            next.push(changed.min(at(&row, j + 1) + 1).min(at(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn tighten(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = schema.get("type")
        && let Some(kind) = types.iter().find(|kind| **kind != "null").cloned()
    {
        schema.insert("type".into(), kind);
    }
    if let Some(Value::Array(choices)) = schema.remove("anyOf") {
        let kept = choices.into_iter().filter(|choice| choice.get("type") != Some(&json!("null")));
        let kept = kept.filter_map(|choice| choice.as_object().cloned());
        schema.extend(kept.flatten());
    }
    let bounded = ["pattern", "minLength", "enum"].iter().any(|key| schema.contains_key(*key));
    if schema.get("type") == Some(&json!("string")) && !bounded {
        schema.insert("minLength".into(), json!(1));
    }
    if let Some(items) = schema.get_mut("items") {
        tighten(items);
    }
}

/// An item that can be used.
#[derive(Debug, Clone)]
pub enum Mapping {
    /// A team.
    Team(Box<Team>),
    /// An `IdP`.
    Idp(Box<Idp>),
}

impl Mapping {
    /// The team, where it is one.
    pub fn team(&self) -> Option<&Team> {
        match self {
            Self::Team(team) => Some(team),
            Self::Idp(_) => None,
        }
    }

    /// The `IdP`, where it is one.
    pub fn idp(&self) -> Option<&Idp> {
        match self {
            Self::Idp(idp) => Some(idp),
            Self::Team(_) => None,
        }
    }

    /// The item's key.
    pub fn key(&self) -> &str {
        match self {
            Self::Team(team) => team.team_id.as_str(),
            Self::Idp(idp) => &idp.entity_id,
        }
    }
}

/// An item of a table, usable or not.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Exactly what the table holds.
    pub record: Record,
    /// The part of it that JSON, and so a file, can hold.
    pub item: Item,
    /// Attributes that a file cannot hold.
    pub unwritable: Vec<Fault>,
    /// Attributes that nobody knows.
    pub unknown_attributes: Vec<String>,
    /// The item as a sign-in reads it.
    pub read: Result<Read<Mapping>, Vec<Fault>>,
}

impl Stored {
    /// Reads a record as a sign-in does, and keeps it.
    pub fn of(table: Table, record: Record) -> Self {
        let (item, unwritable) = readable_part(&record);
        let read = read_record(&record, table.attributes(), |item| table.read(item));
        let known = |name: &&String| table.attributes().contains(&name.as_str());
        let unknown_attributes = record.keys().filter(|name| !known(name)).cloned();
        let unknown_attributes = unknown_attributes.collect::<BTreeSet<_>>().into_iter().collect();
        Self { record, item, unwritable, unknown_attributes, read }
    }

    /// The team or `IdP`, where the item can be used.
    pub fn mapping(&self) -> Option<&Mapping> {
        self.read.as_ref().ok().map(|read| &read.value)
    }

    /// What closes a part of a usable item each: an entry of `members`, or a door, that cannot be read.
    pub fn faults_in_part(&self) -> &[Fault] {
        self.read.as_ref().map_or(&[], |read| read.in_part.as_slice())
    }

    /// What makes the item unusable.
    pub fn faults(&self) -> &[Fault] {
        self.read.as_ref().err().map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_words_are_found_whatever_the_case() {
        let known = ["dept00", "dept01", "vision", "Vision2"];
        assert_eq!(nearest("dept0O", known.into_iter()), ["dept00", "dept01"]);
        assert_eq!(nearest("VISION", known.into_iter()), ["vision", "Vision2"]);
        assert_eq!(nearest("x", known.into_iter()), Vec::<&str>::new());
    }

    #[test]
    fn an_unknown_attribute_is_held_against_the_known_ones() {
        let said = unknown_attribute(Table::Teams, "grups");
        assert_eq!(said, "found an attribute \"grups\" that nobody knows, expected perhaps groups");
        assert!(unknown_attribute(Table::Idps, "x").contains("expected one of entity_id, "));
    }
}
