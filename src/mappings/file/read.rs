//! Reading a file: every item against its rules, every fault with its line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Entry, FileFault, FileFaults, METADATA_FILE, MappingFile, alike, folded};
use crate::mappings::change::REVISION;
use crate::mappings::yaml::{Content, Member, Node, Plain, Problem, parse};
use crate::mappings::{NOTES, OWNER, Table, nearest, subject, unknown_attribute};
use crate::team::item::{Fault, Item, excerpt, misspelt, plain};

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
        self.without_notes(table, node, &mut item, &name);
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
        unknown.into_iter().for_each(|attribute| self.unknown(table, node, &name, attribute));
        None
    }

    /// Takes out what only the table says of an item.
    fn without_notes(&mut self, table: Table, node: &Node, item: &mut Item, name: &str) {
        let notes = std::iter::once(REVISION).filter(|_| table == Table::Teams).chain(NOTES);
        for note in notes {
            if item.remove(note).is_some() {
                let (line, _) = node.at(note);
                let file = self.file;
                self.ignored.push(format!("{file}:{line}: {name}: {note} is the table's own, what the file says is ignored"));
            }
        }
    }

    /// The fault of an attribute that nobody knows.
    fn unknown(&mut self, table: Table, node: &Node, name: &str, attribute: String) {
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

fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(fits)
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
}
