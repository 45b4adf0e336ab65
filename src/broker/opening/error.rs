//! Why an opening ends without a URL.

use super::wait::Wait;
use crate::aws::error::{AwsError, Kind};
use crate::broker::line::{Back, Unserved};

/// Why an opening stops.
#[derive(Debug, Clone)]
pub enum Stop {
    /// Not yet: its person comes back.
    NotYet(Wait),
    /// The team cannot be opened.
    Failed(OpeningError),
}

/// Why a team cannot be opened although the person is entitled to it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpeningError {
    /// The target role cannot be assumed, or does not allow what is needed.
    #[error("the target role refuses: {0}")]
    TargetDenied(AwsError),
    /// The mapping's domain does not exist.
    #[error("the domain does not exist")]
    DomainMissing,
    /// The mapping's domain is in SSO mode.
    #[error("the domain is in SSO mode, expected IAM mode")]
    DomainSsoMode,
    /// The profile under this name is somebody else's.
    #[error("the profile is not the owner's: {0}")]
    ProfileForeign(String),
    /// The profile carries the tag by which an administrator has ended access.
    #[error("the profile carries the tag StudioBrokerRevoked")]
    AccessRevoked,
    /// SageMaker gave up on the profile.
    #[error("the profile cannot be used: {0}")]
    ProfileFailed(String),
    /// A quota of the account is reached.
    #[error("a quota is reached: {0}")]
    QuotaReached(AwsError),
    /// SageMaker refuses what the mapping says.
    #[error("SageMaker refuses the team's settings: {0}")]
    SettingsRefused(AwsError),
    /// STS refuses the session itself, whoever asks for it.
    #[error("STS refuses a session in the team's account: {0}")]
    SessionRefused(AwsError),
    /// What was sent to the profile before cannot be read or written.
    #[error("the state table cannot say what was sent to the profile before: {0}")]
    UpdatesUnknown(AwsError),
    /// The space is neither the team's nor the profile's own.
    #[error("the space is neither the team's own nor owned by the profile")]
    SpaceRefused,
    /// The presigned URL leads to a host that is none of the Region's own.
    #[error("the presigned URL is not followed: {0}")]
    UrlForeign(AwsError),
    /// What the door leads to does not exist.
    #[error("what the door leads to does not exist: {0}")]
    DoorMissing(AwsError),
    /// What the door leads to exists and does not run.
    #[error("what the door leads to does not run: its status is {0}")]
    DoorShut(String),
    /// What the door leads to exists, and SageMaker gives no URL for it.
    #[error("SageMaker gives no URL for what the door leads to: {0}")]
    DoorRefused(AwsError),
    /// AWS throttles, or says that the profile is changing.
    #[error("AWS is busy: {0}")]
    Busy(AwsError),
    /// AWS does not answer, or fails.
    #[error("AWS cannot be reached: {0}")]
    Unreachable(AwsError),
    /// A task of this program ended without a result.
    #[error("the broker failed: {0}")]
    Broken(AwsError),
}

impl From<AwsError> for OpeningError {
    fn from(error: AwsError) -> Self {
        let of_session = error.operation == ASSUME;
        match error.kind {
            // The broker's own credentials have ended: nothing that the team's account could mend.
            Kind::Credentials if of_session => Self::Unreachable(error),
            Kind::Invalid if of_session => Self::SessionRefused(error),
            Kind::Denied | Kind::Credentials => Self::TargetDenied(error),
            Kind::Throttled | Kind::Conflict => Self::Busy(error),
            Kind::Limit => Self::QuotaReached(error),
            Kind::Missing => Self::DomainMissing,
            Kind::Invalid => Self::SettingsRefused(error),
            Kind::ForeignUrl => Self::UrlForeign(error),
            Kind::ConditionFailed | Kind::Unreachable | Kind::Failed => Self::Unreachable(error),
            Kind::Broken => Self::Broken(error),
        }
    }
}

/// The one call that is made with the broker's own credentials.
const ASSUME: &str = "sts:AssumeRole";

impl From<OpeningError> for Stop {
    fn from(error: OpeningError) -> Self {
        Self::Failed(error)
    }
}

impl From<AwsError> for Stop {
    fn from(error: AwsError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Back> for Stop {
    fn from(back: Back) -> Self {
        Self::NotYet(Wait::for_turn(back))
    }
}

impl From<Unserved> for Stop {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Back(back) => back.into(),
            Unserved::Failed(error) => error.into(),
        }
    }
}
