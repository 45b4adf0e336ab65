//! The routes: one service, shared by Lambda and `serve`.
//!
//! ```text
//! POST /saml/acs        sign_in.rs   a response of an identity provider
//! GET  /saml/login      login.rs     a sign-in that starts here
//!      /saml/continue   confirm.rs   asks before somebody else's person takes over a browser
//! GET  /saml/metadata   mod.rs       our metadata
//! GET  /                chooser.rs   what the person may open
//! GET  /teams/{id}      teams.rs     opens a team
//!      …/doors/{door}   teams.rs     opens a door of it
//!      /sign-out        sign_out.rs  ends the broker's session
//! GET  /healthz         mod.rs       ok
//! ```

pub mod attacks;
mod chooser;
mod code;
mod confirm;
mod cookies;
mod destination;
mod error;
pub mod event;
pub(crate) mod form;
mod login;
mod pages;
mod request;
mod search;
#[cfg(feature = "cli")]
pub mod serve;
mod sign_in;
mod sign_out;
mod teams;

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use cookies::Cookies;
use destination::Destination;

use crate::aws::state_table::StateKey;
use crate::aws::{REQUEST_IDS, RequestIds};
use crate::broker::Broker;
use crate::broker::audit::{Facts, Outcome};
use crate::broker::line::{Place, Returns};
use crate::broker::metrics::{self, Measure};
use crate::broker::opening::waited_since;
use crate::broker::time::PATIENCE;
use crate::session::{Session, random};
use crate::team::idp::Idp;

pub use code::{Code, codes};
pub use request::{Body, Request};

/// An answer; its body is text in every case.
pub type Response = http::Response<String>;

/// The most that a body may hold; API Gateway itself takes 10 MB.
pub const MAX_BODY: usize = 512 * 1024;

/// What still gets its answer after that, so that nobody waits longer than two seconds.
const GRACE: Duration = Duration::from_millis(150);

/// What every handler needs to know about the request besides the request itself.
#[derive(Debug)]
struct Context<'a> {
    broker: &'a Broker,
    request: &'a Request,
    /// One moment for all checks.
    now: Timestamp,
    /// When the answer is due.
    deadline: Instant,
    /// What the request's path leads to, where it leads into a team.
    destination: Option<Destination>,
    /// Grows while the request proceeds, for the audit.
    facts: Facts,
}

/// Answers a request. Never fails: what cannot be answered is a page or a problem with a code.
#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub async fn handle(broker: &Broker, request: &Request) -> Response {
    let source = broker.settings.client_address;
    let (now, started) = (Timestamp::now(), Instant::now());
    let measure = metrics::are_on().then(|| Measure {
        hub: broker.settings.state_table.clone(),
        started,
        waited: SignedDuration::ZERO,
        failed: false,
    });
    let facts = Facts {
        reference: reference(),
        trace_id: request.trace_id(),
        measure,
        client_address: request.client_address(source),
        client_address_source: Some(request::source_name(source)),
        ..Facts::default()
    };
    let deadline = started + PATIENCE;
    let mut context = Context { broker, request, now, deadline, destination: None, facts };
    let answer = REQUEST_IDS.scope(RequestIds::default(), async {
        let answer = tokio::time::timeout_at(deadline + GRACE, Box::pin(route(&mut context))).await;
        match answer.unwrap_or(Err(error::Failure::TooLate)) {
            Ok(response) => response,
            Err(failure) => error::answer(&context, &failure),
        }
    });
    with_security_headers(answer.await, broker)
}

async fn route(context: &mut Context<'_>) -> Result<Response, error::Failure> {
    match &context.request.body {
        Body::Whole(bytes) if bytes.len() <= MAX_BODY => {}
        Body::Whole(_) | Body::TooLarge => return Err(error::Failure::TooLarge),
        Body::NoRoom(why) => return Err(error::Failure::NoRoom(why)),
    }
    let path = context.request.route_path(&context.broker.settings.public_url);
    let method = &context.request.method;
    let read = [Method::GET, Method::HEAD];
    match path {
        "/healthz" if read.contains(method) => Ok(text("ok")),
        "/saml/metadata" if read.contains(method) => Ok(metadata(context.broker)),
        "/saml/acs" if method == Method::POST => sign_in::acs(context).await,
        "/saml/login" if method == Method::GET => login::page(context).await,
        confirm::CONTINUE if method == Method::GET => confirm::page(context).await,
        confirm::CONTINUE if method == Method::POST => Box::pin(confirm::answer(context)).await,
        "/" if method == Method::GET => chooser::page(context).await,
        "/sign-out" if method == Method::GET => Ok(sign_out::page(context)),
        "/sign-out" if method == Method::POST => sign_out::end(context).await,
        "/healthz"
        | "/saml/metadata"
        | "/saml/acs"
        | "/saml/login"
        | confirm::CONTINUE
        | "/"
        | "/sign-out" => Err(error::Failure::MethodNotAllowed(allowed_on(path))),
        _ => match path.strip_prefix("/teams/") {
            Some(rest) if teams::is_opened_at(rest) => {
                if method == Method::GET {
                    teams::open(context, rest).await
                } else {
                    Err(error::Failure::MethodNotAllowed("GET"))
                }
            }
            _ => Err(error::Failure::NotFound),
        },
    }
}

fn allowed_on(path: &str) -> &'static str {
    match path {
        "/healthz" | "/saml/metadata" => "GET, HEAD",
        "/saml/acs" => "POST",
        "/sign-out" | confirm::CONTINUE => "GET, POST",
        _ => "GET",
    }
}

fn metadata(broker: &Broker) -> Response {
    let mut response = Response::new(broker.service_provider.metadata());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/samlmetadata+xml; charset=utf-8"),
    );
    response
}

fn text(body: &str) -> Response {
    let mut response = Response::new(body.to_owned());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A redirect to `location`, which is never a value from a request.
fn redirect(status: StatusCode, location: &str) -> Response {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
        }
        // Locations are checked where they are made; what cannot be a header is not followed.
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

fn set_cookies(response: &mut Response, cookies: impl IntoIterator<Item = String>) {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}

/// Headers that every answer carries. Nothing is cached, framed, sniffed or referred from.
fn with_security_headers(mut response: Response, broker: &Broker) -> Response {
    let always = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
    if broker.settings.public_url.is_https() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// A reference that a person can read out: ten characters without look-alikes.
fn reference() -> String {
    const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let symbol = |byte: u8| ALPHABET.get(usize::from(byte & 31)).map(|b| char::from(*b));
    random::<10>().into_iter().filter_map(symbol).collect()
}

/// Whether one part of an `Accept` header asks for a page (RFC 9110, 12.5.1).
fn is_html(accepted: &str) -> bool {
    let mut parts = accepted.split(';').map(str::trim);
    let is_page = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    is_page && quality.and_then(|q| q.parse::<f32>().ok()).is_none_or(|q| q > 0.0)
}

impl Context<'_> {
    /// The session that the browser's cookie proves, and its identity provider as it is now.
    async fn session(&mut self) -> Result<Option<(StateKey, Session, Arc<Idp>)>, error::Failure> {
        let cookies = Cookies::new(&self.broker.settings.public_url);
        let Some((key, secret)) = cookies.session(&self.request.headers) else { return Ok(None) };
        let found = self.broker.session(&key, &secret, &mut self.facts, self.now).await?;
        Ok(found.map(|(session, idp)| (key, session, idp)))
    }

    /// Whether a person with a browser asks: somebody who can be shown a page.
    fn wants_page(&self) -> bool {
        let accepts = self.request.headers.get_all(header::ACCEPT);
        accepts
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(is_html)
    }

    /// Since when the page waits that this request reloads, epoch seconds.
    fn waiting_since(&self) -> Option<i64> {
        let since = self.request.query_value("since")?.parse().ok()?;
        waited_since(since, self.now).map(|_| since)
    }

    /// How long the person has waited on pages that say so.
    fn waited(&self) -> SignedDuration {
        let waited = self.waiting_since().and_then(|since| waited_since(since, self.now));
        waited.unwrap_or_default()
    }

    /// How the person comes back who has to wait. Who posts is sent to a page.
    fn returns(&self) -> Returns {
        if self.request.method == Method::POST {
            return Returns::ByRedirect;
        }
        let place = self.request.query_value("place");
        match self.wants_page() {
            true => Returns::ByPage(place.and_then(|place| Place::from_text(&place))),
            false => Returns::ByItself,
        }
    }

    /// One of our own addresses.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.broker.settings.public_url.as_str())
    }

    fn record(&self, outcome: Outcome, code: Option<&str>, detail: Option<&str>) {
        self.broker.audit.record(self.now, &self.facts, outcome, code, detail);
    }

    /// What opens something, consumes something or changes the browser is for a person who navigates, not
    /// for a page that embeds or fetches, nor for a browser that guesses. A browser that says nothing about
    /// it is old, and believed. Of a header that comes several times, or with several values, each counts.
    fn must_be_navigation(&self) -> Result<(), error::Failure> {
        let values = |name: &'static str| {
            let lines = self.request.headers.get_all(name).iter().map(HeaderValue::as_bytes);
            lines.flat_map(|line| line.split(|byte| *byte == b','))
        };
        let guesses: [&[u8]; 3] = [b"prefetch", b"prerender", b"preview"];
        let is_guess = |value: &[u8]| {
            let value = value.to_ascii_lowercase();
            guesses.iter().any(|guess| value.windows(guess.len()).any(|part| part == *guess))
        };
        let guessed = ["sec-purpose", "purpose", "x-purpose", "x-moz"]
            .into_iter()
            .flat_map(values)
            .any(is_guess);
        let embedded = values("sec-fetch-dest").any(|value| value.trim_ascii() != b"document");
        if guessed || embedded { Err(error::Failure::NotNavigation) } else { Ok(()) }
    }

    /// What a form of ours without a token sends comes from a page of ours: a sibling domain is the same site
    /// to browsers, which let its posts bring our cookies along. A browser that does not say where a post
    /// comes from is old, and believed.
    fn must_be_from_our_own_page(&self) -> Result<(), error::Failure> {
        self.must_be_navigation()?;
        let lines =
            self.request.headers.get_all("sec-fetch-site").iter().map(HeaderValue::as_bytes);
        let mut sites = lines.flat_map(|line| line.split(|byte| *byte == b','));
        let is_ours = |site: &[u8]| matches!(site.trim_ascii(), b"same-origin" | b"none");
        if sites.all(is_ours) { Ok(()) } else { Err(error::Failure::NotNavigation) }
    }
}
