//! `DynamoDB`: which settings were sent to which profile, and what came of it. One small item for each in
//! the state table, which all processes share, so that what SageMaker keeps otherwise or refuses is not
//! sent again by the next one. Read and written only where a profile differs from its mapping.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::conditional::{Attributes, Conditional, conditional};
use super::error::AwsError;

/// What is known about updates of profiles.
#[derive(Debug, Clone)]
pub struct Updates {
    client: Client,
    /// The state table's name.
    table: String,
}

/// What was sent to a profile within a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// How often, without what was applied in between.
    pub tries: u32,
    /// When the last time, epoch seconds.
    #[serde(rename = "sent_at")]
    pub at: i64,
    /// What came of it.
    pub came: Came,
    /// In which way the profile differs that SageMaker keeps so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// Tells this try from every other.
    token: String,
}

/// What came of settings that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// Nobody has said yet.
    Sending,
    /// Nobody knows: the call failed.
    Unknown,
    /// SageMaker changes the profile, or has.
    Accepted,
    /// The profile was seen as the mapping wants it.
    Applied,
    /// The profile was changed, and differs all the same.
    Kept,
    /// SageMaker says that the profile is in use.
    InUse,
    /// SageMaker refuses.
    Refused,
}

/// How long it is remembered, in seconds.
const DAY: i64 = 86_400;

impl Sent {
    fn now(tries: u32, now: Timestamp, token: &str) -> Self {
        let (came, at) = (Came::Sending, now.as_second());
        Self { tries, at, came, way: None, token: token.to_owned() }
    }

    /// The same try, of which this came.
    pub fn that(self, came: Came) -> Self {
        Self { came, ..self }
    }

    #[cfg(test)]
    pub(crate) fn example(tries: u32, at: i64, came: Came, way: Option<&str>) -> Self {
        Self { tries, at, came, way: way.map(str::to_owned), token: "token".into() }
    }
}

/// Who may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// We, and nobody else.
    Ours(Sent),
    /// It was sent before.
    Before(Sent),
}

impl Updates {
    /// What is known, in the state table `table`.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Claims the right to send a profile its settings, unless somebody did within a day. `profile` names
    /// both, for all processes; `token` is fresh.
    ///
    /// # Errors
    ///
    /// The table could not be written.
    pub async fn claim(
        &self,
        profile: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Claimed, AwsError> {
        const OPERATION: &str = "dynamodb:PutItem";
        let ours = Sent::now(1, now, token);
        let mut item: Attributes =
            serde_dynamo::to_item(&ours).map_err(|error| AwsError::not_sent(OPERATION, &error))?;
        item.insert("pk".into(), key(profile));
        item.insert("expires_at".into(), number(now.as_second() + DAY));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            // Expired items are deleted days later.
            .condition_expression("attribute_not_exists(pk) OR expires_at <= :now")
            .expression_attribute_values(":now", number(now.as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        Ok(match conditional(OPERATION, put)? {
            Conditional::Made(_) => Claimed::Ours(ours),
            Conditional::Not(there) => turn(there, ours, now),
        })
    }

    /// Claims it once more, unless somebody else did so meanwhile.
    ///
    /// # Errors
    ///
    /// The table could not be written.
    pub async fn claim_again(
        &self,
        profile: &str,
        before: &Sent,
        token: &str,
        now: Timestamp,
    ) -> Result<Claimed, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let tries = if before.came == Came::Applied { 0 } else { before.tries };
        let ours = Sent::now(tries.saturating_add(1), now, token);
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(profile))
            .update_expression(
                "SET tries = :tries, sent_at = :now, came = :sending, #token = :token, \
                 expires_at = :end REMOVE way",
            )
            .condition_expression("#token = :before")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":tries", number(i64::from(ours.tries)))
            .expression_attribute_values(":now", number(ours.at))
            .expression_attribute_values(":sending", AttributeValue::S("sending".into()))
            .expression_attribute_values(":token", AttributeValue::S(ours.token.clone()))
            .expression_attribute_values(":before", AttributeValue::S(before.token.clone()))
            .expression_attribute_values(":end", number(now.as_second() + DAY))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        Ok(match conditional(OPERATION, updated)? {
            Conditional::Made(_) => Claimed::Ours(ours),
            Conditional::Not(there) => turn(there, ours, now),
        })
    }

    /// Writes down what came of the last try, unless another has begun meanwhile.
    ///
    /// # Errors
    ///
    /// The table could not be written; then the next one has to find out again.
    pub async fn came(
        &self,
        profile: &str,
        sent: &Sent,
        came: Came,
        way: Option<&str>,
    ) -> Result<(), AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let came = serde_dynamo::to_attribute_value::<_, AttributeValue>(came)
            .map_err(|error| AwsError::not_sent(OPERATION, &error))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(profile))
            .condition_expression("#token = :token")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", AttributeValue::S(sent.token.clone()))
            .expression_attribute_values(":came", came);
        let update = match way {
            Some(way) => update
                .update_expression("SET came = :came, way = :way")
                .expression_attribute_values(":way", AttributeValue::S(way.to_owned())),
            None => update.update_expression("SET came = :came"),
        };
        conditional(OPERATION, update.send().await).map(|_| ())
    }

    /// Writes down that the profile is as its mapping wants it after it was sent that.
    ///
    /// # Errors
    ///
    /// The table could not be written.
    pub async fn applied(&self, profile: &str) -> Result<(), AwsError> {
        let written = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(profile))
            .update_expression("SET came = :applied")
            .condition_expression("attribute_exists(pk) AND came <> :applied")
            .expression_attribute_values(":applied", AttributeValue::S("applied".into()))
            .send()
            .await;
        conditional("dynamodb:UpdateItem", written).map(|_| ())
    }
}

/// Whose turn it is by what stands there: our own write, where its answer was lost.
fn turn(there: Option<Attributes>, ours: Sent, now: Timestamp) -> Claimed {
    let there = there.and_then(|item| serde_dynamo::from_item::<_, Sent>(item).ok());
    match there {
        Some(sent) if sent.token == ours.token => Claimed::Ours(ours),
        Some(sent) => Claimed::Before(sent),
        // What nobody can read says neither that it was sent nor that it was not.
        None => Claimed::Before(Sent { came: Came::Refused, at: now.as_second(), ..ours }),
    }
}

/// No session has such a key.
fn key(profile: &str) -> AttributeValue {
    AttributeValue::S(format!("update {profile}"))
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
