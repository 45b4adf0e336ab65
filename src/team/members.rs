//! Who may open a team by name, and until when: the attribute `members`.
//!
//! Each entry stands for itself. One that cannot be read gives nothing, harms no other, and does not close
//! the team.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::idp::{is_directory, must_be_user_id};
use super::item::{Fault, ItemReader, excerpt, found};
use super::owner::DEFAULT_DIRECTORY;

/// When an access ends. What ends earlier is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Until {
    /// At this moment: from then on there is none.
    At(Timestamp),
    /// Not at all.
    Always,
}

/// What stands for access without end.
const ALWAYS: &str = "always";

impl Until {
    /// Reads `always`, or a moment as RFC 3339 writes it in UTC: `2027-01-31T18:00:00Z`. Another zone, a
    /// moment without one, a leap second and anything around it are none. What the calendar ends with is
    /// beyond the largest moment and counts as that.
    pub fn parse(text: &str) -> Option<Self> {
        if text == ALWAYS {
            return Some(Self::Always);
        }
        let shape = b"dddd-dd-ddTdd:dd:dd";
        let (whole, rest) = text.as_bytes().split_at_checked(shape.len())?;
        let is_shaped = whole.iter().zip(shape).all(|(byte, kind)| match kind {
            b'd' => byte.is_ascii_digit(),
            kind => byte == kind,
        });
        let fraction = rest.strip_suffix(b"Z")?;
        let is_fraction = match fraction.strip_prefix(b".") {
            None => fraction.is_empty(),
            Some(digits) => {
                (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
            }
        };
        let is_leap = whole.ends_with(b"60");
        if !is_shaped || !is_fraction || is_leap {
            return None;
        }
        let civil: jiff::civil::DateTime = text.strip_suffix('Z')?.parse().ok()?;
        let moment = civil.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp());
        Some(Self::At(moment.unwrap_or(Timestamp::MAX)))
    }

    /// Whether the access has ended.
    pub fn is_over(self, now: Timestamp) -> bool {
        matches!(self, Self::At(end) if now >= end)
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(end) => write!(f, "{end}"),
            Self::Always => f.write_str(ALWAYS),
        }
    }
}

impl Serialize for Until {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One person as `members` names them: a user id of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The directory.
    pub directory: String,
    /// The user id, as the IdP sends it.
    pub user_id: String,
}

impl Name {
    /// Reads a key of `members`: the user id in the default directory, or `directory/user id`.
    pub fn of_key(key: &str) -> Option<Self> {
        let (directory, user_id) = key.split_once('/').unwrap_or((DEFAULT_DIRECTORY, key));
        let holds = is_directory(directory) && must_be_user_id(user_id).is_ok();
        holds.then(|| Self { directory: directory.to_owned(), user_id: user_id.to_owned() })
    }

    /// The key that a person is written under: the user id alone where that means the same.
    pub fn key(&self) -> String {
        let Self { directory, user_id } = self;
        if directory == DEFAULT_DIRECTORY && !user_id.contains('/') {
            user_id.clone()
        } else {
            format!("{directory}/{user_id}")
        }
    }
}

/// One entry of `members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key as written.
    pub key: String,
    /// When the access ends.
    pub until: Until,
    /// Why it was given.
    pub reason: Option<String>,
    /// Who gave it.
    pub by: Option<String>,
}

/// The longest `reason`, in characters.
pub const LONGEST_REASON: usize = 256;

impl Member {
    /// Reads the value of an entry.
    fn read(key: &str, value: &Value) -> Result<Self, Fault> {
        let attribute = |member: &str| match member {
            "" => format!("{ATTRIBUTE}.{key}"),
            member => format!("{ATTRIBUTE}.{key}.{member}"),
        };
        let wrong = |member: &str, value: &Value, expected: &str| Fault {
            attribute: attribute(member),
            found: found(value),
            expected: expected.to_owned(),
        };
        let moment = |member: &str, value: &Value| {
            let until = value.as_str().and_then(Until::parse);
            until.ok_or_else(|| wrong(member, value, MOMENT))
        };
        let Some(map) = value.as_object() else {
            let until = moment("", value)?;
            return Ok(Self { key: key.to_owned(), until, reason: None, by: None });
        };
        if let Some((name, value)) =
            map.iter().find(|(name, _)| !["until", "reason", "by"].contains(&name.as_str()))
        {
            return Err(wrong(name, value, "a map of until, reason and by alone"));
        }
        let Some(until) = map.get("until") else {
            let found = "nothing".to_owned();
            return Err(Fault { attribute: attribute("until"), found, expected: MOMENT.into() });
        };
        let until = moment("until", until)?;
        let text = |name: &str, longest: usize, expected: &str| match map.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= longest => Ok(Some(text.clone())),
            Some(other) => Err(wrong(name, other, expected)),
        };
        Ok(Self {
            key: key.to_owned(),
            until,
            reason: text("reason", LONGEST_REASON, "text (S) of at most 256 characters")?,
            by: text("by", usize::MAX, "text (S)")?,
        })
    }
}

/// The attribute's name.
pub const ATTRIBUTE: &str = "members";

const MOMENT: &str =
    "always, or a moment in UTC such as 2027-01-31T18:00:00Z, or a map with such an until";

/// The people who have access by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// The entry that counts for each person: of several keys that mean the same one, the earliest end.
    people: BTreeMap<Name, Member>,
    /// Entries whose person another one names, too, and that end later.
    outdone: Vec<Member>,
}

impl Members {
    /// Reads the attribute from an item; faults go to the reader, each for its entry alone.
    pub fn read(reader: &mut ItemReader<'_>) -> Self {
        let Some(value) = reader.raw(ATTRIBUTE) else { return Self::default() };
        let mut members = Self::default();
        let Some(entries) = value.as_object() else {
            reader.fault_in_part(Fault {
                attribute: ATTRIBUTE.to_owned(),
                found: found(value),
                expected: "a map (M) of user ids to the end of their access".to_owned(),
            });
            return members;
        };
        for (key, value) in entries {
            let Some(name) = Name::of_key(key) else {
                reader.fault_in_part(Fault {
                    attribute: format!("{ATTRIBUTE}.{key}"),
                    found: excerpt(key),
                    expected: "a user id that somebody can have, or directory/user id".to_owned(),
                });
                continue;
            };
            match Member::read(key, value) {
                Ok(member) => members.add(name, member),
                Err(fault) => reader.fault_in_part(fault),
            }
        }
        members
    }

    fn add(&mut self, name: Name, member: Member) {
        let later = match self.people.remove(&name) {
            Some(known) if known.until <= member.until => {
                self.people.insert(name, known);
                member
            }
            known => {
                self.people.insert(name, member);
                let Some(known) = known else { return };
                known
            }
        };
        self.outdone.push(later);
    }

    /// The entry that counts for a person, ended or not.
    pub fn of(&self, directory: &str, user_id: &str) -> Option<&Member> {
        // Looked up for one team at a time: a key of its own costs less than an index of borrowed ones.
        let name = Name { directory: directory.to_owned(), user_id: user_id.to_owned() };
        self.people.get(&name)
    }

    /// Everybody, with the entry that counts.
    pub fn people(&self) -> impl Iterator<Item = (&Name, &Member)> {
        self.people.iter()
    }

    /// Entries that count for nothing, since an earlier end of the same person counts: each with the key
    /// that does.
    pub fn outdone(&self) -> impl Iterator<Item = (&Member, &Member)> {
        self.outdone.iter().filter_map(|member| {
            let counting = self.people.get(&Name::of_key(&member.key)?)?;
            Some((member, counting))
        })
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for member in self.people.values().chain(&self.outdone) {
            map.serialize_entry(&member.key, &member.until)?;
        }
        map.end()
    }
}

/// The schema of the attribute.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    let until = serde_json::json!({
        "type": "string",
        "pattern": r"^(always|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z)$",
        "description": "`always`, or the moment at which the access ends: RFC 3339, UTC, `Z`.",
    });
    json_schema!({
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                until,
                {
                    "type": "object",
                    "properties": {
                        "until": until,
                        "reason": {"type": "string", "maxLength": LONGEST_REASON},
                        "by": {"type": "string"},
                    },
                    "required": ["until"],
                    "additionalProperties": false,
                },
            ],
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(members: Value) -> (Members, Vec<String>) {
        let item = json!({ "members": members });
        let mut reader = ItemReader::new(item.as_object().unwrap());
        let members = Members::read(&mut reader);
        let faults = reader.faults_in_part().iter().map(|fault| fault.attribute.clone()).collect();
        (members, faults)
    }

    fn at(text: &str) -> Until {
        Until::parse(text).unwrap()
    }

    #[test]
    fn an_end_is_always_or_a_moment_in_utc() {
        assert_eq!(Until::parse("always"), Some(Until::Always));
        let moment = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(Until::parse("2027-01-15T08:00:00Z"), Some(Until::At(moment)));
        assert_eq!(at("2027-01-15T08:00:00.5Z").to_string(), "2027-01-15T08:00:00.5Z");
        // The calendar's end lies behind the largest moment.
        assert_eq!(at("9999-12-31T23:59:59Z"), Until::At(Timestamp::MAX));
        for bad in [
            "",
            "Always",
            "never",
            "2027-01-15",
            "2027-01-15T08:00:00",
            "2027-01-15T08:00:00+00:00",
            "2027-01-15T09:00:00+01:00",
            "2027-01-15T08:00:00z",
            "2027-01-15t08:00:00Z",
            "2027-01-15 08:00:00Z",
            " 2027-01-15T08:00:00Z",
            "2027-01-15T08:00:00Z ",
            "2027-01-15T08:00Z",
            "2027-01-15T08:00:60Z",
            "2027-02-30T08:00:00Z",
            "2027-13-01T08:00:00Z",
            "2027-01-15T24:00:00Z",
            "2027-01-15T08:00:00.Z",
            "2027-01-15T08:00:00,5Z",
            "2027-01-15T08:00:00.0000000001Z",
            "10000-01-01T00:00:00Z",
            "+2027-01-15T08:00:00Z",
            "-2027-01-15T08:00:00Z",
            "2027-01-15T08:00:00[UTC]Z",
            "1800000000",
        ] {
            assert_eq!(Until::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_entry_that_json_cannot_hold_is_left_out_alone() {
        assert!(super::super::item::IN_PARTS.contains(&ATTRIBUTE));
    }

    #[test]
    fn access_ends_at_its_moment() {
        let end = Timestamp::from_second(1_800_000_000).unwrap();
        let before = end - jiff::SignedDuration::from_nanos(1);
        assert!(!Until::At(end).is_over(before) && Until::At(end).is_over(end));
        assert!(!Until::Always.is_over(Timestamp::MAX));
        assert!(Until::At(Timestamp::MAX) < Until::Always);
    }

    #[test]
    fn a_key_is_a_user_id_or_a_directory_and_one() {
        let name = |key| Name::of_key(key).map(|name| (name.directory, name.user_id));
        let pair = |directory: &str, user: &str| Some((directory.to_owned(), user.to_owned()));
        assert_eq!(name("jane"), pair("default", "jane"));
        assert_eq!(name("default/jane"), pair("default", "jane"));
        assert_eq!(name("okta/jane@example.com"), pair("okta", "jane@example.com"));
        assert_eq!(name("default/corp/jane"), pair("default", "corp/jane"));
        for bad in ["", "/jane", "okta/", "Okta/jane", "a b/jane", " jane", "okta/ jane", "a\nb"] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
        assert_eq!(name(&"x".repeat(257)), None);
        for key in ["jane", "okta/jane", "default/corp/jane"] {
            assert_eq!(Name::of_key(key).unwrap().key(), key);
        }
        assert_eq!(Name::of_key("default/jane").unwrap().key(), "jane");
    }

    #[test]
    fn an_entry_that_cannot_be_read_gives_nothing_and_harms_no_other() {
        let (members, faults) = read(json!({
            "ann": "always",
            "bob": {"until": "2027-01-15T08:00:00Z", "reason": "the audit", "by": "arn"},
            "no-zone": "2027-01-15T08:00:00",
            "number": 1_800_000_000,
            "list": ["always"],
            "null": null,
            "true": true,
            "no-until": {"reason": "x"},
            "more": {"until": "always", "Until": "2027-01-15T08:00:00Z"},
            "long": {"until": "always", "reason": "x".repeat(257)},
            "numbered": {"until": "always", "reason": 7},
            "Up/case": "always",
        }));
        let names: Vec<_> = members.people().map(|(name, _)| name.user_id.as_str()).collect();
        assert_eq!(names, ["ann", "bob"]);
        let bob = members.of("default", "bob").unwrap();
        assert_eq!((bob.reason.as_deref(), bob.by.as_deref()), (Some("the audit"), Some("arn")));
        assert_eq!(faults.len(), 10);
        assert!(faults.contains(&"members.more.Until".to_owned()));
    }

    #[test]
    fn of_two_keys_for_one_person_the_earlier_end_counts() {
        for (a, b) in [("jane", "default/jane"), ("default/jane", "jane")] {
            let (members, faults) = read(json!({a: "always", b: "2027-01-15T08:00:00Z"}));
            let jane = members.of("default", "jane").unwrap();
            assert_eq!((jane.until, jane.key.as_str()), (at("2027-01-15T08:00:00Z"), b));
            let outdone: Vec<_> = members.outdone().map(|(o, c)| (&*o.key, &*c.key)).collect();
            assert_eq!((outdone, faults), (vec![(a, b)], vec![]));
        }
    }

    #[test]
    fn another_type_gives_nobody_access() {
        for other in [json!("always"), json!(["jane"]), json!(1), json!(null), json!(true)] {
            let (members, faults) = read(other);
            assert!(members.is_empty());
            assert_eq!(faults, ["members"]);
        }
    }
}
