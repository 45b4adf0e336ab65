//! Files of teams and `IdPs` against the tables: `export`, `plan`, `apply`; and `remove`, which plans without
//! a file. `teams` and `idps` share them, since who may open what follows from both tables.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Exit;
use super::again::{again, instead};
use super::hub::Hub;
use super::input::text_of;
use super::interrupt::{Interrupt, interrupted};
use super::kept_plan;
use super::output::{
    ADDED, CHANGED, Code, Failure, Format, REMOVED, count, data, document, hint, json, plain, say,
    styled, warn, word,
};
use super::plan_words::{markdown, print};
use super::returning;
use crate::aws::error::Kind;
use crate::aws::mapping_tables::{MOST_AT_ONCE, Outcome, Together};
use crate::mappings::change::{cut, differences};
use crate::mappings::file::{self, Export, FileFault, FileFaults, MappingFile};
use crate::mappings::plan::{Action, Change, Plan, Risk, State};
use crate::mappings::{Stored, Table, nearest, subject, unknown_attribute};
use crate::team::item::readable_part;
use crate::team::spoke::{TRUST_POLICY_DEFAULT, spokes};

/// Which files are held against the tables.
#[derive(Debug, clap::Args)]
pub(super) struct FileArguments {
    /// Teams and IdPs as YAML or JSON, and folders of such files; - reads standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Removes what the files lack, in the sections that they have and with the owner label that they carry.
    #[arg(long)]
    prune: bool,
    /// How many domains are looked into for profiles that a team which appears or moves finds or leaves.
    #[arg(long, value_name = "N", default_value_t = 20)]
    look_into: usize,
}

/// What `plan` takes.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    files: FileArguments,
    /// Keeps the plan in a file: apply FILE writes exactly that, or nothing.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Prints the plan as Markdown, for a pull request.
    #[arg(long)]
    markdown: bool,
}

/// What `apply` takes.
#[derive(Debug, clap::Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    files: FileArguments,
    #[command(flatten)]
    removals: Removals,
    #[command(flatten)]
    consent: Consent,
    /// Writes settings, links and doors that reach beyond a person's own profile, or beyond the team.
    #[arg(long)]
    allow_privileged: bool,
}

/// What is known to happen to people, and meant.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Consent {
    /// What people lose by it, with the number that the plan says, such as moved=2; may be repeated.
    #[arg(long, value_name = "CONSEQUENCE=N", value_parser = risk_and_number)]
    confirm: Vec<(Risk, usize)>,
}

fn risk_and_number(text: &str) -> Result<(Risk, usize), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(risk, number)| Some((Risk::of(risk)?, number.parse().ok()?)));
    parsed.ok_or_else(|| {
        "expected moved=N, readmitted=N or keys-replaced=N, as the plan says it".to_owned()
    })
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
pub(super) const APPLY_HELP: &str = "Each item is written only if it is still what was read, edits by hand included; if not, it is left alone\nand the exit code is 5. What is written counts as done: after any failure, run the same command again.\nFILE may be a plan that `plan --out` kept: then exactly that is written, or nothing.";
pub(super) const EXPORT_HELP: &str = "The file holds both tables, and plan finds no difference. Malformed items are written as they are. What no\nfile can hold (binary values, number sets, NULL, numbers beyond JSON) stands in a comment, and the exit code\nis 1. The revision is the table's own and not exported.";

pub(super) async fn plan(arguments: &PlanArguments, format: Format) -> Result<Exit, Failure> {
    let file = read(&arguments.files.files)?;
    let hub = Hub::connect().await?;
    let plan = planned(&hub, &file, &arguments.files).await?;
    if plan.changes.is_empty() && arguments.out.is_none() && !arguments.markdown {
        print(&hub, None, &plan, None, None, format);
        return Ok(Exit::Done);
    }
    let head = hub.head().await;
    if let Some(path) = &arguments.out {
        kept_plan::write(path, &head, &plan)?;
    }
    if arguments.markdown && format == Format::Table {
        document(&markdown(&hub, &head, &plan));
    } else {
        let kept = arguments.out.as_ref().map(|path| json!({"kept_in": path.to_string_lossy()}));
        print(&hub, Some(&head), &plan, None, kept, format);
    }
    if plan.changes.is_empty() {
        return Ok(Exit::Done);
    }
    if format == Format::Table {
        let options = needed(&plan).join(" ");
        match &arguments.out {
            Some(path) => hint(
                format!("studio-broker teams apply {} {options}", word(&path.to_string_lossy()))
                    .trim_end()
                    .to_owned(),
            ),
            None => hint(instead("plan", "apply", &["--markdown"], &options)),
        }
    }
    Ok(Exit::Refused)
}

/// The options by which somebody says that all of this is meant.
fn needed(plan: &Plan) -> Vec<String> {
    let mut options = Vec::new();
    let [.., removals] = plan.counts();
    if removals > MANY_REMOVALS {
        options.push(format!("--confirm-removals {removals}"));
    }
    options.extend(confirmations(&plan.risks()));
    if plan.is_privileged() {
        options.push("--allow-privileged".to_owned());
    }
    options
}

fn confirmations(risks: &BTreeMap<Risk, usize>) -> Vec<String> {
    risks.iter().map(|(risk, number)| format!("--confirm {}={number}", risk.word())).collect()
}

pub(super) async fn apply(arguments: &ApplyArguments, format: Format) -> Result<Exit, Failure> {
    let ApplyArguments { files, removals, consent, allow_privileged } = arguments;
    if let [only] = files.files.as_slice()
        && let Some(kept) = kept_plan::read(only)?
    {
        let hub = Hub::connect().await?;
        let state = state(&hub, |_| true).await?;
        let mut plan = kept.against(&hub.head().await, &state)?;
        // What people lose by it is what they have now.
        returning::call_out(&hub.sdk, &mut plan, files.look_into).await;
        must_be_meant(&hub, &plan, *allow_privileged, format).await?;
        let orders = Orders { removals, consent: Some(consent), together: true, more: None };
        return carry_out(&hub, plan, orders, format).await;
    }
    let file = read(&files.files)?;
    let hub = Hub::connect().await?;
    let plan = planned(&hub, &file, files).await?;
    must_be_meant(&hub, &plan, *allow_privileged, format).await?;
    let orders = Orders { removals, consent: Some(consent), together: false, more: None };
    carry_out(&hub, plan, orders, format).await
}

/// Members that reach further are written only where somebody says that they are meant.
async fn must_be_meant(
    hub: &Hub,
    plan: &Plan,
    allow_privileged: bool,
    format: Format,
) -> Result<(), Failure> {
    if !plan.is_privileged() || allow_privileged {
        return Ok(());
    }
    print(hub, Some(&hub.head().await), plan, None, None, format);
    let members = plan.changes.iter().map(|change| change.privileged.len()).sum();
    let message = format!(
        "{} beyond a person's own profile or the team: nothing was written",
        match members {
            1 => "1 setting reaches".to_owned(),
            members => format!("{members} settings reach"),
        }
    );
    Err(Failure::usage(message).code(Code::Privileged).hint(again("--allow-privileged")))
}

/// Removes items by their keys. A key that is not there fails before anything is removed, unless it may be
/// missing, so that a script can be run again.
pub(super) async fn remove(
    table: Table,
    keys: &[String],
    removals: &Removals,
    ignore_missing: bool,
    format: Format,
) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let state = state(&hub, |needed| needed == table).await?;
    let items = state.items(table);
    let missing: Vec<_> = keys.iter().filter(|key| !items.contains_key(*key)).collect();
    if let Some(first) = missing.first().filter(|_| !ignore_missing) {
        let each: Vec<_> = missing.iter().map(|key| subject(table, key)).collect();
        let near = nearest(first, items.keys().map(String::as_str));
        let perhaps = match near.is_empty() {
            true => String::new(),
            false => format!(", perhaps {}", near.join(" or ")),
        };
        let message = format!("there is no {}{perhaps}: nothing was removed", each.join(", no "));
        return Err(Failure::new(Exit::Failed, message)
            .code(Code::NotFound)
            .with("missing", json!(missing))
            .with("nearest", json!(near))
            .hint(again("--ignore-missing")));
    }
    for key in missing {
        warn(format!("there is no {}", subject(table, key)));
    }
    let plan = Plan::removing(table, keys, &state);
    carry_out(&hub, plan, Orders::of(removals, None), format).await
}

/// How a plan is carried out.
pub(super) struct Orders<'a> {
    pub(super) removals: &'a Removals,
    /// What people may lose by it; whatever it is where nobody is asked.
    pub(super) consent: Option<&'a Consent>,
    /// All of it or nothing.
    pub(super) together: bool,
    /// What goes into the JSON beside the plan.
    pub(super) more: Option<Value>,
}

impl<'a> Orders<'a> {
    pub(super) fn of(removals: &'a Removals, more: Option<Value>) -> Self {
        Self { removals, consent: None, together: false, more }
    }
}

/// Does what a plan says, unless it is a dry run, removes more than was confirmed, or takes from people what
/// nobody has confirmed.
pub(super) async fn carry_out(
    hub: &Hub,
    mut plan: Plan,
    orders: Orders<'_>,
    format: Format,
) -> Result<Exit, Failure> {
    let Orders { removals, consent, together, more } = orders;
    let head = hub.head().await;
    let [.., number] = plan.counts();
    let confirmed = match removals.confirm_removals {
        Some(confirmed) => confirmed == number,
        None => number <= MANY_REMOVALS,
    };
    if !confirmed {
        print(hub, Some(&head), &plan, None, more, format);
        let message = format!("{} would be removed: nothing was written", count(number, "item"));
        return Err(Failure::usage(message)
            .code(Code::ConfirmationNeeded)
            .hint(again(&needed(&plan).join(" "))));
    }
    if removals.dry_run || plan.changes.is_empty() {
        print(hub, Some(&head), &plan, None, more, format);
        if removals.dry_run && format == Format::Table {
            say("dry run: nothing was written");
        }
        return Ok(Exit::Done);
    }
    if format == Format::Table {
        print(hub, Some(&head), &plan, None, None, format);
    }
    if let Some(consent) = consent {
        must_be_confirmed(hub, &head, &plan, consent, format)?;
    }
    remember(hub, &plan).await?;
    let signature = hub.signature().await;
    for after in plan.changes.iter_mut().filter_map(|change| change.after.as_mut()) {
        signature.put_into(after);
    }
    let interrupt = Interrupt::listen();
    let outcomes = match together && plan.changes.len() <= MOST_AT_ONCE {
        true => all_or_nothing(hub, &plan.changes, format).await?,
        false => {
            let told = |change: &Change, outcome: &Outcome| {
                if *outcome == Outcome::Written && format == Format::Table {
                    let name = subject(change.table, &change.key);
                    data(format!("{} {name}", done(change.action)));
                }
            };
            hub.tables().carry_out(&plan.changes, || interrupt.is_asked(), told).await
        }
    };
    if format == Format::Json {
        print(hub, Some(&head), &plan, Some(&outcomes), more, format);
    }
    report(hub, &plan, outcomes, &interrupt, format)
}

/// Remembers where teams are before anything goes, so that whatever happens next is searched for what it
/// left. Who may change one team alone may not write this item: then only a team that goes or moves waits
/// for somebody who may.
async fn remember(hub: &Hub, plan: &Plan) -> Result<(), Failure> {
    let of_teams = || plan.changes.iter().filter(|change| change.table == Table::Teams);
    if of_teams().next().is_none() {
        return Ok(());
    }
    let Err(error) = hub.tables().remember(&plan.places).await else { return Ok(()) };
    let leaves = |change: &Change| {
        change.action == Action::Remove || change.risks.contains_key(&Risk::Moved)
    };
    if error.kind != Kind::Denied || of_teams().any(leaves) {
        return Err(hub.failure(Table::Teams, error));
    }
    warn(
        "where these teams are could not be remembered: whoever may write the item \"-places\" does it with the next change",
    );
    Ok(())
}

/// Asks on a terminal; elsewhere each consequence needs its number.
fn must_be_confirmed(
    hub: &Hub,
    head: &super::hub::Head,
    plan: &Plan,
    consent: &Consent,
    format: Format,
) -> Result<(), Failure> {
    let risks = plan.risks();
    let given: BTreeMap<Risk, usize> = consent.confirm.iter().copied().collect();
    if risks.iter().all(|(risk, number)| given.get(risk) == Some(number)) {
        return Ok(());
    }
    let each: Vec<_> = risks.iter().map(|(risk, number)| in_words(*risk, *number)).collect();
    let asks = format == Format::Table
        && given.is_empty()
        && std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal();
    if asks {
        say(format!("{}. Type yes to do it:", each.join("; ")));
        let mut typed = String::new();
        if std::io::stdin().read_line(&mut typed).is_ok() && typed.trim() == "yes" {
            return Ok(());
        }
        return Err(Failure::new(Exit::Refused, "not confirmed: nothing was written"));
    }
    if format == Format::Json {
        print(hub, Some(head), plan, None, None, format);
    }
    let message = format!("{}: nothing was written", each.join("; "));
    Err(Failure::usage(message)
        .code(Code::ConfirmationNeeded)
        .with("confirm", json!(risks))
        .hint(again(&needed(plan).join(" "))))
}

fn in_words(risk: Risk, number: usize) -> String {
    match risk {
        Risk::Moved => format!(
            "{} another id, account, domain or role, and people lose the profiles that they have",
            match number {
                1 => "1 team gets".to_owned(),
                number => format!("{number} teams get"),
            }
        ),
        Risk::Readmitted => format!(
            "{} who {} denied may sign in again",
            if number == 1 { "1 person".to_owned() } else { format!("{number} people") },
            if number == 1 { "was" } else { "were" }
        ),
        Risk::KeysReplaced => format!(
            "{} no key that it had: whoever holds the new ones signs everybody in",
            if number == 1 { "1 IdP keeps".to_owned() } else { format!("{number} IdPs keep") }
        ),
    }
}

/// Writes everything in one transaction.
async fn all_or_nothing(
    hub: &Hub,
    changes: &[Change],
    format: Format,
) -> Result<Vec<Outcome>, Failure> {
    match hub.tables().carry_out_together(changes).await {
        Ok(Together::Written) => {
            if format == Format::Table {
                for change in changes {
                    let name = subject(change.table, &change.key);
                    data(format!("{} {name}", done(change.action)));
                }
            }
            Ok(changes.iter().map(|_| Outcome::Written).collect())
        }
        Ok(Together::ChangedMeanwhile(which)) => {
            let of = |i: &usize| changes.get(*i).map(|c| subject(c.table, &c.key));
            let names: Vec<_> = which.iter().filter_map(of).collect();
            Err(kept_plan::outdated(&names))
        }
        Err(error) => Err(hub.failure(Table::Teams, error)),
    }
}

/// Says how each write that was not told ended, and ends with the code of the worst.
fn report(
    hub: &Hub,
    plan: &Plan,
    outcomes: Vec<Outcome>,
    interrupt: &Interrupt,
    format: Format,
) -> Result<Exit, Failure> {
    let mut written = 0;
    let mut changed = Vec::new();
    let mut not_tried = Vec::new();
    let mut failed = None;
    for (change, outcome) in plan.changes.iter().zip(outcomes) {
        let name = subject(change.table, &change.key);
        match outcome {
            Outcome::Written => written += 1,
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
            Outcome::NotTried => not_tried.push(name),
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
            "{written} of {all} written, {} not tried; what is written counts as done: {}",
            not_tried.len(),
            failure.message
        );
        return Err(failure.hint(again("")));
    }
    if !not_tried.is_empty() && interrupt.is_asked() {
        let message = format!(
            "interrupted: {written} of {all} written, {} not begun: {}; what is written counts as done, and the same command goes on",
            not_tried.len(),
            cut(&not_tried, 10).join(", ")
        );
        return Err(interrupted(message).hint(again("")));
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
    arguments: &FileArguments,
) -> Result<Plan, Failure> {
    let state = state(hub, |table| file.entries(table).is_some()).await?;
    let plan = Plan::new(file, &state, arguments.prune);
    let mut plan = plan.map_err(|faults| Failure::of_files(&FileFaults::new(faults)))?;
    if plan.changes.iter().any(|change| change.table == Table::Teams) {
        spoke_limits(hub, &mut plan);
    }
    returning::call_out(&hub.sdk, &mut plan, arguments.look_into).await;
    Ok(plan)
}

/// What `teams spoke` would refuse, said before it is written.
fn spoke_limits(hub: &Hub, plan: &mut Plan) {
    match spokes(&plan.teams, &hub.settings.target_role_name) {
        Err(faults) => {
            let each =
                faults.iter().map(|fault| format!("teams spoke refuses these teams: {fault}"));
            plan.warnings.extend(each);
        }
        Ok(spokes) => {
            let large = spokes.iter().filter(|one| one.trust_policy_size > TRUST_POLICY_DEFAULT);
            plan.warnings.extend(large.map(|spoke| {
                format!(
                    "account {}: the trust policy can have {} characters, and the quota is {TRUST_POLICY_DEFAULT}",
                    spoke.account, spoke.trust_policy_size
                )
            }));
        }
    }
}

/// What the tables hold. A table that the command does not change may be closed to its user: then the plan
/// says less.
pub(super) async fn state(hub: &Hub, is_needed: impl Fn(Table) -> bool) -> Result<State, Failure> {
    let tables = hub.tables();
    let (teams, idps) = tokio::join!(tables.teams_and_places(), tables.all(Table::Idps));
    let mut state = State::default();
    let teams = teams.map(|(teams, places)| {
        state.places = places;
        teams
    });
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
                state.warnings.push(format!(
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

/// Reads and checks files and folders of them as one; each `metadata_file` is relative to its file.
pub(super) fn read(paths: &[PathBuf]) -> Result<MappingFile, Failure> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in files_of(paths)? {
        let (file, found) = read_usable(&path)?;
        files.extend(file);
        faults.extend(found);
    }
    if !faults.is_empty() {
        return Err(Failure::of_files(&FileFaults::new(faults)));
    }
    MappingFile::joined(files).map_err(|faults| Failure::of_files(&faults))
}

/// What of one file can be used, and what is wrong with the rest.
pub(super) fn read_usable(path: &Path) -> Result<(Option<MappingFile>, Vec<FileFault>), Failure> {
    let name = plain(&path.to_string_lossy());
    let unreadable =
        |error: String| Failure::usage(format!("{name}: {error}")).code(Code::FileUnreadable);
    let text = text_of(path).map_err(unreadable)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let metadata = |file: &str| {
        text_of(&folder.join(file)).map_err(|error| format!("{}: {error}", plain(file)))
    };
    Ok(file::read_usable(&name, &text, metadata))
}

/// What a folder's files of mappings end in.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The files, those of each folder in the order of their names.
fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let name = plain(&path.to_string_lossy());
        let listing = std::fs::read_dir(path).map_err(|error| {
            Failure::usage(format!("{name}: {error}")).code(Code::FileUnreadable)
        })?;
        let is_one = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| ENDINGS.contains(&ending)) && path.is_file()
        };
        let inside: BTreeSet<_> =
            listing.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect();
        if inside.is_empty() {
            let message = format!("{name}: found no file in it, expected .yaml, .yml or .json");
            return Err(Failure::usage(message).code(Code::FileUnreadable));
        }
        files.extend(inside);
    }
    Ok(files)
}
