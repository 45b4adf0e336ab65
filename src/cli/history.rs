//! `teams history`: who changed a team, and when.
//!
//! The item itself knows its last change by a command of ours. Everything else stands in the log of the
//! validator, which sees each write, by hand or not, with what it changed.

use std::path::PathBuf;

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::hub::Hub;
use super::output::{Code, Failure, Format, data, hint, json, plain, say, table, warn, word};
use super::{Exit, completions, log_file};
use crate::mappings::change::REVISION;
use crate::mappings::{CHANGED_AT, CHANGED_BY, Table};
use crate::team::item::{excerpt, readable_part};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Team id.
    #[arg(value_name = "TEAM", add = ArgValueCompleter::new(completions::team_ids))]
    team: String,
    /// A part of the validator's log, as JSON lines or as `aws logs` prints it; - reads standard input.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

pub(super) async fn run(arguments: &Arguments, format: Format) -> Result<Exit, Failure> {
    let Arguments { team, log } = arguments;
    let lines = log.as_deref().map(log_file::lines).transpose()?;
    let hub = Hub::connect().await?;
    let all = hub.tables().all(Table::Teams).await.map_err(|e| hub.failure(Table::Teams, e))?;
    let item = all.get(team).map(|record| readable_part(record).0);
    let key = excerpt(team);
    let changes: Vec<&Value> = lines
        .iter()
        .flatten()
        .filter(|line| {
            let event = line.get("event").and_then(Value::as_str).unwrap_or_default();
            event.starts_with("item_") && line.get("key").and_then(Value::as_str) == Some(&key)
        })
        .collect();
    if item.is_none() && changes.is_empty() {
        let message = format!("there is no team {key}, and nothing is known of one");
        return Err(Failure::new(Exit::Failed, message)
            .code(Code::NotFound)
            .hint("studio-broker teams list"));
    }
    let of_item = |name: &str| item.as_ref().and_then(|item| item.get(name)).cloned();
    if format == Format::Json {
        json(&json!({
            "team": team,
            "exists": item.is_some(),
            "changed_by": of_item(CHANGED_BY),
            "changed_at": of_item(CHANGED_AT),
            "revision": of_item(REVISION),
            "changes": changes,
        }));
        return Ok(Exit::Done);
    }
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => plain(&text),
        Some(other) => plain(&other.to_string()),
        None => "unknown".to_owned(),
    };
    match &item {
        None => data(format!("team {key} is not there any more")),
        Some(_) => data(format!(
            "team {key}: revision {}, last written by a command at {} by {}",
            text(of_item(REVISION)),
            text(of_item(CHANGED_AT)),
            text(of_item(CHANGED_BY))
        )),
    }
    let rows: Vec<[String; 4]> = changes
        .iter()
        .map(|line| {
            let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
            let time = if text("time").is_empty() { text("timestamp") } else { text("time") };
            let what = if text("changes").is_empty() { text("message") } else { text("changes") };
            [time.to_owned(), text("event").to_owned(), text("by").to_owned(), what.to_owned()]
        })
        .collect();
    if !rows.is_empty() {
        data(table(["WHEN", "EVENT", "BY", "WHAT"], &rows));
    }
    if lines.is_some() && rows.is_empty() {
        warn("the log holds no line about this team");
    }
    if lines.is_none() {
        say("Every write, also by hand, stands in the validator's log:");
        let pattern = word(&format!("{{ $.key = {} }}", json!(key)));
        hint(format!(
            "aws logs filter-log-events --log-group-name \"$VALIDATOR_LOG\" --filter-pattern {pattern} > changes.json"
        ));
        hint(format!("studio-broker teams history {} --log changes.json", word(team)));
    }
    Ok(Exit::Done)
}
