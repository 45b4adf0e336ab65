//! `studio-broker explain`: from what a person was shown to what somebody has to do.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Exit;
use super::log_file;
use super::output::{Code, Failure, Format, STRONG, data, json, plain, say, styled, word};
use crate::mappings::nearest;

/// All codes, as they are published.
const CODES: &str = include_str!("../../schemas/codes.json");
/// What administrators do about them.
const RUNBOOKS: &str = include_str!("../../infra/runbooks.md");

#[derive(Debug, Subcommand)]
pub(super) enum Explain {
    /// Says what was decided under a reference that somebody was shown, and what to do about it.
    #[command(
        before_help = "Example:\n  studio-broker explain reference 5ZK2M8PQ --log decisions.json",
        after_help = "The log is JSON lines, or what `aws logs filter-log-events` and `aws logs get-query-results` print."
    )]
    Reference {
        /// The reference on the person's page.
        #[arg(value_name = "REFERENCE")]
        reference: String,
        /// A part of the broker's log; - reads standard input.
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
    /// Says what a code means, who must act, and what the runbook says about it.
    #[command(before_help = "Example:\n  studio-broker explain code target_denied")]
    Code {
        /// The code, as pages, answers and the log have it.
        #[arg(value_name = "CODE")]
        code: String,
    },
}

pub(super) fn run(command: &Explain, format: Format) -> Result<Exit, Failure> {
    match command {
        Explain::Code { code } => explain_code(code, format),
        Explain::Reference { reference, log: Some(log) } => {
            let lines = log_file::lines(log)?;
            explain_reference(reference, &lines, format)
        }
        Explain::Reference { reference, log: None } => Err(where_the_log_is(reference)),
    }
}

/// Nothing here reads CloudWatch itself: whoever may read the log gets the lines by these commands.
fn where_the_log_is(reference: &str) -> Failure {
    let pattern = word(&format!("{{ $.reference = {} }}", json!(reference)));
    let message = "the log is needed: --log FILE with the broker's lines";
    Failure::usage(message)
        .code(Code::LogNeeded)
        .hint(format!("aws logs filter-log-events --log-group-name \"$BROKER_LOG\" --filter-pattern {pattern} > decisions.json"))
        .hint(format!("studio-broker explain reference {} --log decisions.json", word(reference)))
}

/// What is published about a code, and the paragraphs of the runbooks that name it.
struct Known {
    code: Value,
    runbook: Vec<(String, String)>,
}

fn codes() -> Vec<Value> {
    let all = serde_json::from_str::<Value>(CODES).unwrap_or_default();
    all.get("codes").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn known(code: &str) -> Option<Known> {
    let mut all = codes().into_iter();
    let found = all.find(|one| one.get("code").and_then(Value::as_str) == Some(code))?;
    Some(Known { code: found, runbook: runbook(code) })
}

/// Each paragraph, list item or row of a table that names the code, with the heading above it. The rows
/// come first: they say what to mend, the others when an alarm comes with it.
fn runbook(code: &str) -> Vec<(String, String)> {
    let name = format!("`{code}`");
    let mut heading = String::new();
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for line in RUNBOOKS.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_owned();
        } else if line.contains(&name) {
            match line.strip_prefix('|') {
                // Of a row what is said about the codes of its first cell.
                Some(row) => match row.trim_end_matches('|').split_once('|') {
                    Some((first, rest)) if first.contains(&name) => {
                        rows.push((heading.clone(), rest.trim().to_owned()));
                    }
                    _ => {}
                },
                None => found.push((heading.clone(), without_mark(line).to_owned())),
            }
        }
    }
    rows.append(&mut found);
    rows
}

/// A list item without what marks it as one: `- ` or its number.
fn without_mark(line: &str) -> &str {
    match line.split_once(' ') {
        Some(("-", rest)) => rest,
        Some((mark, rest)) if mark.strip_suffix('.').is_some_and(|n| n.parse::<u8>().is_ok()) => {
            rest
        }
        _ => line,
    }
    .trim()
}

fn explain_code(code: &str, format: Format) -> Result<Exit, Failure> {
    let Some(known) = known(code) else {
        let all = codes();
        let names = all.iter().filter_map(|one| one.get("code")?.as_str());
        let near = nearest(code, names);
        let perhaps = match near.is_empty() {
            true => "schemas/codes.json lists all".to_owned(),
            false => format!("perhaps {}", near.join(" or ")),
        };
        let message = format!("no code is called {}, {perhaps}", crate::team::item::excerpt(code));
        return Err(Failure::new(Exit::Failed, message)
            .code(Code::NotFound)
            .with("nearest", json!(near)));
    };
    match format {
        Format::Json => json(&as_json(&known)),
        Format::Table => print(&known),
    }
    Ok(Exit::Done)
}

fn as_json(known: &Known) -> Value {
    let runbook = known.runbook.iter().map(|(title, text)| json!({"section": title, "text": text}));
    let mut shown = known.code.clone();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("runbook".into(), runbook.collect());
    }
    shown
}

fn print(known: &Known) {
    let text = |name: &str| known.code.get(name).and_then(Value::as_str).unwrap_or_default();
    let status = known.code.get("status").and_then(Value::as_u64).unwrap_or_default();
    data(format!("{}: {}", styled(STRONG, text("code")), text("sentence")));
    data(format!("  status {status}; {} must act", text("actor").replace('_', " ")));
    data(format!("  the person is told: {}", text("next")));
    for (title, text) in &known.runbook {
        data(format!("  runbook, {title}: {text}"));
    }
}

/// The parts of a decision that matter to whoever has to act, in this order.
const SHOWN: [&str; 11] = [
    "time", "outcome", "code", "detail", "owner", "idp", "team", "account", "region", "domain",
    "profile",
];

fn explain_reference(reference: &str, lines: &[Value], format: Format) -> Result<Exit, Failure> {
    let is = |line: &&Value| line.get("reference").and_then(Value::as_str) == Some(reference);
    let found: Vec<_> = lines.iter().filter(is).collect();
    if found.is_empty() {
        let message = format!(
            "none of the {} lines of this log has the reference {}",
            lines.len(),
            crate::team::item::excerpt(reference)
        );
        return Err(Failure::new(Exit::Failed, message).code(Code::NotFound));
    }
    let code_of = |line: &Value| line.get("code").and_then(Value::as_str).map(str::to_owned);
    let codes: Vec<_> = found.iter().filter_map(|line| known(&code_of(line)?)).collect();
    if format == Format::Json {
        let codes: Vec<_> = codes.iter().map(as_json).collect();
        json(&json!({"reference": reference, "lines": found, "codes": codes}));
        return Ok(Exit::Done);
    }
    for line in &found {
        for name in SHOWN {
            if let Some(value) = line.get(name).filter(|value| !value.is_null()) {
                data(format!("{name}: {}", shown(value)));
            }
        }
        // Anybody may have written these.
        for (name, value) in line.get("unverified").and_then(Value::as_object).into_iter().flatten()
        {
            data(format!("{} (unverified): {}", plain(name), shown(value)));
        }
        data("");
    }
    codes.iter().for_each(print);
    let team = found.iter().find_map(|line| line.get("team")?.as_str());
    if let Some(team) = team {
        say(format!("then: studio-broker doctor --team {}", word(team)));
    }
    Ok(Exit::Done)
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| plain(&value.to_string()), plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_with_its_row_of_the_runbooks() {
        let found = runbook("target_denied");
        assert_eq!(found[0].0, "Administrator needed");
        assert!(found[0].1.starts_with("the spoke's target role"), "{found:?}");
        assert_eq!(found[1].0, "No openings");
        assert!(found[1].1.starts_with("`target_denied` everywhere"), "{found:?}");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(known("target_denied").is_some() && known("nothing").is_none());
    }

    #[test]
    fn every_code_can_be_explained() {
        let all = codes();
        assert!(all.len() > 30);
        for code in all {
            assert!(known(code["code"].as_str().unwrap()).is_some());
        }
    }
}
