//! From the tables to a file: what changes, and what follows from it for the people.
//!
//! A plan says nothing that it does not know: what it says about profiles follows from the mappings alone.
//!
//! | part | what it does |
//! | --- | --- |
//! | `one_item` | one item that changes: what is written, and what is said about it |
//! | `access` | who gets in by it: access that comes and goes |
//! | `follow` | what follows from all changes together, with `teams`, `idps` and `renames` |

mod access;
mod follow;
mod idps;
mod one_item;
mod renames;
mod teams;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::access::{Access, PersonChange};
pub use self::one_item::{Action, Change, Risk};
pub use self::teams::shared_groups;
use super::file::{Entry, FileFault, MappingFile};
use super::places::Place;
use super::{Mapping, OWNER, Stored, Table, subject};
use crate::team::Team;
use crate::team::item::{Item, excerpt};

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
        let (mut faults, mut foreign) = (Vec::new(), 0);
        for table in [Table::Teams, Table::Idps] {
            let Some(entries) = file.entries(table) else { continue };
            let items = state.items(table);
            let wanted: BTreeMap<_, _> =
                entries.iter().map(|entry| (entry.key.as_str(), entry)).collect();
            let lacking = Lacking::of(file, items, &wanted, prune);
            if table == Table::Teams {
                faults.extend(differ_in_case_only(entries, &lacking));
            }
            plan.changes.extend(wanted.values().filter_map(|entry| change(table, entry, items)));
            plan.removals(table, items, &lacking.gone);
            plan.unlisted.extend(lacking.kept.into_iter().map(|key| (table, key)));
            foreign += lacking.foreign.len();
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let wanted = |table: Table| -> BTreeMap<&str, &Mapping> {
            let entries = file.entries(table).unwrap_or_default().iter();
            entries.map(|entry| (entry.key.as_str(), &entry.mapping)).collect()
        };
        plan.follow(state, wanted(Table::Teams), wanted(Table::Idps));
        if prune && foreign > 0 {
            plan.warnings.push(match foreign {
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
        plan.follow(state, BTreeMap::new(), BTreeMap::new());
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
        plan.follow(state, teams, idps);
        plan
    }

    /// Changes that were planned before, to what these mappings say.
    pub fn of_changes(changes: Vec<Change>, wanted: &[(Table, Mapping)], state: &State) -> Self {
        let mut plan = Self { changes, ..Self::default() };
        let of = |table: Table| -> BTreeMap<&str, &Mapping> {
            let of_table = wanted.iter().filter(|(other, _)| *other == table);
            of_table.map(|(_, mapping)| (mapping.key(), mapping)).collect()
        };
        plan.follow(state, of(Table::Teams), of(Table::Idps));
        plan
    }

    fn removals(&mut self, table: Table, items: &BTreeMap<String, Stored>, keys: &[String]) {
        let found = keys.iter().filter_map(|key| items.get_key_value(key));
        self.changes.extend(found.map(|(key, stored)| Change::removal(table, key, stored)));
        self.changes.sort_by(|a, b| (a.table, &a.key).cmp(&(b.table, &b.key)));
    }
}

/// The keys of a table that a file lacks.
#[derive(Default)]
struct Lacking {
    /// What goes.
    gone: Vec<String>,
    /// What stays though its label is the file's, since nobody prunes.
    kept: Vec<String>,
    /// What stays since its label is another's.
    foreign: Vec<String>,
}

impl Lacking {
    fn of(
        file: &MappingFile,
        items: &BTreeMap<String, Stored>,
        wanted: &BTreeMap<&str, &Entry>,
        prune: bool,
    ) -> Self {
        let mut lacking = Self::default();
        for (key, stored) in items.iter().filter(|(key, _)| !wanted.contains_key(key.as_str())) {
            let of_file = file.owners.contains(&owner_of(&stored.item));
            match (of_file, prune) {
                (true, true) => lacking.gone.push(key.clone()),
                (true, false) => lacking.kept.push(key.clone()),
                (false, _) => lacking.foreign.push(key.clone()),
            }
        }
        lacking
    }
}

/// The entries whose ids differ in case only from one that stays: their profiles are the same to SageMaker.
fn differ_in_case_only(entries: &[Entry], lacking: &Lacking) -> Vec<FileFault> {
    let staying = lacking.kept.iter().chain(&lacking.foreign);
    let staying: BTreeMap<_, _> = staying.map(|key| (key.to_ascii_lowercase(), key)).collect();
    let fault = |entry: &Entry| {
        let other = staying.get(&entry.key.to_ascii_lowercase())?;
        let message = format!(
            "{}: team_id: found an id that differs from {} of the table in case only, expected ids that differ in more",
            subject(Table::Teams, &entry.key),
            excerpt(other)
        );
        Some(FileFault::new(&entry.file, entry.line, message))
    };
    entries.iter().filter_map(fault).collect()
}

/// The change to what an entry says, if there is any.
fn change(table: Table, entry: &Entry, items: &BTreeMap<String, Stored>) -> Option<Change> {
    let stored = items.get(&entry.key);
    let mut item = entry.item.clone();
    // Whose an item is stays as it is where the file does not say it.
    let owner = stored.and_then(|stored| stored.item.get(OWNER));
    if let (Some(owner), false) = (owner, item.contains_key(OWNER)) {
        item.insert(OWNER.to_owned(), owner.clone());
    }
    Change::to(table, &entry.key, stored, &item, &entry.mapping)
}

/// Whose an item is: the label that its file carries.
fn owner_of(item: &Item) -> Option<String> {
    item.get(OWNER)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use aws_sdk_dynamodb::types::AttributeValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::mappings::file;
    use crate::team::item::{Record, to_dynamodb};

    const METADATA: &str = include_str!("../../../tests/fixtures/metadata/idp.xml");

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
