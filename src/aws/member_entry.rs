//! `DynamoDB`: entries of a team's `members`, changed one by one.
//!
//! A write depends on the entries that it replaces being what was read, and on nothing else of the item: so
//! it neither loses nor delays what somebody else changes in the same team at the same moment, by hand or
//! by `apply`.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::conditional::{Conditional, conditional};
use super::error::{AwsError, sorted};
use super::mapping_tables::{MappingTables, Written};
use crate::mappings::{CHANGED_AT, CHANGED_BY, Signature, Table};
use crate::team::item::Record;
use crate::team::members::ATTRIBUTE;

/// What entries of a team's `members` were when they were read, and what they are to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntryChange {
    /// Each key that matters, with the value that was read; `None` where there was none.
    pub before: BTreeMap<String, Option<AttributeValue>>,
    /// The entries of these keys that are to be there; those of `before` that are not named here go.
    pub after: BTreeMap<String, AttributeValue>,
}

/// DynamoDB's limit for an item, in bytes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub const LARGEST_ITEM: usize = 400 * 1024;

/// How often a write is tried whose entries nobody has changed.
const ATTEMPTS: usize = 4;

impl EntryChange {
    /// A record with the change made.
    pub fn made_in(&self, record: &Record) -> Record {
        let mut record = record.clone();
        let mut entries = entries(&record).cloned().unwrap_or_default();
        for key in self.before.keys() {
            entries.remove(key);
        }
        entries.extend(self.after.clone());
        record.insert(ATTRIBUTE.to_owned(), AttributeValue::M(entries));
        record
    }

    /// Whether the entries in a record are what was read.
    fn is_unchanged_in(&self, record: &Record) -> bool {
        let entries = entries(record);
        let now = |key: &String| entries.and_then(|entries| entries.get(key));
        self.before.iter().all(|(key, value)| now(key) == value.as_ref())
    }

    /// Whether a record is as wanted already.
    fn is_made_in(&self, record: &Record) -> bool {
        let entries = entries(record);
        let now = |key: &String| entries.and_then(|entries| entries.get(key));
        self.before.keys().chain(self.after.keys()).all(|key| now(key) == self.after.get(key))
    }
}

/// The entries of a record; `None` where it has no map of them.
pub fn entries(record: &Record) -> Option<&HashMap<String, AttributeValue>> {
    record.get(ATTRIBUTE).and_then(|members| members.as_m().ok())
}

/// The size of an item as DynamoDB counts it, in bytes: names and values as UTF-8, numbers by their digits,
/// lists and maps with three bytes and one for each element
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
pub fn size(record: &Record) -> usize {
    record.iter().map(|(name, value)| name.len() + size_of(value)).sum()
}

fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|n| n.len().div_ceil(2) + 1).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + size_of(value)).sum::<usize>()
        }
        _ => 1,
    }
}

impl MappingTables {
    /// A team's item, read consistently.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn team(&self, id: &str) -> Result<Option<Record>, AwsError> {
        let sent = self
            .client
            .get_item()
            .table_name(self.name(Table::Teams))
            .key(Table::Teams.key(), AttributeValue::S(id.to_owned()))
            .consistent_read(true)
            .send()
            .await;
        Ok(sorted("dynamodb:GetItem", sent)?.item.filter(|item| !item.is_empty()))
    }

    /// Changes entries of a team's `members`, if they still are what was read; `read` is the item that they
    /// were read from.
    ///
    /// # Errors
    ///
    /// AWS refused the write, or nobody knows.
    pub async fn change_entries(
        &self,
        team: &str,
        read: Record,
        change: &EntryChange,
        signature: &Signature,
    ) -> Result<Written, AwsError> {
        let mut read = read;
        for _ in 0..ATTEMPTS {
            if self.try_change(team, entries(&read).is_some(), change, signature).await? {
                return Ok(Written::Done);
            }
            let now = self.team(team).await?;
            match now {
                // The answer to our own first attempt may have been lost.
                Some(now) if change.is_made_in(&now) => return Ok(Written::Done),
                // Only the map itself came or went: somebody gave another person the first entry.
                Some(now) if change.is_unchanged_in(&now) => read = now,
                now => return Ok(Written::ChangedMeanwhile(now)),
            }
        }
        Ok(Written::ChangedMeanwhile(Some(read)))
    }

    /// One attempt; `false` when its condition did not hold.
    async fn try_change(
        &self,
        team: &str,
        has_entries: bool,
        change: &EntryChange,
        signature: &Signature,
    ) -> Result<bool, AwsError> {
        let EntryChange { before, after } = change;
        let mut names = HashMap::from([
            ("#key".to_owned(), Table::Teams.key().to_owned()),
            ("#members".to_owned(), ATTRIBUTE.to_owned()),
            ("#at".to_owned(), CHANGED_AT.to_owned()),
            ("#by".to_owned(), CHANGED_BY.to_owned()),
        ]);
        let at = AttributeValue::S(signature.at.to_string());
        let mut values = HashMap::from([(":at".to_owned(), at)]);
        let (mut conditions, mut set, mut remove) =
            (vec!["attribute_exists(#key)".to_owned()], vec!["#at = :at".to_owned()], Vec::new());
        match &signature.by {
            Some(by) => {
                set.push("#by = :by".to_owned());
                values.insert(":by".to_owned(), AttributeValue::S(by.clone()));
            }
            None => remove.push("#by".to_owned()),
        }
        if has_entries {
            for (number, (key, value)) in before.iter().enumerate() {
                let path = format!("#members.#k{number}");
                names.insert(format!("#k{number}"), key.clone());
                match value {
                    Some(value) => {
                        conditions.push(format!("{path} = :old{number}"));
                        values.insert(format!(":old{number}"), value.clone());
                    }
                    None => conditions.push(format!("attribute_not_exists({path})")),
                }
                match (after.get(key), value) {
                    (Some(new), _) => {
                        set.push(format!("{path} = :new{number}"));
                        values.insert(format!(":new{number}"), new.clone());
                    }
                    (None, Some(_)) => remove.push(path),
                    (None, None) => {}
                }
            }
            // Of a map that is not there every path is absent, and nothing could be put into it.
            conditions.push("attribute_exists(#members)".to_owned());
        } else {
            conditions.push("attribute_not_exists(#members)".to_owned());
            let map = after.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            set.push("#members = :members".to_owned());
            values.insert(":members".to_owned(), AttributeValue::M(map));
        }
        let clause = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {} ", parts.join(", ")),
        };
        let update = clause("SET", &set) + &clause("REMOVE", &remove);
        let sent = self
            .client
            .update_item()
            .table_name(self.name(Table::Teams))
            .key(Table::Teams.key(), AttributeValue::S(team.to_owned()))
            .update_expression(update.trim_end())
            .condition_expression(conditions.join(" AND "))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        let written = conditional("dynamodb:UpdateItem", sent)?;
        Ok(matches!(written, Conditional::Made(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.into())
    }

    fn record(entries: &[(&str, &str)]) -> Record {
        let map = entries.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect();
        Record::from([
            ("team_id".to_owned(), text("a")),
            (ATTRIBUTE.to_owned(), AttributeValue::M(map)),
        ])
    }

    #[test]
    fn only_the_entries_that_matter_are_compared_and_changed() {
        let change = EntryChange {
            before: BTreeMap::from([
                ("jane".to_owned(), Some(text("always"))),
                ("default/jane".to_owned(), None),
            ]),
            after: BTreeMap::from([("jane".to_owned(), text("x"))]),
        };
        let read = record(&[("jane", "always"), ("john", "always")]);
        assert!(change.is_unchanged_in(&read) && !change.is_made_in(&read));
        let made = change.made_in(&read);
        assert_eq!(made, record(&[("jane", "x"), ("john", "always")]));
        assert!(change.is_made_in(&made) && !change.is_unchanged_in(&made));
        assert!(change.is_unchanged_in(&record(&[("jane", "always"), ("john", "gone")])));
        assert!(!change.is_unchanged_in(&record(&[("jane", "always"), ("default/jane", "x")])));
    }

    #[test]
    fn an_item_is_as_large_as_dynamodb_counts() {
        // 7 + 1 for the id; 7 + 3 for the map, and 1 + 4 + 6 for its entry.
        assert_eq!(size(&record(&[("jane", "always")])), 8 + 10 + 11);
        let number = Record::from([("n".to_owned(), AttributeValue::N("12345".into()))]);
        assert_eq!(size(&number), 1 + 4);
    }
}
