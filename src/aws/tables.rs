//! `DynamoDB`: the administrators' tables of teams and `IdPs`, read through a short cache.
//!
//! A bad item is refused by itself and harms no other; what is missing or bad is remembered for two
//! seconds at most, what is good for the team cache's life.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, RwLock};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::cache::Cache;
use super::error::{AwsError, Kind, sorted};
use crate::mappings::Table;
use crate::mappings::places::Place;
use crate::team::idp::Idp;
use crate::team::item::{Fault, Item, ItemFaults, Read, excerpt, read_record};
use crate::team::{Team, TeamId};

/// Longest life of a missing or bad item in memory, in seconds.
const NEGATIVE_SECONDS: i64 = 2;

/// What a table holds under a key.
#[derive(Debug)]
pub enum Entry<T> {
    /// A good item.
    Found(Arc<T>),
    /// No item.
    Missing,
    /// An item that cannot be used.
    Faulty(Arc<ItemFaults>),
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Found(value) => Self::Found(Arc::clone(value)),
            Self::Missing => Self::Missing,
            Self::Faulty(faults) => Self::Faulty(Arc::clone(faults)),
        }
    }
}

/// The tables of teams and `IdPs`.
#[derive(Debug)]
pub struct Tables {
    client: Client,
    teams_table: String,
    idps_table: String,
    life: SignedDuration,
    teams: Cache<TeamId, Entry<Team>>,
    idps: Cache<String, Entry<Idp>>,
    all_idps: Cache<(), Arc<Vec<Arc<Idp>>>>,
    entity_ids: Cache<(), Arc<Vec<String>>>,
    groups: Cache<(), Arc<GroupIndex>>,
    last_groups: RwLock<Option<Arc<GroupIndex>>>,
}

/// The teams that each group names.
pub type GroupIndex = HashMap<String, Vec<TeamId>>;

impl Tables {
    /// The tables, believed for `cache_seconds` after a read.
    pub fn new(client: Client, teams: String, idps: String, cache_seconds: u32) -> Self {
        Self {
            client,
            teams_table: teams,
            idps_table: idps,
            life: SignedDuration::from_secs(i64::from(cache_seconds)),
            teams: Cache::new(10_000),
            idps: Cache::new(1_000),
            all_idps: Cache::new(1),
            entity_ids: Cache::new(1),
            groups: Cache::new(1),
            last_groups: RwLock::new(None),
        }
    }

    /// The `IdP` with an entity ID.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn idp(&self, entity_id: &str, now: Timestamp) -> Result<Entry<Idp>, AwsError> {
        if entity_id.chars().count() > 1024 || !(1..=LONGEST_KEY).contains(&entity_id.len()) {
            return Ok(Entry::Missing);
        }
        let load = async {
            let item = self.get(&self.idps_table, "entity_id", entity_id).await?;
            let entry = self.read_idp(entity_id, item.as_ref());
            let life = self.life_of(&entry);
            Ok((entry, life))
        };
        self.idps.get_or_load(entity_id.to_owned(), now, load).await
    }

    /// All enabled `IdPs` that can be read, by name.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn enabled_idps(&self, now: Timestamp) -> Result<Arc<Vec<Arc<Idp>>>, AwsError> {
        let load = async { Ok((Arc::new(self.load_idps(now, None).await?.0), self.life)) };
        self.all_idps.get_or_load((), now, load).await
    }

    /// The entity IDs of all `IdPs`, usable or not.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn entity_ids(&self, now: Timestamp) -> Result<Arc<Vec<String>>, AwsError> {
        let load = async {
            let (items, _) = self.scan(&self.idps_table, Some("entity_id"), None).await?;
            let key = |item: &HashMap<String, AttributeValue>| {
                item.get("entity_id").and_then(|key| key.as_s().ok()).cloned()
            };
            Ok((Arc::new(items.iter().filter_map(key).collect()), self.life))
        };
        self.entity_ids.get_or_load((), now, load).await
    }

    /// Loads at most one page of `IdPs` into memory, so that the first sign-in finds its own there.
    ///
    /// # Errors
    ///
    /// The table could not be read; nothing depends on it.
    pub async fn preload_idps(&self, now: Timestamp) -> Result<(), AwsError> {
        let (idps, complete) = self.load_idps(now, Some(1)).await?;
        if complete {
            self.all_idps.insert((), Arc::new(idps), now, self.life).await;
        }
        Ok(())
    }

    async fn load_idps(
        &self,
        now: Timestamp,
        pages: Option<usize>,
    ) -> Result<(Vec<Arc<Idp>>, bool), AwsError> {
        let (items, complete) = self.scan(&self.idps_table, None, pages).await?;
        let mut enabled = Vec::new();
        for item in items {
            let Some(key) = item.get("entity_id").and_then(|key| key.as_s().ok()) else { continue };
            let entry = self.read_idp(key, Some(&item));
            if let Entry::Found(idp) = &entry
                && idp.enabled
            {
                enabled.push(Arc::clone(idp));
            }
            let life = self.life_of(&entry);
            self.idps.insert(key.clone(), entry, now, life).await;
        }
        enabled.sort_by(|a, b| a.name().cmp(b.name()));
        Ok((enabled, complete))
    }

    fn read_idp(&self, key: &str, item: Option<&HashMap<String, AttributeValue>>) -> Entry<Idp> {
        read(&self.idps_table, key, item, Table::Idps.attributes(), Idp::read)
    }

    /// The team with an id.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn team(&self, id: &TeamId, now: Timestamp) -> Result<Entry<Team>, AwsError> {
        let load = async {
            let item = self.get(&self.teams_table, "team_id", id.as_str()).await?;
            let entry = self.read_team(id, item.as_ref());
            let life = self.life_of(&entry);
            Ok((entry, life))
        };
        self.teams.get_or_load(id.clone(), now, load).await
    }

    /// Several teams at once; those that memory lacks are read in batches.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn teams(
        &self,
        ids: &[TeamId],
        now: Timestamp,
    ) -> Result<Vec<(TeamId, Entry<Team>)>, AwsError> {
        let mut found = Vec::with_capacity(ids.len());
        let mut lacking = Vec::new();
        for id in ids {
            match self.teams.get(id, now).await {
                Some(entry) => found.push((id.clone(), entry)),
                None => lacking.push(id.clone()),
            }
        }
        if let [id] = lacking.as_slice() {
            found.push((id.clone(), self.team(id, now).await?));
            return Ok(found);
        }
        for batch in lacking.chunks(BATCH) {
            let items = self.batch_get(batch).await?;
            for id in batch {
                let item = items.iter().find(|item| is_keyed(item, id));
                let entry = self.read_team(id, item);
                let life = self.life_of(&entry);
                self.teams.insert(id.clone(), entry.clone(), now, life).await;
                found.push((id.clone(), entry));
            }
        }
        Ok(found)
    }

    /// Ids of the teams that one of the groups gives access to, as far as the index knows. The index is
    /// at most as old as the team cache allows; where it cannot be refreshed in time, an older one
    /// serves: it only finds candidates, and the team itself decides.
    ///
    /// # Errors
    ///
    /// There is no index yet and the table could not be read.
    pub async fn teams_of_groups(
        &self,
        groups: &[String],
        now: Timestamp,
    ) -> Result<Vec<TeamId>, AwsError> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let index = match self.group_index(now).await {
            Ok(index) => index,
            Err(error) => match self.last_groups.read().ok().and_then(|last| last.clone()) {
                Some(last) => {
                    warn!(error = %error, "the index of groups could not be refreshed, the last one serves");
                    last
                }
                None => return Err(error),
            },
        };
        let mut seen = HashSet::new();
        let named = groups.iter().filter_map(|group| index.get(group)).flatten();
        Ok(named.filter(|id| seen.insert(*id)).cloned().collect())
    }

    /// Refreshes the index of groups when it is older than the team cache allows.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn group_index(&self, now: Timestamp) -> Result<Arc<GroupIndex>, AwsError> {
        let load = async {
            let (items, _) = self.scan(&self.teams_table, Some("team_id, groups"), None).await?;
            let index = Arc::new(index_groups(&items));
            if let Ok(mut last) = self.last_groups.write() {
                *last = Some(Arc::clone(&index));
            }
            Ok((index, self.life))
        };
        self.groups.get_or_load((), now, load).await
    }

    /// Loads the index of groups anew, once somebody has needed it.
    pub async fn refresh_groups(&self, now: Timestamp) {
        if self.last_groups.read().is_ok_and(|last| last.is_some()) {
            self.groups.remove(&()).await;
            if let Err(error) = self.group_index(now).await {
                warn!(error = %error, "the index of groups could not be refreshed");
            }
        }
    }

    /// Remembers where teams are or were.
    ///
    /// # Errors
    ///
    /// AWS refused the write, or nobody knows.
    pub async fn remember(&self, places: &BTreeSet<Place>) -> Result<(), AwsError> {
        super::places::remember(&self.client, &self.teams_table, places).await
    }

    fn read_team(
        &self,
        id: &TeamId,
        item: Option<&HashMap<String, AttributeValue>>,
    ) -> Entry<Team> {
        read(&self.teams_table, id.as_str(), item, Table::Teams.attributes(), Team::read)
    }

    fn life_of<T>(&self, entry: &Entry<T>) -> SignedDuration {
        match entry {
            Entry::Found(_) => self.life,
            _ => self.life.min(SignedDuration::from_secs(NEGATIVE_SECONDS)),
        }
    }

    async fn get(
        &self,
        table: &str,
        key: &str,
        value: &str,
    ) -> Result<Option<HashMap<String, AttributeValue>>, AwsError> {
        let sent = self
            .client
            .get_item()
            .table_name(table)
            .key(key, AttributeValue::S(value.to_owned()))
            .send()
            .await;
        let output = sorted("dynamodb:GetItem", sent)?;
        Ok(output.item)
    }

    async fn batch_get(
        &self,
        ids: &[TeamId],
    ) -> Result<Vec<HashMap<String, AttributeValue>>, AwsError> {
        const OPERATION: &str = "dynamodb:BatchGetItem";
        let keys = ids
            .iter()
            .map(|id| HashMap::from([("team_id".to_owned(), AttributeValue::S(id.to_string()))]));
        let mut wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .build()
            .ok()
            .map(|keys| HashMap::from([(self.teams_table.clone(), keys)]));
        let mut items = Vec::new();
        // DynamoDB may return a part and ask for the rest to be asked again.
        for _ in 0..MAX_BATCH_ROUNDS {
            let Some(request) = wanted.take().filter(|request| !request.is_empty()) else { break };
            let sent = self.client.batch_get_item().set_request_items(Some(request)).send().await;
            let output = sorted(OPERATION, sent)?;
            items.extend(output.responses.into_iter().flatten().flat_map(|(_, items)| items));
            wanted = output.unprocessed_keys;
        }
        match wanted {
            Some(rest) if !rest.is_empty() => Err(AwsError {
                kind: Kind::Throttled,
                operation: OPERATION,
                code: "UnprocessedKeys".into(),
                message: "the table did not return all keys".into(),
                request_id: None,
            }),
            _ => Ok(items),
        }
    }

    async fn scan(
        &self,
        table: &str,
        projection: Option<&str>,
        pages: Option<usize>,
    ) -> Result<(Vec<HashMap<String, AttributeValue>>, bool), AwsError> {
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..pages.unwrap_or(usize::MAX) {
            // `groups` is a reserved word in expressions, so every name goes through a placeholder.
            let names: Vec<_> =
                projection.into_iter().flat_map(|names| names.split(", ")).collect();
            let placeholders: Vec<_> = (0..names.len()).map(|i| format!("#n{i}")).collect();
            let named = placeholders.iter().cloned().zip(names.iter().map(|&name| name.to_owned()));
            let sent = self
                .client
                .scan()
                .table_name(table)
                .set_projection_expression(projection.map(|_| placeholders.join(", ")))
                .set_expression_attribute_names(projection.map(|_| named.collect()))
                .set_exclusive_start_key(start.take())
                .send()
                .await;
            let output = sorted("dynamodb:Scan", sent)?;
            items.extend(output.items.unwrap_or_default());
            start = output.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok((items, true));
            }
        }
        Ok((items, false))
    }
}

/// A partition key holds at most 2048 bytes; a longer one is refused like a table that is not ours
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
const LONGEST_KEY: usize = 2048;

/// `BatchGetItem` takes at most 100 keys
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const BATCH: usize = 100;

/// How often the rest of a batch is asked for.
const MAX_BATCH_ROUNDS: usize = 4;

fn is_keyed(item: &HashMap<String, AttributeValue>, id: &TeamId) -> bool {
    item.get("team_id").and_then(|key| key.as_s().ok()).is_some_and(|key| key == id.as_str())
}

fn index_groups(items: &[HashMap<String, AttributeValue>]) -> GroupIndex {
    let mut index = GroupIndex::new();
    for item in items {
        let id = item.get("team_id").and_then(|id| id.as_s().ok());
        let Some(id) = id.and_then(|id| TeamId::try_from(id.clone()).ok()) else { continue };
        let groups: Vec<_> = match item.get("groups") {
            Some(AttributeValue::Ss(set)) => set.iter().collect(),
            Some(AttributeValue::L(list)) => list.iter().filter_map(|g| g.as_s().ok()).collect(),
            _ => continue,
        };
        for group in groups {
            index.entry(group.clone()).or_default().push(id.clone());
        }
    }
    index
}

fn read<T>(
    table: &str,
    key: &str,
    item: Option<&HashMap<String, AttributeValue>>,
    known: &[&str],
    parse: impl Fn(&Item) -> Result<Read<T>, Vec<Fault>>,
) -> Entry<T> {
    let Some(item) = item else { return Entry::Missing };
    match read_record(item, known, parse) {
        Ok(read) => {
            for attribute in &read.unknown_attributes {
                warn!(
                    table,
                    key = excerpt(key),
                    attribute = excerpt(attribute),
                    "an attribute that nobody knows is ignored"
                );
            }
            Entry::Found(Arc::new(read.value))
        }
        Err(faults) => {
            let faults = ItemFaults { table: table.into(), key: key.into(), faults };
            warn!(table, key = excerpt(key), faults = %faults, "an item cannot be used");
            Entry::Faulty(Arc::new(faults))
        }
    }
}
