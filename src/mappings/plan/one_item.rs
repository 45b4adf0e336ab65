//! One item that changes: what is written, and what is said about it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::mappings::change::{Difference, REVISION, differences, is_count};
use crate::mappings::privileged::{Privileged, privileged};
use crate::mappings::{Mapping, NOTES, Stored, Table};
use crate::team::Team;
use crate::team::item::{Fault, Item, Record, to_dynamodb};

/// What happens to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It appears.
    Create,
    /// It changes.
    Update,
    /// It disappears.
    Remove,
}

/// What is confirmed by its number (`--confirm moved=2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Teams that get another id, account, domain or role: their profiles become unreachable.
    Moved,
    /// People who were denied and may sign in again.
    Readmitted,
    /// `IdPs` whose keys are all replaced: whoever holds the new ones signs everybody in.
    KeysReplaced,
}

impl Risk {
    /// As it is written on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Readmitted => "readmitted",
            Self::KeysReplaced => "keys-replaced",
        }
    }

    /// The risk of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Moved, Self::Readmitted, Self::KeysReplaced].into_iter().find(|r| r.word() == word)
    }
}

/// One item that changes.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: String,
    /// What happens to it.
    pub action: Action,
    /// Attribute by attribute.
    pub differences: Vec<Difference>,
    /// What follows for people and profiles.
    pub consequences: Vec<String>,
    /// What deserves a second look.
    pub warnings: Vec<String>,
    /// Members that reach beyond a person's own profile and are new, or act in a new place.
    pub privileged: Vec<Privileged>,
    /// What somebody has to confirm with its number, since people lose what they have or come back.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub risks: BTreeMap<Risk, usize>,
    /// What was read; `None` where there was nothing.
    #[serde(skip)]
    pub before: Option<Record>,
    /// What is to be there; `None` where nothing is.
    #[serde(skip)]
    pub after: Option<Record>,
}

impl Change {
    /// The change that makes an item what is wanted; `None` when it is that already.
    pub fn to(
        table: Table,
        key: &str,
        stored: Option<&Stored>,
        wanted: &Item,
        mapping: &Mapping,
    ) -> Option<Self> {
        let nothing = Item::new();
        let mut differences = differences(stored.map_or(&nothing, |stored| &stored.item), wanted);
        // What JSON cannot hold goes, whatever the file says about its attribute.
        let unwritable = stored.map_or(&[][..], |stored| &stored.unwritable);
        differences.extend(unwritable.iter().map(|Fault { attribute, found, .. }| Difference {
            path: attribute.clone(),
            before: Some(Value::String(found.clone())),
            after: None,
        }));
        let revision = stored.and_then(|stored| stored.item.get(REVISION));
        differences.extend(revision.filter(|value| !is_count(table, REVISION, value)).map(
            |value| Difference {
                path: REVISION.to_owned(),
                before: Some(value.clone()),
                after: None,
            },
        ));
        if differences.is_empty() {
            return None;
        }
        let action = if stored.is_some() { Action::Update } else { Action::Create };
        if action == Action::Create {
            differences.retain(|difference| difference.path != table.key());
        }
        let old = stored.and_then(Stored::mapping).and_then(Mapping::team);
        Some(Self {
            table,
            key: key.to_owned(),
            action,
            differences,
            consequences: Vec::new(),
            warnings: Vec::new(),
            privileged: mapping.team().map_or_else(Vec::new, |team| newly_privileged(old, team)),
            risks: BTreeMap::new(),
            before: stored.map(|stored| stored.record.clone()),
            after: Some(record(table, stored, wanted)),
        })
    }

    /// The change by which an item goes.
    pub fn removal(table: Table, key: &str, stored: &Stored) -> Self {
        Self {
            table,
            key: key.to_owned(),
            action: Action::Remove,
            differences: Vec::new(),
            consequences: Vec::new(),
            warnings: Vec::new(),
            privileged: Vec::new(),
            risks: BTreeMap::new(),
            before: Some(stored.record.clone()),
            after: None,
        }
    }

    pub(super) fn follows(&mut self, text: impl Into<String>) {
        self.consequences.push(text.into());
    }

    pub(super) fn warns(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Whether one of the attributes differs.
    pub fn touches(&self, attributes: &[&str]) -> bool {
        self.differences.iter().any(|difference| attributes.contains(&difference.attribute()))
    }
}

/// The record to write: what does not differ stays exactly as it is, a String Set stays one, and a team's
/// revision counts up.
fn record(table: Table, stored: Option<&Stored>, wanted: &Item) -> Record {
    let nothing = (Record::new(), Item::new());
    let (old, old_item) = stored.map_or((&nothing.0, &nothing.1), |s| (&s.record, &s.item));
    let unwritable = stored.map_or(&[][..], |stored| &stored.unwritable);
    let is_whole = |name: &str| {
        !unwritable.iter().any(|fault| {
            let after = fault.attribute.strip_prefix(name);
            after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
        })
    };
    let mut record: Record = wanted
        .iter()
        .filter(|(name, _)| *name != REVISION && !NOTES.contains(&name.as_str()))
        .map(|(name, value)| {
            let single = |item: &Item| -> Item {
                item.get_key_value(name).map(|(n, v)| (n.clone(), v.clone())).into_iter().collect()
            };
            let is_same = old_item.contains_key(name)
                && is_whole(name)
                && differences(&single(old_item), &single(wanted)).is_empty();
            let value = match old.get(name) {
                Some(old) if is_same => old.clone(),
                Some(AttributeValue::Ss(_)) => as_set(value).unwrap_or_else(|| to_dynamodb(value)),
                _ => to_dynamodb(value),
            };
            (name.clone(), value)
        })
        .collect();
    if table == Table::Teams {
        let counted = old_item.get(REVISION).and_then(Value::as_u64).unwrap_or_default();
        let next = counted.saturating_add(1);
        record.insert(REVISION.to_owned(), AttributeValue::N(next.to_string()));
    }
    record
}

/// A list of texts as a String Set, which is never empty and holds nothing twice.
fn as_set(value: &Value) -> Option<AttributeValue> {
    let texts: Option<Vec<String>> =
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
    let texts = texts?;
    let unique: BTreeSet<_> = texts.iter().collect();
    (!texts.is_empty() && unique.len() == texts.len()).then_some(AttributeValue::Ss(texts))
}

/// Privileged members that are new or changed; all of them where the team's profiles move.
fn newly_privileged(old: Option<&Team>, new: &Team) -> Vec<Privileged> {
    let known = match old {
        Some(old) if is_same_place(old, new) => privileged(&old.user_settings),
        _ => Vec::new(),
    };
    let all = privileged(&new.user_settings).into_iter();
    all.filter(|member| !known.contains(member)).collect()
}

/// Whether two teams' profiles are in the same domain.
pub(super) fn is_same_place(old: &Team, new: &Team) -> bool {
    (&old.account_id, &old.region, &old.domain_id) == (&new.account_id, &new.region, &new.domain_id)
}
