//! The story that local mode tells: its people, teams, accounts and domains.
//!
//! `scenario.json` is the story itself. User 1 is in Team 1 and Team 2, which live in different
//! accounts and Regions; User 2 is in Team 2 only; everybody else shows one other page.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::aws::roles::grant::Grant;
use crate::team::door::DoorKind;

/// The embedded scenario does not parse.
#[derive(Debug, thiserror::Error)]
#[error("the embedded scenario: {0}")]
pub struct ScenarioError(#[from] serde_json::Error);

impl ScenarioError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "scenario_malformed"
    }
}

/// The parsed story.
#[derive(Debug)]
pub struct Scenario {
    people: Vec<Person>,
    groups: Vec<Group>,
    teams: BTreeMap<String, Map<String, Value>>,
    grants: BTreeMap<String, Grant>,
    pub(crate) domains: Vec<PlantedDomain>,
    pub(crate) doors: Vec<PlantedDoor>,
    profile_quotas: BTreeMap<String, u64>,
}

/// Somebody who can sign in at the test identity provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The stable id, sent as `ssouserid`.
    pub user_id: String,
    /// For pages.
    pub display_name: String,
    /// Sent as `NameID`.
    pub email: String,
    /// What signing in as this person shows.
    pub shows: String,
    /// Sent as `teamid`.
    pub teams: Vec<String>,
    /// Group ids, sent as `groups`.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// A group of the identity store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) group_id: String,
    pub(crate) display_name: String,
}

/// A domain of the story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlantedDomain {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) domain_id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) auth_mode: Option<String>,
    #[serde(default)]
    pub(crate) profile_delay_ms: Option<u64>,
    #[serde(default)]
    pub(crate) profiles_fail: Option<String>,
    #[serde(default)]
    pub(crate) profiles: Vec<Planted>,
}

/// A profile of the story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Planted {
    pub(crate) name: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) execution_role: String,
}

/// Something of the story that a door leads to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlantedDoor {
    pub(crate) kind: DoorKind,
    pub(crate) arn: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) settings: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    people: Vec<Person>,
    groups: Vec<Group>,
    teams: Vec<Map<String, Value>>,
    /// Teams whose account lacks the target role's statements.
    not_deployed: BTreeSet<String>,
    domains: Vec<PlantedDomain>,
    doors: Vec<PlantedDoor>,
    profile_quotas: BTreeMap<String, u64>,
}

impl Scenario {
    /// Reads the embedded story.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] if this very build embeds a malformed one.
    pub fn embedded() -> Result<Self, ScenarioError> {
        let story: Story = serde_json::from_str(include_str!("scenario.json"))?;
        let teams: BTreeMap<String, Map<String, Value>> = story
            .teams
            .into_iter()
            .filter_map(|item| Some((item.get("team_id")?.as_str()?.to_owned(), item)))
            .collect();
        let grants = teams
            .iter()
            .filter(|(team_id, _)| !story.not_deployed.contains(*team_id))
            .filter_map(|(team_id, item)| {
                Some((team_id.clone(), Grant::of_item(item, "StudioBrokerTarget")?))
            })
            .collect();
        Ok(Self {
            people: story.people,
            groups: story.groups,
            teams,
            grants,
            domains: story.domains,
            doors: story.doors,
            profile_quotas: story.profile_quotas,
        })
    }

    /// Everybody who can sign in, in the order of the story.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The items of the teams table.
    pub(crate) fn teams(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.teams.values()
    }

    /// The display name of a team of the story.
    pub(crate) fn team_name(&self, team_id: &str) -> Option<&str> {
        self.teams.get(team_id)?.get("display_name")?.as_str()
    }

    pub(crate) fn has_team(&self, team_id: &str) -> bool {
        self.teams.contains_key(team_id)
    }

    pub(crate) fn grant(&self, team_id: &str) -> Option<Grant> {
        self.grants.get(team_id).cloned()
    }

    pub(crate) fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    pub(crate) fn profile_quota(&self, account: &str) -> Option<u64> {
        self.profile_quotas.get(account).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::Team;

    #[test]
    fn every_team_that_a_person_has_is_told_of() {
        let scenario = Scenario::embedded().unwrap();
        for person in scenario.people() {
            for team in &person.teams {
                assert!(scenario.has_team(team), "{team}");
            }
        }
    }

    #[test]
    fn the_first_two_teams_live_in_different_accounts_and_regions() {
        let scenario = Scenario::embedded().unwrap();
        let (one, two) = (scenario.grant("team1").unwrap(), scenario.grant("team2").unwrap());
        assert_ne!(one.account_id, two.account_id);
        assert_ne!(one.region, two.region);
        assert_ne!(one.execution_role_arn, two.execution_role_arn);
    }

    #[test]
    fn every_door_leads_to_something_and_all_three_kinds_are_there() {
        let scenario = Scenario::embedded().unwrap();
        let mut kinds = BTreeSet::new();
        for item in scenario.teams.values().filter(|item| item.contains_key("doors")) {
            let team = Team::read(item).unwrap();
            assert_eq!(team.in_part, []);
            for door in team.value.doors {
                let planted = scenario.doors.iter().find(|one| one.arn == door.arn.as_str());
                assert_eq!(planted.map(|one| one.kind), Some(door.kind), "{}", door.arn);
                kinds.insert(door.kind);
            }
        }
        assert_eq!(kinds.len(), 3);
    }

    #[test]
    fn the_role_of_team_10_grants_nothing() {
        let scenario = Scenario::embedded().unwrap();
        assert!(scenario.has_team("team10"));
        assert_eq!(scenario.grant("team10"), None);
    }
}
