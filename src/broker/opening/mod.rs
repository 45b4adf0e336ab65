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
mod update;
mod visit;
mod wait;

pub use error::OpeningError;
pub(super) use error::Stop;
pub use visit::{Opener, Request};
pub use wait::{Reason, Wait, waited_since};

use std::time::Duration;

use aws_credential_types::Credentials;
use fair_line::{Looks, Millis};

use self::act::{Act, Done, decide};
use self::update::Repair;
use self::visit::Visit;
use self::wait::SOON;
use super::audit::{Outcome, about};
use super::line::{Step, Unserved};
use super::time::RequestTime;
use crate::aws::error::{AwsError, Kind};
use crate::aws::presign::{Wish, presign};
use crate::aws::profile::{Found, Profile};
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
        request: &Request,
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

    /// Sees to it that the profile is there, ready, the owner's, and as the mapping wants it. Where all was so
    /// at once, what came of asking for a URL beside the look.
    async fn make_ready<F>(
        &self,
        profile: &Profile<'_>,
        ask: impl Fn() -> F,
    ) -> Result<Option<Result<StudioUrl, AwsError>>, Stop>
    where
        F: Future<Output = Result<StudioUrl, AwsError>>,
    {
        let (opener, queue, now) = (self.opener, &self.queue, self.time.now.as_second());
        let look_again = || profile.look_one_by_one();
        // Since when SageMaker prepares it, as far as this person was told.
        let mut prepared_since = self.preparing_for().map(|age| now - age.as_secs());
        let mut updated = self.was_updated();
        let mut looked = opener.changing.moment();
        let (mut url, mut found) = if prepared_since.is_some() || queue.is_crowded().await {
            (None, queue.in_turn(Step::Look, look_again).await)
        } else {
            // Only once: while the profile is not known, nobody waits for its URL.
            let look = queue.in_turn(Step::Look, || profile.look());
            let (url, found) = tokio::join!(ask(), look);
            queue.was_throttled(Step::Presign, &url);
            (Some(url), found)
        };
        let (mut done, mut sent) = (Done::default(), None);
        let belief = loop {
            let judged = found.map_err(|unserved| match prepared_since {
                Some(_) => self.while_prepared(unserved.into(), updated),
                None => unserved.into(),
            })?;
            if let Found::Preparing { status, .. } = &judged {
                about!(info, &self.request.facts, status, "the profile is being prepared");
            }
            done.can_look_again = prepared_since.is_some() || self.time.left() >= SOON;
            let (mut since, mut prepares) = (now, true);
            match decide(judged, done, now) {
                Act::Open => {
                    if updated {
                        self.applied().await;
                    }
                    break opener.profile_life;
                }
                Act::LookAgain { since: began, prepares: is_prepared } => {
                    (since, prepares) = (began, is_prepared);
                }
                Act::Create => {
                    if let Some(_change) = opener.changing.begin(self.key, looked) {
                        if self.create(profile).await? {
                            self.record(Outcome::Created);
                        }
                        done.created = true;
                    }
                }
                Act::Update(drift) => match self.repair(profile, &drift, &mut sent).await? {
                    Repair::Wait => updated = true,
                    Repair::Open(life) => break life,
                },
                Act::Adopt(arn) => {
                    if let Some(_change) = opener.changing.begin(self.key, looked) {
                        if self.adopt(profile, &arn).await? {
                            self.record(Outcome::Adopted);
                        }
                        done.adopted = true;
                        url = None;
                        found = queue.in_turn(Step::Look, look_again).await;
                        continue;
                    }
                    prepares = false;
                }
                Act::Refuse(error) => return Err(error.into()),
            }
            url = None;
            if prepares {
                prepared_since = Some(prepared_since.unwrap_or(since).min(since));
            }
            let age = now.saturating_sub(since).saturating_mul(1_000);
            // How long profiles take to be made says nothing of their changes.
            let gap = if !prepares {
                SOON
            } else if updated {
                usual_gap(age)
            } else {
                queue.look_again_after(age)
            };
            if self.time.left() < gap {
                let wait = Wait::about(Reason::Profile, gap);
                return Err(Stop::NotYet(self.until_prepared(wait, updated)));
            }
            tokio::time::sleep(gap).await;
            looked = opener.changing.moment();
            found = queue.in_turn(Step::Look, look_again).await;
        };
        // Known from here on, whether a URL can be had now or at the next visit.
        opener.ready.insert(self.key.clone(), now, self.time.now, belief).await;
        if let Some(since) = prepared_since.filter(|_| !updated) {
            queue.was_prepared_in(self.time.millis().saturating_sub(since.saturating_mul(1_000)));
        }
        Ok(url)
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

/// In how long to look again, while nothing is scarce, at what has lasted this long (milliseconds).
fn usual_gap(age: Millis) -> Duration {
    Duration::from_millis(Looks::default().again_after(age, false).unsigned_abs())
}

/// Tag conditions cannot match what does not exist, so a denial may mean a missing profile; a state
/// that SageMaker does not sign for may have another code again.
fn may_mean_another_profile(error: &AwsError) -> bool {
    matches!(error.kind, Kind::Denied | Kind::Missing | Kind::Invalid | Kind::Conflict)
}

fn is_throttled<T>(answer: &Result<T, AwsError>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind == Kind::Throttled)
}
