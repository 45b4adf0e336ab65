//! SDK errors, sorted by what can be done about them. The code decides, never the HTTP status and
//! never the message.

use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What went wrong, as far as the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A policy, trust policy, SCP or endpoint policy said no.
    Denied,
    /// Too many calls; later it may work.
    Throttled,
    /// The resource, table or domain is not there.
    Missing,
    /// The resource exists or is changing.
    Conflict,
    /// A quota is reached: somebody has to raise it.
    Limit,
    /// AWS refused the input, or the state of the resource.
    Invalid,
    /// The condition of a conditional write did not hold.
    ConditionFailed,
    /// The credentials have expired or are not known.
    Credentials,
    /// A presigned URL whose host is none of the Region's own.
    ForeignUrl,
    /// No answer, no connection, or an answer that nobody understands.
    Unreachable,
    /// AWS failed, or something that has no name here.
    Failed,
    /// This program failed: a task of its own ended without a result.
    Broken,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// What can be done about it.
    pub kind: Kind,
    /// The operation, such as `sagemaker:CreateUserProfile`.
    pub operation: &'static str,
    /// AWS's code, or the SDK's own word where there was no answer.
    pub code: String,
    /// AWS's message: for the log only.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

/// The outcome of a call with its error sorted. Either way the request id is kept for the audit.
pub fn sorted<O, E>(
    operation: &'static str,
    sent: Result<O, SdkError<E, HttpResponse>>,
) -> Result<O, AwsError>
where
    O: RequestId,
    E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    match sent {
        Ok(output) => {
            super::remember_request_id(output.request_id());
            Ok(output)
        }
        Err(error) => Err(AwsError::new(operation, &error)),
    }
}

/// The code of a call that was never sent, because the SDK found no credentials for it.
pub const NO_CREDENTIALS: &str = "NoCredentials";

impl AwsError {
    /// Sorts an SDK error; remembers its request id for the audit.
    pub fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
    {
        let (kind, code, message) = match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let code = service.err().code().unwrap_or("Unknown").to_owned();
                let message = match service.err().message() {
                    Some(message) => message.to_owned(),
                    None => format!("status {status} without a message"),
                };
                (kind_of(&code, status), code, message)
            }
            SdkError::TimeoutError(_) => (Kind::Unreachable, "Timeout".into(), chain(error)),
            SdkError::DispatchFailure(_) if lacks_credentials(error) => {
                (Kind::Unreachable, NO_CREDENTIALS.into(), chain(error))
            }
            SdkError::DispatchFailure(_) => {
                (Kind::Unreachable, "DispatchFailure".into(), chain(error))
            }
            SdkError::ResponseError(_) => (Kind::Unreachable, "BadAnswer".into(), chain(error)),
            _ => (Kind::Failed, "NotSent".into(), chain(error)),
        };
        let request_id = match error {
            SdkError::ServiceError(service) => service.err().request_id().map(str::to_owned),
            _ => None,
        };
        super::remember_request_id(request_id.as_deref());
        // One line, wherever it is shown.
        let lines: Vec<_> = message.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let message = lines.join(" ");
        if kind == Kind::Throttled {
            super::remember_throttle();
        }
        Self { kind, operation, code, message, request_id }
    }
}

impl AwsError {
    /// What was found on this side: AWS gave no error with a request id.
    pub fn here(
        kind: Kind,
        operation: &'static str,
        code: &str,
        message: impl Into<String>,
    ) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { kind, operation, code, message, request_id: None }
    }

    /// The request could not be made.
    pub fn not_sent(operation: &'static str, why: &dyn std::error::Error) -> Self {
        Self::here(Kind::Failed, operation, "NotSent", why.to_string())
    }

    /// AWS answered, and not with what it promises.
    pub fn bad_answer(operation: &'static str, message: &str) -> Self {
        Self::here(Kind::Unreachable, operation, "BadAnswer", message)
    }

    /// The task of the operation ended without a result.
    pub fn panicked(operation: &'static str, why: &tokio::task::JoinError) -> Self {
        Self::here(Kind::Broken, operation, "Panicked", why.to_string())
    }

    /// Whether the call may have done its work all the same.
    pub fn leaves_open(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Failed | Kind::Broken)
    }
}

fn kind_of(code: &str, status: u16) -> Kind {
    match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "RegionDisabledException" => Kind::Denied,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "LimitExceededException"
        // The item is being written in another Region; a moment later it is not.
        | "ReplicatedWriteConflictException"
        | "TransactionInProgressException"
        | "TransactionConflictException" => Kind::Throttled,
        "ResourceNotFound" | "ResourceNotFoundException" | "TableNotFoundException" => {
            Kind::Missing
        }
        "ResourceInUse" | "ResourceInUseException" | "ConflictException" => Kind::Conflict,
        "ResourceLimitExceeded" => Kind::Limit,
        "ValidationException"
        | "ValidationError"
        | "InvalidParameterValue"
        | "PackedPolicyTooLarge"
        | "MalformedPolicyDocument"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "SerializationException" => Kind::Invalid,
        "ConditionalCheckFailedException" => Kind::ConditionFailed,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch" => Kind::Credentials,
        _ if status == 429 => Kind::Throttled,
        _ => Kind::Failed,
    }
}

/// Whether nothing was sent because the SDK found no credentials.
fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The whole chain of causes, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_not_the_status() {
        // SageMaker answers throttling with 400.
        assert_eq!(kind_of("ThrottlingException", 400), Kind::Throttled);
        assert_eq!(kind_of("ResourceNotFound", 400), Kind::Missing);
        assert_eq!(kind_of("AccessDeniedException", 400), Kind::Denied);
        assert_eq!(kind_of("AccessDenied", 403), Kind::Denied);
        assert_eq!(kind_of("ReplicatedWriteConflictException", 400), Kind::Throttled);
        assert_eq!(kind_of("InternalFailure", 500), Kind::Failed);
        assert_eq!(kind_of("SomethingNew", 429), Kind::Throttled);
    }
}
