//! Writing a file: the tables as they are.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::mappings::change::is_count;
use crate::mappings::yaml::{on_one_line, write_list};
use crate::mappings::{NOTES, Stored, Table, subject};
use crate::team::item::{Item, Record};

/// The file that the tables would be read from, and what of them it cannot hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The document.
    pub text: String,
    /// Items that are not in it, each with the reason.
    pub left_out: Vec<String>,
}

/// The items of a table as a file has them: everything but the revision, which the table counts.
pub fn exported(table: Table, items: &BTreeMap<String, Stored>) -> Vec<Item> {
    let writable = items.values().filter(|stored| stored.unwritable.is_empty());
    writable
        .map(|stored| {
            let mut item = stored.item.clone();
            item.retain(|name, value| {
                !is_count(table, name, value) && !NOTES.contains(&name.as_str())
            });
            item
        })
        .collect()
}

/// Writes the tables as YAML, with the line that makes editors check and complete it. Malformed items are
/// written as they are, since the file is where they are repaired; an item that holds what YAML cannot
/// (binary values, number sets, NULL, numbers beyond JSON) stands in a comment, as `DynamoDB` writes it.
pub fn export(schema: &str, tables: &[(Table, &BTreeMap<String, Stored>)]) -> Export {
    let mut text = format!("# yaml-language-server: $schema={schema}\n");
    let mut left_out = Vec::new();
    for (table, items) in tables {
        let name = match table {
            Table::Teams => "teams",
            Table::Idps => "idps",
        };
        for (key, stored) in items.iter().filter(|(_, stored)| !stored.unwritable.is_empty()) {
            let faults: Vec<_> = stored.unwritable.iter().map(ToString::to_string).collect();
            let reason = format!("{}: {}", subject(*table, key), faults.join("; "));
            text.push_str(&format!("# not in this file: {}\n", on_one_line(&reason)));
            text.push_str(&format!("#   {}\n", on_one_line(&typed(&stored.record).to_string())));
            left_out.push(reason);
        }
        let items = exported(*table, items);
        if items.is_empty() {
            text.push_str(&format!("{name}: []\n"));
        } else {
            text.push_str(&format!("{name}:\n"));
            write_list(&items, table.attributes(), 0, &mut text);
        }
    }
    Export { text, left_out }
}

/// A record as `DynamoDB` writes it, on one line.
pub fn typed(record: &Record) -> Value {
    let members = |map: &HashMap<String, AttributeValue>| -> Map<String, Value> {
        map.iter().map(|(name, value)| (name.clone(), typed_value(value))).collect()
    };
    Value::Object(members(record))
}

fn typed_value(value: &AttributeValue) -> Value {
    let blob = |blob: &aws_sdk_dynamodb::primitives::Blob| STANDARD.encode(blob);
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::Ss(set) => json!({"SS": set}),
        AttributeValue::Ns(set) => json!({"NS": set}),
        AttributeValue::B(bytes) => json!({"B": blob(bytes)}),
        AttributeValue::Bs(set) => json!({"BS": set.iter().map(blob).collect::<Vec<_>>()}),
        AttributeValue::L(list) => json!({"L": list.iter().map(typed_value).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": typed(map)}),
        _ => json!({"NULL": true}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(item: Value, more: &[(&str, AttributeValue)]) -> BTreeMap<String, Stored> {
        let mut record: Record = item
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), crate::team::item::to_dynamodb(value)))
            .collect();
        record.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        BTreeMap::from([("a".to_owned(), Stored::of(Table::Teams, record))])
    }

    #[test]
    fn a_malformed_item_is_exported_as_it_is() {
        let teams =
            stored(json!({"team_id": "a", "account_id": 7, "odd": {"x": [1, null, true]}}), &[]);
        // NULL has no place in an item, but YAML can hold it.
        let export = export("s.json", &[(Table::Teams, &teams)]);
        assert_eq!(export.left_out.len(), 1, "{}", export.text);
        let teams = stored(json!({"team_id": "a", "account_id": 7, "odd": {"x": [1, true]}}), &[]);
        let export = super::export("s.json", &[(Table::Teams, &teams)]);
        assert_eq!(
            export.text,
            "# yaml-language-server: $schema=s.json\nteams:\n- team_id: a\n  account_id: 7\n  odd:\n    x:\n      - 1\n      - true\n"
        );
    }

    #[test]
    fn what_a_file_cannot_hold_stands_in_a_comment_and_is_said() {
        let blob = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([0, 255]));
        let teams = stored(json!({"team_id": "a"}), &[("blob", blob)]);
        let export = export("s.json", &[(Table::Teams, &teams)]);
        assert!(export.text.ends_with("teams: []\n"));
        assert!(
            export.text.contains(r#"#   {"blob":{"B":"AP8="},"team_id":{"S":"a"}}"#),
            "{}",
            export.text
        );
        assert_eq!(
            export.left_out,
            [r#"team "a": blob: found a binary value (B), expected M, L, S, N, BOOL or SS"#]
        );
    }
}
