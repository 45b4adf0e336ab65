//! Where a person wants to go.

use super::query::with_query;
use crate::broker::Landing;
use crate::config::PublicUrl;
use crate::team::app::App;
use crate::team::{DoorId, SpaceName, TeamId};

/// Where a person wants to go: a team, and a place in it or one of its doors. The only thing that
/// RelayState, a bookmark or a cookie can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The team.
    pub team: TeamId,
    /// The door of the team, instead of Studio.
    pub door: Option<DoorId>,
    space: Option<String>,
    app: Option<App>,
}

/// Stands for every text that cannot be a space's name: no space is called so, and it stays short in a
/// cookie.
const NO_SPACE: &str = "-";

impl Destination {
    /// A team, wherever it opens.
    pub fn team(team: TeamId) -> Self {
        Self { team, door: None, space: None, app: None }
    }

    /// An app of a team.
    pub fn app(team: TeamId, app: App) -> Self {
        Self { team, door: None, space: None, app: Some(app) }
    }

    /// `/teams/{id}`, `?space=` and `?app=`, or `/teams/{id}/doors/{door}`; anything else is no destination.
    pub fn from_path(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("/teams/")?;
        let (id, query) = rest.split_once('?').unwrap_or((rest, ""));
        if let Some((id, door)) = id.split_once("/doors/") {
            return Self::at_door(id, door);
        }
        Self::in_team(id, |name| {
            super::request::single(form_urlencoded::parse(query.as_bytes()), name)
        })
    }

    /// The same in a `RelayState`, where our own public URL may stand in front.
    pub fn from_relay_state(text: &str, public_url: &PublicUrl) -> Option<Self> {
        Self::from_path(text.strip_prefix(public_url.as_str()).unwrap_or(text))
    }

    /// A door of a team.
    pub fn door(team: &TeamId, door: &DoorId) -> Self {
        Self { door: Some(door.clone()), ..Self::team(team.clone()) }
    }

    /// The door of this id, of the team of this id.
    pub fn at_door(id: &str, door: &str) -> Option<Self> {
        let team = TeamId::try_from(id.to_owned()).ok()?;
        Some(Self::door(&team, &DoorId::try_from(door.to_owned()).ok()?))
    }

    /// The team with this id, and where in it, by the parameters `door`, or `space` and `app`.
    pub fn new(id: &str, value: impl Fn(&str) -> Option<String>) -> Option<Self> {
        if let Some(door) = value("door") {
            return Self::at_door(id, &door);
        }
        Self::in_team(id, value)
    }

    /// The team with this id, and where in it, by the parameters `space` and `app`.
    pub fn in_team(id: &str, value: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let team = TeamId::try_from(id.to_owned()).ok()?;
        let space = value("space").map(|space| {
            SpaceName::try_from(space).map_or_else(|_| NO_SPACE.to_owned(), String::from)
        });
        let app = value("app").and_then(|app| App::of_name(&app));
        Some(Self { team, door: None, space, app })
    }

    /// The path that leads here.
    pub fn to_path(&self) -> String {
        if let Some(door) = &self.door {
            return format!("/teams/{}/doors/{door}", self.team);
        }
        with_query(&format!("/teams/{}", self.team), self.within())
    }

    /// The same as parameters: `team`, and what [`Self::new`] reads.
    pub(super) fn to_parameters(&self) -> Vec<(&'static str, &str)> {
        let team = ("team", self.team.as_str());
        let door = self.door.iter().map(|door| ("door", door.as_str()));
        [team].into_iter().chain(door).chain(self.within()).collect()
    }

    /// Where in the team's Studio it is.
    fn within(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let space = self.space.as_deref().map(|space| ("space", space));
        let app = self.app.map(|app| ("app", app.name()));
        space.into_iter().chain(app)
    }

    /// Where in Studio it is.
    pub(super) fn landing(&self) -> Landing {
        Landing { landing_uri: self.app.map(App::landing_uri), space: self.space.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::query;

    #[test]
    fn a_destination_is_a_team_path_and_two_parameters_and_nothing_else() {
        for path in ["/teams/t1", "/teams/t1?app=JupyterLab", "/teams/t1?space=a-b&app=studio"] {
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
    fn a_door_is_a_path_of_its_own_and_a_parameter_of_the_sign_in() {
        let door = Destination::from_path("/teams/t1/doors/runs").unwrap();
        assert_eq!(door.to_path(), "/teams/t1/doors/runs");
        assert_eq!(query(door.to_parameters()), "team=t1&door=runs");
        let parameter = |name: &str| (name == "door").then(|| "runs".to_owned());
        assert_eq!(Destination::new("t1", parameter), Some(door));
        let team = Destination::from_path("/teams/t1?app=Canvas&space=a").unwrap();
        assert_eq!(query(team.to_parameters()), "team=t1&space=a&app=Canvas");
        let plain = Destination::from_path("/teams/t1/doors/runs?app=Canvas&next=//evil").unwrap();
        assert_eq!(plain.to_path(), "/teams/t1/doors/runs");
        for bad in [
            "/teams/t1/doors/",
            "/teams/t1/doors/Runs",
            "/teams/t1/doors/a/b",
            "/teams/t1/doors/..",
            "/teams/t1/doors/a%2Fb",
            "/teams//doors/a",
            "/teams/t1/x/doors/a",
            "/teams/t1/door/a",
        ] {
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
