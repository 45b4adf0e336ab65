//! What is lawful in an item and probably a mistake: said by `plan`, `apply`, `doctor` and the validator.

use std::collections::BTreeSet;

use super::user_settings::{doubts, region_doubt};
use crate::team::Team;
use crate::team::app::App;
use crate::team::item::excerpt;

/// What deserves a second look in a team that can be used, one sentence each.
pub fn of_team(team: &Team) -> Vec<String> {
    let mut advice = Vec::new();
    advice.extend(region_doubt(team.region.as_str()));
    advice.extend(doubts(&team.user_settings));
    advice.extend(portal(team));
    if team.allowed_cidrs.as_ref().is_some_and(Vec::is_empty) {
        advice.push(
            "allowed_cidrs is an empty list: nobody can open the team from anywhere; leave it out to allow every address"
                .into(),
        );
    }
    advice.extend(titles(team));
    if let Some(uri) = &team.landing_uri {
        advice.extend(landing("landing_uri", uri));
    }
    advice
}

fn setting<'a>(team: &'a Team, name: &str) -> Option<&'a str> {
    team.user_settings.get(name)?.as_str()
}

/// Whether a team is for people of RStudio, which only some domains have.
pub fn wants_rstudio(team: &Team) -> bool {
    let settings = team.user_settings.get("RStudioServerProAppSettings");
    let status = settings.and_then(|settings| settings.get("AccessStatus")?.as_str());
    let lands = |uri: Option<&str>| uri.is_some_and(|uri| uri.starts_with("app:RStudioServerPro:"));
    status == Some("ENABLED")
        || lands(team.landing_uri.as_deref())
        || lands(setting(team, "DefaultLandingUri"))
}

/// SageMaker refuses a profile that lands in a Studio that it is not shown.
fn portal(team: &Team) -> Vec<String> {
    let uri = setting(team, "DefaultLandingUri");
    let mut advice: Vec<_> =
        uri.and_then(|uri| landing("user_settings.DefaultLandingUri", uri)).into_iter().collect();
    if setting(team, "StudioWebPortal") == Some("DISABLED") {
        let studio = |uri: &str| uri.starts_with("studio:");
        if uri.is_some_and(studio) {
            advice.push("user_settings.StudioWebPortal is DISABLED beside DefaultLandingUri studio::, which SageMaker refuses: profiles stay as they are".into());
        } else if uri.is_none() {
            advice.push("user_settings.StudioWebPortal is DISABLED without a DefaultLandingUri: a profile that lands in studio:: already keeps that, and SageMaker refuses both together".into());
        }
        if team.landing_uri.as_deref().is_some_and(studio) {
            advice.push("landing_uri is studio::, and user_settings.StudioWebPortal is DISABLED: people land where nothing is shown".into());
        }
    }
    advice
}

/// Links that people cannot tell apart.
fn titles(team: &Team) -> Option<String> {
    let mut seen = BTreeSet::new();
    let twice = team.links.iter().find(|link| !seen.insert(link.title.to_lowercase()))?;
    Some(format!(
        "links: two have the title {}, and people cannot tell them apart",
        excerpt(&twice.title)
    ))
}

/// `studio::path` or `app:Name:path`.
fn landing(attribute: &str, uri: &str) -> Option<String> {
    if uri.starts_with("studio::") {
        return None;
    }
    let app = uri.strip_prefix("app:").and_then(|rest| rest.split_once(':')).map(|(app, _)| app);
    match app {
        Some("JupyterServer") => Some(format!(
            "{attribute} is {}: Studio Classic, in which no new app can be created; expected app:JupyterLab: or studio::",
            excerpt(uri)
        )),
        Some(app) if App::of_name(app).is_some_and(|app| app != App::Studio) => None,
        Some(app) => {
            let apps = App::ALL.map(App::name);
            let perhaps = super::nearest(app, apps.into_iter()).first().map_or_else(
                || format!("one of {}", apps.join(", ")),
                |near| format!("perhaps app:{near}:"),
            );
            Some(format!("{attribute}: found {}, expected {perhaps}", excerpt(uri)))
        }
        None => Some(format!(
            "{attribute}: found {}, expected studio::… or app:Name:…, such as app:JupyterLab:",
            excerpt(uri)
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn advice(change: Value) -> Vec<String> {
        let mut item = json!({
            "team_id": "a", "account_id": "012345678901", "region": "eu-west-1", "domain_id": "d-abc",
            "execution_role_arn": "arn:aws:iam::012345678901:role/T",
        });
        for (name, value) in change.as_object().unwrap() {
            item[name] = value.clone();
        }
        of_team(&Team::read(item.as_object().unwrap()).unwrap().value)
    }

    #[test]
    fn lawful_mistakes_are_said() {
        for (change, expected) in [
            (json!({"region": "eu-centrall-1"}), "perhaps eu-central-1"),
            (json!({"landing_uri": "http://x"}), "expected studio::… or app:Name:…"),
            (json!({"landing_uri": "app:JupiterLab:"}), "perhaps app:JupyterLab:"),
            (json!({"landing_uri": "app:JupyterServer:"}), "Studio Classic"),
            (
                json!({"links": [
                    {"title": "Wiki", "url": "https://a.example.com"},
                    {"title": "wiki", "url": "https://b.example.com"},
                ]}),
                "cannot tell them apart",
            ),
            (json!({"allowed_cidrs": []}), "nobody can open the team"),
            (
                json!({"user_settings": {"StudioWebPortal": "DISABLED", "DefaultLandingUri": "studio::"}}),
                "which SageMaker refuses",
            ),
            (json!({"user_settings": {"SecurityGroup": []}}), "perhaps SecurityGroups"),
        ] {
            let said = advice(change.clone());
            assert!(said.iter().any(|one| one.contains(expected)), "{change}: {said:?}");
        }
        for fine in ["studio::", "app:JupyterLab:", "app:CodeEditor:lab/tree", "app:Canvas:"] {
            assert_eq!(advice(json!({"landing_uri": fine})), Vec::<String>::new(), "{fine}");
        }
        let rstudio = json!({"user_settings": {"RStudioServerProAppSettings": {"AccessStatus": "ENABLED", "UserGroup": "R_STUDIO_USER"}}});
        assert_eq!(advice(rstudio), Vec::<String>::new());
    }
}
