//! `user_settings` and Regions, held against what AWS publishes about its API.
//!
//! Everything here is advice: members that `SageMaker` gets tomorrow must pass today, so nothing is refused
//! for being unknown. The table `user_settings.json` is made from botocore's model of the API and the
//! partitions of the SDKs by `renew_user_settings.py`, both beside this file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::nearest;
use crate::team::item::{excerpt, plain};

#[derive(Debug, Default, Deserialize)]
struct Model {
    source: String,
    regions: BTreeMap<String, Vec<String>>,
    shapes: BTreeMap<String, Shape>,
}

/// What a value may be; exactly one of the first five is there.
#[derive(Debug, Deserialize)]
struct Shape {
    #[serde(default)]
    members: Option<BTreeMap<String, String>>,
    #[serde(default)]
    list: Option<String>,
    #[serde(default)]
    text: bool,
    #[serde(default)]
    number: bool,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default, rename = "enum")]
    choices: Vec<String>,
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    min: Option<i64>,
    #[serde(default)]
    max: Option<i64>,
}

// A table of our own that a test reads whole; an empty one would only give no advice.
static MODEL: LazyLock<Model> =
    LazyLock::new(|| serde_json::from_str(include_str!("user_settings.json")).unwrap_or_default());

/// The rules of texts, whole, by the name of their shape.
static PATTERNS: LazyLock<BTreeMap<&str, Regex>> = LazyLock::new(|| {
    let rule = |(name, shape): (&'static String, &'static Shape)| {
        let rule = Regex::new(&format!("^(?:{})$", shape.pattern.as_ref()?)).ok()?;
        Some((name.as_str(), rule))
    };
    MODEL.shapes.iter().filter_map(rule).collect()
});

/// What of a team's settings the API does not know, one sentence each: `user_settings.X: found …, expected …`.
pub fn doubts(settings: &Map<String, Value>) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(shape) = MODEL.shapes.get("UserSettings") {
        members("user_settings", shape, settings, &mut doubts);
    }
    doubts
}

/// Whether SDKs know a Region; the sentence that says it, with the nearest one.
pub fn region_doubt(region: &str) -> Option<String> {
    let mut known = MODEL.regions.values().flatten();
    if known.clone().any(|one| one == region) || MODEL.regions.is_empty() {
        return None;
    }
    let perhaps = match nearest(region, known.by_ref().map(String::as_str)).first() {
        Some(near) => format!("perhaps {near}"),
        None => "the name of a Region, such as eu-west-1".to_owned(),
    };
    let source = &MODEL.source;
    Some(format!(
        "region: found {}, which {source} does not know, expected {perhaps}",
        excerpt(region)
    ))
}

fn members(path: &str, shape: &Shape, found: &Map<String, Value>, doubts: &mut Vec<String>) {
    let Some(known) = &shape.members else { return };
    for (name, value) in found {
        let inner = format!("{path}.{}", plain(name));
        match known.get(name) {
            Some(shape) => one(&inner, shape, value, doubts),
            None => doubts.push(unknown(&inner, name, known, value)),
        }
    }
    for name in shape.required.iter().filter(|name| !found.contains_key(*name)) {
        doubts.push(format!("{path}: found no {name}, which the API requires there"));
    }
}

/// A member that the API does not have: the nearest, or what it looks like.
fn unknown(path: &str, name: &str, known: &BTreeMap<String, String>, value: &Value) -> String {
    const TYPES: [&str; 6] = ["S", "N", "BOOL", "L", "M", "SS"];
    let camel: String = name.split('_').map(capitalised).collect();
    let said = format!("{path}: found a member that the API does not know, expected");
    if TYPES.contains(&name) {
        return format!("{said} plain values: this is the notation of DynamoDB");
    }
    if name != camel && known.contains_key(&camel) {
        return format!("{said} {camel}: this is the spelling of other tools");
    }
    match nearest(name, known.keys().map(String::as_str)).first() {
        Some(near) => format!("{said} perhaps {near}"),
        None if value.is_null() => format!("{said} no null"),
        None => {
            let names: Vec<_> = known.keys().map(String::as_str).collect();
            let shown = names.iter().take(12).copied().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 12 { ", …" } else { "" };
            format!("{said} one of {shown}{more}; passed on as it is")
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn one(path: &str, name: &str, value: &Value, doubts: &mut Vec<String>) {
    let Some(shape) = MODEL.shapes.get(name) else { return };
    let found = || match value {
        Value::String(text) => excerpt(text),
        other => excerpt(&other.to_string()),
    };
    let mut doubt = |expected: String| {
        doubts.push(format!("{path}: found {}, expected {expected}", found()));
    };
    match value {
        Value::Object(inner) if shape.members.is_some() => members(path, shape, inner, doubts),
        Value::Array(elements) if shape.list.is_some() => {
            if let Some(bounds) = outside(shape, elements.len()) {
                doubt(format!("a list of {bounds} elements"));
            }
            for (i, element) in elements.iter().enumerate() {
                let of = shape.list.as_deref().unwrap_or_default();
                one(&format!("{path}[{i}]"), of, element, doubts);
            }
        }
        Value::String(text) if shape.text => {
            if !shape.choices.is_empty() {
                if !shape.choices.contains(text) {
                    doubt(choice(text, &shape.choices));
                }
            } else if let Some(bounds) = outside(shape, text.chars().count()) {
                doubt(format!("{bounds} characters"));
            } else if let Some(pattern) = &shape.pattern
                && PATTERNS.get(name).is_some_and(|rule| !rule.is_match(text))
            {
                doubt(format!("the form {pattern}"));
            }
        }
        Value::Number(number) if shape.number => {
            let number = number.as_i64();
            let below = shape.min.is_some_and(|min| number.is_none_or(|number| number < min));
            let above = shape.max.is_some_and(|max| number.is_none_or(|number| number > max));
            if number.is_none() || below || above {
                doubt(format!("a whole number{}", range(shape)));
            }
        }
        Value::Bool(_) if shape.flag => {}
        _ => doubt(kind(shape)),
    }
}

/// The bounds that a length lies outside of, in words.
fn outside(shape: &Shape, length: usize) -> Option<String> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let (min, max) = (shape.min.unwrap_or(0), shape.max.unwrap_or(i64::MAX));
    (!(min..=max).contains(&length)).then(|| match shape.max {
        Some(max) => format!("{min} to {max}"),
        None => format!("at least {min}"),
    })
}

fn range(shape: &Shape) -> String {
    match (shape.min, shape.max) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(" of at least {min}"),
        (None, Some(max)) => format!(" of at most {max}"),
        (None, None) => String::new(),
    }
}

fn choice(text: &str, choices: &[String]) -> String {
    const SHOWN: usize = 8;
    match nearest(text, choices.iter().map(String::as_str)).first() {
        Some(near) => format!("perhaps {near}"),
        None if choices.len() <= SHOWN => format!("one of {}", choices.join(", ")),
        None => {
            let shown: Vec<_> = choices.iter().take(SHOWN).map(String::as_str).collect();
            format!("one of {}, …", shown.join(", "))
        }
    }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape { members: Some(_), .. } => "a map".into(),
        Shape { list: Some(_), .. } => "a list".into(),
        Shape { number: true, .. } => format!("a number{}", range(shape)),
        Shape { flag: true, .. } => "true or false".into(),
        _ => "a text".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(settings: Value) -> Vec<String> {
        doubts(settings.as_object().unwrap())
    }

    #[test]
    fn the_table_is_whole_and_every_pattern_can_be_read() {
        assert!(MODEL.shapes.len() > 50 && MODEL.regions["aws"].len() > 20, "{}", MODEL.source);
        for (name, shape) in &MODEL.shapes {
            let inner = shape.members.iter().flat_map(BTreeMap::values).chain(&shape.list);
            inner.for_each(|inner| assert!(MODEL.shapes.contains_key(inner), "{name}: {inner}"));
            let kinds = [
                shape.members.is_some(),
                shape.list.is_some(),
                shape.text,
                shape.number,
                shape.flag,
            ];
            assert_eq!(kinds.into_iter().filter(|kind| *kind).count(), 1, "{name}");
            assert_eq!(shape.pattern.is_some(), PATTERNS.contains_key(name.as_str()), "{name}");
        }
    }

    #[test]
    fn what_the_api_does_not_know_is_said_with_the_nearest_that_it_knows() {
        for (settings, expected) in [
            (json!({"SecurityGroup": ["sg-1"]}), "perhaps SecurityGroups"),
            (json!({"security_groups": ["sg-1"]}), "expected SecurityGroups: this is the spelling"),
            (json!({"SecurityGroups": {"L": [{"S": "sg-1"}]}}), "expected a list"),
            (json!({"JupyterLabAppSettings": {"M": {}}}), "the notation of DynamoDB"),
            (json!({"SharingSettings": {"NotebookOutputOption": "Alowed"}}), "perhaps Allowed"),
            (json!({"StudioWebPortal": "OFF"}), "one of ENABLED, DISABLED"),
            (
                json!({"SecurityGroups": ["sg_1!"]}),
                "user_settings.SecurityGroups[0]: found \"sg_1!\"",
            ),
            (
                json!({"SecurityGroups": ["a", "b", "c", "d", "e", "f"]}),
                "a list of 0 to 5 elements",
            ),
            (json!({"CustomPosixUserConfig": {"Uid": 10001, "Gid": 5}}), "number from 1001 to"),
            (
                json!({"CustomPosixUserConfig": {"Uid": 10001}}),
                "found no Gid, which the API requires",
            ),
            (json!({"Whatever": 1}), "passed on as it is"),
        ] {
            let said = said(settings.clone());
            assert!(said.iter().any(|one| one.contains(expected)), "{settings}: {said:?}");
        }
    }

    #[test]
    fn what_the_api_knows_raises_no_doubt() {
        let settings = json!({
            "SecurityGroups": ["sg-0a1b2c3d"],
            "JupyterLabAppSettings": {
                "DefaultResourceSpec": {"InstanceType": "ml.t3.medium"},
                "AppLifecycleManagement": {"IdleSettings": {"IdleTimeoutInMinutes": 60}},
            },
            "CustomPosixUserConfig": {"Uid": 10001, "Gid": 1001},
            "DefaultLandingUri": "studio::", "StudioWebPortal": "ENABLED",
        });
        assert_eq!(said(settings), Vec::<String>::new());
    }

    #[test]
    fn a_region_that_no_sdk_knows_is_said_with_the_nearest() {
        assert_eq!(region_doubt("eu-central-1"), None);
        assert!(region_doubt("eu-centrall-1").unwrap().ends_with("perhaps eu-central-1"));
    }
}
