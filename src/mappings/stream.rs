//! The validator of mappings: stream events of the teams and `IdPs` tables.
//!
//! Administrators edit in the `DynamoDB` console too. Each changed item is read as a sign-in would read
//! it, and a bad one is reported within seconds of the edit, before anybody meets it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tracing::{error, info, warn};

use crate::config::Settings;
use crate::idp::Idp;
use crate::item::{Fault, Item, ItemFaults, excerpt, from_dynamodb};
use crate::team::Team;

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

/// Validates every changed item of a stream event and writes one line for each. Always succeeds: a bad
/// item is reported, not tried again.
pub fn validate(settings: &Settings, event: &Value) -> Value {
    let records = event.get("Records").and_then(Value::as_array);
    for record in records.into_iter().flatten() {
        let arn = record.get("eventSourceARN").and_then(Value::as_str).unwrap_or_default();
        let table =
            arn.split("table/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(arn);
        let image = record.pointer("/dynamodb/NewImage").and_then(Value::as_object);
        let keys = record.pointer("/dynamodb/Keys").and_then(Value::as_object);
        let key =
            keys.and_then(|keys| keys.values().next()?.get("S")?.as_str()).unwrap_or_default();
        let Some(image) = image else {
            info!(table, key = excerpt(key), "an item was removed");
            continue;
        };
        let is_table =
            |setting: &str| setting == table || setting.ends_with(&format!("table/{table}"));
        let checked = if is_table(&settings.teams_table) {
            check(image, |item| Team::read(item).map(|read| read.unknown_attributes))
        } else if is_table(&settings.idps_table) {
            check(image, |item| Idp::read(item).map(|read| read.unknown_attributes))
        } else {
            warn!(
                table,
                "a stream of a table that is neither the teams' nor the identity providers'"
            );
            continue;
        };
        match checked {
            Ok(unknown) if unknown.is_empty() => {
                info!(table, key = excerpt(key), "an item was changed and can be used");
            }
            Ok(unknown) => {
                let unknown = excerpt(&unknown.join(", "));
                warn!(
                    table,
                    key = excerpt(key),
                    unknown,
                    "an item was changed; it holds attributes that nobody knows"
                );
            }
            Err(faults) => {
                let faults = ItemFaults { table: table.into(), key: key.into(), faults };
                error!(event = "item_invalid", table, key = excerpt(key), faults = %faults, "an item was changed and cannot be used");
            }
        }
    }
    json!({"batchItemFailures": []})
}

fn check(
    image: &Map<String, Value>,
    read: impl Fn(&Item) -> Result<Vec<String>, Vec<Fault>>,
) -> Result<Vec<String>, Vec<Fault>> {
    let item: HashMap<_, _> =
        image.iter().map(|(name, value)| (name.clone(), attribute_value(value))).collect();
    from_dynamodb(&item).and_then(|item| read(&item))
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
        let faults = check(image.as_object().unwrap(), |item| {
            Team::read(item).map(|read| read.unknown_attributes)
        })
        .unwrap_err();
        assert_eq!(faults[0].attribute, "account_id");
        assert!(faults[0].expected.contains("loses leading zeros"));
    }
}
