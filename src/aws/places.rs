//! `DynamoDB`: the one item that says where teams ever were ([`crate::mappings::places`]).

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use super::error::{AwsError, Kind, sorted};
use crate::mappings::Table;
use crate::mappings::places::{ATTRIBUTE, KEY, Place, written};

/// Adds places to those that are remembered, whatever others add meanwhile.
///
/// # Errors
///
/// AWS refused the write, or nobody knows.
pub async fn remember(
    client: &Client,
    teams_table: &str,
    places: &BTreeSet<Place>,
) -> Result<(), AwsError> {
    change(client, teams_table, "ADD", places).await
}

/// Takes places out of those that are remembered.
///
/// # Errors
///
/// AWS refused the write, or nobody knows.
#[cfg(feature = "cli")]
pub async fn forget(
    client: &Client,
    teams_table: &str,
    places: &BTreeSet<Place>,
) -> Result<(), AwsError> {
    change(client, teams_table, "DELETE", places).await
}

async fn change(
    client: &Client,
    teams_table: &str,
    verb: &str,
    places: &BTreeSet<Place>,
) -> Result<(), AwsError> {
    if places.is_empty() {
        return Ok(());
    }
    let set = places.iter().map(written).collect();
    let expression = format!("{verb} #places :places");
    let (key, set) = (AttributeValue::S(KEY.to_owned()), AttributeValue::Ss(set));
    let update = Update::builder()
        .table_name(teams_table)
        .key(Table::Teams.key(), key.clone())
        .update_expression(&expression)
        .expression_attribute_names("#places", ATTRIBUTE)
        .expression_attribute_values(":places", set.clone());
    let Ok(update) = update.build() else { return Ok(()) };
    // A transaction, whose name in CloudTrail and metrics nobody takes for the write of a team.
    let item = TransactWriteItem::builder().update(update).build();
    let sent = client.transact_write_items().transact_items(item).send().await;
    match sorted("dynamodb:TransactWriteItems", sent) {
        // Tables of multi-Region strong consistency know none.
        Err(error) if error.kind == Kind::Invalid => {
            let sent = client
                .update_item()
                .table_name(teams_table)
                .key(Table::Teams.key(), key)
                .update_expression(expression)
                .expression_attribute_names("#places", ATTRIBUTE)
                .expression_attribute_values(":places", set)
                .send()
                .await;
            sorted("dynamodb:UpdateItem", sent).map(|_| ())
        }
        ended => ended.map(|_| ()),
    }
}
