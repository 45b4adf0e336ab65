//! `DynamoDB`: the administrators' tables of teams and `IdPs`, read through a short cache.
//!
//! A bad item is refused by itself and harms no other; what is missing or bad is remembered for two
//! seconds at most, what is good for the team cache's life.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::cache::Cache;
use super::error::{AwsError, Kind, sorted};
use super::team_index::{Index, TeamIndex, scan};
use crate::mappings::Table;
use crate::mappings::places::Place;
use crate::team::idp::Idp;
use crate::team::item::{Fault, Item, ItemFaults, Read, excerpt, read_record, readable_part};
use crate::team::{Team, TeamId};

/// Longest life of a missing or bad item in memory, in seconds.
const NEGATIVE_SECONDS: i64 = 2;

/// So many reads of unknown `IdPs` are made one by one in [`FLOOD_WINDOW`].
const UNKNOWN_READS: u32 = 50;
/// The seconds over which they are counted.
const FLOOD_WINDOW: i64 = 10;
/// Beyond that, how long one list of all `IdPs` answers for the unknown ones, in seconds. With
/// [`NEGATIVE_SECONDS`] a new `IdP` is unknown for seven seconds at most.
const KNOWN_IDS_SECONDS: i64 = 5;

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
    idp_ids: Cache<(), Arc<HashSet<String>>>,
    unknown_reads: Mutex<Counted>,
    index: TeamIndex,
}

impl Tables {
    /// The tables, believed for `cache_seconds` after a read.
    pub fn new(client: Client, teams: String, idps: String, cache_seconds: u32) -> Self {
        let life = SignedDuration::from_secs(i64::from(cache_seconds));
        Self {
            index: TeamIndex::new(client.clone(), teams.clone(), life),
            client,
            teams_table: teams,
            idps_table: idps,
            life,
            teams: Cache::new(10_000),
            idps: Cache::new(1_000),
            all_idps: Cache::new(1),
            idp_ids: Cache::new(1),
            unknown_reads: Mutex::default(),
        }
    }

    /// The `IdP` with an entity ID.
    ///
    /// Anybody may name an `IdP` that does not exist, without signature and as often as they like. Each
    /// costs a read, until there were many of late; then one list of all serves them together. Those that
    /// exist are read as ever.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn idp(&self, entity_id: &str, now: Timestamp) -> Result<Entry<Idp>, AwsError> {
        if entity_id.chars().count() > 1024 || !(1..=LONGEST_KEY).contains(&entity_id.len()) {
            return Ok(Entry::Missing);
        }
        if let Some(entry) = self.idps.get(&entity_id.to_owned(), now).await {
            return Ok(entry);
        }
        let counts = self.counted().begin(now);
        if !counts && !self.idp_ids(now).await?.contains(entity_id) {
            return Ok(Entry::Missing);
        }
        let load = async {
            let item = self.get(&self.idps_table, "entity_id", entity_id).await?;
            let entry = self.read_idp(entity_id, item.as_ref());
            let life = self.life_of(&entry);
            Ok((entry, life))
        };
        let found = self.idps.get_or_load(entity_id.to_owned(), now, load).await;
        if counts && matches!(found, Ok(Entry::Found(_) | Entry::Faulty(_))) {
            self.counted().found();
        }
        found
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.unknown_reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entity IDs of all `IdPs`, a few seconds old at most.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn idp_ids(&self, now: Timestamp) -> Result<Arc<HashSet<String>>, AwsError> {
        let load = async {
            let (items, _) = scan(&self.client, &self.idps_table, Some("entity_id"), None).await?;
            let ids = items.iter().filter_map(|item| item.get("entity_id")?.as_s().ok().cloned());
            let ids = Arc::new(ids.collect::<HashSet<_>>());
            Ok((ids, SignedDuration::from_secs(KNOWN_IDS_SECONDS)))
        };
        self.idp_ids.get_or_load((), now, load).await
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
        let (items, complete) = scan(&self.client, &self.idps_table, None, pages).await?;
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

    /// Which teams give access by `groups` and `members`: at most as old as the team cache allows; where it
    /// cannot be refreshed, an older one serves.
    ///
    /// # Errors
    ///
    /// There is no index yet and the table could not be read.
    pub async fn index(&self, now: Timestamp) -> Result<Arc<Index>, AwsError> {
        self.index.get(now).await
    }

    /// The last index that was read, however old.
    pub fn last_index(&self) -> Option<Arc<Index>> {
        self.index.last()
    }

    /// Loads the index of groups and members anew, once somebody has needed it.
    pub async fn refresh_index(&self, now: Timestamp) {
        self.index.refresh(now).await;
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
            Some(rest) if !rest.is_empty() => {
                let message = "the table did not return all keys";
                Err(AwsError::here(Kind::Throttled, OPERATION, "UnprocessedKeys", message))
            }
            _ => Ok(items),
        }
    }
}

/// Reads of late that found no `IdP`, or may still find none.
#[derive(Debug, Default)]
struct Counted {
    since: Option<Timestamp>,
    unknown: u32,
}

impl Counted {
    /// Counts a further read as one that finds nothing; `false` where there were too many.
    fn begin(&mut self, now: Timestamp) -> bool {
        let window = SignedDuration::from_secs(FLOOD_WINDOW);
        // A clock that was set back begins anew, too.
        if !self.since.is_some_and(|since| since <= now && now.duration_since(since) < window) {
            *self = Self { since: Some(now), unknown: 0 };
        }
        let counts = self.unknown < UNKNOWN_READS;
        if counts {
            self.unknown += 1;
        }
        counts
    }

    /// It found one.
    fn found(&mut self) {
        self.unknown = self.unknown.saturating_sub(1);
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
            for fault in &read.in_part {
                warn!(table, key = excerpt(key), fault = %fault, "a part of an item cannot be used");
            }
            Entry::Found(Arc::new(read.value))
        }
        Err(faults) => {
            let (readable, _) = readable_part(item);
            let faults = ItemFaults { table: table.into(), key: key.into(), faults, readable };
            warn!(table, key = excerpt(key), faults = %faults, "an item cannot be used");
            Entry::Faulty(Arc::new(faults))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_unknown_idps_are_read_one_by_one_in_ten_seconds_and_no_more() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut counted = Counted::default();
        for read in 0..UNKNOWN_READS {
            let now = at(100 + i64::from(read) / 6);
            assert!(counted.begin(now), "{read}");
            counted.found();
            assert!(counted.begin(now), "{read}: one that is found does not count");
        }
        assert!(!counted.begin(at(108)) && !counted.begin(at(109)));
        assert!(counted.begin(at(110)), "ten seconds later");
        counted.unknown = UNKNOWN_READS;
        assert!(!counted.begin(at(111)));
        assert!(counted.begin(at(90)), "the clock was set back");
    }
}
