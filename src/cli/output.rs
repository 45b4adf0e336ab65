//! What every command prints: data on standard output, words on standard error.
//!
//! Colour is for terminals only and never with `NO_COLOR`; `anstream` strips it everywhere else. Foreign
//! values (names from the tables, messages of AWS) are printed with their control characters escaped, so
//! that nobody writes to an administrator's terminal by editing an item.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write as _;
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::Exit;
use crate::aws::error::{AwsError, Kind, NO_CREDENTIALS};
use crate::broker::KeyError;
use crate::config::SettingFaults;
use crate::local::LocalError;
use crate::team::item::Item;
pub(super) use crate::team::item::plain;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// For programs.
    Json,
}

/// What appears.
pub(super) const ADDED: Style = AnsiColor::Green.on_default();
/// What disappears, and what went wrong.
pub(super) const REMOVED: Style = AnsiColor::Red.on_default();
/// What changes, and what deserves a look.
pub(super) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Headings.
pub(super) const STRONG: Style = Style::new().bold();
/// What helps: hints.
pub(super) const HELP: Style = AnsiColor::Cyan.on_default();

/// Text in a style.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints data and a line end on standard output.
pub(crate) fn data(text: impl Display) {
    written(writeln!(anstream::stdout().lock(), "{text}"));
}

/// Prints a document on standard output, exactly as it is.
pub(super) fn document(text: &str) {
    let mut out = std::io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// What could not be printed; a reader that went away (`| head`) wants no more.
static NOT_PRINTED: OnceLock<std::io::Error> = OnceLock::new();

fn written(result: std::io::Result<()>) {
    if let Err(error) = result
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = NOT_PRINTED.set(error);
    }
}

/// The failure of a command that could not print everything, on a full disk for example.
pub(super) fn not_printed() -> Option<Failure> {
    let error = NOT_PRINTED.get()?;
    Some(Failure::new(Exit::Failed, format!("standard output cannot be written: {error}")))
}

/// Prints one JSON value on standard output.
pub(super) fn json(value: &Value) {
    document(&format!("{value:#}\n"));
}

/// Says one JSON value on one line of standard error.
pub(super) fn say_json(value: &Value) {
    let _ = writeln!(std::io::stderr().lock(), "{value}");
}

/// Says something on standard error.
pub(super) fn say(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Says what deserves a look, on standard error.
pub(super) fn warn(text: impl Display) {
    say(format!("{} {text}", styled(CHANGED, "warning:")));
}

/// Says what to do next, as a command, on standard error.
pub(super) fn hint(text: impl Display) {
    say(format!("{} {text}", styled(HELP, "hint:")));
}

/// A foreign text as one word of a command that a shell may be given.
pub(super) fn word(text: &str) -> String {
    let text = plain(text);
    shlex::try_quote(&text).map_or_else(|_| "''".to_owned(), Cow::into_owned)
}

/// Aligned columns under a heading; every cell on one line.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading);
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// An item in words, one attribute on a line; long texts such as metadata are cut.
pub(super) fn item_lines(item: &Item) -> Vec<String> {
    let shown = |value: &Value| match value {
        Value::String(text) if text.chars().count() > LONGEST => {
            format!("{} characters", text.chars().count())
        }
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    };
    item.iter().map(|(name, value)| format!("{}: {}", plain(name), shown(value))).collect()
}

/// The longest text of an item that is shown, in characters.
const LONGEST: usize = 1000;

/// `1 team`, `2 teams`.
pub(super) fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// `1 team differs`, `2 teams differ`.
pub(super) fn those(number: usize, one: &str, verb: &str) -> String {
    let ending = if number == 1 { "s" } else { "" };
    format!("{} {verb}{ending}", count(number, one))
}

/// Why a command ends early: what happened, what to do next, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
    /// Commands that help.
    pub(super) hints: Vec<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new() }
    }

    /// The arguments or files do not fit.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says it: in words, or as one JSON object on the last line of standard error.
    pub(super) fn report(&self, format: Format) -> Exit {
        match format {
            Format::Table => {
                say(format!("{} {}", styled(REMOVED, "error:"), self.message));
                for line in &self.hints {
                    hint(line);
                }
            }
            Format::Json => {
                let error =
                    json!({"exit": self.exit as u8, "message": self.message, "hints": self.hints});
                say_json(&json!({ "error": error }));
            }
        }
        self.exit
    }
}

impl From<SettingFaults> for Failure {
    fn from(faults: SettingFaults) -> Self {
        Self::usage(faults.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unusable(faults) => faults.into(),
            KeyError::Unreadable(error) => {
                let failure = Self::from(error);
                let message = format!("STUDIO_BROKER_SP_KEY: {}", failure.message);
                Self { message, ..failure }
            }
        }
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::Settings(faults) => faults.into(),
            LocalError::Key(error) => error.into(),
            LocalError::Port { .. } => {
                Self::new(Exit::Failed, error.to_string()).hint("choose other ports with --port")
            }
            _ => Self::new(Exit::Failed, error.to_string()),
        }
    }
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        let AwsError { kind, operation, ref code, ref message, .. } = error;
        let said = plain(message);
        match kind {
            Kind::Denied => {
                Self::new(Exit::Unauthorised, format!("{operation} is not allowed: {said}"))
                    .hint("aws sts get-caller-identity")
            }
            _ if kind == Kind::Credentials || code == NO_CREDENTIALS => Self::new(
                Exit::Unauthorised,
                format!(
                    "{operation}: AWS does not accept the credentials, or there are none: {said}"
                ),
            )
            .hint("aws sts get-caller-identity"),
            Kind::ConditionFailed => {
                Self::new(Exit::Conflict, format!("{operation}: {code}: {said}"))
            }
            Kind::Missing => Self::new(Exit::Failed, format!("{operation}: {code}: {said}")),
            Kind::Unreachable => {
                Self::new(Exit::Failed, format!("{operation}: AWS cannot be reached: {said}"))
                    .hint("env | grep -E '^AWS_(REGION|PROFILE|ENDPOINT_URL)'")
            }
            _ => Self::new(Exit::Failed, format!("{operation}: {code}: {said}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_where_their_text_ends() {
        let rows = [["team1".to_owned(), String::new()], ["t".to_owned(), "Name".to_owned()]];
        assert_eq!(table(["TEAM", "NAME"], &rows), "TEAM   NAME\nteam1\nt      Name");
    }

    #[test]
    fn aws_errors_have_the_exit_code_of_what_can_be_done() {
        let exit = |kind| {
            let (code, message) = (String::new(), String::new());
            let operation = "dynamodb:Scan";
            Failure::from(AwsError { kind, operation, code, message, request_id: None }).exit
        };
        assert_eq!(exit(Kind::Denied), Exit::Unauthorised);
        assert_eq!(exit(Kind::Credentials), Exit::Unauthorised);
        assert_eq!(exit(Kind::ConditionFailed), Exit::Conflict);
        assert_eq!(exit(Kind::Unreachable), Exit::Failed);
    }
}
