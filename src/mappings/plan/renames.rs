//! A team that is renamed: one appears where another one goes.

use std::collections::BTreeMap;

use super::one_item::{Action, Change, Risk, is_same_place};
use crate::mappings::change::cut;
use crate::mappings::{Mapping, Table};
use crate::team::Team;
use crate::team::idp::Idp;
use crate::team::item::excerpt;

/// A team that appears where another one goes, with its role: people call that a rename, and AWS does
/// not know it as one.
pub(super) fn follow(
    changes: &mut [Change],
    old: &BTreeMap<&str, &Mapping>,
    new: &BTreeMap<&str, &Mapping>,
    idps: &[&Idp],
) {
    let of = |change: &Change, action: Action, map: &BTreeMap<&str, &Mapping>| {
        let is = change.table == Table::Teams && change.action == action;
        let team = map.get(change.key.as_str()).and_then(|mapping| mapping.team());
        team.filter(|_| is).cloned()
    };
    let gone: Vec<Team> = changes.iter().filter_map(|c| of(c, Action::Remove, old)).collect();
    for change in changes {
        let Some(team) = of(change, Action::Create, new) else { continue };
        let is_same = |other: &&Team| {
            is_same_place(other, &team) && other.execution_role_arn == team.execution_role_arn
        };
        let Some(before) = gone.iter().find(is_same) else { continue };
        let before = before.team_id.as_str();
        change.risks.insert(Risk::Moved, 1);
        change.follows(format!(
            "it takes the place of team {}, with its domain and role: the profiles of {0} stay behind with their homes, and people get new ones; profiles offboard ends the old ones of each person",
            excerpt(before)
        ));
        let named: Vec<_> = idps
            .iter()
            .filter(|idp| idp.allowed_teams.names().iter().any(|name| name == before))
            .map(|idp| excerpt(&idp.entity_id))
            .collect();
        if !named.is_empty() {
            change.warns(format!(
                "allowed_teams of {} still names {}",
                cut(&named, 5).join(", "),
                excerpt(before)
            ));
        }
    }
}
