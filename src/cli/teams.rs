//! `studio-broker teams`: the teams table, as administrators see and change it.

use clap::{Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::fleet::alike;
use super::hub::Hub;
use super::mapping_file::{
    self, APPLY_HELP, ApplyArguments, DryRun, EXPORT_HELP, ExportArguments, PLAN_HELP,
    PlanArguments, Removals,
};
use super::output::{
    ADDED, CHANGED, Code, Failure, Format, REMOVED, STRONG, count, data, hint, item_lines, json,
    plain, say, styled, table, warn, word,
};
use super::spoke::{self, SPOKE_HELP, SpokeArguments};
use super::{Exit, completions, history, one_attribute};
use crate::mappings::advice;
use crate::mappings::doors;
use crate::mappings::privileged::{Privileged, links_beyond, privileged};
use crate::mappings::{Stored, Table, nearest};
use crate::team::Team;
use crate::team::item::Item;

#[derive(Debug, Subcommand)]
pub(super) enum Teams {
    /// Lists all teams, usable or not.
    #[command(before_help = "Example:\n  studio-broker teams list --state paused")]
    List {
        /// Only those of this account.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// Only those in this state.
        #[arg(long, value_name = "STATE")]
        state: Option<State>,
    },
    /// Shows a team and what follows from its item.
    #[command(
        before_help = "Example:\n  studio-broker teams show 222222222222",
        after_help = "Several teams may match: all of them are shown."
    )]
    Show {
        /// Team id, account id, domain id, ARN of one of its roles, or display name.
        #[arg(value_name = "TEAM", add = ArgValueCompleter::new(completions::team_ids))]
        wanted: String,
    },
    /// Writes both tables as a file for version control.
    #[command(
        before_help = "Example:\n  studio-broker teams export > mappings.yaml",
        after_help = EXPORT_HELP
    )]
    Export(ExportArguments),
    /// Shows what a file would change, and what follows from it.
    #[command(
        before_help = "Example:\n  studio-broker teams plan mappings.yaml",
        after_help = PLAN_HELP
    )]
    Plan(PlanArguments),
    /// Makes the tables what a file says.
    #[command(
        before_help = "Example:\n  studio-broker teams apply mappings.yaml",
        after_help = APPLY_HELP
    )]
    Apply(ApplyArguments),
    /// Makes the parameters of each account's spoke stack: what IAM there grants for its teams.
    #[command(
        before_help = "Example:\n  studio-broker teams spoke mappings.yaml --directory spokes",
        after_help = SPOKE_HELP
    )]
    Spoke(SpokeArguments),
    /// Removes teams: nobody opens them any more; their profiles stay where they are.
    #[command(before_help = "Example:\n  studio-broker teams remove team1 --dry-run")]
    Remove {
        #[command(flatten)]
        ids: TeamIds,
        /// Team ids that are not there are no failure.
        #[arg(long)]
        ignore_missing: bool,
        #[command(flatten)]
        removals: Removals,
    },
    /// Pauses teams: shown to those who may open them, and not openable; open Studio sessions stay.
    #[command(
        before_help = "Example:\n  studio-broker teams pause team1 --reason 'Moves to another account until noon'"
    )]
    Pause {
        #[command(flatten)]
        ids: TeamIds,
        /// What the people of the team are told meanwhile.
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: Option<String>,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Opens paused teams again.
    #[command(before_help = "Example:\n  studio-broker teams resume team1")]
    Resume {
        #[command(flatten)]
        ids: TeamIds,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Says who changed a team, and when.
    #[command(
        before_help = "Example:\n  studio-broker teams history team1",
        after_help = "Commands that write leave changed_by and changed_at in the item; edits by hand stand in the\nvalidator's log alone, which --log takes."
    )]
    History(history::Arguments),
}

/// Which teams a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct TeamIds {
    /// Team ids.
    #[arg(
        value_name = "TEAM",
        required = true,
        add = ArgValueCompleter::new(completions::team_ids)
    )]
    keys: Vec<String>,
}

/// What a team is to its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum State {
    /// It can be opened.
    Open,
    /// It is shown, and cannot be opened.
    Paused,
    /// Its item cannot be used.
    Unusable,
}

pub(super) async fn run(command: Teams, format: Format) -> Result<Exit, Failure> {
    match command {
        Teams::List { account, state } => {
            list(&Hub::connect().await?, account.as_deref(), state, format).await
        }
        Teams::Show { wanted } => show(&Hub::connect().await?, &wanted, format).await,
        Teams::Export(arguments) => mapping_file::export(&arguments, format).await,
        Teams::Plan(arguments) => mapping_file::plan(&arguments, format).await,
        Teams::Apply(arguments) => mapping_file::apply(&arguments, format).await,
        Teams::Spoke(arguments) => spoke::run(&arguments, format),
        Teams::Remove { ids, ignore_missing, removals } => {
            mapping_file::remove(Table::Teams, &ids.keys, &removals, ignore_missing, format).await
        }
        Teams::Pause { ids, reason, dry_run } => {
            let change = |item: &mut Item| {
                one_attribute::paused(item, reason.as_deref());
                Ok(())
            };
            one_attribute::run(Table::Teams, &ids.keys, dry_run, format, change).await
        }
        Teams::Resume { ids, dry_run } => {
            let change = |item: &mut Item| {
                one_attribute::resumed(item);
                Ok(())
            };
            one_attribute::run(Table::Teams, &ids.keys, dry_run, format, change).await
        }
        Teams::History(arguments) => history::run(&arguments, format).await,
    }
}

async fn list(
    hub: &Hub,
    account: Option<&str>,
    wanted: Option<State>,
    format: Format,
) -> Result<Exit, Failure> {
    let mut teams = hub.stored(Table::Teams).await?;
    let similar: Vec<_> = alike(&teams).iter().map(|ids| ids.join(", ")).collect();
    teams.retain(|_, stored| {
        let of = stored.item.get("account_id").and_then(Value::as_str);
        account.is_none_or(|account| of == Some(account))
            && wanted.is_none_or(|wanted| state_of(stored) == wanted)
    });
    if format == Format::Json {
        let teams: Vec<_> = teams.values().map(as_json).collect();
        json(&json!({ "teams": teams }));
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = teams.iter().map(|(key, stored)| row(key, stored)).collect();
    data(table(["TEAM", "NAME", "ACCOUNT", "REGION", "DOMAIN", "STATE"], &rows));
    let faulty = teams.values().filter(|stored| stored.read.is_err()).count();
    say(count(teams.len(), "team"));
    for ids in similar {
        warn(format!("{} differ in case only: their profiles are the same", plain(&ids)));
    }
    if faulty > 0 {
        warn(format!("{} cannot be used", count(faulty, "item")));
        if let Some((key, _)) = teams.iter().find(|(_, stored)| stored.read.is_err()) {
            hint(format!("studio-broker teams show {}", word(key)));
        }
    }
    Ok(Exit::Done)
}

/// One team as `list` shows it; of an item that cannot be used, what stands there.
fn row(key: &str, stored: &Stored) -> [String; 6] {
    let text = |name: &str| match stored.item.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    [
        key.to_owned(),
        text("display_name"),
        text("account_id"),
        text("region"),
        text("domain_id"),
        state(stored).to_owned(),
    ]
}

fn state_of(stored: &Stored) -> State {
    match stored.mapping().and_then(|mapping| mapping.team()) {
        None => State::Unusable,
        Some(team) if team.enabled => State::Open,
        Some(_) => State::Paused,
    }
}

fn state(stored: &Stored) -> &'static str {
    match state_of(stored) {
        State::Unusable => "cannot be used",
        State::Open => "open",
        State::Paused => "paused",
    }
}

/// The item with what follows from it.
fn as_json(stored: &Stored) -> Value {
    let faults: Vec<_> = stored.faults().iter().map(ToString::to_string).collect();
    let in_part: Vec<_> = stored.faults_in_part().iter().map(ToString::to_string).collect();
    json!({
        "item": stored.item,
        "state": state(stored),
        "faults": faults,
        "faults_in_part": in_part,
        "unknown_attributes": stored.unknown_attributes,
    })
}

async fn show(hub: &Hub, wanted: &str, format: Format) -> Result<Exit, Failure> {
    let teams = hub.stored(Table::Teams).await?;
    let target_role = hub.settings.target_role_name.as_str();
    let found: Vec<_> =
        teams.iter().filter(|(key, stored)| matches(wanted, key, stored, target_role)).collect();
    if found.is_empty() {
        let message = format!(
            "no team has the id, account, domain, role or display name {}{}",
            crate::team::item::excerpt(wanted),
            match nearest(wanted, teams.keys().map(String::as_str)).first() {
                Some(near) => format!(", perhaps {near}"),
                None => String::new(),
            }
        );
        let near = nearest(wanted, teams.keys().map(String::as_str));
        return Err(Failure::new(Exit::Failed, message)
            .code(Code::NotFound)
            .with("nearest", json!(near))
            .hint("studio-broker teams list"));
    }
    let all: Vec<_> = teams.values().filter_map(|stored| stored.mapping()?.team()).collect();
    if format == Format::Json {
        let teams: Vec<_> =
            found.iter().map(|(_, stored)| detailed(stored, &all, target_role)).collect();
        json(&json!({ "teams": teams }));
        return Ok(Exit::Done);
    }
    for (i, (key, stored)) in found.iter().enumerate() {
        if i > 0 {
            data("");
        }
        describe(key, stored, &all, target_role);
    }
    if found.len() > 1 {
        say(format!("{} match", count(found.len(), "team")));
    }
    Ok(Exit::Done)
}

/// Whether a team is what somebody looks for. An id is exact; a display name is found in any case.
fn matches(wanted: &str, key: &str, stored: &Stored, target_role: &str) -> bool {
    let is = |name: &str| stored.item.get(name).and_then(Value::as_str) == Some(wanted);
    let named = stored.item.get("display_name").and_then(Value::as_str);
    key == wanted
        || ["account_id", "domain_id", "execution_role_arn", "broker_role_arn"].into_iter().any(is)
        || named.is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
        || stored
            .mapping()
            .and_then(|mapping| mapping.team())
            .is_some_and(|team| team.broker_role(target_role).as_str() == wanted)
}

fn detailed(stored: &Stored, all: &[&Team], target_role: &str) -> Value {
    let mut shown = as_json(stored);
    if let (Some(team), Some(shown)) =
        (stored.mapping().and_then(|mapping| mapping.team()), shown.as_object_mut())
    {
        shown.insert("broker_role".into(), json!(team.broker_role(target_role)));
        shown.insert("advice".into(), json!(advice::of_team(team)));
        shown.insert("privileged".into(), json!(reaching(team, all)));
    }
    shown
}

/// What of a team reaches beyond its people's profiles, or beyond the team.
fn reaching(team: &Team, all: &[&Team]) -> Vec<Privileged> {
    let mut reaching = privileged(&team.user_settings);
    reaching.extend(doors::reaching(None, team, all));
    reaching.extend(links_beyond(team, all));
    reaching
}

fn describe(key: &str, stored: &Stored, all: &[&Team], target_role: &str) {
    let style = match state(stored) {
        "open" => ADDED,
        "paused" => CHANGED,
        _ => REMOVED,
    };
    data(format!(
        "{}: {}",
        styled(STRONG, format!("team {}", plain(key))),
        styled(style, state(stored))
    ));
    for fault in stored.faults() {
        data(format!("  cannot be used: {fault}"));
    }
    for fault in stored.faults_in_part() {
        data(format!("  counts for nothing: {fault}"));
    }
    for name in &stored.unknown_attributes {
        data(format!("  {}: nobody knows this attribute", plain(name)));
    }
    for line in item_lines(&stored.item) {
        data(format!("  {line}"));
    }
    let Some(team) = stored.mapping().and_then(|mapping| mapping.team()) else { return };
    if team.broker_role_arn.is_none() {
        data(format!("  the broker assumes {}", team.broker_role(target_role)));
    }
    for advice in advice::of_team(team) {
        data(format!("  {} {}", styled(CHANGED, "look:"), plain(&advice)));
    }
    for member in reaching(team, all) {
        data(format!("  privileged: {}: {}", plain(&member.path), member.reach));
    }
}
