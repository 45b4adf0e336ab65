//! One opening: from an entitled person and a team to a presigned URL, or to "not yet".
//!
//! ```text
//! AssumeRole ──► presign ∥ Describe ∥ ListTags ──► ready: the URL
//!                                                  missing: create, wait
//!                                                  drifted: update once, wait (drift.rs)
//!                                                  foreign, failed: refuse
//! ```
//!
//! The URL that was made beside Describe and List is withheld until they have shown whose profile
//! it opens. While AWS throttles, calls are made in turn ([`crate::broker::line`]) and one after the other:
//! a URL is the scarcest of them, and none is asked for that could not be given out.
//!
//! | file | says |
//! | --- | --- |
//! | `visit` | who asks for what, and what is known about the profile |
//! | `ready` | look, act, look again |
//! | `act` | what to do about what was found: a table |
//! | `change` | how a profile is created and taken over |
//! | `update`, `drift` | how a profile is sent its settings, and when |
//! | `wait`, `error` | what the person is told instead of a URL |
//!
//! What comes of a call that is throttled, fails, hangs or whose answer is lost is a table,
//! `tests/system/faults.md`, of which each row is a test.

mod act;
mod change;
mod drift;
mod error;
mod ready;
mod update;
mod visit;
mod wait;

pub use error::OpeningError;
pub(super) use error::Stop;
pub use visit::{Opener, OpeningRequest};
pub use wait::{Reason, Wait, waited_since};

use std::time::Duration;

use aws_credential_types::Credentials;

use self::visit::Visit;
use self::wait::SOON;
use super::audit::about;
use super::line::{Step, Unserved};
use super::time::RequestTime;
use crate::aws::error::{AwsError, Kind};
use crate::aws::presign::{Wish, presign};
use crate::aws::profile::Profile;
use crate::aws::studio_url::StudioUrl;

/// What came of it.
#[derive(Debug)]
pub enum Opening {
    /// A presigned URL of the owner's own profile.
    Ready(StudioUrl),
    /// Not yet: come back.
    NotYet(Wait),
}

/// When a page comes back whose profile somebody else is changing.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The role is assumed once more where this is logged.
pub(super) const NOT_ACCEPTED: &str =
    "credentials are not accepted any more, assuming the role again";

impl Opener {
    /// Opens the profile, or says when to come back when it is not ready in time or AWS throttles.
    ///
    /// # Errors
    ///
    /// Why the team cannot be opened.
    pub async fn open(
        &self,
        request: &OpeningRequest,
        time: RequestTime,
    ) -> Result<Opening, OpeningError> {
        let key = self.key(request);
        let visit = Visit::new(self, request, &key, time);
        // The SDK's futures are large: none of them is moved about on the stack.
        let wait = match Box::pin(visit.open()).await {
            Ok(url) => return Ok(Opening::Ready(url)),
            Err(Stop::NotYet(wait)) => wait,
            Err(Stop::Failed(OpeningError::Busy(error))) => visit.wait_after(&error),
            Err(Stop::Failed(error)) => return Err(error),
        };
        Ok(Opening::NotYet(match wait.reason {
            Reason::Aws => visit.for_aws(wait).await,
            Reason::Profile | Reason::Door => wait,
        }))
    }
}

impl Visit<'_> {
    async fn open(&self) -> Result<StudioUrl, Stop> {
        // Whoever is going to be told to come back is told so before the first call.
        if self.is_believed_ready().await {
            self.queue.until_called(Step::Presign).await?;
        } else if let Some(age) = self.preparing_for() {
            let called = match self.queue.lets_others_look(age).await {
                Ok(()) => self.queue.until_called(Step::Look).await,
                yields => yields,
            };
            called.map_err(|back| self.while_prepared(back.into(), self.was_updated()))?;
        } else {
            self.queue.until_called(Step::Look).await?;
        }
        let credentials = self.assume().await?;
        match Box::pin(self.open_with(&credentials)).await {
            // The credentials were revoked, or a clock is off: once more with fresh ones.
            Err(Stop::Failed(OpeningError::TargetDenied(error)))
                if error.kind == Kind::Credentials =>
            {
                about!(info, &self.request.facts, error = %error, "{NOT_ACCEPTED}");
                let (team, owner) = (&self.request.team, &self.request.owner);
                self.opener.targets.forget(team, owner).await;
                let credentials = self.assume().await?;
                Box::pin(self.open_with(&credentials)).await
            }
            outcome => outcome,
        }
    }

    async fn open_with(&self, credentials: &Credentials) -> Result<StudioUrl, Stop> {
        let (opener, request, now) = (self.opener, self.request, self.time.now);
        let (team, owner, name) = (&*request.team, &request.owner, request.profile.as_str());
        let client = opener.sagemaker.client(&team.region, now).await;
        let profile = Profile { client: &client, credentials, team, owner, name };
        let space = match &request.space {
            Some(space) => Some(self.allowed_space(&profile, space).await?),
            None => None,
        };
        let wish = Wish {
            team,
            profile: name,
            landing_uri: request.landing_uri.clone(),
            space,
            session_seconds: request.session_seconds,
            url_seconds: opener.url_seconds,
        };
        let ask = || presign(&client, credentials, &opener.sagemaker.further_hosts, &wish);

        if self.is_believed_ready().await {
            match self.queue.in_turn(Step::Presign, ask).await {
                // Deleted or re-tagged behind our back: look again.
                Err(Unserved::Failed(error)) if may_mean_another_profile(&error) => {
                    opener.ready.remove(self.key).await;
                }
                asked => return Ok(asked?),
            }
        }
        let beside = Box::pin(self.make_ready(&profile, ask)).await?;
        // Its person was told to wait meanwhile: the next visit asks for the URL at once.
        if beside.is_none() && self.time.left().is_zero() {
            let seen = Some(self.seen(false, now.as_second()));
            return Err(Stop::NotYet(Wait { seen, ..Wait::about(Reason::Profile, SOON) }));
        }
        let asked = match beside {
            Some(asked) if !is_throttled(&asked) => asked.map_err(Unserved::Failed),
            _ => self.queue.in_turn(Step::Presign, ask).await,
        };
        let asked = match asked {
            // Refused before the profile was there, or before IAM knew of its tags.
            Err(Unserved::Failed(error)) if may_mean_another_profile(&error) => {
                self.queue.in_turn(Step::Presign, ask).await
            }
            asked => asked,
        };
        match asked {
            Err(Unserved::Failed(error)) => {
                opener.ready.remove(self.key).await;
                Err(match error.kind {
                    Kind::Invalid => self.why_invalid(&profile, error).await.into(),
                    _ => error.into(),
                })
            }
            asked => Ok(asked?),
        }
    }

    async fn assume(&self) -> Result<Credentials, Stop> {
        let (team, owner, now) = (&self.request.team, &self.request.owner, self.time.now);
        let targets = &self.opener.targets;
        if let Some(credentials) = targets.remembered(team, owner, now).await {
            return Ok(credentials);
        }
        Ok(self.queue.in_turn(Step::Assume, || targets.assume(team, owner, now)).await?)
    }

    /// What its person is told of an opening that met a call that was throttled, or a profile that is
    /// changing.
    fn wait_after(&self, error: &AwsError) -> Wait {
        match error.kind {
            Kind::Conflict => self.until_prepared(Wait::about(Reason::Profile, LOOK_AGAIN), false),
            _ => Wait { place: self.request.returns.place(), ..Wait::for_aws() },
        }
    }
}

/// Tag conditions cannot match what does not exist, so a denial may mean a missing profile; a state
/// that SageMaker does not sign for may have another code again.
fn may_mean_another_profile(error: &AwsError) -> bool {
    matches!(error.kind, Kind::Denied | Kind::Missing | Kind::Invalid | Kind::Conflict)
}

fn is_throttled<T>(answer: &Result<T, AwsError>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind == Kind::Throttled)
}
