//! The pages: plain HTML with one style, no script, nothing from elsewhere.

use std::sync::{Arc, LazyLock};

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::Response;
use super::code::Code;
use super::context::Context;
use super::destination::Destination;
use super::query::with_query;
use crate::broker::opening::{Reason, Wait};
use crate::session::Session;
use crate::team::TeamId;
use crate::team::idp::Idp;
use crate::team::item::plain;
use crate::team::owner::DEFAULT_DIRECTORY;

const STYLE: &str = include_str!("pages/style.css");

/// Only our own style, by its hash; forms only to ourselves; no script at all.
static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// The same of the page whose form is answered by a redirect that may end in Studio: browsers hold the
/// whole way against `form-action`.
static POLICY_OF_A_WAY_INTO_STUDIO: LazyLock<String> = LazyLock::new(|| {
    CONTENT_SECURITY_POLICY.replace("form-action 'self'", "form-action 'self' https:")
});

/// What every page shows.
pub(super) struct Frame<'a> {
    pub(super) style: &'static str,
    pub(super) organization: Option<&'a str>,
    pub(super) contact: Option<ContactLink<'a>>,
    pub(super) home: String,
    login: String,
}

/// Whom people ask.
pub(super) struct ContactLink<'a> {
    pub(super) text: &'a str,
    pub(super) address: String,
}

/// What may stand in the address of a mail as it is (RFC 6068); a `?` would begin its headers.
const MAIL: AsciiSet = NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_');

impl<'a> ContactLink<'a> {
    pub(super) fn to(text: &'a str) -> Self {
        let address = match text.contains("://") {
            true => text.to_owned(),
            false => format!("mailto:{}", utf8_percent_encode(text, &MAIL)),
        };
        Self { text, address }
    }
}

pub(super) fn frame<'a>(context: &Context<'a>) -> Frame<'a> {
    let settings = &context.broker.settings;
    let contact = settings.contact.as_deref().map(ContactLink::to);
    Frame {
        style: STYLE,
        organization: settings.organization.as_deref(),
        contact,
        home: context.url("/"),
        login: context.url("/saml/login"),
    }
}

pub(super) fn page(template: &impl Template) -> Response {
    let mut response = match template.render() {
        Ok(html) => Response::new(html),
        Err(error) => {
            tracing::error!(error = %error, "a page could not be rendered");
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Makes the browser go to `url` by itself after some seconds.
fn refresh(response: &mut Response, seconds: u16, url: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("{seconds}; url={url}")) {
        response.headers_mut().insert(header::REFRESH, value);
    }
}

#[derive(Template)]
#[template(path = "idps.html")]
struct ChooseIdp<'a> {
    frame: Frame<'a>,
    idps: Vec<IdpLink<'a>>,
}

struct IdpLink<'a> {
    name: &'a str,
    url: Option<String>,
}

/// The page where a person chooses an identity provider, or is told that there is none.
pub(super) fn choose_idp(
    context: &Context<'_>,
    idps: &[Arc<Idp>],
    destination: Option<&Destination>,
) -> Response {
    let link = |idp: &Idp| {
        let url = sign_in_at(context, idp, destination, &[]);
        idp.metadata.sso_redirect_url().map(|_| url).or_else(|| idp.portal_url.clone())
    };
    let idps = idps.iter().map(|idp| IdpLink { name: idp.name(), url: link(idp) });
    page(&ChooseIdp { frame: frame(context), idps: idps.collect() })
}

/// Where a sign-in at the identity provider starts that leads to the destination.
fn sign_in_at(
    context: &Context<'_>,
    idp: &Idp,
    destination: Option<&Destination>,
    further: &[(&'static str, &str)],
) -> String {
    let wanted = destination.map(Destination::to_parameters).unwrap_or_default();
    let parameters = [("idp", idp.entity_id.as_str())].into_iter().chain(wanted);
    context.url(&with_query("/saml/login", parameters.chain(further.iter().copied())))
}

/// The page for an identity provider that only starts from its own portal.
pub(super) fn start_at_portal(context: &Context<'_>, idp: &Idp) -> Response {
    let idps = vec![IdpLink { name: idp.name(), url: idp.portal_url.clone() }];
    page(&ChooseIdp { frame: frame(context), idps })
}

#[derive(Template)]
#[template(path = "waiting.html")]
struct WaitingPage<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    team: String,
    sentence: &'a str,
    /// Comes back by itself.
    automatic: bool,
    now_url: &'a str,
    other_url: String,
}

/// The page that comes back by itself, unless its link has switched that off.
///
/// Its address holds the place in line ([`crate::broker::line`]) and since when its person waits for AWS, or
/// for a profile that an earlier page has waited for; so whichever process answers next knows, also after a
/// reload.
pub(super) fn waiting(context: &Context<'_>, destination: &Destination, wait: &Wait) -> Response {
    let since = wait.since.or_else(|| context.waiting_since());
    let since = since.map(|since| ("since", since.to_string()));
    let kept = since.into_iter().chain(wait.place.map(|place| ("place", place.to_string())));
    let kept: Vec<_> = kept.collect();
    let path = destination.to_path();
    let now_url = context.url(&with_query(&path, kept.clone()));
    let off = [("refresh", "off".to_owned())];
    let manual_url = context.url(&with_query(&path, off.into_iter().chain(kept)));
    let automatic = context.request.query_value("refresh").as_deref() != Some("off");
    let (heading, sentence) = match wait.reason {
        Reason::Profile => (
            "Preparing your profile",
            "SageMaker is preparing your profile. This usually takes a few seconds, on the first visit sometimes a few minutes.",
        ),
        Reason::Door => (
            "Not ready yet",
            "What you are opening is being prepared or updated. This can take some minutes.",
        ),
        Reason::Aws if destination.door.is_some() => (
            "AWS is busy",
            "AWS is busy at the moment. Nothing is lost; what you are opening comes as soon as AWS answers.",
        ),
        Reason::Aws => (
            "AWS is busy",
            "AWS is busy at the moment. Nothing is lost; Studio opens as soon as AWS answers.",
        ),
    };
    let team = context.facts.team.clone().unwrap_or_else(|| destination.team.to_string());
    let other_url = if automatic { manual_url } else { now_url.clone() };
    let frame = frame(context);
    let now = now_url.as_str();
    let waiting =
        WaitingPage { frame, heading, team, sentence, automatic, now_url: now, other_url };
    let mut response = page(&waiting);
    if automatic {
        refresh(&mut response, wait.seconds, &now_url);
    }
    response
}

#[derive(Template)]
#[template(path = "handoff.html")]
struct HandOff<'a> {
    frame: Frame<'a>,
    url: &'a str,
}

/// The page between the identity provider's post and Studio, for those who block the redirect.
pub(super) fn handoff(context: &Context<'_>, url: &str) -> Response {
    let mut response = page(&HandOff { frame: frame(context), url });
    refresh(&mut response, 0, url);
    response
}

/// The parameter of a sign-in that is to be made anew, whatever session the IdP has.
pub(super) const AGAIN: &str = "again";

/// Where a person signs in again at the IdP, in the way that the IdP's item or the team asks for, and then
/// goes on to where they wanted.
pub(super) fn sign_in_again(context: &Context<'_>, idp: &Idp, team: Option<&TeamId>) -> String {
    let wanted = team.map(|team| {
        let wanted = context.destination.clone().filter(|wanted| wanted.team == *team);
        wanted.unwrap_or_else(|| Destination::team(team.clone()))
    });
    sign_in_at(context, idp, wanted.as_ref(), &[(AGAIN, "1")])
}

#[derive(Template)]
#[template(path = "continue.html")]
struct Continue<'a> {
    frame: Frame<'a>,
    action: String,
    token: &'a str,
    /// What the identity provider calls the person.
    user: String,
    /// The user id, where it is another text.
    user_id: Option<String>,
    idp: &'a str,
    directory: Option<&'a str>,
}

/// What an identity provider says about its person, whom it may want to be taken for somebody else: with
/// nothing unseen in it, and not so long that what stands after it is off the screen.
fn said(text: &str) -> String {
    let mut shown: String = plain(text).chars().take(LONGEST_SAID).collect();
    if text.chars().nth(LONGEST_SAID).is_some() {
        shown.push('…');
    }
    shown
}

/// In characters; addresses of people are shorter.
const LONGEST_SAID: usize = 100;

/// The page that asks before somebody else's person takes over the browser.
pub(super) fn confirm(
    context: &Context<'_>,
    session: &Session,
    idp: &Idp,
    (action, token): (String, &str),
) -> Response {
    let user_id = Some(session.user_id.as_str()).filter(|id| *id != session.name_id).map(said);
    let directory = Some(session.directory.as_str()).filter(|name| *name != DEFAULT_DIRECTORY);
    let mut response = page(&Continue {
        frame: frame(context),
        action,
        token,
        user: said(&session.name_id),
        user_id,
        idp: idp.name(),
        directory,
    });
    // On loopback Studio is simulated, without TLS.
    let is_https = context.broker.settings.public_url.is_https();
    let policy = if is_https {
        POLICY_OF_A_WAY_INTO_STUDIO.clone()
    } else {
        POLICY_OF_A_WAY_INTO_STUDIO.replace("https:", "http: https:")
    };
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame<'a>,
    /// Where to sign in again.
    sign_in: String,
    heading: &'a str,
    sentence: Option<&'a str>,
    code: &'a Code,
    reason: Option<&'a str>,
    /// Whom to ask about the team that this is about.
    contact: Option<ContactLink<'a>>,
    reference: &'a str,
    time: String,
}

/// The page of a failure: what happened, what to do next, and what to tell the administrator.
pub(super) fn error(
    context: &Context<'_>,
    code: &Code,
    reason: Option<&str>,
    sign_in: Option<String>,
) -> Response {
    let time = context.now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let reference = &context.facts.reference;
    // What SAML calls things is for those who run identity providers; people first learn that their
    // sign-in did not work.
    let (heading, sentence) = if code.is_saml_refusal() {
        ("This sign-in was not accepted", Some(code.sentence))
    } else {
        (code.sentence.trim_end_matches('.'), None)
    };
    let frame = frame(context);
    let sign_in = sign_in.unwrap_or_else(|| frame.login.clone());
    let contact = context.facts.contact.as_ref().map(|contact| ContactLink::to(contact.as_str()));
    page(&ErrorPage { frame, sign_in, heading, sentence, code, reason, contact, reference, time })
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOut<'a> {
    frame: Frame<'a>,
    action: String,
    done: bool,
}

/// The page with the button that ends the session, and the one after it.
pub(super) fn sign_out(context: &Context<'_>, done: bool) -> Response {
    page(&SignOut { frame: frame(context), action: context.url("/sign-out"), done })
}
