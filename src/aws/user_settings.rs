//! `UserSettings`: how those that a profile has differ from those that its mapping wants.
//!
//! SageMaker leaves out what is empty, so a member that is not there, or null, is the same as `{}` and
//! `[]`. Members that the mapping does not name are left alone; lists are compared in their order.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Number, Value, json};

/// A member that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Its path, for example `StudioWebPortalSettings.HiddenAppTypes`.
    pub path: String,
    /// What the profile has there.
    pub found: Option<&'a Value>,
}

/// The members that `wanted` names and that are otherwise in `found`.
pub fn differences<'a>(
    found: &'a Map<String, Value>,
    wanted: &Map<String, Value>,
) -> Vec<Difference<'a>> {
    let mut differences = Vec::new();
    for (name, wanted) in wanted {
        match (found.get(name), wanted) {
            (Some(Value::Object(found)), Value::Object(wanted)) if !found.is_empty() => {
                let below = self::differences(found, wanted).into_iter();
                differences.extend(below.map(|below| Difference {
                    path: format!("{name}.{}", below.path),
                    found: below.found,
                }));
            }
            (found, wanted) if holds(found.unwrap_or(&Value::Null), wanted) => {}
            (found, _) => differences.push(Difference { path: name.clone(), found }),
        }
    }
    differences
}

/// Whether `wanted` is in `found`.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (found, wanted) if is_nothing(found) && is_nothing(wanted) => true,
        (Value::Object(found), Value::Object(wanted)) => differences(found, wanted).is_empty(),
        (Value::Array(found), Value::Array(wanted)) => {
            let found: Vec<_> = found.iter().filter(|value| !value.is_null()).collect();
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| holds(f, w))
        }
        // 60 comes back as 60.0.
        (Value::Number(found), Value::Number(wanted)) => {
            found == wanted || found.as_f64() == wanted.as_f64()
        }
        _ => found == wanted,
    }
}

/// Whether a value is what SageMaker leaves out: null, `{}`, `[]`, and what holds nothing else.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(is_nothing),
        Value::Array(elements) => elements.iter().all(Value::is_null),
        _ => false,
    }
}

/// What was found with everything that `wanted` names put over it; lists are replaced whole.
pub fn merged(found: Map<String, Value>, wanted: Map<String, Value>) -> Map<String, Value> {
    over(sendable_members(found), wanted)
}

fn over(mut found: Map<String, Value>, wanted: Map<String, Value>) -> Map<String, Value> {
    for (name, wanted) in wanted {
        let value = match (found.remove(&name), wanted) {
            (Some(Value::Object(found)), Value::Object(wanted)) => {
                Value::Object(over(found, wanted))
            }
            (_, wanted) => wanted,
        };
        found.insert(name, value);
    }
    found
}

fn sendable_members(members: Map<String, Value>) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name, sendable(value)?))).collect()
}

/// A value of an answer as a request may hold it: without null, with 60 for 60.0, and without a list that
/// holds `{}`: a union whose member was not told, which nobody can send back.
fn sendable(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => Some(Value::Object(sendable_members(members))),
        Value::Array(elements) => {
            let elements: Vec<_> = elements.into_iter().filter_map(sendable).collect();
            let told = |value: &Value| value.as_object().is_none_or(|members| !members.is_empty());
            elements.iter().all(told).then_some(Value::Array(elements))
        }
        Value::Number(number) => Some(Value::Number(whole(&number).unwrap_or(number))),
        value => Some(value),
    }
}

/// 60 for 60.0.
fn whole(number: &Number) -> Option<Number> {
    let fraction = number.as_f64().filter(|_| number.is_f64())?;
    // Beyond, not every integer is a double.
    let is_whole = fraction.fract() == 0.0 && fraction.abs() < 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
    is_whole.then(|| Number::from(fraction as i64))
}

/// Whether a profile holds nothing which `wanted` would not give it, but for what SageMaker itself fills in
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html>,
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SharingSettings.html>).
pub fn holds_nothing_else(found: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    let filled_in = [
        ("AutoMountHomeEFS", "DefaultAsDomain"),
        ("SharingSettings.NotebookOutputOption", "Disabled"),
    ];
    differences(wanted, found).into_iter().all(|differs| {
        filled_in.iter().any(|(path, value)| {
            let held = path.split('.').try_fold(None, |at: Option<&Value>, name| {
                Some(Some(at.map_or_else(|| found.get(name), |at| at.get(name))?))
            });
            // A structure counts when it holds nothing else.
            let alone = |top: &str| {
                found.get(top).and_then(Value::as_object).is_none_or(|members| members.len() == 1)
            };
            let top = path.split('.').next().unwrap_or_default();
            let is_path = differs.path == *path || (differs.path == top && alone(top));
            is_path
                && differs.found.is_none()
                && held.flatten().and_then(Value::as_str) == Some(*value)
        })
    })
}

/// In which way a profile differs, as a short text: the members and what stands there, whatever the order
/// of lists.
pub fn way(differences: &[Difference<'_>]) -> String {
    let members: Vec<_> = differences
        .iter()
        .map(|Difference { path, found }| json!([path, found.map(without_order)]))
        .collect();
    let digest = digest(&SHA256, Value::from(members).to_string().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn without_order(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), without_order(value))).collect()
        }
        Value::Array(elements) => {
            let mut elements: Vec<_> = elements.iter().map(without_order).collect();
            elements.sort_by_cached_key(Value::to_string);
            elements.into()
        }
        value => value.clone(),
    }
}

/// Members that SageMaker does not accept together, in words
/// (<https://github.com/hashicorp/terraform-provider-aws/issues/35504>).
pub fn excluding(settings: &Map<String, Value>) -> Option<&'static str> {
    let text = |name| settings.get(name).and_then(Value::as_str).unwrap_or_default();
    let excluding =
        text("StudioWebPortal") == "DISABLED" && text("DefaultLandingUri").starts_with("studio::");
    excluding.then_some(
        "StudioWebPortal DISABLED and DefaultLandingUri studio:: exclude each other: name both in user_settings",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn paths(found: &Value, wanted: Value) -> Vec<String> {
        let found = object(found.clone());
        differences(&found, &object(wanted)).into_iter().map(|differs| differs.path).collect()
    }

    #[test]
    fn members_that_the_mapping_does_not_name_are_no_drift() {
        let found = json!({"A": {"B": 1, "C": 2}, "L": [{"X": 1, "Y": 2}], "Z": true});
        assert!(holds(&found, &json!({"A": {"B": 1.0}, "L": [{"X": 1}]})));
        for drifted in [
            json!({"A": {"B": 2}}),
            json!({"A": {"D": 1}}),
            json!({"L": []}),
            json!({"L": [{"X": 1}, {"X": 1}]}),
            json!({"Z": "true"}),
        ] {
            assert!(!holds(&found, &drifted), "{drifted}");
        }
        assert!(
            !holds(&json!({"L": [1, 2]}), &json!({"L": [2, 1]})),
            "lists are compared in order"
        );
    }

    #[test]
    fn what_is_not_there_is_the_same_as_what_is_empty() {
        let nothing = [json!({}), json!({"M": null}), json!({"M": {}}), json!({"M": []})];
        let empty = [json!({}), json!([]), json!({"A": []}), json!({"A": {"B": {}}})];
        for found in &nothing {
            for wanted in &empty {
                assert_eq!(paths(found, json!({"M": wanted})), [""; 0], "{found} {wanted}");
            }
            assert_eq!(paths(found, json!({"M": {"A": [], "B": 1}})), ["M"], "{found}");
            assert_eq!(paths(found, json!({"M": [1]})), ["M"], "{found}");
            assert_eq!(paths(found, json!({"M": false})), ["M"], "{found}");
        }
        assert_eq!(paths(&json!({"M": {"A": 1}}), json!({"M": {"B": {}}})), [""; 0]);
        assert_eq!(paths(&json!({"M": [1]}), json!({"M": []})), ["M"], "it is to be cleared");
    }

    #[test]
    fn answers_may_be_odd() {
        let found = json!({"L": [null, "a", null], "N": {"Minutes": 60.0}, "U": [{}]});
        assert_eq!(paths(&found, json!({"L": ["a"], "N": {"Minutes": 60}})), [""; 0]);
        assert_eq!(paths(&found, json!({"U": [{"EFS": {"Id": "fs-1"}}]})), ["U"]);
        let sent = merged(object(found), object(json!({"E": {}, "F": []})));
        assert_eq!(
            Value::Object(sent),
            json!({"L": ["a"], "N": {"Minutes": 60}, "E": {}, "F": []})
        );
    }

    #[test]
    fn what_sagemaker_fills_in_by_itself_is_nobodys_setting() {
        let wanted = object(json!({"ExecutionRole": "r", "StudioWebPortal": "ENABLED"}));
        for (found, holds) in [
            (json!({"ExecutionRole": "r"}), true),
            (json!({"AutoMountHomeEFS": "DefaultAsDomain"}), true),
            (json!({"AutoMountHomeEFS": "Enabled"}), false),
            (json!({"SharingSettings": {"NotebookOutputOption": "Disabled"}}), true),
            (json!({"SharingSettings": {"NotebookOutputOption": "Allowed"}}), false),
            (
                json!({"SharingSettings": {"NotebookOutputOption": "Disabled", "S3OutputPath": "s3://x"}}),
                false,
            ),
            (json!({"SecurityGroups": ["sg-1"]}), false),
            (json!({"SecurityGroups": []}), true),
            (json!({"StudioWebPortal": "DISABLED"}), false),
        ] {
            assert_eq!(holds_nothing_else(&object(found.clone()), &wanted), holds, "{found}");
        }
    }

    #[test]
    fn drift_is_told_by_the_path_of_each_member() {
        let found = json!({"A": {"B": 1, "C": 2}, "L": [1], "R": "role"});
        let wanted = json!({"A": {"B": 5, "D": {"E": 1}}, "L": [1], "R": "other"});
        assert_eq!(paths(&found, wanted), ["A.B", "A.D", "R"]);
    }

    #[test]
    fn merging_keeps_what_the_mapping_does_not_name() {
        let found = json!({"A": {"B": 1, "C": 2}, "L": [1], "Z": true});
        let wanted = json!({"A": {"B": 5}, "L": [2], "N": "new"});
        assert_eq!(
            Value::Object(merged(object(found), object(wanted))),
            json!({"A": {"B": 5, "C": 2}, "L": [2], "Z": true, "N": "new"})
        );
    }

    #[test]
    fn profiles_differ_in_the_same_way_whatever_the_order_of_a_list() {
        let wanted = object(json!({"L": ["a", "b", "c"], "M": 1}));
        let way_of = |found: Value| {
            let found = object(found);
            way(&differences(&found, &wanted))
        };
        let one = way_of(json!({"L": ["b", "a"], "M": 1}));
        assert_eq!(one, way_of(json!({"L": ["a", "b"], "M": 1, "Other": 5})));
        for other in [json!({"L": ["a"], "M": 1}), json!({"L": ["b", "a"]}), json!({"M": 1})] {
            assert_ne!(one, way_of(other.clone()), "{other}");
        }
    }

    #[test]
    fn a_portal_that_is_off_is_no_place_to_land() {
        let off = json!({"StudioWebPortal": "DISABLED", "DefaultLandingUri": "studio::"});
        assert!(excluding(&object(off)).is_some());
        assert!(excluding(&object(json!({"StudioWebPortal": "DISABLED"}))).is_none());
    }
}
