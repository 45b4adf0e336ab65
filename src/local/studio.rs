//! The simulated Studio, and what doors lead to: the page behind a presigned URL, which shows as whom and
//! where one landed.
//!
//! `auth?token=…` begins a session, which a cookie carries; `session` is any later request of it. Each of
//! them is put before IAM again, as the API reference says of the real one, so that the end of access is
//! seen in the browser.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use aws_lc_rs::error::Unspecified;
use http::{HeaderValue, Request, Response, StatusCode, header};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::team::door::DoorKind;

use super::{
    aws::{caller::Caller, random},
    html::{escape, page},
    server::{self, Body},
};

/// Characters of a token that tell it from others, 256 bits in base64url.
const ID_LENGTH: usize = 43;

/// The openings that presigned URLs lead to.
#[derive(Default)]
pub struct Studio {
    openings: Mutex<HashMap<String, Opening>>,
    sessions: Mutex<HashMap<String, (Opening, Timestamp)>>,
    iam: OnceLock<Iam>,
}

/// What decides about each request.
type Iam = Box<dyn Fn(&Opening, Timestamp) -> bool + Send + Sync>;

impl fmt::Debug for Studio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Studio(..)")
    }
}

/// What one presigned URL opens.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    /// Whoever made the URL: with their credentials IAM decides about each request.
    pub(crate) caller: Caller,
    /// The ARN of the profile, or of what the door leads to.
    pub(crate) arn: String,
    pub(crate) account: String,
    pub(crate) region: String,
    /// Tags of the same.
    pub(crate) tags: Vec<(String, String)>,
    /// Role session name of whoever made the URL.
    pub(crate) session_name: String,
    /// Session tags of whoever made the URL.
    pub(crate) session_tags: Vec<(String, String)>,
    pub(crate) session_seconds: i64,
    /// The URL opens nothing from here on.
    pub(crate) expires: Timestamp,
    /// How many more times it opens; `None` is without limit.
    pub(crate) uses_left: Option<u32>,
    pub(crate) room: Room,
}

/// Where one lands.
#[derive(Debug, Clone)]
pub(crate) enum Room {
    Studio {
        domain: String,
        profile: String,
        execution_role: String,
        space: Option<String>,
        landing_uri: Option<String>,
        user_settings: Value,
    },
    Door {
        kind: DoorKind,
        name: String,
        /// Who somebody is there, where it is told.
        person: Option<String>,
    },
}

impl Studio {
    /// Keeps an opening; the token that leads to it, padded to about `length`.
    pub(crate) fn add(
        &self,
        opening: Opening,
        length: usize,
        now: Timestamp,
    ) -> Result<String, Unspecified> {
        let id = random::token(32)?;
        let padding = random::token(length * 3 / 4)?;
        let mut openings = self.lock();
        // Kept for a while, so that a late visitor is told that the URL expired.
        openings.retain(|_, opening| now.duration_since(opening.expires).as_secs() < 600);
        openings.insert(id.clone(), opening);
        Ok(format!("{id}.{padding}"))
    }

    /// Puts every request before `iam` from now on.
    pub(crate) fn ask(&self, iam: impl Fn(&Opening, Timestamp) -> bool + Send + Sync + 'static) {
        let _ = self.iam.set(Box::new(iam));
    }

    /// Answers `auth?token=…` and `session`, the path after the Studio's base.
    pub(crate) fn answer<B>(
        &self,
        path: &str,
        request: &Request<B>,
        now: Timestamp,
    ) -> Response<Body> {
        match path {
            "auth" => self.begin(request.uri().query(), now),
            "session" => self.go_on(request, now),
            _ => server::html(StatusCode::NOT_FOUND, page("Not found", "<h1>Not found</h1>")),
        }
    }

    fn begin(&self, query: Option<&str>, now: Timestamp) -> Response<Body> {
        let token = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "token")
            .map(|(_, token)| token.into_owned())
            .unwrap_or_default();
        let Some(opening) = self.take(&token, now) else {
            return server::html(StatusCode::FORBIDDEN, expired_page());
        };
        if !self.is_let_through(&opening, now) {
            return server::html(StatusCode::FORBIDDEN, ended_page());
        }
        let mut response = server::html(StatusCode::OK, room_page(&opening));
        let ends = now + opening.session_seconds.seconds();
        if let Ok(id) = random::token(32)
            && let Ok(cookie) = HeaderValue::from_str(&format!("{COOKIE}={id}; Path=/; HttpOnly"))
        {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|_, (_, ends)| now < *ends);
            sessions.insert(id, (opening, ends));
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }

    fn go_on<B>(&self, request: &Request<B>, now: Timestamp) -> Response<Body> {
        let cookies = request.headers().get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|line| line.to_str().ok()).flat_map(|l| l.split(';'));
        let id = cookies.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == COOKIE);
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = id.and_then(|(_, id)| sessions.get(id)).cloned();
        drop(sessions);
        match session {
            Some((opening, ends)) if now < ends && self.is_let_through(&opening, now) => {
                server::html(StatusCode::OK, room_page(&opening))
            }
            _ => server::html(StatusCode::FORBIDDEN, ended_page()),
        }
    }

    fn is_let_through(&self, opening: &Opening, now: Timestamp) -> bool {
        self.iam.get().is_some_and(|iam| iam(opening, now))
    }

    /// The opening of a token, if it still opens; counts the use.
    fn take(&self, token: &str, now: Timestamp) -> Option<Opening> {
        let mut openings = self.lock();
        let opening = openings.get_mut(token.get(..ID_LENGTH)?)?;
        if now >= opening.expires || opening.uses_left == Some(0) {
            return None;
        }
        opening.uses_left = opening.uses_left.map(|uses| uses.saturating_sub(1));
        Some(opening.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Opening>> {
        self.openings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries a session.
const COOKIE: &str = "simulated-studio";

fn ended_page() -> String {
    page(
        "This session has ended",
        "<h1 id=\"ended\">This session has ended</h1>\
         <p>IAM does not let its requests through any more, or its time is over.</p>",
    )
}

fn expired_page() -> String {
    page(
        "This address has expired",
        "<h1 id=\"expired\">This address has expired</h1>\
         <p>A presigned URL opens for a few seconds only, and one of MLflow once. Go back to the broker and \
         open the team again.</p>",
    )
}

fn room_page(opening: &Opening) -> String {
    let tag = |key: &str| {
        let tag = opening.tags.iter().find(|(k, _)| k == key);
        tag.map_or_else(none, |(_, value)| value.clone())
    };
    let list = |tags: &[(String, String)]| {
        let mut all: Vec<String> = tags.iter().map(|(k, v)| format!("{k} = {v}")).collect();
        all.sort();
        if all.is_empty() { none() } else { all.join(", ") }
    };
    let place = [
        ("account", "Account", opening.account.clone()),
        ("region", "Region", opening.region.clone()),
    ];
    let session = [
        ("tags", "All tags", list(&opening.tags)),
        ("session-name", "Role session name", opening.session_name.clone()),
        ("session-tags", "Session tags", list(&opening.session_tags)),
    ];
    let times = [
        ("session-seconds", "Session length", format!("{} s", opening.session_seconds)),
        ("url-expires", "URL expires", opening.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    ];
    let (title, heading, own, rest, below) = match &opening.room {
        Room::Studio { domain, profile, execution_role, space, landing_uri, user_settings } => (
            format!("{profile} – simulated Studio"),
            "Simulated SageMaker Studio".to_owned(),
            vec![
                ("domain", "Domain", domain.clone()),
                ("profile", "User profile", profile.clone()),
                ("execution-role", "Execution role", execution_role.clone()),
                ("team-tag", "Tag Team", tag("Team")),
                ("user-tag", "Tag User", tag("User")),
            ],
            vec![
                ("space", "Space", space.clone().unwrap_or_else(none)),
                ("landing-uri", "Landing URI", landing_uri.clone().unwrap_or_else(none)),
            ],
            format!(
                "<h2 id=\"settings\">User settings</h2>\n\
                 <pre id=\"user-settings\" role=\"region\" aria-labelledby=\"settings\" tabindex=\"0\">{}</pre>",
                escape(&format!("{user_settings:#}"))
            ),
        ),
        Room::Door { kind, name, person } => (
            format!("{name} – simulated {}", kind.row().name),
            format!("Simulated {}", kind.row().name),
            vec![
                ("door-kind", "Kind", kind.to_string()),
                ("door-name", "Name", name.clone()),
                ("door-arn", "ARN", opening.arn.clone()),
            ],
            person.iter().map(|person| ("person", "Known here as", person.clone())).collect(),
            String::new(),
        ),
    };
    let rows = place.into_iter().chain(own).chain(session).chain(rest).chain(times);
    let rows: String = rows
        .map(|(id, label, value)| {
            format!("<dt>{}</dt><dd id=\"{id}\">{}</dd>\n", escape(label), escape(&value))
        })
        .collect();
    page(
        &title,
        &format!(
            "<h1>{}</h1>\n\
             <p class=\"soft\">This is where it would open. Nothing here reaches AWS.</p>\n\
             <p><a id=\"go-on\" href=\"session\">Go on working</a></p>\n\
             <dl>\n{rows}</dl>\n{below}",
            escape(&heading)
        ),
    )
}

fn none() -> String {
    "–".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::aws::caller::Principal;

    fn opening(uses_left: Option<u32>) -> Opening {
        Opening {
            caller: Caller {
                account: "222222222222".into(),
                region: "us-east-1".into(),
                principal: Principal::Administrator,
            },
            arn: "arn:aws:sagemaker:us-east-1:222222222222:user-profile/d-x/user-1-team1".into(),
            account: "222222222222".into(),
            region: "us-east-1".into(),
            tags: vec![("Team".into(), "team1".into()), ("User".into(), "user-1".into())],
            session_name: "user-1".into(),
            session_tags: vec![("Team".into(), "team1".into())],
            session_seconds: 43_200,
            expires: Timestamp::UNIX_EPOCH + 30.seconds(),
            uses_left,
            room: Room::Studio {
                domain: "d-localteam001".into(),
                profile: "user-1-team1".into(),
                execution_role: "arn:aws:iam::222222222222:role/<b>".into(),
                space: None,
                landing_uri: None,
                user_settings: Value::Null,
            },
        }
    }

    #[test]
    fn a_token_opens_until_it_expires() {
        let studio = Studio::default();
        let start = Timestamp::UNIX_EPOCH;
        let token = studio.add(opening(None), 100, start).unwrap();
        assert!(studio.take(&token, start + 29.seconds()).is_some());
        assert!(studio.take(&token, start + 29.seconds()).is_some());
        assert!(studio.take(&token, start + 30.seconds()).is_none());
        assert!(studio.take("x", start).is_none());
    }

    #[test]
    fn a_single_use_token_opens_once() {
        let studio = Studio::default();
        let token = studio.add(opening(Some(1)), 100, Timestamp::UNIX_EPOCH).unwrap();
        assert!(studio.take(&token, Timestamp::UNIX_EPOCH).is_some());
        assert!(studio.take(&token, Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn each_request_of_a_session_is_put_before_iam() {
        let studio = Studio::default();
        let start = Timestamp::UNIX_EPOCH;
        studio.ask(move |_, now| now < start + 60.seconds());
        let token = studio.add(opening(None), 100, start).unwrap();
        let ask = |path: &str, cookie: &str, seconds: i64| {
            let uri = format!("/{path}?token={token}");
            let request = Request::get(uri).header(header::COOKIE, cookie).body(()).unwrap();
            studio.answer(path, &request, start + seconds.seconds())
        };
        let begun = ask("auth", "", 1);
        assert_eq!(begun.status(), StatusCode::OK);
        let cookie = begun.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        let cookie = format!("a=b; {}", cookie.split(';').next().unwrap());
        assert_eq!(ask("session", &cookie, 59).status(), StatusCode::OK);
        assert_eq!(ask("session", "simulated-studio=x", 59).status(), StatusCode::FORBIDDEN);
        assert_eq!(ask("session", &cookie, 60).status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn the_page_shows_whose_studio_it_is_and_escapes_what_it_shows() {
        let page = room_page(&opening(None));
        assert!(page.contains("<dd id=\"account\">222222222222</dd>"));
        assert!(page.contains("<dd id=\"team-tag\">team1</dd>"));
        assert!(page.contains("role/&lt;b&gt;"));
    }
}
