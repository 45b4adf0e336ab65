//! One opening: from an entitled person and a team to a presigned URL, or to "not yet".
//!
//! ```text
//! AssumeRole ──► presign ∥ Describe ∥ ListTags ──► ready: the URL
//!                                                  missing: create, wait
//!                                                  drifted: update, wait
//!                                                  foreign, failed: refuse
//! ```
//!
//! The URL that was made beside Describe and List is withheld until they have shown whose profile
//! it opens.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::audit::{Audit, Facts, Outcome};
use crate::aws::cache::Cache;
use crate::aws::error::{AwsError, Kind};
use crate::aws::profile::{Domain, Found, Profile};
use crate::aws::sagemaker::SageMaker;
use crate::aws::studio_url::{StudioUrl, Wish, presign};
use crate::aws::target::Targets;
use crate::team::Team;
use crate::team::owner::Owner;

/// Opens profiles.
#[derive(Debug)]
pub struct Opener {
    targets: Targets,
    sagemaker: SageMaker,
    /// Profiles that were seen ready and the owner's.
    ready: Cache<ProfileKey, ()>,
    /// Profiles that were seen being prepared: a URL for them is not worth a call.
    preparing: Cache<ProfileKey, ()>,
    /// How often profiles were sent what their mapping says. What differs all the same is SageMaker's
    /// own way to write it, and must not keep a person waiting for ever.
    updates: Cache<ProfileKey, u8>,
    profile_life: SignedDuration,
    url_seconds: u32,
    audit: Audit,
}

/// What the belief "this profile exists, is ready and is the owner's" is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ProfileKey {
    owner: Owner,
    name: String,
    /// Digest of everything in the mapping that the profile depends on.
    mapping: Vec<u8>,
}

/// Who wants what opened.
#[derive(Debug, Clone)]
pub struct Request {
    /// The team, to which the person is entitled.
    pub team: Arc<Team>,
    /// The person.
    pub owner: Owner,
    /// The profile's exact name.
    pub profile: String,
    /// Where Studio opens, instead of the team's own.
    pub landing_uri: Option<String>,
    /// A space that the person asked for.
    pub space: Option<String>,
    /// For the audit lines of what happens to the profile.
    pub facts: Facts,
}

/// What came of it.
#[derive(Debug)]
pub enum Opening {
    /// A presigned URL of the owner's own profile.
    Ready(StudioUrl),
    /// The profile is being prepared: come back.
    Preparing,
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
    /// SageMaker gave up on the profile.
    #[error("the profile cannot be used: {0}")]
    ProfileFailed(String),
    /// A quota of the account is reached.
    #[error("a quota is reached: {0}")]
    QuotaReached(AwsError),
    /// SageMaker refuses what the mapping says.
    #[error("SageMaker refuses the team's settings: {0}")]
    SettingsRefused(AwsError),
    /// The space is neither the team's nor the profile's own.
    #[error("the space is neither the team's own nor owned by the profile")]
    SpaceRefused,
    /// AWS throttles.
    #[error("AWS is busy: {0}")]
    Busy(AwsError),
    /// AWS does not answer, or fails.
    #[error("AWS cannot be reached: {0}")]
    Unreachable(AwsError),
}

impl From<AwsError> for OpeningError {
    fn from(error: AwsError) -> Self {
        match error.kind {
            Kind::Denied | Kind::Credentials => Self::TargetDenied(error),
            Kind::Throttled | Kind::Conflict => Self::Busy(error),
            Kind::Limit => Self::QuotaReached(error),
            Kind::Missing => Self::DomainMissing,
            Kind::Invalid => Self::SettingsRefused(error),
            Kind::ConditionFailed | Kind::Unreachable | Kind::Failed => Self::Unreachable(error),
        }
    }
}

/// Between two looks at a profile that is being prepared.
const POLL: Duration = Duration::from_millis(600);

/// How long a profile that was seen being prepared is looked at before a URL is asked for.
const PREPARING_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The same mapping is sent to the same profile at most this often …
const MAX_UPDATES: u8 = 3;
/// … within this time.
const UPDATES_LIFE: SignedDuration = SignedDuration::from_mins(10);

impl Opener {
    /// An opener whose belief in ready profiles lasts `profile_cache_seconds`.
    pub fn new(
        targets: Targets,
        sagemaker: SageMaker,
        profile_cache_seconds: u32,
        url_seconds: u32,
        audit: Audit,
    ) -> Self {
        Self {
            targets,
            sagemaker,
            ready: Cache::new(20_000),
            preparing: Cache::new(5_000),
            updates: Cache::new(5_000),
            profile_life: SignedDuration::from_secs(i64::from(profile_cache_seconds)),
            url_seconds,
            audit,
        }
    }

    /// Opens the profile, or returns [`Opening::Preparing`] when it is not ready at `deadline`.
    ///
    /// # Errors
    ///
    /// Why the team cannot be opened.
    pub async fn open(
        &self,
        request: &Request,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Opening, OpeningError> {
        let Request { team, owner, .. } = request;
        let credentials = self.targets.assume(team, owner, now).await?;
        match self.open_with(request, &credentials, now, deadline).await {
            // The credentials were revoked, or a clock is off: once more with fresh ones.
            Err(OpeningError::TargetDenied(error)) if error.kind == Kind::Credentials => {
                info!(error = %error, "credentials are not accepted any more, assuming the role again");
                self.targets.forget(team, owner).await;
                let credentials = self.targets.assume(team, owner, now).await?;
                self.open_with(request, &credentials, now, deadline).await
            }
            outcome => outcome,
        }
    }

    async fn open_with(
        &self,
        request: &Request,
        credentials: &Credentials,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Opening, OpeningError> {
        let Request { team, owner, .. } = request;
        let client = self.sagemaker.client(&team.region, now).await;
        let name = request.profile.as_str();
        let profile = Profile { client: &client, credentials, team, owner, name };
        let key = self.key(request);
        let space = match &request.space {
            Some(space) => Some(self.allowed_space(&profile, space).await?),
            None => None,
        };
        let wish = Wish {
            team,
            profile: name,
            landing_uri: request.landing_uri.clone(),
            space,
            url_seconds: self.url_seconds,
        };
        let presign =
            || presign(&client, credentials, self.sagemaker.endpoint_host.as_ref(), &wish);

        if self.ready.get(&key, now).await.is_some() {
            match presign().await {
                Ok(url) => return Ok(Opening::Ready(url)),
                // Deleted or re-tagged behind our back: look again.
                Err(error) if may_mean_another_profile(&error) => self.ready.remove(&key).await,
                Err(error) => return Err(error.into()),
            }
        }

        let (mut url, mut found) = if self.preparing.get(&key, now).await.is_some() {
            (None, profile.look(now).await)
        } else {
            let (url, found) = tokio::join!(presign(), profile.look(now));
            (Some(url), found)
        };
        let updates = self.updates.get(&key, now).await.unwrap_or(0);
        let (mut asked_for_change, mut adopted) = (false, false);
        loop {
            match found? {
                Found::Ready => break,
                Found::Preparing(status) => {
                    info!(profile = name, status, "the profile is being prepared");
                }
                Found::Missing if asked_for_change => {}
                Found::Missing => {
                    if self.create(&profile, now).await? {
                        self.record(request, now, Outcome::Created);
                    }
                    asked_for_change = true;
                }
                Found::Drifted(_) if updates >= MAX_UPDATES => {
                    warn!(profile = name, "SageMaker keeps other settings than the mapping's");
                    break;
                }
                Found::Drifted(_) if asked_for_change => {}
                Found::Drifted(settings) => {
                    if profile.update(settings).await? {
                        self.record(request, now, Outcome::Updated);
                        self.updates.insert(key.clone(), updates + 1, now, UPDATES_LIFE).await;
                    }
                    asked_for_change = true;
                }
                Found::Adoptable(arn) => {
                    if adopted {
                        return Err(OpeningError::ProfileForeign("adoption has no effect".into()));
                    }
                    profile.adopt(&arn).await?;
                    self.record(request, now, Outcome::Adopted);
                    adopted = true;
                    url = None;
                    found = profile.look(now).await;
                    continue;
                }
                Found::Foreign(why) => return Err(OpeningError::ProfileForeign(why)),
                Found::Failed(why) => return Err(OpeningError::ProfileFailed(why)),
            }
            url = None;
            self.preparing.insert(key.clone(), (), now, PREPARING_LIFE).await;
            if time_left(deadline) < POLL {
                return Ok(Opening::Preparing);
            }
            tokio::time::sleep(POLL).await;
            found = profile.look(now).await;
        }

        let url = match url {
            Some(Ok(url)) => url,
            // What was refused while the profile could not be seen may be granted now.
            Some(Err(error)) if !may_mean_another_profile(&error) => return Err(error.into()),
            _ => match presign().await {
                Ok(url) => url,
                Err(error) if error.kind == Kind::Invalid => {
                    return Err(self.why_invalid(&profile, error).await);
                }
                Err(error) => return Err(error.into()),
            },
        };
        self.preparing.remove(&key).await;
        self.ready.insert(key, (), now, self.profile_life).await;
        Ok(Opening::Ready(url))
    }

    /// Creates the profile; where SageMaker refuses, the domain tells why.
    async fn create(&self, profile: &Profile<'_>, now: Timestamp) -> Result<bool, OpeningError> {
        match profile.create().await {
            Ok(created) => Ok(created),
            Err(error) if matches!(error.kind, Kind::Invalid | Kind::Missing) => {
                // "Exists already" has no code of its own: somebody else's first sign-in was faster.
                if !matches!(profile.look(now).await, Ok(Found::Missing)) {
                    return Ok(false);
                }
                Err(self.why_invalid(profile, error).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn why_invalid(&self, profile: &Profile<'_>, error: AwsError) -> OpeningError {
        match profile.domain().await {
            Ok(Domain::Missing) => OpeningError::DomainMissing,
            Ok(Domain::Sso) => OpeningError::DomainSsoMode,
            _ => error.into(),
        }
    }

    /// The space, when it is the team's or the profile's own.
    async fn allowed_space(
        &self,
        profile: &Profile<'_>,
        space: &str,
    ) -> Result<String, OpeningError> {
        let teams_own = profile.team.space_name.as_ref().is_some_and(|own| own.as_str() == space);
        if teams_own || profile.owns_space(space).await? {
            Ok(space.to_owned())
        } else {
            Err(OpeningError::SpaceRefused)
        }
    }

    fn key(&self, request: &Request) -> ProfileKey {
        let Request { team, owner, profile, .. } = request;
        let mapping = serde_json::json!([
            team.team_id,
            team.account_id,
            team.region,
            team.domain_id,
            self.targets.role(team),
            team.execution_role_arn,
            team.user_settings,
        ]);
        let mapping = digest(&SHA256, mapping.to_string().as_bytes()).as_ref().to_vec();
        ProfileKey { owner: owner.clone(), name: profile.clone(), mapping }
    }

    fn record(&self, request: &Request, now: Timestamp, outcome: Outcome) {
        self.audit.record(now, &request.facts, outcome, None, None);
    }
}

/// Tag conditions cannot match what does not exist, so a denial may mean a missing profile; a state
/// that SageMaker does not sign for may have another code again.
fn may_mean_another_profile(error: &AwsError) -> bool {
    matches!(error.kind, Kind::Denied | Kind::Missing | Kind::Invalid | Kind::Conflict)
}

#[expect(clippy::disallowed_methods, reason = "a deadline can only be compared with the clock")]
fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
