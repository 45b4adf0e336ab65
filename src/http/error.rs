//! The only way from a failure to a status, a code, words, and a line in the log.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::teams::Destination;
use super::{Context, Response, pages};
use crate::aws::error::{AwsError, Kind};
use crate::broker::Refusal;
use crate::broker::audit::Outcome;
use crate::broker::opening::{OpeningError, Reason, Wait};
use strict_saml::{Actor, Rejection};

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The sign-in, the team, or what they rest on.
    Refusal(Refusal),
    /// The form cannot be read; what is expected.
    FormMalformed(&'static str),
    /// No such path.
    NotFound,
    /// Another method is needed; which ones.
    MethodNotAllowed(&'static str),
    /// The body is too large.
    TooLarge,
    /// The body did not arrive in time, or there was no room for it; why.
    NoRoom(&'static str),
    /// Not a person who navigates.
    NotNavigation,
    /// Several slow answers of AWS together took too long.
    TooLate,
    /// The person is entitled to no team.
    NoTeam,
    /// The team does not open yet, but will.
    NotYet(Destination, Wait),
}

impl Failure {
    /// The code of a sign-in that its person did not continue, since they are somebody else.
    pub(super) const NOT_CONTINUED: &str = OTHER_PERSON.code;
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

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
        $(const $name: Code = Code {
            code: $code, status: $status, actor: Actor::$actor, sentence: $sentence, next: $next,
        };)*
        const OWN: &[Code] = &[$($name),*];
    };
}

codes! {
    FORM_MALFORMED: "form_malformed", 400, IdpAdministrator, "The sign-in form could not be read.", AGAIN;
    IDP_UNKNOWN: "idp_unknown", 403, BrokerAdministrator, "The sign-in comes from an identity provider that is not known here.", ASK;
    REPLAYED: "replayed", 403, Person, "This sign-in was used already.", "Go to your teams. If you are asked to, sign in again.";
    OTHER_PERSON: "other_person", 403, Person, "This sign-in is for somebody else than the person who last used this browser.", "If it is you who should sign in now, delete this browser’s cookies for this site and start again in your portal. If you did not start this sign-in, close this page.";
    USER_ID_UNUSABLE: "user_id_unusable", 403, IdpAdministrator, "Your identity provider did not send a usable user id.", ASK;
    USER_DENIED: "user_denied", 403, BrokerAdministrator, "Your access has been switched off.", ASK;
    SESSION_VOID: "session_void", 403, Person, "Your sign-in does not count any more, because the connection to your identity provider has changed.", AGAIN;
    NOT_ENTITLED: "not_entitled", 403, IdpAdministrator, "You have no access to this team, or there is no such team.", "Choose one of your teams, or ask whoever grants access in your organization.";
    NO_TEAM: "no_team", 403, IdpAdministrator, "You are signed in, but you are not a member of any team yet.", "Ask whoever grants access in your organization to add you to a team, then sign in again.";
    TEAM_PAUSED: "team_paused", 403, BrokerAdministrator, "This team is paused.", "Choose another team, or ask your administrator when it opens again.";
    NETWORK_REFUSED: "network_refused", 403, Person, "This team can only be opened from certain networks, and you are not on one of them.", "Connect to your organization’s network or VPN and try again.";
    SPACE_REFUSED: "space_refused", 403, Person, "This space is not yours, or there is no such space.", "Open the team without naming a space.";
    AUTHN_CONTEXT_REFUSED: "authn_context_refused", 403, Person, "This needs another kind of sign-in than yours, for example one with a second factor.", "Sign in again in the way that is asked for. If that does not help, tell your administrator the reference below.";
    ACCESS_REVOKED: "access_revoked", 403, BrokerAdministrator, "Your access to this team has been ended by an administrator.", ASK;
    NOT_NAVIGATION: "not_navigation", 403, Person, "Studio opens only when a person follows a link.", "Open the address itself in a tab of its own.";
    NOT_FOUND: "not_found", 404, Person, "There is no such page.", "Go to your teams.";
    METHOD_NOT_ALLOWED: "method_not_allowed", 405, Person, "This address is used in another way.", "Go to your teams.";
    NO_ROOM: "no_room", 503, Person, "There was no room for this request, or it did not arrive in time.", "Try again in a few seconds. If it happens again, try from a faster connection.";
    BODY_TOO_LARGE: "body_too_large", 413, IdpAdministrator, "The sign-in is larger than 512 KB.", ASK;
    INTERNAL: "internal", 500, BrokerAdministrator, "Something went wrong here.", LATER;
    TARGET_DENIED: "target_denied", 502, BrokerAdministrator, "The team’s AWS account does not let you in.", ASK;
    TARGET_REFUSED: "target_refused", 502, BrokerAdministrator, "AWS STS opens no session in the team’s AWS account.", ASK;
    DOMAIN_MISSING: "domain_missing", 502, BrokerAdministrator, "The team’s Studio domain does not exist.", ASK;
    DOMAIN_SSO_MODE: "domain_sso_mode", 502, BrokerAdministrator, "The team’s Studio domain is of a kind that cannot be opened from here.", ASK;
    PROFILE_FOREIGN: "profile_foreign", 502, BrokerAdministrator, "A profile of your name exists in this team, but it is not yours.", ASK;
    PROFILE_FAILED: "profile_failed", 502, BrokerAdministrator, "SageMaker could not prepare your profile in this team.", ASK;
    URL_FOREIGN: "url_foreign", 502, BrokerAdministrator, "AWS answered with an address that is not known as Studio’s.", ASK;
    QUOTA_REACHED: "quota_reached", 502, BrokerAdministrator, "The team’s AWS account has reached a limit.", ASK;
    TEAM_INVALID: "team_invalid", 503, BrokerAdministrator, "The settings of this team hold a mistake.", ASK;
    IDP_INVALID: "idp_invalid", 503, BrokerAdministrator, "The settings of your identity provider hold a mistake.", ASK;
    GROUPS_UNREADABLE: "groups_unreadable", 503, BrokerAdministrator, "Your groups could not be looked up.", LATER;
    TABLE_MISSING: "table_missing", 503, BrokerAdministrator, "A table that the broker needs cannot be used.", ASK;
    PREPARING: "preparing", 503, Person, "Your profile is being prepared.", "Come back in a few seconds.";
    AWS_BUSY: "aws_busy", 503, Person, "AWS is busy.", "Come back in a few seconds.";
    AWS_UNREACHABLE: "aws_unreachable", 503, BrokerAdministrator, "AWS does not answer.", LATER;
}

/// Every code that an answer can carry, the SAML refusals among them, by code.
pub fn codes() -> Vec<Code> {
    let saml = Rejection::CODES.iter().map(|row| saml_code(row.code, row.actor, row.sentence));
    let mut codes: Vec<_> = OWN.iter().copied().chain(saml).collect();
    codes.sort_by_key(|row| row.code);
    codes
}

fn saml_code(code: &'static str, actor: Actor, sentence: &'static str) -> Code {
    let next = match actor {
        Actor::Person => AGAIN,
        Actor::IdpAdministrator | Actor::BrokerAdministrator => ASK,
    };
    Code { code, status: 403, actor, sentence, next }
}

fn code_of(failure: &Failure) -> Code {
    match failure {
        Failure::FormMalformed(_) => FORM_MALFORMED,
        Failure::NotFound => NOT_FOUND,
        Failure::MethodNotAllowed(_) => METHOD_NOT_ALLOWED,
        Failure::TooLarge => BODY_TOO_LARGE,
        Failure::NoRoom(_) => NO_ROOM,
        Failure::NotNavigation => NOT_NAVIGATION,
        Failure::TooLate => AWS_UNREACHABLE,
        Failure::NoTeam => NO_TEAM,
        Failure::NotYet(_, Wait { reason: Reason::Profile, .. }) => PREPARING,
        Failure::NotYet(_, Wait { reason: Reason::Aws, .. }) => AWS_BUSY,
        Failure::Refusal(refusal) => code_of_refusal(refusal),
    }
}

fn code_of_refusal(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Saml(rejection) => {
            let row = Rejection::CODES.iter().find(|row| row.code == rejection.code());
            row.map_or(INTERNAL, |row| saml_code(row.code, row.actor, row.sentence))
        }
        Refusal::IdpUnknown => IDP_UNKNOWN,
        Refusal::IdpInvalid(_) => IDP_INVALID,
        Refusal::Replayed => REPLAYED,
        Refusal::OtherPerson(_) => OTHER_PERSON,
        Refusal::UserIdUnusable(_) => USER_ID_UNUSABLE,
        Refusal::UserDenied => USER_DENIED,
        Refusal::AuthnContextRefused { .. } => AUTHN_CONTEXT_REFUSED,
        Refusal::SessionVoid(_) => SESSION_VOID,
        Refusal::NotEntitled => NOT_ENTITLED,
        Refusal::TeamPaused(_) => TEAM_PAUSED,
        Refusal::NetworkRefused => NETWORK_REFUSED,
        Refusal::TeamInvalid(_) => TEAM_INVALID,
        Refusal::GroupsUnreadable(error) => match error.kind {
            Kind::Throttled => AWS_BUSY,
            _ => GROUPS_UNREADABLE,
        },
        Refusal::Table(error) => code_of_table_error(error),
        Refusal::Opening(error) => match error {
            OpeningError::TargetDenied(_) => TARGET_DENIED,
            OpeningError::DomainMissing => DOMAIN_MISSING,
            OpeningError::DomainSsoMode => DOMAIN_SSO_MODE,
            OpeningError::ProfileForeign(_) => PROFILE_FOREIGN,
            OpeningError::AccessRevoked => ACCESS_REVOKED,
            OpeningError::ProfileFailed(_) => PROFILE_FAILED,
            OpeningError::QuotaReached(_) => QUOTA_REACHED,
            OpeningError::SettingsRefused(_) => TEAM_INVALID,
            OpeningError::SessionRefused(_) => TARGET_REFUSED,
            OpeningError::UpdatesUnknown(error) => code_of_table_error(error),
            OpeningError::SpaceRefused => SPACE_REFUSED,
            OpeningError::UrlForeign(_) => URL_FOREIGN,
            OpeningError::Busy(_) => AWS_BUSY,
            OpeningError::Unreachable(_) => AWS_UNREACHABLE,
        },
    }
}

fn code_of_table_error(error: &AwsError) -> Code {
    match error.kind {
        Kind::Missing | Kind::Denied | Kind::Invalid => TABLE_MISSING,
        Kind::Throttled => AWS_BUSY,
        Kind::Conflict
        | Kind::Limit
        | Kind::ForeignUrl
        | Kind::ConditionFailed
        | Kind::Credentials
        | Kind::Unreachable
        | Kind::Failed => AWS_UNREACHABLE,
    }
}

/// What only the log may hold: expected and got, AWS's own words.
fn detail_of(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Refusal(refusal) => Some(refusal.to_string()).filter(|text| !text.is_empty()),
        Failure::FormMalformed(expected) => Some((*expected).to_owned()),
        Failure::NoRoom(why) => Some((*why).to_owned()),
        Failure::TooLate => Some("no answer within two seconds".to_owned()),
        _ => None,
    }
}

/// The body for clients that are no browsers (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    reference: &'a str,
    time: String,
    /// Where to sign in again, where that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<String>,
}

/// Writes the line of a failure, unless nothing was decided.
pub(super) fn record(context: &Context<'_>, failure: &Failure) {
    // Looking for pages that do not exist, and coming back to a page that waits, are no decisions.
    if matches!(failure, Failure::NotFound | Failure::MethodNotAllowed(_) | Failure::NotYet(..)) {
        return;
    }
    let (mut facts, mut detail) = (context.facts.clone(), detail_of(failure));
    if matches!(failure, Failure::Refusal(Refusal::Saml(_))) {
        facts.unverified.detail = detail.take().map(|text| text.chars().take(256).collect());
    }
    let (audit, now, code) = (context.broker.audit, context.now, code_of(failure));
    if let Some(measure) = &mut facts.measure {
        measure.failed = code.status >= 500;
    }
    audit.record(now, &facts, Outcome::Refused, Some(code.code), detail.as_deref());
}

/// Answers with the failure's page or problem, and writes its line.
pub(super) fn answer(context: &Context<'_>, failure: &Failure) -> Response {
    let code = code_of(failure);
    record(context, failure);
    if matches!(failure, Failure::NotYet(..)) {
        context.broker.audit.wait(context.now, &context.facts);
    }
    let mut response = match failure {
        Failure::NotYet(destination, wait) if context.wants_page() => {
            return pages::waiting(context, destination, wait);
        }
        _ if context.wants_page() => {
            pages::error(context, &code, paused_reason(failure), sign_in_again(context, failure))
        }
        _ => problem(context, &code, sign_in_again(context, failure)),
    };
    *response.status_mut() =
        StatusCode::from_u16(code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Failure::MethodNotAllowed(allowed) = failure {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if code.status == 503 {
        let seconds = if let Failure::NotYet(_, wait) = failure { wait.seconds } else { 3 };
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What the team's administrators tell those who are entitled to it.
fn paused_reason(failure: &Failure) -> Option<&str> {
    match failure {
        Failure::Refusal(Refusal::TeamPaused(team)) => team.paused_reason.as_deref(),
        _ => None,
    }
}

/// Where to sign in in the way that is asked for.
fn sign_in_again(context: &Context<'_>, failure: &Failure) -> Option<String> {
    let Failure::Refusal(Refusal::AuthnContextRefused { idp, team, .. }) = failure else {
        return None;
    };
    Some(pages::sign_in_again(context, idp, team.as_ref()))
}

fn problem(context: &Context<'_>, code: &Code, sign_in: Option<String>) -> Response {
    let problem = Problem {
        kind: "about:blank",
        title: code.sentence,
        status: code.status,
        detail: code.next,
        code: code.code,
        reference: &context.facts.reference,
        time: context.now.to_string(),
        sign_in,
    };
    let mut response = Response::new(serde_json::to_string(&problem).unwrap_or_default());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
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
