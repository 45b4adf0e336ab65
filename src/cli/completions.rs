//! `studio-broker completions`: scripts for bash, zsh and fish that ask this program what fits, team ids
//! included.

use std::ffi::OsStr;
use std::time::Duration;

use clap::ValueEnum;
use clap_complete::CompletionCandidate;
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};

use super::Exit;
use super::hub::Hub;
use super::output::{Failure, document};
use crate::mappings::Table;

/// The variable by which a script asks: its value names the shell.
const VARIABLE: &str = "STUDIO_BROKER_COMPLETE";

/// How long a shell waits for names from AWS.
const PATIENCE: Duration = Duration::from_millis(800);

#[derive(Debug, clap::Args)]
#[command(
    before_help = "Example:\n  source <(studio-broker completions bash)",
    after_help = "bash  source <(studio-broker completions bash)      in ~/.bashrc\nzsh   source <(studio-broker completions zsh)       in ~/.zshrc, after compinit\nfish  studio-broker completions fish | source       in ~/.config/fish/config.fish\n\nTeam ids come from the teams table, with the environment's credentials; where AWS does not answer\nat once, nothing is offered and nothing is said."
)]
pub(super) struct Arguments {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub(super) fn print(arguments: &Arguments) -> Result<Exit, Failure> {
    let shell: &dyn EnvCompleter = match arguments.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let name = "studio-broker";
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, name, name, name, &mut script)
        .map_err(|error| Failure::new(Exit::Failed, format!("the script: {error}")))?;
    if let Shell::Bash = arguments.shell {
        script.extend_from_slice(PAST_COLONS.as_bytes());
    }
    document(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

/// Bash breaks words at colons, and entity IDs are addresses: they are put together before the program is
/// asked, and what stands before the last colon is taken off the answers, as bash expects them.
const PAST_COLONS: &str = r#"
_studio_broker() {
    local typed="${COMP_LINE:0:COMP_POINT}"
    if [[ "$COMP_WORDBREAKS" != *:* || "$typed" != *:* ]]; then
        _clap_complete_studio_broker "$@"
        return
    fi
    local -a words
    read -ra words <<< "$typed"
    [[ "$typed" == *[[:space:]] ]] && words+=("")
    local last=$((${#words[@]} - 1))
    local -a COMP_WORDS=("${words[@]}")
    local COMP_CWORD=$last
    _clap_complete_studio_broker "$1" "${words[last]}" "${words[last - 1]}"
    local before="${words[last]%"${words[last]##*:}"}"
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -o nospace -o bashdefault -F _studio_broker studio-broker
"#;

/// Answers a script that asks, and ends; does nothing when nobody asks.
pub(super) fn answer(command: fn() -> clap::Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// The team ids that begin with what was typed; none where AWS does not answer in time.
pub(super) fn team_ids(typed: &OsStr) -> Vec<CompletionCandidate> {
    keys(Table::Teams, typed)
}

/// The entity IDs that begin with what was typed; none where AWS does not answer in time.
pub(super) fn entity_ids(typed: &OsStr) -> Vec<CompletionCandidate> {
    keys(Table::Idps, typed)
}

fn keys(table: Table, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(prefix) = typed.to_str() else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    runtime.block_on(async {
        let names = async {
            let tables = Hub::connect().await.ok()?.tables();
            let mut start = None;
            while found.len() < MOST {
                let (keys, next) = tables.keys(table, prefix, start).await.ok()?;
                found.extend(keys);
                start = Some(next?);
            }
            Some(())
        };
        // What has come in time is offered.
        let _ = tokio::time::timeout(PATIENCE, names).await;
    });
    // A connection that hangs must not hold the shell.
    runtime.shutdown_background();
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// The most names that are offered.
const MOST: usize = 1_000;
