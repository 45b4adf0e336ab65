//! What the simulated services say when they do not do what was asked.

use http::StatusCode;

use super::service::Dialect;

/// An error answer of AWS. Its [`code`](Refusal::code) is the one that AWS sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No such resource. `SageMaker` names this one without `Exception`.
    #[error("Unable to describe {what}: it does not exist")]
    NotFound { what: String },
    /// The name is taken, or the resource is in the middle of a change, or has children.
    #[error("{what} is in use: {why}")]
    InUse { what: String, why: String },
    /// A quota is used up.
    #[error(
        "The account-level service limit '{quota}' is {limit}, with current utilization of \
         {limit} and a request delta of 1. Please use AWS Service Quotas to request an increase \
         for this quota."
    )]
    LimitExceeded { quota: &'static str, limit: u64 },
    /// Malformed input, or a state in which the operation makes no sense.
    #[error("{message}")]
    Validation { message: String },
    /// IAM says no.
    #[error("User: {principal} is not authorized to perform: {action} on resource: {resource}")]
    Denied { principal: String, action: String, resource: String },
    /// More calls than the operation's rate allows.
    #[error("Rate exceeded")]
    Throttled,
    /// Temporary credentials past their end.
    #[error("The security token included in the request is expired")]
    Expired,
    /// The access key or the session token is none of ours.
    #[error("The security token included in the request is invalid.")]
    UnknownCredentials,
    /// The request was signed at another time than the service's clock shows.
    #[error(
        "Signature expired or not yet current: the request's date is too far from the service's"
    )]
    SignedAtAnotherTime,
    /// The request carries no credentials.
    #[error("Request is missing Authentication Token")]
    MissingCredentials,
    /// The body cannot be read.
    #[error("{message}")]
    Serialization { message: String },
    /// The operation is not simulated.
    #[error("The operation {operation} is not simulated")]
    UnknownOperation { operation: String },
    /// An error ordered through the control route.
    #[error("{message}")]
    Ordered { code: String, status: u16, message: String },
}

impl Refusal {
    /// The code on the wire.
    pub(crate) fn code(&self, dialect: Dialect) -> &str {
        use Dialect::{Query, SageMaker};
        match (self, dialect) {
            (Self::NotFound { .. }, SageMaker) => "ResourceNotFound",
            (Self::NotFound { .. }, _) => "ResourceNotFoundException",
            (Self::InUse { .. }, SageMaker) => "ResourceInUse",
            (Self::InUse { .. }, _) => "ResourceInUseException",
            (Self::LimitExceeded { .. }, SageMaker) => "ResourceLimitExceeded",
            (Self::LimitExceeded { .. }, _) => "ServiceQuotaExceededException",
            (Self::Validation { .. }, Query) => "ValidationError",
            (Self::Validation { .. }, _) => "ValidationException",
            (Self::Denied { .. }, Query) => "AccessDenied",
            (Self::Denied { .. }, _) => "AccessDeniedException",
            (Self::Throttled, Query) => "Throttling",
            (Self::Throttled, _) => "ThrottlingException",
            (Self::Expired, Query) => "ExpiredToken",
            (Self::Expired, _) => "ExpiredTokenException",
            (Self::UnknownCredentials, Query) => "InvalidClientTokenId",
            (Self::UnknownCredentials, _) => "UnrecognizedClientException",
            (Self::SignedAtAnotherTime, Query) => "SignatureDoesNotMatch",
            (Self::SignedAtAnotherTime, _) => "InvalidSignatureException",
            (Self::MissingCredentials, Query) => "MissingAuthenticationToken",
            (Self::MissingCredentials, _) => "MissingAuthenticationTokenException",
            (Self::Serialization { .. }, _) => "SerializationException",
            (Self::UnknownOperation { .. }, Query) => "InvalidAction",
            (Self::UnknownOperation { .. }, _) => "UnknownOperationException",
            (Self::Ordered { code, .. }, _) => code,
        }
    }

    /// The HTTP status: `SageMaker` answers nearly everything with 400, throttling included.
    pub(crate) fn status(&self, dialect: Dialect) -> StatusCode {
        let query = dialect == Dialect::Query;
        match self {
            Self::Denied { .. }
            | Self::Expired
            | Self::UnknownCredentials
            | Self::SignedAtAnotherTime
                if query =>
            {
                StatusCode::FORBIDDEN
            }
            Self::Ordered { status, .. } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Modelled errors of `SageMaker` say `Message`, common ones `message`.
    pub(crate) fn message_member(&self, dialect: Dialect) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::InUse { .. } | Self::LimitExceeded { .. }
                if dialect == Dialect::SageMaker =>
            {
                "Message"
            }
            _ if dialect == Dialect::Json => "Message",
            _ => "message",
        }
    }
}

/// A [`Refusal::Validation`] with this message.
pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::Validation { message: message.into() }
}

impl From<aws_lc_rs::error::Unspecified> for Refusal {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Ordered {
            code: "InternalFailure".into(),
            status: 500,
            message: "the machine gives no randomness".into(),
        }
    }
}
