//! Which doors each team opens: the parameters `Doors1` to `Doors32` of a spoke stack.
//!
//! A slot is a statement, `TEAM,TEAM=ARN,ARN`; eight slots are a managed policy. Teams with the same doors share
//! one; what is too long for one goes on in the next.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Team;

/// Slots in the template.
pub const SLOTS: usize = 32;

/// Slots that share a managed policy.
const OF_A_POLICY: usize = 8;

/// Characters that a managed policy may have, white space apart
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const POLICY: usize = 6144;

/// A policy without its statements.
const POLICY_REST: usize = 60;

/// A statement without its teams and doors.
const STATEMENT_REST: usize = 450;

/// What the teams or the doors of one statement may have together: a team of twenty doors with usual names.
const LONGEST: usize = 2300;

/// The slots' values in their order, or how many would be needed.
pub(super) fn slots(teams: &[&Team]) -> Result<Vec<String>, usize> {
    let mut alike: BTreeMap<BTreeSet<&str>, BTreeSet<&str>> = BTreeMap::new();
    for team in teams.iter().filter(|team| !team.doors.is_empty()) {
        let doors = team.doors.iter().map(|door| door.arn.as_str()).collect();
        alike.entry(doors).or_default().insert(team.team_id.as_str());
    }
    let mut statements: Vec<_> = alike
        .into_iter()
        .flat_map(|(doors, teams)| {
            let doors = pieces(doors);
            pieces(teams).into_iter().flat_map(move |teams| {
                doors.clone().into_iter().map(move |doors| (teams.clone(), doors))
            })
        })
        .collect();
    statements.sort();
    let mut policies: Vec<Policy> = Vec::new();
    for (teams, doors) in statements {
        let size = STATEMENT_REST + length(&teams) + length(&doors);
        let slot = format!("{}={}", teams.join(","), doors.join(","));
        match policies.iter_mut().find(|policy| policy.has_room_for(size)) {
            Some(policy) => policy.take(slot, size),
            None => {
                let mut policy = Policy { slots: Vec::new(), size: POLICY_REST };
                policy.take(slot, size);
                policies.push(policy);
            }
        }
    }
    if policies.len() * OF_A_POLICY > SLOTS {
        return Err(policies.len() * OF_A_POLICY);
    }
    let filled_up = policies.into_iter().flat_map(|mut policy| {
        policy.slots.resize(OF_A_POLICY, String::new());
        policy.slots
    });
    Ok(filled_up.collect())
}

struct Policy {
    slots: Vec<String>,
    size: usize,
}

impl Policy {
    fn has_room_for(&self, size: usize) -> bool {
        self.slots.len() < OF_A_POLICY && self.size + size <= POLICY
    }

    fn take(&mut self, slot: String, size: usize) {
        self.slots.push(slot);
        self.size += size;
    }
}

/// The texts in order, as many in a piece as a statement takes.
fn pieces(texts: BTreeSet<&str>) -> Vec<Vec<&str>> {
    let mut pieces: Vec<Vec<&str>> = Vec::new();
    for text in texts {
        match pieces.last_mut() {
            Some(piece) if length(piece) + length(&[text]) <= LONGEST => piece.push(text),
            _ => pieces.push(vec![text]),
        }
    }
    pieces
}

/// Characters that texts take in a list of a policy: each with two quotes and a comma.
fn length(texts: &[&str]) -> usize {
    texts.iter().map(|text| text.len() + 3).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arn(name: &str) -> String {
        format!("arn:aws:sagemaker:eu-west-1:222222222222:mlflow-tracking-server/{name}")
    }

    fn team(id: &str, names: &[String]) -> Team {
        let door = |(n, name): (usize, &String)| json!({"id": format!("d{n}"), "kind": "mlflow_server", "arn": arn(name)});
        let item = json!({
            "team_id": id,
            "account_id": "222222222222",
            "region": "eu-west-1",
            "domain_id": "d-one",
            "execution_role_arn": "arn:aws:iam::222222222222:role/R",
            "doors": names.iter().enumerate().map(door).collect::<Vec<_>>(),
        });
        let read = Team::read(item.as_object().unwrap()).unwrap();
        assert_eq!(read.in_part, []);
        read.value
    }

    fn filled(teams: &[Team]) -> Vec<String> {
        let slots = slots(&teams.iter().collect::<Vec<_>>()).unwrap();
        slots.into_iter().filter(|slot| !slot.is_empty()).collect()
    }

    #[test]
    fn teams_with_the_same_doors_share_a_slot_and_those_without_have_none() {
        let (a, b) = (vec!["x".to_owned(), "y".to_owned()], vec!["y".to_owned(), "x".to_owned()]);
        let teams = [team("two", &b), team("none", &[]), team("one", &a), team("z", &a[..1])];
        let (x, y) = (arn("x"), arn("y"));
        assert_eq!(filled(&teams), [format!("one,two={x},{y}"), format!("z={x}")]);
        assert_eq!(slots(&[&teams[1]]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn no_policy_is_longer_than_iam_takes_and_every_door_is_in_one() {
        let names = |team: usize| -> Vec<String> {
            (0..20).map(|n| format!("{team}-{n}-{}", "x".repeat(200))).collect()
        };
        let teams = [team("t1", &names(1)), team("t2", &names(2))];
        let all = slots(&teams.iter().collect::<Vec<_>>()).unwrap();
        for policy in all.chunks(OF_A_POLICY) {
            let size: usize = policy.iter().filter(|slot| !slot.is_empty()).map(String::len).sum();
            assert!(size < POLICY, "{size}");
        }
        for team in &teams {
            for door in &team.doors {
                let own = format!("{}=", team.team_id);
                let holds =
                    |slot: &&String| slot.starts_with(&own) && slot.contains(door.arn.as_str());
                assert_eq!(all.iter().filter(holds).count(), 1);
            }
        }
        assert!(all.iter().all(|slot| slot.len() < 4096), "CloudFormation's limit");
    }

    #[test]
    fn thirty_two_teams_of_three_doors_fit_and_more_are_refused() {
        let of_three = |n: usize| {
            let names: Vec<_> = ["a", "b", "c"].map(|name| format!("research-{n}-{name}")).into();
            team(&format!("research-{n:03}"), &names)
        };
        let teams: Vec<_> = (0..32).map(of_three).collect();
        assert_eq!(filled(&teams).len(), 32);
        let more: Vec<_> = (0..33).map(of_three).collect();
        assert_eq!(slots(&more.iter().collect::<Vec<_>>()), Err(40));
    }
}
