//! `studio-broker man`: a manual page for each command, from its own help.

use std::path::PathBuf;

use serde_json::json;

use super::Exit;
use super::output::{Failure, Format, count, plain, say};

#[derive(Debug, clap::Args)]
#[command(
    before_help = "Example:\n  studio-broker man /usr/local/share/man/man1",
    after_help = "A page for the program and one for each command: man studio-broker-teams-plan"
)]
pub(super) struct Arguments {
    /// The folder that gets the pages; made where it is not there.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes the pages.
pub(super) fn run(
    arguments: &Arguments,
    command: clap::Command,
    format: Format,
) -> Result<Exit, Failure> {
    let folder = &arguments.folder;
    let name = plain(&folder.to_string_lossy());
    let pages = (|| {
        std::fs::create_dir_all(folder)?;
        let command = command.disable_help_subcommand(true);
        clap_mangen::generate_to(command, folder)?;
        let there = std::fs::read_dir(folder)?.filter_map(Result::ok);
        let is_page = |entry: &std::fs::DirEntry| {
            entry.file_name().to_string_lossy().starts_with("studio-broker")
        };
        Ok::<_, std::io::Error>(there.filter(is_page).count())
    })();
    let pages = pages.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    match format {
        Format::Json => super::output::json(&json!({"folder": folder, "pages": pages})),
        Format::Table => say(format!("{} in {name}", count(pages, "page"))),
    }
    Ok(Exit::Done)
}
