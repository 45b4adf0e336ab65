//! From a response to a session: verify, let in, consume.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::admission::{Choice, INDEX_PATIENCE, teams_not_in_time};
use super::audit::{Facts, Outcome, unverified};
use super::refusal::Refusal;
use super::{Broker, to_the_end};
use crate::aws::error::AwsError;
use crate::aws::state_table::{Changed, Claim, Consumed, StateKey};
use crate::aws::tables::Entry;
use crate::session::{Secret, Session, assertion_digest};
use crate::team::idp::Idp;
use strict_saml::{Expected, UnverifiedResponse};

/// How long a sign-in that started here may take, in seconds. Its answer's record outlives it.
pub const REQUEST_SECONDS: i64 = 600;
/// How long a person may take to say that it is them who signs in, in seconds.
pub const PENDING_SECONDS: i64 = 600;

/// What a browser brings to the post of a response.
#[derive(Clone, Copy)]
pub struct Browser<'a> {
    /// IDs of the requests that this browser has open at an `IdP`, by its entity ID.
    pub request_ids_at: &'a (dyn Fn(&str) -> Vec<String> + Sync),
    /// How the person of a session stands to this browser's last owner.
    pub last_owner: &'a (dyn Fn(&Session) -> LastOwner + Sync),
}

/// How a person stands to whoever used a browser last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastOwner {
    /// Nobody has used it.
    Nobody,
    /// It is the same person, from the same `IdP` and directory.
    Themselves,
    /// It is the same person, for whom another `IdP` speaks.
    ThemselvesFromElsewhere,
    /// Somebody else, who signed in at the same `IdP`, with the same directory.
    SomebodyFromThere,
    /// Somebody else, from another `IdP` or directory, or whom nobody can verify.
    SomebodyFromElsewhere,
}

/// An accepted and consumed response.
#[derive(Debug)]
pub struct SignedIn {
    /// Key of the record.
    pub key: StateKey,
    /// What the browser is to hold.
    pub secret: Secret,
    /// The session.
    pub session: Session,
    /// The `IdP` that signed.
    pub idp: Arc<Idp>,
    /// ID of the request that was answered.
    pub in_response_to: Option<String>,
    /// The teams of the person, looked up beside the write.
    pub choices: Result<Vec<Choice>, Refusal>,
}

impl Broker {
    /// Verifies a response and consumes it. Nothing is written before it has verified.
    ///
    /// # Errors
    ///
    /// Why the response is refused, or why nobody knows.
    pub async fn sign_in(
        &self,
        form_value: &[u8],
        browser: Browser<'_>,
        facts: &mut Facts,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<SignedIn, Refusal> {
        let response = UnverifiedResponse::from_base64(form_value)?;
        let issuer = response.unverified_issuer()?;
        facts.unverified.issuer = Some(unverified(&issuer));
        let idp = match self.tables.idp(&issuer, now).await? {
            Entry::Found(idp) if idp.enabled => idp,
            Entry::Found(_) | Entry::Missing => return Err(Refusal::IdpUnknown),
            Entry::Faulty(faults) => return Err(Refusal::IdpInvalid(faults)),
        };
        let request_ids = (browser.request_ids_at)(&idp.entity_id);
        let request_ids: Vec<_> = request_ids.iter().map(String::as_str).collect();
        let expected = Expected { request_ids: &request_ids, unsolicited: idp.allow_unsolicited };
        let assertion = self.service_provider.validate(
            response,
            &idp.metadata,
            idp.require_signed,
            expected,
            now,
        )?;
        facts.unverified.issuer = None;
        facts.idp = Some(idp.entity_id.clone());
        facts.key_fingerprint = Some(assertion.key_fingerprint().to_owned());
        facts.assertion_digest = Some(assertion_digest(&assertion));

        let person = idp.person(&assertion).map_err(Refusal::UserIdUnusable)?;
        let minutes = self.settings.session_minutes;
        let mut session = Session::new(&idp, &person, &assertion, now, minutes);
        facts.directory = Some(person.directory.clone());
        facts.owner = Some(person.owner.to_string());
        self.lets_in(&session, &idp)?;
        let in_response_to = assertion.in_response_to().map(str::to_owned);
        let last_owner = (browser.last_owner)(&session);
        let is_somebody_else =
            matches!(last_owner, LastOwner::SomebodyFromThere | LastOwner::SomebodyFromElsewhere);
        if in_response_to.is_none() && is_somebody_else {
            return Err(Refusal::OtherPerson(idp));
        }
        // At the same identity provider the person has just said there who they are. At another one
        // somebody else may have said it for them.
        session.pending = last_owner == LastOwner::SomebodyFromElsewhere;

        let consumed = Consumed::new(&idp.entity_id, assertion.id(), in_response_to.as_deref());
        let request_ends = in_response_to.is_some().then(|| now.as_second() + REQUEST_SECONDS);
        let request_ends = request_ends.and_then(|second| Timestamp::from_second(second).ok());
        let replayable_until = assertion.replayable_until();
        let replayable_until =
            request_ends.map_or(replayable_until, |end| replayable_until.max(end));
        let secret = Secret::fresh();
        let claimed = self.claim(consumed.clone(), &secret, &session, replayable_until, facts, now);
        // Once the response is consumed the browser must get its session, whatever a look-up does.
        let teams = self.teams(&session, &idp, INDEX_PATIENCE, now);
        let teams = tokio::time::timeout_at(deadline, teams);
        let (claim, choices) = tokio::join!(claimed, teams);
        match claim? {
            Claim::Replayed => Err(Refusal::Replayed),
            Claim::Accepted => {
                let choices = choices.unwrap_or_else(|_| Err(teams_not_in_time()));
                let key = consumed.key;
                Ok(SignedIn { key, secret, session, idp, in_response_to, choices })
            }
        }
    }

    /// Consumes a response and writes its line.
    async fn claim(
        &self,
        consumed: Consumed,
        secret: &Secret,
        session: &Session,
        replayable_until: Timestamp,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<Claim, AwsError> {
        let (state, audit) = (self.state.clone(), self.audit);
        let (secret, session, facts) = (secret.clone(), session.clone(), facts.clone());
        let claim = Box::pin(async move {
            let claim = state.claim(&consumed, &secret, &session, replayable_until).await?;
            if claim == Claim::Accepted {
                let outcome = if session.pending { Outcome::Asked } else { Outcome::SignedIn };
                audit.record(now, &facts, outcome, None, None);
            }
            Ok(claim)
        });
        to_the_end("dynamodb:PutItem", claim).await
    }

    /// Makes the session of somebody count who has said that it is them, and writes their line, once, however
    /// often they say it; whether it was still there.
    ///
    /// # Errors
    ///
    /// The record could not be changed.
    pub async fn confirm(
        &self,
        key: &StateKey,
        secret: &Secret,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let (state, audit) = (self.state.clone(), self.audit);
        let (key, secret, facts) = (key.clone(), secret.clone(), facts.clone());
        let confirm = Box::pin(async move {
            let changed = state.confirm(&key, &secret).await?;
            if changed == Changed::Now {
                audit.record(now, &facts, Outcome::SignedIn, None, None);
            }
            Ok(changed != Changed::Gone)
        });
        to_the_end("dynamodb:UpdateItem", confirm).await
    }
}
