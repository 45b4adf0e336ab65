//! One opening of a team: from an entitled person to a task that opens.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use super::audit::{Facts, about};
use super::opening::{LOOK_AGAIN, Opening, OpeningRequest, Reason, Wait};
use super::refusal::Refusal;
use super::time::RequestTime;
use super::visitor::Visitor;
use crate::aws::error::AwsError;
use crate::aws::{REQUEST_IDS, RequestIds};
use crate::team::TeamId;
use crate::team::owner::profile_name;

/// Where in Studio a person wants to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Landing {
    /// A landing URI instead of the team's own.
    pub landing_uri: Option<String>,
    /// A space.
    pub space: Option<String>,
}

impl Broker {
    /// Opens one team for the person of a session, or says when to come back, at the latest at `deadline`.
    ///
    /// # Errors
    ///
    /// Why the team is not opened.
    pub async fn open(
        &self,
        visitor: Visitor<'_>,
        team_id: &TeamId,
        landing: Landing,
        facts: &mut Facts,
        time: RequestTime,
    ) -> Result<Opening, Refusal> {
        let Visitor { key, session, returns, waited, .. } = visitor;
        let now = time.now;
        let (team, admission) = self.admitted(visitor, team_id, facts, now).await?;
        let session_seconds = admission.session_seconds(&team, now);
        let owner = session.owner();
        let profile = profile_name(&session.directory, &session.user_id, &team.team_id);
        facts.profile = Some(profile.clone());

        let Landing { landing_uri, space } = landing;
        let facts = facts.clone();
        let seen = session.seen.clone();
        let request = OpeningRequest {
            team,
            owner,
            profile,
            landing_uri,
            space,
            session_seconds,
            facts,
            returns,
            waited,
            seen,
        };
        let (opener, state) = (Arc::clone(&self.opener), self.state.clone());
        let key = key.clone();
        let ids = REQUEST_IDS.try_with(RequestIds::clone).unwrap_or_default();
        // A task of its own: what is under way when the person's patience ends is finished all the
        // same, written to the audit, and found by the next request.
        let place = Arc::clone(&self.openings).acquire_owned().await;
        let opening = tokio::spawn(REQUEST_IDS.scope(ids, async move {
            let _until_the_end = place;
            let opening = opener.open(&request, time).await;
            if let Err(error) = &opening
                && time.left().is_zero()
            {
                let told = "an opening failed after its person was told to wait";
                about!(warn, &request.facts, error = %error, "{told}");
            }
            if let Ok(Opening::NotYet(Wait { seen: Some(seen), .. })) = &opening
                && request.seen.as_ref().is_none_or(|known| !known.says_the_same(seen))
                && let Err(error) = state.remember(&key, seen).await
            {
                about!(info, &request.facts, error = %error, "the session could not remember a profile");
            }
            opening
        }));
        // The opener stops at the deadline by itself; this is for calls that are still under way then.
        match tokio::time::timeout_at(time.deadline + Duration::from_millis(50), opening).await {
            Ok(Ok(outcome)) => outcome.map_err(Refusal::Opening),
            Ok(Err(panicked)) => {
                Err(Refusal::Opening(AwsError::panicked("opening", &panicked).into()))
            }
            Err(_) => Ok(Opening::NotYet(match returns.place() {
                Some(place) => Wait::cut_off(place, now, waited),
                None => Wait::about(Reason::Profile, LOOK_AGAIN),
            })),
        }
    }
}
