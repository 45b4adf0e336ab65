//! The crate's own files: imports go down, never round, and nothing is imported that does I/O.

use std::collections::BTreeMap;
use std::path::Path;

/// For each file of `src/` the files that its code outside tests names by `use crate::…`.
fn imports() -> BTreeMap<String, Vec<String>> {
    let mut imports = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&source).unwrap().with_extension("");
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let used = code.lines().filter_map(|line| line.trim().strip_prefix("use crate::"));
            let first = |rest: &str| rest.split([':', ';', ' ', '{']).next().unwrap().to_owned();
            imports.insert(name.display().to_string(), used.map(first).collect());
        }
    }
    imports
}

/// Takes away whatever imports nothing that is left; what then stays is a circle.
#[test]
fn files_import_downwards_only() {
    let mut left = imports();
    assert!(left.len() > 15, "{left:?}");
    for (name, imports) in &mut left {
        // Parts of a folder are below it.
        let own = name.split('/').next().unwrap().to_owned();
        imports.retain(|import| *import != own);
    }
    while !left.is_empty() {
        let is_left = |name: &str| left.keys().any(|key| key.split('/').next() == Some(name));
        let free: Vec<_> = left
            .iter()
            .filter(|(_, imports)| !imports.iter().any(|import| is_left(import)))
            .map(|(name, _)| name.clone())
            .collect();
        assert!(!free.is_empty(), "a circle: {left:#?}");
        left.retain(|name, _| !free.contains(name));
    }
}

/// Time, files, sockets, processes and the environment come from whoever calls.
#[test]
fn nothing_of_the_outside_is_asked_for() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for name in imports().keys() {
        let text = std::fs::read_to_string(source.join(name).with_extension("rs")).unwrap();
        for outside in
            ["std::fs", "std::net::Tcp", "std::net::Udp", "std::process", "std::env", "::now()"]
        {
            assert!(!text.contains(outside), "src/{name}.rs: {outside}");
        }
    }
}
