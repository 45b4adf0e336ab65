//! The embedded dynoxide database, called in process, and what it does not know itself: point-in-time
//! recovery, Regions that are cut off, tables of strong consistency.
//!
//! Its own HTTP server is not used: it would be one more port on this machine, open to any page in
//! any browser.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::operations::{as_aws, dispatch, unreadable};
use super::replicas::{CutOff, is_eventually_consistent_read};
use crate::local::aws::options::TableNames;

/// Why the embedded database does not start or answer.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database itself refuses.
    #[error("the embedded database: {0}")]
    Database(#[from] DynoxideError),
    /// A request that the simulator wrote does not parse.
    #[error("the embedded database's request: {0}")]
    Request(#[from] serde_json::Error),
}

impl DatabaseError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database(_) => "database_failed",
            Self::Request(_) => "database_request",
        }
    }
}

/// The database.
#[derive(Clone)]
pub(crate) struct DynamoDb {
    database: Database,
    /// Tables with point-in-time recovery, which the database itself knows nothing of: the broker's own
    /// from the start, others when it is switched on.
    recoverable: Arc<Mutex<BTreeSet<String>>>,
    /// Counts calls that may have changed something.
    changes: Arc<AtomicU64>,
    tables: Arc<TableNames>,
    cut_off: CutOff,
    /// Whether the tables are global ones of multi-Region strong consistency.
    strong: Arc<AtomicBool>,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDb").finish_non_exhaustive()
    }
}

/// What a client gets for one operation, in JSON 1.0.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// The error's code, if it is one.
    pub(crate) error: Option<&'static str>,
}

impl DynamoDb {
    /// Opens the database in `folder`, or in memory, and creates the tables that are missing.
    pub(crate) fn open(folder: Option<&Path>, tables: &TableNames) -> Result<Self, DatabaseError> {
        let database = match folder {
            Some(folder) => Database::new(&folder.join("dynamodb.sqlite").to_string_lossy())?,
            None => Database::memory()?,
        };
        create_tables(&database, tables)?;
        let own = [&tables.teams, &tables.idps, &tables.state].map(Clone::clone);
        let recoverable = Arc::new(Mutex::new(BTreeSet::from(own)));
        let (changes, tables) = (Arc::default(), Arc::new(tables.clone()));
        let (cut_off, strong) = (CutOff::default(), Arc::default());
        Ok(Self { database, recoverable, changes, tables, cut_off, strong })
    }

    /// Whether the tables are global ones of multi-Region strong consistency from now on.
    pub(crate) fn strong(&self, strong: bool) {
        self.strong.store(strong, Ordering::Relaxed);
    }

    /// Cuts these Regions off from the others, and no others.
    pub(crate) fn cut_off(&self, regions: &[String]) -> Result<(), DatabaseError> {
        self.cut_off.set(regions, || {
            let copy = Database::memory()?;
            create_tables(&copy, &self.tables)?;
            for table in [&self.tables.teams, &self.tables.idps, &self.tables.state] {
                for item in self.typed_items(table)? {
                    copy.put_item(request(json!({"TableName": table, "Item": item}))?)?;
                }
            }
            Ok(copy)
        })
    }

    /// Performs an operation of a client in a Region.
    pub(crate) async fn perform(&self, operation: String, body: Bytes, region: &str) -> Answer {
        let held = self.cut_off.held_by(region);
        let reads = ["GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable"];
        let is_read = reads.contains(&operation.as_str());
        let of_backups = operation.ends_with("ContinuousBackups");
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            match operation.as_str() {
            operation if held.is_some() => match held {
                Some(held) if is_eventually_consistent_read(operation, &body) => {
                    dispatch(&held, operation, &body)
                }
                _ => Err(DynoxideError::InternalServerError(
                    "no second Region of the global table is in reach".into(),
                )),
            },
            "TransactWriteItems" | "TransactGetItems" if this.strong.load(Ordering::Relaxed) => {
                Err(DynoxideError::ValidationException(
                    "transactions are not supported for global tables of multi-Region strong consistency"
                        .into(),
                ))
            }
            "DescribeContinuousBackups" => this.backups(&body, false),
            "UpdateContinuousBackups" => this.backups(&body, true),
            operation => dispatch(&this.database, operation, &body),
        }
        });
        let done = done.await;
        if !is_read {
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
        let done = done.unwrap_or_else(|_| {
            Err(DynoxideError::InternalServerError("the embedded database failed".into()))
        });
        match done {
            // These two have a name of their own for it.
            Err(DynoxideError::ResourceNotFoundException(message)) if of_backups => Answer {
                status: StatusCode::BAD_REQUEST,
                body: json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#TableNotFoundException",
                    "message": message,
                })
                .to_string(),
                error: Some("TableNotFoundException"),
            },
            Ok(body) => Answer { status: StatusCode::OK, body: as_aws(body), error: None },
            Err(error) => Answer {
                status: StatusCode::from_u16(error.status_code())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                body: error.to_json(),
                error: Some(error.short_error_code()),
            },
        }
    }

    /// Describes a table's point-in-time recovery, after switching it where that is asked for.
    fn backups(&self, body: &[u8], switch: bool) -> dynoxide::Result<String> {
        let input: Value =
            serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
        let named = input.get("TableName").and_then(Value::as_str).unwrap_or_default();
        let table = named.rsplit('/').next().unwrap_or_default();
        let describe = request(json!({"TableName": table}))
            .map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
        self.database.describe_table(describe)?;
        let mut recoverable = self.recoverable.lock().unwrap_or_else(PoisonError::into_inner);
        if switch {
            let wanted =
                input.pointer("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled");
            match wanted.and_then(Value::as_bool) {
                Some(true) => drop(recoverable.insert(table.to_owned())),
                Some(false) => drop(recoverable.remove(table)),
                None => {
                    let message = "PointInTimeRecoveryEnabled must not be null".into();
                    return Err(DynoxideError::ValidationException(message));
                }
            }
        }
        let status = if recoverable.contains(table) { "ENABLED" } else { "DISABLED" };
        Ok(json!({"ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status},
        }})
        .to_string())
    }

    /// One item as plain JSON (numbers stay text), `None` if the table has no such key.
    pub(crate) fn item(
        &self,
        table: &str,
        key: &str,
        value: &str,
    ) -> Result<Option<Map<String, Value>>, DatabaseError> {
        let mut names = Map::new();
        names.insert(key.into(), json!({"S": value}));
        let found = self.database.get_item(request(json!({"TableName": table, "Key": names}))?)?;
        let found = serde_json::to_value(found)?;
        Ok(found
            .get("Item")
            .and_then(Value::as_object)
            .map(|item| item.iter().map(|(name, value)| (name.clone(), plain(value))).collect()))
    }

    /// A number that is another one after every change.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// All items of a table as plain JSON (numbers stay text).
    pub(crate) fn items(&self, table: &str) -> Result<Vec<Map<String, Value>>, DatabaseError> {
        let typed = self.typed_items(table)?;
        let members = |item: &Value| {
            let members = item.as_object().into_iter().flatten();
            members.map(|(name, value)| (name.clone(), plain(value))).collect()
        };
        Ok(typed.iter().map(members).collect())
    }

    /// All items of a table with their types.
    fn typed_items(&self, table: &str) -> Result<Vec<Value>, DatabaseError> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let mut scan = json!({"TableName": table});
            if let (Some(start), Some(scan)) = (start.take(), scan.as_object_mut()) {
                scan.insert("ExclusiveStartKey".into(), start);
            }
            let mut page = serde_json::to_value(self.database.scan(request(scan)?)?)?;
            if let Some(found) = page.get_mut("Items").and_then(Value::as_array_mut) {
                items.append(found);
            }
            start = page.get_mut("LastEvaluatedKey").map(Value::take).filter(Value::is_object);
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Writes `item` (plain JSON) unless its key is taken; whether it was written.
    pub(crate) fn put_if_missing(
        &self,
        table: &str,
        key: &str,
        item: &Map<String, Value>,
    ) -> Result<bool, DatabaseError> {
        let typed: Map<String, Value> =
            item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
        let put = self.database.put_item(request(json!({
            "TableName": table,
            "Item": typed,
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": key},
        }))?);
        self.changes.fetch_add(1, Ordering::SeqCst);
        match put {
            Ok(_) => Ok(true),
            Err(DynoxideError::ConditionalCheckFailedException(..)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets one text attribute of an item.
    pub(crate) fn set_text(
        &self,
        table: &str,
        (key, value): (&str, &str),
        attribute: &str,
        text: &str,
    ) -> Result<(), DatabaseError> {
        let mut names = Map::new();
        names.insert(key.into(), json!({"S": value}));
        self.database.update_item(request(json!({
            "TableName": table,
            "Key": names,
            "UpdateExpression": "SET #attribute = :text",
            "ExpressionAttributeNames": {"#attribute": attribute},
            "ExpressionAttributeValues": {":text": {"S": text}},
        }))?)?;
        Ok(())
    }

    /// Deletes what is past its TTL, as AWS does some day; how many items went.
    pub(crate) fn sweep_expired(&self) -> Result<usize, DatabaseError> {
        Ok(self.database.sweep_ttl()?)
    }
}

fn create_tables(database: &Database, tables: &TableNames) -> Result<(), DatabaseError> {
    create_table(database, &tables.teams, "team_id")?;
    create_table(database, &tables.idps, "entity_id")?;
    create_table(database, &tables.state, "pk")
}

fn create_table(database: &Database, name: &str, key: &str) -> Result<(), DatabaseError> {
    let created = database.create_table(request(json!({
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }))?);
    match created {
        Ok(_) if key == "pk" => {
            database.update_time_to_live(request(json!({
                "TableName": name,
                "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": true},
            }))?)?;
            Ok(())
        }
        Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn request<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

/// Plain JSON as a typed attribute: lists and maps nest, numbers become text.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(flag) => json!({"BOOL": flag}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(values) => json!({"L": values.iter().map(attribute).collect::<Vec<_>>()}),
        Value::Object(members) => {
            let members: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            json!({"M": members})
        }
    }
}

/// A typed attribute as plain JSON; sets become lists.
fn plain(attribute: &Value) -> Value {
    let Some((kind, value)) = attribute.as_object().and_then(|typed| typed.iter().next()) else {
        return Value::Null;
    };
    match (kind.as_str(), value) {
        ("NULL", _) => Value::Null,
        ("L", Value::Array(values)) => values.iter().map(plain).collect(),
        ("M", Value::Object(members)) => {
            members.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_is_wrong_is_told_from_one_that_cannot_be_read() {
        let database = DynamoDb::open(None, &TableNames::default()).unwrap();
        for (body, code) in [
            ("{", "SerializationException"),
            (r#"{"TableName": 7}"#, "SerializationException"),
            (r#"{"TableName": "studio-broker-teams"}"#, "ValidationException"),
            (r#"{"TableName": "", "Key": {}}"#, "ValidationException"),
            (
                r#"{"TableName": "no-such-table", "Key": {"a": {"S": "b"}}}"#,
                "ResourceNotFoundException",
            ),
        ] {
            let answer =
                database.perform("GetItem".into(), Bytes::from_static(body.as_bytes()), "x").await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
            let written: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(written["__type"].as_str().unwrap().ends_with(code), "{body}: {written}");
        }
    }

    #[test]
    fn an_item_that_is_there_is_not_overwritten() {
        let database = DynamoDb::open(None, &TableNames::default()).unwrap();
        let item = |name: &str| {
            json!({"team_id": "team1", "display_name": name, "groups": ["a"], "revision": 1})
                .as_object()
                .cloned()
                .unwrap()
        };
        let table = TableNames::default().teams;
        assert!(database.put_if_missing(&table, "team_id", &item("first")).unwrap());
        assert!(!database.put_if_missing(&table, "team_id", &item("second")).unwrap());
        let stored = database.item(&table, "team_id", "team1").unwrap().unwrap();
        assert_eq!(
            Value::Object(stored),
            json!({"team_id": "team1", "display_name": "first", "groups": ["a"], "revision": "1"})
        );
        assert_eq!(database.item(&table, "team_id", "team2").unwrap(), None);
    }

    /// An operation of a client in a Region, whether it was done, and what it answered.
    async fn ask(database: &DynamoDb, region: &str, operation: &str, body: Value) -> (bool, Value) {
        let body = Bytes::from(body.to_string());
        let answer = database.perform(operation.into(), body, region).await;
        (answer.status == StatusCode::OK, serde_json::from_str(&answer.body).unwrap())
    }

    #[tokio::test]
    async fn a_region_that_is_cut_off_reads_what_it_held_and_does_nothing_else() {
        let database = DynamoDb::open(None, &TableNames::default()).unwrap();
        let put = |name: &str| {
            let item = json!({"team_id": {"S": "team1"}, "display_name": {"S": name}});
            json!({"TableName": "studio-broker-teams", "Item": item})
        };
        let get = |consistent: bool| {
            let key = json!({"team_id": {"S": "team1"}});
            json!({"TableName": "studio-broker-teams", "Key": key, "ConsistentRead": consistent})
        };
        let name = |answer: &Value| answer["Item"]["display_name"]["S"].clone();
        assert!(ask(&database, "lost", "PutItem", put("before")).await.0);
        assert_eq!(name(&ask(&database, "other", "GetItem", get(true)).await.1), "before");
        database.cut_off(&["lost".into()]).unwrap();
        assert!(!ask(&database, "lost", "PutItem", put("in vain")).await.0);
        assert!(!ask(&database, "lost", "GetItem", get(true)).await.0);
        assert!(ask(&database, "other", "PutItem", put("meanwhile")).await.0);
        assert_eq!(name(&ask(&database, "lost", "GetItem", get(false)).await.1), "before");
        assert_eq!(name(&ask(&database, "other", "GetItem", get(true)).await.1), "meanwhile");
        database.cut_off(&[]).unwrap();
        assert_eq!(name(&ask(&database, "lost", "GetItem", get(true)).await.1), "meanwhile");
    }
}
