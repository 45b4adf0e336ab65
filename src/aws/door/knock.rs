//! What a call about a door needs, and what it tells.

use aws_credential_types::Credentials;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::Builder;

use super::super::sagemaker::with_credentials;
use crate::team::door::Door;

/// One call about a door.
#[derive(Debug, Clone, Copy)]
pub struct Knock<'a> {
    /// The client of the team's Region.
    pub client: &'a Client,
    /// Those of the team's target role, for one person; `None` where the client has its own.
    pub credentials: Option<&'a Credentials>,
    /// The door.
    pub door: &'a Door,
}

/// How long what is asked for may live.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// The URL, in seconds.
    pub url_seconds: u32,
    /// The session behind it, in seconds.
    pub session_seconds: u32,
}

/// What is behind a door, as its Describe says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Whether it can be opened.
    pub state: State,
    /// SageMaker's word for it.
    pub status: String,
    /// Who its people are to it; `None` where the kind does not ask.
    pub identity: Option<Identity>,
}

/// Whether what is behind a door can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Runs,
    /// It is being prepared or updated: later it runs.
    Changes,
    /// It does not run, and will not by itself.
    Shut,
}

/// How a Partner AI App knows its people
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribePartnerApp.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `AuthType`: `IAM`, or another that presigned URLs do not serve.
    pub auth_type: String,
    /// `EnableIamSessionBasedIdentity`: the session's name is the person.
    pub by_session: bool,
}

impl Knock<'_> {
    pub(super) fn settings(&self) -> Builder {
        self.credentials.map_or_else(Builder::new, with_credentials)
    }
}

impl Life {
    /// Settings are bounded far below `i32::MAX`.
    pub(super) fn as_i32(self) -> (i32, i32) {
        let bounded = |seconds| i32::try_from(seconds).unwrap_or(i32::MAX);
        (bounded(self.url_seconds), bounded(self.session_seconds))
    }
}
