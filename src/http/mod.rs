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

mod answer;
pub mod attacks;
mod chooser;
mod code;
mod confirm;
mod context;
mod cookies;
mod destination;
mod error;
pub mod event;
mod failure;
pub(crate) mod form;
mod login;
mod pages;
mod query;
mod request;
mod search;
#[cfg(feature = "cli")]
pub mod serve;
mod sign_in;
mod sign_out;
mod teams;

use std::time::Duration;

use http::Method;
use http::header::{self, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use answer::{text, with_security_headers};
use context::Context;
use failure::Failure;

use crate::aws::{REQUEST_IDS, RequestIds};
use crate::broker::Broker;
use crate::broker::audit::Facts;
use crate::broker::metrics::{self, Measure};
use crate::broker::time::PATIENCE;
use crate::random::random;

pub use answer::Response;
pub use code::{Code, code_of_check, codes};
pub use request::{Body, Request};

/// The most that a body may hold; API Gateway itself takes 10 MB.
pub const MAX_BODY: usize = 512 * 1024;

/// What still gets its answer after that, so that nobody waits longer than two seconds.
const GRACE: Duration = Duration::from_millis(150);

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
        match answer.unwrap_or(Err(Failure::TooLate)) {
            Ok(response) => response,
            Err(failure) => error::answer(&context, &failure),
        }
    });
    with_security_headers(answer.await, broker)
}

async fn route(context: &mut Context<'_>) -> Result<Response, Failure> {
    match &context.request.body {
        Body::Whole(bytes) if bytes.len() <= MAX_BODY => {}
        Body::Whole(_) | Body::TooLarge => return Err(Failure::TooLarge),
        Body::NoRoom(why) => return Err(Failure::NoRoom(why)),
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
        | "/sign-out" => Err(Failure::MethodNotAllowed(allowed_on(path))),
        _ => match path.strip_prefix("/teams/") {
            Some(rest) if teams::is_opened_at(rest) => {
                if method == Method::GET {
                    teams::open(context, rest).await
                } else {
                    Err(Failure::MethodNotAllowed("GET"))
                }
            }
            _ => Err(Failure::NotFound),
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

/// A reference that a person can read out: ten characters without look-alikes.
fn reference() -> String {
    const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let symbol = |byte: u8| ALPHABET.get(usize::from(byte & 31)).map(|b| char::from(*b));
    random::<10>().into_iter().filter_map(symbol).collect()
}
