//! The operations that clients may call, in the database's own types: a request read, an answer written.

use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Performs an operation of a client.
pub(super) fn dispatch(db: &Database, operation: &str, body: &[u8]) -> dynoxide::Result<String> {
    match operation {
        "CreateTable" => call(body, |r| db.create_table(r)),
        "DeleteTable" => call(body, |r| db.delete_table(r)),
        "DescribeTable" => call(body, |r| db.describe_table(r)),
        "ListTables" => call(body, |r| db.list_tables(r)),
        "UpdateTable" => call(body, |r| db.update_table(r)),
        "PutItem" => call(body, |r| db.put_item(r)),
        "GetItem" => call(body, |r| db.get_item(r)),
        "DeleteItem" => call(body, |r| db.delete_item(r)),
        "UpdateItem" => call(body, |r| db.update_item(r)),
        "Query" => call(body, |r| db.query(r)),
        "Scan" => call(body, |r| db.scan(r)),
        "BatchGetItem" => call(body, |r| db.batch_get_item(r)),
        "BatchWriteItem" => call(body, |r| db.batch_write_item(r)),
        "TransactWriteItems" => call(body, |r| db.transact_write_items(r)),
        "TransactGetItems" => call(body, |r| db.transact_get_items(r)),
        "ListStreams" => call(body, |r| db.list_streams(r)),
        "DescribeStream" => call(body, |r| db.describe_stream(r)),
        "GetShardIterator" => call(body, |r| db.get_shard_iterator(r)),
        "GetRecords" => call(body, |r| db.get_records(r)),
        "UpdateTimeToLive" => call(body, |r| db.update_time_to_live(r)),
        "DescribeTimeToLive" => call(body, |r| db.describe_time_to_live(r)),
        "ExecuteStatement" => call(body, |r| db.execute_statement(r)),
        "ExecuteTransaction" => call(body, |r| db.execute_transaction(r)),
        "BatchExecuteStatement" => call(body, |r| db.batch_execute_statement(r)),
        "TagResource" => call(body, |r| db.tag_resource(r)),
        "UntagResource" => call(body, |r| db.untag_resource(r)),
        "ListTagsOfResource" => call(body, |r| db.list_tags_of_resource(r)),
        _ => Err(DynoxideError::ValidationException(format!("{operation} is not simulated"))),
    }
}

/// Reads the request, performs it, writes the answer.
fn call<R: DeserializeOwned, A: Serialize>(
    body: &[u8],
    perform: impl FnOnce(R) -> dynoxide::Result<A>,
) -> dynoxide::Result<String> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
    let answer = perform(request)?;
    serde_json::to_string(&answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The database's readers tell a request that is wrong from one that cannot be read by a marker in
/// front of the message; the parser adds the position behind it.
pub(super) fn unreadable(message: &str) -> DynoxideError {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    match message.split_once(':') {
        Some(("VALIDATION" | "VALIDATION_REQUEST", rest)) => {
            DynoxideError::ValidationException(rest.into())
        }
        Some(("SERIALIZATION", rest)) => DynoxideError::SerializationException(rest.into()),
        _ if message.starts_with("missing field") || message.starts_with("unknown variant") => {
            DynoxideError::ValidationException(message.into())
        }
        _ => DynoxideError::SerializationException(message.into()),
    }
}

/// An answer without the one member that the database tells and AWS's own model does not know.
pub(super) fn as_aws(body: String) -> String {
    const OWN: &str = "TableThroughputModeSummary";
    if !body.contains(OWN) {
        return body;
    }
    let Ok(mut answer) = serde_json::from_str::<Value>(&body) else { return body };
    for name in ["Table", "TableDescription"] {
        if let Some(table) = answer.get_mut(name).and_then(Value::as_object_mut) {
            table.remove(OWN);
        }
    }
    answer.to_string()
}
