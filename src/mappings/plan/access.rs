//! Who gets in by what a plan says: access that comes and goes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::one_item::Change;
use crate::mappings::{Mapping, Table};
use crate::team::group_of;
use crate::team::members::{Name, Until};

/// Access that comes or goes: whom an `IdP` may let into which teams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The `IdP`.
    pub idp: String,
    /// The group whose members it is; `None` for those whom the `IdP`'s teams attribute names.
    pub group: Option<String>,
    /// The teams.
    pub teams: Vec<String>,
}

/// Access of one person by name to one team, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonChange {
    /// The team.
    pub team: String,
    /// The person's directory.
    pub directory: String,
    /// The person's user id.
    pub user_id: String,
    /// When the access ends now; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Until>,
    /// When it will end; absent where there will be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Until>,
}

/// `IdP`, group, team: somebody whom the `IdP` vouches for may open the team.
pub(super) type Edge<'a> = (&'a str, Option<&'a str>, &'a str);

/// All access to the teams that matter: an enabled `IdP` allows an enabled team, which is named by its teams
/// attribute, or by one of its groups where the `IdP` knows groups.
pub(super) fn edges<'a>(
    teams: &BTreeMap<&'a str, &'a Mapping>,
    idps: &BTreeMap<&'a str, &'a Mapping>,
    matters: impl Fn(&str) -> bool,
) -> BTreeSet<Edge<'a>> {
    let mut edges = BTreeSet::new();
    let entity_ids: Vec<String> = idps.keys().map(|key| (*key).to_owned()).collect();
    let open = teams.iter().filter_map(|(key, mapping)| Some((*key, mapping.team()?)));
    for (key, team) in open.filter(|(key, team)| matters(key) && team.enabled) {
        for idp in idps.values().filter_map(|mapping| mapping.idp()) {
            if !idp.enabled || !idp.allowed_teams.allow(&team.team_id) {
                continue;
            }
            edges.insert((idp.entity_id.as_str(), None, key));
            if idp.groups_attribute.is_some() || idp.identity_store_id.is_some() {
                let here = |written: &&String| {
                    group_of(written, &entity_ids).0.is_none_or(|only| only == idp.entity_id)
                };
                let groups = team.groups.iter().filter(here);
                edges.extend(groups.map(|g| (idp.entity_id.as_str(), Some(g.as_str()), key)));
            }
        }
    }
    edges
}

/// Whose access by name differs, in the order of the teams and the people.
pub(super) fn people(
    changes: &[Change],
    before: &BTreeMap<&str, &Mapping>,
    after: &BTreeMap<&str, &Mapping>,
) -> Vec<PersonChange> {
    let ends = |teams: &BTreeMap<&str, &Mapping>, key: &str| -> BTreeMap<Name, Until> {
        let team = teams.get(key).and_then(|mapping| mapping.team()).filter(|team| team.enabled);
        let people = team.into_iter().flat_map(|team| team.members.people());
        people.map(|(name, member)| (name.clone(), member.until)).collect()
    };
    let mut found = Vec::new();
    for change in changes.iter().filter(|change| change.table == Table::Teams) {
        let (old, new) = (ends(before, &change.key), ends(after, &change.key));
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (old.get(name).copied(), new.get(name).copied());
            if before != after {
                let Name { directory, user_id } = name.clone();
                found.push(PersonChange {
                    team: change.key.clone(),
                    directory,
                    user_id,
                    before,
                    after,
                });
            }
        }
    }
    found
}

/// Edges by `IdP` and group.
pub(super) fn gathered<'a>(edges: impl Iterator<Item = &'a Edge<'a>>) -> Vec<Access> {
    let mut gathered: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (idp, group, team) in edges {
        gathered.entry((*idp, *group)).or_default().push((*team).to_owned());
    }
    let access = |((idp, group), teams): ((&str, Option<&str>), _)| Access {
        idp: idp.to_owned(),
        group: group.map(str::to_owned),
        teams,
    };
    gathered.into_iter().map(access).collect()
}
