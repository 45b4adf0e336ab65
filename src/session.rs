//! A session: what one accepted response said about one person, for as long as it counts.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::random::{hex, random};
use crate::team::entitlement::Said;
use crate::team::idp::{Idp, Person, values};
use crate::team::owner::Owner;
use strict_saml::Assertion;

/// What is remembered of an accepted response. It grants nothing by itself: every opening decides
/// again with the `IdP` and the team as they are then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Entity ID of the `IdP` that signed.
    pub idp: String,
    /// Directory that the `IdP` had at the sign-in.
    pub directory: String,
    /// The stable user id.
    pub user_id: String,
    /// The subject, by which an identity store finds the user.
    pub name_id: String,
    /// Values of the teams attribute that can be team ids.
    pub teams: Vec<String>,
    /// Values of the groups attribute.
    pub groups: Vec<String>,
    /// The `AuthnContextClassRef`s of the assertion: of which kind the sign-in was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authn_contexts: Vec<String>,
    /// Fingerprint of the key that verified the response.
    pub key_fingerprint: String,
    /// Digest of the assertion's ID, for the audit.
    pub assertion_digest: String,
    /// Moment of the sign-in, epoch seconds.
    pub signed_in_at: i64,
    /// Moment after which nothing can be opened, epoch seconds.
    pub ends_at: i64,
    /// Whether the person has still to say that it is them who signs in here: until then nothing opens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// What the profile was for which its person waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// What a profile was when its person was told to come back: kept in the session, since the next visit
/// may be answered by another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Digest of the owner, the name, and everything in the mapping that the profile depends on.
    pub profile: String,
    /// Whether SageMaker prepares it; otherwise it is ready and the owner's.
    #[serde(default)]
    pub preparing: bool,
    /// Whether it was sent its settings, so that whoever sees them applied writes that down.
    #[serde(default)]
    pub updated: bool,
    /// When it was seen, epoch seconds.
    pub at: i64,
}

impl Seen {
    /// Whether the session need not be told.
    pub fn says_the_same(&self, newer: &Self) -> bool {
        (&self.profile, self.preparing, self.updated)
            == (&newer.profile, newer.preparing, newer.updated)
            && newer.at.saturating_sub(self.at) < TELL_AGAIN
    }
}

/// The session is told again of what it knows for longer than this, in seconds: half as long as an opening
/// takes a profile to be in the making that was seen so.
const TELL_AGAIN: i64 = 300;

/// Why an open session does not count any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionVoid {
    /// The `IdP` was switched off or removed.
    #[error("the identity provider is not enabled any more")]
    IdpDisabled,
    /// The `IdP` speaks for other people now.
    #[error("the identity provider's directory has changed")]
    DirectoryChanged,
    /// The key that verified the response has left the metadata.
    #[error("the key that signed the response is no longer in the identity provider's metadata")]
    KeyRemoved,
}

impl Session {
    /// The session of a verified assertion; ends with the setting, or earlier when the `IdP` says so.
    pub fn new(
        idp: &Idp,
        person: &Person,
        assertion: &Assertion,
        now: Timestamp,
        minutes: u32,
    ) -> Self {
        let now = now.as_second();
        let longest = now + i64::from(minutes) * 60;
        let ends_at = match assertion.session_not_on_or_after() {
            Some(end) => longest.min(end.as_second()),
            None => longest,
        };
        let is_team_id = |value: &&String| crate::team::TeamId::try_from((*value).clone()).is_ok();
        let teams = values(assertion, &idp.teams_attribute);
        let groups = match &idp.groups_attribute {
            Some(name) => values(assertion, name),
            None => &[],
        };
        Self {
            idp: idp.entity_id.clone(),
            directory: person.directory.clone(),
            user_id: person.user_id.clone(),
            name_id: assertion.name_id().value.clone(),
            teams: unique(teams.iter().filter(is_team_id)),
            groups: unique(groups.iter().filter(|group| !group.is_empty())),
            authn_contexts: unique(assertion.authn_contexts().iter()),
            key_fingerprint: assertion.key_fingerprint().to_owned(),
            assertion_digest: assertion_digest(assertion),
            signed_in_at: now,
            ends_at,
            pending: false,
            seen: None,
        }
    }

    /// The person, as AWS sees them.
    pub fn owner(&self) -> Owner {
        Owner::new(&self.directory, &self.user_id)
    }

    /// Whether nothing can be opened any more at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.as_second() >= self.ends_at
    }

    /// What the sign-in said, with the person's groups as they are now.
    pub fn said<'a>(&'a self, groups: &'a [String]) -> Said<'a> {
        Said {
            directory: &self.directory,
            user_id: &self.user_id,
            teams: &self.teams,
            groups,
            authn_contexts: &self.authn_contexts,
            key: Some(&self.key_fingerprint),
        }
    }
}

/// What the audit and the session hold of an assertion's ID: its SHA-256 in hex.
pub fn assertion_digest(assertion: &Assertion) -> String {
    hex(digest(&SHA256, assertion.id().as_bytes()).as_ref())
}

fn unique<'a>(values: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    values.filter(|value| seen.insert(*value)).cloned().collect()
}

/// What a browser holds to prove that a session is its own: 256 bits, fresh for each sign-in. Only
/// its SHA-256 is stored.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A fresh secret.
    pub fn fresh() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::<32>()))
    }

    /// A secret as a browser sent it; `None` when it cannot be one.
    pub fn from_cookie(text: &str) -> Option<Self> {
        (URL_SAFE_NO_PAD.decode(text).ok()?.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text for the cookie.
    pub fn as_cookie(&self) -> &str {
        &self.0
    }

    /// What the form of the page that asks holds: it proves that its sender has seen the page, and gives
    /// nothing away.
    pub fn form_token(&self) -> String {
        hex(digest(&SHA256, format!("continue.{}", self.0).as_bytes()).as_ref())
    }

    /// Whether a form holds this secret's token, in constant time.
    pub fn has_form_token(&self, token: &str) -> bool {
        verify_slices_are_equal(self.form_token().as_bytes(), token.as_bytes()).is_ok()
    }

    /// What the table holds.
    pub fn hash(&self) -> String {
        hex(digest(&SHA256, self.0.as_bytes()).as_ref())
    }

    /// Whether the table's hash is this secret's, in constant time.
    pub fn matches(&self, hash: &str) -> bool {
        verify_slices_are_equal(self.hash().as_bytes(), hash.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::team::entitlement::{self, Check};

    fn idp(change: serde_json::Value) -> Idp {
        let metadata = include_str!("../tests/fixtures/metadata/idp.xml");
        let entity_id =
            strict_saml::IdpMetadata::parse(metadata.as_bytes()).unwrap().entity_id().to_owned();
        let mut item =
            json!({"entity_id": entity_id, "metadata_xml": metadata, "allowed_teams": ["*"]});
        item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Idp::read(item.as_object().unwrap()).unwrap().value
    }

    /// A session of Jane's, which counts.
    pub(crate) fn session() -> Session {
        let idp = idp(json!({}));
        Session {
            key_fingerprint: idp.metadata.signing_keys()[0].fingerprint().to_owned(),
            idp: idp.entity_id,
            directory: idp.directory,
            user_id: "jane".into(),
            name_id: "jane@example.com".into(),
            teams: Vec::new(),
            groups: Vec::new(),
            authn_contexts: Vec::new(),
            assertion_digest: String::new(),
            signed_in_at: 1_000,
            ends_at: 4_600,
            pending: false,
            seen: None,
        }
    }

    #[test]
    fn a_session_ends_with_its_last_second() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let over: Vec<_> = [1_000, 4_599, 4_600, 4_601].map(|s| session().is_over(at(s))).into();
        assert_eq!(over, [false, false, true, true]);
    }

    #[test]
    fn a_session_counts_as_long_as_its_idp_would_say_the_same() {
        let void = |change| entitlement::person(&idp(change), &session().said(&[]));
        assert_eq!(void(json!({})), Ok(()));
        assert_eq!(void(json!({"directory": "default"})), Ok(()));
        assert_eq!(void(json!({"directory": "others"})), Err(Check::SameDirectory));
        assert_eq!(void(json!({"enabled": false})), Err(Check::IdpEnabled));
        assert_eq!(void(json!({"denied_users": ["jane"]})), Err(Check::NotDenied));
        assert_eq!(void(json!({"denied_users": ["john"]})), Ok(()));
        let signed_by_another = Session { key_fingerprint: "other".into(), ..session() };
        let idp = idp(json!({}));
        let said = signed_by_another.said(&[]);
        assert_eq!(entitlement::person(&idp, &said), Err(Check::KeyTrusted));
        let contexts = json!({"authn_contexts": ["urn:mfa"]});
        assert_eq!(void(contexts.clone()), Err(Check::IdpContext));
        let by_mfa = Session { authn_contexts: vec!["urn:mfa".into()], ..session() };
        let idp = self::idp(contexts);
        assert_eq!(entitlement::person(&idp, &by_mfa.said(&[])), Ok(()));
    }

    /// The assertion of one of the fixtures, which were signed for this service and this moment.
    fn assertion(response: &str) -> Assertion {
        let provider = strict_saml::ServiceProvider {
            entity_id: "https://sp.example/metadata".into(),
            acs_url: "https://sp.example/acs".into(),
            clock_skew: jiff::SignedDuration::ZERO,
            decryption_keys: strict_saml::DecryptionKeys::default(),
        };
        let metadata = include_bytes!("../tests/fixtures/metadata/fixtures.xml");
        let idp = strict_saml::IdpMetadata::parse(metadata).unwrap();
        let response = strict_saml::UnverifiedResponse::from_xml(response.as_bytes()).unwrap();
        let expected = strict_saml::Expected { request_ids: &[], unsolicited: true };
        let required = strict_saml::RequireSigned::Either;
        provider.validate(response, &idp, required, expected, noon()).unwrap()
    }

    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn signed_in(idp: &Idp, assertion: &Assertion, minutes: u32) -> Session {
        let person = idp.person(assertion).unwrap();
        Session::new(idp, &person, assertion, noon(), minutes)
    }

    #[test]
    fn a_session_holds_of_a_response_what_can_count_and_each_value_once() {
        let assertion = assertion(include_str!("../tests/fixtures/responses/attributes.xml"));
        let idp = idp(json!({"groups_attribute": "teamid"}));
        let session = signed_in(&idp, &assertion, 480);
        assert_eq!((&*session.user_id, &*session.name_id), ("u-1", "ann@example.org"));
        // Of "team1", "team2", "team1" and "".
        assert_eq!(session.teams, ["team1", "team2"]);
        assert_eq!(session.groups, ["team1", "team2"]);
        assert_eq!(session.key_fingerprint, assertion.key_fingerprint());
        // echo -n _a1 | sha256sum
        let digest = "7767c65d3f738eda8e8dbb7937947828bbc078bed149b2319bcb67700471eede";
        assert_eq!(session.assertion_digest, digest);
        assert_eq!(session.signed_in_at, noon().as_second());
        assert!(!session.pending && session.seen.is_none());
        assert_eq!(session.owner(), Owner::new(&session.directory, "u-1"));
        assert_eq!(signed_in(&self::idp(json!({})), &assertion, 480).groups, [""; 0]);
    }

    #[test]
    fn a_session_lasts_as_long_as_the_setting_says_and_no_longer_than_the_idps_own() {
        let idp = idp(json!({}));
        let none = assertion(include_str!("../tests/fixtures/responses/attributes.xml"));
        assert_eq!(signed_in(&idp, &none, 1).ends_at, noon().as_second() + 60);
        // Its end is 2026-11-23T00:00:00.123Z: twelve hours.
        let twelve =
            assertion(include_str!("../tests/fixtures/responses/shape-identity-center.xml"));
        let lasts = |minutes| {
            let person = Person {
                directory: "default".into(),
                user_id: "u-1".into(),
                owner: Owner::new("default", "u-1"),
            };
            let session = Session::new(&idp, &person, &twelve, noon(), minutes);
            session.ends_at - session.signed_in_at
        };
        assert_eq!([719, 720, 721].map(lasts), [719 * 60, 720 * 60, 720 * 60]);
    }

    #[test]
    fn what_was_seen_is_told_again_when_it_changes_or_after_five_minutes() {
        let seen = |profile: &str, preparing, updated, at| {
            let profile = profile.to_owned();
            Seen { profile, preparing, updated, at }
        };
        let told = seen("p", false, false, 1_000);
        assert!(told.says_the_same(&seen("p", false, false, 1_000)));
        assert!(told.says_the_same(&seen("p", false, false, 1_299)));
        assert!(!told.says_the_same(&seen("p", false, false, 1_300)));
        assert!(!told.says_the_same(&seen("p", false, false, 1_301)));
        assert!(!told.says_the_same(&seen("other", false, false, 1_000)));
        assert!(!told.says_the_same(&seen("p", true, false, 1_000)));
        assert!(!told.says_the_same(&seen("p", false, true, 1_000)));
    }

    #[test]
    fn a_session_says_what_its_sign_in_said_and_the_groups_of_now() {
        let session = Session {
            teams: vec!["team1".into()],
            groups: vec!["then".into()],
            authn_contexts: vec!["urn:mfa".into()],
            ..session()
        };
        let now = ["now".to_owned()];
        let said = session.said(&now);
        assert_eq!((said.directory, said.user_id), (&*session.directory, "jane"));
        assert_eq!((said.teams, said.groups), (&*session.teams, &now[..]));
        assert_eq!(said.authn_contexts, session.authn_contexts);
        assert_eq!(said.key, Some(&*session.key_fingerprint));
    }

    #[test]
    fn digests_are_written_in_hexadecimal() {
        assert_eq!(hex(&[0x00, 0x0f, 0xf0, 0x5a, 0xa5, 0xff]), "000ff05aa5ff");
    }

    #[test]
    fn secrets_are_of_256_bits_and_fresh() {
        let (a, b) = (random::<32>(), random::<32>());
        assert!(a != b && a.iter().any(|byte| *byte != a[0]));
        let secret = Secret::fresh();
        assert_eq!(URL_SAFE_NO_PAD.decode(secret.as_cookie()).unwrap().len(), 32);
        assert_eq!(secret.hash(), hex(digest(&SHA256, secret.as_cookie().as_bytes()).as_ref()));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for (bytes, is_one) in [(31, false), (32, true), (33, false)] {
            let text = URL_SAFE_NO_PAD.encode(vec![7; bytes]);
            assert_eq!(Secret::from_cookie(&text).is_some(), is_one, "{bytes} bytes");
        }
    }

    #[test]
    fn a_form_token_is_its_secrets_own_and_not_the_secret() {
        let (a, b) = (Secret::fresh(), Secret::fresh());
        assert!(a.has_form_token(&a.form_token()) && !a.has_form_token(&b.form_token()));
        assert!(!a.has_form_token("") && !a.has_form_token(&a.hash()));
        assert!(!a.form_token().contains(a.as_cookie()));
    }

    #[test]
    fn a_secret_matches_its_own_hash_only() {
        let (a, b) = (Secret::fresh(), Secret::fresh());
        assert!(a.matches(&a.hash()) && !a.matches(&b.hash()));
        assert!(Secret::from_cookie(a.as_cookie()).unwrap().matches(&a.hash()));
        assert!(!a.matches("") && !a.matches(a.as_cookie()));
        assert!(Secret::from_cookie("short").is_none());
        assert!(!format!("{a:?}").contains(a.as_cookie()));
    }
}
