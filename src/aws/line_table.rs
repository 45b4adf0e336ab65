//! `DynamoDB`: the lines in front of calls that AWS throttles ([`fair_line`]). One small item for each in the
//! state table, which all processes share. Read and written only while AWS throttles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use fair_line::{Line, Millis, Plan, Write};
use serde::Deserialize;

use super::conditional::{Conditional, conditional};
use super::error::{AwsError, Kind, sorted};

/// The table of lines.
#[derive(Debug, Clone)]
pub struct LineTable {
    client: Client,
    /// The state table's name.
    table: String,
}

/// What the table answered.
#[derive(Debug)]
pub struct Answer<T> {
    /// The line, or what became of a change.
    pub said: T,
    /// The second in which it was said by the table's clock, milliseconds since the epoch.
    pub second: Option<Millis>,
}

/// The line after a change; or as it is, where that is not the one that the change was made for.
pub type Written = Result<Line, Option<Line>>;

#[derive(Deserialize)]
struct Item {
    given: u64,
    outside: u64,
    plan: Plan,
}

/// A rate that was learned is remembered for so long after its line changed last, in seconds.
const REMEMBERED: i64 = 7 * 86_400;

/// Whoever waits for their turn cannot wait for the table for long, and comes back later instead.
const PATIENCE: Duration = Duration::from_millis(400);

impl LineTable {
    /// Lines in the state table `table`.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The line of this name, read consistently.
    ///
    /// # Errors
    ///
    /// The table could not be read, or holds what cannot be a line.
    pub async fn read(&self, line: &str) -> Result<Answer<Option<Line>>, AwsError> {
        const OPERATION: &str = "dynamodb:GetItem";
        let told = Told::default();
        let sent = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", key(line))
            .consistent_read(true)
            .customize()
            .config_override(quick())
            .interceptor(told.clone())
            .send()
            .await;
        let output = sorted(OPERATION, sent)?;
        let said = output.item.map(|item| sound(OPERATION, item)).transpose()?;
        Ok(Answer { said, second: told.second() })
    }

    /// Changes the line of this name; `now` is in milliseconds.
    ///
    /// # Errors
    ///
    /// The table could not be written, nobody knows whether it was, or it holds what cannot be a line.
    pub async fn write(
        &self,
        line: &str,
        write: Write,
        now: Millis,
    ) -> Result<Answer<Written>, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let plan = write.plan();
        let told = Told::default();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(line))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_names("#plan", "plan")
            .expression_attribute_values(":end", number(now / 1_000 + REMEMBERED))
            .expression_attribute_values(":plan", item_of(OPERATION, &plan)?);
        let update = match write {
            Write::Ticket(_, outside) => update
                .update_expression(
                    "ADD given :one, outside :more \
                     SET #plan = if_not_exists(#plan, :plan), expires_at = :end",
                )
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":more", number(outside)),
            Write::Begin(_) => update
                .update_expression("SET given = :given, #plan = :plan, expires_at = :end")
                .condition_expression("#plan.version = :before AND given = :last")
                .expression_attribute_values(":before", number(plan.version - 1))
                .expression_attribute_values(":given", number(plan.ticket))
                .expression_attribute_values(":last", number(plan.ticket - 1)),
            Write::Plan(_) => update
                .update_expression("SET #plan = :plan, expires_at = :end")
                .condition_expression("#plan.version = :before")
                .expression_attribute_values(":before", number(plan.version - 1)),
        };
        let sent =
            update.customize().config_override(quick()).interceptor(told.clone()).send().await;
        let said = match conditional(OPERATION, sent)? {
            Conditional::Made(output) => {
                Ok(sound(OPERATION, output.attributes.unwrap_or_default())?)
            }
            Conditional::Not(there) => Err(there.map(|item| sound(OPERATION, item)).transpose()?),
        };
        Ok(Answer { said, second: told.second() })
    }
}

/// One try, for those who wait for it.
fn quick() -> Builder {
    let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    Builder::new().timeout_config(timeouts).retry_config(RetryConfig::disabled())
}

/// No session and no update has such a key.
fn key(line: &str) -> AttributeValue {
    AttributeValue::S(format!("line {line}"))
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item_of(operation: &'static str, plan: &Plan) -> Result<AttributeValue, AwsError> {
    serde_dynamo::to_attribute_value(plan).map_err(|error| odd(operation, error.to_string()))
}

fn sound(operation: &'static str, item: HashMap<String, AttributeValue>) -> Result<Line, AwsError> {
    let Item { given, outside, plan } =
        serde_dynamo::from_item(item).map_err(|error| odd(operation, error.to_string()))?;
    let line = Line { given, outside, plan };
    if line.is_sound() { Ok(line) } else { Err(odd(operation, format!("{line:?} can be no line"))) }
}

fn odd(operation: &'static str, message: String) -> AwsError {
    AwsError::here(Kind::Failed, operation, "NoLine", message)
}

/// Listens for the second in which an answer was given: the header `Date`
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1>).
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Option<Millis>>>);

impl Told {
    fn second(&self) -> Option<Millis> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Told {
    fn name(&self) -> &'static str {
        "Told"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let moment = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let second = moment.and_then(|moment| moment.secs().checked_mul(1_000));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = second;
        Ok(())
    }
}
