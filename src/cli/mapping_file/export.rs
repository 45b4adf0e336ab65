//! `export`: both tables as a file.

use std::collections::BTreeMap;

use serde_json::json;

use super::state::state;
use crate::cli::Exit;
use crate::cli::hub::Hub;
use crate::cli::output::{Failure, Format, count, document, json, plain, warn, word};
use crate::mappings::file::{self, Export};
use crate::mappings::{Stored, Table, subject, unknown_attribute};

/// What `export` takes.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ExportArguments {
    /// Writes the JSON Schema there, and names it in the file's first line for editors.
    #[arg(long, value_name = "PATH")]
    schema: Option<String>,
}

/// The schema that the first line of an export names, unless another is written.
const SCHEMA: &str = "schemas/mappings.json";

pub(in crate::cli) const EXPORT_HELP: &str = "The file holds both tables, and plan finds no difference. Malformed items are written as they are. What no\nfile can hold (binary values, number sets, NULL, numbers beyond JSON) stands in a comment, and the exit code\nis 1. The revision is the table's own and not exported.";

pub(in crate::cli) async fn export(
    arguments: &ExportArguments,
    format: Format,
) -> Result<Exit, Failure> {
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
