//! Items of the administrators' tables, read with suspicion.
//!
//! Teams and `IdPs` are edited from a file, by the command line and by hand in the `DynamoDB`
//! console, so every read treats an item as untrusted. Both ways end here: a `DynamoDB` item is
//! turned into JSON ([`read_record`]), a file already is JSON, and [`ItemReader`] takes one
//! attribute after the other and collects **every** fault instead of stopping at the first.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value};

/// An item as JSON: attribute name to value.
pub type Item = Map<String, Value>;

/// An item as `DynamoDB` holds it.
pub type Record = HashMap<String, AttributeValue>;

/// One attribute that cannot be used, with what stood there and what should stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The attribute's name; a path such as `user_settings.JupyterLabAppSettings` below the top.
    pub attribute: String,
    /// What was found: escaped and cut to 100 characters.
    pub found: String,
    /// The rule, as a phrase that follows "expected".
    pub expected: String,
}

/// All faults of one item. `Display` names table, key, and each attribute with found and expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ItemFaults {
    /// Name of the table (or file) that holds the item.
    pub table: String,
    /// The item's key.
    pub key: String,
    /// At least one fault, in the order of the attributes in the contract's tables.
    pub faults: Vec<Fault>,
    /// What of the item can be read all the same: whoever would have access is told of the fault.
    pub readable: Item,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attribute = plain(&self.attribute);
        write!(f, "{attribute}: found {}, expected {}", self.found, self.expected)
    }
}

impl fmt::Display for ItemFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, key {}", self.table, excerpt(&self.key))?;
        for fault in &self.faults {
            write!(f, "; attribute {fault}")?;
        }
        Ok(())
    }
}

/// What a value must be to stand in an attribute.
pub trait Attribute: Sized {
    /// The rule as a phrase that follows "expected", for whoever edits the item.
    const EXPECTED: &'static str;

    /// The parsed value, or `None` when the rule does not hold.
    fn parse(value: &Value) -> Option<Self>;
}

impl Attribute for bool {
    const EXPECTED: &'static str = "true or false (BOOL)";

    fn parse(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Attribute for u64 {
    const EXPECTED: &'static str = "a whole number, not negative (N)";

    fn parse(value: &Value) -> Option<Self> {
        value.as_u64()
    }
}

impl Attribute for String {
    const EXPECTED: &'static str = "text (S), not empty";

    fn parse(value: &Value) -> Option<Self> {
        value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

impl<T: Attribute> Attribute for Vec<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn parse(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::parse).collect()
    }
}

/// Takes the attributes of one item and remembers what was wrong with them.
#[derive(Debug)]
pub struct ItemReader<'a> {
    item: &'a Item,
    known: BTreeSet<&'static str>,
    faults: Vec<Fault>,
    in_part: Vec<Fault>,
}

impl<'a> ItemReader<'a> {
    /// A reader of `item`.
    pub fn new(item: &'a Item) -> Self {
        Self { item, known: BTreeSet::new(), faults: Vec::new(), in_part: Vec::new() }
    }

    /// An attribute that must be there.
    pub fn required<T: Attribute>(&mut self, name: &'static str) -> Option<T> {
        if !self.item.contains_key(name) {
            self.known.insert(name);
            self.fault(name, "nothing".into(), T::EXPECTED.into());
            return None;
        }
        self.optional(name)
    }

    /// An attribute that may be absent; `None` also when it is there but wrong (and a fault kept).
    pub fn optional<T: Attribute>(&mut self, name: &'static str) -> Option<T> {
        self.known.insert(name);
        let value = self.item.get(name)?;
        let parsed = T::parse(value);
        if parsed.is_none() {
            self.wrong(name, value, T::EXPECTED);
        }
        parsed
    }

    /// A list of texts (a List or a String Set); names the element that is wrong.
    pub fn list<T: Attribute>(&mut self, name: &'static str) -> Option<Vec<T>> {
        self.known.insert(name);
        let value = self.item.get(name)?;
        let Some(elements) = value.as_array() else {
            self.wrong(name, value, &format!("a list (L or SS), each element {}", T::EXPECTED));
            return None;
        };
        let mut parsed = Vec::with_capacity(elements.len());
        for element in elements {
            match T::parse(element) {
                Some(element) => parsed.push(element),
                None => self.wrong(name, element, &format!("each element {}", T::EXPECTED)),
            }
        }
        (parsed.len() == elements.len()).then_some(parsed)
    }

    /// The raw value, for attributes with a structure of their own.
    pub fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.insert(name);
        self.item.get(name)
    }

    /// Records that `value` under `attribute` breaks the rule `expected`.
    pub fn wrong(&mut self, attribute: &str, value: &Value, expected: &str) {
        self.fault(attribute, found(value), expected.into());
    }

    /// Records a fault that closes a part of the item, and not the item.
    pub fn fault_in_part(&mut self, fault: Fault) {
        self.in_part.push(fault);
    }

    /// Takes the faults that close a part of the item each; of an item that is closed anyway they are told
    /// among the others.
    pub fn faults_in_part(&mut self) -> Vec<Fault> {
        let in_part = std::mem::take(&mut self.in_part);
        if !self.faults.is_empty() {
            self.faults.extend(in_part.iter().cloned());
        }
        in_part
    }

    /// Records a fault in words.
    pub fn fault(&mut self, attribute: &str, found: String, expected: String) {
        self.faults.push(Fault { attribute: attribute.into(), found, expected });
    }

    /// Ends the reading: the faults, and the names of attributes that nobody asked for. A name that
    /// somebody meant to take access away with is a fault ([`misspelt`]).
    pub fn finish(mut self) -> (Vec<Fault>, Vec<String>) {
        let unknown = self.item.keys().filter(|name| !self.known.contains(name.as_str()));
        let (meant, unknown): (Vec<_>, Vec<_>) =
            unknown.cloned().partition(|name| misspelt(name).is_some());
        self.faults.extend(meant.iter().filter_map(|name| misspelt(name)));
        (self.faults, unknown)
    }
}

/// The attributes that take access away: who misspells one of them believes that a door is closed.
const TAKES_ACCESS_AWAY: [&str; 6] = [
    "enabled",
    "allowed_cidrs",
    "authn_contexts",
    "denied_users",
    "require_signed",
    "allow_unsolicited",
];

/// The fault of a name that nobody knows and that is, but for case, `_`, `-` or one letter (another, one
/// more, one less, two that changed places), one that takes access away: the item is closed rather than
/// open without what was meant. `None` for every other name. The very name counts too, where the item's
/// table does not know it: `denied_users` of a team denies nobody.
pub fn misspelt(name: &str) -> Option<Fault> {
    let plainly = |text: &str| -> Vec<char> {
        let letters = text.chars().filter(|c| !matches!(c, '_' | '-'));
        letters.flat_map(char::to_lowercase).take(32).collect()
    };
    let written = plainly(name);
    let meant = TAKES_ACCESS_AWAY.iter().find(|meant| is_one_apart(&written, &plainly(meant)))?;
    let expected = if *meant == name {
        format!("no {meant} here: it is an attribute of the other table")
    } else {
        format!("{meant}, which takes access away: until the name is right nobody gets in")
    };
    let found = format!("a name that nobody knows, {}", excerpt(name));
    Some(Fault { attribute: name.to_owned(), found, expected })
}

/// Whether two words are the same, or differ by one letter or by two neighbours that changed places.
fn is_one_apart(one: &[char], other: &[char]) -> bool {
    let start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(start..).unwrap_or(&[]), other.get(start..).unwrap_or(&[]));
    match (one, other) {
        ([], []) | ([_], []) | ([], [_]) => true,
        ([a, b, rest @ ..], [c, d, more @ ..]) if a == d && b == c && rest == more => true,
        ([_, rest @ ..], [_, more @ ..]) => rest == more || rest == other || one == more,
        _ => false,
    }
}

/// A value for a message, after "found".
pub fn found(value: &Value) -> String {
    match value {
        Value::String(text) => excerpt(text),
        Value::Number(number) => format!("the number {number}"),
        other => excerpt(&other.to_string()),
    }
}

/// An item and what is to be said about it although it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// The parsed item.
    pub value: T,
    /// What closes a part of the item, and not the item: `plan` and `apply` refuse it, a sign-in warns.
    pub in_part: Vec<Fault>,
    /// Names of attributes that nobody knows: `plan` and `apply` refuse them, a sign-in warns.
    pub unknown_attributes: Vec<String>,
}

/// Reads a `DynamoDB` item of which the attributes `known` have a meaning; all others are named, whatever
/// they hold.
///
/// # Errors
///
/// What `parse` finds. Binary values, number sets, null and numbers that JSON cannot hold are faults, too:
/// no attribute of ours is made of them.
pub fn read_record<T>(
    item: &Record,
    known: &[&str],
    parse: impl Fn(&Item) -> Result<Read<T>, Vec<Fault>>,
) -> Result<Read<T>, Vec<Fault>> {
    let is_known = |name: &str| known.contains(&name);
    let Json { item: json, mut faults, mut in_part } = json_of(item, is_known);
    let unknown: BTreeSet<_> = item.keys().filter(|name| !is_known(name)).collect();
    faults.extend(unknown.into_iter().filter_map(|name| misspelt(name)));
    match parse(&json) {
        Ok(mut read) if faults.is_empty() => {
            // What stands there and cannot be read is not of the wrong kind as well.
            let is_told = |fault: &Fault| in_part.iter().any(|one| is_within(one, fault));
            read.in_part.retain(|fault| !is_told(fault));
            in_part.append(&mut read.in_part);
            read.in_part = in_part;
            let unknown = item.keys().filter(|name| !is_known(name)).cloned();
            read.unknown_attributes = unknown.collect::<BTreeSet<_>>().into_iter().collect();
            return Ok(read);
        }
        Ok(_) => {}
        Err(more) => {
            // What stands there and cannot be read is not missing as well.
            let is_new = |fault: &Fault| faults.iter().all(|one| one.attribute != fault.attribute);
            let more: Vec<_> = more.into_iter().filter(is_new).collect();
            faults.extend(more);
        }
    }
    faults.append(&mut in_part);
    Err(faults)
}

/// Whether a fault lies in the very part of the item that another one closes.
fn is_within(one: &Fault, part: &Fault) -> bool {
    let rest = one.attribute.strip_prefix(part.attribute.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The part of a `DynamoDB` item that JSON can hold, and a fault for everything that it cannot.
pub fn readable_part(item: &Record) -> (Item, Vec<Fault>) {
    let Json { item, mut faults, in_part } = json_of(item, |_| true);
    faults.extend(in_part);
    (item, faults)
}

/// Attributes that are made of parts, each of which stands for itself: one that JSON cannot hold is left
/// out as a whole (of a list: is null there, so that the others keep their numbers) and closes nothing else.
pub const IN_PARTS: [&str; 6] = ["apps", "contact", "doors", "labels", "links", "members"];

struct Json {
    item: Item,
    faults: Vec<Fault>,
    in_part: Vec<Fault>,
}

fn json_of(item: &Record, is_wanted: impl Fn(&str) -> bool) -> Json {
    let mut json = Json { item: Item::new(), faults: Vec::new(), in_part: Vec::new() };
    let mut names: Vec<_> = item.keys().filter(|name| is_wanted(name)).collect();
    names.sort();
    for name in names {
        let Some(value) = item.get(name) else { continue };
        let value = if IN_PARTS.contains(&name.as_str()) {
            parts(name, value, &mut json.in_part)
        } else {
            to_json(name, value, &mut json.faults)
        };
        json.item.extend(value.map(|value| (name.clone(), value)));
    }
    json
}

fn parts(name: &str, value: &AttributeValue, in_part: &mut Vec<Fault>) -> Option<Value> {
    let mut whole = |path: String, value: &AttributeValue| {
        let before = in_part.len();
        to_json(&path, value, in_part).filter(|_| in_part.len() == before)
    };
    match value {
        AttributeValue::M(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            let part =
                |key: &String| Some((key.clone(), whole(format!("{name}.{key}"), map.get(key)?)?));
            Some(Value::Object(keys.into_iter().filter_map(part).collect()))
        }
        AttributeValue::L(list) => {
            let part = |(i, element)| whole(format!("{name}[{i}]"), element).unwrap_or_default();
            Some(list.iter().enumerate().map(part).collect())
        }
        value => to_json(name, value, in_part),
    }
}

/// A JSON value as `DynamoDB` stores it: S, N, BOOL, L and M.
pub fn to_dynamodb(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(elements) => AttributeValue::L(elements.iter().map(to_dynamodb).collect()),
        Value::Object(members) => AttributeValue::M(
            members.iter().map(|(name, member)| (name.clone(), to_dynamodb(member))).collect(),
        ),
    }
}

fn to_json(path: &str, value: &AttributeValue, faults: &mut Vec<Fault>) -> Option<Value> {
    match value {
        AttributeValue::S(text) => Some(Value::String(text.clone())),
        AttributeValue::Bool(flag) => Some(Value::Bool(*flag)),
        AttributeValue::Ss(set) => {
            let sorted: BTreeSet<_> = set.iter().cloned().collect();
            Some(sorted.into_iter().map(Value::String).collect())
        }
        AttributeValue::L(list) => {
            let elements = list.iter().enumerate();
            Some(
                elements
                    .filter_map(|(i, element)| to_json(&format!("{path}[{i}]"), element, faults))
                    .collect(),
            )
        }
        AttributeValue::M(map) => {
            let members = map.iter();
            Some(Value::Object(
                members
                    .filter_map(|(name, member)| {
                        Some((name.clone(), to_json(&format!("{path}.{name}"), member, faults)?))
                    })
                    .collect(),
            ))
        }
        AttributeValue::N(number) => {
            let parsed = number_from(number);
            if parsed.is_none() {
                faults.push(Fault {
                    attribute: path.into(),
                    found: format!("the number {}", excerpt(number)),
                    expected: "a number that JSON can hold exactly".into(),
                });
            }
            parsed
        }
        other => {
            faults.push(Fault {
                attribute: path.into(),
                found: type_name(other).into(),
                expected: "M, L, S, N, BOOL or SS".into(),
            });
            None
        }
    }
}

/// The JSON number of a decimal text, if it is exactly that number: 38 digits do not fit.
pub fn number_from(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    let written = value.as_number()?.to_string();
    (Decimal::of(&written)? == Decimal::of(text)?).then_some(value)
}

/// A decimal number without leading and trailing zeros: 0.`digits` times ten to the `exponent`.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{part}");
        let significant = all.trim_start_matches('0');
        let leading = i64::try_from(all.len() - significant.len()).ok()?;
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let exponent = exponent.checked_add(i64::try_from(whole.len()).ok()? - leading)?;
        Some(Self { negative, digits, exponent })
    }
}

fn type_name(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::B(_) => "a binary value (B)",
        AttributeValue::Bs(_) => "a binary set (BS)",
        AttributeValue::Ns(_) => "a number set (NS)",
        AttributeValue::Null(_) => "NULL",
        _ => "a value of an unknown type",
    }
}

/// The longest excerpt of a foreign value in a message, in characters.
const EXCERPT: usize = 100;

/// A foreign value for a message: quoted, control characters escaped, cut to 100 characters.
pub fn excerpt(text: &str) -> String {
    let mut cut: String = text.chars().take(EXCERPT).flat_map(char::escape_debug).collect();
    if text.chars().nth(EXCERPT).is_some() {
        cut.push('…');
    }
    format!("\"{cut}\"")
}

/// A foreign text on one line of a terminal or a log: control characters and invisible ones escaped.
pub fn plain(text: &str) -> String {
    let visible = |c: char| !c.is_control() && !is_invisible(c);
    if text.chars().all(visible) {
        return text.to_owned();
    }
    let escaped = |c: char| {
        if visible(c) { c.to_string() } else { c.escape_default().to_string() }
    };
    text.chars().map(escaped).collect()
}

/// Characters that change how others are shown, or are not seen at all.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_speak_to_a_terminal() {
        assert_eq!(plain("Team \u{1b}[31m1\n\u{202e}x"), "Team \\u{1b}[31m1\\n\\u{202e}x");
        assert_eq!(plain("Équipe 1 日本"), "Équipe 1 日本");
    }

    #[test]
    fn string_sets_and_lists_read_alike() {
        for value in [
            AttributeValue::Ss(vec!["b".into(), "a".into()]),
            AttributeValue::L(vec![AttributeValue::S("a".into()), AttributeValue::S("b".into())]),
        ] {
            let item = readable_part(&HashMap::from([("groups".to_owned(), value)])).0;
            let mut reader = ItemReader::new(&item);
            assert_eq!(reader.list::<String>("groups"), Some(vec!["a".into(), "b".into()]));
        }
    }

    #[test]
    fn binary_null_and_number_sets_are_faults_with_their_path() {
        let inner = HashMap::from([("Uid".to_owned(), AttributeValue::Null(true))]);
        let item = HashMap::from([("user_settings".to_owned(), AttributeValue::M(inner))]);
        let (_, faults) = readable_part(&item);
        assert_eq!(faults[0].attribute, "user_settings.Uid");
        assert_eq!(faults[0].found, "NULL");
    }

    #[test]
    fn what_nobody_knows_may_be_anything_and_what_is_known_has_one_fault() {
        let parse = |item: &Item| {
            let mut reader = ItemReader::new(item);
            let value = reader.required::<String>("a");
            let (faults, unknown_attributes) = reader.finish();
            let in_part = Vec::new();
            value.map(|value| Read { value, in_part, unknown_attributes }).ok_or(faults)
        };
        let of = |a: AttributeValue| {
            let note = AttributeValue::L(vec![AttributeValue::Null(true)]);
            HashMap::from([("a".to_owned(), a), ("note".to_owned(), note)])
        };
        let read = read_record(&of(AttributeValue::S("x".into())), &["a"], parse).unwrap();
        assert_eq!((read.value.as_str(), read.unknown_attributes), ("x", vec!["note".to_owned()]));
        let faults = read_record(&of(AttributeValue::Null(true)), &["a"], parse).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].attribute.as_str(), faults[0].found.as_str()), ("a", "NULL"));
    }

    #[test]
    fn a_part_of_a_list_that_json_cannot_hold_closes_itself_and_is_told_once() {
        let whole = HashMap::from([("id".to_owned(), AttributeValue::S("b".into()))]);
        let broken = HashMap::from([("id".to_owned(), AttributeValue::Null(true))]);
        let list = AttributeValue::L(vec![AttributeValue::M(broken), AttributeValue::M(whole)]);
        let item = HashMap::from([("doors".to_owned(), list)]);
        let parse = |item: &Item| {
            let value = item["doors"].clone();
            let fault = |attribute: &str| Fault {
                attribute: attribute.into(),
                found: String::new(),
                expected: String::new(),
            };
            let in_part = vec![fault("doors[0]"), fault("doors[1].kind")];
            Ok(Read { value, in_part, unknown_attributes: Vec::new() })
        };
        let read = read_record(&item, &["doors"], parse).unwrap();
        assert_eq!(read.value, serde_json::json!([null, {"id": "b"}]));
        let told: Vec<_> = read.in_part.iter().map(|fault| fault.attribute.as_str()).collect();
        assert_eq!(told, ["doors[0].id", "doors[1].kind"]);
    }

    #[test]
    fn a_misspelt_attribute_that_takes_access_away_closes_the_item() {
        for (name, meant) in [
            ("Enabled", "enabled"),
            ("enable", "enabled"),
            ("enabledd", "enabled"),
            ("enabeld", "enabled"),
            ("ebabled", "enabled"),
            ("Allowed_cidrs", "allowed_cidrs"),
            ("allowed-cidrs", "allowed_cidrs"),
            ("allowedCidr", "allowed_cidrs"),
            ("alowed_cidrs", "allowed_cidrs"),
            ("denied_user", "denied_users"),
            ("DeniedUsers", "denied_users"),
            ("authn_context", "authn_contexts"),
            ("require-signed", "require_signed"),
            ("requires_signed", "require_signed"),
            ("allow_unsolicted", "allow_unsolicited"),
        ] {
            let fault = misspelt(name).unwrap();
            assert_eq!(fault.attribute, name);
            assert!(fault.expected.starts_with(meant), "{name}: {fault}");
        }
        for other in
            ["", "note", "disabled", "allowed_team", "groups", "ena", "enabled_at", "users"]
        {
            assert_eq!(misspelt(other), None, "{other}");
        }
        let parse = |item: &Item| {
            let unknown_attributes = Vec::new();
            Ok(Read { value: item.len(), in_part: Vec::new(), unknown_attributes })
        };
        let item = Record::from([("Enabled".to_owned(), AttributeValue::Null(true))]);
        assert_eq!(read_record(&item, &["enabled"], parse).unwrap_err().len(), 1);
    }

    #[test]
    fn numbers_keep_their_value() {
        let item = HashMap::from([
            ("a".to_owned(), AttributeValue::N("10001".into())),
            ("b".to_owned(), AttributeValue::N("1.5".into())),
        ]);
        let (json, _) = readable_part(&item);
        assert_eq!(serde_json::to_string(&json).unwrap(), r#"{"a":10001,"b":1.5}"#);
    }

    #[test]
    fn a_number_that_json_would_round_is_a_fault() {
        for exact in ["0", "-1", "1.50", "100", "1e3", "18446744073709551615", "0.1", "1E-7"] {
            assert!(number_from(exact).is_some(), "{exact}");
        }
        for rounded in ["12345678901234567890123", "0.12345678901234567890123", "1e999", "x", "1_0"]
        {
            assert_eq!(number_from(rounded), None, "{rounded}");
        }
    }

    #[test]
    fn excerpts_are_escaped_and_cut() {
        assert_eq!(excerpt("a\n\u{202e}b"), "\"a\\n\\u{202e}b\"");
        assert_eq!(excerpt(&"x".repeat(200)).chars().count(), 103);
    }
}
