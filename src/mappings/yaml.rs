//! YAML 1.2 and JSON, with the line of every value; and YAML written back.
//!
//! Account ids are why this is not left to a deserializer: `012345678901` without quotes is a number to
//! YAML, and once it is one, nobody can say any more what stood there. So scalars keep their text, and
//! what they mean is decided here.
//!
//! As of 2026-11 no crate was found that does this whole. The newest versions were given the same files: a
//! wrong type deep inside, ids without quotes, names that stand twice, merge keys, alias bombs, 100,000
//! levels.
//!
//! - `serde-saphyr` 2.2.0 (2026-11) comes nearest: it knows places and bounds, merges, and refuses strange
//!   tags and names that stand twice. But as any value, that id is the number 12345678901.0, and thirty
//!   digits are rounded: the text would have to be cut out of the file by its place. Of the names that stand
//!   twice it says the first, and not where that stood before. It brings four crates more than
//!   `saphyr-parser`.
//! - `saphyr` 0.3.4 (2026-11) keeps texts on request, but then `K` and `'K'` are two names. It merges
//!   nothing.
//! - `marked-yaml` 0.8.0 (2025-05) keeps texts, and refuses every anchor and tag. It leaves a second document
//!   unread.
//! - `noyalib` 0.0.58 (2026-10) makes a number of that id, and does not find an anchor inside an anchor.
//! - `yaml-spanned` 0.0.3 (2025-12) merges nothing, and had not read 100,000 brackets after a minute.
//! - `serde_norway` 0.9.42 (2024-12) had not either. Its tree has no places, into a map of texts it reads a
//!   name that stands twice in silence, and what is below it is libyaml in `unsafe` Rust.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use crate::team::item::{Fault, excerpt, number_from};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Line of its beginning, from 1.
    pub line: usize,
    /// What stands there.
    pub content: Content,
}

/// What a value is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A text, a number, true, false or nothing.
    Scalar {
        /// As it stands there, quotes taken off.
        text: String,
        /// Whether it is a text whatever it looks like.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Member>),
}

/// A member of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Line of the name, from 1.
    pub line: usize,
    /// Its value.
    pub node: Node,
}

/// What makes a file unreadable, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// In words.
    pub message: String,
}

/// Deeper than any item: `DynamoDB` nests 32 levels.
const DEEPEST: usize = 64;
/// Ten times what 10,000 teams take; aliases count each time they are used.
const MOST_NODES: usize = 3_000_000;

/// Reads a file of one YAML document, or of JSON.
///
/// # Errors
///
/// The first place that is no YAML, or every name that stands twice in a map.
pub fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text =
        if text.trim_start().starts_with('{') { without_surrogates(text) } else { text.into() };
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(&text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            vec![Problem { line: error.marker().line(), message: error.info().to_owned() }]
        })?;
        let line = span.start.line();
        builder.take(event, line).map_err(|message| vec![Problem { line, message }])?;
    }
    match builder.root {
        Some(root) if builder.problems.is_empty() => Ok(root),
        Some(_) => Err(builder.problems),
        None => Err(vec![Problem { line: 1, message: "the file is empty".into() }]),
    }
}

/// JSON writes a character beyond 16 bits as two escapes, which YAML does not know: as YAML writes it.
fn without_surrogates(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return json.into();
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let unit = |text: &str| u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
        let pair = escape.get(6..).and_then(|second| Some((unit(escape)?, unit(second)?)));
        let taken = match pair {
            Some((high @ 0xd800..0xdc00, low @ 0xdc00..0xe000)) => {
                let c = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                let _ = write!(out, "\\U{c:08x}");
                12
            }
            _ => {
                let taken = escape.chars().take(2).map(char::len_utf8).sum();
                out.push_str(escape.get(..taken).unwrap_or_default());
                taken
            }
        };
        rest = escape.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out.into()
}

/// Builds the tree from the parser's events, without recursion.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

/// A list or map whose end has not come.
struct Open {
    line: usize,
    anchor: usize,
    content: Content,
    /// The name whose value comes next.
    name: Option<(String, usize)>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain || is_text(tag.as_deref())?;
                let content = Content::Scalar { text: text.into_owned(), quoted };
                self.put(Node { line, content }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                is_text(tag.as_deref())?;
                self.open(line, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                is_text(tag.as_deref())?;
                self.open(line, anchor, Content::Map(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { line, anchor, content, .. }) => {
                    let content = self.merged(content)?;
                    self.put(Node { line, content }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err("an alias inside its own anchor".into());
                };
                let node = Node { line, content: node.content.clone() };
                self.nodes += size(&node);
                self.put(node, 0)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err("a second document: the file must hold one".into())
            }
            _ => Ok(()),
        }
    }

    /// A map with the members of the maps that its merge key names: what stands there itself wins, then the
    /// first of them (<https://yaml.org/type/merge.html>).
    fn merged(&mut self, content: Content) -> Result<Content, String> {
        let Content::Map(mut members) = content else { return Ok(content) };
        let Some(at) = members.iter().position(|member| member.name == "<<") else {
            return Ok(Content::Map(members));
        };
        let merge = members.remove(at);
        let maps = match merge.node.content {
            Content::List(elements) => elements,
            content => vec![Node { line: merge.line, content }],
        };
        for map in maps {
            let Content::Map(more) = map.content else {
                return Err(
                    "found no map after <<, expected an alias of one, or a list of them".into()
                );
            };
            for member in more {
                if members.iter().all(|known| known.name != member.name) {
                    self.nodes += size(&member.node);
                    members.push(member);
                }
            }
        }
        Ok(Content::Map(members))
    }

    fn open(&mut self, line: usize, anchor: usize, content: Content) -> Result<(), String> {
        if self.open.len() >= DEEPEST {
            return Err(format!("more than {DEEPEST} levels"));
        }
        if let Some(Open { content: Content::Map(_), name: None, .. }) = self.open.last() {
            return Err("a list or map as the name of a member".into());
        }
        self.open.push(Open { line, anchor, content, name: None });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(format!("more than {MOST_NODES} values"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.content {
            Content::List(elements) => elements.push(node),
            Content::Map(members) => match (parent.name.take(), node) {
                (Some((name, line)), node) => {
                    if let Some(first) = members.iter().find(|member| member.name == name) {
                        let name = excerpt(&name);
                        let message = format!("{name} stands twice, first on line {}", first.line);
                        self.problems.push(Problem { line, message });
                    } else {
                        members.push(Member { name, line, node });
                    }
                }
                (None, Node { line, content: Content::Scalar { text, .. } }) => {
                    parent.name = Some((text, line));
                }
                (None, _) => return Err("a list or map as the name of a member".into()),
            },
            Content::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.content {
        Content::Scalar { .. } => 1,
        Content::List(elements) => 1 + elements.iter().map(size).sum::<usize>(),
        Content::Map(members) => 1 + members.iter().map(|member| size(&member.node)).sum::<usize>(),
    }
}

/// The tags of YAML's core schema beside that of texts.
const CORE: [&str; 6] = ["null", "bool", "int", "float", "seq", "map"];

/// Whether a tag makes a scalar a text; the other tags of YAML's core schema say what is plain anyway.
fn is_text(tag: Option<&Tag>) -> Result<bool, String> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(true),
        Some(tag) if tag.is_yaml_core_schema() && CORE.contains(&tag.suffix.as_str()) => Ok(false),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(true),
        Some(tag) => Err(format!(
            "the tag {}, expected none",
            excerpt(&format!("{}{}", tag.handle, tag.suffix))
        )),
    }
}

/// What a scalar without quotes is: YAML 1.2, core schema (<https://yaml.org/spec/1.2.2/#103-core-schema>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as JSON writes it.
    Number(String),
    /// Anything else.
    Text,
}

impl Plain {
    /// What the text is without quotes.
    pub fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        let based = |prefix: &str, radix: u32| {
            let digits = text.strip_prefix(prefix).filter(|rest| !rest.starts_with(['+', '-']))?;
            Some(Self::Number(u128::from_str_radix(digits, radix).ok()?.to_string()))
        };
        based("0x", 16).or_else(|| based("0o", 8)).or_else(|| decimal(text)).unwrap_or(Self::Text)
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, without what JSON does not allow.
fn decimal(text: &str) -> Option<Plain> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let bare = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if bare.is_empty() || !digits(bare) {
                return None;
            }
            (mantissa, format!("e{}", exponent.trim_start_matches('+')))
        }
        None => (text, String::new()),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !digits(whole) || !digits(part) || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let part = if part.is_empty() { String::new() } else { format!(".{part}") };
    Some(Plain::Number(format!("{sign}{whole}{part}{exponent}")))
}

impl Node {
    /// The value as JSON. A number that JSON cannot hold exactly is a fault, with its path and line.
    pub fn to_json(&self, path: &str, faults: &mut Vec<(usize, Fault)>) -> Value {
        match &self.content {
            Content::Scalar { text, quoted: true } => Value::String(text.clone()),
            Content::Scalar { text, quoted: false } => match Plain::of(text) {
                Plain::Null => Value::Null,
                Plain::Bool(flag) => Value::Bool(flag),
                Plain::Text => Value::String(text.clone()),
                Plain::Number(number) => number_from(&number).unwrap_or_else(|| {
                    let fault = Fault {
                        attribute: path.to_owned(),
                        found: format!("the number {}", excerpt(text)),
                        expected: "a number that JSON can hold exactly, or a text in quotes".into(),
                    };
                    faults.push((self.line, fault));
                    Value::Null
                }),
            },
            Content::List(elements) => elements
                .iter()
                .enumerate()
                .map(|(i, element)| element.to_json(&format!("{path}[{i}]"), faults))
                .collect(),
            Content::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|Member { name, node, .. }| {
                        let path =
                            if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                        (name.clone(), node.to_json(&path, faults))
                    })
                    .collect(),
            ),
        }
    }

    /// The members of a map; `None` for everything else.
    pub fn members(&self) -> Option<&[Member]> {
        match &self.content {
            Content::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The line and the value at a path such as `user_settings.DefaultLandingUri`, as deep as it goes.
    pub fn at(&self, path: &str) -> (usize, &Self) {
        let (mut line, mut node, mut rest) = (self.line, self, path);
        loop {
            let (found, after) = match &node.content {
                Content::Map(members) => {
                    // Names of tags may hold dots: the longest name that fits is meant.
                    let fits = |member: &&Member| {
                        let after = rest.strip_prefix(member.name.as_str());
                        after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
                    };
                    let Some(found) = members.iter().filter(fits).max_by_key(|m| m.name.len())
                    else {
                        break;
                    };
                    line = found.line;
                    (&found.node, rest.strip_prefix(found.name.as_str()).unwrap_or_default())
                }
                Content::List(elements) => {
                    let number = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                    let element = number.and_then(|(number, after)| {
                        Some((elements.get(number.parse::<usize>().ok()?)?, after))
                    });
                    let Some((element, after)) = element else { break };
                    line = element.line;
                    (element, after)
                }
                Content::Scalar { .. } => break,
            };
            (node, rest) = (found, after.strip_prefix('.').unwrap_or(after));
        }
        (line, node)
    }
}

/// Writes a map as YAML in block style, the members in the order of `first`, the others after them. What
/// [`parse`] reads from it is the same value again.
pub fn write_map(map: &Map<String, Value>, first: &[&str], indent: usize, out: &mut String) {
    let ordered = first.iter().filter_map(|name| map.get_key_value(*name));
    let others = map.iter().filter(|(name, _)| !first.contains(&name.as_str()));
    for (name, value) in ordered.chain(others) {
        out.push_str(&" ".repeat(indent));
        out.push_str(&scalar(name));
        out.push(':');
        write_value(value, indent, out);
    }
}

/// Writes a list of maps as YAML in block style.
pub fn write_list(list: &[Map<String, Value>], first: &[&str], indent: usize, out: &mut String) {
    for map in list {
        let mut item = String::new();
        write_map(map, first, indent + 2, &mut item);
        out.push_str(&" ".repeat(indent));
        out.push_str("- ");
        out.push_str(item.trim_start_matches(' '));
    }
}

/// What follows the colon of a name, or the hyphen of an element, with its line end.
fn write_value(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write_map(map, &[], indent + 2, out);
        }
        Value::Array(elements) if !elements.is_empty() => {
            out.push('\n');
            for element in elements {
                out.push_str(&" ".repeat(indent + 2));
                out.push('-');
                write_value(element, indent + 2, out);
            }
        }
        Value::String(text) if is_literal(text) => {
            let (sign, body) = match text.strip_suffix('\n') {
                Some(body) => (" |\n", body),
                None => (" |-\n", text.as_str()),
            };
            out.push_str(sign);
            for line in body.split('\n') {
                if !line.is_empty() {
                    out.push_str(&" ".repeat(indent + 2));
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        Value::String(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
            out.push('\n');
        }
        other => {
            out.push(' ');
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

/// Whether a text of several lines can stand as it is, byte for byte.
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let harmless = |c: char| c == '\n' || c == '\t' || !needs_escape(c);
    body.contains('\n')
        && !body.ends_with('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && text.chars().all(harmless)
        && body
            .split('\n')
            .all(|line| line.is_empty() || !line.trim_matches([' ', '\t']).is_empty())
}

/// A text on one line: bare where nobody can take it for anything else, in double quotes else.
fn scalar(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_./@+=- ".contains(c);
    let is_bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| bare(c) || c == ':')
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && Plain::of(text) == Plain::Text
        // YAML 1.1 took these for true and false.
        && !["y", "yes", "n", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if is_bare {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if needs_escape(c) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A text for a comment: nothing in it ends the line, or makes the document unreadable.
pub fn on_one_line(text: &str) -> String {
    let escaped = |c: char| if needs_escape(c) { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

/// Characters that YAML does not allow, or that an editor may change or hide.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        let mut faults = Vec::new();
        let value = parse(text).unwrap().to_json("", &mut faults);
        assert_eq!(faults, []);
        value
    }

    #[test]
    fn scalars_are_what_the_core_schema_says() {
        let text = "a: 012\nb: '012'\nc: yes\nd: true\ne: ~\nf: 1.50\ng: 0x1F\nh: !!str 7\ni: -0\nj: +1e3\nk: .inf\nl: 2026-01-31\n";
        assert_eq!(
            read(text),
            json!({"a": 12, "b": "012", "c": "yes", "d": true, "e": null, "f": 1.5, "g": 31, "h": "7",
                   "i": -0.0, "j": 1e3, "k": ".inf", "l": "2026-01-31"})
        );
    }

    #[test]
    fn json_is_read_as_it_is_written_by_others() {
        let text = "{\n\t\"teams\": [{\"display_name\": \"\\u00e9\\ud83d\\ude00\\/\\\\ud83d\", \"n\": 1}],\n\t\"idps\": []\n}\n";
        assert_eq!(
            read(text),
            json!({"teams": [{"display_name": "é😀/\\ud83d", "n": 1}], "idps": []})
        );
    }

    #[test]
    fn a_tag_that_is_not_of_the_core_schema_is_a_fault() {
        assert_eq!(is_text(None), Ok(false));
        let tag = |suffix: &str| Tag { handle: "tag:yaml.org,2002:".into(), suffix: suffix.into() };
        assert_eq!(is_text(Some(&tag("str"))), Ok(true));
        assert_eq!(is_text(Some(&tag("int"))), Ok(false));
        for other in ["binary", "set", "timestamp", "x"] {
            assert!(is_text(Some(&tag(other))).is_err(), "{other}");
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let node = parse("teams:\n- team_id: a\n  tags:\n    k.l: v\n    k: w\n").unwrap();
        let Content::List(teams) = &node.members().unwrap()[0].node.content else { panic!() };
        assert_eq!(teams[0].at("team_id").0, 2);
        assert_eq!(teams[0].at("tags.k.l").0, 4);
        assert_eq!(teams[0].at("tags.k").0, 5);
        assert_eq!(teams[0].at("tags.absent").0, 3);
        assert_eq!(teams[0].at("absent").0, 2);
    }

    #[test]
    fn a_name_that_stands_twice_is_said_with_both_lines() {
        assert_eq!(
            parse("a: 1\nb: 2\na: 3\n").unwrap_err(),
            [Problem { line: 3, message: "\"a\" stands twice, first on line 1".into() }]
        );
    }

    #[test]
    fn anchors_serve_and_do_not_explode() {
        assert_eq!(read("a: &x [1, 2]\nb: *x\n"), json!({"a": [1, 2], "b": [1, 2]}));
        let mut bomb = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let aliases = vec![format!("*l{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("l{level}: &l{level} [{aliases}]\n"));
        }
        let problems = parse(&bomb).unwrap_err();
        assert!(problems[0].message.starts_with("more than"), "{problems:?}");
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_line() {
        for (text, line) in [("a: 1\nb: [1\n", 3), ("a: 1\n\tb: 2\n", 1), ("", 1), ("a: !x 1\n", 1)]
        {
            let problems = parse(text).unwrap_err();
            assert_eq!(problems[0].line, line, "{text:?}: {problems:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn metadata_stands_as_it_is() {
        let mut out = String::new();
        let map = json!({"metadata_xml": "<a>\n  <b/>\n</a>\n", "b": "x"});
        write_map(map.as_object().unwrap(), &["b"], 0, &mut out);
        assert_eq!(out, "b: x\nmetadata_xml: |\n  <a>\n    <b/>\n  </a>\n");
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[a-zA-Z0-9:#_. \\-\\[\\]{},&*!|>'\"%@`~\\\\]{0,12}",
            "([a-z<>:# \\t-]{0,6}\\n){0,4}[a-z]{0,2}",
            "\\PC{0,10}",
            any::<String>(),
            Just("012345678901".to_owned()),
            Just("no".to_owned()),
            Just("1e3".to_owned()),
        ];
        let leaf = prop_oneof![
            text.prop_map(Value::String),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            (-1000i32..1000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map("[a-zA-Z:. ]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn what_is_written_is_read_again(values in proptest::collection::btree_map("[a-z]{1,3}", value(), 1..4)) {
            let map: Map<String, Value> = values.into_iter().collect();
            let mut out = String::new();
            write_map(&map, &["b"], 0, &mut out);
            let mut faults = Vec::new();
            let read = parse(&out).map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{out}")))?;
            prop_assert_eq!(read.to_json("", &mut faults), Value::Object(map), "{}", out);
            prop_assert_eq!(faults, []);
        }
    }
}
