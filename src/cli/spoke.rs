//! `studio-broker teams spoke`: the parameters of each account's spoke stack, from the file of teams.
//!
//! Nothing is asked of AWS: what IAM will grant follows from the reviewed file alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Exit;
use super::again::again;
use super::mapping_file::read;
use super::output::{Failure, Format, count, data, hint, json, plain, say, table, warn, word};
use crate::config::{TableSettings, environment};
use crate::mappings::Table;
use crate::team::spoke::{SpokeStack, TRUST_POLICY_DEFAULT, spokes};
use crate::team::{AccountId, Team};

pub(super) const SPOKE_HELP: &str = "A file holds parameters as `aws cloudformation deploy --parameter-overrides file://…` and\n`update-stack-instances` take them. Rows that are not needed are in it too, so that they are\nemptied. Nothing is asked of AWS.";

/// What `spoke` takes.
#[derive(Debug, clap::Args)]
pub(super) struct SpokeArguments {
    /// Teams as YAML or JSON, and folders of such files; - reads standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Prints the parameters of this account.
    #[arg(long, value_name = "ID", conflicts_with = "directory")]
    account: Option<String>,
    /// Name of the target role, where an account has several.
    #[arg(long, value_name = "NAME", requires = "account")]
    role: Option<String>,
    /// Writes a file for each stack into this folder, which is made when it is missing.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// A further parameter for every stack, such as `HubRoleArn=…`; a stack set holds these itself.
    /// Of an account's stacks only one gets `AdministratorAccountId` and `AdministratorRoleArns`.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = name_and_value)]
    further: Vec<(String, String)>,
}

fn name_and_value(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

pub(super) fn run(arguments: &SpokeArguments, format: Format) -> Result<Exit, Failure> {
    let settings = TableSettings::read(environment)?;
    let file = read(&arguments.files)?;
    let teams: Vec<Team> = file
        .entries(Table::Teams)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| entry.mapping.team().cloned())
        .collect();
    let mut spokes = spokes(&teams, &settings.target_role_name).map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
        Failure::usage(lines.join("\n"))
    })?;
    let hosts = hosts(&spokes, &settings.target_role_name);
    for (spoke, is_host) in spokes.iter_mut().zip(hosts) {
        for (name, value) in &arguments.further {
            if !is_host && OF_ADMINISTRATORS.contains(&name.as_str()) {
                continue;
            }
            if spoke.parameters.insert(name.clone(), value.clone()).is_some() {
                let message = format!("--parameter {}: it follows from the file", plain(name));
                return Err(Failure::usage(message));
            }
        }
    }
    if let Some(account) = &arguments.account {
        json(&parameters(one(&spokes, account, arguments.role.as_deref())?));
    } else if let Some(directory) = &arguments.directory {
        write(&spokes, directory, &settings.target_role_name, format)?;
    } else {
        list(&spokes, format);
    }
    Ok(Exit::Done)
}

/// Parameters that make the administrators' roles.
const OF_ADMINISTRATORS: [&str; 2] = ["AdministratorAccountId", "AdministratorRoleArns"];

/// Which stacks make the administrators' roles: one of each account, for their names are fixed. It is
/// the stack of the standard role, or the first where there is none.
fn hosts(spokes: &[SpokeStack], standard_role: &str) -> Vec<bool> {
    let is_host = |spoke: &SpokeStack| {
        let mut alike = spokes.iter().filter(|other| other.account == spoke.account);
        let host = alike.clone().find(|other| other.target_role == standard_role);
        host.or_else(|| alike.next()).is_some_and(|host| host.target_role == spoke.target_role)
    };
    spokes.iter().map(is_host).collect()
}

fn list(spokes: &[SpokeStack], format: Format) {
    if format == Format::Json {
        return json(&json!({ "spokes": spokes.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let row = |spoke: &SpokeStack| {
        let teams: Vec<_> = spoke.teams.iter().map(ToString::to_string).collect();
        [spoke.account.to_string(), spoke.target_role.clone(), teams.join(" ")]
    };
    let rows: Vec<_> = spokes.iter().map(row).collect();
    data(table(["ACCOUNT", "TARGET ROLE", "TEAMS"], &rows));
    say(count(spokes.len(), "stack"));
    large(spokes);
    hint(again("--directory spokes"));
}

fn as_json(spoke: &SpokeStack) -> Value {
    json!({
        "account_id": spoke.account,
        "target_role": spoke.target_role,
        "teams": spoke.teams,
        "parameters": spoke.parameters,
        "trust_policy_size": spoke.trust_policy_size,
    })
}

/// As the commands of AWS read parameters from a file.
fn parameters(spoke: &SpokeStack) -> Value {
    let one = |(name, value)| json!({"ParameterKey": name, "ParameterValue": value});
    spoke.parameters.iter().map(one).collect()
}

fn one<'a>(
    spokes: &'a [SpokeStack],
    account: &str,
    role: Option<&str>,
) -> Result<&'a SpokeStack, Failure> {
    let found: Vec<_> = spokes
        .iter()
        .filter(|spoke| spoke.account.as_str() == account)
        .filter(|spoke| role.is_none_or(|role| spoke.target_role == role))
        .collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => {
            let message = match role {
                Some(role) => format!("no team of account {account} has the role {}", plain(role)),
                None => format!("the file has no team in account {}", plain(account)),
            };
            Err(Failure::new(Exit::Failed, message))
        }
        several => {
            let roles: Vec<_> = several.iter().map(|spoke| spoke.target_role.as_str()).collect();
            let message =
                format!("account {account} has several stacks, for the roles {}", roles.join(", "));
            let example = roles.first().copied().unwrap_or_default();
            Err(Failure::usage(message).hint(again(&format!("--role {}", word(example)))))
        }
    }
}

fn write(
    spokes: &[SpokeStack],
    directory: &Path,
    standard_role: &str,
    format: Format,
) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::new(Exit::Failed, format!("{}: {error}", plain(&path.to_string_lossy())))
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut written = BTreeSet::new();
    for spoke in spokes {
        let name = file_name(spoke, standard_role);
        let path = directory.join(&name);
        let text = format!("{:#}\n", parameters(spoke));
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        written.insert(name);
    }
    let listing = std::fs::read_dir(directory).map_err(|error| failed(directory, error))?;
    let left: BTreeSet<String> = listing
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_of_a_stack(name) && !written.contains(name))
        .collect();
    if format == Format::Json {
        json(&json!({ "written": written, "without_teams": left }));
        return Ok(());
    }
    written.iter().for_each(data);
    say(format!("{} written", count(written.len(), "file")));
    for name in &left {
        warn(format!("{}: no team is left there, and its stack still lets them in", plain(name)));
    }
    large(spokes);
    Ok(())
}

/// `222222222222.json`; with the role's name where it is not the standard one.
fn file_name(spoke: &SpokeStack, standard_role: &str) -> String {
    let SpokeStack { account, target_role, .. } = spoke;
    if target_role == standard_role {
        return format!("{account}.json");
    }
    format!("{account}-{target_role}.json")
}

fn is_of_a_stack(name: &str) -> bool {
    let account = name.get(..12).and_then(|id| AccountId::try_from(id.to_owned()).ok());
    let rest = name.get(12..).unwrap_or_default();
    account.is_some() && rest.ends_with(".json") && (rest == ".json" || rest.starts_with('-'))
}

fn large(spokes: &[SpokeStack]) {
    for spoke in spokes.iter().filter(|spoke| spoke.trust_policy_size > TRUST_POLICY_DEFAULT) {
        warn(format!(
            "account {}: the trust policy can have {} characters, and the quota is {TRUST_POLICY_DEFAULT}: raise \"Role trust policy length\" there first",
            spoke.account, spoke.trust_policy_size
        ));
    }
}
