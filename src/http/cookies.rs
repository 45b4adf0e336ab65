//! The three cookies and what they are for.
//!
//! | cookie | holds | why |
//! | --- | --- | --- |
//! | session | key and secret of the session's record | teams can be opened for a while |
//! | request | nonces of sign-ins that this browser started | an answer counts only where it was asked for |
//! | owner | salted hash of the last owner | nobody is slipped into another person's profile |
//!
//! Their names carry a hash of the public URL, so that two brokers on one host do not meet.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use super::teams::Destination;
use crate::aws::state_table::StateKey;
use crate::broker::session::{Secret, hex, random};
use crate::config::PublicUrl;
use crate::team::owner::Owner;

/// Names and attributes of our cookies under one public URL.
#[derive(Debug, Clone)]
pub struct Cookies {
    prefix: &'static str,
    suffix: String,
    https: bool,
}

/// How long a sign-in that started here may take, in seconds.
const REQUEST_LIFE: i64 = 600;
/// Another process may have started it, whose clock is ahead by at most so many seconds.
const CLOCKS_APART: i64 = 180;
/// At most this many sign-ins are open at once in one browser.
const MAX_REQUESTS: usize = 5;
/// How long a browser remembers its last owner, in seconds: 90 days.
const OWNER_LIFE: i64 = 90 * 24 * 3600;

/// A sign-in that this browser started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    nonce: String,
    idp: String,
    started_at: i64,
    /// What is opened after the sign-in.
    pub destination: Option<Destination>,
}

impl OpenRequest {
    /// A sign-in at an `IdP` that starts now.
    pub fn start(idp: &str, destination: Option<Destination>, now: Timestamp) -> Self {
        let nonce = URL_SAFE_NO_PAD.encode(random::<32>());
        Self { nonce, idp: short_hash(idp), started_at: now.as_second(), destination }
    }

    /// The ID of the `AuthnRequest`: a digest of the nonce, which only this browser holds.
    pub fn id(&self) -> String {
        format!("_{}", hex(digest(&SHA256, self.nonce.as_bytes()).as_ref()))
    }

    /// Whether it was sent to the `IdP` with this entity ID.
    pub fn is_for(&self, idp: &str) -> bool {
        self.idp == short_hash(idp)
    }

    fn to_text(&self) -> String {
        let destination = self.destination.as_ref().map(Destination::to_path).unwrap_or_default();
        let destination = URL_SAFE_NO_PAD.encode(destination);
        format!("{}.{}.{}.{destination}", self.nonce, self.idp, self.started_at)
    }

    fn from_text(text: &str, now: Timestamp) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (nonce, idp) = (parts.next()?, parts.next()?);
        let (started_at, destination) = (parts.next()?.parse::<i64>().ok()?, parts.next()?);
        let age = now.as_second().checked_sub(started_at)?;
        let destination = String::from_utf8(URL_SAFE_NO_PAD.decode(destination).ok()?).ok()?;
        let fresh = (-CLOCKS_APART..REQUEST_LIFE).contains(&age);
        let random = URL_SAFE_NO_PAD.decode(nonce).is_ok_and(|bytes| bytes.len() == 32);
        (fresh && random).then(|| Self {
            nonce: nonce.to_owned(),
            idp: idp.to_owned(),
            started_at,
            destination: Destination::from_path(&destination),
        })
    }
}

impl Cookies {
    /// The cookies of a broker at `public_url`.
    pub fn new(public_url: &PublicUrl) -> Self {
        let https = public_url.is_https();
        let prefix = if https { "__Host-studio-broker" } else { "studio-broker" };
        Self { prefix, suffix: short_hash(public_url.as_str()), https }
    }

    fn name(&self, what: &str) -> String {
        format!("{}-{what}-{}", self.prefix, self.suffix)
    }

    /// Key and secret of the browser's session.
    pub fn session(&self, headers: &HeaderMap) -> Option<(StateKey, Secret)> {
        let value = self.value(headers, "session")?;
        let (key, secret) = value.split_once('.')?;
        Some((StateKey::from_cookie(key)?, Secret::from_cookie(secret)?))
    }

    /// `Set-Cookie` that starts a session of `seconds`.
    pub fn start_session(&self, key: &StateKey, secret: &Secret, seconds: i64) -> String {
        let value = format!("{}.{}", key.as_str(), secret.as_cookie());
        self.lax("session", &value, seconds)
    }

    /// `Set-Cookie` that ends the session in the browser.
    pub fn end_session(&self) -> String {
        self.lax("session", "", 0)
    }

    /// The sign-ins that this browser has open, oldest first.
    pub fn requests(&self, headers: &HeaderMap, now: Timestamp) -> Vec<OpenRequest> {
        let Some(value) = self.value(headers, "request") else { return Vec::new() };
        let requests = value.split('~').filter_map(|text| OpenRequest::from_text(text, now));
        let mut requests: Vec<_> = requests.collect();
        let surplus = requests.len().saturating_sub(MAX_REQUESTS);
        requests.drain(..surplus);
        requests
    }

    /// `Set-Cookie` that remembers the open sign-ins: the newest five.
    ///
    /// `SameSite=None`, since the `IdP`'s post comes from another site.
    pub fn remember_requests(&self, requests: &[OpenRequest]) -> String {
        let surplus = requests.len().saturating_sub(MAX_REQUESTS);
        let newest: Vec<_> = requests.iter().skip(surplus).map(OpenRequest::to_text).collect();
        let life = if newest.is_empty() { 0 } else { REQUEST_LIFE };
        self.cross_site("request", &newest.join("~"), life)
    }

    /// Whether a person is known to be somebody else than this browser's last owner.
    pub fn is_somebody_else(&self, headers: &HeaderMap, owner: &Owner) -> bool {
        let Some(value) = self.value(headers, "owner") else { return false };
        let Some((salt, hash)) = value.split_once('.') else { return false };
        verify_slices_are_equal(owner_hash(salt, owner).as_bytes(), hash.as_bytes()).is_err()
    }

    /// `Set-Cookie` that remembers the last owner.
    pub fn remember_owner(&self, owner: &Owner) -> String {
        let salt = URL_SAFE_NO_PAD.encode(random::<16>());
        let value = format!("{salt}.{}", owner_hash(&salt, owner));
        self.cross_site("owner", &value, OWNER_LIFE)
    }

    /// A cookie's value; `None` when it is absent or appears twice, as tossed cookies do.
    ///
    /// Bytes are compared, and only blanks are trimmed: cookies that other sites of the same domain
    /// set may hold anything, and must neither hide ours nor become one of ours by a wider notion of
    /// white space.
    fn value<'a>(&self, headers: &'a HeaderMap, what: &str) -> Option<&'a str> {
        let name = self.name(what);
        let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
        let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(without_blanks);
        let mut values = pairs.filter_map(|pair| {
            let (key, value) = pair.split_at_checked(name.len())?;
            let value = without_blanks(value).strip_prefix(b"=")?;
            (key == name.as_bytes()).then(|| without_blanks(value))
        });
        let value = values.next().filter(|_| values.next().is_none())?;
        std::str::from_utf8(value).ok()
    }

    fn lax(&self, what: &str, value: &str, seconds: i64) -> String {
        let name = self.name(what);
        // Plain loopback only: some browsers keep no Secure cookie for it.
        let secure = if self.https { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite=Lax")
    }

    fn cross_site(&self, what: &str, value: &str, seconds: i64) -> String {
        let name = self.name(what);
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=None")
    }
}

/// Without the blanks that HTTP allows around a value (RFC 9110, 5.6.3).
fn without_blanks(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b" ").or_else(|| bytes.strip_prefix(b"\t")) {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b" ").or_else(|| bytes.strip_suffix(b"\t")) {
        bytes = rest;
    }
    bytes
}

fn owner_hash(salt: &str, owner: &Owner) -> String {
    let salted = format!("{salt}.{owner}");
    URL_SAFE_NO_PAD.encode(digest(&SHA256, salted.as_bytes()))
}

fn short_hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref()).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn cookies() -> Cookies {
        Cookies::new(&PublicUrl::parse("https://studio.example.com").unwrap())
    }

    /// What a browser sends back for a `Set-Cookie`.
    fn sent(set_cookie: &str) -> HeaderMap {
        let pair = set_cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(pair).unwrap())])
    }

    #[test]
    fn names_carry_the_host_prefix_and_a_hash_of_the_public_url() {
        let other = Cookies::new(&PublicUrl::parse("https://other.example.com").unwrap());
        assert!(cookies().name("session").starts_with("__Host-studio-broker-session-"));
        assert_ne!(cookies().name("session"), other.name("session"));
    }

    #[test]
    fn on_plain_loopback_only_the_session_is_not_secure() {
        let local = Cookies::new(&PublicUrl::parse("http://localhost:8400").unwrap());
        assert!(
            !local.end_session().contains("Secure") && !local.end_session().contains("__Host-")
        );
        assert!(local.remember_requests(&[]).contains("; Secure; SameSite=None"));
        assert!(cookies().end_session().contains("; Secure; SameSite=Lax"));
    }

    #[test]
    fn a_cookie_that_appears_twice_counts_as_absent() {
        let cookies = cookies();
        let key = StateKey::new("a", "b", None);
        let mut headers = sent(&cookies.start_session(&key, &Secret::fresh(), 60));
        assert_eq!(cookies.session(&headers).unwrap().0, key);
        let again = headers[header::COOKIE].clone();
        headers.append(header::COOKIE, again);
        assert!(cookies.session(&headers).is_none());
    }

    #[test]
    fn cookies_of_other_sites_neither_hide_ours_nor_become_one_of_ours() {
        let cookies = cookies();
        let jane = Owner::new("default", "jane");
        let set = cookies.remember_owner(&jane);
        let ours = set.split(';').next().unwrap();
        let (name, value) = ours.split_once('=').unwrap();
        for others in [
            "name=Jürgen; ".to_owned(),
            format!("\u{2000}{name}=salt.hash; "),
            format!("\u{85}{name}=salt.hash; "),
            format!("{name}x=salt.hash; "),
            format!("{}=salt.hash; ", name.to_lowercase()),
            format!("{name}; "),
            "\u{ff}; =; ;; ".to_owned(),
        ] {
            let line = HeaderValue::from_bytes(format!("{others}{ours}").as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(header::COOKIE, line)]);
            assert_eq!(cookies.value(&headers, "owner"), Some(value), "{others}");
            assert!(cookies.is_somebody_else(&headers, &Owner::new("default", "john")));
        }
    }

    #[test]
    fn requests_expire_after_ten_minutes_and_only_five_are_kept() {
        let cookies = cookies();
        let started: Vec<_> =
            (0..7).map(|i| OpenRequest::start(&format!("idp{i}"), None, at(1_000 + i))).collect();
        let headers = sent(&cookies.remember_requests(&started));
        assert_eq!(cookies.requests(&headers, at(1_010)), started[2..]);
        assert_eq!(cookies.requests(&headers, at(1_000 + 700)), []);
        assert_eq!(cookies.requests(&headers, at(1_000)), started[2..], "of a clock that is ahead");
        assert_eq!(cookies.requests(&headers, at(1)), [], "from the future");
        assert!(started[0].is_for("idp0") && !started[0].is_for("idp1"));
        assert_ne!(started[0].id(), started[1].id());
    }

    #[test]
    fn the_last_owner_is_recognized_and_not_readable() {
        let cookies = cookies();
        let (jane, john) = (Owner::new("default", "jane"), Owner::new("default", "john"));
        let set = cookies.remember_owner(&jane);
        assert!(!set.contains("jane"));
        assert!(!cookies.is_somebody_else(&sent(&set), &jane));
        assert!(cookies.is_somebody_else(&sent(&set), &john));
        assert!(!cookies.is_somebody_else(&HeaderMap::new(), &john));
    }
}
