//! SageMaker: what else of a team opens by a presigned URL, a file for each kind.
//!
//! | kind | file |
//! | --- | --- |
//! | `mlflow_app` | `mlflow_app.rs` |
//! | `mlflow_server` | `mlflow_server.rs` |
//! | `partner_app` | `partner_app.rs` |

mod mlflow_app;
mod mlflow_server;
mod partner_app;

use aws_credential_types::Credentials;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::Builder;

use super::error::AwsError;
use super::presign::foreign;
use super::sagemaker::with_credentials;
use super::studio_url::{FurtherHosts, Place, StudioUrl};
use crate::team::Region;
use crate::team::door::{Door, DoorKind};

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
    /// Makes a presigned URL.
    ///
    /// # Errors
    ///
    /// SageMaker refused, or answered with an address that is none of the kind's own in the Region.
    pub async fn open(
        &self,
        life: Life,
        region: &Region,
        further: &FurtherHosts,
    ) -> Result<StudioUrl, AwsError> {
        let (place, url) = match self.door.kind {
            DoorKind::MlflowApp => (Place::MlflowApp, Box::pin(mlflow_app::open(self, life)).await),
            DoorKind::MlflowServer => {
                (Place::MlflowServer, Box::pin(mlflow_server::open(self, life)).await)
            }
            DoorKind::PartnerApp => {
                (Place::PartnerApp, Box::pin(partner_app::open(self, life)).await)
            }
        };
        let operation = self.door.kind.row().open_action;
        StudioUrl::check(url?, region, place, further)
            .map_err(|host| foreign(operation, &host, region))
    }

    fn settings(&self) -> Builder {
        self.credentials.map_or_else(Builder::new, with_credentials)
    }

    /// What is behind the door.
    ///
    /// # Errors
    ///
    /// SageMaker refused or does not answer; it is not there.
    pub async fn look(&self) -> Result<Behind, AwsError> {
        match self.door.kind {
            DoorKind::MlflowApp => Box::pin(mlflow_app::look(self)).await,
            DoorKind::MlflowServer => Box::pin(mlflow_server::look(self)).await,
            DoorKind::PartnerApp => Box::pin(partner_app::look(self)).await,
        }
    }
}

impl Life {
    /// Settings are bounded far below `i32::MAX`.
    fn as_i32(self) -> (i32, i32) {
        let bounded = |seconds| i32::try_from(seconds).unwrap_or(i32::MAX);
        (bounded(self.url_seconds), bounded(self.session_seconds))
    }
}
