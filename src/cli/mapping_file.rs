//! `plan`, `apply` and `export`: the tables and a file in version control.
//!
//! The file is one state that is wanted: `teams plan` and `idps plan` both look at all of it, since who may
//! open what follows from teams and `IdPs` together. A section that the file lacks is left alone.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Exit;
use super::hub::Hub;
use super::output::{
    ADDED, CHANGED, Failure, Format, REMOVED, count, data, document, hint, json, plain, say,
    styled, warn, word,
};
use super::plan_words::print;
use super::returning;
use crate::aws::error::Kind;
use crate::aws::mapping_tables::Outcome;
use crate::mappings::change::{cut, differences};
use crate::mappings::file::{self, Export, FileFaults, MappingFile};
use crate::mappings::plan::{Action, Plan, State};
use crate::mappings::{Stored, Table, subject, unknown_attribute};
use crate::team::item::readable_part;

/// What `plan` takes.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArguments {
    /// Teams and IdPs as YAML or JSON; - reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Removes what the file lacks, in the sections that it has.
    #[arg(long)]
    prune: bool,
}

/// What `apply` takes.
#[derive(Debug, clap::Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    plan: PlanArguments,
    #[command(flatten)]
    removals: Removals,
    /// Writes members of `user_settings` that reach beyond a person's own profile.
    #[arg(long)]
    allow_privileged: bool,
}

/// How much may go.
#[derive(Debug, clap::Args)]
pub(super) struct Removals {
    /// Says what would be done and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// How many items are to be removed: needed when it is more than 5.
    #[arg(long, value_name = "N")]
    confirm_removals: Option<usize>,
}

impl Removals {
    /// Nothing may go.
    pub(super) fn none(dry_run: bool) -> Self {
        Self { dry_run, confirm_removals: Some(0) }
    }
}

/// What `export` takes.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// Writes the JSON Schema there, and names it in the file's first line for editors.
    #[arg(long, value_name = "PATH")]
    schema: Option<String>,
}

/// The schema that the first line of an export names, unless another is written.
const SCHEMA: &str = "schemas/mappings.json";

/// More removals than this need their number.
const MANY_REMOVALS: usize = 5;

pub(super) const PLAN_HELP: &str =
    "Exit codes: 0 nothing to do, 2 the file has faults, 3 changes found, 4 not authorised in AWS.";
pub(super) const APPLY_HELP: &str = "Each item is written only if it is still what was read, edits by hand included; if not, it is left alone\nand the exit code is 5. What is written counts as done: after any failure, run the same command again.";
pub(super) const EXPORT_HELP: &str = "The file holds both tables, and plan finds no difference. Malformed items are written as they are. What no\nfile can hold (binary values, number sets, NULL, numbers beyond JSON) stands in a comment, and the exit code\nis 1. The revision is the table's own and not exported.";

pub(super) async fn plan(arguments: &PlanArguments, format: Format) -> Result<Exit, Failure> {
    let file = read(&arguments.file)?;
    let hub = Hub::connect().await?;
    let plan = planned(&hub, &file, arguments).await?;
    print(&hub, &plan, None, None, format);
    if plan.changes.is_empty() {
        return Ok(Exit::Done);
    }
    if format == Format::Table {
        let path = word(&arguments.file.to_string_lossy());
        let mut command = format!("studio-broker teams apply {path}");
        if arguments.prune {
            command.push_str(" --prune");
        }
        let [.., removals] = plan.counts();
        if removals > MANY_REMOVALS {
            command.push_str(&format!(" --confirm-removals {removals}"));
        }
        if plan.is_privileged() {
            command.push_str(" --allow-privileged");
        }
        hint(command);
    }
    Ok(Exit::Refused)
}

pub(super) async fn apply(arguments: &ApplyArguments, format: Format) -> Result<Exit, Failure> {
    let file = read(&arguments.plan.file)?;
    let hub = Hub::connect().await?;
    let plan = planned(&hub, &file, &arguments.plan).await?;
    if plan.is_privileged() && !arguments.allow_privileged {
        print(&hub, &plan, None, None, format);
        let members = plan.changes.iter().map(|change| change.privileged.len()).sum();
        let message = format!(
            "{} beyond a person's own profile: nothing was written",
            match members {
                1 => "1 setting reaches".to_owned(),
                members => format!("{members} settings reach"),
            }
        );
        return Err(Failure::usage(message).hint(again("--allow-privileged")));
    }
    carry_out(&hub, &plan, &arguments.removals, None, format).await
}

/// Removes items by their keys; a key that is not there is no failure, so that the same command can be run again.
pub(super) async fn remove(
    table: Table,
    keys: &[String],
    removals: &Removals,
    format: Format,
) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let state = state(&hub, |needed| needed == table).await?;
    for key in keys.iter().filter(|key| !state.items(table).contains_key(*key)) {
        warn(format!("there is no {}", subject(table, key)));
    }
    carry_out(&hub, &Plan::removing(table, keys, &state), removals, None, format).await
}

/// The same command, with one more option where there is one.
pub(super) fn again(option: &str) -> String {
    let words: Vec<_> = std::env::args().skip(1).map(|argument| word(&argument)).collect();
    format!("studio-broker {} {option}", words.join(" ")).trim_end().to_owned()
}

/// Does what a plan says, unless it is a dry run or removes more than was confirmed. `more` goes into the
/// JSON beside the plan.
pub(super) async fn carry_out(
    hub: &Hub,
    plan: &Plan,
    removals: &Removals,
    more: Option<Value>,
    format: Format,
) -> Result<Exit, Failure> {
    let [.., number] = plan.counts();
    let confirmed = match removals.confirm_removals {
        Some(confirmed) => confirmed == number,
        None => number <= MANY_REMOVALS,
    };
    if !confirmed {
        print(hub, plan, None, None, format);
        let message = format!("{} would be removed: nothing was written", count(number, "item"));
        return Err(Failure::usage(message).hint(again(&format!("--confirm-removals {number}"))));
    }
    if removals.dry_run || plan.changes.is_empty() {
        print(hub, plan, None, more, format);
        if removals.dry_run && format == Format::Table {
            say("dry run: nothing was written");
        }
        return Ok(Exit::Done);
    }
    if format == Format::Table {
        print(hub, plan, None, None, format);
    }
    let outcomes = hub.tables().carry_out(&plan.changes).await;
    if format == Format::Json {
        print(hub, plan, Some(&outcomes), more, format);
    }
    report(hub, plan, outcomes, format)
}

/// Says how each write ended, and ends with the code of the worst.
fn report(hub: &Hub, plan: &Plan, outcomes: Vec<Outcome>, format: Format) -> Result<Exit, Failure> {
    let mut written = 0;
    let mut changed = Vec::new();
    let mut not_tried = 0;
    let mut failed = None;
    for (change, outcome) in plan.changes.iter().zip(outcomes) {
        let name = subject(change.table, &change.key);
        match outcome {
            Outcome::Written => {
                written += 1;
                if format == Format::Table {
                    data(format!("{} {name}", done(change.action)));
                }
            }
            Outcome::ChangedMeanwhile(now) => {
                let what = match (&now, &change.before) {
                    (None, _) => "it was removed".to_owned(),
                    (Some(_), None) => "it appeared".to_owned(),
                    (Some(now), Some(before)) => {
                        let (before, now) = (readable_part(before).0, readable_part(now).0);
                        let lines: Vec<_> =
                            differences(&before, &now).iter().map(ToString::to_string).collect();
                        let lines = cut(&lines, 5).join("; ");
                        if lines.is_empty() {
                            "it means the same, written otherwise".into()
                        } else {
                            lines
                        }
                    }
                };
                changed.push(format!("{name}: {what}"));
            }
            Outcome::NotTried => not_tried += 1,
            Outcome::Failed(error) => {
                warn(format!("{name}: {}", plain(&error.to_string())));
                failed.get_or_insert((change.table, error));
            }
        }
    }
    let all = plan.changes.len();
    if let Some((table, error)) = failed {
        let mut failure = hub.failure(table, error);
        failure.message = format!(
            "{written} of {all} written, {not_tried} not tried; what is written counts as done: {}",
            failure.message
        );
        return Err(failure.hint(again("")));
    }
    if !changed.is_empty() {
        let message = format!(
            "{written} of {all} written; somebody else changed meanwhile, and it was left alone:\n  {}",
            changed.join("\n  ")
        );
        return Err(Failure::new(Exit::Conflict, message).hint(again("")));
    }
    if format == Format::Table {
        let seconds = hub.settings.team_cache_seconds;
        say(format!("{} written; in effect within {seconds} seconds", count(written, "item")));
    }
    Ok(Exit::Done)
}

fn done(action: Action) -> String {
    match action {
        Action::Create => styled(ADDED, "created"),
        Action::Update => styled(CHANGED, "changed"),
        Action::Remove => styled(REMOVED, "removed"),
    }
}

async fn planned(
    hub: &Hub,
    file: &MappingFile,
    arguments: &PlanArguments,
) -> Result<Plan, Failure> {
    let state = state(hub, |table| file.entries(table).is_some()).await?;
    let plan = Plan::new(file, &state, arguments.prune).map_err(|faults| {
        Failure::usage(FileFaults::new(&arguments.file.to_string_lossy(), faults).to_string())
    });
    let mut plan = plan?;
    returning::call_out(&hub.sdk, file, &mut plan).await;
    Ok(plan)
}

/// What the tables hold. A table that the command does not change may be closed to its user: then the plan
/// says less.
pub(super) async fn state(hub: &Hub, is_needed: impl Fn(Table) -> bool) -> Result<State, Failure> {
    let tables = hub.tables();
    let (teams, idps) = tokio::join!(tables.all(Table::Teams), tables.all(Table::Idps));
    let mut state = State::default();
    for (table, read) in [(Table::Teams, teams), (Table::Idps, idps)] {
        let items = match table {
            Table::Teams => &mut state.teams,
            Table::Idps => &mut state.idps,
        };
        match read {
            Ok(records) => {
                let of = |(key, record)| (key, Stored::of(table, record));
                *items = records.into_iter().map(of).collect();
            }
            Err(error) if error.kind == Kind::Denied && !is_needed(table) => {
                let name = plain(tables.name(table));
                warn(format!(
                    "table {name} may not be read: who gains or loses access is not known"
                ));
                state.is_partial = true;
            }
            Err(error) => return Err(hub.failure(table, error)),
        }
    }
    Ok(state)
}

pub(super) async fn export(arguments: &ExportArguments, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let state = state(&hub, |_| true).await?;
    if let Some(path) = &arguments.schema {
        let schema = format!("{:#}\n", file::schema());
        std::fs::write(path, schema)
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", plain(path))))?;
    }
    let schema = arguments.schema.as_deref().unwrap_or(SCHEMA);
    let tables = [(Table::Teams, &state.teams), (Table::Idps, &state.idps)];
    let Export { text, left_out } = file::export(schema, &tables);
    match format {
        Format::Table => document(&text),
        Format::Json => json(&json!({
            "$schema": schema,
            "teams": file::exported(Table::Teams, &state.teams),
            "idps": file::exported(Table::Idps, &state.idps),
        })),
    }
    for (table, items) in tables {
        for (key, stored) in items {
            for attribute in &stored.unknown_attributes {
                let name = subject(table, key);
                let said = unknown_attribute(table, attribute);
                warn(format!("{name}: {said}; plan refuses it"));
            }
            if stored.read.is_err() && stored.unwritable.is_empty() {
                let faults: Vec<_> = stored.faults().iter().map(ToString::to_string).collect();
                warn(format!("{}: {}", subject(table, key), faults.join("; ")));
            }
        }
    }
    let Some((table, key)) = unwritable(&tables) else { return Ok(Exit::Done) };
    let message = format!(
        "{} cannot stand in a file:\n  {}",
        count(left_out.len(), "item"),
        left_out.join("\n  ")
    );
    let name = word(hub.tables().name(table));
    let key = word(&json!({table.key(): {"S": key}}).to_string());
    Err(Failure::new(Exit::Failed, message)
        .hint(format!("aws dynamodb get-item --table-name {name} --key {key}")))
}

/// The first item that a file cannot hold.
fn unwritable<'a>(tables: &[(Table, &'a BTreeMap<String, Stored>)]) -> Option<(Table, &'a str)> {
    tables.iter().find_map(|(table, items)| {
        let (key, _) = items.iter().find(|(_, stored)| !stored.unwritable.is_empty())?;
        Some((*table, key.as_str()))
    })
}

/// A file larger than this is no file of mappings, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Reads and checks the file; `metadata_file` is relative to it.
pub(super) fn read(path: &Path) -> Result<MappingFile, Failure> {
    let name = plain(&path.to_string_lossy());
    let text = text_of(path).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let metadata = |file: &str| {
        text_of(&folder.join(file)).map_err(|error| format!("{}: {error}", plain(file)))
    };
    file::read(&name, &text, metadata).map_err(|faults| {
        let number = faults.faults.len();
        let message = format!("{}\n{} in {name}", faults, count(number, "fault"));
        Failure::usage(message)
    })
}

/// The text of a file; - is standard input.
pub(super) fn text_of(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| format!("cannot be read: {error}"))?;
    if length as u64 > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8: save it as UTF-8".to_owned())
}
