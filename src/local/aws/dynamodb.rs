//! `DynamoDB`: an embedded dynoxide database behind the simulated endpoint.
//!
//! Clients' requests go to dynoxide's own HTTP server on a loopback port of its own, so that they
//! get its whole request checking; the simulator itself calls the database in process.

use std::path::Path;

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{TableNames, refusal::Refusal};

/// Why the embedded database does not start or answer.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database itself refuses.
    #[error("the embedded database: {0}")]
    Database(#[from] DynoxideError),
    /// No loopback port can be bound for it.
    #[error("the embedded database's port: {0}")]
    Listen(#[from] std::io::Error),
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
            Self::Listen(_) => "database_port",
            Self::Request(_) => "database_request",
        }
    }
}

/// The database and the way to its HTTP server.
pub(crate) struct DynamoDb {
    database: Database,
    client: Client<HttpConnector, Full<Bytes>>,
    server: Uri,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDb").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl DynamoDb {
    /// Opens the database in `folder`, or in memory, and creates the tables that are missing.
    pub(crate) async fn open(
        folder: Option<&Path>,
        tables: &TableNames,
    ) -> Result<Self, DatabaseError> {
        let database = match folder {
            Some(folder) => Database::new(&folder.join("dynamodb.sqlite").to_string_lossy())?,
            None => Database::memory()?,
        };
        create_table(&database, &tables.teams, "team_id")?;
        create_table(&database, &tables.idps, "entity_id")?;
        create_table(&database, &tables.state, "pk")?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let authority = listener.local_addr()?.to_string();
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            database,
            client: Client::builder(TokioExecutor::new()).build(connector),
            server: Uri::builder()
                .scheme("http")
                .authority(authority)
                .path_and_query("/")
                .build()
                .map_err(std::io::Error::other)?,
            serving,
        })
    }

    /// Passes a client's request on as it is and gives the answer back as it is.
    pub(crate) async fn forward(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Refusal> {
        let (mut head, body) = request.into_parts();
        head.uri = self.server.clone();
        head.headers.remove(header::HOST);
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::TRANSFER_ENCODING);
        head.headers.remove(header::CONNECTION);
        let unreachable = |_| Refusal::Ordered {
            code: "InternalServerError".into(),
            status: 500,
            message: "the embedded database does not answer".into(),
        };
        let response = self
            .client
            .request(Request::from_parts(head, Full::new(body)))
            .await
            .map_err(|_| unreachable(()))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| unreachable(()))?.to_bytes();
        Ok(Response::from_parts(head, body))
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
    async fn an_item_that_is_there_is_not_overwritten() {
        let database = DynamoDb::open(None, &TableNames::default()).await.unwrap();
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
}
