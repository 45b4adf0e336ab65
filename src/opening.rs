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
//! it opens. While AWS throttles, calls are made in turn ([`crate::turns`]) and one after the other:
//! a URL is the scarcest of them, and none is asked for that could not be given out.
//!
//! What comes of a call that is throttled, fails, hangs or whose answer is lost is a table,
//! `tests/system/faults.md`, of which each row is a test.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::audit::{Audit, Facts, Outcome};
use crate::aws::cache::Cache;
use crate::aws::error::{AwsError, Kind};
use crate::aws::profile::{Domain, Found, Profile};
use crate::aws::sagemaker::SageMaker;
use crate::aws::studio_url::{StudioUrl, Wish, presign};
use crate::aws::target::Targets;
use crate::session::{hex, random};
use crate::team::Team;
use crate::team::owner::Owner;
use crate::turns::{Line, Step, Turns, spread};

/// Opens profiles.
#[derive(Debug)]
pub struct Opener {
    targets: Targets,
    sagemaker: SageMaker,
    /// Profiles that were seen ready and the owner's, and when (epoch seconds).
    ready: Cache<ProfileKey, i64>,
    /// Profiles that were seen being prepared: a URL for them is not worth a call.
    preparing: Cache<ProfileKey, ()>,
    /// How often profiles were sent what their mapping says. What differs all the same is SageMaker's
    /// own way to write it, and must not keep a person waiting for ever.
    updates: Cache<ProfileKey, u8>,
    turns: Turns,
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
    /// How long the person has waited for AWS; `None` for a client that cannot tell.
    pub waited: Option<SignedDuration>,
    /// What the session knows about the profile from a visit that another process answered.
    pub seen: Option<Seen>,
}

/// A profile that was seen ready and the owner's: the same belief as the one in memory, kept in the
/// session while its person waits, since the next visit may be answered by another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Digest of the owner, the name, and everything in the mapping that the profile depends on.
    pub profile: String,
    /// When it was seen, epoch seconds.
    pub at: i64,
}

/// What came of it.
#[derive(Debug)]
pub enum Opening {
    /// A presigned URL of the owner's own profile.
    Ready(StudioUrl),
    /// Not yet: come back.
    NotYet(Wait),
}

/// What a person waits for, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Why.
    pub reason: Reason,
    /// When to come back: whole seconds, spread.
    pub seconds: u16,
    /// Whether the person stands in a line, and keeps the place.
    pub in_line: bool,
    /// What the next visit need not look at again.
    pub seen: Option<Seen>,
}

/// Why a team does not open yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SageMaker prepares the profile.
    Profile,
    /// AWS throttles.
    Aws,
}

impl Wait {
    /// For a profile that SageMaker prepares since then (epoch seconds): the longer it takes, the less
    /// often it is looked at, and less often still while calls have to be saved.
    pub fn for_profile(since: i64, now: Timestamp, others_wait: bool) -> Self {
        let age = u64::try_from(now.as_second().saturating_sub(since)).unwrap_or(0);
        let (part, soonest) = if others_wait { (3, LOOK_AGAIN_IN_LINE) } else { (5, LOOK_AGAIN) };
        let due = (Duration::from_secs(age) / part).clamp(soonest, LOOK_AGAIN_LATEST);
        Self { reason: Reason::Profile, seconds: spread(due, random()), in_line: true, seen: None }
    }

    /// For AWS, where it is nobody's turn in particular.
    pub fn for_aws() -> Self {
        let seconds = spread(ASK_AGAIN, random());
        Self { reason: Reason::Aws, seconds, in_line: false, seen: None }
    }
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
    /// AWS throttles, or says that the profile is changing.
    #[error("AWS is busy: {0}")]
    Busy(AwsError),
    /// AWS does not answer, or fails.
    #[error("AWS cannot be reached: {0}")]
    Unreachable(AwsError),
}

impl From<AwsError> for OpeningError {
    fn from(error: AwsError) -> Self {
        match error.kind {
            // The broker's own credentials have ended: nothing that the team's account could mend.
            Kind::Credentials if error.operation == Step::Assume.operation() => {
                Self::Unreachable(error)
            }
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

/// Between two looks of a waiting page at a profile that is being prepared.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN_IN_LINE: Duration = Duration::from_secs(2);
const LOOK_AGAIN_LATEST: Duration = Duration::from_secs(10);

/// When a page comes back that waits for a table.
const ASK_AGAIN: Duration = Duration::from_millis(3_500);

/// Between two calls of one request while AWS throttles, before they are spread.
const PAUSE: Duration = Duration::from_millis(350);

/// The code of a call that was not made, since others have waited longer.
const NOT_ASKED: &str = "NotAsked";

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
            turns: Turns::default(),
            profile_life: SignedDuration::from_secs(i64::from(profile_cache_seconds)),
            url_seconds,
            audit,
        }
    }

    /// Opens the profile, or says when to come back when it is not ready at `deadline` or AWS throttles.
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
        let key = self.key(request);
        let visit = Visit { opener: self, request, key: &key, now, deadline };
        // The SDK's futures are large: none of them is moved about on the stack.
        match Box::pin(visit.open()).await {
            Err(OpeningError::Busy(error)) => Ok(Opening::NotYet(visit.wait_after(&error).await)),
            outcome => outcome,
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
}

impl ProfileKey {
    /// The same as a short text.
    fn seal(&self) -> String {
        let whole = serde_json::json!([self.owner.as_str(), self.name, self.mapping]);
        hex(digest(&SHA256, whole.to_string().as_bytes()).as_ref())
    }
}

/// One request that wants one profile opened.
#[derive(Clone, Copy)]
struct Visit<'a> {
    opener: &'a Opener,
    request: &'a Request,
    key: &'a ProfileKey,
    now: Timestamp,
    deadline: Instant,
}

impl Visit<'_> {
    async fn open(&self) -> Result<Opening, OpeningError> {
        let Request { team, owner, .. } = self.request;
        // Whoever is going to be told to come back is told so before the first call.
        let believed = self.is_believed_ready().await;
        self.must_be_due(if believed { Step::Presign } else { Step::Look })?;
        let credentials = self.assume().await?;
        match Box::pin(self.open_with(&credentials)).await {
            // The credentials were revoked, or a clock is off: once more with fresh ones.
            Err(OpeningError::TargetDenied(error)) if error.kind == Kind::Credentials => {
                let Facts { reference, account, .. } = &self.request.facts;
                info!(reference, account, team = %team.team_id, error = %error, "credentials are not accepted any more, assuming the role again");
                self.opener.targets.forget(team, owner).await;
                let credentials = self.assume().await?;
                Box::pin(self.open_with(&credentials)).await
            }
            outcome => outcome,
        }
    }

    async fn open_with(&self, credentials: &Credentials) -> Result<Opening, OpeningError> {
        let (opener, request, now) = (self.opener, self.request, self.now);
        let Request { team, owner, .. } = request;
        let client = opener.sagemaker.client(&team.region, now).await;
        let name = request.profile.as_str();
        let profile = Profile { client: &client, credentials, team, owner, name };
        let key = self.key;
        let space = match &request.space {
            Some(space) => Some(self.allowed_space(&profile, space).await?),
            None => None,
        };
        let wish = Wish {
            team,
            profile: name,
            landing_uri: request.landing_uri.clone(),
            space,
            url_seconds: opener.url_seconds,
        };
        let endpoint = opener.sagemaker.endpoint_host.as_ref();
        let presign =
            || self.in_turn(Step::Presign, || presign(&client, credentials, endpoint, &wish));

        if self.is_believed_ready().await {
            match presign().await {
                Ok(url) => return Ok(Opening::Ready(url)),
                // Deleted or re-tagged behind our back: look again.
                Err(error) if may_mean_another_profile(&error) => opener.ready.remove(key).await,
                Err(error) => return Err(error.into()),
            }
        }

        let look_again = || self.in_turn(Step::Look, || profile.look_one_by_one(now));
        let one_by_one = opener.preparing.get(key, now).await.is_some() || self.is_crowded();
        let (mut url, mut found) = if one_by_one {
            (None, look_again().await)
        } else {
            let look = self.in_turn(Step::Look, || profile.look(now));
            let (url, found) = tokio::join!(presign(), look);
            (Some(url), found)
        };
        let updates = opener.updates.get(key, now).await.unwrap_or(0);
        let (mut asked_for_change, mut adopted) = (false, false);
        loop {
            let mut changed_at = now.as_second();
            match found? {
                Found::Ready => break,
                Found::Preparing { status, since } => {
                    let Facts { reference, account, .. } = &request.facts;
                    info!(reference, account, team = %team.team_id, profile = name, status, "the profile is being prepared");
                    changed_at = since;
                }
                Found::Missing if asked_for_change => {}
                Found::Missing => {
                    if self.create(&profile).await? {
                        self.record(Outcome::Created);
                    }
                    asked_for_change = true;
                }
                Found::Drifted { members, .. } if updates >= MAX_UPDATES => {
                    // Another role would give the person other rights than the team's.
                    if members.iter().any(|member| member == "ExecutionRole") {
                        let why = "SageMaker keeps another ExecutionRole than the mapping's";
                        return Err(OpeningError::ProfileFailed(why.into()));
                    }
                    let Facts { reference, account, .. } = &request.facts;
                    warn!(reference, account, team = %team.team_id, profile = name, ?members, "SageMaker keeps other settings than the mapping's");
                    break;
                }
                Found::Drifted { .. } if asked_for_change => {}
                Found::Drifted { settings, .. } => {
                    if self.update(&profile, settings).await? {
                        self.record(Outcome::Updated);
                        opener.updates.insert(key.clone(), updates + 1, now, UPDATES_LIFE).await;
                    }
                    asked_for_change = true;
                }
                Found::Adoptable(arn) => {
                    if adopted {
                        return Err(OpeningError::ProfileForeign("adoption has no effect".into()));
                    }
                    if self.adopt(&profile, &arn).await? {
                        self.record(Outcome::Adopted);
                    }
                    adopted = true;
                    url = None;
                    found = look_again().await;
                    continue;
                }
                Found::Foreign(why) => return Err(OpeningError::ProfileForeign(why)),
                Found::Failed(why) => return Err(OpeningError::ProfileFailed(why)),
            }
            url = None;
            opener.preparing.insert(key.clone(), (), now, PREPARING_LIFE).await;
            if self.is_crowded() || time_left(self.deadline) < POLL {
                let wait = Wait::for_profile(changed_at, now, self.are_others_waiting());
                return Ok(Opening::NotYet(wait));
            }
            tokio::time::sleep(POLL).await;
            found = look_again().await;
        }

        // Known from here on, whether a URL can be had now or at the next visit.
        opener.preparing.remove(key).await;
        opener.ready.insert(key.clone(), now.as_second(), now, opener.profile_life).await;
        let url = match url {
            Some(Ok(url)) => Ok(url),
            // What was refused while the profile could not be seen may be granted now.
            Some(Err(error)) if !may_mean_another_profile(&error) => Err(error),
            _ => presign().await,
        };
        match url {
            Ok(url) => Ok(Opening::Ready(url)),
            Err(error) if error.kind == Kind::Throttled => Err(error.into()),
            Err(error) => {
                opener.ready.remove(key).await;
                if error.kind == Kind::Invalid {
                    return Err(self.why_invalid(&profile, error).await);
                }
                Err(error.into())
            }
        }
    }

    async fn assume(&self) -> Result<Credentials, AwsError> {
        let Request { team, owner, .. } = self.request;
        let targets = &self.opener.targets;
        if let Some(credentials) = targets.remembered(team, owner, self.now).await {
            return Ok(credentials);
        }
        self.in_turn(Step::Assume, || targets.assume(team, owner, self.now)).await
    }

    /// Whether the profile was seen ready and the owner's, by this process or by another one that
    /// answered the same waiting person.
    async fn is_believed_ready(&self) -> bool {
        let key = self.key;
        let life = self.opener.profile_life;
        let seen = self.request.seen.as_ref().is_some_and(|seen| {
            let age = self.now.as_second().saturating_sub(seen.at);
            (0..life.as_secs()).contains(&age) && seen.profile == key.seal()
        });
        seen || self.opener.ready.get(key, self.now).await.is_some()
    }

    /// Makes a call when it is this person's turn, and again within the request as long as the line is
    /// short.
    async fn in_turn<T, F>(&self, step: Step, call: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let (turns, line) = (&self.opener.turns, self.line(step));
        self.must_be_due(step)?;
        loop {
            let answer = call().await;
            match &answer {
                Err(error) if error.kind == Kind::Throttled => {
                    let waited = self.request.waited.unwrap_or_default();
                    turns.throttled(&line, waited, self.now);
                    let [chance] = random::<1>();
                    let pause = PAUSE + PAUSE * u32::from(chance) / 256;
                    if !turns.is_short(&line, self.now) || time_left(self.deadline) < 2 * pause {
                        return answer;
                    }
                    tokio::time::sleep(pause).await;
                }
                // Whatever AWS says to it, the call was let through.
                Err(error) if error.leaves_open() => {
                    return answer;
                }
                _ => {
                    turns.served(&line);
                    return answer;
                }
            }
        }
    }

    fn must_be_due(&self, step: Step) -> Result<(), AwsError> {
        // A client that cannot say how long it has waited would never be due.
        let Some(waited) = self.request.waited else { return Ok(()) };
        if self.opener.turns.is_due(&self.line(step), waited, self.now) {
            return Ok(());
        }
        Err(AwsError {
            kind: Kind::Throttled,
            operation: step.operation(),
            code: NOT_ASKED.into(),
            message: "others have waited longer".into(),
            request_id: None,
        })
    }

    /// Whether calls of any kind have to be saved now.
    fn is_crowded(&self) -> bool {
        self.request.waited.is_some_and(|waited| waited.is_positive()) || self.are_others_waiting()
    }

    /// Whether there is a line for what a profile is looked at with, or opened.
    fn are_others_waiting(&self) -> bool {
        let crowded = |step| self.opener.turns.is_crowded(&self.line(step), self.now);
        crowded(Step::Presign) || crowded(Step::Look)
    }

    fn line(&self, step: Step) -> Line {
        let Request { team, .. } = self.request;
        Line::new(&team.account_id, &team.region, step)
    }

    /// When to come back after a call that was throttled, or not made.
    async fn wait_after(&self, error: &AwsError) -> Wait {
        if error.kind == Kind::Conflict {
            return Wait::for_profile(self.now.as_second(), self.now, self.are_others_waiting());
        }
        let Request { facts, waited, .. } = self.request;
        if error.code != NOT_ASKED {
            let Facts { reference, team, account, region, .. } = facts;
            warn!(reference, team, account, region, error = %error, "AWS throttles");
        }
        let line = self.line(Step::of(error.operation));
        let turns = &self.opener.turns;
        let due = turns.come_back(&line, waited.unwrap_or_default(), self.now);
        let seen_at = self.opener.ready.get(self.key, self.now).await;
        let seen = seen_at.map(|at| Seen { profile: self.key.seal(), at });
        Wait { reason: Reason::Aws, seconds: spread(due, random()), in_line: true, seen }
    }

    /// Creates the profile; where SageMaker refuses, the domain tells why.
    async fn create(&self, profile: &Profile<'_>) -> Result<bool, OpeningError> {
        match self.in_turn(Step::Create, || profile.create()).await {
            Ok(created) => Ok(created),
            Err(error) if matches!(error.kind, Kind::Invalid | Kind::Missing) => {
                // "Exists already" has no code of its own: somebody else's first sign-in was faster.
                if !matches!(profile.look(self.now).await, Ok(Found::Missing)) {
                    return Ok(false);
                }
                Err(self.why_invalid(profile, error).await)
            }
            // Nobody knows whether it was created, unless it is there now.
            Err(error) if error.leaves_open() => match profile.look(self.now).await {
                Ok(Found::Missing) | Err(_) => Err(error.into()),
                Ok(_) => Ok(true),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Updates the profile; `false` when it is being changed already.
    async fn update(
        &self,
        profile: &Profile<'_>,
        settings: Map<String, Value>,
    ) -> Result<bool, OpeningError> {
        match self.in_turn(Step::Change, || profile.update(settings.clone())).await {
            Err(error) if error.leaves_open() => match profile.look(self.now).await {
                Ok(Found::Ready | Found::Preparing { .. }) => Ok(true),
                _ => Err(error.into()),
            },
            updated => Ok(updated?),
        }
    }

    /// Takes the profile over; `false` when the same person's other request was faster.
    async fn adopt(&self, profile: &Profile<'_>, arn: &str) -> Result<bool, OpeningError> {
        match self.in_turn(Step::Change, || profile.adopt(arn)).await {
            Ok(()) => Ok(true),
            Err(error) => match profile.look(self.now).await {
                Ok(Found::Ready | Found::Drifted { .. } | Found::Preparing { .. }) => {
                    Ok(error.leaves_open())
                }
                _ => Err(error.into()),
            },
        }
    }

    async fn why_invalid(&self, profile: &Profile<'_>, error: AwsError) -> OpeningError {
        match self.in_turn(Step::Look, || profile.domain()).await {
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
        if teams_own || self.in_turn(Step::Look, || profile.owns_space(space)).await? {
            Ok(space.to_owned())
        } else {
            Err(OpeningError::SpaceRefused)
        }
    }

    fn record(&self, outcome: Outcome) {
        self.opener.audit.record(self.now, &self.request.facts, outcome, None, None);
    }
}

/// Tag conditions cannot match what does not exist, so a denial may mean a missing profile; a state
/// that SageMaker does not sign for may have another code again.
fn may_mean_another_profile(error: &AwsError) -> bool {
    matches!(error.kind, Kind::Denied | Kind::Missing | Kind::Invalid | Kind::Conflict)
}

#[expect(clippy::disallowed_methods, reason = "a deadline can only be compared with the clock")]
/// What is left until `deadline`, nothing once it has passed.
pub(crate) fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
