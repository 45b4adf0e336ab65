//! The only way from a failure to a status, words, and a line in the log.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::answer::Response;
use super::code::Code;
use super::context::Context;
use super::failure::{Failure, code_of, comes_back_after, detail_of};
use super::pages;
use crate::broker::Refusal;
use crate::broker::audit::Outcome;
use crate::team::portal::Contact;

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
    if let Some(seconds) = comes_back_after(failure) {
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
