//! `DynamoDB`: may the caller use the tables that a request names, and what the database answers.

pub(crate) mod database;
mod operations;
mod replicas;

use bytes::Bytes;
use serde_json::{Map, Value};

use self::database::Answer;
use super::{context::Context, refusal::Refusal};
use crate::team::partition;

/// Answers one operation: `input` is the body as far as it can be read.
pub(crate) async fn answer(
    context: &Context<'_>,
    operation: &str,
    input: &Map<String, Value>,
    body: Bytes,
) -> Result<Answer, Refusal> {
    let (region, account) = (&context.caller.region, &context.caller.account);
    let partition = partition(region);
    for (action, table) in tables_of(operation, input) {
        let arn = format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}");
        context.authorize(&format!("dynamodb:{action}"), &arn, |request| request)?;
    }
    Ok(context.simulator.dynamodb.perform(operation.to_owned(), body, region).await)
}

/// The tables that a `DynamoDB` request names (`*` if it names none), each with the action that it needs:
/// a transaction needs those of its parts, and has none of its own
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>).
fn tables_of<'c>(operation: &'c str, input: &'c Map<String, Value>) -> Vec<(&'c str, &'c str)> {
    let named = input.get("TableName").and_then(Value::as_str).into_iter();
    let batch = input.get("RequestItems").and_then(Value::as_object).into_iter();
    let batch = batch.flat_map(|tables| tables.keys().map(String::as_str));
    let whole = named.chain(batch).map(|table| (operation, table));
    let parts = input.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
    let parts = parts.filter_map(Value::as_object).flatten();
    let transacted = parts.filter_map(|(part, action)| {
        let needed = match part.as_str() {
            "Get" => "GetItem",
            "Put" => "PutItem",
            "Update" => "UpdateItem",
            "Delete" => "DeleteItem",
            _ => "ConditionCheckItem",
        };
        Some((needed, action.get("TableName")?.as_str()?))
    });
    let tables: Vec<_> = whole.chain(transacted).collect();
    if tables.is_empty() { vec![(operation, "*")] } else { tables }
}
