//! What follows from the changes of a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{edges, gathered, people};
use super::idps::{self, Known};
use super::one_item::{Action, Change};
use super::{Plan, State, renames, teams};
use crate::mappings::places::{of_item, of_team};
use crate::mappings::{Mapping, OWNER, Table};
use crate::team::Team;
use crate::team::idp::Idp;

/// What can be used, by its key.
type Usable<'a> = BTreeMap<&'a str, &'a Mapping>;

/// The usable items of both tables.
#[derive(Clone)]
struct Both<'a> {
    teams: Usable<'a>,
    idps: Usable<'a>,
}

impl<'a> Both<'a> {
    fn of(state: &'a State) -> Self {
        let usable = |table: Table| -> Usable<'a> {
            let usable = state.items(table).iter();
            usable.filter_map(|(key, stored)| Some((key.as_str(), stored.mapping()?))).collect()
        };
        Self { teams: usable(Table::Teams), idps: usable(Table::Idps) }
    }

    /// The same after the changes, to what is wanted.
    fn after(&self, changes: &[Change], wanted: &Self) -> Self {
        let mut after = self.clone();
        for Change { table, key, action, .. } in changes {
            let (new, wanted) = match table {
                Table::Teams => (&mut after.teams, &wanted.teams),
                Table::Idps => (&mut after.idps, &wanted.idps),
            };
            match (action, wanted.get_key_value(key.as_str())) {
                (Action::Create | Action::Update, Some((key, mapping))) => {
                    new.insert(*key, *mapping);
                }
                _ => {
                    new.remove(key.as_str());
                }
            }
        }
        after
    }

    fn team(&self, key: &str) -> Option<&'a Team> {
        self.teams.get(key).and_then(|mapping| mapping.team())
    }

    fn idp(&self, key: &str) -> Option<&'a Idp> {
        self.idps.get(key).and_then(|mapping| mapping.idp())
    }

    fn all_teams(&self) -> Vec<&'a Team> {
        self.teams.values().filter_map(|mapping| mapping.team()).collect()
    }

    fn all_idps(&self) -> Vec<&'a Idp> {
        self.idps.values().filter_map(|mapping| mapping.idp()).collect()
    }
}

impl Plan {
    /// Says what follows from the changes.
    pub(super) fn follow<'a>(
        &mut self,
        state: &'a State,
        wanted_teams: BTreeMap<&'a str, &'a Mapping>,
        wanted_idps: BTreeMap<&'a str, &'a Mapping>,
    ) {
        self.is_partial = state.is_partial;
        self.warnings.extend(state.warnings.iter().cloned());
        let before = Both::of(state);
        let after = before.after(&self.changes, &Both { teams: wanted_teams, idps: wanted_idps });
        self.follow_access(&before, &after);
        self.follow_each(state, &before, &after);
        renames::follow(&mut self.changes, &before.teams, &after.teams, &after.all_idps());
        let named = before.all_teams().into_iter().chain(after.all_teams());
        self.places = named.map(of_team).collect();
        self.places.extend(state.items(Table::Teams).values().filter_map(|one| of_item(&one.item)));
        self.places.retain(|place| !state.places.contains(place));
        self.teams = after.all_teams().into_iter().cloned().collect();
    }

    /// Whose access comes and goes. Only an `IdP` touches teams that do not change themselves.
    fn follow_access(&mut self, before: &Both, after: &Both) {
        let all = self.changes.iter().any(|change| change.table == Table::Idps);
        let touched: BTreeSet<&str> = self.changes.iter().map(|c| c.key.as_str()).collect();
        let matters = |team: &str| all || touched.contains(team);
        let old = edges(&before.teams, &before.idps, matters);
        let new = edges(&after.teams, &after.idps, matters);
        self.gains = gathered(new.difference(&old));
        self.losses = gathered(old.difference(&new));
        self.people = people(&self.changes, &before.teams, &after.teams);
    }

    /// What follows from each change alone.
    fn follow_each(&mut self, state: &State, before: &Both, after: &Both) {
        let (all_teams, all_idps) = (after.all_teams(), after.all_idps());
        // A team that nobody can use now may be repaired: its id is no typing error.
        let unusable = state.teams.iter().filter(|(_, stored)| stored.read.is_err());
        let unusable = unusable.map(|(key, _)| key.clone());
        let known = Known {
            teams: after.teams.keys().map(|key| (*key).to_owned()).chain(unusable).collect(),
            is_whole: !state.is_partial,
        };
        for change in &mut self.changes {
            match change.table {
                Table::Teams => {
                    let (old, new) = (before.team(&change.key), after.team(&change.key));
                    teams::follow(change, old, new, &all_idps, &all_teams, state.is_partial);
                }
                Table::Idps => {
                    let (old, new) = (before.idp(&change.key), after.idp(&change.key));
                    idps::follow(change, old, new, &all_idps, &all_teams, &known);
                }
            }
            if change.touches(&[OWNER]) && change.action == Action::Update {
                change.warns(
                    "it carries another file's owner label: two files may both say what it is",
                );
            }
        }
    }
}
