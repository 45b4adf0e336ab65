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

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{info, warn};

use super::opening::{NOT_ASKED, Opener, Opening, OpeningError, Reason, Wait};
use super::turns::{Line, Step, spread};
use super::{Broker, Facts, Refusal};
use crate::aws::door::{Knock, Life, State};
use crate::aws::error::{AwsError, Kind};
use crate::session::{Session, random};
use crate::team::door::Door;
use crate::team::idp::Idp;
use crate::team::owner::Owner;
use crate::team::{DoorId, Team, TeamId};

/// Who stands before a door.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// Their session.
    pub session: &'a Session,
    /// The `IdP` that signed, as it is now.
    pub idp: &'a Arc<Idp>,
    /// Their address.
    pub client: Option<IpAddr>,
    /// How long they have waited on pages that say so; `None` for a client that cannot tell.
    pub waited: Option<SignedDuration>,
}

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
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Opening, Refusal> {
        let Visitor { session, idp, client, waited } = visitor;
        let (team, admission) = self.admitted(session, idp, team_id, client, facts, now).await?;
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
        let visit = Visit { opener, team, door, owner: &owner, life, facts, waited, now };
        match tokio::time::timeout_at(deadline, Box::pin(visit.open())).await {
            Ok(Err(OpeningError::Busy(error))) => Ok(Opening::NotYet(visit.wait_after(&error))),
            Ok(opening) => opening.map_err(Refusal::Opening),
            Err(_) => Ok(Opening::NotYet(Wait::for_aws())),
        }
    }
}

/// One request that wants one door opened.
#[derive(Clone, Copy)]
struct Visit<'a> {
    opener: &'a Opener,
    team: &'a Team,
    door: &'a Door,
    owner: &'a Owner,
    life: Life,
    facts: &'a Facts,
    waited: Option<SignedDuration>,
    now: Timestamp,
}

impl Visit<'_> {
    async fn open(&self) -> Result<Opening, OpeningError> {
        // Whoever is going to be told to come back is told so before the first call.
        self.until_due(self.step())?;
        let credentials = self.assume().await?;
        match self.open_with(&credentials).await {
            // The credentials were revoked, or a clock is off: once more with fresh ones.
            Err(OpeningError::TargetDenied(error)) if error.kind == Kind::Credentials => {
                let Facts { reference, account, .. } = self.facts;
                info!(reference, account, team = %self.team.team_id, error = %error, "credentials are not accepted any more, assuming the role again");
                self.opener.targets.forget(self.team, self.owner).await;
                let credentials = self.assume().await?;
                self.open_with(&credentials).await
            }
            outcome => outcome,
        }
    }

    async fn open_with(&self, credentials: &Credentials) -> Result<Opening, OpeningError> {
        let Self { team, door, .. } = self;
        let sagemaker = &self.opener.sagemaker;
        let client = sagemaker.client(&team.region, self.now).await;
        let knock = Knock { client: &client, credentials: Some(credentials), door };
        let asked = knock.open(self.life, &team.region, &sagemaker.further_hosts);
        match self.in_turn(self.step(), asked).await {
            Ok(url) => Ok(Opening::Ready(url)),
            Err(error) if matches!(error.kind, Kind::Missing | Kind::Invalid | Kind::Conflict) => {
                self.why_not(knock, error).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is behind a door for which SageMaker gives no URL: its answer does not say.
    async fn why_not(&self, knock: Knock<'_>, refused: AwsError) -> Result<Opening, OpeningError> {
        let behind = match knock.look().await {
            Ok(behind) => behind,
            Err(error) if error.kind == Kind::Missing => {
                return Err(OpeningError::DoorMissing(error));
            }
            // A role that may not look tells nothing, and the first answer is all there is.
            Err(error) if error.kind == Kind::Denied => {
                return Err(match refused.kind {
                    Kind::Missing => OpeningError::DoorMissing(refused),
                    _ => OpeningError::DoorRefused(refused),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let Facts { reference, account, .. } = self.facts;
        let (team, door, status) = (&self.team.team_id, &self.door.id, behind.status.as_str());
        info!(reference, account, %team, %door, status, error = %refused, "a door gives no URL");
        match behind.state {
            State::Changes => Ok(Opening::NotYet(Wait {
                reason: Reason::Door,
                seconds: spread(LOOK_AGAIN, random()),
                since: None,
                seen: None,
            })),
            State::Shut => Err(OpeningError::DoorShut(behind.status)),
            State::Runs if refused.kind == Kind::Conflict => Err(OpeningError::Busy(refused)),
            State::Runs => Err(OpeningError::DoorRefused(refused)),
        }
    }

    async fn assume(&self) -> Result<Credentials, AwsError> {
        let targets = &self.opener.targets;
        if let Some(credentials) = targets.remembered(self.team, self.owner, self.now).await {
            return Ok(credentials);
        }
        let assumed = targets.assume(self.team, self.owner, self.now);
        self.in_turn(Step::Assume, assumed).await
    }

    /// Makes a call when it is this person's turn, and learns from the answer.
    async fn in_turn<T>(
        &self,
        step: Step,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        self.until_due(step)?;
        let answer = Box::pin(call).await;
        let (turns, line) = (&self.opener.turns, self.line(step));
        match &answer {
            Err(error) if error.kind == Kind::Throttled => {
                turns.throttled(&line, self.waited.unwrap_or_default(), self.now);
            }
            // Whether it was let through is not known.
            Err(error) if error.leaves_open() => {}
            // Whatever AWS says to it, the call was let through.
            _ => turns.served(&line),
        }
        answer
    }

    fn until_due(&self, step: Step) -> Result<(), AwsError> {
        // A client that cannot say how long it has waited would never be due.
        let Some(waited) = self.waited else { return Ok(()) };
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

    /// When to come back after a call that was throttled, or not made.
    fn wait_after(&self, error: &AwsError) -> Wait {
        if error.code != NOT_ASKED {
            let Facts { reference, team, account, region, door, .. } = self.facts;
            warn!(reference, team, account, region, door, error = %error, "AWS throttles");
        }
        let is_assume = error.operation == Step::Assume.operation();
        let step = if is_assume { Step::Assume } else { self.step() };
        let waited = self.waited.unwrap_or_default();
        let due = self.opener.turns.come_back(&self.line(step), waited, self.now);
        let since = Some((self.now - waited).as_second());
        Wait { reason: Reason::Aws, seconds: spread(due, random()), since, seen: None }
    }

    fn step(&self) -> Step {
        Step::Door(self.door.kind)
    }

    fn line(&self, step: Step) -> Line {
        Line::new(&self.team.account_id, &self.team.region, step)
    }
}
