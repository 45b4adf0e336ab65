//! Files and folders of them, read as one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::input::text_of;
use crate::cli::output::{Code, Failure, plain};
use crate::mappings::file::{self, FileFault, FileFaults, MappingFile};

/// Reads and checks files and folders of them as one; each `metadata_file` is relative to its file.
pub(in crate::cli) fn read(paths: &[PathBuf]) -> Result<MappingFile, Failure> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in files_of(paths)? {
        let (file, found) = read_usable(&path)?;
        files.extend(file);
        faults.extend(found);
    }
    if !faults.is_empty() {
        return Err(Failure::of_files(&FileFaults::new(faults)));
    }
    MappingFile::joined(files).map_err(|faults| Failure::of_files(&faults))
}

/// What of one file can be used, and what is wrong with the rest.
pub(in crate::cli) fn read_usable(
    path: &Path,
) -> Result<(Option<MappingFile>, Vec<FileFault>), Failure> {
    let name = plain(&path.to_string_lossy());
    let unreadable =
        |error: String| Failure::usage(format!("{name}: {error}")).code(Code::FileUnreadable);
    let text = text_of(path).map_err(unreadable)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let metadata = |file: &str| {
        text_of(&folder.join(file)).map_err(|error| format!("{}: {error}", plain(file)))
    };
    Ok(file::read_usable(&name, &text, metadata))
}

/// What a folder's files of mappings end in.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The files, those of each folder in the order of their names.
fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let name = plain(&path.to_string_lossy());
        let listing = std::fs::read_dir(path).map_err(|error| {
            Failure::usage(format!("{name}: {error}")).code(Code::FileUnreadable)
        })?;
        let is_one = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| ENDINGS.contains(&ending)) && path.is_file()
        };
        let inside: BTreeSet<_> =
            listing.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect();
        if inside.is_empty() {
            let message = format!("{name}: found no file in it, expected .yaml, .yml or .json");
            return Err(Failure::usage(message).code(Code::FileUnreadable));
        }
        files.extend(inside);
    }
    Ok(files)
}
