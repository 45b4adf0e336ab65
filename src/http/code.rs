//! Every code that an answer can carry: status, who must act, and the words for the person.

use serde::Serialize;
use strict_saml::{Actor, Rejection};

use crate::team::entitlement::Check;

/// One row of `schemas/codes.json`: a code, and what it means to whom.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Code {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// The HTTP status that it comes with.
    pub status: u16,
    /// Who must act.
    pub actor: Actor,
    /// What happened, in a sentence for the person.
    pub sentence: &'static str,
    /// What the person can do next.
    pub next: &'static str,
}

impl Code {
    /// Whether it is one of [`Rejection::CODES`].
    pub(super) fn is_saml_refusal(&self) -> bool {
        Rejection::CODES.iter().any(|row| row.code == self.code)
    }
}

const AGAIN: &str =
    "Sign in again. If it happens again, tell your administrator the reference below.";
const ASK: &str =
    "Tell your administrator the reference below; they can see the reason in the log.";
const LATER: &str =
    "Try again in a minute. If it lasts, tell your administrator the reference below.";

/// Declares the rows and a constant for each, so that the list cannot miss one.
macro_rules! codes {
    ($($name:ident: $code:literal, $status:literal, $actor:ident, $sentence:expr, $next:expr;)*) => {
        $(pub(super) const $name: Code = Code {
            code: $code, status: $status, actor: Actor::$actor, sentence: $sentence, next: $next,
        };)*
        const OWN: &[Code] = &[$($name),*];
    };
}

codes! {
    FORM_MALFORMED: "form_malformed", 400, IdpAdministrator,
        "The sign-in form could not be read.",
        AGAIN;
    IDP_UNKNOWN: "idp_unknown", 403, BrokerAdministrator,
        "The sign-in comes from an identity provider that is not known here.",
        ASK;
    REPLAYED: "replayed", 403, Person,
        "This sign-in was used already.",
        "Go to your teams. If you are asked to, sign in again.";
    OTHER_PERSON: "other_person", 403, Person,
        "This sign-in is for somebody else than the person who last used this browser.",
        "If it is you who should sign in now, delete this browser’s cookies for this site and start \
         again in your portal. If you did not start this sign-in, close this page.";
    USER_ID_UNUSABLE: "user_id_unusable", 403, IdpAdministrator,
        "Your identity provider did not send a usable user id.",
        ASK;
    USER_DENIED: "user_denied", 403, BrokerAdministrator,
        "Your access has been switched off.",
        ASK;
    SESSION_VOID: "session_void", 403, Person,
        "Your sign-in does not count any more, because the connection to your identity provider has \
         changed.",
        AGAIN;
    NOT_ENTITLED: "not_entitled", 403, IdpAdministrator,
        "You have no access to this team, or there is no such team.",
        "Choose one of your teams, or ask whoever grants access in your organization.";
    NO_TEAM: "no_team", 403, IdpAdministrator,
        "You are signed in, but you are not a member of any team yet.",
        "Ask whoever grants access in your organization to add you to a team, then sign in again.";
    TEAM_PAUSED: "team_paused", 403, BrokerAdministrator,
        "This team is paused.",
        "Choose another team, or ask your administrator when it opens again.";
    NETWORK_REFUSED: "network_refused", 403, Person,
        "This team can only be opened from certain networks, and you are not on one of them.",
        "Connect to your organization’s network or VPN and try again.";
    SPACE_REFUSED: "space_refused", 403, Person,
        "This space is not yours, or there is no such space.",
        "Open the team without naming a space.";
    AUTHN_CONTEXT_REFUSED: "authn_context_refused", 403, Person,
        "This needs another kind of sign-in than yours, for example one with a second factor.",
        "Sign in again in the way that is asked for. If that does not help, tell your administrator \
         the reference below.";
    ACCESS_REVOKED: "access_revoked", 403, BrokerAdministrator,
        "Your access to this team has been ended by an administrator.",
        ASK;
    NOT_NAVIGATION: "not_navigation", 403, Person,
        "Studio opens only when a person follows a link.",
        "Open the address itself in a tab of its own.";
    NOT_FOUND: "not_found", 404, Person,
        "There is no such page.",
        "Go to your teams.";
    METHOD_NOT_ALLOWED: "method_not_allowed", 405, Person,
        "This address is used in another way.",
        "Go to your teams.";
    NO_ROOM: "no_room", 503, Person,
        "There was no room for this request, or it did not arrive in time.",
        "Try again in a few seconds. If it happens again, try from a faster connection.";
    BODY_TOO_LARGE: "body_too_large", 413, IdpAdministrator,
        "The sign-in is larger than 512 KB.",
        ASK;
    INTERNAL: "internal", 500, BrokerAdministrator,
        "Something went wrong here.",
        LATER;
    TARGET_DENIED: "target_denied", 502, BrokerAdministrator,
        "The team’s AWS account does not let you in.",
        ASK;
    TARGET_REFUSED: "target_refused", 502, BrokerAdministrator,
        "AWS STS opens no session in the team’s AWS account.",
        ASK;
    DOMAIN_MISSING: "domain_missing", 502, BrokerAdministrator,
        "The team’s Studio domain does not exist.",
        ASK;
    DOMAIN_SSO_MODE: "domain_sso_mode", 502, BrokerAdministrator,
        "The team’s Studio domain is of a kind that cannot be opened from here.",
        ASK;
    PROFILE_FOREIGN: "profile_foreign", 502, BrokerAdministrator,
        "A profile of your name exists in this team, but it is not yours.",
        ASK;
    PROFILE_FAILED: "profile_failed", 502, BrokerAdministrator,
        "SageMaker could not prepare your profile in this team.",
        ASK;
    URL_FOREIGN: "url_foreign", 502, BrokerAdministrator,
        "AWS answered with an address that is not known as Studio’s.",
        ASK;
    QUOTA_REACHED: "quota_reached", 502, BrokerAdministrator,
        "The team’s AWS account has reached a limit.",
        ASK;
    DOOR_UNKNOWN: "door_unknown", 404, Person,
        "This team has no such door.",
        "Go to your teams: each lists what it opens.";
    DOOR_UNAVAILABLE: "door_unavailable", 502, BrokerAdministrator,
        "What you are opening is not there, or does not run.",
        ASK;
    DOOR_UPDATING: "door_updating", 503, Person,
        "What you are opening is being prepared or updated.",
        "Come back in a few minutes.";
    TEAM_INVALID: "team_invalid", 503, BrokerAdministrator,
        "The settings of this team hold a mistake.",
        ASK;
    IDP_INVALID: "idp_invalid", 503, BrokerAdministrator,
        "The settings of your identity provider hold a mistake.",
        ASK;
    GROUPS_UNREADABLE: "groups_unreadable", 503, BrokerAdministrator,
        "Your groups could not be looked up.",
        LATER;
    TABLE_MISSING: "table_missing", 503, BrokerAdministrator,
        "A table that the broker needs cannot be used.",
        ASK;
    PREPARING: "preparing", 503, Person,
        "Your profile is being prepared.",
        "Come back in a few seconds.";
    AWS_BUSY: "aws_busy", 503, Person,
        "AWS is busy.",
        "Come back in a few seconds.";
    AWS_UNREACHABLE: "aws_unreachable", 503, BrokerAdministrator,
        "AWS does not answer.",
        LATER;
}

/// Every code that an answer can carry, the SAML refusals among them, by code.
pub fn codes() -> Vec<Code> {
    let saml = Rejection::CODES.iter().map(saml_code);
    let mut codes: Vec<_> = OWN.iter().copied().chain(saml).collect();
    codes.sort_by_key(|row| row.code);
    codes
}

/// The code of a person for whom this check does not hold.
pub fn code_of_check(check: Check) -> Code {
    match check {
        Check::IdpEnabled | Check::SameDirectory | Check::KeyTrusted => SESSION_VOID,
        Check::NotDenied => USER_DENIED,
        Check::IdpContext | Check::TeamContext => AUTHN_CONTEXT_REFUSED,
        Check::IdpAllows | Check::Entitled => NOT_ENTITLED,
        Check::Readable => TEAM_INVALID,
        Check::Enabled => TEAM_PAUSED,
        Check::Network => NETWORK_REFUSED,
    }
}

/// The row of a refusal of a SAML response.
pub(super) fn saml_code(row: &strict_saml::Code) -> Code {
    let strict_saml::Code { code, actor, sentence } = *row;
    let next = match actor {
        Actor::Person => AGAIN,
        Actor::IdpAdministrator | Actor::BrokerAdministrator => ASK,
    };
    Code { code, status: 403, actor, sentence, next }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_has_words() {
        let codes = codes();
        let unique: HashSet<_> = codes.iter().map(|row| row.code).collect();
        assert_eq!(unique.len(), codes.len());
        for row in &codes {
            assert!(row.sentence.ends_with('.') && row.next.ends_with('.'), "{}", row.code);
            assert!((400..600).contains(&row.status), "{}", row.code);
        }
    }

    #[test]
    fn the_codes_of_the_contract_have_their_status() {
        let codes = codes();
        let status = |code| codes.iter().find(|row| row.code == code).map(|row| row.status);
        for (expected, names) in [
            (400, &["form_malformed"][..]),
            (
                403,
                &[
                    "replayed",
                    "request_unknown",
                    "other_person",
                    "user_id_unusable",
                    "user_denied",
                    "not_entitled",
                    "team_paused",
                    "network_refused",
                    "space_refused",
                    "authn_context_refused",
                    "access_revoked",
                ],
            ),
            (
                502,
                &[
                    "target_denied",
                    "domain_missing",
                    "domain_sso_mode",
                    "profile_foreign",
                    "profile_failed",
                    "quota_reached",
                    "door_unavailable",
                ],
            ),
            (503, &["team_invalid", "idp_invalid", "table_missing", "aws_busy", "aws_unreachable"]),
        ] {
            for name in names {
                assert_eq!(status(*name), Some(expected), "{name}");
            }
        }
    }
}
