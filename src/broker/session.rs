//! What a browser's cookie still proves, and how a session ends.

use std::sync::Arc;

use jiff::Timestamp;

use super::audit::{Facts, Outcome};
use super::refusal::Refusal;
use super::sign_in::PENDING_SECONDS;
use super::{Broker, to_the_end};
use crate::aws::error::AwsError;
use crate::aws::state_table::{Changed, StateKey};
use crate::aws::tables::Entry;
use crate::session::{Secret, Session, SessionVoid};
use crate::team::entitlement::{self, Check};
use crate::team::idp::Idp;

impl Broker {
    /// The session that a browser's cookie proves, and its `IdP` as it is now; `None` when the browser
    /// has to sign in (again).
    ///
    /// # Errors
    ///
    /// The session does not count any more, or nobody knows.
    pub async fn session(
        &self,
        key: &StateKey,
        secret: &Secret,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<Option<(Session, Arc<Idp>)>, Refusal> {
        let found = self.state.session(key, secret).await?;
        let Some(session) = found.filter(|session| !session.pending) else { return Ok(None) };
        self.still_counts(session, facts, now).await
    }

    /// The same of a session whose person has still to say that it is them.
    ///
    /// # Errors
    ///
    /// The session does not count any more, or nobody knows.
    pub async fn pending_session(
        &self,
        key: &StateKey,
        secret: &Secret,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<Option<(Session, Arc<Idp>)>, Refusal> {
        let is_fresh = |session: &Session| {
            session.pending && now.as_second() - session.signed_in_at < PENDING_SECONDS
        };
        let found = self.state.session(key, secret).await?;
        let Some(session) = found.filter(is_fresh) else { return Ok(None) };
        self.still_counts(session, facts, now).await
    }

    async fn still_counts(
        &self,
        session: Session,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<Option<(Session, Arc<Idp>)>, Refusal> {
        if session.is_over(now) {
            return Ok(None);
        }
        facts.of_session(&session);
        let idp = match self.tables.idp(&session.idp, now).await? {
            Entry::Found(idp) => idp,
            Entry::Missing => return Err(Refusal::SessionVoid(SessionVoid::IdpDisabled)),
            Entry::Faulty(faults) => return Err(Refusal::IdpInvalid(faults)),
        };
        self.lets_in(&session, &idp)?;
        Ok(Some((session, idp)))
    }

    /// Holds what a sign-in said against the `IdP` as it is now.
    pub(super) fn lets_in(&self, session: &Session, idp: &Arc<Idp>) -> Result<(), Refusal> {
        entitlement::person(idp, &session.said(&[])).map_err(|check| match check {
            Check::IdpEnabled => Refusal::SessionVoid(SessionVoid::IdpDisabled),
            Check::SameDirectory => Refusal::SessionVoid(SessionVoid::DirectoryChanged),
            Check::KeyTrusted => Refusal::SessionVoid(SessionVoid::KeyRemoved),
            Check::IdpContext => {
                let asked = idp.authn_contexts.clone().unwrap_or_default();
                let said = session.authn_contexts.clone();
                Refusal::AuthnContextRefused { idp: Arc::clone(idp), team: None, asked, said }
            }
            _ => Refusal::UserDenied,
        })
    }

    /// Ends a session, and writes the line of who ended it and why, once, however often it is ended: of a
    /// sign-out, or with a code of a sign-in that its person did not want.
    ///
    /// # Errors
    ///
    /// The record could not be changed.
    pub async fn end(
        &self,
        key: &StateKey,
        secret: &Secret,
        code: Option<&'static str>,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let (state, audit) = (self.state.clone(), self.audit);
        let (key, secret, facts) = (key.clone(), secret.clone(), facts.clone());
        let end = Box::pin(async move {
            if state.end(&key, &secret).await? == Changed::Now {
                let outcome = if code.is_some() { Outcome::Refused } else { Outcome::SignedOut };
                audit.record(now, &facts, outcome, code, None);
            }
            Ok(())
        });
        to_the_end("dynamodb:UpdateItem", end).await
    }
}

impl Facts {
    /// Takes over what a session says about its person and how they signed in.
    pub fn of_session(&mut self, session: &Session) {
        self.idp = Some(session.idp.clone());
        self.directory = Some(session.directory.clone());
        self.owner = Some(session.owner().to_string());
        self.assertion_digest = Some(session.assertion_digest.clone());
        self.key_fingerprint = Some(session.key_fingerprint.clone());
    }
}
