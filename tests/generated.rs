//! What is generated from the types and committed: `schemas/`.
//!
//! `STUDIO_BROKER_REGENERATE=1 cargo test --test generated` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use studio_broker::http::codes;
use studio_broker::mappings::{Table, file};
use studio_broker::team::Team;
use studio_broker::team::item::Fault;

#[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
fn is_current(name: &str, generated: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let text = format!("{generated:#}\n");
    if std::env::var("STUDIO_BROKER_REGENERATE").is_ok() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, text,
        "schemas/{name} is not what the types say; run: STUDIO_BROKER_REGENERATE=1 cargo test --test generated"
    );
}

#[test]
fn the_schema_of_a_team_is_current() {
    is_current("team.json", &Table::Teams.schema());
}

#[test]
fn the_schema_of_an_idp_is_current() {
    is_current("idp.json", &Table::Idps.schema());
}

#[test]
fn the_schema_of_a_file_is_current() {
    is_current("mappings.json", &file::schema());
}

#[test]
fn the_list_of_codes_is_current() {
    is_current("codes.json", &json!({ "codes": codes() }));
}

#[test]
fn the_list_of_settings_is_current() {
    is_current("settings.json", &studio_broker::config::settings());
}

/// A write depends on every attribute that an item may have, so none may be missing from the list.
#[test]
fn the_list_of_attributes_is_that_of_the_schemas() {
    for table in [Table::Teams, Table::Idps] {
        let schema = table.schema();
        let mut listed = table.attributes().to_vec();
        listed.sort_unstable();
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(listed, names, "{table:?}");
    }
}

/// The schema and the reader are two views of one item: they must know the same attributes.
#[test]
fn the_schema_knows_every_attribute_that_the_reader_knows() {
    let schema = Table::Teams.schema();
    let names = schema["properties"].as_object().unwrap();
    let item: serde_json::Map<String, Value> = names
        .keys()
        .map(|name| (name.clone(), json!(["no attribute is a list of lists", [[]]])))
        .collect();
    let faults = Team::read(&item).unwrap_err();
    // What these hold decides nothing, so nothing in them is a fault.
    let notes = ["owner", "changed_by", "changed_at"];
    for name in names.keys().filter(|name| !notes.contains(&name.as_str())) {
        let is_of = |fault: &Fault| fault.attribute.split(['.', '[']).next() == Some(name.as_str());
        assert!(faults.iter().any(is_of), "{name} is never read");
    }
}
