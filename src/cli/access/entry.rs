//! One person's entries in the `members` of one team, as they were read.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::aws::mapping_tables::Written;
use crate::aws::member_entry::{EntryChange, LARGEST_ITEM, entries, size};
use crate::cli::Exit;
use crate::cli::again::again;
use crate::cli::hub::Hub;
use crate::cli::output::{Failure, hint, plain, warn, word};
use crate::cli::teams_like;
use crate::mappings::{Mapping, Stored, Table};
use crate::team::item::{Record, excerpt};
use crate::team::members::{ATTRIBUTE, Member, Name};

/// A team's item, as it was read.
#[derive(Debug)]
pub(super) struct TeamItem {
    pub(super) id: String,
    pub(super) record: Record,
    pub(super) stored: Stored,
}

impl TeamItem {
    /// Reads a team's item.
    ///
    /// # Errors
    ///
    /// There is no such team, or its `members` are no map: nobody's entry can stand in them.
    pub(super) async fn read(hub: &Hub, id: &str) -> Result<Self, Failure> {
        let read = hub.tables().team(id).await.map_err(|error| hub.failure(Table::Teams, error))?;
        let Some(record) = read else { return Err(teams_like::missing(hub, id).await) };
        if record.contains_key(ATTRIBUTE) && entries(&record).is_none() {
            let message =
                format!("team {}: {ATTRIBUTE} is no map (M), and gives nobody access", excerpt(id));
            let shown = format!("studio-broker teams show {}", word(id));
            return Err(Failure::new(Exit::Failed, message).hint(shown));
        }
        let stored = Stored::of(Table::Teams, record.clone());
        Ok(Self { id: id.to_owned(), record, stored })
    }

    /// The entries that mean the person, by their keys, `None` for a key that could and is not there.
    pub(super) fn entries_of(&self, name: &Name) -> BTreeMap<String, Option<AttributeValue>> {
        let entries = entries(&self.record);
        let now = |key: String| {
            let value = entries.and_then(|entries| entries.get(&key)).cloned();
            (key, value)
        };
        let Name { directory, user_id } = name;
        [name.key(), format!("{directory}/{user_id}")].map(now).into_iter().collect()
    }

    /// The entry that counts, as a sign-in reads it.
    pub(super) fn member_of(&self, name: &Name) -> Option<Member> {
        let entries = entries(&self.record)?;
        let of_person: HashMap<_, _> =
            entries.iter().filter(|(key, _)| Name::of_key(key).as_ref() == Some(name)).collect();
        let only: Record = Record::from([(
            ATTRIBUTE.to_owned(),
            AttributeValue::M(
                of_person.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            ),
        )]);
        let (item, _) = crate::team::item::readable_part(&only);
        let grants = crate::team::entitlement::Grants::of(&item);
        grants.members.of(&name.directory, &name.user_id).cloned()
    }

    /// The team, where its item can be used; says so where it cannot.
    pub(super) fn team(&self) -> Option<&crate::team::Team> {
        let team = self.stored.mapping().and_then(Mapping::team);
        if team.is_none() {
            warn(format!(
                "the item of team {} cannot be used: nobody can open it",
                plain(&self.id)
            ));
            hint(format!("studio-broker teams show {}", word(&self.id)));
        }
        team
    }

    /// Writes a change, if its entries are still what was read and the item has room for it.
    ///
    /// # Errors
    ///
    /// The item would be too large, somebody else changed an entry meanwhile, or AWS refused.
    pub(super) async fn write(&self, hub: &Hub, change: &EntryChange) -> Result<(), Failure> {
        let after = size(&change.made_in(&self.record));
        if after > LARGEST_ITEM && after > size(&self.record) {
            let message = format!(
                "the item of team {} would have {after} bytes, and DynamoDB takes {LARGEST_ITEM} at most: nothing was written",
                excerpt(&self.id)
            );
            let ended = format!("studio-broker access end --ended --team {}", word(&self.id));
            return Err(Failure::new(Exit::Failed, message).hint(ended));
        }
        if after > LARGEST_ITEM / 10 * 9 && after > size(&self.record) {
            warn(format!(
                "the item of team {} has {after} of {LARGEST_ITEM} bytes: a group takes more people",
                plain(&self.id)
            ));
        }
        let by = hub.signature().await;
        let written = hub.tables().change_entries(&self.id, self.record.clone(), change, &by).await;
        match written.map_err(|error| hub.failure(Table::Teams, error))? {
            Written::Done => Ok(()),
            Written::ChangedMeanwhile(None) => Err(teams_like::missing(hub, &self.id).await),
            Written::ChangedMeanwhile(Some(_)) => {
                let keys: Vec<_> = change.before.keys().map(|key| excerpt(key)).collect();
                let message = format!(
                    "team {}: somebody else changed the entry {} meanwhile: nothing was written",
                    excerpt(&self.id),
                    keys.first().cloned().unwrap_or_default()
                );
                Err(Failure::new(Exit::Conflict, message).hint(again("")))
            }
        }
    }
}

/// An entry for programs.
pub(super) fn as_json(member: Option<&Member>) -> Value {
    member.map_or(Value::Null, |member| {
        let Member { until, reason, by, .. } = member;
        json!({"until": until, "reason": reason, "by": by})
    })
}
