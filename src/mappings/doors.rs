//! What a change of a team's doors means: which appear, lead elsewhere or go, and who opens them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::cut;
use super::privileged::Privileged;
use crate::team::door::{ATTRIBUTE, Door};
use crate::team::idp::Idp;
use crate::team::item::excerpt;
use crate::team::{DoorId, Team};

/// What follows from the doors that differ; nothing where none does.
pub fn follow(old: Option<&Team>, new: Option<&Team>, idps: &[&Idp]) -> Vec<String> {
    let (before, after) = (by_id(old), by_id(new));
    let mut follows = Vec::new();
    for (id, door) in &after {
        let (kind, arn) = (door.kind.row().name, &door.arn);
        match before.get(id) {
            None => follows.push(format!("door {id} appears, to the {kind} {arn}")),
            Some(was) if (was.kind, &was.arn) != (door.kind, &door.arn) => {
                follows.push(format!(
                    "door {id} leads to the {kind} {arn} from now on, and not to {}",
                    was.arn
                ));
            }
            Some(_) => {}
        }
    }
    if let Some(new) = new.filter(|_| !follows.is_empty()) {
        follows.push(format!("whoever opens the team opens them: {}", openers(new, idps)));
        follows.push(
            "teams spoke writes what the target role needs for them; until it has that, they are denied"
                .to_owned(),
        );
    }
    // Of a team that goes it is said already.
    let gone = before.iter().filter(|(id, _)| new.is_some() && !after.contains_key(*id));
    follows.extend(gone.map(|(id, was)| {
        format!("door {id} goes: links to it end on a page that says so, and what is open of the {} stays open until its session ends", was.kind.row().name)
    }));
    follows
}

fn by_id(team: Option<&Team>) -> BTreeMap<&DoorId, &Door> {
    team.into_iter().flat_map(|team| &team.doors).map(|door| (&door.id, door)).collect()
}

/// By which rules people may open a team.
fn openers(team: &Team, idps: &[&Idp]) -> String {
    let may = idps.iter().filter(|idp| idp.enabled && idp.allowed_teams.allow(&team.team_id));
    let mut by: Vec<_> =
        may.map(|idp| format!("whom {} sends for it", excerpt(&idp.entity_id))).collect();
    by.extend(team.groups.iter().map(|group| format!("the group {}", excerpt(group))));
    match team.members.people().count() {
        0 => {}
        1 => by.push("1 person by name".to_owned()),
        more => by.push(format!("{more} people by name")),
    }
    if by.is_empty() { "nobody".to_owned() } else { cut(&by, 8).join(", ") }
}

/// Doors that are new, or lead elsewhere than before, to something that another team opens as well: whoever
/// may write them gives one team what is another's.
pub fn reaching(old: Option<&Team>, new: &Team, teams: &[&Team]) -> Vec<Privileged> {
    let known = by_id(old);
    let is_new = |door: &&Door| known.get(&door.id).is_none_or(|was| was.arn != door.arn);
    let reach = |door: &Door| {
        let others = teams.iter().filter(|other| other.team_id != new.team_id);
        let company = others.filter(|other| other.doors.iter().any(|one| one.arn == door.arn));
        let company: Vec<_> = company.map(|other| excerpt(other.team_id.as_str())).collect();
        (!company.is_empty()).then(|| Privileged {
            path: format!("{ATTRIBUTE}.{}.arn", door.id),
            reach: format!("the {} of {}, too", door.kind.row().name, cut(&company, 5).join(", "))
                .into(),
            value: Value::String(door.arn.to_string()),
        })
    };
    new.doors.iter().filter(is_new).filter_map(reach).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn team(id: &str, doors: &[(&str, &str)]) -> Team {
        let arn =
            |name: &str| format!("arn:aws:sagemaker:eu-west-1:012345678901:mlflow-app/{name}");
        let door =
            |(id, name): &(&str, &str)| json!({"id": id, "kind": "mlflow_app", "arn": arn(name)});
        let item = json!({
            "team_id": id, "account_id": "012345678901", "region": "eu-west-1", "domain_id": "d-abc",
            "execution_role_arn": "arn:aws:iam::012345678901:role/T", "groups": ["g"],
            "members": {"ann": "always"}, "doors": doors.iter().map(door).collect::<Vec<_>>(),
        });
        Team::read(item.as_object().unwrap()).unwrap().value
    }

    #[test]
    fn doors_appear_lead_elsewhere_and_go() {
        let old = team("a", &[("kept", "app-1"), ("moved", "app-2"), ("gone", "app-3")]);
        let new = team("a", &[("kept", "app-1"), ("moved", "app-4"), ("new", "app-5")]);
        let said = follow(Some(&old), Some(&new), &[]).join("\n");
        for expected in [
            "door moved leads to the MLflow App arn:aws:sagemaker:eu-west-1:012345678901:mlflow-app/app-4 from now on, and not to arn:aws:sagemaker:eu-west-1:012345678901:mlflow-app/app-2",
            "door new appears, to the MLflow App arn:aws:sagemaker:eu-west-1:012345678901:mlflow-app/app-5",
            "whoever opens the team opens them: the group \"g\", 1 person by name",
            "teams spoke writes",
            "door gone goes",
        ] {
            assert!(said.contains(expected), "{said}");
        }
        assert!(!said.contains("kept"));
        assert_eq!(follow(Some(&new), Some(&new), &[]), Vec::<String>::new());
        assert_eq!(follow(Some(&new), None, &[]), Vec::<String>::new());
    }

    #[test]
    fn a_door_to_what_another_team_opens_is_privileged_when_it_is_new() {
        let (one, two) =
            (team("a", &[("x", "app-1")]), team("b", &[("y", "app-1"), ("z", "app-2")]));
        let all = [&one, &two];
        let found = reaching(None, &two, &all);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].path.as_str(), &*found[0].reach),
            ("doors.y.arn", "the MLflow App of \"a\", too")
        );
        assert_eq!(reaching(Some(&two), &two, &all), []);
        let moved = team("b", &[("y", "app-3")]);
        assert_eq!(reaching(Some(&moved), &two, &all).len(), 1);
    }
}
