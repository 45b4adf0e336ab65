//! The JSON Schema of a file.

use serde_json::{Map, Value, json};

use super::METADATA_FILE;
use crate::mappings::change::REVISION;
use crate::mappings::{NOTES, Table};

/// The JSON Schema of a file, from the schemas of its items.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let mut item = |schema: Value| {
        let mut schema = match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        };
        schema.remove("$schema");
        if let Some(Value::Object(inner)) = schema.remove("$defs") {
            definitions.extend(inner);
        }
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            // The table counts revisions; what a file says about them is not looked at.
            properties.remove(REVISION);
            NOTES.iter().for_each(|note| {
                properties.remove(*note);
            });
        }
        schema
    };
    let team = item(Table::Teams.schema());
    let mut idp = item(Table::Idps.schema());
    if let Some(properties) = idp.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            METADATA_FILE.into(),
            json!({
                "type": "string",
                "description": "Path of the metadata, relative to this file; instead of metadata_xml.",
            }),
        );
    }
    if let Some(required) = idp.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != "metadata_xml");
    }
    idp.insert(
        "oneOf".into(),
        json!([{"required": ["metadata_xml"]}, {"required": [METADATA_FILE]}]),
    );
    definitions.insert("Team".into(), Value::Object(team));
    definitions.insert("IdP".into(), Value::Object(idp));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mappings",
        "description": "Teams and IdPs as a file in version control has them: for `teams plan` and `idps plan`.",
        "type": "object",
        "additionalProperties": false,
        "patternProperties": {"^x-": {"description": "Where anchors are written that items refer to."}},
        "properties": {
            "$schema": {"type": "string"},
            "owner": {
                "description": "Label of this file's items: --prune removes items of this label alone.",
                "type": "string",
                "pattern": "^[A-Za-z0-9._/-]{1,64}$",
            },
            "teams": {
                "description": "Every team; absent where the file does not speak of teams.",
                "type": "array",
                "items": {"$ref": "#/$defs/Team"},
            },
            "idps": {
                "description": "Every IdP; absent where the file does not speak of IdPs.",
                "type": "array",
                "items": {"$ref": "#/$defs/IdP"},
            },
        },
        "$defs": definitions,
    })
}
