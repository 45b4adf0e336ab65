//! `DynamoDB`: which teams give access to whom by `groups` and `members`, in memory.
//!
//! It is read by one scan of these two attributes and found by group or person, so that ten thousand
//! people in a thousand teams cost a sign-in what none cost. It only finds candidates: the team's item
//! decides.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::cache::Cache;
use super::error::{AwsError, sorted};
use super::{REQUEST_IDS, RequestIds};
use crate::team::TeamId;
use crate::team::item::Record;
use crate::team::members::{self, Name};

/// The index, read again when it is older than the team cache allows.
#[derive(Debug, Clone)]
pub struct TeamIndex(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    table: String,
    life: SignedDuration,
    fresh: Cache<(), Arc<Index>>,
    last: RwLock<Option<Arc<Index>>>,
}

/// The teams of each group and of each person who has access by name.
#[derive(Debug, Default)]
pub struct Index {
    groups: HashMap<String, Vec<TeamId>>,
    members: HashMap<Name, Vec<TeamId>>,
}

impl Index {
    /// The teams that give one of the groups or the person access, each once.
    pub fn teams_of(&self, groups: &[String], person: &Name) -> Vec<TeamId> {
        let mut seen = HashSet::new();
        let by_group = groups.iter().filter_map(|group| self.groups.get(group)).flatten();
        let all = by_group.chain(self.members.get(person).into_iter().flatten());
        all.filter(|id| seen.insert(*id)).cloned().collect()
    }

    /// Whether a team names the group, by this very text.
    pub fn names(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    fn of(items: &[Record]) -> Self {
        let mut index = Self::default();
        for item in items {
            let id = item.get("team_id").and_then(|id| id.as_s().ok());
            let Some(id) = id.and_then(|id| TeamId::try_from(id.clone()).ok()) else { continue };
            let groups: Vec<_> = match item.get("groups") {
                Some(AttributeValue::Ss(set)) => set.iter().collect(),
                Some(AttributeValue::L(list)) => {
                    list.iter().filter_map(|group| group.as_s().ok()).collect()
                }
                _ => Vec::new(),
            };
            for group in groups {
                index.groups.entry(group.clone()).or_default().push(id.clone());
            }
            if let Some(AttributeValue::M(people)) = item.get(members::ATTRIBUTE) {
                for name in people.keys().filter_map(|key| Name::of_key(key)) {
                    index.members.entry(name).or_default().push(id.clone());
                }
            }
        }
        index
    }
}

impl TeamIndex {
    /// An index of the teams table, believed for `life` after a read.
    pub fn new(client: Client, table: String, life: SignedDuration) -> Self {
        let (fresh, last) = (Cache::new(1), RwLock::new(None));
        Self(Arc::new(Inner { client, table, life, fresh, last }))
    }

    /// The index, read again when it is too old; where that fails, the last one serves.
    ///
    /// # Errors
    ///
    /// There is no index yet and the table could not be read.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<Index>, AwsError> {
        if let Some(index) = self.0.fresh.get(&(), now).await {
            return Ok(index);
        }
        // A task of its own: whoever does not wait for it leaves it to the next.
        let this = self.clone();
        let ids = REQUEST_IDS.try_with(RequestIds::clone).unwrap_or_default();
        let read = tokio::spawn(REQUEST_IDS.scope(ids, async move { this.read(now).await }));
        let read = match read.await {
            Ok(read) => read,
            Err(panicked) => Err(AwsError::panicked(SCAN, &panicked)),
        };
        match (read, self.last()) {
            (Ok(index), _) => Ok(index),
            (Err(error), Some(last)) => {
                warn!(error = %error, "the index of groups and members could not be refreshed, the last one serves");
                Ok(last)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Reads it anew, once somebody has needed it.
    pub async fn refresh(&self, now: Timestamp) {
        if self.last().is_some() {
            self.0.fresh.remove(&()).await;
            if let Err(error) = self.read(now).await {
                warn!(error = %error, "the index of groups and members could not be refreshed");
            }
        }
    }

    async fn read(&self, now: Timestamp) -> Result<Arc<Index>, AwsError> {
        let Inner { client, table, life, fresh, last } = self.0.as_ref();
        let load = async {
            let wanted = format!("team_id, groups, {}", members::ATTRIBUTE);
            let (items, _) = scan(client, table, Some(&wanted), None).await?;
            let index = Arc::new(Index::of(&items));
            if let Ok(mut last) = last.write() {
                *last = Some(Arc::clone(&index));
            }
            Ok((index, *life))
        };
        fresh.get_or_load((), now, load).await
    }

    /// The last one that was read, however old.
    pub fn last(&self) -> Option<Arc<Index>> {
        self.0.last.read().ok().and_then(|last| last.clone())
    }
}

const SCAN: &str = "dynamodb:Scan";

/// Every item of a table, or those of its first `pages`, with the attributes of `projection` or all; and
/// whether these are all items.
pub(super) async fn scan(
    client: &Client,
    table: &str,
    projection: Option<&str>,
    pages: Option<usize>,
) -> Result<(Vec<Record>, bool), AwsError> {
    let mut items = Vec::new();
    let mut start = None;
    for _ in 0..pages.unwrap_or(usize::MAX) {
        // `groups` is a reserved word in expressions, so every name goes through a placeholder.
        let names: Vec<_> = projection.into_iter().flat_map(|names| names.split(", ")).collect();
        let placeholders: Vec<_> = (0..names.len()).map(|i| format!("#n{i}")).collect();
        let named = placeholders.iter().cloned().zip(names.iter().map(|&name| name.to_owned()));
        let sent = client
            .scan()
            .table_name(table)
            .set_projection_expression(projection.map(|_| placeholders.join(", ")))
            .set_expression_attribute_names(projection.map(|_| named.collect()))
            .set_exclusive_start_key(start.take())
            .send()
            .await;
        let output = sorted(SCAN, sent)?;
        items.extend(output.items.unwrap_or_default());
        start = output.last_evaluated_key.filter(|key| !key.is_empty());
        if start.is_none() {
            return Ok((items, true));
        }
    }
    Ok((items, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_are_found_by_group_and_by_name_each_once() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = |id: &str, groups: AttributeValue, members: AttributeValue| {
            let id = ("team_id".to_owned(), text(id));
            Record::from([id, ("groups".to_owned(), groups), ("members".to_owned(), members)])
        };
        let people = |keys: &[&str]| {
            AttributeValue::M(keys.iter().map(|key| ((*key).to_owned(), text("always"))).collect())
        };
        let index = Index::of(&[
            item("a", AttributeValue::Ss(vec!["g".into()]), people(&["jane", "default/jane"])),
            item("b", AttributeValue::L(vec![text("g"), AttributeValue::Null(true)]), people(&[])),
            item("c", text("g"), text("jane")),
            item("d", AttributeValue::Null(true), people(&["okta/jane", "Bad/jane"])),
            item("not an id!", AttributeValue::Ss(vec!["g".into()]), people(&["jane"])),
        ]);
        let found = |groups: &[&str], key: &str| {
            let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
            let found = index.teams_of(&groups, &Name::of_key(key).unwrap());
            found.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(&["g"], "jane"), ["a", "b"]);
        assert_eq!(found(&[], "jane"), ["a"]);
        assert_eq!(found(&[], "okta/jane"), ["d"]);
        assert_eq!(found(&["h"], "john"), Vec::<String>::new());
    }
}
