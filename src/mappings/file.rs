//! A file of teams and `IdPs`, as it stands in version control.
//!
//! ```yaml
//! teams:
//! - team_id: team1
//!   account_id: "222222222222"
//! idps:
//! - entity_id: https://idp.example.com
//!   metadata_file: idp.xml
//! ```
//!
//! Items are held against the same rules as a sign-in's, by the same code; every fault of the file is
//! reported, with its line.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::change::{REVISION, is_count};
use super::yaml::{Content, Member, Node, Plain, Problem, on_one_line, parse, write_list};
use super::{Mapping, NOTES, OWNER, Stored, Table, nearest, subject, unknown_attribute};
use crate::team::item::{Fault, Item, Record, excerpt, misspelt, plain};

/// What a file says: the items of each table that it speaks of.
#[derive(Debug, Clone)]
pub struct MappingFile {
    /// The teams; `None` where the file does not speak of teams.
    pub teams: Option<Vec<Entry>>,
    /// The `IdPs`; `None` where the file does not speak of `IdPs`.
    pub idps: Option<Vec<Entry>>,
    /// Whose the items are: one label of each file that was read, `None` of a file without one.
    pub owners: BTreeSet<Option<String>>,
    /// What in it does nothing, each with file and line.
    pub ignored: Vec<String>,
}

impl MappingFile {
    /// The items for a table; `None` where the file does not speak of it.
    pub fn entries(&self, table: Table) -> Option<&[Entry]> {
        match table {
            Table::Teams => self.teams.as_deref(),
            Table::Idps => self.idps.as_deref(),
        }
    }

    /// Several files as one. An id that stands in two of them is a fault with both places.
    ///
    /// # Errors
    ///
    /// Every id that stands twice, or differs from another in case only.
    pub fn joined(files: Vec<Self>) -> Result<Self, FileFaults> {
        let mut whole =
            Self { teams: None, idps: None, owners: BTreeSet::new(), ignored: Vec::new() };
        let mut faults = Vec::new();
        let mut seen: BTreeMap<(Table, String), Entry> = BTreeMap::new();
        for file in files {
            whole.owners.extend(file.owners);
            whole.ignored.extend(file.ignored);
            for (table, entries) in [(Table::Teams, file.teams), (Table::Idps, file.idps)] {
                let Some(entries) = entries else { continue };
                for entry in &entries {
                    let key = (table, folded(table, &entry.key));
                    let Some(first) = seen.get(&key) else {
                        seen.insert(key, entry.clone());
                        continue;
                    };
                    let name = subject(table, &entry.key);
                    let place = format!("{}:{}", first.file, first.line);
                    faults.push(FileFault::new(
                        &entry.file,
                        entry.line,
                        match first.key == entry.key {
                            true => format!("{name}: stands twice, first in {place}"),
                            false => {
                                format!("{name}: {}", alike(&first.key, &format!("in {place}")))
                            }
                        },
                    ));
                }
                let all = match table {
                    Table::Teams => &mut whole.teams,
                    Table::Idps => &mut whole.idps,
                };
                all.get_or_insert_default().extend(entries);
            }
        }
        if faults.is_empty() { Ok(whole) } else { Err(FileFaults::new(faults)) }
    }
}

/// Ids of teams are the same to SageMaker whatever their case.
fn folded(table: Table, key: &str) -> String {
    if table == Table::Teams { key.to_ascii_lowercase() } else { key.to_owned() }
}

fn alike(other: &str, place: &str) -> String {
    let other = excerpt(other);
    format!(
        "team_id: found an id that differs from {other} {place} in case only, expected ids that differ in more"
    )
}

/// One item of a file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The item's key.
    pub key: String,
    /// The file's name, as it was asked for.
    pub file: String,
    /// Line of its beginning, from 1.
    pub line: usize,
    /// The item as the table will hold it, metadata included.
    pub item: Item,
    /// The team or `IdP`.
    pub mapping: Mapping,
}

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// The file's name, as it was asked for.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
    /// The attribute, what was found and what is expected, where one attribute is at fault.
    pub fault: Option<Fault>,
}

impl FileFault {
    /// A fault in words.
    pub fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into(), fault: None }
    }

    /// For programs.
    pub fn as_json(&self) -> Value {
        let fault = self.fault.as_ref();
        json!({
            "file": self.file,
            "line": self.line,
            "attribute": fault.map(|fault| &fault.attribute),
            "found": fault.map(|fault| &fault.found),
            "expected": fault.map(|fault| &fault.expected),
            "message": self.message,
        })
    }
}

/// Every fault of one or several files. `Display` has one line for each: `teams.yaml:12: team "x": …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FileFaults {
    /// At least one, file by file in the order of the lines.
    pub faults: Vec<FileFault>,
}

impl FileFaults {
    /// Faults, in the order of the files and lines.
    pub fn new(mut faults: Vec<FileFault>) -> Self {
        faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Self { faults }
    }
}

impl fmt::Display for FileFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, FileFault { file, line, message, .. }) in self.faults.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{file}:{line}: {message}")?;
        }
        Ok(())
    }
}

fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// Stands for `metadata_xml` in a file: a path, relative to the file.
const METADATA_FILE: &str = "metadata_file";

/// Reads a file. `metadata` gives the text of a metadata file by its path.
///
/// # Errors
///
/// Every fault, each with its line.
pub fn read(
    file: &str,
    text: &str,
    metadata: impl Fn(&str) -> Result<String, String>,
) -> Result<MappingFile, FileFaults> {
    match read_usable(file, text, metadata) {
        (Some(read), faults) if faults.is_empty() => Ok(read),
        (_, faults) => Err(FileFaults::new(faults)),
    }
}

/// What of a file can be used, `None` where it is no file of mappings at all, and every fault.
pub fn read_usable(
    file: &str,
    text: &str,
    metadata: impl Fn(&str) -> Result<String, String>,
) -> (Option<MappingFile>, Vec<FileFault>) {
    let mut reader = Reader { file, metadata: &metadata, faults: Vec::new(), ignored: Vec::new() };
    let read = match parse(text) {
        Ok(root) => reader.sections(&root),
        Err(problems) => {
            let fault = |Problem { line, message }| FileFault::new(file, line, message);
            reader.faults.extend(problems.into_iter().map(fault));
            None
        }
    };
    let Reader { faults, ignored, .. } = reader;
    (read.map(|read| MappingFile { ignored, ..read }), faults)
}

struct Reader<'a> {
    file: &'a str,
    metadata: &'a dyn Fn(&str) -> Result<String, String>,
    faults: Vec<FileFault>,
    ignored: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, line: usize, message: impl Into<String>) {
        self.faults.push(FileFault::new(self.file, line, message));
    }

    /// A fault of one attribute of an item.
    fn attribute(&mut self, line: usize, item: &str, fault: Fault) {
        let message = format!("{item}: {fault}");
        let fault = Some(fault);
        self.faults.push(FileFault { file: self.file.to_owned(), line, message, fault });
    }

    fn sections(&mut self, root: &Node) -> Option<MappingFile> {
        const EXPECTED: &str = "expected teams: and idps:, each a list of items";
        let owner = root.members().and_then(|members| self.owner(members));
        let owners = BTreeSet::from([owner.clone()]);
        let mut read = MappingFile { teams: None, idps: None, owners, ignored: Vec::new() };
        let Some(members) = root.members() else {
            self.fault(root.line, format!("the file is no map, {EXPECTED}"));
            return None;
        };
        for member in members {
            match member.name.as_str() {
                "teams" => {
                    read.teams = Some(self.section(Table::Teams, &member.node, owner.as_deref()));
                }
                "idps" => {
                    read.idps = Some(self.section(Table::Idps, &member.node, owner.as_deref()));
                }
                "$schema" | OWNER => {}
                // Where anchors are written that items refer to.
                other if other.starts_with("x-") => {}
                other => self.fault(member.line, format!("found {}, {EXPECTED}", excerpt(other))),
            }
        }
        if read.teams.is_none() && read.idps.is_none() {
            self.fault(root.line, format!("the file speaks of nothing, {EXPECTED}"));
        }
        Some(read)
    }

    /// The label that the file's items carry.
    fn owner(&mut self, members: &[Member]) -> Option<String> {
        let member = members.iter().find(|member| member.name == OWNER)?;
        let owner = member.node.to_json(OWNER, &mut Vec::new());
        let label = owner.as_str().filter(|label| is_label(label)).map(str::to_owned);
        if label.is_none() {
            let found = excerpt(&owner.to_string());
            let message =
                format!("owner: found {found}, expected a label: 1 to 64 of A-Z a-z 0-9 ._/-");
            self.fault(member.line, message);
        }
        label
    }

    fn section(&mut self, table: Table, node: &Node, owner: Option<&str>) -> Vec<Entry> {
        let Content::List(elements) = &node.content else {
            self.fault(node.line, format!("found no list, expected a list of {}s", table.noun()));
            return Vec::new();
        };
        self.keys(table, elements);
        elements.iter().filter_map(|element| self.entry(table, element, owner)).collect()
    }

    /// No key may stand twice, and no two team ids may differ in case only, whatever else the items hold.
    fn keys(&mut self, table: Table, elements: &[Node]) {
        let mut seen: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for element in elements {
            let (line, node) = element.at(table.key());
            let Content::Scalar { text: key, .. } = &node.content else { continue };
            let folded = folded(table, key);
            let name = subject(table, key);
            match seen.get(&folded) {
                Some((first, other)) if other == key => {
                    self.fault(line, format!("{name}: stands twice, first on line {first}"));
                }
                Some((first, other)) => {
                    self.fault(
                        line,
                        format!("{name}: {}", alike(other, &format!("on line {first}"))),
                    );
                }
                None => {
                    seen.insert(folded, (line, key));
                }
            }
        }
    }

    fn entry(&mut self, table: Table, node: &Node, owner: Option<&str>) -> Option<Entry> {
        if node.members().is_none() {
            self.fault(
                node.line,
                format!("found no map, expected the attributes of one {}", table.noun()),
            );
            return None;
        }
        let mut unreadable = Vec::new();
        let mut item = match node.to_json("", &mut unreadable) {
            Value::Object(item) => item,
            _ => Item::new(),
        };
        let key = item.get(table.key()).and_then(Value::as_str).map(str::to_owned);
        let name = match &key {
            Some(key) => subject(table, key),
            None => format!("a {} without a usable {}", table.noun(), table.key()),
        };
        let before = self.faults.len();
        for (line, fault) in &unreadable {
            self.attribute(*line, &name, fault.clone());
        }
        let ignored = std::iter::once(REVISION).filter(|_| table == Table::Teams).chain(NOTES);
        for note in ignored {
            if item.remove(note).is_some() {
                let (line, _) = node.at(note);
                let file = self.file;
                self.ignored.push(format!("{file}:{line}: {name}: {note} is the table's own, what the file says is ignored"));
            }
        }
        if let Some(owner) = owner {
            item.entry(OWNER).or_insert_with(|| owner.into());
        }
        let metadata_line = self.metadata(table, node, &mut item, &name);

        let unknown = match table.read(&item) {
            Ok(read)
                if self.faults.len() == before
                    && read.unknown_attributes.is_empty()
                    && read.in_part.is_empty() =>
            {
                let (key, line, mapping) = (key?, node.line, read.value);
                return Some(Entry { key, file: self.file.to_owned(), line, item, mapping });
            }
            Ok(read) => {
                for fault in read.in_part {
                    let (line, found) = node.at(&fault.attribute);
                    let fault = explained(table, &item, fault, found);
                    self.attribute(line, &name, fault);
                }
                read.unknown_attributes
            }
            Err(faults) => {
                for fault in faults {
                    // Said already, where the number or the file could not be read.
                    let said = |(_, other): &(usize, Fault)| other.attribute == fault.attribute;
                    let is_metadata = fault.attribute == "metadata_xml";
                    if unreadable.iter().any(said) || (is_metadata && metadata_line == Some(0)) {
                        continue;
                    }
                    let (line, found) = node.at(&fault.attribute);
                    let line = metadata_line.filter(|_| is_metadata).unwrap_or(line);
                    let fault = explained(table, &item, fault, found);
                    self.attribute(line, &name, fault);
                }
                // What somebody meant to take access away with is among the faults.
                let is_said =
                    |name: &str| table.attributes().contains(&name) || misspelt(name).is_some();
                item.keys().filter(|name| !is_said(name)).cloned().collect()
            }
        };
        for attribute in unknown {
            let (line, _) = node.at(&attribute);
            let message = format!("{name}: {}", unknown_attribute(table, &attribute));
            let expected = nearest(&attribute, table.attributes().iter().copied());
            let fault = Some(Fault {
                found: excerpt(&attribute),
                expected: expected.first().copied().unwrap_or("a known attribute").to_owned(),
                attribute,
            });
            self.faults.push(FileFault { file: self.file.to_owned(), line, message, fault });
        }
        None
    }

    /// Puts the text of the metadata file in its place; its line, 0 where it cannot be read.
    fn metadata(
        &mut self,
        table: Table,
        node: &Node,
        item: &mut Item,
        name: &str,
    ) -> Option<usize> {
        if table != Table::Idps {
            return None;
        }
        let path = item.remove(METADATA_FILE)?;
        let (line, _) = node.at(METADATA_FILE);
        if item.contains_key("metadata_xml") {
            self.fault(
                line,
                format!("{name}: found metadata_xml and {METADATA_FILE}, expected one of them"),
            );
            return Some(line);
        }
        let text = match path.as_str() {
            Some(path) => (self.metadata)(path),
            None => Err(format!("found {}, expected a path as text", excerpt(&path.to_string()))),
        };
        match text {
            Ok(text) => {
                item.insert("metadata_xml".into(), Value::String(text));
                Some(line)
            }
            Err(error) => {
                self.fault(line, format!("{name}: {METADATA_FILE}: {error}"));
                Some(0)
            }
        }
    }
}

/// The fault in the words of the file: what stood there without quotes, and whether quotes are all it needs.
fn explained(table: Table, item: &Item, fault: Fault, found: &Node) -> Fault {
    let Content::Scalar { text, quoted: false } = &found.content else { return fault };
    // A number where a number is expected is a number too large or too small, whatever its quotes.
    let kind = match Plain::of(text) {
        Plain::Text => return fault,
        Plain::Null => "nothing",
        Plain::Bool(_) => "true or false",
        Plain::Number(_) => "a number",
    };
    let Fault { attribute, mut expected, .. } = fault;
    let mut with_text = item.clone();
    let holds = put_at(&mut with_text, &attribute, Value::String(text.clone())).is_some()
        && !match table.read(&with_text) {
            Ok(read) => read.in_part,
            Err(faults) => faults,
        }
        .iter()
        .any(|other| other.attribute == attribute);
    if text.is_empty() {
        return Fault { attribute, found: "nothing".into(), expected };
    }
    if !holds && matches!(Plain::of(text), Plain::Number(_)) && expected.contains("number (N)") {
        return Fault { attribute, found: format!("the number {}", plain(text)), expected };
    }
    if holds {
        expected.push_str(&format!("; write it in quotes: \"{text}\""));
    }
    let found = format!("{} without quotes, which is {kind}", excerpt(text));
    Fault { attribute, found, expected }
}

fn put_at(map: &mut Item, path: &str, value: Value) -> Option<()> {
    if map.contains_key(path) {
        map.insert(path.to_owned(), value);
        return Some(());
    }
    let (first, rest) = path.split_once('.')?;
    let inner = match first.strip_suffix(']').and_then(|first| first.split_once('[')) {
        Some((name, number)) => map.get_mut(name)?.get_mut(number.parse::<usize>().ok()?)?,
        None => map.get_mut(first)?,
    };
    put_at(inner.as_object_mut()?, rest, value)
}

/// The file that the tables would be read from, and what of them it cannot hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The document.
    pub text: String,
    /// Items that are not in it, each with the reason.
    pub left_out: Vec<String>,
}

/// The items of a table as a file has them: everything but the revision, which the table counts.
pub fn exported(table: Table, items: &BTreeMap<String, Stored>) -> Vec<Item> {
    let writable = items.values().filter(|stored| stored.unwritable.is_empty());
    writable
        .map(|stored| {
            let mut item = stored.item.clone();
            item.retain(|name, value| {
                !is_count(table, name, value) && !NOTES.contains(&name.as_str())
            });
            item
        })
        .collect()
}

/// Writes the tables as YAML, with the line that makes editors check and complete it. Malformed items are
/// written as they are, since the file is where they are repaired; an item that holds what YAML cannot
/// (binary values, number sets, NULL, numbers beyond JSON) stands in a comment, as `DynamoDB` writes it.
pub fn export(schema: &str, tables: &[(Table, &BTreeMap<String, Stored>)]) -> Export {
    let mut text = format!("# yaml-language-server: $schema={schema}\n");
    let mut left_out = Vec::new();
    for (table, items) in tables {
        let name = match table {
            Table::Teams => "teams",
            Table::Idps => "idps",
        };
        for (key, stored) in items.iter().filter(|(_, stored)| !stored.unwritable.is_empty()) {
            let faults: Vec<_> = stored.unwritable.iter().map(ToString::to_string).collect();
            let reason = format!("{}: {}", subject(*table, key), faults.join("; "));
            text.push_str(&format!("# not in this file: {}\n", on_one_line(&reason)));
            text.push_str(&format!("#   {}\n", on_one_line(&typed(&stored.record).to_string())));
            left_out.push(reason);
        }
        let items = exported(*table, items);
        if items.is_empty() {
            text.push_str(&format!("{name}: []\n"));
        } else {
            text.push_str(&format!("{name}:\n"));
            write_list(&items, table.attributes(), 0, &mut text);
        }
    }
    Export { text, left_out }
}

/// A record as `DynamoDB` writes it, on one line.
pub fn typed(record: &Record) -> Value {
    let members = |map: &HashMap<String, AttributeValue>| -> Map<String, Value> {
        map.iter().map(|(name, value)| (name.clone(), typed_value(value))).collect()
    };
    Value::Object(members(record))
}

fn typed_value(value: &AttributeValue) -> Value {
    let blob = |blob: &aws_sdk_dynamodb::primitives::Blob| STANDARD.encode(blob);
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::Ss(set) => json!({"SS": set}),
        AttributeValue::Ns(set) => json!({"NS": set}),
        AttributeValue::B(bytes) => json!({"B": blob(bytes)}),
        AttributeValue::Bs(set) => json!({"BS": set.iter().map(blob).collect::<Vec<_>>()}),
        AttributeValue::L(list) => json!({"L": list.iter().map(typed_value).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": typed(map)}),
        _ => json!({"NULL": true}),
    }
}

/// The JSON Schema of a file, from the schemas of its items.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let mut item = |schema: Value| {
        let mut schema = match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        };
        schema.remove("$schema");
        if let Some(Value::Object(inner)) = schema.remove("$defs") {
            definitions.extend(inner);
        }
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            // The table counts revisions; what a file says about them is not looked at.
            properties.remove(REVISION);
            NOTES.iter().for_each(|note| {
                properties.remove(*note);
            });
        }
        schema
    };
    let team = item(Table::Teams.schema());
    let mut idp = item(Table::Idps.schema());
    if let Some(properties) = idp.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            METADATA_FILE.into(),
            json!({
                "type": "string",
                "description": "Path of the metadata, relative to this file; instead of metadata_xml.",
            }),
        );
    }
    if let Some(required) = idp.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != "metadata_xml");
    }
    idp.insert(
        "oneOf".into(),
        json!([{"required": ["metadata_xml"]}, {"required": [METADATA_FILE]}]),
    );
    definitions.insert("Team".into(), Value::Object(team));
    definitions.insert("IdP".into(), Value::Object(idp));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mappings",
        "description": "Teams and IdPs as a file in version control has them: for `teams plan` and `idps plan`.",
        "type": "object",
        "additionalProperties": false,
        "patternProperties": {"^x-": {"description": "Where anchors are written that items refer to."}},
        "properties": {
            "$schema": {"type": "string"},
            "owner": {
                "description": "Label of this file's items: --prune removes items of this label alone.",
                "type": "string",
                "pattern": "^[A-Za-z0-9._/-]{1,64}$",
            },
            "teams": {
                "description": "Every team; absent where the file does not speak of teams.",
                "type": "array",
                "items": {"$ref": "#/$defs/Team"},
            },
            "idps": {
                "description": "Every IdP; absent where the file does not speak of IdPs.",
                "type": "array",
                "items": {"$ref": "#/$defs/IdP"},
            },
        },
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let no_file = |path: &str| Err(format!("cannot read {path}"));
        let faults = read("f.yaml", text, no_file).map(|_| ()).unwrap_err();
        faults.to_string().lines().map(str::to_owned).collect()
    }

    const GOOD: &str = "teams:\n- team_id: a\n  account_id: \"012345678901\"\n  region: eu-west-1\n  domain_id: d-abc\n  execution_role_arn: arn:aws:iam::012345678901:role/A\n";

    #[test]
    fn a_file_without_idps_does_not_speak_of_them() {
        let read = read("f.yaml", GOOD, |_| Err(String::new())).unwrap();
        assert_eq!(read.teams.unwrap().len(), 1);
        assert!(read.idps.is_none());
    }

    #[test]
    fn an_account_id_without_quotes_is_explained() {
        let text = GOOD.replace("\"012345678901\"", "012345678901");
        assert_eq!(
            faults(&text),
            [
                "f.yaml:3: team \"a\": account_id: found \"012345678901\" without quotes, which is a number, expected 12 digits as text (S): a number loses leading zeros; write it in quotes: \"012345678901\""
            ]
        );
    }

    #[test]
    fn all_faults_come_at_once_each_with_its_line() {
        let text = format!(
            "{GOOD}  user_settings:\n    ExecutionRole: x\n  enabled: yes\n  grups: [b]\n- team_id: A\n  account_id: \"012345678901\"\n  region: mars\n  domain_id: d-abc\n  execution_role_arn: arn:aws:iam::012345678901:role/A\nidps: 7\nmore: 1\n"
        );
        let faults = faults(&text);
        let lines: Vec<_> = faults.iter().map(|f| f.split(": ").next().unwrap()).collect();
        assert_eq!(
            lines,
            [
                "f.yaml:8",
                "f.yaml:9",
                "f.yaml:10",
                "f.yaml:11",
                "f.yaml:13",
                "f.yaml:16",
                "f.yaml:17"
            ],
            "{faults:#?}"
        );
        assert!(faults[2].ends_with("expected perhaps groups"), "{}", faults[2]);
    }

    #[test]
    fn ids_may_not_stand_twice_nor_differ_in_case_only() {
        let again = GOOD.trim_start_matches("teams:\n");
        let other = again.replace("team_id: a", "team_id: A");
        assert_eq!(
            faults(&format!("{GOOD}{again}{other}")),
            [
                "f.yaml:7: team \"a\": stands twice, first on line 2",
                "f.yaml:12: team \"A\": team_id: found an id that differs from \"a\" on line 2 in case only, expected ids that differ in more"
            ]
        );
    }

    #[test]
    fn a_metadata_file_that_is_missing_is_the_only_fault() {
        let text = "idps:\n- entity_id: x\n  allowed_teams: ['*']\n  metadata_file: m.xml\n";
        assert_eq!(faults(text), ["f.yaml:4: IdP \"x\": metadata_file: cannot read m.xml"]);
    }

    #[test]
    fn metadata_that_cannot_be_used_is_reported_where_its_file_is_named() {
        let text = "idps:\n- entity_id: x\n  allowed_teams: ['*']\n  metadata_file: m.xml\n";
        let faults = read("f.yaml", text, |_| Ok("<a/>".into())).map(|_| ()).unwrap_err();
        assert_eq!(faults.faults.len(), 1);
        assert_eq!(faults.faults[0].line, 4);
        assert_eq!(faults.faults[0].as_json()["attribute"], "metadata_xml");
    }

    #[test]
    fn a_number_out_of_its_range_is_no_matter_of_quotes() {
        let text = format!("{GOOD}  session_duration_seconds: 60\n");
        let fault = "team \"a\": session_duration_seconds: found the number 60, expected a number (N) of seconds from 1800 to 43200";
        assert_eq!(faults(&text), [format!("f.yaml:7: {fault}")]);
    }

    #[test]
    fn a_revision_in_a_file_is_said_to_be_ignored() {
        let read =
            read("f.yaml", &format!("{GOOD}  revision: 5\n"), |_| Err(String::new())).unwrap();
        assert!(
            read.ignored[0].starts_with("f.yaml:7: team \"a\": revision"),
            "{:?}",
            read.ignored
        );
    }

    #[test]
    fn a_file_may_carry_a_label_and_a_place_for_anchors() {
        let text = format!(
            "x-lab: &lab\n  region: eu-west-1\n  domain_id: d-abc\nowner: dept-a\n{}",
            GOOD.replace("  region: eu-west-1\n  domain_id: d-abc\n", "  <<: *lab\n")
        );
        let read = read("f.yaml", &text, |_| Err(String::new())).unwrap();
        assert_eq!(read.owners, BTreeSet::from([Some("dept-a".to_owned())]));
        assert_eq!(read.teams.unwrap()[0].item["owner"], "dept-a");
        assert!(faults(&format!("owner: [x]\n{GOOD}"))[0].contains("expected a label"));
    }

    #[test]
    fn an_id_that_stands_in_two_files_is_a_fault_with_both_places() {
        let one = |name: &str, text: &str| read(name, text, |_| Err(String::new())).unwrap();
        let twice = MappingFile::joined(vec![one("a.yaml", GOOD), one("b.yaml", GOOD)]);
        assert_eq!(
            twice.unwrap_err().to_string(),
            "b.yaml:2: team \"a\": stands twice, first in a.yaml:2"
        );
        let other = GOOD.replace("team_id: a", "team_id: b");
        let both = MappingFile::joined(vec![one("a.yaml", GOOD), one("b.yaml", &other)]).unwrap();
        assert_eq!(both.teams.unwrap().len(), 2);
    }

    #[test]
    fn a_misspelt_attribute_that_takes_access_away_is_named_once() {
        let found = faults(&format!("{GOOD}  Enabled: false\n"));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("expected enabled, which takes access away"), "{found:?}");
    }

    fn stored(item: Value, more: &[(&str, AttributeValue)]) -> BTreeMap<String, Stored> {
        let mut record: Record = item
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), crate::team::item::to_dynamodb(value)))
            .collect();
        record.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        BTreeMap::from([("a".to_owned(), Stored::of(Table::Teams, record))])
    }

    #[test]
    fn a_malformed_item_is_exported_as_it_is() {
        let teams =
            stored(json!({"team_id": "a", "account_id": 7, "odd": {"x": [1, null, true]}}), &[]);
        // NULL has no place in an item, but YAML can hold it.
        let export = export("s.json", &[(Table::Teams, &teams)]);
        assert_eq!(export.left_out.len(), 1, "{}", export.text);
        let teams = stored(json!({"team_id": "a", "account_id": 7, "odd": {"x": [1, true]}}), &[]);
        let export = super::export("s.json", &[(Table::Teams, &teams)]);
        assert_eq!(
            export.text,
            "# yaml-language-server: $schema=s.json\nteams:\n- team_id: a\n  account_id: 7\n  odd:\n    x:\n      - 1\n      - true\n"
        );
    }

    #[test]
    fn what_a_file_cannot_hold_stands_in_a_comment_and_is_said() {
        let blob = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([0, 255]));
        let teams = stored(json!({"team_id": "a"}), &[("blob", blob)]);
        let export = export("s.json", &[(Table::Teams, &teams)]);
        assert!(export.text.ends_with("teams: []\n"));
        assert!(
            export.text.contains(r#"#   {"blob":{"B":"AP8="},"team_id":{"S":"a"}}"#),
            "{}",
            export.text
        );
        assert_eq!(
            export.left_out,
            [r#"team "a": blob: found a binary value (B), expected M, L, S, N, BOOL or SS"#]
        );
    }
}
