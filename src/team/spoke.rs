//! What each account must grant for the teams that live there: the parameters of its spoke stack.
//!
//! `infra/spoke/template.yaml` has four rows of parameters: some teams, their domain, its Region and
//! their execution role. A role's name may hold `{team}`, which stands for the team id; so teams whose
//! roles follow one pattern share a row, and still IAM lets each give its own role only. Which doors each team
//! opens stands in slots of their own (`doors.rs`).

mod doors;

use std::collections::{BTreeMap, BTreeSet};

use super::{AccountId, DomainId, Region, RoleArn, Team, TeamId};

/// The stack of one account and role, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpokeStack {
    /// The account that gets the stack.
    pub account: AccountId,
    /// Name of the role that the broker assumes there: a stack of its own for each.
    pub target_role: String,
    /// The teams that it serves.
    pub teams: Vec<TeamId>,
    /// Every parameter that follows from the teams, those of unused rows empty, by name.
    pub parameters: BTreeMap<String, String>,
    /// Characters of the role's trust policy, about: IAM takes [`TRUST_POLICY_DEFAULT`] by default.
    pub trust_policy_size: usize,
}

/// Rows of teams in the template.
pub const ROWS: usize = 4;

/// Characters that a trust policy may have before its quota is raised
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
pub const TRUST_POLICY_DEFAULT: usize = 2048;

/// Characters that a trust policy may have at most.
pub const TRUST_POLICY_MAXIMUM: usize = 4096;

/// Stands for the team id in the name of a role.
const TEAM: &str = "{team}";

/// The template's own default for the name of an execution role.
const DEFAULT_ROLE: &str = "studio-broker/Studio-{team}";

/// Characters that the ids of one row may have together, each with its quotes and comma: what fits
/// eight times, beside everything else, into a managed policy of 6,144 characters.
const ROW_SIZE: usize = 330;

/// A trust policy without its teams, with long names everywhere.
const TRUST_POLICY_REST: usize = 1250;

/// Why no stack can serve the teams of an account as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpokeFault {
    /// One trust policy asks for one external id.
    #[error(
        "account {account}, role {target_role}: {one} and {other} have different external ids; \
         give them one, or give one of them a broker_role_arn of its own"
    )]
    ExternalIds {
        /// The account.
        account: AccountId,
        /// Name of the role that the broker assumes.
        target_role: String,
        /// A team.
        one: TeamId,
        /// A team with another external id.
        other: TeamId,
    },
    /// More combinations of domain and role than the template has rows.
    #[error(
        "account {account}, role {target_role}: its teams need {needed} rows of teams that share domain \
         and role, and a stack has {ROWS}; give some teams a broker_role_arn of their own"
    )]
    TooManyRows {
        /// The account.
        account: AccountId,
        /// Name of the role that the broker assumes.
        target_role: String,
        /// Rows that would be needed.
        needed: usize,
    },
    /// More teams than a trust policy can name.
    #[error(
        "account {account}, role {target_role}: the trust policy would have about {size} characters, and \
         IAM takes {TRUST_POLICY_MAXIMUM} at most; give some teams a broker_role_arn of their own"
    )]
    TooManyTeams {
        /// The account.
        account: AccountId,
        /// Name of the role that the broker assumes.
        target_role: String,
        /// Characters that would be needed, about.
        size: usize,
    },
    /// More doors than the template has slots.
    #[error(
        "account {account}, role {target_role}: the doors of its teams need {needed} slots, and a stack has \
         {slots}; give some teams a broker_role_arn of their own",
        slots = doors::SLOTS
    )]
    TooManyDoors {
        /// The account.
        account: AccountId,
        /// Name of the role that the broker assumes.
        target_role: String,
        /// Slots that would be needed, about.
        needed: usize,
    },
    /// The stack makes its role without a path.
    #[error(
        "team {team}: broker_role_arn has a path ({target_role}); the spoke makes roles without one"
    )]
    TargetRoleWithPath {
        /// The team.
        team: TeamId,
        /// Path and name of the role that the broker assumes.
        target_role: String,
    },
}

/// The stacks that `teams` need, by account and role. `standard_role` is the role's name where a team
/// names none.
///
/// # Errors
///
/// Every fault of every account.
pub fn spokes(teams: &[Team], standard_role: &str) -> Result<Vec<SpokeStack>, Vec<SpokeFault>> {
    let mut stacks: BTreeMap<(AccountId, String), Vec<&Team>> = BTreeMap::new();
    let mut faults = Vec::new();
    for team in teams {
        let target_role = team.broker_role(standard_role).path_and_name().to_owned();
        if target_role.contains('/') {
            faults.push(SpokeFault::TargetRoleWithPath { team: team.team_id.clone(), target_role });
            continue;
        }
        stacks.entry((team.account_id.clone(), target_role)).or_default().push(team);
    }
    let mut spokes = Vec::new();
    for ((account, target_role), mut teams) in stacks {
        teams.sort_by(|a, b| a.team_id.cmp(&b.team_id));
        match spoke(account, target_role, &teams) {
            Ok(spoke) => spokes.push(spoke),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(spokes) } else { Err(faults) }
}

fn spoke(
    account: AccountId,
    target_role: String,
    teams: &[&Team],
) -> Result<SpokeStack, SpokeFault> {
    let first = teams.first();
    if let Some((one, other)) =
        first.and_then(|one| Some((one, teams.iter().find(|t| t.external_id != one.external_id)?)))
    {
        let (one, other) = (one.team_id.clone(), other.team_id.clone());
        return Err(SpokeFault::ExternalIds { account, target_role, one, other });
    }
    let size = TRUST_POLICY_REST + 2 * teams.iter().map(|team| size_of(team)).sum::<usize>();
    if size > TRUST_POLICY_MAXIMUM {
        return Err(SpokeFault::TooManyTeams { account, target_role, size });
    }
    let rows = rows(teams);
    if rows.len() > ROWS {
        return Err(SpokeFault::TooManyRows { account, target_role, needed: rows.len() });
    }

    let slots = match doors::slots(teams) {
        Ok(slots) => slots,
        Err(needed) => return Err(SpokeFault::TooManyDoors { account, target_role, needed }),
    };

    let mut parameters = BTreeMap::from([
        ("TargetRoleName".to_owned(), target_role.clone()),
        ("ExternalId".to_owned(), first.and_then(|t| t.external_id.clone()).unwrap_or_default()),
        ("TagKeys".to_owned(), tag_keys(teams)),
        ("AdoptProfiles".to_owned(), teams.iter().any(|team| team.adopt_profiles).to_string()),
    ]);
    // Unused rows as well, so that a row which is not needed any more is emptied.
    let mut rows = rows.into_iter();
    for number in 1..=ROWS {
        let row = rows.next().unwrap_or_default();
        for (name, value) in [
            ("Teams", row.teams.join(",")),
            ("Domain", row.domain),
            ("Region", row.region),
            ("Role", row.role),
        ] {
            parameters.insert(format!("{name}{number}"), value);
        }
    }
    let mut slots = slots.into_iter();
    for number in 1..=doors::SLOTS {
        parameters.insert(format!("Doors{number}"), slots.next().unwrap_or_default());
    }
    Ok(SpokeStack {
        account,
        target_role,
        teams: teams.iter().map(|team| team.team_id.clone()).collect(),
        parameters,
        trust_policy_size: size,
    })
}

/// Teams that share a domain and a role's name.
#[derive(Debug)]
struct Row {
    teams: Vec<String>,
    domain: String,
    region: String,
    role: String,
}

impl Default for Row {
    fn default() -> Self {
        let empty = String::new();
        // As in the template: an empty name would match its pattern no more.
        Self { teams: Vec::new(), domain: empty.clone(), region: empty, role: DEFAULT_ROLE.into() }
    }
}

fn rows(teams: &[&Team]) -> Vec<Row> {
    let mut alike: BTreeMap<(&Region, &DomainId, String), Vec<&Team>> = BTreeMap::new();
    for team in teams {
        let role = pattern(&team.execution_role_arn, &team.team_id);
        alike.entry((&team.region, &team.domain_id, role)).or_default().push(team);
    }
    // A pattern of one team alone is its role's name: easier to read, and perhaps that of others too.
    let mut named: BTreeMap<(&Region, &DomainId, String), Vec<&Team>> = BTreeMap::new();
    for ((region, domain, role), teams) in alike {
        let role = match teams.as_slice() {
            [only] if role != DEFAULT_ROLE => only.execution_role_arn.path_and_name().to_owned(),
            _ => role,
        };
        named.entry((region, domain, role)).or_default().extend(teams);
    }
    named
        .into_iter()
        .flat_map(|((region, domain, role), teams)| {
            in_rows(teams).into_iter().map(move |teams| Row {
                teams,
                domain: domain.to_string(),
                region: region.to_string(),
                role: role.clone(),
            })
        })
        .collect()
}

/// A role's name with `{team}` wherever it holds the team id: filled in again, it is the same name.
///
/// A name that holds nothing else stays as it is: the administrators' lifecycle role knows no team, and
/// may give profiles whatever role the pattern fits, which would be every role of the account.
fn pattern(role: &RoleArn, team: &TeamId) -> String {
    let (name, team) = (role.path_and_name(), team.as_str());
    if DEFAULT_ROLE.replace(TEAM, team) == name {
        return DEFAULT_ROLE.into();
    }
    let pattern = name.replace(team, TEAM);
    let is_any_role = pattern.replace(TEAM, "").chars().all(|c| c == '/');
    if is_any_role { name.to_owned() } else { pattern }
}

/// The ids in order, as many in a row as a policy holds.
fn in_rows(mut teams: Vec<&Team>) -> Vec<Vec<String>> {
    teams.sort_by(|a, b| a.team_id.cmp(&b.team_id));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut size = usize::MAX;
    for team in teams {
        let needed = size_of(team);
        size = size.saturating_add(needed);
        match rows.last_mut() {
            Some(row) if size <= ROW_SIZE => row.push(team.team_id.to_string()),
            _ => {
                rows.push(vec![team.team_id.to_string()]);
                size = needed;
            }
        }
    }
    rows
}

/// Characters that a team takes in a list of a policy: its id, two quotes and a comma.
fn size_of(team: &Team) -> usize {
    team.team_id.as_str().len() + 3
}

fn tag_keys(teams: &[&Team]) -> String {
    let own: BTreeSet<&str> =
        teams.iter().flat_map(|team| team.tags.keys()).map(String::as_str).collect();
    ["Team", "User"].into_iter().chain(own).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn team(id: &str, change: Value) -> Team {
        let mut item = json!({
            "team_id": id,
            "account_id": "222222222222",
            "region": "eu-west-1",
            "domain_id": "d-one",
            "execution_role_arn": format!("arn:aws:iam::222222222222:role/studio-broker/Studio-{id}"),
        });
        for (name, value) in change.as_object().unwrap() {
            item[name] = value.clone();
        }
        Team::read(item.as_object().unwrap()).unwrap().value
    }

    fn role(name: &str) -> Value {
        json!({"execution_role_arn": format!("arn:aws:iam::222222222222:role/{name}")})
    }

    fn of(teams: &[Team]) -> Vec<SpokeStack> {
        spokes(teams, "StudioBrokerTarget").unwrap()
    }

    fn row(spoke: &SpokeStack, number: usize) -> [&str; 4] {
        ["Teams", "Domain", "Region", "Role"]
            .map(|name| spoke.parameters[&format!("{name}{number}")].as_str())
    }

    #[test]
    fn teams_that_share_domain_and_pattern_share_a_row() {
        let spokes = of(&[team("b", json!({})), team("a", json!({}))]);
        assert_eq!(spokes.len(), 1);
        assert_eq!(
            row(&spokes[0], 1),
            ["a,b", "d-one", "eu-west-1", "studio-broker/Studio-{team}"]
        );
        assert_eq!(row(&spokes[0], 2), ["", "", "", "studio-broker/Studio-{team}"]);
    }

    #[test]
    fn a_team_with_a_role_of_another_name_gets_a_row_with_that_name() {
        let spokes = of(&[team("a", json!({})), team("b", role("service-role/Analysts"))]);
        assert_eq!(row(&spokes[0], 1), ["b", "d-one", "eu-west-1", "service-role/Analysts"]);
        assert_eq!(row(&spokes[0], 2), ["a", "d-one", "eu-west-1", "studio-broker/Studio-{team}"]);
    }

    #[test]
    fn another_naming_rule_is_found_and_a_name_that_only_one_has_is_left_as_it_is() {
        let spokes = of(&[
            team("red", role("Notebook-red-Role")),
            team("blue", role("Notebook-blue-Role")),
            team("ml", role("ml-shared")),
            team("ops", role("ml-shared")),
        ]);
        assert_eq!(row(&spokes[0], 1), ["blue,red", "d-one", "eu-west-1", "Notebook-{team}-Role"]);
        assert_eq!(row(&spokes[0], 2), ["ml,ops", "d-one", "eu-west-1", "ml-shared"]);
    }

    #[test]
    fn every_row_filled_in_gives_each_team_exactly_its_role() {
        let teams = [
            team("a", role("Data")),
            team("b", role("bDb")),
            team("x", role("x")),
            team("y", role("y")),
        ];
        for spoke in of(&teams) {
            for number in 1..=ROWS {
                let [ids, .., name] = row(&spoke, number);
                for id in ids.split(',').filter(|id| !id.is_empty()) {
                    let team = teams.iter().find(|team| team.team_id.as_str() == id).unwrap();
                    assert_eq!(name.replace(TEAM, id), team.execution_role_arn.path_and_name());
                }
            }
        }
    }

    #[test]
    fn roles_that_are_called_like_their_teams_take_a_row_each() {
        let teams: Vec<_> =
            ["a", "b", "c"].map(|id| team(id, role(if id == "c" { "c/c" } else { id }))).into();
        let spokes = of(&teams);
        for (number, id, name) in [(1, "a", "a"), (2, "b", "b"), (3, "c", "c/c")] {
            assert_eq!(row(&spokes[0], number), [id, "d-one", "eu-west-1", name]);
        }
        let many: Vec<_> = ["a", "b", "c", "d", "e"].map(|id| team(id, role(id))).into();
        let faults = super::spokes(&many, "StudioBrokerTarget").unwrap_err();
        assert!(
            matches!(faults.as_slice(), [SpokeFault::TooManyRows { needed: 5, .. }]),
            "{faults:?}"
        );
    }

    #[test]
    fn each_domain_and_region_has_its_row_and_each_account_its_stack() {
        let other = json!({"domain_id": "d-two", "region": "us-east-1"});
        let account = json!({
            "account_id": "333333333333",
            "execution_role_arn": "arn:aws:iam::333333333333:role/studio-broker/Studio-c",
        });
        let spokes = of(&[team("a", json!({})), team("b", other), team("c", account)]);
        let accounts: Vec<_> = spokes.iter().map(|spoke| spoke.account.as_str()).collect();
        assert_eq!(accounts, ["222222222222", "333333333333"]);
        assert_eq!(row(&spokes[0], 1)[..3], ["a", "d-one", "eu-west-1"]);
        assert_eq!(row(&spokes[0], 2)[..3], ["b", "d-two", "us-east-1"]);
    }

    #[test]
    fn a_broker_role_of_its_own_is_a_stack_of_its_own() {
        let own = json!({"broker_role_arn": "arn:aws:iam::222222222222:role/Second", "external_id": "xy"});
        let spokes = of(&[team("a", json!({})), team("b", own)]);
        let names: Vec<_> = spokes.iter().map(|spoke| spoke.target_role.as_str()).collect();
        assert_eq!(names, ["Second", "StudioBrokerTarget"]);
        assert_eq!(spokes[0].parameters["ExternalId"], "xy");
        assert_eq!(spokes[1].parameters["ExternalId"], "");
    }

    #[test]
    fn tags_and_adoption_are_those_of_all_teams_of_the_stack() {
        let tagged = json!({"tags": {"CostCenter": "1", "Area": "x"}, "adopt_profiles": true});
        let spokes = of(&[team("a", json!({})), team("b", tagged)]);
        assert_eq!(spokes[0].parameters["TagKeys"], "Team,User,Area,CostCenter");
        assert_eq!(spokes[0].parameters["AdoptProfiles"], "true");
    }

    #[test]
    fn many_teams_of_a_domain_go_on_in_the_next_row() {
        let teams: Vec<_> = (0..40).map(|n| team(&format!("research-{n:03}"), json!({}))).collect();
        let spokes = of(&teams);
        let all: Vec<_> = (1..=ROWS).map(|n| row(&spokes[0], n)[0].split(',').count()).collect();
        assert_eq!(all, [22, 18, 1, 1], "an empty row counts as one empty id");
        assert!(spokes[0].trust_policy_size > TRUST_POLICY_DEFAULT);
    }

    #[test]
    fn what_no_stack_can_serve_is_said_with_a_way_out() {
        let ids = [team("a", json!({"external_id": "one"})), team("b", json!({}))];
        let rows: Vec<_> = (1..=5)
            .map(|n| team(&format!("t{n}"), json!({"domain_id": format!("d-{n}")})))
            .collect();
        let many: Vec<_> = (0..100).map(|n| team(&format!("research-{n:03}"), json!({}))).collect();
        let path =
            [team("a", json!({"broker_role_arn": "arn:aws:iam::222222222222:role/p/Target"}))];
        for (teams, expected) in [
            (
                &ids[..],
                "account 222222222222, role StudioBrokerTarget: a and b have different external ids; give them one, or give one of them a broker_role_arn of its own",
            ),
            (
                &rows[..],
                "account 222222222222, role StudioBrokerTarget: its teams need 5 rows of teams that share domain and role, and a stack has 4; give some teams a broker_role_arn of their own",
            ),
            (
                &many[..],
                "account 222222222222, role StudioBrokerTarget: the trust policy would have about 4250 characters, and IAM takes 4096 at most; give some teams a broker_role_arn of their own",
            ),
            (
                &path[..],
                "team a: broker_role_arn has a path (p/Target); the spoke makes roles without one",
            ),
        ] {
            let faults = spokes(teams, "StudioBrokerTarget").unwrap_err();
            let [fault] = faults.as_slice() else { panic!("{faults:?}") };
            assert_eq!(fault.to_string(), expected);
        }
    }

    #[test]
    fn the_template_has_these_rows_and_this_default() {
        let template = include_str!("../../infra/spoke/template.yaml");
        for number in 1..=ROWS {
            assert!(template.contains(&format!("\n  Teams{number}:\n")));
        }
        assert!(!template.contains(&format!("\n  Teams{}:\n", ROWS + 1)));
        assert_eq!(template.matches(&format!("Default: {DEFAULT_ROLE}\n")).count(), ROWS);
    }
}
