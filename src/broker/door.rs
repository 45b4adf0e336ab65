//! One opening of a door: from an entitled person and a door of a team to a presigned URL.
//!
//! ```text
//! AssumeRole ──► presign ──► the URL
//!                   └─ refused ──► Describe ──► not there, does not run: refuse
//!                                               being prepared or updated: wait
//! ```
//!
//! Nothing is made for it, so a person who comes for the first time waits for nothing. What comes of a call
//! that is throttled, fails, hangs or whose answer is lost is a table, `tests/system/faults.md`.

use std::time::Duration;

use aws_credential_types::Credentials;
use jiff::Timestamp;

use super::Broker;
use super::audit::{Facts, about};
use super::line::{Queue, Step, Unserved};
use super::opening::{NOT_ACCEPTED, Opener, Opening, OpeningError, Reason, Stop, Wait};
use super::refusal::Refusal;
use super::time::RequestTime;
use super::visitor::Visitor;
use crate::aws::door::{Knock, Life, State};
use crate::aws::error::{AwsError, Kind};
use crate::aws::studio_url::StudioUrl;
use crate::team::door::Door;
use crate::team::owner::Owner;
use crate::team::{DoorId, Team, TeamId};

/// When a page comes back that waits for something that takes minutes.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Broker {
    /// Opens one door of a team for the person of a session, or says when to come back, at the latest at
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// Why the door is not opened.
    pub async fn open_door(
        &self,
        visitor: Visitor<'_>,
        team_id: &TeamId,
        door_id: &DoorId,
        facts: &mut Facts,
        time: RequestTime,
    ) -> Result<Opening, Refusal> {
        let Visitor { session, returns, waited, .. } = visitor;
        let now = time.now;
        let (team, admission) = self.admitted(visitor, team_id, facts, now).await?;
        let door = team.door(door_id).ok_or(Refusal::DoorUnknown)?;
        facts.door = Some(door.id.to_string());
        facts.door_kind = Some(door.kind);
        facts.unverified.door = None;
        let life = Life {
            url_seconds: self.settings.url_seconds,
            session_seconds: admission.seconds_of(door.session_duration_seconds, now),
        };
        let owner = session.owner();
        let (opener, team) = (&*self.opener, &*team);
        let account = (&team.account_id, &team.region);
        let queue = Queue::new(&opener.lines, account, returns, facts, time);
        let visit = DoorVisit { opener, team, door, owner: &owner, life, facts, queue, now };
        let wait = match tokio::time::timeout_at(time.deadline, Box::pin(visit.open())).await {
            Ok(Ok(url)) => return Ok(Opening::Ready(url)),
            Ok(Err(Stop::NotYet(wait))) => wait,
            Ok(Err(Stop::Failed(OpeningError::Busy(error)))) => {
                about!(warn, visit.facts, error = %error, "AWS throttles");
                Wait { place: returns.place(), ..Wait::for_aws() }
            }
            Ok(Err(Stop::Failed(error))) => return Err(Refusal::Opening(error)),
            Err(_) => Wait { place: returns.place(), ..Wait::for_aws() },
        };
        let since = (wait.reason == Reason::Aws).then(|| (now - waited).as_second());
        Ok(Opening::NotYet(Wait { since, ..wait }))
    }
}

/// One request that wants one door opened.
struct DoorVisit<'a> {
    opener: &'a Opener,
    team: &'a Team,
    door: &'a Door,
    owner: &'a Owner,
    life: Life,
    facts: &'a Facts,
    queue: Queue<'a>,
    now: Timestamp,
}

impl DoorVisit<'_> {
    async fn open(&self) -> Result<StudioUrl, Stop> {
        // Whoever is going to be told to come back is told so before the first call.
        self.queue.until_called(self.step()).await?;
        let credentials = self.assume().await?;
        match self.open_with(&credentials).await {
            // The credentials were revoked, or a clock is off: once more with fresh ones.
            Err(Stop::Failed(OpeningError::TargetDenied(error)))
                if error.kind == Kind::Credentials =>
            {
                about!(info, self.facts, error = %error, "{NOT_ACCEPTED}");
                self.opener.targets.forget(self.team, self.owner).await;
                let credentials = self.assume().await?;
                self.open_with(&credentials).await
            }
            outcome => outcome,
        }
    }

    async fn open_with(&self, credentials: &Credentials) -> Result<StudioUrl, Stop> {
        let Self { team, door, .. } = self;
        let sagemaker = &self.opener.sagemaker;
        let client = sagemaker.client(&team.region, self.now).await;
        let knock = Knock { client: &client, credentials: Some(credentials), door };
        let ask = || knock.open(self.life, &team.region, &sagemaker.further_hosts);
        match self.queue.in_turn(self.step(), ask).await {
            Err(Unserved::Failed(error))
                if matches!(error.kind, Kind::Missing | Kind::Invalid | Kind::Conflict) =>
            {
                Err(self.why_not(knock, error).await)
            }
            asked => Ok(asked?),
        }
    }

    /// What is behind a door for which SageMaker gives no URL: its answer does not say.
    async fn why_not(&self, knock: Knock<'_>, refused: AwsError) -> Stop {
        let behind = match knock.look().await {
            Ok(behind) => behind,
            Err(error) if error.kind == Kind::Missing => {
                return OpeningError::DoorMissing(error).into();
            }
            // A role that may not look tells nothing, and the first answer is all there is.
            Err(error) if error.kind == Kind::Denied => {
                return match refused.kind {
                    Kind::Missing => OpeningError::DoorMissing(refused).into(),
                    _ => OpeningError::DoorRefused(refused).into(),
                };
            }
            Err(error) => return error.into(),
        };
        let status = behind.status.as_str();
        about!(info, self.facts, status, error = %refused, "a door gives no URL");
        match behind.state {
            State::Changes => Stop::NotYet(Wait::about(Reason::Door, LOOK_AGAIN)),
            State::Shut => OpeningError::DoorShut(behind.status).into(),
            State::Runs if refused.kind == Kind::Conflict => OpeningError::Busy(refused).into(),
            State::Runs => OpeningError::DoorRefused(refused).into(),
        }
    }

    async fn assume(&self) -> Result<Credentials, Stop> {
        let (targets, team, owner) = (&self.opener.targets, self.team, self.owner);
        if let Some(credentials) = targets.remembered(team, owner, self.now).await {
            return Ok(credentials);
        }
        let assume = || targets.assume(team, owner, self.now);
        Ok(self.queue.in_turn(Step::Assume, assume).await?)
    }

    fn step(&self) -> Step {
        Step::Door(self.door.kind)
    }
}
