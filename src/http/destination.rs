//! Where a person wants to go.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::broker::Landing;
use crate::config::PublicUrl;
use crate::team::app::App;
use crate::team::{SpaceName, TeamId};

/// Where a person wants to go: a team, and a place in it. The only thing that RelayState, a bookmark
/// or a cookie can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The team.
    pub team: TeamId,
    space: Option<String>,
    app: Option<App>,
}

/// Stands for every text that cannot be a space's name: no space is called so, and it stays short in a
/// cookie.
const NO_SPACE: &str = "-";

impl Destination {
    /// A team, wherever it opens.
    pub fn team(team: TeamId) -> Self {
        Self { team, space: None, app: None }
    }

    /// An app of a team.
    pub fn app(team: TeamId, app: App) -> Self {
        Self { team, space: None, app: Some(app) }
    }

    /// `/teams/{id}`, `?space=` and `?app=`; anything else is no destination.
    pub fn from_path(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("/teams/")?;
        let (id, query) = rest.split_once('?').unwrap_or((rest, ""));
        Self::new(id, |name| super::request::single(form_urlencoded::parse(query.as_bytes()), name))
    }

    /// The same in a `RelayState`, where our own public URL may stand in front.
    pub fn from_relay_state(text: &str, public_url: &PublicUrl) -> Option<Self> {
        Self::from_path(text.strip_prefix(public_url.as_str()).unwrap_or(text))
    }

    /// The team with this id, and where in it, by the parameters `space` and `app`.
    pub fn new(id: &str, value: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let team = TeamId::try_from(id.to_owned()).ok()?;
        let space = value("space").map(|space| {
            SpaceName::try_from(space).map_or_else(|_| NO_SPACE.to_owned(), String::from)
        });
        let app = value("app").and_then(|app| App::of_name(&app));
        Some(Self { team, space, app })
    }

    /// The path that leads here.
    pub fn to_path(&self) -> String {
        let mut path = format!("/teams/{}", self.team);
        let mut separator = '?';
        let space = self.space.as_deref();
        let app = self.app.map(App::name);
        for (name, value) in [("space", space), ("app", app)] {
            let Some(value) = value else { continue };
            path.push(separator);
            path.push_str(name);
            path.push('=');
            path.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
            separator = '&';
        }
        path
    }

    /// Where in Studio it is.
    pub(super) fn landing(&self) -> Landing {
        Landing { landing_uri: self.app.map(App::landing_uri), space: self.space.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_team_path_and_two_parameters_and_nothing_else() {
        for path in ["/teams/t1", "/teams/t1?app=JupyterLab", "/teams/t1?space=a%2Db&app=studio"] {
            assert_eq!(Destination::from_path(path).unwrap().to_path(), path);
        }
        let ignored = Destination::from_path("/teams/t1?app=Evil&next=https://evil.com").unwrap();
        assert_eq!(ignored.to_path(), "/teams/t1");
        for bad in
            ["", "/", "t1", "https://evil.com", "//evil.com", "/teams/", "/teams/a/b", "/teams/a b"]
        {
            assert_eq!(Destination::from_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn in_relay_state_our_own_public_url_may_stand_in_front_and_no_other() {
        let ours = PublicUrl::parse("https://studio.example.com/prod").unwrap();
        let selected = |text: &str| {
            Destination::from_relay_state(text, &ours).map(|destination| destination.to_path())
        };
        let expected = Some("/teams/t1?app=studio".to_owned());
        assert_eq!(selected("/teams/t1?app=studio"), expected);
        assert_eq!(selected("https://studio.example.com/prod/teams/t1?app=studio"), expected);
        for other in [
            "https://studio.example.com/teams/t1",
            "https://studio.example.com.evil.com/prod/teams/t1",
            "https://studio.example.com/prod.evil.com/teams/t1",
            "http://studio.example.com/prod/teams/t1",
            "https://studio.example.com/prodhttps://studio.example.com/prod/teams/t1",
            "https://u@studio.example.com/prod/teams/t1",
            "https://studio.example.com/prod",
        ] {
            assert_eq!(selected(other), None, "{other}");
        }
    }

    #[test]
    fn apps_become_landing_uris() {
        let landing = |path| Destination::from_path(path).unwrap().landing().landing_uri;
        assert_eq!(landing("/teams/t1?app=studio").as_deref(), Some("studio::"));
        assert_eq!(landing("/teams/t1?app=CodeEditor").as_deref(), Some("app:CodeEditor:"));
        assert_eq!(landing("/teams/t1?app=codeeditor"), None);
    }
}
