//! What the chooser shows of a team beside its name: the attributes `apps`, `contact`, `links` and `labels`.
//!
//! None of them decides anything. So each part stands for itself: one that breaks a rule is not shown, harms
//! no other, and does not close the team.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;

use super::address::{is_link_address, is_mail_address};
use super::app::App;
use super::item::{Attribute, Fault, Item, ItemReader, excerpt, found};

/// The most links that a team has.
pub const MOST_LINKS: usize = 10;
/// The most labels that a team has.
pub const MOST_LABELS: usize = 10;
/// The longest title of a link, in characters.
const LONGEST_TITLE: usize = 128;
/// The longest name of a label, in characters; that of a tag's key, since they are often the same.
const LONGEST_LABEL_NAME: usize = 128;
/// The longest text of a label, in characters; that of a tag's value.
const LONGEST_LABEL_TEXT: usize = 256;
/// The longest address, in characters: what browsers, mail and chat take everywhere.
const LONGEST_URL: usize = 2048;

/// What the chooser shows of a team.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portal {
    /// The apps that it offers beside the team's own landing, in the order of [`App::ALL`].
    pub apps: Vec<App>,
    /// Whom to ask about the team.
    pub contact: Option<Contact>,
    /// Pages about the team.
    pub links: Vec<Link>,
    /// Texts by their names.
    pub labels: BTreeMap<String, String>,
}

impl Portal {
    /// Reads the attributes from an item; faults go to the reader, each for its part alone.
    pub fn read(reader: &mut ItemReader<'_>) -> Self {
        Self {
            apps: read_apps(reader),
            contact: read_contact(reader),
            links: read_links(reader),
            labels: read_labels(reader),
        }
    }
}

/// Whom to ask about a team: an e-mail address or the address of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend(
    "minLength" = 3,
    "maxLength" = 2048,
    "pattern" = "^([hH][tT][tT][pP][sS]://[!-~]+|[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)$"
))]
pub struct Contact(String);

impl Contact {
    /// The contact of an item that cannot be used as a whole.
    pub fn of(item: &Item) -> Option<Self> {
        item.get(CONTACT).and_then(Self::parse)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Attribute for Contact {
    const EXPECTED: &'static str = "an e-mail address or an https address without user part, ASCII, of at most 2048 characters";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str().filter(|text| text.len() <= LONGEST_URL)?;
        (is_mail_address(text) || is_link_address(text)).then(|| Self(text.to_owned()))
    }
}

/// A page about a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Link {
    /// What people read: 1 to 128 characters, no control characters, no markup.
    #[schemars(length(min = 1, max = 128))]
    pub title: String,
    /// The address: https, ASCII, at most 2048 characters, no user part.
    #[schemars(length(max = 2048), extend("pattern" = "^[hH][tT][tT][pP][sS]://[!-~]+$"))]
    pub url: String,
}

const APPS: &str = "apps";
const CONTACT: &str = "contact";
const LINKS: &str = "links";
const LABELS: &str = "labels";

/// The attributes' names.
pub const ATTRIBUTES: [&str; 4] = [APPS, CONTACT, LINKS, LABELS];

fn read_apps(reader: &mut ItemReader<'_>) -> Vec<App> {
    let Some(value) = reader.raw(APPS) else { return Vec::new() };
    let Some(elements) = value.as_array() else {
        reader.fault_in_part(wrong(APPS, value, "a list (L or SS) of apps"));
        return Vec::new();
    };
    let mut offered = Vec::new();
    for (i, element) in elements.iter().enumerate() {
        let path = format!("{APPS}[{i}]");
        match App::parse(element) {
            Some(app) if offered.contains(&app) => {
                reader.fault_in_part(wrong(&path, element, "each app once"));
            }
            Some(app) => offered.push(app),
            None => reader.fault_in_part(wrong(&path, element, App::EXPECTED)),
        }
    }
    offered.sort();
    offered
}

fn read_contact(reader: &mut ItemReader<'_>) -> Option<Contact> {
    let value = reader.raw(CONTACT)?;
    let contact = Contact::parse(value);
    if contact.is_none() {
        reader.fault_in_part(wrong(CONTACT, value, Contact::EXPECTED));
    }
    contact
}

fn read_links(reader: &mut ItemReader<'_>) -> Vec<Link> {
    let Some(value) = reader.raw(LINKS) else { return Vec::new() };
    let Some(elements) = value.as_array() else {
        let expected = "a list (L) of at most 10 links, each a map of title and url";
        reader.fault_in_part(wrong(LINKS, value, expected));
        return Vec::new();
    };
    if elements.len() > MOST_LINKS {
        reader.fault_in_part(Fault {
            attribute: LINKS.to_owned(),
            found: format!("{} links", elements.len()),
            expected: format!(
                "at most {MOST_LINKS}: those behind the {MOST_LINKS}th are not shown"
            ),
        });
    }
    let mut links: Vec<Link> = Vec::new();
    for (i, element) in elements.iter().take(MOST_LINKS).enumerate() {
        let path = format!("{LINKS}[{i}]");
        match Link::read(&path, element) {
            Ok(link) if links.contains(&link) => {
                let expected = "each link once".to_owned();
                let found = excerpt(&link.url);
                reader.fault_in_part(Fault { attribute: path, found, expected });
            }
            Ok(link) => links.push(link),
            Err(faults) => faults.into_iter().for_each(|fault| reader.fault_in_part(fault)),
        }
    }
    links
}

impl Link {
    fn read(path: &str, value: &Value) -> Result<Self, Vec<Fault>> {
        let Some(map) = value.as_object() else {
            return Err(vec![wrong(path, value, "a map (M) of title and url")]);
        };
        let mut faults = Vec::new();
        for (name, value) in map.iter().filter(|(name, _)| *name != "title" && *name != "url") {
            faults.push(wrong(&format!("{path}.{name}"), value, "a map of title and url alone"));
        }
        let mut member = |name: &str, expected: &str, holds: fn(&str) -> bool| {
            let text = map.get(name).and_then(Value::as_str).filter(|text| holds(text));
            if text.is_none() {
                let found = map.get(name).map_or_else(|| "nothing".to_owned(), found);
                let attribute = format!("{path}.{name}");
                faults.push(Fault { attribute, found, expected: expected.to_owned() });
            }
            text.map(str::to_owned)
        };
        let title = member(
            "title",
            "text (S) of 1 to 128 characters, without control characters and markup",
            |text| is_shown(text, LONGEST_TITLE),
        );
        let url = member(
            "url",
            "an https address (S) without user part, ASCII, of at most 2048 characters",
            |text| text.len() <= LONGEST_URL && is_link_address(text),
        );
        match (title, url) {
            (Some(title), Some(url)) if faults.is_empty() => Ok(Self { title, url }),
            _ => Err(faults),
        }
    }
}

fn read_labels(reader: &mut ItemReader<'_>) -> BTreeMap<String, String> {
    let Some(value) = reader.raw(LABELS) else { return BTreeMap::new() };
    let Some(map) = value.as_object() else {
        reader.fault_in_part(wrong(LABELS, value, "a map (M) of at most 10 names to texts"));
        return BTreeMap::new();
    };
    if map.len() > MOST_LABELS {
        reader.fault_in_part(Fault {
            attribute: LABELS.to_owned(),
            found: format!("{} labels", map.len()),
            expected: format!("at most {MOST_LABELS}: the last ones by name are not shown"),
        });
    }
    // The same ones every time, whatever the order in which the table gives them.
    let sorted: BTreeMap<_, _> = map.iter().collect();
    let mut labels = BTreeMap::new();
    for (name, value) in sorted.into_iter().take(MOST_LABELS) {
        let path = format!("{LABELS}.{name}");
        let text = value.as_str().filter(|text| is_shown(text, LONGEST_LABEL_TEXT));
        match text {
            _ if !is_shown(name, LONGEST_LABEL_NAME) => reader.fault_in_part(Fault {
                attribute: path,
                found: format!("the name {}", excerpt(name)),
                expected: "a name of 1 to 128 characters, without control characters and markup"
                    .to_owned(),
            }),
            Some(text) => drop(labels.insert(name.clone(), text.to_owned())),
            None => {
                let expected =
                    "text (S) of 1 to 256 characters, without control characters and markup";
                reader.fault_in_part(wrong(&path, value, expected));
            }
        }
    }
    labels
}

fn wrong(attribute: &str, value: &Value, expected: &str) -> Fault {
    Fault { attribute: attribute.to_owned(), found: found(value), expected: expected.to_owned() }
}

/// Whether people can be shown a text as a title or label: not blank, nothing that controls a line or its
/// direction, and no markup, which somebody meant to be something else than text.
fn is_shown(text: &str, longest: usize) -> bool {
    let turns = |c: char| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_markup = |after: &str| {
        after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
    };
    text.chars().count() <= longest
        && !text.trim().is_empty()
        && !text.contains(char::is_control)
        && !text.contains(turns)
        && !text.split('<').skip(1).any(is_markup)
}

/// The schema of `labels`.
pub fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MOST_LABELS,
        "propertyNames": {"minLength": 1, "maxLength": LONGEST_LABEL_NAME},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": LONGEST_LABEL_TEXT},
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(item: Value) -> (Portal, Vec<String>) {
        let mut reader = ItemReader::new(item.as_object().unwrap());
        let portal = Portal::read(&mut reader);
        let told = reader.faults_in_part().into_iter().map(|fault| fault.attribute).collect();
        assert_eq!(reader.finish(), (vec![], vec![]), "nothing closes the item");
        (portal, told)
    }

    #[test]
    fn what_is_good_is_shown() {
        let (portal, told) = read(json!({
            "apps": ["Canvas", "studio", "JupyterLab"],
            "contact": "ml-platform@example.com",
            "links": [
                {"title": "Wiki", "url": "https://wiki.example.com/@ml/start?x=1#top"},
                {"title": "R&D, < 5 TB", "url": "HTTPS://127.0.0.1:8443/"},
            ],
            "labels": {"Data class": "restricted", "زبان": "می‌خواهم", "Limit": "<5 TB, > 1 TB"},
        }));
        assert_eq!(told, Vec::<String>::new());
        assert_eq!(portal.apps, [App::Studio, App::JupyterLab, App::Canvas]);
        assert_eq!(portal.contact.unwrap().as_str(), "ml-platform@example.com");
        assert_eq!(portal.links[1].title, "R&D, < 5 TB");
        assert_eq!((portal.links.len(), portal.labels.len()), (2, 3));
    }

    #[test]
    fn a_bad_link_closes_itself_and_no_other() {
        let long = format!("https://wiki.example.com/{}", "x".repeat(3000));
        for bad in [
            json!({"title": "x", "url": "javascript:alert(1)"}),
            json!({"title": "x", "url": "JavaScript://example.com/%0Aalert(1)"}),
            json!({"title": "x", "url": "data:text/html,x"}),
            json!({"title": "x", "url": "http://example.com/"}),
            json!({"title": "x", "url": "http://localhost/"}),
            json!({"title": "x", "url": "//example.com/"}),
            json!({"title": "x", "url": "/teams/other"}),
            json!({"title": "x", "url": "https:example.com"}),
            json!({"title": "x", "url": "https://"}),
            json!({"title": "x", "url": "https:///x"}),
            json!({"title": "x", "url": "https://user@example.com/"}),
            json!({"title": "x", "url": "https://user:secret@example.com/"}),
            json!({"title": "x", "url": "https://example.com\\@evil.example/"}),
            json!({"title": "x", "url": "https://example.com/\u{7}"}),
            json!({"title": "x", "url": "https://example.com/a\nb"}),
            json!({"title": "x", "url": " https://example.com/"}),
            json!({"title": "x", "url": "https://example.com/a b"}),
            json!({"title": "x", "url": "https://exämple.com/"}),
            json!({"title": "x", "url": "https://example.com/\"><script>"}),
            json!({"title": "x", "url": long}),
            json!({"title": "x", "url": 1}),
            json!({"title": "x"}),
            json!({"url": "https://example.com/"}),
            json!({"title": "", "url": "https://example.com/"}),
            json!({"title": " \u{a0}", "url": "https://example.com/"}),
            json!({"title": "a\u{0}b", "url": "https://example.com/"}),
            json!({"title": "a\u{202e}b", "url": "https://example.com/"}),
            json!({"title": "<b>x</b>", "url": "https://example.com/"}),
            json!({"title": "x".repeat(129), "url": "https://example.com/"}),
            json!({"title": "x", "url": "https://example.com/", "target": "_top"}),
            json!("https://example.com/"),
            json!(null),
            json!([]),
        ] {
            let good = json!({"title": "Wiki", "url": "https://wiki.example.com/"});
            let (portal, told) = read(json!({"links": [bad, good]}));
            assert_eq!(portal.links.len(), 1, "{bad}");
            assert_eq!(portal.links[0].title, "Wiki");
            assert_eq!(told.len(), 1, "{bad}: {told:?}");
            assert!(told[0].starts_with("links[0]"), "{bad}: {told:?}");
        }
    }

    #[test]
    fn what_stands_twice_or_is_too_many_is_told_and_left_out() {
        let link = |i: usize| json!({"title": format!("{i}"), "url": "https://example.com/"});
        let (portal, told) = read(json!({"links": [link(1), link(1), link(2)]}));
        assert_eq!((portal.links.len(), told), (2, vec!["links[1]".to_owned()]));
        let (portal, told) = read(json!({"links": (0..11).map(link).collect::<Vec<_>>()}));
        assert_eq!((portal.links.len(), told), (10, vec!["links".to_owned()]));
        let (portal, told) = read(json!({"apps": ["Canvas", "Canvas", "canvas", 1, null]}));
        assert_eq!((portal.apps.len(), told.len()), (1, 4));
        let labels: BTreeMap<_, _> = (10..21).map(|i| (format!("k{i}"), "v")).collect();
        let (portal, told) = read(json!({"labels": labels}));
        assert_eq!((portal.labels.len(), told), (10, vec!["labels".to_owned()]));
        assert!(!portal.labels.contains_key("k20"));
    }

    #[test]
    fn a_bad_label_closes_itself_and_no_other() {
        for (name, bad) in [
            ("n", json!("<script>alert(1)</script>")),
            ("n", json!("a</dd>")),
            ("n", json!("<!--")),
            ("<b>n</b>", json!("x")),
            ("n", json!("")),
            ("", json!("x")),
            ("n", json!("a\u{1b}[2Jb")),
            ("n\n", json!("x")),
            ("n", json!("\u{2066}x")),
            ("n", json!("x".repeat(257))),
            (&"n".repeat(129), json!("x")),
            ("n", json!(4711)),
            ("n", json!(true)),
            ("n", json!(null)),
            ("n", json!(["x"])),
        ] {
            let (portal, told) = read(json!({"labels": {name: bad, "Good": "one"}}));
            assert_eq!(portal.labels, BTreeMap::from([("Good".into(), "one".into())]), "{bad}");
            assert_eq!(told, [format!("labels.{name}")]);
        }
    }

    #[test]
    fn a_bad_contact_and_other_types_close_themselves() {
        for bad in [
            json!("javascript:alert(1)"),
            json!("mailto:a@example.com"),
            json!("a@example.com?subject=x"),
            json!("a@b@example.com"),
            json!("https://user@example.com/"),
            json!("http://example.com/"),
            json!("+41 44 000 00 00"),
            json!("a b@example.com"),
            json!(format!("https://example.com/{}", "x".repeat(3000))),
            json!(1),
            json!(["a@example.com"]),
        ] {
            let (portal, told) = read(json!({"contact": bad}));
            assert_eq!((portal.contact, told), (None, vec!["contact".to_owned()]), "{bad}");
        }
        for other in [json!("x"), json!(1), json!(true), json!(null)] {
            let item = json!({"apps": other, "links": other, "labels": other});
            let (portal, told) = read(item);
            assert_eq!(portal, Portal::default());
            assert_eq!(told, ["apps", "links", "labels"]);
        }
        assert_eq!(read(json!({"links": {}, "labels": []})).1, ["links", "labels"]);
    }
}
