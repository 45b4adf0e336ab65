//! What becomes of `UserSettings` between a request and the next description: what is kept, refused, left
//! out or written otherwise, as the control route says.

use serde_json::{Map, Value, json};

use crate::local::aws::{
    control::knobs::Knobs,
    refusal::{Refusal, invalid},
};

/// The settings after a request: its members over those that were there, but for what is kept.
///
/// # Errors
///
/// Members that exclude each other (<https://github.com/hashicorp/terraform-provider-aws/issues/35504>).
pub(super) fn changed(
    before: &Map<String, Value>,
    sent: Map<String, Value>,
    knobs: &Knobs,
) -> Result<Map<String, Value>, Refusal> {
    let mut after = before.clone();
    after.extend(sent);
    for path in &knobs.keeps_settings {
        let names: Vec<&str> = path.split('.').collect();
        let was = names.iter().try_fold(None, |at: Option<&Value>, name| {
            Some(Some(at.map_or_else(|| before.get(*name), |at| at.get(name))?))
        });
        put(&mut after, &names, was.flatten());
    }
    let text = |name| after.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("StudioWebPortal") == "DISABLED" && text("DefaultLandingUri").starts_with("studio::") {
        return Err(invalid(
            "DefaultLandingUri studio:: is not supported when StudioWebPortal is DISABLED",
        ));
    }
    Ok(after)
}

/// Puts a value, or its absence, at a path.
fn put(members: &mut Map<String, Value>, names: &[&str], value: Option<&Value>) {
    match (names, value) {
        ([name], Some(value)) => {
            members.insert((*name).into(), value.clone());
        }
        ([name], None) => {
            members.remove(*name);
        }
        ([name, rest @ ..], value) => {
            if let Some(Value::Object(below)) = members.get_mut(*name) {
                put(below, rest, value);
            }
        }
        ([], _) => {}
    }
}

/// The settings as Describe shows them.
pub(super) fn shown(settings: &Map<String, Value>, knobs: &Knobs) -> Value {
    let mut settings = settings.clone();
    if knobs.fills_in_defaults {
        settings.entry("AutoMountHomeEFS").or_insert("DefaultAsDomain".into());
        let sharing = settings.entry("SharingSettings").or_insert(json!({}));
        if let Some(sharing) = sharing.as_object_mut() {
            sharing.entry("NotebookOutputOption").or_insert("Disabled".into());
        }
    }
    shown_value("UserSettings", Value::Object(settings), knobs)
}

fn shown_value(name: &str, value: Value, knobs: &Knobs) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, value)| {
                let value = shown_value(&name, value, knobs);
                (!knobs.leaves_out_empty || !is_empty(&value)).then_some((name, value))
            });
            Value::Object(members.collect())
        }
        Value::Array(elements) => {
            let mut elements: Vec<_> =
                elements.into_iter().map(|value| shown_value(name, value, knobs)).collect();
            if knobs.reorders {
                elements.sort_by_cached_key(|value| std::cmp::Reverse(value.to_string()));
            }
            if knobs.odd_answers && elements.iter().all(Value::is_string) && !elements.is_empty() {
                elements.push(Value::Null);
            }
            // The one list of unions (API reference, CustomFileSystemConfig).
            if knobs.odd_answers && name == "CustomFileSystemConfigs" {
                elements.fill(json!({}));
            }
            Value::Array(elements)
        }
        Value::Number(number) if knobs.odd_answers => {
            number.as_f64().map_or(Value::Null, Value::from)
        }
        value => value,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn kept_paths_stay_what_they_were() {
        let keeps_settings = vec!["R.UserGroup".to_owned(), "Portal".to_owned()];
        let knobs = Knobs { keeps_settings, ..Knobs::default() };
        let sent = object(json!({"R": {"Status": "OFF", "UserGroup": "g"}, "Portal": "ON"}));
        let created = changed(&Map::new(), sent.clone(), &knobs).unwrap();
        assert_eq!(Value::Object(created), json!({"R": {"Status": "OFF"}}));
        let before = object(json!({"R": {"UserGroup": "old"}, "Portal": "OFF", "Other": 1}));
        let after = changed(&before, sent, &knobs).unwrap();
        let expected =
            json!({"R": {"Status": "OFF", "UserGroup": "old"}, "Portal": "OFF", "Other": 1});
        assert_eq!(Value::Object(after), expected);
    }

    #[test]
    fn descriptions_leave_out_fill_in_reorder_and_are_odd() {
        let settings = object(json!({
            "Empty": {}, "Nested": {"None": []}, "Groups": ["a", "b"], "Minutes": 60,
            "CustomFileSystemConfigs": [{"EFSFileSystemConfig": {"FileSystemId": "fs-1"}}],
        }));
        let off = Knobs::default();
        assert_eq!(shown(&settings, &off), Value::Object(settings.clone()));
        let on = Knobs {
            leaves_out_empty: true,
            fills_in_defaults: true,
            reorders: true,
            odd_answers: true,
            ..off
        };
        let expected = json!({
            "AutoMountHomeEFS": "DefaultAsDomain",
            "SharingSettings": {"NotebookOutputOption": "Disabled"},
            "Groups": ["b", "a", null], "Minutes": 60.0, "CustomFileSystemConfigs": [{}],
        });
        assert_eq!(shown(&settings, &on), expected);
    }
}
