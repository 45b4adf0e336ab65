//! The validator of mappings: stream events of the teams and `IdPs` tables.
//!
//! Administrators edit in the `DynamoDB` console too. Each changed item is read as a sign-in would read
//! it, and a bad one is reported within seconds of the edit, in the words of `plan`, before anybody meets
//! it.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tracing::{error, info, warn};

use super::change::{cut, differences};
use super::places::{self, Place};
use super::{CHANGED_AT, CHANGED_BY, Mapping, Stored, Table, advice, subject, unknown_attribute};
use crate::config::Settings;
use crate::team::item::{Item, ItemFaults, Record, excerpt, readable_part};

/// Whether an event comes from a `DynamoDB` stream.
pub fn is_stream_event(event: &Value) -> bool {
    let records = event.get("Records").and_then(Value::as_array);
    records.is_some_and(|records| {
        !records.is_empty()
            && records
                .iter()
                .all(|record| record.get("eventSource") == Some(&Value::from("aws:dynamodb")))
    })
}

/// Where the teams of a stream event are or were, usable or not: to be remembered, since profiles outlive
/// the team that an administrator removes by hand.
pub fn places_of(settings: &Settings, event: &Value) -> BTreeSet<Place> {
    let records = event.get("Records").and_then(Value::as_array).into_iter().flatten();
    let of_teams = records.filter(|record| table_of(settings, record) == Ok(Table::Teams));
    let images = of_teams.flat_map(|record| {
        ["OldImage", "NewImage"].into_iter().filter_map(move |which| {
            record.pointer(&format!("/dynamodb/{which}")).and_then(Value::as_object)
        })
    });
    images.filter_map(|image| places::of_item(&readable_part(&record_of(image)).0)).collect()
}

/// Whose change a record of a stream is; the table's name where it is neither's.
fn table_of<'a>(settings: &Settings, record: &'a Value) -> Result<Table, &'a str> {
    let name = table_name(record);
    let is_table = |setting: &str| setting == name || setting.ends_with(&format!("table/{name}"));
    if is_table(&settings.teams_table) {
        Ok(Table::Teams)
    } else if is_table(&settings.idps_table) {
        Ok(Table::Idps)
    } else {
        Err(name)
    }
}

fn table_name(record: &Value) -> &str {
    let arn = record.get("eventSourceARN").and_then(Value::as_str).unwrap_or_default();
    arn.split("table/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(arn)
}

/// Validates every changed item of a stream event and writes one line for each: what changed, and what
/// `plan` would have said. Always succeeds: a bad item is reported, not tried again.
pub fn validate(settings: &Settings, event: &Value) -> Value {
    let records = event.get("Records").and_then(Value::as_array);
    for record in records.into_iter().flatten() {
        let name = table_name(record);
        let Ok(table) = table_of(settings, record) else {
            warn!(
                table = name,
                "a stream of a table that is neither the teams' nor the identity providers'"
            );
            continue;
        };
        let image = |which: &str| {
            let image = record.pointer(&format!("/dynamodb/{which}")).and_then(Value::as_object)?;
            Some(Stored::of(table, record_of(image)))
        };
        let keys = record.pointer("/dynamodb/Keys").and_then(Value::as_object);
        let key =
            keys.and_then(|keys| keys.values().next()?.get("S")?.as_str()).unwrap_or_default();
        if table == Table::Teams && key == places::KEY {
            continue;
        }
        // A stream of new images alone tells what an item is, and of what it was nothing.
        let created = record.get("eventName").and_then(Value::as_str) == Some("INSERT");
        let old = image("OldImage").or_else(|| created.then(|| Stored::of(table, Record::new())));
        report(table, name, key, old.as_ref(), image("NewImage"));
    }
    json!({"batchItemFailures": []})
}

/// Writes the line about one item.
fn report(table: Table, name: &str, key: &str, old: Option<&Stored>, new: Option<Stored>) {
    let item = subject(table, key);
    let raw_key = key;
    let key = excerpt(key);
    let Some(new) = new else {
        info!(event = "item_removed", table = name, key, "an item was removed");
        return;
    };
    let changes = changes(old, &new);
    let unknown = new.unknown_attributes.iter().map(|name| unknown_attribute(table, name));
    let doubts = new.mapping().and_then(Mapping::team).map(advice::of_team).unwrap_or_default();
    let faults = new.faults().iter().chain(new.faults_in_part()).map(ToString::to_string);
    let said: Vec<_> = faults.chain(unknown).chain(doubts).collect();
    let text = |name: &str| new.item.get(name).and_then(Value::as_str).map(excerpt);
    let (by, at) = (text(CHANGED_BY), text(CHANGED_AT));
    // Who edits by hand leaves the last command's name where it was.
    let by = by
        .filter(|_| old.is_none_or(|old| old.record.get(CHANGED_AT) != new.record.get(CHANGED_AT)));
    let by = by.unwrap_or_else(|| "by hand".into());
    let at = at.unwrap_or_default();
    let plan = said.iter().map(|said| format!("{item}: {said}")).collect::<Vec<_>>().join("; ");
    if !new.faults().is_empty() {
        let faults = new.faults().to_vec();
        let (key_of_item, readable) = (raw_key.into(), Item::new());
        let faults = ItemFaults { table: name.into(), key: key_of_item, faults, readable };
        error!(event = "item_invalid", table = name, key, changes, by, plan, faults = %faults, "an item was changed and cannot be used");
    } else if !plan.is_empty() {
        warn!(
            event = "item_changed",
            table = name,
            key,
            changes,
            by,
            at,
            plan,
            "an item was changed; something in it counts for nothing or deserves a second look"
        );
    } else {
        info!(
            event = "item_changed",
            table = name,
            key,
            changes,
            by,
            at,
            "an item was changed and can be used"
        );
    }
}

/// The longest list of differences in a line of the log.
const MOST_DIFFERENCES: usize = 20;

/// What changed, in one line; empty where nobody knows what it was.
fn changes(old: Option<&Stored>, new: &Stored) -> String {
    let differences = old.map(|old| differences(&old.item, &new.item)).unwrap_or_default();
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    cut(&lines, MOST_DIFFERENCES).join("; ")
}

/// A record from the JSON in which `DynamoDB` writes it.
pub fn record_of(image: &Map<String, Value>) -> Record {
    image.iter().map(|(name, value)| (name.clone(), attribute_value(value))).collect()
}

/// An attribute value from the JSON of a stream event.
fn attribute_value(value: &Value) -> AttributeValue {
    let texts = |list: &Value| -> Vec<String> {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    };
    let Some((kind, value)) = value.as_object().and_then(|object| object.iter().next()) else {
        return AttributeValue::Null(true);
    };
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => AttributeValue::S(text.clone()),
        ("N", Value::String(number)) => AttributeValue::N(number.clone()),
        ("BOOL", Value::Bool(flag)) => AttributeValue::Bool(*flag),
        ("SS", list) => AttributeValue::Ss(texts(list)),
        ("NS", list) => AttributeValue::Ns(texts(list)),
        ("L", Value::Array(list)) => AttributeValue::L(list.iter().map(attribute_value).collect()),
        ("M", Value::Object(map)) => AttributeValue::M(
            map.iter().map(|(name, value)| (name.clone(), attribute_value(value))).collect(),
        ),
        ("BS", Value::Array(list)) => AttributeValue::Bs(
            list.iter()
                .filter_map(|one| STANDARD.decode(one.as_str()?).ok())
                .map(aws_sdk_dynamodb::primitives::Blob::new)
                .collect(),
        ),
        ("B", Value::String(text)) => AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(
            STANDARD.decode(text).unwrap_or_default(),
        )),
        _ => AttributeValue::Null(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_events_are_told_by_their_shape() {
        assert!(is_stream_event(&json!({"Records": [{"eventSource": "aws:dynamodb"}]})));
        assert!(!is_stream_event(&json!({"Records": []})));
        assert!(!is_stream_event(&json!({"Records": [{"eventSource": "aws:sqs"}]})));
        assert!(!is_stream_event(&json!({"version": "2.0"})));
    }

    #[test]
    fn images_are_read_as_a_sign_in_would_read_them() {
        let image = json!({
            "team_id": {"S": "team1"}, "account_id": {"N": "12345678901"},
            "region": {"S": "eu-west-1"}, "domain_id": {"S": "d-abc"},
            "execution_role_arn": {"S": "arn:aws:iam::123456789012:role/T"},
        });
        let stored = Stored::of(Table::Teams, record_of(image.as_object().unwrap()));
        assert_eq!(stored.faults()[0].attribute, "account_id");
        assert!(stored.faults()[0].expected.contains("loses leading zeros"));
    }

    #[test]
    fn what_changed_stands_in_one_line() {
        let image = |groups: Value, name: &str| {
            let image =
                json!({"team_id": {"S": "a"}, "groups": groups, "display_name": {"S": name}});
            Stored::of(Table::Teams, record_of(image.as_object().unwrap()))
        };
        let old = image(json!({"SS": ["g"]}), "A");
        let new = image(json!({"L": [{"S": "h"}, {"S": "g"}]}), "B");
        assert_eq!(changes(Some(&old), &new), r#"display_name: "A" → "B"; groups: +"h""#);
        assert_eq!(changes(Some(&new), &new), "");
    }
}
