//! The sign-in itself, the room to read first: verify, admit, choose, open.
//!
//! | step | here | rests on |
//! | --- | --- | --- |
//! | verify the response, consume it | `sign_in.rs` | [`strict_saml`], [`crate::aws::state_table`] |
//! | is the session still good? | `session.rs` | [`crate::session`] |
//! | which teams? | `admission.rs` | [`crate::team::entitlement`], [`crate::aws::tables`] |
//! | open one | `team.rs` | [`opening`] |
//! | open a door of one | `door.rs` | [`mod@line`] |

mod admission;
pub mod audit;
mod changing;
mod door;
mod keys;
pub mod line;
pub mod metrics;
pub mod opening;
mod refusal;
mod session;
mod sign_in;
mod team;
pub mod time;
mod visitor;

use std::sync::Arc;

use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::aws::error::AwsError;
use crate::aws::identity_store::IdentityStores;
use crate::aws::line_table::LineTable;
use crate::aws::sagemaker::SageMaker;
use crate::aws::state_table::StateTable;
use crate::aws::tables::Tables;
use crate::aws::target::Targets;
use crate::aws::updates::Updates;
use crate::aws::{REQUEST_IDS, RequestIds, tables_client};
use crate::config::{Settings, SpKey};
use crate::team::Region;
use strict_saml::{DecryptionKeys, ServiceProvider};

use audit::Audit;
use keys::keys_from_secret;
use opening::Opener;

pub use admission::Choice;
pub use keys::KeyError;
pub use refusal::Refusal;
pub use sign_in::{Browser, LastOwner, PENDING_SECONDS, REQUEST_SECONDS, SignedIn};
pub use team::Landing;
pub use visitor::Visitor;

/// Everything that answers a request; one for the whole process.
#[derive(Debug)]
pub struct Broker {
    /// The settings.
    pub settings: Settings,
    /// Our side of SAML.
    pub service_provider: ServiceProvider,
    /// Teams and `IdPs`.
    pub tables: Tables,
    /// Consumed responses and their sessions.
    pub state: StateTable,
    /// Where decisions are written.
    pub audit: Audit,
    identity_stores: IdentityStores,
    opener: Arc<Opener>,
    /// The broker's own Region, where most teams are.
    home: Option<Region>,
    /// A place for each opening that is under way.
    openings: Arc<Semaphore>,
}

/// Openings at once; far more than connections.
const MAX_OPENINGS: u32 = 65_536;

impl Broker {
    /// A broker over the settings and the SDK's configuration. Makes no call, unless the key for
    /// encrypted assertions is in a secret.
    ///
    /// # Errors
    ///
    /// The key for encrypted assertions cannot be loaded.
    pub async fn new(settings: Settings, sdk: SdkConfig, audit: Audit) -> Result<Self, KeyError> {
        let decryption_keys = match &settings.sp_key {
            SpKey::None => DecryptionKeys::default(),
            SpKey::Keys(keys) => keys.clone(),
            SpKey::Secret(arn) => keys_from_secret(&sdk, arn).await?,
        };
        let service_provider = ServiceProvider {
            entity_id: settings.entity_id.clone(),
            acs_url: settings.public_url.acs(),
            clock_skew: SignedDuration::from_secs(i64::from(settings.clock_skew_seconds)),
            decryption_keys,
        };
        let dynamodb = tables_client(&sdk);
        let tables = Tables::new(
            dynamodb.clone(),
            settings.teams_table.clone(),
            settings.idps_table.clone(),
            settings.team_cache_seconds,
        );
        let opener = Opener::new(
            Targets::new(sdk.clone(), settings.target_role_name.clone()),
            SageMaker::new(sdk.clone(), settings.url_hosts.clone()),
            Updates::new(dynamodb.clone(), settings.state_table.clone()),
            LineTable::new(dynamodb.clone(), settings.state_table.clone()),
            settings.profile_cache_seconds,
            settings.url_seconds,
            audit,
        );
        Ok(Self {
            service_provider,
            tables,
            state: StateTable::new(dynamodb, settings.state_table.clone()),
            audit,
            home: sdk.region().and_then(|region| Region::try_from(region.to_string()).ok()),
            identity_stores: IdentityStores::new(sdk, settings.team_cache_seconds),
            opener: Arc::new(opener),
            openings: Arc::new(Semaphore::new(MAX_OPENINGS as usize)),
            settings,
        })
    }

    /// Makes the first sign-in of a process as fast as the others: reads a page of `IdPs`, and opens the
    /// connections that an opening in the broker's own Region needs. Nothing depends on any of it.
    pub async fn warm_up(&self, now: Timestamp) {
        let connections = async {
            if let Some(region) = &self.home {
                self.opener.connect(region, now).await;
            }
        };
        let (idps, ()) = tokio::join!(self.tables.preload_idps(now), Box::pin(connections));
        if let Err(error) = idps {
            warn!(error = %error, "identity providers could not be preloaded");
        }
    }

    /// Waits until no opening is under way, also of those that nobody waits for any more.
    pub async fn settled(&self) {
        let _ = self.openings.acquire_many(MAX_OPENINGS).await;
    }
}

/// Does what has its line in the audit in a task of its own: a browser that goes away meanwhile leaves no
/// change without a line.
async fn to_the_end<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, AwsError>> + Send + 'static,
) -> Result<T, AwsError> {
    let ids = REQUEST_IDS.try_with(RequestIds::clone).unwrap_or_default();
    let done = tokio::spawn(REQUEST_IDS.scope(ids, work)).await;
    done.unwrap_or_else(|panicked| Err(AwsError::panicked(operation, &panicked)))
}
