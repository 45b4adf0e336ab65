//! SageMaker: what else of a team opens by a presigned URL, a file for each kind.
//!
//! | kind | file |
//! | --- | --- |
//! | `mlflow_app` | `mlflow_app.rs` |
//! | `mlflow_server` | `mlflow_server.rs` |
//! | `partner_app` | `partner_app.rs` |

mod knock;
mod mlflow_app;
mod mlflow_server;
mod partner_app;

use super::error::AwsError;
use super::presign::foreign;
use super::studio_url::{FurtherHosts, Place, StudioUrl};
use crate::team::Region;
use crate::team::door::DoorKind;

pub use knock::{Behind, Identity, Knock, Life, State};

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
