//! A request told apart: which service, which operation, which parameters.

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{
    caller::Caller, control::fault::CallFacts, query::Form, refusal::Refusal, service::Service,
};

/// A request that has been told apart.
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) operation: String,
    /// The JSON body, or the form's fields.
    pub(crate) input: Map<String, Value>,
    pub(crate) form: Form,
}

impl Call {
    /// Reads which service a request is for by its target, or by the form's version, and what it asks.
    pub(crate) fn read(request: &Request<Bytes>) -> Result<Self, Refusal> {
        let Some(target) = request.headers().get("x-amz-target").and_then(|v| v.to_str().ok())
        else {
            let form = Form::parse(request.body());
            let operation = form
                .get("Action")
                .ok_or(Refusal::UnknownOperation { operation: "without a name".into() })?
                .to_owned();
            let input = form.as_input();
            let service = match form.get("Version") {
                Some("2010-05-08") => Service::Iam,
                _ => Service::Sts,
            };
            return Ok(Self { service, operation, input, form });
        };
        let unknown = || Refusal::UnknownOperation { operation: target.into() };
        let (prefix, operation) = target.split_once('.').ok_or_else(unknown)?;
        let service = match prefix {
            "DynamoDB_20120810" | "DynamoDBStreams_20120810" => Service::DynamoDb,
            "SageMaker" => Service::SageMaker,
            "AWSIdentityStore" => Service::IdentityStore,
            "ServiceQuotasV20190624" => Service::Quotas,
            "SWBExternalService" => Service::SsoAdmin,
            _ => return Err(unknown()),
        };
        let input = match serde_json::from_slice(request.body()) {
            Ok(Value::Object(input)) => input,
            // The database has its own words for a body that it cannot read.
            _ if service == Service::DynamoDb => Map::new(),
            _ => return Err(Refusal::Serialization { message: "expected a JSON object".into() }),
        };
        Ok(Self { service, operation: operation.into(), input, form: Form::default() })
    }

    /// What faults are held against, and what is logged.
    pub(crate) fn facts<'a>(&'a self, caller: Option<&'a Caller>) -> CallFacts<'a> {
        CallFacts {
            service: self.service.name(),
            operation: &self.operation,
            caller,
            input: &self.input,
        }
    }
}

/// Whether a request was signed within five minutes of `moment`, as AWS wants it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>).
pub(crate) fn signed_about(headers: &http::HeaderMap, moment: Timestamp) -> bool {
    let signed = headers.get("x-amz-date").and_then(|date| date.to_str().ok());
    let signed = signed
        .and_then(|date| Timestamp::strptime("%Y%m%dT%H%M%S%z", date.replace('Z', "+0000")).ok());
    signed.is_some_and(|signed| signed.duration_since(moment).abs() < SignedDuration::from_mins(5))
}
