//! The cookies and what they are for.
//!
//! | cookie | holds | why |
//! | --- | --- | --- |
//! | session | key and secret of the session's record | teams can be opened for a while |
//! | request, one for each | the nonce of a sign-in that this browser started | an answer counts only where it was asked for |
//! | owner | salted hashes of the last owner and of where they signed in | nobody is slipped into another person's profile |
//! | pending | key and secret of a session whose person has still to say that it is them | the same |
//!
//! Their names carry a hash of the public URL, so that two brokers on one host do not meet.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use super::destination::Destination;
use crate::aws::state_table::StateKey;
use crate::broker::{LastOwner, PENDING_SECONDS, REQUEST_SECONDS};
use crate::config::PublicUrl;
use crate::random::{hex, random};
use crate::session::{Secret, Session};

/// Names and attributes of our cookies under one public URL.
#[derive(Debug, Clone)]
pub struct Cookies {
    prefix: &'static str,
    public_url: String,
    https: bool,
}

/// Another process may have started it, whose clock is ahead by at most so many seconds.
const CLOCKS_APART: i64 = 180;
/// At most this many sign-ins are open at once in one browser.
const MAX_REQUESTS: usize = 5;
/// How long a browser remembers its last owner, in seconds: 90 days.
const OWNER_LIFE: i64 = 90 * 24 * 3600;

/// A sign-in that this browser started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// Random, and with it to whom and when the request went: so a request has one identity provider and
    /// ten minutes, whoever holds the cookie.
    nonce: String,
    idp: String,
    started_at: i64,
    /// What is opened after the sign-in.
    pub destination: Option<Destination>,
}

impl OpenRequest {
    /// A sign-in at an `IdP` that starts now.
    pub fn start(idp: &str, destination: Option<Destination>, now: Timestamp) -> Self {
        let (idp, started_at) = (short_hash(idp), now.as_second());
        let nonce = format!("{}.{idp}.{started_at}", URL_SAFE_NO_PAD.encode(random::<32>()));
        Self { nonce, idp, started_at, destination }
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
        format!("{}.{}", self.nonce, URL_SAFE_NO_PAD.encode(destination))
    }

    fn from_text(text: &str, now: Timestamp) -> Option<Self> {
        let (nonce, destination) = text.rsplit_once('.')?;
        let mut parts = nonce.splitn(3, '.');
        let (random, idp) = (parts.next()?, parts.next()?);
        let started_at = parts.next()?.parse::<i64>().ok()?;
        let age = now.as_second().checked_sub(started_at)?;
        let destination = String::from_utf8(URL_SAFE_NO_PAD.decode(destination).ok()?).ok()?;
        let fresh = (-CLOCKS_APART..REQUEST_SECONDS).contains(&age);
        let random = URL_SAFE_NO_PAD.decode(random).is_ok_and(|bytes| bytes.len() == 32);
        (fresh && random).then(|| Self {
            nonce: nonce.to_owned(),
            idp: idp.to_owned(),
            started_at,
            destination: Destination::from_path(&destination),
        })
    }
}

/// A sign-in that is accepted, whose person has still to say that it is them.
#[derive(Debug, Clone)]
pub struct PendingSignIn {
    /// Key of the record.
    pub key: StateKey,
    /// Its secret.
    pub secret: Secret,
    /// What is opened afterwards; the chooser where it is `None`.
    pub destination: Option<Destination>,
}

/// What a browser says under the name of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said<'a> {
    Nothing,
    Once(&'a str),
    /// Twice, as tossed cookies are, or what is no text.
    Unclear,
}

impl Cookies {
    /// The cookies of a broker at `public_url`.
    pub fn new(public_url: &PublicUrl) -> Self {
        let https = public_url.is_https();
        let prefix = if https { "__Host-studio-broker" } else { "studio-broker" };
        Self { prefix, public_url: public_url.as_str().to_owned(), https }
    }

    fn name(&self, what: &str) -> String {
        format!("{}-{what}-{}", self.prefix, short_hash(&self.public_url))
    }

    /// Each request has a cookie of its own, so that tabs which start at the same moment do not overwrite
    /// each other: the hash in its name is over the public URL and the request.
    fn request_name(&self, request: &OpenRequest) -> String {
        let of_both = short_hash(&format!("{} {}", self.public_url, request.id()));
        format!("{}-request-{of_both}", self.prefix)
    }

    /// Key and secret of the browser's session.
    pub fn session(&self, headers: &HeaderMap) -> Option<(StateKey, Secret)> {
        let Said::Once(value) = said(headers, &self.name("session")) else { return None };
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
        let start = format!("{}-request-", self.prefix);
        let mut requests: Vec<_> = pairs(headers)
            .filter(|(name, _)| name.starts_with(start.as_bytes()))
            .filter_map(|(name, value)| {
                let request = OpenRequest::from_text(std::str::from_utf8(value).ok()?, now)?;
                // Ours, and not that of another broker on this host.
                let name_of_it = self.request_name(&request);
                let is_ours = name_of_it.as_bytes() == name
                    && matches!(said(headers, &name_of_it), Said::Once(_));
                is_ours.then_some(request)
            })
            .collect();
        requests.sort_by_key(|request| request.started_at);
        requests
    }

    /// `Set-Cookie`s that remember a further open sign-in beside the others, of which the newest stay:
    /// five in all.
    ///
    /// `SameSite=None`, since the `IdP`'s post comes from another site.
    pub fn remember_request(&self, new: &OpenRequest, others: &[OpenRequest]) -> Vec<String> {
        let surplus = (others.len() + 1).saturating_sub(MAX_REQUESTS);
        let mut set: Vec<_> =
            others.iter().take(surplus).map(|old| self.forget_request(old)).collect();
        set.push(cross_site(&self.request_name(new), &new.to_text(), REQUEST_SECONDS));
        set
    }

    /// `Set-Cookie` of a sign-in that is not open any more.
    pub fn forget_request(&self, request: &OpenRequest) -> String {
        cross_site(&self.request_name(request), "", 0)
    }

    /// How the person of a session stands to this browser's last owner. What is there and cannot be
    /// verified is somebody else's, from anywhere.
    pub fn last_owner(&self, headers: &HeaderMap, session: &Session) -> LastOwner {
        let value = match said(headers, &self.name("owner")) {
            Said::Nothing => return LastOwner::Nobody,
            Said::Once(value) => value,
            Said::Unclear => return LastOwner::SomebodyFromElsewhere,
        };
        let mut parts = value.split('.');
        let (Some(salt), Some(owner), Some(place), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return LastOwner::SomebodyFromElsewhere;
        };
        let are_equal = |ours: &str, theirs: &str| {
            verify_slices_are_equal(ours.as_bytes(), theirs.as_bytes()).is_ok()
        };
        let is_them = are_equal(&owner_hash(salt, session), owner);
        match (is_them, are_equal(&place_hash(salt, session), place)) {
            (true, true) => LastOwner::Themselves,
            (true, false) => LastOwner::ThemselvesFromElsewhere,
            (false, true) => LastOwner::SomebodyFromThere,
            (false, false) => LastOwner::SomebodyFromElsewhere,
        }
    }

    /// `Set-Cookie` that remembers the person of a session as the last owner.
    pub fn remember_owner(&self, session: &Session) -> String {
        let salt = URL_SAFE_NO_PAD.encode(random::<16>());
        let (owner, place) = (owner_hash(&salt, session), place_hash(&salt, session));
        cross_site(&self.name("owner"), &format!("{salt}.{owner}.{place}"), OWNER_LIFE)
    }

    /// The sign-in whose person has still to say that it is them.
    pub fn pending(&self, headers: &HeaderMap) -> Option<PendingSignIn> {
        let Said::Once(value) = said(headers, &self.name("pending")) else { return None };
        let mut parts = value.split('.');
        let key = StateKey::from_cookie(parts.next()?)?;
        let secret = Secret::from_cookie(parts.next()?)?;
        let destination = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let destination = Destination::from_path(std::str::from_utf8(&destination).ok()?);
        Some(PendingSignIn { key, secret, destination })
    }

    /// `Set-Cookie` of a sign-in whose person has still to say that it is them. It comes with no post of
    /// another site.
    pub fn start_pending(&self, pending: &PendingSignIn) -> String {
        let PendingSignIn { key, secret, destination } = pending;
        let destination = destination.as_ref().map(Destination::to_path).unwrap_or_default();
        let destination = URL_SAFE_NO_PAD.encode(destination);
        let value = format!("{}.{}.{destination}", key.as_str(), secret.as_cookie());
        self.lax("pending", &value, PENDING_SECONDS)
    }

    /// `Set-Cookie` after the person has answered.
    pub fn end_pending(&self) -> String {
        self.lax("pending", "", 0)
    }

    fn lax(&self, what: &str, value: &str, seconds: i64) -> String {
        let name = self.name(what);
        // Plain loopback only: some browsers keep no Secure cookie for it.
        let secure = if self.https { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite=Lax")
    }
}

fn cross_site(name: &str, value: &str, seconds: i64) -> String {
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=None")
}

/// What stands under a cookie's name.
fn said<'a>(headers: &'a HeaderMap, name: &str) -> Said<'a> {
    let mut values = pairs(headers).filter(|(key, _)| *key == name.as_bytes());
    match (values.next(), values.next()) {
        (None, _) => Said::Nothing,
        (Some((_, value)), None) => std::str::from_utf8(value).map_or(Said::Unclear, Said::Once),
        (Some(_), Some(_)) => Said::Unclear,
    }
}

/// All cookies, name and value, in the order in which they came.
///
/// Bytes are compared, and only blanks are trimmed: cookies that other sites of the same domain set may
/// hold anything, and must neither hide ours nor become one of ours by a wider notion of white space.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(|pair| {
        let middle = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(middle)?;
        Some((without_blanks(name), without_blanks(value.get(1..)?)))
    })
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

fn owner_hash(salt: &str, session: &Session) -> String {
    salted(&format!("{salt}.{}", session.owner()))
}

/// Where somebody signed in. A directory's name holds no dot.
fn place_hash(salt: &str, session: &Session) -> String {
    salted(&format!("{salt}.{}.{}", session.directory, session.idp))
}

fn salted(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
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

    /// What a browser sends back for `Set-Cookie`s.
    fn sent<'a>(set_cookies: impl IntoIterator<Item = &'a String>) -> HeaderMap {
        let pairs: Vec<_> =
            set_cookies.into_iter().map(|set| set.split(';').next().unwrap()).collect();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap())])
    }

    fn person(idp: &str, directory: &str, user_id: &str) -> Session {
        Session {
            idp: idp.into(),
            directory: directory.into(),
            user_id: user_id.into(),
            ..crate::session::tests::session()
        }
    }

    fn jane() -> Session {
        person("https://idp", "default", "jane")
    }

    #[test]
    fn names_carry_the_host_prefix_and_a_hash_of_the_public_url() {
        let other = Cookies::new(&PublicUrl::parse("https://other.example.com").unwrap());
        assert!(cookies().name("session").starts_with("__Host-studio-broker-session-"));
        assert_ne!(cookies().name("session"), other.name("session"));
        let request = OpenRequest::start("idp", None, at(0));
        assert_ne!(cookies().request_name(&request), other.request_name(&request));
        assert!(
            other.requests(&sent(&cookies().remember_request(&request, &[])), at(0)).is_empty()
        );
    }

    #[test]
    fn on_plain_loopback_only_the_session_is_not_secure() {
        let local = Cookies::new(&PublicUrl::parse("http://localhost:8400").unwrap());
        assert!(
            !local.end_session().contains("Secure") && !local.end_session().contains("__Host-")
        );
        let request = OpenRequest::start("idp", None, at(0));
        assert!(local.forget_request(&request).contains("; Secure; SameSite=None"));
        assert!(cookies().end_session().contains("; Secure; SameSite=Lax"));
    }

    #[test]
    fn a_cookie_that_appears_twice_counts_as_absent() {
        let cookies = cookies();
        let key = StateKey::of_assertion("a", "b");
        let set = cookies.start_session(&key, &Secret::fresh(), 60);
        assert_eq!(cookies.session(&sent([&set])).unwrap().0, key);
        assert!(cookies.session(&sent([&set, &set])).is_none());
        let request = OpenRequest::start("idp", None, at(0));
        let set = cookies.remember_request(&request, &[]);
        assert_eq!(cookies.requests(&sent(&set), at(0)), [request]);
        assert_eq!(cookies.requests(&sent(set.iter().chain(&set)), at(0)), []);
    }

    #[test]
    fn cookies_of_other_sites_neither_hide_ours_nor_become_one_of_ours() {
        let cookies = cookies();
        let set = cookies.remember_owner(&jane());
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
            assert_eq!(said(&headers, name), Said::Once(value), "{others}");
            assert_eq!(cookies.last_owner(&headers, &jane()), LastOwner::Themselves);
        }
    }

    #[test]
    fn requests_expire_after_ten_minutes_and_only_five_are_kept() {
        let cookies = cookies();
        let (mut kept, mut started) = (Vec::<String>::new(), Vec::new());
        for i in 0..7 {
            let request = OpenRequest::start(&format!("idp{i}"), None, at(1_000 + i));
            let others = cookies.requests(&sent(&kept), at(1_000 + i));
            for set in cookies.remember_request(&request, &others) {
                let name = set.split('=').next().unwrap().to_owned() + "=";
                kept.retain(|old| !old.starts_with(&name));
                if !set.contains("Max-Age=0") {
                    kept.push(set);
                }
            }
            started.push(request);
        }
        let headers = sent(&kept);
        assert_eq!(cookies.requests(&headers, at(1_010)), started[2..]);
        assert_eq!(cookies.requests(&headers, at(1_000 + 700)), []);
        assert_eq!(cookies.requests(&headers, at(1_000)), started[2..], "of a clock that is ahead");
        assert_eq!(cookies.requests(&headers, at(1)), [], "from the future");
        assert!(started[0].is_for("idp0") && !started[0].is_for("idp1"));
        assert_ne!(started[0].id(), started[1].id());
    }

    #[test]
    fn requests_that_start_at_the_same_moment_do_not_overwrite_each_other() {
        let cookies = cookies();
        let started: Vec<_> = (0..6).map(|_| OpenRequest::start("idp", None, at(9))).collect();
        let set: Vec<_> =
            started.iter().flat_map(|one| cookies.remember_request(one, &[])).collect();
        assert_eq!(cookies.requests(&sent(&set), at(9)), started);
    }

    #[test]
    fn a_requests_provider_and_time_cannot_be_changed_by_who_holds_it() {
        let cookies = cookies();
        let request = OpenRequest::start("idp", None, at(1_000));
        let set = cookies.remember_request(&request, &[]).remove(0);
        for (from, to) in [(".1000.", ".9000."), (&*short_hash("idp"), &*short_hash("other"))] {
            let changed = set.replace(from, to);
            assert_ne!(changed, set);
            assert_eq!(cookies.requests(&sent([&changed]), at(9_000)), []);
        }
    }

    #[test]
    fn the_last_owner_is_recognized_and_not_readable() {
        let cookies = cookies();
        let set = cookies.remember_owner(&jane());
        assert!(!set.contains("jane"));
        for (person, expected) in [
            (jane(), LastOwner::Themselves),
            (person("https://other", "default", "jane"), LastOwner::ThemselvesFromElsewhere),
            (person("https://idp", "default", "john"), LastOwner::SomebodyFromThere),
            (person("https://idp", "others", "jane"), LastOwner::SomebodyFromElsewhere),
            (person("https://other", "default", "john"), LastOwner::SomebodyFromElsewhere),
        ] {
            assert_eq!(cookies.last_owner(&sent([&set]), &person), expected, "{person:?}");
            assert_eq!(cookies.last_owner(&HeaderMap::new(), &person), LastOwner::Nobody);
        }
    }

    #[test]
    fn a_last_owner_that_cannot_be_verified_is_somebody_else() {
        let cookies = cookies();
        let set = cookies.remember_owner(&jane());
        let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
        let mut unclear: Vec<_> = ["", ".", "..", "x", "salt.hash", "a.b.c", "a.b.c.d", "\u{e4}"]
            .map(|value| format!("{name}={value}"))
            .into();
        unclear.push(format!("{name}={value}; {name}={value}"));
        unclear.push(format!("{name}={value}; {name}="));
        unclear.push(format!("{name}={value}.x"));
        for line in unclear {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(header::COOKIE, line.clone())]);
            let stands = cookies.last_owner(&headers, &jane());
            assert_eq!(stands, LastOwner::SomebodyFromElsewhere, "{line:?}");
        }
        let bytes = [name.as_bytes(), b"=\xff\xfe"].concat();
        let line = HeaderValue::from_bytes(&bytes).unwrap();
        let headers = HeaderMap::from_iter([(header::COOKIE, line)]);
        assert_eq!(cookies.last_owner(&headers, &jane()), LastOwner::SomebodyFromElsewhere);
    }

    #[test]
    fn each_cookie_is_written_with_its_attributes() {
        let cookies = cookies();
        let key = StateKey::of_assertion("a", "b");
        let secret = Secret::fresh();
        let of_url = short_hash("https://studio.example.com");
        assert_eq!(of_url.len(), 12);
        let name = |what: &str| format!("__Host-studio-broker-{what}-{of_url}");
        let lax = "HttpOnly; Secure; SameSite=Lax";
        let cross_site = "HttpOnly; Secure; SameSite=None";
        assert_eq!(
            cookies.start_session(&key, &secret, 28_800),
            format!(
                "{}={}.{}; Path=/; Max-Age=28800; {lax}",
                name("session"),
                key.as_str(),
                secret.as_cookie()
            )
        );
        assert_eq!(
            cookies.end_session(),
            format!("{}=; Path=/; Max-Age=0; {lax}", name("session"))
        );
        assert_eq!(
            cookies.end_pending(),
            format!("{}=; Path=/; Max-Age=0; {lax}", name("pending"))
        );
        let owner = cookies.remember_owner(&jane());
        // 90 days.
        assert!(owner.starts_with(&format!("{}=", name("owner"))), "{owner}");
        assert!(owner.ends_with(&format!("; Path=/; Max-Age=7776000; {cross_site}")), "{owner}");
        let request = OpenRequest::start("idp", None, at(1_000));
        let started = cookies.remember_request(&request, &[]).remove(0);
        assert!(started.starts_with("__Host-studio-broker-request-"), "{started}");
        assert!(started.ends_with(&format!("; Path=/; Max-Age=600; {cross_site}")), "{started}");
        let (name, _) = started.split_once('=').unwrap();
        assert_eq!(
            cookies.forget_request(&request),
            format!("{name}=; Path=/; Max-Age=0; {cross_site}")
        );
    }

    #[test]
    fn a_sign_in_comes_back_with_its_destination() {
        let cookies = cookies();
        for path in [None, Some("/teams/team1"), Some("/teams/team1?app=JupyterLab")] {
            let destination = path.map(|path| Destination::from_path(path).unwrap());
            let request = OpenRequest::start("idp", destination.clone(), at(1_000));
            let sent_back = sent(&cookies.remember_request(&request, &[]));
            let requests = cookies.requests(&sent_back, at(1_000));
            assert_eq!(requests, [request], "{path:?}");
            assert_eq!(requests[0].destination, destination);
        }
    }

    #[test]
    fn a_requests_id_is_a_digest_of_what_only_this_browser_holds() {
        let request = OpenRequest::start("idp", None, at(1_000));
        let digest = hex(digest(&SHA256, request.nonce.as_bytes()).as_ref());
        assert_eq!(request.id(), format!("_{digest}"));
        assert_ne!(request.id(), OpenRequest::start("idp", None, at(1_000)).id());
    }

    #[test]
    fn a_request_counts_from_three_minutes_before_its_start_to_ten_after_it() {
        let cookies = cookies();
        let request = OpenRequest::start("idp", None, at(10_000));
        let headers = sent(&cookies.remember_request(&request, &[]));
        let counts = |second| cookies.requests(&headers, at(second)).len();
        assert_eq!([9_819, 9_820, 10_599, 10_600].map(counts), [0, 1, 1, 0]);
    }

    #[test]
    fn a_request_whose_random_part_is_not_256_bits_is_none() {
        let cookies = cookies();
        for (bytes, is_one) in [(0, false), (31, false), (32, true), (33, false)] {
            let random = URL_SAFE_NO_PAD.encode(vec![7; bytes]);
            let idp = short_hash("idp");
            let nonce = format!("{random}.{idp}.1000");
            let request = OpenRequest { nonce, idp, started_at: 1_000, destination: None };
            let headers = sent(&cookies.remember_request(&request, &[]));
            let found = cookies.requests(&headers, at(1_000));
            assert_eq!(!found.is_empty(), is_one, "{bytes} bytes");
            // Nor does a random part that is right help one that is too old.
            assert_eq!(cookies.requests(&headers, at(9_000)), []);
        }
    }

    #[test]
    fn a_fifth_request_pushes_nobody_out_and_a_sixth_the_oldest() {
        let cookies = cookies();
        let open: Vec<_> =
            (0..6).map(|second| OpenRequest::start("idp", None, at(second))).collect();
        let set = |others: usize| cookies.remember_request(&open[5], &open[..others]);
        assert_eq!(set(4).len(), 1);
        assert_eq!(set(5)[0], cookies.forget_request(&open[0]));
        assert_eq!(set(5).len(), 2);
    }

    #[test]
    fn a_pending_sign_in_comes_back_whole_or_not_at_all() {
        let cookies = cookies();
        for path in [None, Some("/teams/team1")] {
            let pending = PendingSignIn {
                key: StateKey::of_assertion("a", "b"),
                secret: Secret::fresh(),
                destination: path.map(|path| Destination::from_path(path).unwrap()),
            };
            let set = cookies.start_pending(&pending);
            assert!(
                set.ends_with("; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"),
                "{set}"
            );
            let found = cookies.pending(&sent([&set])).unwrap();
            assert_eq!(found.key, pending.key);
            assert_eq!(found.secret.as_cookie(), pending.secret.as_cookie());
            assert_eq!(found.destination, pending.destination);
            assert!(cookies.pending(&sent([&set, &set])).is_none());
            // One that waits is no session.
            assert!(cookies.session(&sent([&set])).is_none());
            let pair = set.split(';').next().unwrap();
            let (cut, _) = pair.rsplit_once('.').unwrap();
            assert!(cookies.pending(&sent([&cut.to_owned()])).is_none());
        }
        assert!(cookies.pending(&HeaderMap::new()).is_none());
    }

    #[test]
    fn only_blanks_around_a_cookie_are_trimmed() {
        let line = HeaderValue::from_bytes(b"a=1;\t b \t= \t2 \t; c=3 4;d= ").unwrap();
        let headers = HeaderMap::from_iter([(header::COOKIE, line)]);
        let found: Vec<_> = pairs(&headers).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"a", b"1"), (b"b", b"2"), (b"c", b"3 4"), (b"d", b"")];
        assert_eq!(found, expected);
    }
}
