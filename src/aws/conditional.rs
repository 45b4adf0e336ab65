//! `DynamoDB`: a conditional write, and what stands there where its condition did not hold.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::RequestId;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::error::{AwsError, Kind, sorted};

/// An item.
pub type Attributes = HashMap<String, AttributeValue>;

/// What came of a conditional write.
#[derive(Debug)]
pub enum Conditional<O> {
    /// It was made.
    Made(O),
    /// Its condition did not hold: the item that stands there, where the call asked for it
    /// (`ReturnValuesOnConditionCheckFailure`) and there is one.
    Not(Option<Attributes>),
}

/// An error that may hold the item for whose sake a condition did not hold.
pub trait HoldsItem {
    /// The item.
    fn item(&self) -> Option<&Attributes>;
}

macro_rules! holds_item {
    ($($error:ident)*) => {
        $(impl HoldsItem for $error {
            fn item(&self) -> Option<&Attributes> {
                match self {
                    Self::ConditionalCheckFailedException(failed) => failed.item(),
                    _ => None,
                }
            }
        })*
    };
}
holds_item!(PutItemError UpdateItemError DeleteItemError);

/// The outcome of a conditional write with its error sorted.
///
/// # Errors
///
/// The write failed for another reason than its condition.
pub fn conditional<O, E>(
    operation: &'static str,
    sent: Result<O, SdkError<E, HttpResponse>>,
) -> Result<Conditional<O>, AwsError>
where
    O: RequestId,
    E: HoldsItem + ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    let there = sent.as_ref().err().and_then(SdkError::as_service_error).and_then(HoldsItem::item);
    let there = there.cloned();
    match sorted(operation, sent) {
        Ok(output) => Ok(Conditional::Made(output)),
        Err(error) if error.kind == Kind::ConditionFailed => Ok(Conditional::Not(there)),
        Err(error) => Err(error),
    }
}
