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

mod export;
mod read;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

pub use self::export::{Export, export, exported, typed};
pub use self::read::{read, read_usable};
pub use self::schema::schema;
use super::{Mapping, Table, subject};
use crate::team::item::{Fault, Item, excerpt};

/// Stands for `metadata_xml` in a file: a path, relative to the file.
const METADATA_FILE: &str = "metadata_file";

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
