//! The pages of attacks (`saml/src/attacks.rs`, `src/http/attacks.rs`) against the tests: what they name
//! exists, and no attack is missing from them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in the last column of the tables, and in brackets below them.
fn named() -> BTreeSet<String> {
    let page = ["saml/src/attacks.rs", "src/http/attacks.rs"].map(read).concat();
    let rows = page.lines().filter(|line| line.starts_with("//! |"));
    let last = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit(" | ").next());
    let below = page.lines().filter(|line| line.starts_with("//!   (`"));
    let ticks = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    last.chain(below).flat_map(ticks).collect()
}

/// The names of functions in the files below a folder.
fn functions(folder: &str, extension: &str, keyword: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.ends_with("node_modules") || path.ends_with("target") {
                    continue;
                }
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = read(&path);
                let lines = text.lines().filter_map(|line| line.trim().strip_prefix(keyword));
                names.extend(lines.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
            }
        }
    }
    names
}

/// The lines of the list of generated attacks.
fn generated() -> BTreeSet<String> {
    let text = read("saml/tests/saml/attacks.rs");
    let (_, list) = text.split_once("\nattacks! {").unwrap();
    let lines = list.lines().filter_map(|line| line.trim().strip_suffix("\";"));
    lines.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let mut tests = generated();
    for folder in ["src", "saml", "line", "fuzz"] {
        tests.extend(functions(folder, "rs", "fn "));
        tests.extend(functions(folder, "rs", "async fn "));
    }
    for folder in ["tests/system", "tests/browser", "tests/admin"] {
        tests.extend(functions(folder, "py", "def "));
    }
    let missing: Vec<_> = named().difference(&tests).cloned().collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named().len() > 250, "only {} were found", named().len());
}

#[test]
fn every_attack_stands_on_the_page() {
    let mut attacks = generated();
    for file in ["test_attacks.py", "test_processes.py"] {
        let text = read(format!("tests/system/{file}"));
        let tests = text.lines().filter_map(|line| line.strip_prefix("def test_"));
        attacks.extend(tests.map(|rest| format!("test_{}", rest.split('(').next().unwrap())));
    }
    assert!(attacks.len() > 150, "only {} were found", attacks.len());
    let missing: Vec<_> = attacks.difference(&named()).cloned().collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
