//! What every handler knows about the request that it answers, and asks of it.

use std::sync::Arc;

use http::Method;
use http::header::{self, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::cookies::Cookies;
use super::destination::Destination;
use super::failure::Failure;
use super::request::Request;
use crate::aws::state_table::StateKey;
use crate::broker::audit::{Facts, Outcome};
use crate::broker::line::{Place, Returns};
use crate::broker::opening::waited_since;
use crate::broker::time::RequestTime;
use crate::broker::{Broker, Visitor};
use crate::session::Session;
use crate::team::idp::Idp;

/// What every handler needs to know about the request besides the request itself.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) broker: &'a Broker,
    pub(super) request: &'a Request,
    /// One moment for all checks.
    pub(super) now: Timestamp,
    /// When the answer is due.
    pub(super) deadline: Instant,
    /// What the request's path leads to, where it leads into a team.
    pub(super) destination: Option<Destination>,
    /// Grows while the request proceeds, for the audit.
    pub(super) facts: Facts,
}

impl Context<'_> {
    /// The session that the browser's cookie proves, and its identity provider as it is now.
    pub(super) async fn session(
        &mut self,
    ) -> Result<Option<(StateKey, Session, Arc<Idp>)>, Failure> {
        let cookies = Cookies::new(&self.broker.settings.public_url);
        let Some((key, secret)) = cookies.session(&self.request.headers) else { return Ok(None) };
        let found = self.broker.session(&key, &secret, &mut self.facts, self.now).await?;
        Ok(found.map(|(session, idp)| (key, session, idp)))
    }

    /// Whether a person with a browser asks: somebody who can be shown a page.
    pub(super) fn wants_page(&self) -> bool {
        let accepts = self.request.headers.get_all(header::ACCEPT);
        accepts
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(is_html)
    }

    /// Since when the page waits that this request reloads, epoch seconds.
    pub(super) fn waiting_since(&self) -> Option<i64> {
        let since = self.request.query_value("since")?.parse().ok()?;
        waited_since(since, self.now).map(|_| since)
    }

    /// How long the person has waited on pages that say so.
    pub(super) fn waited(&self) -> SignedDuration {
        let waited = self.waiting_since().and_then(|since| waited_since(since, self.now));
        waited.unwrap_or_default()
    }

    /// How the person comes back who has to wait. Who posts is sent to a page.
    pub(super) fn returns(&self) -> Returns {
        if self.request.method == Method::POST {
            return Returns::ByRedirect;
        }
        let place = self.request.query_value("place");
        match self.wants_page() {
            true => Returns::ByPage(place.and_then(|place| Place::from_text(&place))),
            false => Returns::ByItself,
        }
    }

    /// Who asks, once their session is known.
    pub(super) fn visitor<'a>(
        &self,
        key: &'a StateKey,
        session: &'a Session,
        idp: &'a Arc<Idp>,
    ) -> Visitor<'a> {
        let (client, returns, waited) = (self.facts.client_address, self.returns(), self.waited());
        Visitor { key, session, idp, client, returns, waited }
    }

    /// The time of this request.
    pub(super) fn time(&self) -> RequestTime {
        RequestTime::new(self.now, self.deadline)
    }

    /// One of our own addresses.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.broker.settings.public_url.as_str())
    }

    pub(super) fn record(&self, outcome: Outcome, code: Option<&str>, detail: Option<&str>) {
        self.broker.audit.record(self.now, &self.facts, outcome, code, detail);
    }

    /// What opens something, consumes something or changes the browser is for a person who navigates, not
    /// for a page that embeds or fetches, nor for a browser that guesses. A browser that says nothing about
    /// it is old, and believed. Of a header that comes several times, or with several values, each counts.
    pub(super) fn must_be_navigation(&self) -> Result<(), Failure> {
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
        if guessed || embedded { Err(Failure::NotNavigation) } else { Ok(()) }
    }

    /// What a form of ours without a token sends comes from a page of ours: a sibling domain is the same site
    /// to browsers, which let its posts bring our cookies along. A browser that does not say where a post
    /// comes from is old, and believed.
    pub(super) fn must_be_from_our_own_page(&self) -> Result<(), Failure> {
        self.must_be_navigation()?;
        let lines =
            self.request.headers.get_all("sec-fetch-site").iter().map(HeaderValue::as_bytes);
        let mut sites = lines.flat_map(|line| line.split(|byte| *byte == b','));
        let is_ours = |site: &[u8]| matches!(site.trim_ascii(), b"same-origin" | b"none");
        if sites.all(is_ours) { Ok(()) } else { Err(Failure::NotNavigation) }
    }
}

/// Whether one part of an `Accept` header asks for a page (RFC 9110, 12.5.1).
fn is_html(accepted: &str) -> bool {
    let mut parts = accepted.split(';').map(str::trim);
    let is_page = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    is_page && quality.and_then(|q| q.parse::<f32>().ok()).is_none_or(|q| q > 0.0)
}
