//! From the tables to a file: what changes, and what follows from it for the people.
//!
//! A plan says nothing that it does not know: what it says about profiles follows from the mappings alone.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::{Difference, REVISION, cut, differences, is_count};
use super::doors;
use super::file::{FileFault, MappingFile};
use super::places::{Place, of_item, of_team};
use super::privileged::{Privileged, links_beyond, privileged, shared_posix_uid};
use super::{Mapping, NOTES, OWNER, Stored, Table, advice, nearest, subject};
use crate::team::idp::Idp;
use crate::team::item::{Fault, Item, Record, excerpt, to_dynamodb};
use crate::team::members::{Name, Until};
use crate::team::{Team, group_of};

/// What the tables hold.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The teams by their ids.
    pub teams: BTreeMap<String, Stored>,
    /// The `IdPs` by their entity IDs.
    pub idps: BTreeMap<String, Stored>,
    /// One of the tables could not be read: nothing is said about access.
    pub is_partial: bool,
    /// Where teams ever were.
    pub places: BTreeSet<Place>,
    /// What could not be found out, and what that means for a plan.
    pub warnings: Vec<String>,
}

impl State {
    /// The items of a table.
    pub fn items(&self, table: Table) -> &BTreeMap<String, Stored> {
        match table {
            Table::Teams => &self.teams,
            Table::Idps => &self.idps,
        }
    }
}

/// What happens to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It appears.
    Create,
    /// It changes.
    Update,
    /// It disappears.
    Remove,
}

/// What is confirmed by its number (`--confirm moved=2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Teams that get another id, account, domain or role: their profiles become unreachable.
    Moved,
    /// People who were denied and may sign in again.
    Readmitted,
    /// `IdPs` whose keys are all replaced: whoever holds the new ones signs everybody in.
    KeysReplaced,
}

impl Risk {
    /// As it is written on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Readmitted => "readmitted",
            Self::KeysReplaced => "keys-replaced",
        }
    }

    /// The risk of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Moved, Self::Readmitted, Self::KeysReplaced].into_iter().find(|r| r.word() == word)
    }
}

/// One item that changes.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: String,
    /// What happens to it.
    pub action: Action,
    /// Attribute by attribute.
    pub differences: Vec<Difference>,
    /// What follows for people and profiles.
    pub consequences: Vec<String>,
    /// What deserves a second look.
    pub warnings: Vec<String>,
    /// Members that reach beyond a person's own profile and are new, or act in a new place.
    pub privileged: Vec<Privileged>,
    /// What somebody has to confirm with its number, since people lose what they have or come back.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub risks: BTreeMap<Risk, usize>,
    /// What was read; `None` where there was nothing.
    #[serde(skip)]
    pub before: Option<Record>,
    /// What is to be there; `None` where nothing is.
    #[serde(skip)]
    pub after: Option<Record>,
}

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

/// From the tables to the file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// The items that change, teams first, each table in the order of the keys.
    pub changes: Vec<Change>,
    /// Access that comes.
    pub gains: Vec<Access>,
    /// Access that goes.
    pub losses: Vec<Access>,
    /// People whose access by name comes, goes, or ends at another moment.
    pub people: Vec<PersonChange>,
    /// Items that the file lacks and that stay.
    pub unlisted: Vec<(Table, String)>,
    /// One of the tables could not be read, or a domain was not looked into: more may follow than is said
    /// here.
    pub is_partial: bool,
    /// What deserves a second look and hangs on no single change.
    pub warnings: Vec<String>,
    /// The teams that there are afterwards, as far as they can be used.
    #[serde(skip)]
    pub teams: Vec<Team>,
    /// Where teams are, before or after, and nobody remembers it yet.
    #[serde(skip)]
    pub places: BTreeSet<Place>,
}

impl Plan {
    /// How many items appear, change and disappear.
    pub fn counts(&self) -> [usize; 3] {
        [Action::Create, Action::Update, Action::Remove]
            .map(|action| self.changes.iter().filter(|change| change.action == action).count())
    }

    /// Whether a change brings a privileged member.
    pub fn is_privileged(&self) -> bool {
        self.changes.iter().any(|change| !change.privileged.is_empty())
    }

    /// What has to be confirmed, with its number.
    pub fn risks(&self) -> BTreeMap<Risk, usize> {
        let mut all = BTreeMap::new();
        for (risk, number) in self.changes.iter().flat_map(|change| &change.risks) {
            *all.entry(*risk).or_default() += number;
        }
        all
    }

    /// What the file asks for. What the file lacks stays, unless `prune`: then what carries the file's
    /// label goes, or no label where the file has none.
    ///
    /// # Errors
    ///
    /// An id of the file that differs in case only from one that stays in the table.
    pub fn new(file: &MappingFile, state: &State, prune: bool) -> Result<Self, Vec<FileFault>> {
        let mut plan = Self { warnings: file.ignored.clone(), ..Self::default() };
        let mut faults = Vec::new();
        let mut kept = Vec::new();
        for table in [Table::Teams, Table::Idps] {
            let Some(entries) = file.entries(table) else { continue };
            let items = state.items(table);
            let wanted: BTreeMap<_, _> = entries.iter().map(|entry| (&entry.key, entry)).collect();
            let mut lacking = Vec::new();
            let mut staying = BTreeMap::new();
            for (key, stored) in items.iter().filter(|(key, _)| !wanted.contains_key(key)) {
                let is_ours = file.owners.contains(&owner_of(&stored.item));
                if prune && is_ours {
                    lacking.push(key.clone());
                    continue;
                }
                staying.insert(key.to_ascii_lowercase(), key);
                if is_ours {
                    plan.unlisted.push((table, key.clone()));
                } else {
                    kept.push(key);
                }
            }
            for entry in entries.iter().filter(|_| table == Table::Teams) {
                if let Some(other) = staying.get(&entry.key.to_ascii_lowercase()) {
                    let message = format!(
                        "{}: team_id: found an id that differs from {} of the table in case only, expected ids that differ in more",
                        subject(table, &entry.key),
                        excerpt(other)
                    );
                    faults.push(FileFault::new(&entry.file, entry.line, message));
                }
            }
            let changed = wanted.values().filter_map(|entry| {
                let stored = items.get(&entry.key);
                let mut item = entry.item.clone();
                // Whose an item is stays as it is where the file does not say it.
                let owner = stored.and_then(|stored| stored.item.get(OWNER));
                if let (Some(owner), false) = (owner, item.contains_key(OWNER)) {
                    item.insert(OWNER.to_owned(), owner.clone());
                }
                Change::to(table, &entry.key, stored, &item, &entry.mapping)
            });
            plan.changes.extend(changed);
            plan.removals(table, items, &lacking);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let wanted = |table: Table| -> BTreeMap<&str, &Mapping> {
            let entries = file.entries(table).unwrap_or_default().iter();
            entries.map(|entry| (entry.key.as_str(), &entry.mapping)).collect()
        };
        plan.follow(state, &wanted(Table::Teams), &wanted(Table::Idps));
        if prune && !kept.is_empty() {
            plan.warnings.push(match kept.len() {
                1 => "1 item that the files lack stays: its owner label is not theirs".to_owned(),
                more => format!(
                    "{more} items that the files lack stay: their owner labels are not the files'"
                ),
            });
        }
        Ok(plan)
    }

    /// The removal of some items, and nothing else.
    pub fn removing(table: Table, keys: &[String], state: &State) -> Self {
        let mut plan = Self::default();
        plan.removals(table, state.items(table), keys);
        plan.follow(state, &BTreeMap::new(), &BTreeMap::new());
        plan
    }

    /// One change, if there is any, to what the mapping says.
    pub fn of(change: Option<Change>, mapping: &Mapping, state: &State) -> Self {
        let mut plan = Self { changes: change.into_iter().collect(), ..Self::default() };
        let wanted = BTreeMap::from([(mapping.key(), mapping)]);
        let (teams, idps) = match mapping {
            Mapping::Team(_) => (wanted, BTreeMap::new()),
            Mapping::Idp(_) => (BTreeMap::new(), wanted),
        };
        plan.follow(state, &teams, &idps);
        plan
    }

    /// Changes that were planned before, to what these mappings say.
    pub fn of_changes(changes: Vec<Change>, wanted: &[(Table, Mapping)], state: &State) -> Self {
        let mut plan = Self { changes, ..Self::default() };
        let of = |table: Table| -> BTreeMap<&str, &Mapping> {
            let of_table = wanted.iter().filter(|(other, _)| *other == table);
            of_table.map(|(_, mapping)| (mapping.key(), mapping)).collect()
        };
        plan.follow(state, &of(Table::Teams), &of(Table::Idps));
        plan
    }

    fn removals(&mut self, table: Table, items: &BTreeMap<String, Stored>, keys: &[String]) {
        let found = keys.iter().filter_map(|key| items.get_key_value(key));
        self.changes.extend(found.map(|(key, stored)| Change::removal(table, key, stored)));
        self.changes.sort_by(|a, b| (a.table, &a.key).cmp(&(b.table, &b.key)));
    }

    /// Says what follows from the changes.
    fn follow<'a>(
        &mut self,
        state: &'a State,
        wanted_teams: &BTreeMap<&'a str, &'a Mapping>,
        wanted_idps: &BTreeMap<&'a str, &'a Mapping>,
    ) {
        self.is_partial = state.is_partial;
        self.warnings.extend(state.warnings.iter().cloned());
        let mappings = |table: Table| -> BTreeMap<&'a str, &'a Mapping> {
            let usable = state.items(table).iter();
            usable.filter_map(|(key, stored)| Some((key.as_str(), stored.mapping()?))).collect()
        };
        let (teams, idps) = (mappings(Table::Teams), mappings(Table::Idps));
        let (mut new_teams, mut new_idps) = (teams.clone(), idps.clone());
        for Change { table, key, action, .. } in &self.changes {
            let (new, wanted) = match table {
                Table::Teams => (&mut new_teams, wanted_teams),
                Table::Idps => (&mut new_idps, wanted_idps),
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
        let all = self.changes.iter().any(|change| change.table == Table::Idps);
        let touched: BTreeSet<&str> = self.changes.iter().map(|c| c.key.as_str()).collect();
        let before = edges(&teams, &idps, |team| all || touched.contains(team));
        let after = edges(&new_teams, &new_idps, |team| all || touched.contains(team));
        self.gains = gathered(after.difference(&before));
        self.losses = gathered(before.difference(&after));
        self.people = people(&self.changes, &teams, &new_teams);
        let after_idps: Vec<_> = new_idps.values().filter_map(|mapping| mapping.idp()).collect();
        let after_teams: Vec<_> = new_teams.values().filter_map(|mapping| mapping.team()).collect();
        // A team that nobody can use now may be repaired: its id is no typing error.
        let unusable = state.teams.iter().filter(|(_, stored)| stored.read.is_err());
        let unusable = unusable.map(|(key, _)| key.clone());
        let known = Known {
            teams: new_teams.keys().map(|key| (*key).to_owned()).chain(unusable).collect(),
            is_whole: !state.is_partial,
        };
        for change in &mut self.changes {
            match change.table {
                Table::Teams => {
                    let of = |map: &BTreeMap<&'a str, &'a Mapping>| {
                        map.get(change.key.as_str()).and_then(|mapping| mapping.team())
                    };
                    let (old, new) = (of(&teams), of(&new_teams));
                    follow_team(change, old, new);
                    follow_links(change, old, new, &after_teams);
                    follow_groups(change, new, &after_idps);
                    follow_company(change, new, &after_teams);
                    change.consequences.extend(doors::follow(old, new, &after_idps));
                    let reaching = new.map(|new| doors::reaching(old, new, &after_teams));
                    change.privileged.extend(reaching.unwrap_or_default());
                    let granted = |new: &Team| {
                        after_idps.iter().any(|i| i.enabled && i.allowed_teams.allow(&new.team_id))
                    };
                    if !state.is_partial && new.is_some_and(|new| !granted(new)) {
                        change
                            .warns("no identity provider may grant this team: nobody can open it");
                    }
                }
                Table::Idps => {
                    let of = |map: &BTreeMap<&'a str, &'a Mapping>| {
                        map.get(change.key.as_str()).and_then(|mapping| mapping.idp())
                    };
                    let (old, new) = (of(&idps), of(&new_idps));
                    follow_idp(change, old, new, &after_idps);
                    follow_unbound(change, &after_teams);
                    follow_allowed(change, new, &known);
                }
            }
            if change.touches(&[OWNER]) && change.action == Action::Update {
                change.warns(
                    "it carries another file's owner label: two files may both say what it is",
                );
            }
        }
        self.follow_renames(&teams, &new_teams, &after_idps);
        self.places = teams
            .values()
            .chain(new_teams.values())
            .filter_map(|m| m.team())
            .map(of_team)
            .collect();
        self.places.extend(state.items(Table::Teams).values().filter_map(|one| of_item(&one.item)));
        self.places.retain(|place| !state.places.contains(place));
        self.teams = after_teams.into_iter().cloned().collect();
    }

    /// A team that appears where another one goes, with its role: people call that a rename, and AWS does
    /// not know it as one.
    fn follow_renames(
        &mut self,
        old: &BTreeMap<&str, &Mapping>,
        new: &BTreeMap<&str, &Mapping>,
        idps: &[&Idp],
    ) {
        let of = |change: &Change, action: Action, map: &BTreeMap<&str, &Mapping>| {
            let is = change.table == Table::Teams && change.action == action;
            let team = map.get(change.key.as_str()).and_then(|mapping| mapping.team());
            team.filter(|_| is).cloned()
        };
        let gone: Vec<Team> =
            self.changes.iter().filter_map(|c| of(c, Action::Remove, old)).collect();
        for change in &mut self.changes {
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
}

/// What `allowed_teams` can name.
struct Known {
    teams: BTreeSet<String>,
    is_whole: bool,
}

/// Whose an item is: the label that its file carries.
fn owner_of(item: &Item) -> Option<String> {
    item.get(OWNER)?.as_str().map(str::to_owned)
}

impl Change {
    /// The change that makes an item what is wanted; `None` when it is that already.
    pub fn to(
        table: Table,
        key: &str,
        stored: Option<&Stored>,
        wanted: &Item,
        mapping: &Mapping,
    ) -> Option<Self> {
        let nothing = Item::new();
        let mut differences = differences(stored.map_or(&nothing, |stored| &stored.item), wanted);
        // What JSON cannot hold goes, whatever the file says about its attribute.
        let unwritable = stored.map_or(&[][..], |stored| &stored.unwritable);
        differences.extend(unwritable.iter().map(|Fault { attribute, found, .. }| Difference {
            path: attribute.clone(),
            before: Some(Value::String(found.clone())),
            after: None,
        }));
        let revision = stored.and_then(|stored| stored.item.get(REVISION));
        differences.extend(revision.filter(|value| !is_count(table, REVISION, value)).map(
            |value| Difference {
                path: REVISION.to_owned(),
                before: Some(value.clone()),
                after: None,
            },
        ));
        if differences.is_empty() {
            return None;
        }
        let action = if stored.is_some() { Action::Update } else { Action::Create };
        if action == Action::Create {
            differences.retain(|difference| difference.path != table.key());
        }
        let old = stored.and_then(Stored::mapping).and_then(Mapping::team);
        Some(Self {
            table,
            key: key.to_owned(),
            action,
            differences,
            consequences: Vec::new(),
            warnings: Vec::new(),
            privileged: mapping.team().map_or_else(Vec::new, |team| newly_privileged(old, team)),
            risks: BTreeMap::new(),
            before: stored.map(|stored| stored.record.clone()),
            after: Some(record(table, stored, wanted)),
        })
    }

    /// The change by which an item goes.
    pub fn removal(table: Table, key: &str, stored: &Stored) -> Self {
        Self {
            table,
            key: key.to_owned(),
            action: Action::Remove,
            differences: Vec::new(),
            consequences: Vec::new(),
            warnings: Vec::new(),
            privileged: Vec::new(),
            risks: BTreeMap::new(),
            before: Some(stored.record.clone()),
            after: None,
        }
    }

    fn follows(&mut self, text: impl Into<String>) {
        self.consequences.push(text.into());
    }

    fn warns(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Whether one of the attributes differs.
    pub fn touches(&self, attributes: &[&str]) -> bool {
        self.differences.iter().any(|difference| attributes.contains(&difference.attribute()))
    }
}

/// The record to write: what does not differ stays exactly as it is, a String Set stays one, and a team's
/// revision counts up.
fn record(table: Table, stored: Option<&Stored>, wanted: &Item) -> Record {
    let nothing = (Record::new(), Item::new());
    let (old, old_item) = stored.map_or((&nothing.0, &nothing.1), |s| (&s.record, &s.item));
    let unwritable = stored.map_or(&[][..], |stored| &stored.unwritable);
    let is_whole = |name: &str| {
        !unwritable.iter().any(|fault| {
            let after = fault.attribute.strip_prefix(name);
            after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
        })
    };
    let mut record: Record = wanted
        .iter()
        .filter(|(name, _)| *name != REVISION && !NOTES.contains(&name.as_str()))
        .map(|(name, value)| {
            let single = |item: &Item| -> Item {
                item.get_key_value(name).map(|(n, v)| (n.clone(), v.clone())).into_iter().collect()
            };
            let is_same = old_item.contains_key(name)
                && is_whole(name)
                && differences(&single(old_item), &single(wanted)).is_empty();
            let value = match old.get(name) {
                Some(old) if is_same => old.clone(),
                Some(AttributeValue::Ss(_)) => as_set(value).unwrap_or_else(|| to_dynamodb(value)),
                _ => to_dynamodb(value),
            };
            (name.clone(), value)
        })
        .collect();
    if table == Table::Teams {
        let counted = old_item.get(REVISION).and_then(Value::as_u64).unwrap_or_default();
        let next = counted.saturating_add(1);
        record.insert(REVISION.to_owned(), AttributeValue::N(next.to_string()));
    }
    record
}

/// A list of texts as a String Set, which is never empty and holds nothing twice.
fn as_set(value: &Value) -> Option<AttributeValue> {
    let texts: Option<Vec<String>> =
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
    let texts = texts?;
    let unique: BTreeSet<_> = texts.iter().collect();
    (!texts.is_empty() && unique.len() == texts.len()).then_some(AttributeValue::Ss(texts))
}

/// Privileged members that are new or changed; all of them where the team's profiles move.
fn newly_privileged(old: Option<&Team>, new: &Team) -> Vec<Privileged> {
    let known = match old {
        Some(old) if is_same_place(old, new) => privileged(&old.user_settings),
        _ => Vec::new(),
    };
    let all = privileged(&new.user_settings).into_iter();
    all.filter(|member| !known.contains(member)).collect()
}

fn is_same_place(old: &Team, new: &Team) -> bool {
    (&old.account_id, &old.region, &old.domain_id) == (&new.account_id, &new.region, &new.domain_id)
}

/// `IdP`, group, team: somebody whom the `IdP` vouches for may open the team.
type Edge<'a> = (&'a str, Option<&'a str>, &'a str);

/// All access to the teams that matter: an enabled `IdP` allows an enabled team, which is named by its teams
/// attribute, or by one of its groups where the `IdP` knows groups.
fn edges<'a>(
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
fn people(
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

fn gathered<'a>(edges: impl Iterator<Item = &'a Edge<'a>>) -> Vec<Access> {
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

fn follow_team(change: &mut Change, old: Option<&Team>, new: Option<&Team>) {
    if change.action == Action::Update && old.is_none() {
        change.follows("the item could not be used and now can");
    }
    change.warnings.extend(new.map(advice::of_team).unwrap_or_default());
    for (outdone, counting) in new.into_iter().flat_map(|new| new.members.outdone()) {
        change.warns(format!(
            "members {} and {} are the same person: the earlier end counts, {}",
            excerpt(&outdone.key),
            excerpt(&counting.key),
            counting.until
        ));
    }
    if let Some(uid) = new.and_then(|new| shared_posix_uid(&new.user_settings))
        && (change.action == Action::Create || change.touches(&["user_settings"]))
    {
        change.warns(format!(
            "every person of the team gets the POSIX user id {uid}: on a shared file system their files are one person's"
        ));
    }
    match (old, new) {
        (Some(old), None) => change.follows(format!(
            "its profiles stay in {} and nobody reaches them any more",
            place(old)
        )),
        (None, None) => change.follows("the item could not be used: nobody loses anything"),
        (None, Some(new)) if !new.enabled => {
            change.follows("it is paused: shown, and not openable")
        }
        (None, Some(_)) => {}
        (Some(old), Some(new)) => follow_team_update(change, old, new),
    }
}

/// Links that name what is another team's are as new as their addresses.
fn follow_links(change: &mut Change, old: Option<&Team>, new: Option<&Team>, teams: &[&Team]) {
    let Some(new) = new else { return };
    let known = old.map_or_else(Vec::new, |old| links_beyond(old, teams));
    let beyond = links_beyond(new, teams).into_iter();
    change
        .privileged
        .extend(beyond.filter(|link| known.iter().all(|known| known.value != link.value)));
}

/// A bare group name counts at every IdP that may grant the team: where these know different people, one of
/// them can say a group of the other.
fn follow_groups(change: &mut Change, new: Option<&Team>, idps: &[&Idp]) {
    let Some(team) = new else { return };
    if let Some((groups, directories)) = shared_groups(team, idps) {
        change.warns(format!(
            "{} can be said by identity providers of the directories {}: write entity-id#group to bind a group to one",
            match groups.as_slice() {
                [one] => format!("the group {}", excerpt(one)),
                groups => {
                    let groups: Vec<_> = groups.iter().map(|group| excerpt(group)).collect();
                    format!("the groups {}", cut(&groups, 5).join(", "))
                }
            },
            directories.join(", ")
        ));
    }
}

/// The bare groups of a team, and the directories from which they can be said, where these are several.
pub fn shared_groups<'a>(team: &'a Team, idps: &[&'a Idp]) -> Option<(Vec<&'a str>, Vec<&'a str>)> {
    let knows_groups = |idp: &&&Idp| {
        idp.enabled
            && (idp.groups_attribute.is_some() || idp.identity_store_id.is_some())
            && idp.allowed_teams.allow(&team.team_id)
    };
    let directories: BTreeSet<_> =
        idps.iter().filter(knows_groups).map(|idp| idp.directory.as_str()).collect();
    let entity_ids: Vec<_> = idps.iter().map(|idp| idp.entity_id.clone()).collect();
    let bare = team.groups.iter().filter(|group| group_of(group, &entity_ids).0.is_none());
    let bare: Vec<_> = bare.map(String::as_str).collect();
    (directories.len() > 1 && !bare.is_empty()).then(|| (bare, directories.into_iter().collect()))
}

/// Two teams with one domain and one role have the same rights to the same data.
fn follow_company(change: &mut Change, new: Option<&Team>, teams: &[&Team]) {
    let Some(team) = new else { return };
    let is_company = |other: &&&Team| {
        other.team_id != team.team_id
            && is_same_place(other, team)
            && other.execution_role_arn == team.execution_role_arn
    };
    let company: Vec<_> =
        teams.iter().filter(is_company).map(|other| excerpt(other.team_id.as_str())).collect();
    if !company.is_empty() && (change.action == Action::Create || change.touches(&PLACE)) {
        change.warns(format!(
            "it has the domain and the execution role of {}: their notebooks have the same rights",
            cut(&company, 5).join(", ")
        ));
    }
}

/// The attributes that say where a team's profiles are and what they run with.
const PLACE: [&str; 4] = ["account_id", "region", "domain_id", "execution_role_arn"];

/// Teams that an IdP may grant and that nobody has.
fn follow_allowed(change: &mut Change, new: Option<&Idp>, known: &Known) {
    let Some(idp) = new else { return };
    if !known.is_whole || !(change.action == Action::Create || change.touches(&["allowed_teams"])) {
        return;
    }
    for name in idp.allowed_teams.names() {
        if name != "*" && !known.teams.contains(name) {
            let near = nearest(name, known.teams.iter().map(String::as_str));
            let perhaps = near.first().map(|near| format!(", perhaps {near}")).unwrap_or_default();
            change.warns(format!("allowed_teams: there is no team {}{perhaps}", excerpt(name)));
        }
    }
}

fn follow_team_update(change: &mut Change, old: &Team, new: &Team) {
    if !is_same_place(old, new) || change.touches(&["execution_role_arn"]) {
        change.risks.insert(Risk::Moved, 1);
    }
    if !is_same_place(old, new) {
        change.follows(format!(
            "existing profiles in {} become unreachable; people get new ones, with new homes, in {}",
            place(old),
            place(new)
        ));
    } else if change.touches(&["user_settings", "execution_role_arn"]) {
        change.follows("existing profiles are updated, each at its person's next opening");
    }
    if change.touches(&["tags"]) {
        change.follows("only profiles made from now on get the changed tags");
    }
    if change.touches(&["broker_role_arn", "external_id"]) {
        change.follows("the broker assumes the role in another way: doctor says whether it may");
    }
    match (old.enabled, new.enabled) {
        (true, false) => {
            change.follows("it is paused: nobody can open it; open Studio sessions stay")
        }
        (false, true) => change.follows("it can be opened again"),
        _ => {}
    }
    if change.touches(&["allowed_cidrs"]) {
        change.follows(match &new.allowed_cidrs {
            None => "it can be opened from every address".to_owned(),
            Some(cidrs) if cidrs.is_empty() => "it can be opened from no address at all".to_owned(),
            Some(cidrs) => {
                let cidrs: Vec<_> = cidrs.iter().map(ToString::to_string).collect();
                format!("it can be opened from {} only", cut(&cidrs, 10).join(", "))
            }
        });
    }
    if change.touches(&["authn_contexts"]) {
        change.follows(match &new.authn_contexts {
            None => "it can be opened after a sign-in of any kind".to_owned(),
            Some(kinds) if kinds.is_empty() => "no kind of sign-in opens it: nobody can".to_owned(),
            Some(kinds) => format!(
                "it can be opened after a sign-in of these kinds only, in open sessions too: {}",
                cut(kinds, 10).join(", ")
            ),
        });
    }
    if change.touches(&["session_duration_seconds"]) {
        let seconds = new.session_duration_seconds;
        change.follows(format!("Studio sessions that begin from now on last {seconds} seconds"));
    }
    if new.adopt_profiles && !old.adopt_profiles {
        change.warns(
            "profiles that carry no User tag may be taken over: switch it off when that is done",
        );
    }
}

fn place(team: &Team) -> String {
    format!("domain {} (account {}, {})", team.domain_id, team.account_id, team.region)
}

fn follow_idp(change: &mut Change, old: Option<&Idp>, new: Option<&Idp>, idps: &[&Idp]) {
    match (old, new) {
        (Some(_), None) => {
            change.follows("nobody signs in there any more, and its open sessions end");
        }
        (None, None) => change.follows("the item could not be used: nobody loses anything"),
        (None, Some(new)) => {
            if change.action == Action::Update {
                change.follows("the item could not be used and now can");
            }
            follow_directory(change, new, idps);
        }
        (Some(old), Some(new)) => follow_idp_update(change, old, new, idps),
    }
}

/// Groups that are bound to an `IdP` which goes are bare names from then on, and count at every other one.
fn follow_unbound(change: &mut Change, teams: &[&Team]) {
    if change.action != Action::Remove {
        return;
    }
    let front = format!("{}#", change.key);
    let names_it = |team: &&&Team| team.groups.iter().any(|group| group.starts_with(&front));
    let teams: Vec<_> =
        teams.iter().filter(names_it).map(|team| excerpt(team.team_id.as_str())).collect();
    if !teams.is_empty() {
        change.warns(format!(
            "groups of {} are bound to it: once it is gone they are names that every other identity provider may say; take them out of the teams first",
            cut(&teams, 5).join(", ")
        ));
    }
}

/// Two `IdPs` of one directory speak for the same people: either can become anybody of the other.
fn follow_directory(change: &mut Change, idp: &Idp, idps: &[&Idp]) {
    let others: Vec<_> = idps
        .iter()
        .filter(|other| other.entity_id != idp.entity_id && other.directory == idp.directory)
        .map(|other| excerpt(other.name()))
        .collect();
    if !others.is_empty() {
        change.warns(format!(
            "it shares the directory {} with {}: each of them can speak for every person of the other",
            excerpt(&idp.directory),
            cut(&others, 5).join(", ")
        ));
    }
}

fn follow_idp_update(change: &mut Change, old: &Idp, new: &Idp, idps: &[&Idp]) {
    let lost = |key: &&strict_saml::SigningKey| !new.metadata.has_key(key.fingerprint());
    let lost = old.metadata.signing_keys().iter().filter(lost).count();
    if lost > 0 {
        change.follows("sessions and responses that a removed key signed end");
    }
    if lost > 0 && lost == old.metadata.signing_keys().len() {
        change.risks.insert(Risk::KeysReplaced, 1);
        change.warns("no key stays: whoever holds the new ones signs everybody in, and until the identity provider uses them nobody gets in");
    }
    if change.touches(&["directory"]) {
        follow_directory(change, new, idps);
    }
    if change.touches(&["directory", "user_attribute"]) {
        change.warns("its people become other owners: the profiles that they have become unreachable for them");
    }
    if change.touches(&["teams_attribute", "groups_attribute", "identity_store_id"]) {
        change.follows("teams and groups are read from another place, from the next sign-in on");
    }
    match (old.enabled, new.enabled) {
        (true, false) => {
            change.follows("nobody signs in there any more, and its open sessions end");
        }
        (false, true) => change.follows("people can sign in there again"),
        _ => {}
    }
    if change.touches(&["authn_contexts"]) {
        change.follows(match &new.authn_contexts {
            None => "people get in by a sign-in of any kind".to_owned(),
            Some(kinds) if kinds.is_empty() => {
                "no kind of sign-in is enough: nobody gets in".to_owned()
            }
            Some(kinds) => format!(
                "people get in by a sign-in of these kinds only, in open sessions too: {}",
                cut(kinds, 10).join(", ")
            ),
        });
    }
    let among = |users: &[String], others: &[String]| -> Vec<String> {
        let only = users.iter().filter(|user| !others.contains(user));
        only.map(|user| excerpt(user)).collect()
    };
    let denied = among(&new.denied_users, &old.denied_users);
    if !denied.is_empty() {
        let users = cut(&denied, 10).join(", ");
        change.follows(format!("refused at once, in open sessions too: {users}"));
    }
    let forgiven = among(&old.denied_users, &new.denied_users);
    if !forgiven.is_empty() {
        change.risks.insert(Risk::Readmitted, forgiven.len());
        let users = cut(&forgiven, 10).join(", ");
        change.follows(format!("may sign in again: {users}"));
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use serde_json::json;

    use super::*;
    use crate::mappings::file;

    const METADATA: &str = include_str!("../../tests/fixtures/metadata/idp.xml");

    fn team(id: &str, change: Value) -> Value {
        let mut team = json!({
            "team_id": id, "account_id": "012345678901", "region": "eu-west-1", "domain_id": "d-abc",
            "execution_role_arn": "arn:aws:iam::012345678901:role/T", "groups": ["g"],
        });
        for (name, value) in change.as_object().unwrap() {
            team[name] = value.clone();
        }
        team
    }

    fn idp(change: Value) -> Value {
        let mut idp = json!({
            "entity_id": "https://idp.example.com/metadata", "metadata_xml": METADATA,
            "allowed_teams": ["*"], "groups_attribute": "groups",
        });
        for (name, value) in change.as_object().unwrap() {
            idp[name] = value.clone();
        }
        idp
    }

    fn state(teams: &[Value], idps: &[Value]) -> State {
        let stored = |table: Table, items: &[Value]| -> BTreeMap<String, Stored> {
            items
                .iter()
                .map(|item| {
                    let item = item.as_object().unwrap();
                    let record =
                        item.iter().map(|(n, v)| (n.clone(), to_dynamodb(v))).collect::<Record>();
                    (item[table.key()].as_str().unwrap().to_owned(), Stored::of(table, record))
                })
                .collect()
        };
        let (teams, idps) = (stored(Table::Teams, teams), stored(Table::Idps, idps));
        State { teams, idps, ..State::default() }
    }

    fn plan(file: Value, state: &State, prune: bool) -> Plan {
        let file = file::read("f.json", &file.to_string(), |_| Err(String::new())).unwrap();
        Plan::new(&file, state, prune).unwrap()
    }

    #[test]
    fn what_is_there_already_is_no_change() {
        let items = (team("a", json!({"revision": 7})), idp(json!({})));
        let state = state(slice::from_ref(&items.0), slice::from_ref(&items.1));
        let plan = plan(json!({"teams": [team("a", json!({}))], "idps": [items.1]}), &state, true);
        assert_eq!(plan.counts(), [0, 0, 0]);
    }

    #[test]
    fn what_the_file_lacks_stays_unless_it_is_pruned() {
        let state = state(&[team("a", json!({})), team("b", json!({}))], &[idp(json!({}))]);
        let file = json!({"teams": [team("a", json!({}))]});
        let kept = plan(file.clone(), &state, false);
        assert_eq!((kept.counts(), kept.unlisted), ([0, 0, 0], vec![(Table::Teams, "b".into())]));
        let pruned = plan(file, &state, true);
        assert_eq!(pruned.counts(), [0, 0, 1]);
        assert!(pruned.changes[0].consequences[0].contains("nobody reaches them any more"));
        // The file does not speak of IdPs: they stay.
        assert!(pruned.unlisted.is_empty());
    }

    #[test]
    fn access_follows_from_teams_and_idps_together() {
        let state = state(&[team("a", json!({}))], &[idp(json!({}))]);
        let plan = plan(
            json!({"teams": [team("a", json!({"groups": ["h"]})), team("b", json!({}))]}),
            &state,
            false,
        );
        let idp = "https://idp.example.com/metadata".to_owned();
        let access = |group: Option<&str>, team: &str| Access {
            idp: idp.clone(),
            group: group.map(str::to_owned),
            teams: vec![team.to_owned()],
        };
        assert_eq!(plan.gains, [access(None, "b"), access(Some("g"), "b"), access(Some("h"), "a")]);
        assert_eq!(plan.losses, [access(Some("g"), "a")]);
    }

    #[test]
    fn an_idp_that_may_grant_less_loses_access_to_all_others() {
        let state = state(&[team("a", json!({})), team("b", json!({}))], &[idp(json!({}))]);
        let plan = plan(json!({"idps": [idp(json!({"allowed_teams": ["a"]}))]}), &state, false);
        let lost: Vec<_> = plan.losses.iter().map(|lost| (&lost.group, &lost.teams)).collect();
        assert_eq!(lost, [(&None, &vec!["b".to_owned()]), (&Some("g".into()), &vec!["b".into()])]);
    }

    #[test]
    fn a_moved_team_leaves_its_profiles_behind() {
        let state = state(&[team("a", json!({}))], &[idp(json!({}))]);
        let plan =
            plan(json!({"teams": [team("a", json!({"domain_id": "d-new"}))]}), &state, false);
        assert_eq!(
            plan.changes[0].consequences,
            [
                "existing profiles in domain d-abc (account 012345678901, eu-west-1) become unreachable; people get new ones, with new homes, in domain d-new (account 012345678901, eu-west-1)"
            ]
        );
    }

    #[test]
    fn privileged_members_count_when_they_are_new_changed_or_moved() {
        let settings = |uid: u32| json!({"user_settings": {"CustomPosixUserConfig": {"Uid": 10_000 + uid, "Gid": 1001}}});
        let state = state(&[team("a", settings(1))], &[idp(json!({}))]);
        let changed = |team: Value| {
            let plan = plan(json!({"teams": [team]}), &state, false);
            (plan.is_privileged(), plan.changes.first().map_or(0, |change| change.warnings.len()))
        };
        assert_eq!(changed(team("a", settings(1))), (false, 0));
        assert_eq!(changed(team("a", settings(2))), (true, 1));
        assert_eq!(changed(team("a", json!({}))), (false, 0));
        let mut moved = settings(1);
        moved["domain_id"] = json!("d-new");
        assert!(changed(team("a", moved)).0);
        let mut renamed = settings(1);
        renamed["display_name"] = json!("A");
        assert!(!changed(team("a", renamed)).0);
    }

    #[test]
    fn what_does_not_differ_is_written_back_as_it_was_and_sets_stay_sets() {
        let mut state = state(&[team("a", json!({"revision": 4}))], &[]);
        let mut record = state.teams["a"].record.clone();
        record.insert("groups".into(), AttributeValue::Ss(vec!["h".into(), "g".into()]));
        state.teams.insert("a".into(), Stored::of(Table::Teams, record));
        let wanted = |groups: Value| json!({"teams": [team("a", json!({"groups": groups, "description": "x"}))]});
        let same = plan(wanted(json!(["g", "h"])), &state, false);
        let written = same.changes[0].after.clone().unwrap();
        assert_eq!(written["groups"], AttributeValue::Ss(vec!["h".into(), "g".into()]));
        assert_eq!(written["revision"], AttributeValue::N("5".into()));
        let changed = plan(wanted(json!(["z"])), &state, false);
        let written = changed.changes[0].after.clone().unwrap();
        assert_eq!(written["groups"], AttributeValue::Ss(vec!["z".into()]));
        let emptied = plan(wanted(json!([])), &state, false);
        assert_eq!(emptied.changes[0].after.clone().unwrap()["groups"], AttributeValue::L(vec![]));
    }

    #[test]
    fn what_json_cannot_hold_goes_when_the_file_has_the_item() {
        let mut state = state(&[team("a", json!({}))], &[]);
        let mut record = state.teams["a"].record.clone();
        record.insert("description".into(), AttributeValue::Null(true));
        state.teams.insert("a".into(), Stored::of(Table::Teams, record));
        let plan = plan(json!({"teams": [team("a", json!({}))]}), &state, false);
        assert_eq!(plan.changes[0].differences[0].path, "description");
        assert!(!plan.changes[0].after.clone().unwrap().contains_key("description"));
        assert_eq!(plan.changes[0].consequences[0], "the item could not be used and now can");
    }

    #[test]
    fn a_revision_that_is_no_count_is_repaired() {
        let state = state(
            &[team("a", json!({"revision": "x"})), team("b", json!({"revision": 3}))],
            &[idp(json!({"revision": 1}))],
        );
        let teams = [team("a", json!({})), team("b", json!({}))];
        let plan = plan(json!({"teams": teams, "idps": [idp(json!({}))]}), &state, false);
        let changed: Vec<_> = plan.changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(changed, ["a", "https://idp.example.com/metadata"]);
        let written = |i: usize| plan.changes[i].after.clone().unwrap().remove("revision");
        assert_eq!(written(0), Some(AttributeValue::N("1".into())));
        assert_eq!(written(1), None);
    }

    #[test]
    fn an_id_that_differs_in_case_only_from_one_that_stays_is_a_fault() {
        let state = state(&[team("a", json!({}))], &[]);
        let text = json!({"teams": [team("A", json!({}))]}).to_string();
        let file = file::read("f.json", &text, |_| Err(String::new())).unwrap();
        assert_eq!(Plan::new(&file, &state, false).unwrap_err().len(), 1);
        assert_eq!(Plan::new(&file, &state, true).unwrap().counts(), [1, 0, 1]);
    }

    #[test]
    fn another_directory_or_user_attribute_makes_other_owners() {
        let state = state(&[], &[idp(json!({}))]);
        for change in [json!({"directory": "okta"}), json!({"user_attribute": "uid"})] {
            let plan = plan(json!({"idps": [idp(change)]}), &state, false);
            assert!(plan.changes[0].warnings[0].contains("become other owners"));
        }
    }

    #[test]
    fn a_file_with_a_label_removes_what_carries_it_and_nothing_else() {
        let teams = [
            team("a", json!({"owner": "x"})),
            team("b", json!({"owner": "y"})),
            team("c", json!({})),
        ];
        let state = state(&teams, &[]);
        let keys = |plan: Plan| -> Vec<String> {
            let gone = plan.changes.into_iter().filter(|c| c.action == Action::Remove);
            gone.map(|change| change.key).collect()
        };
        assert_eq!(keys(plan(json!({"owner": "x", "teams": []}), &state, true)), ["a"]);
        assert_eq!(keys(plan(json!({"teams": []}), &state, true)), ["c"]);
        // A file without a label leaves an item's label as it is.
        let same = plan(json!({"teams": [team("a", json!({}))]}), &state, false);
        assert_eq!(same.counts(), [0, 0, 0]);
        let other = plan(json!({"owner": "z", "teams": [team("a", json!({}))]}), &state, false);
        assert!(other.changes[0].warnings.iter().any(|w| w.contains("another file's owner")));
    }

    #[test]
    fn what_takes_something_from_people_has_a_number_to_confirm() {
        let state = state(
            &[team("a", json!({})), team("b", json!({}))],
            &[idp(json!({"denied_users": ["eve", "mallory"]}))],
        );
        let moved = team("a", json!({"domain_id": "d-other"}));
        let file = json!({"teams": [moved, team("b", json!({}))], "idps": [idp(json!({}))]});
        let plan = plan(file, &state, false);
        assert_eq!(plan.risks(), BTreeMap::from([(Risk::Moved, 1), (Risk::Readmitted, 2)]));
    }

    #[test]
    fn a_team_that_takes_anothers_place_is_said_to_be_its_rename() {
        let state = state(&[team("old", json!({}))], &[idp(json!({"allowed_teams": ["old"]}))]);
        let plan = plan(json!({"teams": [team("new", json!({}))]}), &state, true);
        let new = &plan.changes[0];
        assert!(new.consequences.iter().any(|c| c.contains("takes the place of team \"old\"")));
        assert!(new.warnings.iter().any(|w| w.contains("still names \"old\"")), "{new:?}");
        assert_eq!(plan.risks(), BTreeMap::from([(Risk::Moved, 1)]));
    }

    #[test]
    fn a_bare_group_that_two_directories_can_say_is_called_out() {
        let other = METADATA.replace("https://idp.example.com/metadata", "https://other.example/");
        let second = json!({"entity_id": "https://other.example/", "metadata_xml": other, "allowed_teams": ["*"], "groups_attribute": "g", "directory": "partner"});
        let state = state(&[], &[idp(json!({})), second]);
        let said = |groups: Value| {
            let plan =
                plan(json!({"teams": [team("a", json!({"groups": groups}))]}), &state, false);
            plan.changes[0].warnings.iter().any(|w| w.contains("directories default, partner"))
        };
        assert!(said(json!(["g"])));
        assert!(!said(json!(["https://other.example/#g"])));
    }

    #[test]
    fn a_team_that_nobody_has_is_called_out_where_it_is_allowed() {
        let state = state(&[team("dept00", json!({}))], &[]);
        let plan =
            plan(json!({"idps": [idp(json!({"allowed_teams": ["dept0O"]}))]}), &state, false);
        assert!(plan.changes[0].warnings.iter().any(|w| w.ends_with("\"dept0O\", perhaps dept00")));
    }

    #[test]
    fn idps_that_share_a_directory_are_called_out() {
        let state = state(&[], &[idp(json!({}))]);
        let other = METADATA.replace("https://idp.example.com/metadata", "https://other.example/");
        let second = json!({"entity_id": "https://other.example/", "metadata_xml": other, "allowed_teams": ["*"]});
        let plan = plan(json!({"idps": [second]}), &state, false);
        assert!(plan.changes[0].warnings[0].contains("can speak for every person of the other"));
    }

    #[test]
    fn groups_that_are_bound_to_an_idp_which_goes_are_called_out() {
        let key = "https://idp.example.com/metadata".to_owned();
        let bound = json!({"groups": [format!("{key}#admins")]});
        let of = |team: Value| state(&[team], &[idp(json!({}))]);
        let warned = |state: &State| {
            let plan = Plan::removing(Table::Idps, slice::from_ref(&key), state);
            plan.changes[0].warnings.iter().any(|warning| warning.contains("bound to it"))
        };
        assert!(warned(&of(team("a", bound))));
        assert!(!warned(&of(team("a", json!({"groups": ["admins", format!("{key}/x#admins")]})))));
    }
}
