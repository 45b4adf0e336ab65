//! The only way from a failure to a status, a code, words, and a line in the log.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::code::*;
use super::destination::Destination;
use super::{Context, Response, pages};
use crate::aws::error::{AwsError, Kind};
use crate::broker::Refusal;
use crate::broker::audit::Outcome;
use crate::broker::opening::{OpeningError, Reason, Wait};
use crate::team::portal::Contact;
use strict_saml::Rejection;

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
    NotYet(Box<Destination>, Wait),
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
        Failure::NotYet(_, Wait { reason: Reason::Door, .. }) => DOOR_UPDATING,
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
        Refusal::DoorUnknown => DOOR_UNKNOWN,
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
            OpeningError::DoorMissing(_) => Code { sentence: NOT_THERE, ..DOOR_UNAVAILABLE },
            OpeningError::DoorShut(_) => Code { sentence: NOT_RUNNING, ..DOOR_UNAVAILABLE },
            OpeningError::DoorRefused(_) => DOOR_UNAVAILABLE,
            OpeningError::Busy(_) => AWS_BUSY,
            OpeningError::Unreachable(_) => AWS_UNREACHABLE,
        },
    }
}

/// What the page says of a door whose AWS resource does not exist …
const NOT_THERE: &str = "What you are opening does not exist in the team’s AWS account.";
/// … or exists and does not run.
const NOT_RUNNING: &str = "What you are opening does not run at the moment.";

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
    /// Whom the entitled ask about the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<&'a str>,
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
        contact: context.facts.contact.as_ref().map(Contact::as_str),
    };
    let mut response = Response::new(serde_json::to_string(&problem).unwrap_or_default());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
