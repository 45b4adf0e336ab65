//! `studio-broker identity-center`: one group per team, and the groups assigned to the application.
//!
//! One application of IAM Identity Center serves the whole organization: the broker reads a person's
//! groups from the identity store, and each team's `groups` name those that give access. The API can make
//! groups and assign them; the application itself, its ACS URL, audience and attributes can be entered in
//! the console only, and are printed as they must stand there.

mod center;

use std::collections::BTreeMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Subcommand;
use serde_json::{Value, json};

use self::center::Center;
use super::Exit;
use super::again::again;
use super::fleet::Mappings;
use super::hub::Hub;
use super::interrupt::{Interrupt, interrupted};
use super::output::{
    ADDED, CHANGED, Failure, Format, STRONG, count, data, hint, json, plain, say, styled, warn,
    word,
};
use crate::aws::error::Kind;
use crate::aws::mapping_tables::Written;
use crate::config::{Audience, environment};
use crate::mappings::Table;
use crate::team::Team;
use crate::team::idp::Idp;
use crate::team::item::{Record, excerpt};

#[derive(Debug, Subcommand)]
pub(super) enum IdentityCenter {
    /// Shows which groups and assignments are missing, and what to enter in the console.
    #[command(
        before_help = "Example:\n  studio-broker identity-center plan",
        after_help = "Exit codes: 0 nothing to do, 3 changes found."
    )]
    Plan(Arguments),
    /// Makes missing groups in the built-in directory, and assigns the teams' groups to the application.
    #[command(
        before_help = "Example:\n  studio-broker identity-center apply --write-teams",
        after_help = "A team without a group of the identity store gets one, named studio-broker-TEAM. Its id belongs into\nthe team's groups: --write-teams puts it into the table, else the change for your file is printed.\nMembers are put into groups in Identity Center; nothing is ever removed there."
    )]
    Apply(ApplyArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// ARN of the application; needed where there are several SAML applications.
    #[arg(long, value_name = "ARN")]
    application: Option<String>,
    /// Entity ID of the identity provider; needed where several have an identity store.
    #[arg(long, value_name = "ENTITY_ID")]
    idp: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    arguments: Arguments,
    /// Puts the ids of groups into the teams' items.
    #[arg(long)]
    write_teams: bool,
    /// Gives access to the members of groups that were there already, found by their names.
    #[arg(long)]
    use_existing_groups: bool,
}

/// What a team's group is called, before the team's id.
const GROUP_PREFIX: &str = "studio-broker-";

/// One team's part of the plan.
#[derive(Debug, Clone)]
struct Entry {
    team: Team,
    /// Groups of the store that give access, by id; those that the team names, or one of its name.
    groups: Vec<String>,
    /// No group is there: one is to be made.
    create: bool,
    /// The id of a group that the team's item does not name yet.
    unnamed: Option<String>,
    /// How many people a group that was found by its name gives access to.
    members: usize,
}

impl Entry {
    fn group_name(&self) -> String {
        format!("{GROUP_PREFIX}{}", self.team.team_id)
    }
}

/// Everything that is to be done.
#[derive(Debug)]
struct GroupsPlan {
    center: Center,
    entries: Vec<Entry>,
    /// Groups that the application is not assigned yet, with the team that they are for.
    assign: Vec<(String, String)>,
    /// Principals that the application is assigned and no team's groups name.
    others: Vec<String>,
}

impl GroupsPlan {
    fn creates(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.create)
    }

    fn unnamed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.unnamed.is_some())
    }

    fn is_empty(&self) -> bool {
        self.creates().next().is_none() && self.unnamed().next().is_none() && self.assign.is_empty()
    }
}

pub(super) async fn run(command: IdentityCenter, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    match command {
        IdentityCenter::Plan(arguments) => {
            let plan = plan(&hub, &arguments).await?;
            print(&plan, &console()?, format);
            Ok(if plan.is_empty() { Exit::Done } else { Exit::Refused })
        }
        IdentityCenter::Apply(ApplyArguments { arguments, write_teams, use_existing_groups }) => {
            let mut plan = plan(&hub, &arguments).await?;
            if !use_existing_groups {
                no_strangers(&plan)?;
            }
            let mut steps = Steps::of(&plan, write_teams);
            apply(&mut plan, &mut steps).await?;
            if write_teams {
                write(&hub, &mut plan, &mut steps).await?;
            }
            printed_apply(&plan, write_teams, format);
            Ok(Exit::Done)
        }
    }
}

async fn plan(hub: &Hub, arguments: &Arguments) -> Result<GroupsPlan, Failure> {
    let mappings = Mappings::read(hub).await?;
    let idp = idp(&mappings, arguments.idp.as_deref())?;
    let center = Center::find(hub, idp.as_ref(), arguments.application.as_deref()).await?;
    let mut entries = Vec::new();
    for stored in mappings.teams.values() {
        let Some(team) = stored.mapping().and_then(|mapping| mapping.team()) else { continue };
        if idp.as_ref().is_none_or(|idp| idp.allowed_teams.allow(&team.team_id)) {
            let mut entry = entry(&center, team);
            if let Some(group) = &entry.unnamed {
                entry.members = center.members(group).await?;
            }
            entries.push(entry);
        }
    }
    let assigned = &center.assigned;
    let wanted = entries.iter().flat_map(|entry| {
        entry.groups.iter().map(|group| (group.clone(), entry.team.team_id.to_string()))
    });
    let assign = wanted.filter(|(group, _)| !assigned.contains(group)).collect();
    let named = |principal: &&String| entries.iter().any(|e| e.groups.contains(*principal));
    let others = assigned.iter().filter(|principal| !named(principal)).cloned().collect();
    Ok(GroupsPlan { center, entries, assign, others })
}

/// The `IdP` that reads groups from an identity store; none before it is added.
fn idp(mappings: &Mappings, wanted: Option<&str>) -> Result<Option<Idp>, Failure> {
    let idps = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let mut with_store: Vec<Idp> = idps
        .filter(|idp| match wanted {
            Some(wanted) => idp.entity_id == wanted,
            None => idp.identity_store_id.is_some(),
        })
        .cloned()
        .collect();
    match (with_store.pop(), wanted) {
        (None, Some(wanted)) => {
            let message = format!("there is no usable identity provider {}", excerpt(wanted));
            Err(Failure::usage(message).hint("studio-broker idps list"))
        }
        (Some(idp), _) if !with_store.is_empty() => {
            let message = "several identity providers have an identity store: name one";
            let again =
                format!("studio-broker identity-center plan --idp {}", word(&idp.entity_id));
            Err(Failure::usage(message).hint(again))
        }
        (idp, _) => Ok(idp),
    }
}

fn entry(center: &Center, team: &Team) -> Entry {
    let name = format!("{GROUP_PREFIX}{}", team.team_id);
    let named: Vec<_> =
        team.groups.iter().filter(|id| center.groups.contains_key(*id)).cloned().collect();
    if !named.is_empty() {
        return Entry {
            team: team.clone(),
            groups: named,
            create: false,
            unnamed: None,
            members: 0,
        };
    }
    let same_name = |(_, other): &(&String, &String)| other.eq_ignore_ascii_case(&name);
    match center.groups.iter().find(same_name) {
        Some((id, _)) => Entry {
            team: team.clone(),
            groups: vec![id.clone()],
            create: false,
            unnamed: Some(id.clone()),
            members: 0,
        },
        None => Entry {
            team: team.clone(),
            groups: Vec::new(),
            create: true,
            unnamed: None,
            members: 0,
        },
    }
}

/// Whoever could name a group could have put people into it: nobody gets access by a name alone.
fn no_strangers(plan: &GroupsPlan) -> Result<(), Failure> {
    let with_members: Vec<_> = plan
        .unnamed()
        .filter(|entry| entry.members > 0)
        .map(|entry| format!("{} ({})", entry.group_name(), count(entry.members, "member")))
        .collect();
    if with_members.is_empty() {
        return Ok(());
    }
    let message = format!(
        "groups with these names exist already, and their members would get into the teams: {}",
        with_members.join(", ")
    );
    Err(Failure::usage(message).hint(again("--use-existing-groups")))
}

/// Groups, assignments and items, one after the other. Each is told when it is done, and an interrupt ends
/// between two of them.
#[derive(Debug)]
struct Steps {
    interrupt: Interrupt,
    done: usize,
    of: usize,
}

impl Steps {
    fn of(plan: &GroupsPlan, write_teams: bool) -> Self {
        let creates = if plan.center.is_external { 0 } else { plan.creates().count() };
        // Whoever gets a group is assigned, too.
        let writes = if write_teams { creates + plan.unnamed().count() } else { 0 };
        let of = creates + creates + plan.assign.len() + writes;
        Self { interrupt: Interrupt::listen(), done: 0, of }
    }

    /// Whether another step may be begun.
    fn next(&self) -> Result<(), Failure> {
        if !self.interrupt.is_asked() {
            return Ok(());
        }
        let Self { done, of, .. } = self;
        let message =
            format!("interrupted: {done} of {of} steps done; the same command goes on from there");
        Err(interrupted(message).hint(again("")))
    }

    fn did(&mut self, what: impl Display) {
        self.done += 1;
        say(what);
    }
}

/// Makes what is missing. Each step is one that a second run finds done.
async fn apply(plan: &mut GroupsPlan, steps: &mut Steps) -> Result<(), Failure> {
    if plan.center.is_external {
        let missing: Vec<_> = plan.creates().map(Entry::group_name).collect();
        if !missing.is_empty() {
            warn(format!(
                "groups of this identity store come from elsewhere, so none is made here: {}",
                missing.join(", ")
            ));
        }
    }
    for entry in &mut plan.entries {
        if !entry.create || plan.center.is_external {
            continue;
        }
        steps.next()?;
        let (name, team) = (entry.group_name(), entry.team.team_id.to_string());
        let made = plan.center.create_group(&name, entry.team.name()).await;
        let id = made.map_err(|error| match error.kind {
            Kind::Conflict => {
                let message = format!("somebody else has just made the group {name}");
                Failure::new(Exit::Conflict, message).hint("studio-broker identity-center apply")
            }
            _ => error.into(),
        })?;
        entry.groups = vec![id.clone()];
        entry.unnamed = Some(id.clone());
        plan.assign.push((id, team));
        steps.did(format!("made the group {name}"));
    }
    for (group, team) in &plan.assign {
        steps.next()?;
        plan.center.assign(group).await?;
        steps.did(format!("assigned the application to the group of team {team}"));
    }
    Ok(())
}

/// Puts ids of groups into the teams' items, each only if it is still what was read.
async fn write(hub: &Hub, plan: &mut GroupsPlan, steps: &mut Steps) -> Result<(), Failure> {
    let tables = hub.tables();
    let records = tables.all(Table::Teams).await.map_err(|e| hub.failure(Table::Teams, e))?;
    for entry in &mut plan.entries {
        let Some(group) = &entry.unnamed else { continue };
        steps.next()?;
        let key = entry.team.team_id.as_str();
        let changed = || {
            let message = format!("somebody else changed team {key} meanwhile");
            Failure::new(Exit::Conflict, message)
                .hint("studio-broker identity-center apply --write-teams")
        };
        let read = records.get(key).ok_or_else(changed)?;
        let mut wanted = with_group(read, group);
        hub.signature().await.put_into(&mut wanted);
        let written = tables.write(Table::Teams, key, Some(read), &wanted).await;
        match written.map_err(|e| hub.failure(Table::Teams, e))? {
            Written::Done => {
                steps.did(format!("team {key} names its group"));
                entry.team.groups.push(group.clone());
            }
            Written::ChangedMeanwhile(_) => return Err(changed()),
        }
    }
    Ok(())
}

/// The item with one more group, as the list or set that it is, and the next revision.
fn with_group(read: &Record, group: &str) -> Record {
    let groups = match read.get("groups") {
        Some(AttributeValue::Ss(set)) => {
            AttributeValue::Ss(set.iter().cloned().chain([group.to_owned()]).collect())
        }
        Some(AttributeValue::L(list)) => AttributeValue::L(
            list.iter().cloned().chain([AttributeValue::S(group.to_owned())]).collect(),
        ),
        _ => AttributeValue::L(vec![AttributeValue::S(group.to_owned())]),
    };
    let revision = read.get("revision").and_then(|revision| revision.as_n().ok());
    let revision = revision.and_then(|revision| revision.parse::<u64>().ok()).unwrap_or(0);
    let mut wanted = read.clone();
    wanted.insert("groups".into(), groups);
    wanted.insert("revision".into(), AttributeValue::N((revision + 1).to_string()));
    wanted
}

/// What only the console can do, field by field.
fn console() -> Result<Vec<(&'static str, String)>, Failure> {
    let audience = Audience::read(environment)?;
    let (acs_url, entity_id) = match audience {
        Some(audience) => (audience.acs_url, audience.entity_id),
        None => ("<public URL>/saml/acs".into(), "<public URL>/saml/metadata".into()),
    };
    Ok(vec![
        ("Application ACS URL", acs_url),
        ("Application SAML audience", entity_id),
        ("Attribute mapping Subject", "${user:email}, format emailAddress".into()),
        ("Attribute mapping ssouserid", "${user:AD_GUID}, format unspecified".into()),
        ("Application start URL, relay state", "empty".into()),
        ("Certificate", "RSA, 2048 bits, SHA-256".into()),
    ])
}

fn print(plan: &GroupsPlan, console: &[(&'static str, String)], format: Format) {
    if format == Format::Json {
        let console: BTreeMap<_, _> = console.iter().cloned().collect();
        let mut shown = as_json(plan);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("console".into(), json!(console));
        }
        json(&shown);
        return;
    }
    let Center { application, name, store, .. } = &plan.center;
    data(format!("application {} ({application}), identity store {store}", plain(name)));
    for entry in plan.creates() {
        let (team, group) = (&entry.team.team_id, entry.group_name());
        if plan.center.is_external {
            let text = "make this group where the users come from";
            data(format!("  {} {group}: {text} (team {team})", styled(CHANGED, "!")));
        } else {
            data(format!("  {} group {group} (team {team})", styled(ADDED, "+")));
            data(format!("  {} assignment of {group}", styled(ADDED, "+")));
        }
    }
    for (group, team) in &plan.assign {
        let name = plan.center.groups.get(group).map_or(group.as_str(), String::as_str);
        data(format!("  {} assignment of {} (team {team})", styled(ADDED, "+"), plain(name)));
    }
    for entry in plan.unnamed() {
        let group = entry.unnamed.as_deref().unwrap_or_default();
        let members = count(entry.members, "member");
        data(format!(
            "  {} team {}: groups + {group} ({} exists already, {members})",
            styled(CHANGED, "~"),
            entry.team.team_id,
            entry.group_name()
        ));
    }
    if plan.is_empty() {
        data("  every team has a group, and all are assigned");
    }
    if !plan.others.is_empty() {
        say(format!("assigned besides, and left so: {}", plan.others.join(", ")));
    }
    data(styled(STRONG, "In the console, which alone can do it:"));
    for (field, value) in console {
        data(format!("  {field}: {value}"));
    }
    if !plan.is_empty() {
        hint("studio-broker identity-center apply");
    }
}

fn printed_apply(plan: &GroupsPlan, written: bool, format: Format) {
    if format == Format::Json {
        json(&as_json(plan));
        return;
    }
    say(format!(
        "{} made, {} made",
        count(plan.creates().filter(|entry| !entry.groups.is_empty()).count(), "group"),
        count(plan.assign.len(), "assignment")
    ));
    let unnamed: Vec<_> = plan.unnamed().collect();
    if unnamed.is_empty() {
        return;
    }
    if written {
        say(format!("{} changed", count(unnamed.len(), "team")));
        return;
    }
    // The change for a file of mappings, as `teams plan` reads it.
    data("teams:");
    for entry in unnamed {
        data(format!("  - team_id: {}", entry.team.team_id));
        data("    groups:");
        let new = entry.unnamed.iter();
        for group in entry.team.groups.iter().chain(new) {
            data(format!("      - {}", json!(group)));
        }
    }
    hint("studio-broker identity-center apply --write-teams");
}

fn as_json(plan: &GroupsPlan) -> Value {
    let entries = plan.entries.iter().map(|entry| {
        json!({
            "team": entry.team.team_id,
            "groups": entry.groups,
            "create": entry.create.then(|| entry.group_name()),
            "add_to_team": entry.unnamed,
            "members": entry.unnamed.is_some().then_some(entry.members),
        })
    });
    let assign = plan.assign.iter().map(|(group, team)| json!({"group": group, "team": team}));
    json!({
        "application": plan.center.application,
        "identity_store": plan.center.store,
        "external_directory": plan.center.is_external,
        "teams": entries.collect::<Vec<_>>(),
        "assign": assign.collect::<Vec<_>>(),
        "other_assignments": plan.others,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_joins_what_is_there_and_the_revision_goes_up() {
        let read = Record::from([
            ("groups".to_owned(), AttributeValue::Ss(vec!["a".into()])),
            ("revision".to_owned(), AttributeValue::N("4".into())),
        ]);
        let wanted = with_group(&read, "b");
        assert_eq!(wanted["groups"], AttributeValue::Ss(vec!["a".into(), "b".into()]));
        assert_eq!(wanted["revision"], AttributeValue::N("5".into()));
        let wanted = with_group(&Record::new(), "b");
        assert_eq!(wanted["groups"], AttributeValue::L(vec![AttributeValue::S("b".into())]));
        assert_eq!(wanted["revision"], AttributeValue::N("1".into()));
    }
}
