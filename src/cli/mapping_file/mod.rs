//! Files of teams and `IdPs` against the tables: `export`, `plan`, `apply`; and `remove`, which plans without
//! a file. `teams` and `idps` share them, since who may open what follows from both tables.

mod carry_out;
mod export;
mod read;
mod state;

use std::path::PathBuf;

use serde_json::json;

use self::carry_out::needed;
pub(super) use self::carry_out::{Consent, DryRun, Orders, Removals, carry_out};
pub(super) use self::export::{EXPORT_HELP, ExportArguments, export};
pub(super) use self::read::{read, read_usable};
pub(super) use self::state::state;
use super::again::{again, instead};
use super::hub::Hub;
use super::output::{Code, Failure, Format, document, hint, warn, word};
use super::plan_words::{markdown, print};
use super::{Exit, kept_plan, returning};
use crate::mappings::file::{FileFaults, MappingFile};
use crate::mappings::plan::Plan;
use crate::mappings::{Table, nearest, subject};
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

pub(super) const PLAN_HELP: &str =
    "Exit codes: 0 nothing to do, 2 the file has faults, 3 changes found, 4 not authorised in AWS.";
pub(super) const APPLY_HELP: &str = "Each item is written only if it is still what was read, edits by hand included; if not, it is left alone\nand the exit code is 5. What is written counts as done: after any failure, run the same command again.\nFILE may be a plan that `plan --out` kept: then exactly that is written, or nothing.";

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
