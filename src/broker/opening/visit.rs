//! One request that wants one profile opened: who asks for what, and what is known about the profile.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::error::Stop;
use super::wait::{Reason, Wait};
use crate::aws::cache::Cache;
use crate::aws::line_table::LineTable;
use crate::aws::sagemaker::SageMaker;
use crate::aws::target::Targets;
use crate::aws::updates::Updates;
use crate::broker::audit::{Audit, Facts, Outcome};
use crate::broker::changing::Changing;
use crate::broker::line::{Lines, Queue, Returns};
use crate::broker::time::RequestTime;
use crate::random::hex;
use crate::session::Seen;
use crate::team::owner::Owner;
use crate::team::{Region, Team};

/// Opens profiles.
#[derive(Debug)]
pub struct Opener {
    pub(crate) targets: Targets,
    pub(crate) sagemaker: SageMaker,
    pub(crate) lines: Lines,
    /// Profiles that were seen ready and the owner's, and when (epoch seconds).
    pub(super) ready: Cache<ProfileKey, i64>,
    /// What was sent to which profile: known to all processes.
    pub(super) updates: Updates,
    pub(super) changing: Changing<ProfileKey>,
    pub(super) profile_life: SignedDuration,
    pub(super) url_seconds: u32,
    audit: Audit,
}

/// What the belief "this profile exists, is ready and is the owner's" is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ProfileKey {
    owner: Owner,
    name: String,
    /// Digest of everything in the mapping that the profile depends on.
    mapping: Vec<u8>,
}

/// Who wants what opened.
#[derive(Debug, Clone)]
pub struct OpeningRequest {
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
    /// How the person comes back who has to wait.
    pub returns: Returns,
    /// How long the person has waited on pages that say so.
    pub waited: SignedDuration,
    /// What the session knows about the profile from a visit that another process answered.
    pub seen: Option<Seen>,
}

/// One request that wants one profile opened.
pub(super) struct Visit<'a> {
    pub(super) opener: &'a Opener,
    pub(super) request: &'a OpeningRequest,
    pub(super) key: &'a ProfileKey,
    pub(super) queue: Queue<'a>,
    pub(super) time: RequestTime,
}

/// How long a profile counts as being prepared that was seen so.
const PREPARING_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// … and a line as being there for whose sake somebody was told to come back.
const LATELY: SignedDuration = SignedDuration::from_mins(1);

impl Opener {
    /// An opener whose belief in ready profiles lasts `profile_cache_seconds`.
    pub fn new(
        targets: Targets,
        sagemaker: SageMaker,
        updates: Updates,
        lines: LineTable,
        profile_cache_seconds: u32,
        url_seconds: u32,
        audit: Audit,
    ) -> Self {
        Self {
            targets,
            sagemaker,
            lines: Lines::new(lines),
            ready: Cache::new(20_000),
            updates,
            changing: Changing::default(),
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

    pub(super) fn key(&self, request: &OpeningRequest) -> ProfileKey {
        let OpeningRequest { team, owner, profile, .. } = request;
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
    pub(super) fn update(&self) -> String {
        format!("{} {}", self.name, self.seal())
    }
}

impl<'a> Visit<'a> {
    pub(super) fn new(
        opener: &'a Opener,
        request: &'a OpeningRequest,
        key: &'a ProfileKey,
        time: RequestTime,
    ) -> Self {
        let OpeningRequest { team, facts, returns, .. } = request;
        let place = (&team.account_id, &team.region);
        let queue = Queue::new(&opener.lines, place, *returns, facts, time);
        let visit = Self { opener, request, key, queue, time };
        // Whoever was told that the profile is ready waits for its URL.
        if visit.seen_for(false).is_some_and(|age| age < LATELY) {
            visit.queue.alert();
        }
        visit
    }

    /// Whether the profile was seen ready and the owner's, by this process or by another one that
    /// answered the same waiting person.
    pub(super) async fn is_believed_ready(&self) -> bool {
        self.seen_for(false).is_some_and(|age| age < self.opener.profile_life)
            || self.opener.ready.get(self.key, self.time.now).await.is_some()
    }

    /// How long ago the person was told to come back since SageMaker prepares the profile.
    pub(super) fn preparing_for(&self) -> Option<SignedDuration> {
        self.seen_for(true).filter(|age| *age < PREPARING_LIFE)
    }

    /// Whether that was since it was sent its settings.
    pub(super) fn was_updated(&self) -> bool {
        let seen = self.request.seen.as_ref();
        self.preparing_for().is_some() && seen.is_some_and(|seen| seen.updated)
    }

    /// How long ago the session's person was told what the profile was.
    fn seen_for(&self, preparing: bool) -> Option<SignedDuration> {
        let seen = self.request.seen.as_ref()?;
        let age = SignedDuration::from_secs(self.time.now.as_second().checked_sub(seen.at)?);
        let is_this = seen.preparing == preparing && seen.profile == self.key.seal();
        (is_this && !age.is_negative()).then_some(age)
    }

    pub(super) fn seen(&self, preparing: bool, at: i64) -> Seen {
        Seen { profile: self.key.seal(), preparing, updated: false, at }
    }

    /// The wait of somebody whose profile SageMaker prepares; `updated`: since it was sent its settings.
    pub(super) fn until_prepared(&self, wait: Wait, updated: bool) -> Wait {
        let seen = Seen { updated, ..self.seen(true, self.time.now.as_second()) };
        Wait { reason: Reason::Profile, seen: Some(seen), ..wait }
    }

    /// The same for somebody whose look has to wait for AWS: what they wait for is the profile.
    pub(super) fn while_prepared(&self, stop: Stop, updated: bool) -> Stop {
        match stop {
            Stop::NotYet(wait) => Stop::NotYet(self.until_prepared(wait, updated)),
            failed @ Stop::Failed(_) => failed,
        }
    }

    /// The wait of somebody for AWS, as their page and their session keep it.
    pub(super) async fn for_aws(&self, wait: Wait) -> Wait {
        let now = self.time.now;
        let seen_at = self.opener.ready.get(self.key, now).await;
        let seen = wait.seen.or_else(|| seen_at.map(|at| self.seen(false, at)));
        Wait { since: Some((now - self.request.waited).as_second()), seen, ..wait }
    }

    pub(super) fn record(&self, outcome: Outcome) {
        self.record_with(outcome, None);
    }

    pub(super) fn record_with(&self, outcome: Outcome, detail: Option<&str>) {
        self.opener.audit.record(self.time.now, &self.request.facts, outcome, None, detail);
    }
}
