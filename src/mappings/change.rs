//! The difference between two states of one item, attribute by attribute.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{NOTES, Table};
use crate::team::door::ATTRIBUTE as DOORS;
use crate::team::item::{Item, excerpt, plain};
use strict_saml::{IdpMetadata, SigningKey};

/// Lists whose order means nothing: they may be String Sets.
pub const SETS: [&str; 6] =
    ["groups", "apps", "allowed_cidrs", "allowed_teams", "denied_users", "authn_contexts"];

/// The attribute that counts a team's changes and is none itself.
pub const REVISION: &str = "revision";

/// Whether an attribute of an item is a revision as `apply` counts it. Anything else of that name is an
/// attribute like any other: to be repaired, or nobody knows it.
pub fn is_count(table: Table, name: &str, value: &Value) -> bool {
    table == Table::Teams && name == REVISION && value.is_u64()
}

/// One attribute, or one member of a map, that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The attribute's name; a path such as `user_settings.JupyterLabAppSettings` below the top.
    pub path: String,
    /// What stood there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What will stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Difference {
    /// The top attribute that the path lies in.
    pub fn attribute(&self) -> &str {
        self.path.split('.').next().unwrap_or(&self.path)
    }
}

/// What differs between two states of an item, in the order of the paths; the revision does not count.
pub fn differences(before: &Item, after: &Item) -> Vec<Difference> {
    let mut found = Vec::new();
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let counts = |name: &&String| *name != REVISION && !NOTES.contains(&name.as_str());
    for name in names.into_iter().filter(counts) {
        compare(name, before.get(name), after.get(name), &mut found);
    }
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if path == DOORS
        && let (Some(old), Some(new)) = (before.and_then(by_id), after.and_then(by_id))
        && old != new
    {
        return compare(path, Some(&Value::Object(old)), Some(&Value::Object(new)), found);
    }
    match (before, after) {
        (Some(before), Some(after)) if is_same(path, before, after) => {}
        (Some(Value::Object(old)), Some(Value::Object(new)))
            if !old.is_empty() && !new.is_empty() =>
        {
            let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in names {
                compare(&format!("{path}.{name}"), old.get(name), new.get(name), found);
            }
        }
        (before, after) => found.push(Difference {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// Doors by their ids, where each has one of its own: what changes is one door, not the list.
fn by_id(doors: &Value) -> Option<Map<String, Value>> {
    let doors = doors.as_array()?;
    let named = |door: &Value| Some((door.get("id")?.as_str()?.to_owned(), door.clone()));
    let by_id: Map<_, _> = doors.iter().filter_map(named).collect();
    (by_id.len() == doors.len()).then_some(by_id)
}

/// Whether two values of an attribute mean the same.
fn is_same(path: &str, before: &Value, after: &Value) -> bool {
    if SETS.contains(&path)
        && let (Some(before), Some(after)) = (before.as_array(), after.as_array())
    {
        let texts = |list: &[Value]| -> Option<BTreeSet<String>> {
            list.iter().map(|text| text.as_str().map(str::to_owned)).collect()
        };
        return match (texts(before), texts(after)) {
            (Some(before), Some(after)) => before == after,
            _ => false,
        };
    }
    match (before, after) {
        (Value::Number(before), Value::Number(after)) => {
            before == after
                || (before.as_f64() == after.as_f64() && before.is_f64() != after.is_f64())
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before.iter().zip(after).all(|(old, new)| is_same("", old, new))
        }
        (Value::Object(before), Value::Object(after)) => {
            before.len() == after.len()
                && before
                    .iter()
                    .all(|(name, old)| after.get(name).is_some_and(|new| is_same("", old, new)))
        }
        _ => before == after,
    }
}

/// One line: the path and what happens to it; long values are cut.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, before, after } = self;
        let path = plain(path);
        if path == "metadata_xml" {
            return write!(f, "{path}: {}", keys_changed(before.as_ref(), after.as_ref()));
        }
        if SETS.contains(&path.as_str())
            && let (Some(Value::Array(before)), Some(Value::Array(after))) = (before, after)
        {
            let added = after.iter().filter(|element| !before.contains(element));
            let removed = before.iter().filter(|element| !after.contains(element));
            let all = added.map(|e| ('+', e)).chain(removed.map(|e| ('-', e)));
            let shown: Vec<_> = all.map(|(sign, e)| format!("{sign}{}", shown(e))).collect();
            return write!(f, "{path}: {}", cut(&shown, 20).join(" "));
        }
        match (before, after) {
            (None, Some(after)) => write!(f, "{path}: {}", shown(after)),
            (Some(before), None) => write!(f, "{path}: {} → nothing", shown(before)),
            (Some(before), Some(after)) => {
                write!(f, "{path}: {} → {}", shown(before), shown(after))
            }
            (None, None) => write!(f, "{path}"),
        }
    }
}

/// At most `most` of the words, then how many more there are.
pub fn cut(words: &[String], most: usize) -> Vec<String> {
    let mut shown: Vec<_> = words.iter().take(most).cloned().collect();
    if words.len() > most {
        shown.push(format!("and {} more", words.len() - most));
    }
    shown
}

/// The longest value that is shown, in characters.
const LONGEST: usize = 100;

/// A value on one line, cut to 100 characters.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => excerpt(text),
        other => {
            let text = plain(&other.to_string());
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
                None => text,
            }
        }
    }
}

/// What a change of metadata means: which keys come and go.
fn keys_changed(before: Option<&Value>, after: Option<&Value>) -> String {
    let keys = |xml: Option<&Value>| -> BTreeMap<String, Timestamp> {
        let metadata = xml.and_then(Value::as_str).map(|xml| IdpMetadata::parse(xml.as_bytes()));
        let keys = metadata.and_then(Result::ok).map(|metadata| metadata.signing_keys().to_vec());
        let row = |key: &SigningKey| (key.fingerprint().to_owned(), key.not_after());
        keys.unwrap_or_default().iter().map(row).collect()
    };
    let (old, new) = (keys(before), keys(after));
    let row = |sign: char, (fingerprint, until): (&String, &Timestamp)| {
        let short: String = fingerprint.chars().take(16).collect();
        let day = until.to_string();
        format!("{sign}key {short}… until {}", day.split('T').next().unwrap_or_default())
    };
    let added = new.iter().filter(|(key, _)| !old.contains_key(*key)).map(|key| row('+', key));
    let removed = old.iter().filter(|(key, _)| !new.contains_key(*key)).map(|key| row('-', key));
    let all: Vec<_> = added.chain(removed).collect();
    match all.as_slice() {
        [] => "other text, the same keys".into(),
        all => cut(all, 20).join(" "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(before: Value, after: Value) -> Vec<String> {
        let (before, after) = (before.as_object().unwrap(), after.as_object().unwrap());
        differences(before, after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn maps_differ_member_by_member() {
        let before = json!({"user_settings": {"A": {"B": 1, "C": "x"}}, "tags": {"k": "v"}});
        let after = json!({"user_settings": {"A": {"B": 2, "C": "x"}, "D": [1]}});
        assert_eq!(
            lines(before, after),
            [r#"tags: {"k":"v"} → nothing"#, "user_settings.A.B: 1 → 2", "user_settings.D: [1]"]
        );
    }

    #[test]
    fn sets_have_no_order_and_lists_of_settings_have() {
        let lists = |a: Value| json!({"groups": a, "user_settings": {"L": a}});
        assert_eq!(
            lines(lists(json!(["a", "b"])), lists(json!(["b", "a"]))),
            [r#"user_settings.L: ["a","b"] → ["b","a"]"#]
        );
    }

    #[test]
    fn doors_differ_one_by_one_and_their_order_is_the_lists() {
        let (a, b) = (json!({"id": "a", "arn": "x"}), json!({"id": "b", "arn": "y"}));
        let moved = json!({"id": "a", "arn": "z"});
        assert_eq!(
            lines(json!({"doors": [a, b]}), json!({"doors": [moved]})),
            [r#"doors.a.arn: "x" → "z""#, r#"doors.b: {"arn":"y","id":"b"} → nothing"#]
        );
        let turned = lines(json!({"doors": [a, b]}), json!({"doors": [b, a]}));
        assert_eq!(turned.len(), 1, "{turned:?}");
        let twice = lines(json!({"doors": [a, a]}), json!({"doors": [a]}));
        assert!(twice[0].starts_with("doors: "), "{twice:?}");
    }

    #[test]
    fn elements_of_a_set_come_and_go() {
        assert_eq!(
            lines(json!({"groups": ["a", "b"]}), json!({"groups": ["b", "c"]})),
            [r#"groups: +"c" -"a""#]
        );
    }

    #[test]
    fn the_revision_is_no_difference_and_numbers_are_equal_by_value() {
        assert_eq!(
            lines(
                json!({"revision": 1, "user_settings": {"N": 1}}),
                json!({"user_settings": {"N": 1.0}})
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_foreign_value_stays_on_its_line() {
        assert_eq!(
            lines(json!({"display_name": "a"}), json!({"display_name": "b\n\u{1b}[2J"})),
            [r#"display_name: "a" → "b\n\u{1b}[2J""#]
        );
    }
}
