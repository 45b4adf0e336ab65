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
//! it opens. While AWS throttles, calls are made in turn ([`crate::broker::turns`]) and one after the other:
//! a URL is the scarcest of them, and none is asked for that could not be given out.
//!
//! What comes of a call that is throttled, fails, hangs or whose answer is lost is a table,
//! `tests/system/faults.md`, of which each row is a test.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::cache::Cache;
use crate::aws::error::{AwsError, Kind};
use crate::aws::presign::{Wish, presign};
use crate::aws::profile::{Domain, Drift, Found, Profile};
use crate::aws::sagemaker::SageMaker;
use crate::aws::studio_url::StudioUrl;
use crate::aws::target::Targets;
use crate::aws::updates::{Came, Sent, Turn, Updates};
use crate::aws::user_settings::excluding;
use crate::broker::audit::{Audit, Facts, Outcome};
use crate::broker::drift::{self, Act, decide};
use crate::broker::turns::{Line, Step, Turns, spread};
use crate::session::{Seen, hex, random};
use crate::team::owner::Owner;
use crate::team::{Region, SpaceName, Team};

/// Opens profiles.
#[derive(Debug)]
pub struct Opener {
    pub(super) targets: Targets,
    pub(super) sagemaker: SageMaker,
    /// Profiles that were seen ready and the owner's, and when (epoch seconds).
    ready: Cache<ProfileKey, i64>,
    /// What was sent to which profile: known to all processes.
    updates: Updates,
    pub(super) turns: Turns,
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
    /// How long the Studio session may last.
    pub session_seconds: u32,
    /// For the audit lines of what happens to the profile.
    pub facts: Facts,
    /// How long the person has waited on pages that say so; `None` for a client that cannot tell.
    pub waited: Option<SignedDuration>,
    /// What the session knows about the profile from a visit that another process answered.
    pub seen: Option<Seen>,
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
    /// Since when the person waits who stands in a line, epoch seconds.
    pub since: Option<i64>,
    /// What the next visit need not look at again.
    pub seen: Option<Seen>,
}

/// Why a team does not open yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SageMaker prepares the profile.
    Profile,
    /// What is behind the door is being prepared or updated.
    Door,
    /// AWS throttles.
    Aws,
}

impl Wait {
    /// For a profile that is looked at again after `gap`.
    pub fn for_profile(gap: Duration) -> Self {
        Self { reason: Reason::Profile, seconds: spread(gap, random()), since: None, seen: None }
    }

    /// For AWS, where it is nobody's turn in particular.
    pub fn for_aws() -> Self {
        Self { reason: Reason::Aws, seconds: spread(ASK_AGAIN, random()), since: None, seen: None }
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
}

impl From<AwsError> for OpeningError {
    fn from(error: AwsError) -> Self {
        let of_session = error.operation == Step::Assume.operation();
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
        }
    }
}

/// Between two looks at a profile that is being prepared: a fifth of the time that it has taken, so
/// that nobody waits much longer than SageMaker takes, and at least …
const LOOK_AGAIN: Duration = Duration::from_millis(900);
/// … or, for a page that came back while looks are throttled, …
pub(crate) const LOOK_AGAIN_THROTTLED: Duration = Duration::from_secs(2);
/// … but never longer than this.
const LOOK_AGAIN_LATEST: Duration = Duration::from_secs(10);

/// When a page comes back that waits for a table.
const ASK_AGAIN: Duration = Duration::from_millis(3_500);

/// Between two calls of one request while AWS throttles, before they are spread.
const PAUSE: Duration = Duration::from_millis(350);

/// The code of a call that was not made, since others have waited longer.
pub(super) const NOT_ASKED: &str = "NotAsked";

/// How long a profile counts as being prepared that was seen so.
const PREPARING_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// In line for a URL, waiting for the profile counts up to this long: nobody tells the session when the
/// profile was opened, and who comes again later is not before everybody else.
const PREPARING_COUNTS: SignedDuration = SignedDuration::from_secs(30);

/// The tags of a new profile are seen so soon, in seconds.
const TAGS_COME_WITHIN: i64 = 60;

/// Why a profile with another role does not open.
const OTHER_ROLE: &str = "SageMaker keeps another ExecutionRole than the mapping's";

/// What became of a profile that differs.
enum Repair {
    /// It is being changed, or about to be: look again.
    Wait,
    /// It opens as it is, and is believed ready for at most so long.
    Open(SignedDuration),
}

impl Opener {
    /// An opener whose belief in ready profiles lasts `profile_cache_seconds`.
    pub fn new(
        targets: Targets,
        sagemaker: SageMaker,
        updates: Updates,
        profile_cache_seconds: u32,
        url_seconds: u32,
        audit: Audit,
    ) -> Self {
        Self {
            targets,
            sagemaker,
            ready: Cache::new(20_000),
            updates,
            turns: Turns::default(),
            profile_life: SignedDuration::from_secs(i64::from(profile_cache_seconds)),
            url_seconds,
            audit,
        }
    }

    /// Opens the connections that the first opening in a Region needs: one to STS, and as many to SageMaker
    /// as there are calls side by side.
    pub async fn connect(&self, region: &Region, now: Timestamp) {
        let (sts, sagemaker) = (&self.targets, &self.sagemaker);
        let (role, look, tags, presign) = tokio::join!(
            Box::pin(sts.connect(region, now)),
            Box::pin(sagemaker.connect(region, now)),
            Box::pin(sagemaker.connect(region, now)),
            Box::pin(sagemaker.connect(region, now)),
        );
        if let Err(error) = role {
            warn!(%region, error, "no connection to STS yet");
        }
        if let Err(error) = look.and(tags).and(presign) {
            warn!(%region, error, "no connection to SageMaker yet");
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

    /// Names what is sent to the profile.
    fn update(&self) -> String {
        format!("{} {}", self.name, self.seal())
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
        if self.is_believed_ready().await {
            self.until_due(Step::Presign).await?;
        } else if self.preparing_for().is_none() {
            self.until_due(Step::Look).await?;
        }
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
            session_seconds: request.session_seconds,
            url_seconds: opener.url_seconds,
        };
        let further_hosts = &opener.sagemaker.further_hosts;
        let ask = || presign(&client, credentials, further_hosts, &wish);
        let presign = || self.in_turn(Step::Presign, ask);

        if self.is_believed_ready().await {
            match presign().await {
                Ok(url) => return Ok(Opening::Ready(url)),
                // Deleted or re-tagged behind our back: look again.
                Err(error) if may_mean_another_profile(&error) => opener.ready.remove(key).await,
                Err(error) => return Err(error.into()),
            }
        }

        let look_again = || profile.look_one_by_one();
        let mut preparing = self.preparing_for().is_some();
        let (mut url, mut found) = if preparing {
            (None, self.beside_the_line(look_again()).await)
        } else if self.calls_are_scarce() {
            (None, self.in_turn(Step::Look, look_again).await)
        } else {
            let look = self.in_turn(Step::Look, || profile.look());
            // Only once: while the profile is not known, nobody waits for its URL.
            let (url, found) = tokio::join!(self.once_in_turn(Step::Presign, ask()), look);
            (Some(url), found)
        };
        let (mut created, mut adopted, mut sent) = (false, false, None);
        let mut belief = opener.profile_life;
        let mut updated = preparing && request.seen.as_ref().is_some_and(|seen| seen.updated);
        loop {
            let mut changed_at = now.as_second();
            if preparing && found.as_ref().is_err_and(|error| error.kind == Kind::Throttled) {
                let since = now - self.preparing_for().unwrap_or_default();
                let due = opener.turns.come_back(&self.line(Step::Look), SignedDuration::MAX, now);
                let gap = due.max(self.look_again_after(since.as_second()));
                return Ok(Opening::NotYet(self.wait_for_profile(gap, updated)));
            }
            let judged = found?;
            let is_untagged = matches!(judged, Found::Untagged(_));
            match judged {
                Found::Ready => {
                    if updated {
                        self.applied().await;
                    }
                    break;
                }
                Found::Preparing { status, since } => {
                    let Facts { reference, account, .. } = &request.facts;
                    info!(reference, account, team = %team.team_id, profile = name, status, "the profile is being prepared");
                    changed_at = since;
                }
                Found::Missing if created => {}
                Found::Missing => {
                    if self.create(&profile).await? {
                        self.record(Outcome::Created);
                    }
                    created = true;
                }
                Found::Drifted(drift) => match self.repair(&profile, &drift, &mut sent).await? {
                    Repair::Wait => updated = true,
                    Repair::Open(life) => {
                        belief = life;
                        break;
                    }
                },
                Found::Adoptable(arn) => {
                    if adopted {
                        return Err(OpeningError::ProfileForeign("adoption has no effect".into()));
                    }
                    if self.adopt(&profile, &arn).await? {
                        self.record(Outcome::Adopted);
                    }
                    adopted = true;
                    url = None;
                    found = self.in_turn(Step::Look, look_again).await;
                    continue;
                }
                // Tags may be seen later than the profile that was created with them: by this request, or by
                // another one of the same person, for which it looks again as long as it lasts itself.
                Found::Untagged(since)
                    if now.as_second().saturating_sub(since) < TAGS_COME_WITHIN
                        && (preparing
                            || time_left(self.deadline) >= self.look_again_after(since)) =>
                {
                    changed_at = since;
                }
                Found::Untagged(_) => {
                    return Err(OpeningError::ProfileForeign("it has no tags".into()));
                }
                Found::Revoked => return Err(OpeningError::AccessRevoked),
                Found::Foreign(why) => return Err(OpeningError::ProfileForeign(why)),
                Found::Failed(why) => return Err(OpeningError::ProfileFailed(why)),
            }
            url = None;
            preparing |= !is_untagged;
            let gap = self.look_again_after(changed_at);
            if time_left(self.deadline) < gap {
                return Ok(Opening::NotYet(self.wait_for_profile(gap, updated)));
            }
            tokio::time::sleep(gap).await;
            found = self.beside_the_line(look_again()).await;
        }

        // Known from here on, whether a URL can be had now or at the next visit.
        opener.ready.insert(key.clone(), now.as_second(), now, belief).await;
        if url.is_none() && time_left(self.deadline).is_zero() {
            // Its person was told to wait meanwhile: the next visit asks for the URL at once.
            let seen = Some(self.seen(false, now.as_second()));
            return Ok(Opening::NotYet(Wait { seen, ..Wait::for_profile(LOOK_AGAIN) }));
        }
        let asked = match url {
            Some(Err(error)) if error.kind == Kind::Throttled => presign().await,
            Some(asked) => asked,
            None => presign().await,
        };
        let url = match asked {
            // Refused before the profile was there, or before IAM knew of its tags.
            Err(error) if may_mean_another_profile(&error) => presign().await,
            asked => asked,
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
        self.seen_for(false).is_some_and(|age| age < self.opener.profile_life)
            || self.opener.ready.get(self.key, self.now).await.is_some()
    }

    /// How long ago the person was told to come back since SageMaker prepares the profile.
    fn preparing_for(&self) -> Option<SignedDuration> {
        self.seen_for(true).filter(|age| *age < PREPARING_LIFE)
    }

    /// How long the person has waited for AWS, or for SageMaker to prepare the profile; `None` for a
    /// client that cannot tell.
    fn waited(&self) -> Option<SignedDuration> {
        let prepared = self.preparing_for().filter(|age| *age < PREPARING_COUNTS);
        self.request.waited.map(|waited| waited.max(prepared.unwrap_or_default()))
    }

    /// How long ago the session's person was told what the profile was.
    fn seen_for(&self, preparing: bool) -> Option<SignedDuration> {
        let seen = self.request.seen.as_ref()?;
        let age = SignedDuration::from_secs(self.now.as_second().checked_sub(seen.at)?);
        let is_this = seen.preparing == preparing && seen.profile == self.key.seal();
        (is_this && !age.is_negative()).then_some(age)
    }

    fn seen(&self, preparing: bool, at: i64) -> Seen {
        Seen { profile: self.key.seal(), preparing, updated: false, at }
    }

    /// Makes a call when it is this person's turn, and again within the request as long as the line is
    /// short.
    async fn in_turn<T, F>(&self, step: Step, call: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let line = self.line(step);
        loop {
            let answer = Box::pin(self.once_in_turn(step, call())).await;
            let throttled = answer.as_ref().is_err_and(|error| error.kind == Kind::Throttled);
            if !throttled || self.pause_in(&line).await.is_none() {
                return answer;
            }
        }
    }

    /// Makes a call when it is this person's turn, and learns from the answer.
    async fn once_in_turn<T>(
        &self,
        step: Step,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        self.until_due(step).await?;
        let answer = call.await;
        self.learn(step, self.waited().unwrap_or_default(), &answer);
        answer
    }

    /// Looks at a profile that SageMaker prepares. Its person has waited for SageMaker and not in the
    /// line for looks, and comes back at times of its own: the line moves back for nobody of them.
    async fn beside_the_line(
        &self,
        look: impl Future<Output = Result<Found, AwsError>>,
    ) -> Result<Found, AwsError> {
        let found = look.await;
        self.learn(Step::Look, SignedDuration::ZERO, &found);
        found
    }

    fn learn<T>(&self, step: Step, waited: SignedDuration, answer: &Result<T, AwsError>) {
        let (turns, line) = (&self.opener.turns, self.line(step));
        match answer {
            Err(error) if error.kind == Kind::Throttled => {
                turns.throttled(&line, waited, self.now);
            }
            // Whether it was let through is not known.
            Err(error) if error.leaves_open() => {}
            // Whatever AWS says to it, the call was let through.
            _ => turns.served(&line),
        }
    }

    /// Waits until it is this person's turn, within the request as long as the line is short.
    async fn until_due(&self, step: Step) -> Result<(), AwsError> {
        // A client that cannot say how long it has waited would never be due.
        let Some(mut waited) = self.waited() else { return Ok(()) };
        let (line, mut now) = (self.line(step), self.now);
        while !self.opener.turns.is_due(&line, waited, now) {
            let Some(pause) = self.pause_in(&line).await else {
                return Err(AwsError {
                    kind: Kind::Throttled,
                    operation: step.operation(),
                    code: NOT_ASKED.into(),
                    message: "others have waited longer".into(),
                    request_id: None,
                });
            };
            waited += pause;
            now += pause;
        }
        Ok(())
    }

    /// Pauses where that can help; `None` where the line is long, or the time up.
    async fn pause_in(&self, line: &Line) -> Option<SignedDuration> {
        let [chance] = random::<1>();
        let pause = PAUSE + PAUSE * u32::from(chance) / 256;
        let helps = self.opener.turns.is_short(line, self.now);
        if !helps || time_left(self.deadline) < 2 * pause {
            return None;
        }
        tokio::time::sleep(pause).await;
        SignedDuration::try_from(pause).ok()
    }

    /// Whether this person was told to wait, or somebody else was throttled lately.
    fn calls_are_scarce(&self) -> bool {
        let throttled = |step| self.opener.turns.is_throttled(&self.line(step), self.now);
        self.waited().is_some_and(|waited| waited.is_positive())
            || throttled(Step::Presign)
            || throttled(Step::Look)
    }

    fn line(&self, step: Step) -> Line {
        let Request { team, .. } = self.request;
        Line::new(&team.account_id, &team.region, step)
    }

    /// For the profile, to be looked at again after `gap`.
    fn wait_for_profile(&self, gap: Duration, updated: bool) -> Wait {
        let seen = Seen { updated, ..self.seen(true, self.now.as_second()) };
        Wait { seen: Some(seen), ..Wait::for_profile(gap) }
    }

    /// When to look again at a profile that SageMaker prepares since then (epoch seconds).
    fn look_again_after(&self, since: i64) -> Duration {
        let age = u64::try_from(self.now.as_second().saturating_sub(since)).unwrap_or(0);
        let throttled = self.opener.turns.is_throttled(&self.line(Step::Look), self.now);
        let spares = throttled && self.preparing_for().is_some();
        let soonest = if spares { LOOK_AGAIN_THROTTLED } else { LOOK_AGAIN };
        (Duration::from_secs(age) / 5).clamp(soonest, LOOK_AGAIN_LATEST)
    }

    /// When to come back after a call that was throttled, or not made.
    async fn wait_after(&self, error: &AwsError) -> Wait {
        if error.kind == Kind::Conflict {
            return self.wait_for_profile(LOOK_AGAIN_THROTTLED, false);
        }
        let Request { facts, .. } = self.request;
        if error.code != NOT_ASKED {
            let Facts { reference, team, account, region, .. } = facts;
            warn!(reference, team, account, region, error = %error, "AWS throttles");
        }
        let line = self.line(Step::of(error.operation));
        let turns = &self.opener.turns;
        let waited = self.waited().unwrap_or_default();
        let due = turns.come_back(&line, waited, self.now);
        let seen_at = self.opener.ready.get(self.key, self.now).await;
        let seen = seen_at.map(|at| self.seen(false, at));
        let since = Some((self.now - waited).as_second());
        Wait { reason: Reason::Aws, seconds: spread(due, random()), since, seen }
    }

    /// Creates the profile; where SageMaker refuses, the domain tells why.
    async fn create(&self, profile: &Profile<'_>) -> Result<bool, OpeningError> {
        match self.in_turn(Step::Create, || profile.create()).await {
            Ok(created) => Ok(created),
            Err(error) if matches!(error.kind, Kind::Invalid | Kind::Missing) => {
                // "Exists already" has no code of its own: somebody else's first sign-in was faster.
                if !matches!(profile.look().await, Ok(Found::Missing)) {
                    return Ok(false);
                }
                Err(self.why_invalid(profile, error).await)
            }
            // Nobody knows whether it was created, unless it is there now.
            Err(error) if error.leaves_open() => match profile.look().await {
                Ok(Found::Missing) | Err(_) => Err(error.into()),
                Ok(_) => Ok(true),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a profile that differs its settings, unless that was done before. `sent` is what this request
    /// has sent.
    async fn repair(
        &self,
        profile: &Profile<'_>,
        drift: &Drift,
        sent: &mut Option<Sent>,
    ) -> Result<Repair, OpeningError> {
        let (updates, name, now) = (&self.opener.updates, self.key.update(), self.now);
        let fresh = || hex(&random::<16>());
        let mut turn = match sent.take() {
            Some(sent) => Turn::Before(sent),
            None => {
                self.until_due(Step::Change).await?;
                let claimed = updates.claim(&name, &fresh(), now).await;
                claimed.map_err(OpeningError::UpdatesUnknown)?
            }
        };
        loop {
            let before = match turn {
                Turn::Before(before) => before,
                Turn::Ours(ours) => {
                    let (came, error) = self.send(profile, drift, &ours).await?;
                    self.note(&ours, came, None).await;
                    if let (Came::Refused, Some(error)) = (came, error) {
                        return self.refused(drift, &error.to_string(), error.into());
                    }
                    *sent = Some(ours.that(came));
                    return Ok(Repair::Wait);
                }
            };
            match decide(drift, &before, now.as_second()) {
                Act::Wait => {
                    *sent = (before.came == Came::InUse).then_some(before);
                    return Ok(Repair::Wait);
                }
                Act::Send => {
                    let claimed = updates.claim_again(&name, &before, &fresh(), now).await;
                    turn = claimed.map_err(OpeningError::UpdatesUnknown)?;
                }
                Act::Keep { news } => {
                    if news {
                        self.note(&before, Came::Kept, Some(&drift.way)).await;
                    }
                    return self.kept(drift);
                }
                Act::Failed => {
                    self.note(&before, Came::Refused, None).await;
                    let why = drift.failed.clone().unwrap_or_default();
                    let closed = OpeningError::ProfileFailed(why.clone());
                    return self.refused(drift, &why, closed);
                }
                Act::RefusedBefore => return self.refused_before(drift),
            }
        }
    }

    /// Sends the settings: what came of it, and why not.
    async fn send(
        &self,
        profile: &Profile<'_>,
        drift: &Drift,
        ours: &Sent,
    ) -> Result<(Came, Option<AwsError>), OpeningError> {
        let sent = self.in_turn(Step::Change, || profile.update(drift.settings.clone())).await;
        let accepted = match &sent {
            Ok(()) => true,
            // Nobody knows, unless it is being changed now, or has been.
            Err(error) if error.leaves_open() => {
                matches!(profile.look().await, Ok(Found::Ready | Found::Preparing { .. }))
            }
            Err(_) => false,
        };
        if accepted {
            self.record(Outcome::Updated);
            return Ok((Came::Accepted, None));
        }
        match sent.err() {
            Some(error) if error.kind == Kind::Conflict => {
                let came =
                    if drift::is_believed_in_use(ours) { Came::Refused } else { Came::InUse };
                Ok((came, Some(error)))
            }
            Some(error) if matches!(error.kind, Kind::Denied | Kind::Invalid | Kind::Limit) => {
                Ok((Came::Refused, Some(error)))
            }
            Some(error) => {
                self.note(ours, Came::Unknown, None).await;
                // It was deleted meanwhile: the next look says so.
                if error.kind == Kind::Missing {
                    return Ok((Came::Unknown, None));
                }
                Err(error.into())
            }
            None => Ok((Came::Unknown, None)),
        }
    }

    /// Writes down what came of an update. Where that fails, the next one finds out again.
    async fn note(&self, sent: &Sent, came: Came, way: Option<&str>) {
        let noted = self.opener.updates.came(&self.key.update(), sent, came, way).await;
        if let Err(error) = noted {
            let Facts { reference, account, team, .. } = &self.request.facts;
            warn!(reference, account, team, error = %error, "what came of an update cannot be written down");
        }
    }

    /// The profile is as its mapping wants it after it was sent that. Without that knowledge a change by
    /// hand looks like SageMaker's own way, for a day.
    async fn applied(&self) {
        if let Err(error) = self.opener.updates.applied(&self.key.update()).await {
            let Facts { reference, account, team, .. } = &self.request.facts;
            warn!(reference, account, team, error = %error, "what came of an update cannot be written down");
        }
    }

    /// SageMaker keeps a profile otherwise than it was sent.
    fn kept(&self, drift: &Drift) -> Result<Repair, OpeningError> {
        let Facts { reference, account, team, profile, .. } = &self.request.facts;
        let members = &drift.members;
        if drift.is_of_role() {
            return Err(OpeningError::ProfileFailed(OTHER_ROLE.into()));
        }
        warn!(
            reference,
            account,
            team,
            profile,
            ?members,
            "SageMaker keeps other settings than the mapping's"
        );
        Ok(Repair::Open(self.opener.profile_life))
    }

    /// SageMaker refuses to change a profile: it opens as it is, or is `closed` where it has another role.
    fn refused(
        &self,
        drift: &Drift,
        why: &str,
        closed: OpeningError,
    ) -> Result<Repair, OpeningError> {
        if drift.is_of_role() {
            return Err(match closed {
                OpeningError::Busy(error) => OpeningError::ProfileFailed(error.to_string()),
                closed => closed,
            });
        }
        let members = drift.members.join(", ");
        let hint = excluding(&drift.settings).map(|hint| format!(" ({hint})"));
        let detail = format!("{members}: {why}{}", hint.unwrap_or_default());
        let Facts { reference, account, team, profile, .. } = &self.request.facts;
        warn!(
            reference,
            account, team, profile, detail, "update_refused: the profile opens as it is"
        );
        self.record_with(Outcome::UpdateRefused, Some(&detail));
        Ok(Repair::Open(self.believed_for_now()))
    }

    /// The same, as it was told before.
    fn refused_before(&self, drift: &Drift) -> Result<Repair, OpeningError> {
        if drift.is_of_role() {
            let why = "SageMaker has just refused to change the ExecutionRole";
            return Err(OpeningError::ProfileFailed(why.into()));
        }
        let Facts { reference, account, team, profile, .. } = &self.request.facts;
        let members = &drift.members;
        info!(
            reference,
            account,
            team,
            profile,
            ?members,
            "an update was refused lately, the profile opens as it is"
        );
        Ok(Repair::Open(self.believed_for_now()))
    }

    /// What was refused is tried again.
    fn believed_for_now(&self) -> SignedDuration {
        self.opener.profile_life.min(SignedDuration::from_secs(drift::REFUSED))
    }

    /// Takes the profile over; `false` when the same person's other request was faster.
    async fn adopt(&self, profile: &Profile<'_>, arn: &str) -> Result<bool, OpeningError> {
        match self.in_turn(Step::Change, || profile.adopt(arn)).await {
            Ok(()) => Ok(true),
            Err(error) => match profile.look().await {
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

    /// The space, when it is the team's or the profile's own. What cannot be a space's name is nobody's, and
    /// SageMaker is not asked about it.
    async fn allowed_space(
        &self,
        profile: &Profile<'_>,
        space: &str,
    ) -> Result<String, OpeningError> {
        let teams_own = profile.team.space_name.as_ref().is_some_and(|own| own.as_str() == space);
        if teams_own {
            return Ok(space.to_owned());
        }
        if SpaceName::try_from(space.to_owned()).is_ok()
            && self.in_turn(Step::Look, || profile.owns_space(space)).await?
        {
            Ok(space.to_owned())
        } else {
            Err(OpeningError::SpaceRefused)
        }
    }

    fn record(&self, outcome: Outcome) {
        self.record_with(outcome, None);
    }

    fn record_with(&self, outcome: Outcome, detail: Option<&str>) {
        self.opener.audit.record(self.now, &self.request.facts, outcome, None, detail);
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
