//! Who calls: told by the access key id in the Signature Version 4 header.
//!
//! - an access key that `AssumeRole` issued is that session, until it expires;
//! - twelve digits are an administrator of the account with that number;
//! - everything else is the hub: the account that the broker itself runs in.
//!
//! Signatures are not checked. Nothing here is worth protecting, and any secret works.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, header};
use jiff::{Timestamp, ToSpan as _};

use super::{policy::Policy, refusal::Refusal};

/// The account that the broker runs in.
pub const HUB_ACCOUNT: &str = "111111111111";
/// The role that the broker runs with, in [`HUB_ACCOUNT`].
pub const HUB_ROLE: &str = "StudioBrokerHub";
/// The organization of hub and spokes.
pub const ORGANIZATION: &str = "o-localhub01";

/// Marks access keys as ours: one that is not known any more is refused, not taken for the hub.
const ISSUED_PREFIX: &str = "ASIASIM";

/// The caller of one request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) principal: Principal,
}

#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// A twelve-digit access key: may do everything in its account.
    Administrator,
    /// Any other credentials: the broker's own role.
    Hub,
    /// Credentials that `AssumeRole` issued.
    Session(Arc<Session>),
}

/// One assumed role, as STS issued it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) access_key_id: String,
    pub(crate) session_token: String,
    pub(crate) account: String,
    pub(crate) role_arn: String,
    /// `arn:…:sts::<account>:assumed-role/<role name>/<session name>`
    pub(crate) arn: String,
    pub(crate) role_id: String,
    pub(crate) session_name: String,
    pub(crate) tags: Vec<(String, String)>,
    /// The session policy given with `AssumeRole`: it only ever takes away.
    pub(crate) policy: Option<Policy>,
    pub(crate) expires: Timestamp,
}

impl Session {
    /// The value of a session tag; keys fold case.
    pub(crate) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
    }
}

impl Caller {
    /// The ARN that `GetCallerIdentity` and error messages name.
    pub(crate) fn arn(&self) -> String {
        match &self.principal {
            Principal::Administrator => format!("arn:aws:iam::{}:user/administrator", self.account),
            Principal::Hub => {
                format!("arn:aws:sts::{HUB_ACCOUNT}:assumed-role/{HUB_ROLE}/studio-broker")
            }
            Principal::Session(session) => session.arn.clone(),
        }
    }

    /// The session, if the caller is one.
    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.principal {
            Principal::Session(session) => Some(session),
            Principal::Administrator | Principal::Hub => None,
        }
    }
}

/// What has been issued and may still be used.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    issued: Mutex<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    /// Reads the caller from the request's headers.
    ///
    /// # Errors
    ///
    /// [`Refusal::MissingCredentials`], [`Refusal::UnknownCredentials`] (also for a session token
    /// that does not belong to the access key) or [`Refusal::Expired`].
    pub(crate) fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Refusal> {
        let (access_key_id, region) = credential_scope(headers)?;
        let token = headers.get("x-amz-security-token").and_then(|v| v.to_str().ok());
        if let Some(session) = self.lock().get(access_key_id).cloned() {
            if token != Some(session.session_token.as_str()) {
                return Err(Refusal::UnknownCredentials);
            }
            if now >= session.expires {
                return Err(Refusal::Expired);
            }
            return Ok(Caller {
                account: session.account.clone(),
                region: region.into(),
                principal: Principal::Session(session),
            });
        }
        if access_key_id.starts_with(ISSUED_PREFIX) {
            return Err(Refusal::UnknownCredentials);
        }
        let (account, principal) = if is_account(access_key_id) {
            (access_key_id, Principal::Administrator)
        } else {
            (HUB_ACCOUNT, Principal::Hub)
        };
        Ok(Caller { account: account.into(), region: region.into(), principal })
    }

    /// Remembers a session. Those that ended more than an hour ago are forgotten.
    pub(crate) fn add(&self, session: Session, now: Timestamp) {
        let mut issued = self.lock();
        if let Ok(long_ago) = now.checked_sub(1.hour()) {
            issued.retain(|_, session| session.expires > long_ago);
        }
        issued.insert(session.access_key_id.clone(), Arc::new(session));
    }

    /// Ends every session at once; how many there were.
    pub(crate) fn expire_all(&self) -> usize {
        let mut issued = self.lock();
        for session in issued.values_mut() {
            *session = Arc::new(Session {
                access_key_id: session.access_key_id.clone(),
                session_token: session.session_token.clone(),
                account: session.account.clone(),
                role_arn: session.role_arn.clone(),
                arn: session.arn.clone(),
                role_id: session.role_id.clone(),
                session_name: session.session_name.clone(),
                tags: session.tags.clone(),
                policy: session.policy.clone(),
                expires: Timestamp::UNIX_EPOCH,
            });
        }
        issued.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fresh access key id.
pub(crate) fn access_key_id() -> Result<String, aws_lc_rs::error::Unspecified> {
    Ok(format!("{ISSUED_PREFIX}{}", super::random::upper(13)?))
}

/// Access key id and Region of
/// `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`.
fn credential_scope(headers: &HeaderMap) -> Result<(&str, &str), Refusal> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once("Credential="))
        .and_then(|(_, scope)| scope.split([',', ' ']).next())
        .and_then(|scope| {
            let mut parts = scope.split('/');
            let (key, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
            (!key.is_empty() && !region.is_empty()).then_some((key, region))
        })
        .ok_or(Refusal::MissingCredentials)
}

/// Twelve ASCII digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(key: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261122/eu-west-1/sts/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    fn session(expires: Timestamp) -> Session {
        Session {
            access_key_id: "ASIASIMX".into(),
            session_token: "token".into(),
            account: "222222222222".into(),
            role_arn: "arn:aws:iam::222222222222:role/R".into(),
            arn: "arn:aws:sts::222222222222:assumed-role/R/ann".into(),
            role_id: "AROAX:ann".into(),
            session_name: "ann".into(),
            tags: vec![("Team".into(), "team1".into())],
            policy: None,
            expires,
        }
    }

    #[test]
    fn twelve_digits_are_that_account_and_anything_else_is_the_hub() {
        let sessions = Sessions::default();
        for (key, account) in
            [("444444444444", "444444444444"), ("test", HUB_ACCOUNT), ("AKIAEXAMPLE", HUB_ACCOUNT)]
        {
            let caller = sessions.caller(&headers(key), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!((caller.account.as_str(), caller.region.as_str()), (account, "eu-west-1"));
        }
    }

    #[test]
    fn a_session_needs_its_own_token_and_ends_in_time() {
        let sessions = Sessions::default();
        let start = Timestamp::UNIX_EPOCH;
        sessions.add(session(start + 1.hour()), start);
        let mut headers = headers("ASIASIMX");
        let refused = sessions.caller(&headers, start).unwrap_err();
        assert_eq!(refused, Refusal::UnknownCredentials);
        headers.insert("x-amz-security-token", "token".parse().unwrap());
        let caller = sessions.caller(&headers, start).unwrap();
        assert_eq!(caller.session().and_then(|s| s.tag("team")), Some("team1"));
        let late = sessions.caller(&headers, start + 1.hour()).unwrap_err();
        assert_eq!(late, Refusal::Expired);
        sessions.expire_all();
        assert_eq!(sessions.caller(&headers, start).unwrap_err(), Refusal::Expired);
    }

    #[test]
    fn an_issued_key_that_is_forgotten_is_not_taken_for_the_hub() {
        let refused = Sessions::default().caller(&headers("ASIASIMOLD"), Timestamp::UNIX_EPOCH);
        assert_eq!(refused.unwrap_err(), Refusal::UnknownCredentials);
    }

    #[test]
    fn a_request_without_credentials_is_refused() {
        let refused = Sessions::default().caller(&HeaderMap::new(), Timestamp::UNIX_EPOCH);
        assert_eq!(refused.unwrap_err(), Refusal::MissingCredentials);
    }
}
