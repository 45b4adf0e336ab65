//! `DynamoDB`: consumed responses, each with its session. One conditional write is at once the replay
//! guard and the session record.

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::RequestId as _;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::error::{AwsError, Kind, sorted};
use super::remember_request_id;
use crate::broker::opening::Seen;
use crate::broker::session::{Secret, Session};

/// The table of consumed responses.
#[derive(Debug, Clone)]
pub struct StateTable {
    client: Client,
    /// The table's name.
    pub name: String,
}

/// The key of a consumed response.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateKey(String);

impl StateKey {
    /// The key for an unsolicited response (by its assertion's ID) or for the answer to a request of
    /// ours (by the request's ID): only one answer to a request counts.
    ///
    /// Both ids come from the verified subtree.
    pub fn new(idp: &str, assertion_id: &str, in_response_to: Option<&str>) -> Self {
        let (kind, id) = match in_response_to {
            Some(request) => ("request", request),
            None => ("assertion", assertion_id),
        };
        let mut bytes = Vec::new();
        for part in [kind, idp, id] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(URL_SAFE_NO_PAD.encode(digest(&SHA256, &bytes)))
    }

    /// A key as a browser sent it; `None` when it cannot be one.
    pub fn from_cookie(text: &str) -> Option<Self> {
        (URL_SAFE_NO_PAD.decode(text).ok()?.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text for the cookie.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The response had not been seen: the sign-in is ours.
    Accepted,
    /// The response was consumed before, by somebody else or by this browser earlier.
    Replayed,
}

/// No clock within this distance of ours may accept a response whose record has gone.
const LARGEST_SKEW_SECONDS: i64 = 180;

impl StateTable {
    /// The table `name`.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Consumes a response: writes its record unless there is one.
    ///
    /// The SDK repeats a write whose answer was lost; the repetition finds our own record, which the
    /// hash of the secret (fresh for each request) tells from somebody else's.
    ///
    /// `replayable_until` is when the response expires, without skew.
    ///
    /// # Errors
    ///
    /// The write did not succeed, or nobody knows.
    pub async fn claim(
        &self,
        key: &StateKey,
        secret: &Secret,
        session: &Session,
        replayable_until: Timestamp,
    ) -> Result<Claim, AwsError> {
        const OPERATION: &str = "dynamodb:PutItem";
        let hash = secret.hash();
        // A second clock, as far ahead of ours as is tolerated, judges with a skew of its own.
        let last_acceptance = replayable_until.as_second() + 2 * LARGEST_SKEW_SECONDS + 1;
        let expires_at = last_acceptance.max(session.ends_at);
        let mut item = serde_dynamo::to_item::<_, std::collections::HashMap<_, _>>(session)
            .map_err(|error| not_encoded(OPERATION, &error))?;
        item.insert("pk".to_owned(), AttributeValue::S(key.0.clone()));
        item.insert("secret_hash".to_owned(), AttributeValue::S(hash.clone()));
        item.insert("expires_at".to_owned(), AttributeValue::N(expires_at.to_string()));
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match put {
            Ok(output) => {
                remember_request_id(output.request_id());
                return Ok(Claim::Accepted);
            }
            Err(error) => error,
        };
        let failed = AwsError::new(OPERATION, &error);
        if failed.kind != Kind::ConditionFailed {
            return Err(failed);
        }
        let stored = error
            .as_service_error()
            .and_then(|error| match error {
                aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
                    failed,
                ) => failed.item()?.get("secret_hash")?.as_s().ok(),
                _ => None,
            })
            .is_some_and(|stored| secret.matches(stored));
        Ok(if stored { Claim::Accepted } else { Claim::Replayed })
    }

    /// The session of a browser that holds `key` and `secret`; `None` when there is none, it has been
    /// ended, or the secret is another's. Read consistently; the caller compares the end with `now`.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn session(
        &self,
        key: &StateKey,
        secret: &Secret,
    ) -> Result<Option<Session>, AwsError> {
        let sent = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.0.clone()))
            .consistent_read(true)
            .send()
            .await;
        let output = sorted("dynamodb:GetItem", sent)?;
        let Some(item) = output.item else { return Ok(None) };
        let hash = item.get("secret_hash").and_then(|hash| hash.as_s().ok());
        if !hash.is_some_and(|hash| secret.matches(hash)) {
            return Ok(None);
        }
        Ok(serde_dynamo::from_item(item).ok())
    }

    /// Remembers in the session what its waiting person's next visit need not look at again. Signing
    /// out meanwhile wins.
    ///
    /// # Errors
    ///
    /// The record could not be changed; nothing depends on it.
    pub async fn remember(&self, key: &StateKey, seen: &Seen) -> Result<(), AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let seen = serde_dynamo::to_attribute_value::<_, AttributeValue>(seen)
            .map_err(|error| not_encoded(OPERATION, &error))?;
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.0.clone()))
            .update_expression("SET seen = :seen")
            .condition_expression("attribute_exists(secret_hash)")
            .expression_attribute_values(":seen", seen)
            .send()
            .await;
        sorted(OPERATION, sent).map(|_| ())
    }

    /// Ends the session inside its record; the replay guard stays.
    ///
    /// # Errors
    ///
    /// The record could not be changed.
    pub async fn end(&self, key: &StateKey, secret: &Secret) -> Result<(), AwsError> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.0.clone()))
            .update_expression("REMOVE secret_hash")
            .condition_expression("secret_hash = :hash")
            .expression_attribute_values(":hash", AttributeValue::S(secret.hash()))
            .send()
            .await;
        match sorted("dynamodb:UpdateItem", sent) {
            // Ended already, perhaps by our own write whose answer was lost.
            Err(error) if error.kind == Kind::ConditionFailed => Ok(()),
            ended => ended.map(|_| ()),
        }
    }
}

fn not_encoded(operation: &'static str, error: &serde_dynamo::Error) -> AwsError {
    AwsError {
        kind: Kind::Failed,
        operation,
        code: "NotSent".into(),
        message: error.to_string(),
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_idps_kinds_and_ids_apart() {
        let keys = [
            StateKey::new("a", "bc", None),
            StateKey::new("ab", "c", None),
            StateKey::new("a", "bd", None),
            StateKey::new("a", "x", Some("bc")),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[i + 1..].contains(key));
            assert_eq!(StateKey::from_cookie(key.as_str()).as_ref(), Some(key));
        }
        // Two different assertions cannot both answer one request.
        assert_eq!(StateKey::new("a", "x", Some("r")), StateKey::new("a", "y", Some("r")));
    }
}
