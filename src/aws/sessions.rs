//! `DynamoDB`: whether a person has an open session, asked by an administrator.
//!
//! Sessions are keyed by what was consumed, not by who came, so the table is read through. That is bounded:
//! beyond it nobody knows.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::error::{AwsError, sorted};

/// The most pages of a megabyte that are read.
const MOST_PAGES: usize = 50;

/// Whether the state table holds a sign-in of this person, also one whose session has ended since.
///
/// # Errors
///
/// The table could not be read.
pub async fn has_session(
    client: &Client,
    table: &str,
    directory: &str,
    user: &str,
) -> Result<bool, AwsError> {
    let mut start = None;
    for _ in 0..MOST_PAGES {
        let sent = client
            .scan()
            .table_name(table)
            .projection_expression("pk")
            .filter_expression("#user = :user AND #directory = :directory")
            .expression_attribute_names("#user", "user_id")
            .expression_attribute_names("#directory", "directory")
            .expression_attribute_values(":user", AttributeValue::S(user.to_owned()))
            .expression_attribute_values(":directory", AttributeValue::S(directory.to_owned()))
            .set_exclusive_start_key(start.take())
            .send()
            .await;
        let output = sorted("dynamodb:Scan", sent)?;
        if output.count > 0 {
            return Ok(true);
        }
        start = output.last_evaluated_key.filter(|key| !key.is_empty());
        if start.is_none() {
            break;
        }
    }
    Ok(false)
}
