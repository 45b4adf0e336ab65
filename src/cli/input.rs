//! What commands read: files, and standard input.

use std::io::Read as _;
use std::path::Path;

/// A file larger than this is none that a command reads, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The text of a file; - is standard input.
pub(super) fn text_of(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| format!("cannot be read: {error}"))?;
    if length as u64 > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8: save it as UTF-8".to_owned())
}
