//! The simulated Studio: the page behind a presigned URL, which shows as whom and where one landed.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::error::Unspecified;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    aws::random,
    html::{escape, page},
    server::{self, Body},
};

/// Presigned URLs of `SageMaker` are about this long; the token is padded to be as long.
const URL_LENGTH: usize = 4400;
/// Characters of a token that tell it from others, 256 bits in base64url.
const ID_LENGTH: usize = 43;

/// The openings that presigned URLs lead to.
#[derive(Debug, Default)]
pub struct Studio {
    openings: Mutex<HashMap<String, Opening>>,
}

/// What one presigned URL opens.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) domain: String,
    pub(crate) profile: String,
    pub(crate) execution_role: String,
    /// Tags of the profile.
    pub(crate) tags: Vec<(String, String)>,
    /// Role session name of whoever made the URL.
    pub(crate) session_name: String,
    /// Session tags of whoever made the URL.
    pub(crate) session_tags: Vec<(String, String)>,
    pub(crate) space: Option<String>,
    pub(crate) landing_uri: Option<String>,
    pub(crate) user_settings: Value,
    pub(crate) session_seconds: i64,
    /// The URL opens nothing from here on.
    pub(crate) expires: Timestamp,
    /// How many more times it opens; `None` is without limit.
    pub(crate) uses_left: Option<u32>,
}

impl Studio {
    /// Keeps an opening; the token that leads to it.
    pub(crate) fn add(&self, opening: Opening, now: Timestamp) -> Result<String, Unspecified> {
        let id = random::token(32)?;
        let padding = random::token(URL_LENGTH * 3 / 4)?;
        let mut openings = self.lock();
        // Kept for a while, so that a late visitor is told that the URL expired.
        openings.retain(|_, opening| now.duration_since(opening.expires).as_secs() < 600);
        openings.insert(id.clone(), opening);
        Ok(format!("{id}.{padding}"))
    }

    /// Answers `auth?token=…`, the path after the Studio's base.
    pub(crate) fn answer(&self, path: &str, query: Option<&str>, now: Timestamp) -> Response<Body> {
        if path != "auth" {
            return server::html(StatusCode::NOT_FOUND, page("Not found", "<h1>Not found</h1>"));
        }
        let token = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "token")
            .map(|(_, token)| token.into_owned())
            .unwrap_or_default();
        match self.take(&token, now) {
            Some(opening) => server::html(StatusCode::OK, studio_page(&opening)),
            None => server::html(StatusCode::FORBIDDEN, expired_page()),
        }
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

fn expired_page() -> String {
    page(
        "This address has expired",
        "<h1 id=\"expired\">This address has expired</h1>\
         <p>A presigned URL opens Studio for a few seconds only. Go back to the broker and open the \
         team again.</p>",
    )
}

fn studio_page(opening: &Opening) -> String {
    let tag = |tags: &[(String, String)], key: &str| {
        tags.iter().find(|(k, _)| k == key).map_or_else(|| "–".into(), |(_, v)| v.clone())
    };
    let list = |tags: &[(String, String)]| {
        let mut all: Vec<String> = tags.iter().map(|(k, v)| format!("{k} = {v}")).collect();
        all.sort();
        if all.is_empty() { "–".into() } else { all.join(", ") }
    };
    let rows: [(&str, &str, String); 14] = [
        ("account", "Account", opening.account.clone()),
        ("region", "Region", opening.region.clone()),
        ("domain", "Domain", opening.domain.clone()),
        ("profile", "User profile", opening.profile.clone()),
        ("execution-role", "Execution role", opening.execution_role.clone()),
        ("team-tag", "Tag Team", tag(&opening.tags, "Team")),
        ("user-tag", "Tag User", tag(&opening.tags, "User")),
        ("tags", "All tags", list(&opening.tags)),
        ("session-name", "Role session name", opening.session_name.clone()),
        ("session-tags", "Session tags", list(&opening.session_tags)),
        ("space", "Space", opening.space.clone().unwrap_or_else(|| "–".into())),
        ("landing-uri", "Landing URI", opening.landing_uri.clone().unwrap_or_else(|| "–".into())),
        ("session-seconds", "Session length", format!("{} s", opening.session_seconds)),
        ("url-expires", "URL expires", opening.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    ];
    let rows: String = rows
        .into_iter()
        .map(|(id, label, value)| {
            format!("<dt>{}</dt><dd id=\"{id}\">{}</dd>\n", escape(label), escape(&value))
        })
        .collect();
    page(
        &format!("{} – simulated Studio", opening.profile),
        &format!(
            "<h1>Simulated SageMaker Studio</h1>\n\
             <p class=\"soft\">This is where Studio would open. Nothing here reaches AWS.</p>\n\
             <dl>\n{rows}</dl>\n<h2 id=\"settings\">User settings</h2>\n\
             <pre id=\"user-settings\" role=\"region\" aria-labelledby=\"settings\" tabindex=\"0\">{}</pre>",
            escape(&format!("{:#}", opening.user_settings))
        ),
    )
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;

    fn opening(uses_left: Option<u32>) -> Opening {
        Opening {
            account: "222222222222".into(),
            region: "us-east-1".into(),
            domain: "d-localteam001".into(),
            profile: "user-1-team1".into(),
            execution_role: "arn:aws:iam::222222222222:role/<b>".into(),
            tags: vec![("Team".into(), "team1".into()), ("User".into(), "user-1".into())],
            session_name: "user-1".into(),
            session_tags: vec![("Team".into(), "team1".into())],
            space: None,
            landing_uri: None,
            user_settings: Value::Null,
            session_seconds: 43_200,
            expires: Timestamp::UNIX_EPOCH + 30.seconds(),
            uses_left,
        }
    }

    #[test]
    fn a_token_opens_until_it_expires() {
        let studio = Studio::default();
        let start = Timestamp::UNIX_EPOCH;
        let token = studio.add(opening(None), start).unwrap();
        assert!(studio.take(&token, start + 29.seconds()).is_some());
        assert!(studio.take(&token, start + 29.seconds()).is_some());
        assert!(studio.take(&token, start + 30.seconds()).is_none());
        assert!(studio.take("x", start).is_none());
    }

    #[test]
    fn a_single_use_token_opens_once() {
        let studio = Studio::default();
        let token = studio.add(opening(Some(1)), Timestamp::UNIX_EPOCH).unwrap();
        assert!(studio.take(&token, Timestamp::UNIX_EPOCH).is_some());
        assert!(studio.take(&token, Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn the_page_shows_whose_studio_it_is_and_escapes_what_it_shows() {
        let page = studio_page(&opening(None));
        assert!(page.contains("<dd id=\"account\">222222222222</dd>"));
        assert!(page.contains("<dd id=\"team-tag\">team1</dd>"));
        assert!(page.contains("role/&lt;b&gt;"));
    }
}
