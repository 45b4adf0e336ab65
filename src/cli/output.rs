//! What every command prints: data on standard output, words on standard error.
//!
//! Colour is for terminals only and never with `NO_COLOR`; `anstream` strips it everywhere else. Foreign
//! values (names from the tables, messages of AWS) are printed with their control characters escaped, so
//! that nobody writes to an administrator's terminal by editing an item.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};

use super::Exit;
use crate::aws::error::{AwsError, Kind, NO_CREDENTIALS};
use crate::broker::KeyError;
use crate::config::{SettingFault, SettingFaults, environment};
use crate::mappings::file::{FileFault, FileFaults};
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
    HAS_SPOKEN.store(true, Ordering::Relaxed);
    written(writeln!(anstream::stdout().lock(), "{}", readable(&text.to_string())));
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

/// The one JSON value of a command, printed when it ends: what went wrong afterwards belongs into it too.
static ANSWER: Mutex<Option<Value>> = Mutex::new(None);

/// Keeps the JSON value that standard output gets when the command ends.
pub(super) fn json(value: &Value) {
    if let Ok(mut answer) = ANSWER.lock() {
        *answer = Some(value.clone());
    }
}

/// Prints the kept value, with an error where there is one.
pub(super) fn print_json(error: Option<Value>) {
    let kept = ANSWER.lock().ok().and_then(|mut answer| answer.take());
    let whole = match (kept, error) {
        (None, None) => return,
        (Some(value), None) => value,
        (Some(Value::Object(mut members)), Some(error)) => {
            members.insert("error".into(), error);
            Value::Object(members)
        }
        (_, Some(error)) => json!({ "error": error }),
    };
    document(&format!("{whole:#}\n"));
}

/// Says one JSON value on one line of standard error.
pub(super) fn say_json(value: &Value) {
    let _ = writeln!(std::io::stderr().lock(), "{value}");
}

/// Whether anything was said or printed so far.
static HAS_SPOKEN: AtomicBool = AtomicBool::new(false);

pub(super) fn has_spoken() -> bool {
    HAS_SPOKEN.load(Ordering::Relaxed)
}

/// Says something on standard error.
pub(super) fn say(text: impl Display) {
    HAS_SPOKEN.store(true, Ordering::Relaxed);
    let _ = writeln!(anstream::stderr().lock(), "{}", readable(&text.to_string()));
}

/// Whether the locale says that more than ASCII can be shown: unset is taken for what is usual today.
static IS_UTF8: LazyLock<bool> = LazyLock::new(|| {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(environment);
    set.is_none_or(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
});

/// Our own signs in ASCII where the locale knows no others (`LANG=C`). Names from tables stay as they are.
fn readable(text: &str) -> Cow<'_, str> {
    if *IS_UTF8 || text.is_ascii() {
        return text.into();
    }
    text.replace('→', "->").replace('…', "...").into()
}

/// Whether bars may be drawn with more than ASCII.
pub(super) fn is_utf8() -> bool {
    *IS_UTF8
}

/// Says what deserves a look, on standard error.
pub(super) fn warn(text: impl Display) {
    say(format!("{} {text}", styled(CHANGED, "warning:")));
}

/// Says what to do next, as a command, on standard error; nothing where there is none.
pub(super) fn hint(text: impl Into<Hint>) {
    if let Hint(Some(text)) = text.into() {
        say(format!("{} {text}", styled(HELP, "hint:")));
    }
}

/// A foreign text as one word of a command that a shell may be given.
pub(super) fn word(text: &str) -> String {
    let text = plain(text);
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@%".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text;
    }
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
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    // A terminal breaks a line that is too long in the middle of a word.
    match width().filter(|width| *width < widest) {
        Some(_) => blocks(&heading, rows),
        None => lines.join("\n"),
    }
}

/// The columns of the terminal that standard output is.
fn width() -> Option<usize> {
    let out = std::io::stdout();
    out.is_terminal()
        .then(|| terminal_size::terminal_size_of(&out))
        .flatten()
        .map(|size| usize::from(size.0.0))
}

/// Each row as lines of its own, what is empty left out.
fn blocks<const N: usize>(heading: &[&str; N], rows: &[[String; N]]) -> String {
    let block = |row: &[String; N]| {
        let cells = heading.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let lines: Vec<_> = cells.map(|(name, cell)| format!("{name}: {}", plain(cell))).collect();
        lines.join("\n")
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n\n")
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

/// `1 profile differs`, `2 profiles differ`: what a third person does loses its `s` in the plural.
pub(super) fn does(number: usize, one: &str, verb: &str) -> String {
    let ending = if number == 1 { "s" } else { "" };
    format!("{} {verb}{ending}", count(number, one))
}

/// `1 team`, `2 teams`.
pub(super) fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// The codes of all failures, each with what programs read.
macro_rules! codes {
    ($($name:ident $code:literal,)*) => {
        /// What kind of failure it is: stable, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code { $($name,)* }

        impl Code {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// Snake case.
            fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

codes! {
    Done "done",
    Failed "failed",
    Usage "usage",
    Refused "refused",
    NotAuthorised "not_authorised",
    Conflict "conflict",
    NotFound "not_found",
    Interrupted "interrupted",
    FileUnreadable "file_unreadable",
    FileInvalid "file_invalid",
    SettingInvalid "setting_invalid",
    ItemInvalid "item_invalid",
    PlanInvalid "plan_invalid",
    PlanOfAnotherHub "plan_of_another_hub",
    ConfirmationNeeded "confirmation_needed",
    Privileged "privileged",
    UserUnknown "user_unknown",
    AccountInUse "account_in_use",
    LogNeeded "log_needed",
    TableMissing "table_missing",
    AwsBusy "aws_busy",
    AwsUnreachable "aws_unreachable",
    AwsFailed "aws_failed",
}

impl From<Exit> for Code {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::Done,
            Exit::Failed => Self::Failed,
            Exit::Usage => Self::Usage,
            Exit::Refused => Self::Refused,
            Exit::Unauthorised => Self::NotAuthorised,
            Exit::Conflict => Self::Conflict,
        }
    }
}

/// Why a command ends early: what happened, what to do next, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) code: Code,
    pub(super) message: String,
    /// Commands that help.
    pub(super) hints: Vec<String>,
    /// What programs learn beyond that.
    pub(super) details: Map<String, Value>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: exit.into(),
            message: message.into(),
            hints: Vec::new(),
            details: Map::new(),
        }
    }

    /// The arguments or files do not fit.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Files with faults: each with its place, for programs.
    pub(super) fn of_files(faults: &FileFaults) -> Self {
        let number = faults.faults.len();
        let files: BTreeSet<_> = faults.faults.iter().map(|fault| plain(&fault.file)).collect();
        let files: Vec<_> = files.into_iter().collect();
        let message = format!("{faults}\n{} in {}", count(number, "fault"), files.join(", "));
        let each = faults.faults.iter().map(FileFault::as_json).collect();
        Self::usage(message).code(Code::FileInvalid).with("faults", each)
    }

    pub(super) fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }

    /// A command that helps; none where there is none ([`super::again::again`]).
    pub(super) fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.extend(hint.into().0);
        self
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Value {
        let mut error = json!({
            "code": self.code.as_str(),
            "exit": self.exit as u8,
            "message": self.message,
            "hints": self.hints,
        });
        if let Some(error) = error.as_object_mut() {
            error.extend(self.details.clone());
        }
        error
    }

    /// Says it as one JSON object on the last line of standard error.
    pub(super) fn report_as_line(&self) -> Exit {
        say_json(&json!({ "error": self.as_json() }));
        self.exit
    }

    /// Says it: in words on standard error, or as the one JSON object on standard output.
    pub(super) fn report(&self, format: Format) -> Exit {
        match format {
            Format::Table => {
                say(format!("{} {}", styled(REMOVED, "error:"), self.message));
                for line in &self.hints {
                    hint(line);
                }
            }
            Format::Json => print_json(Some(self.as_json())),
        }
        self.exit
    }
}

/// A command that helps, where there is one.
pub(super) struct Hint(Option<String>);

impl From<Option<String>> for Hint {
    fn from(command: Option<String>) -> Self {
        Self(command)
    }
}

impl From<String> for Hint {
    fn from(command: String) -> Self {
        Self(Some(command))
    }
}

impl From<&str> for Hint {
    fn from(command: &str) -> Self {
        Self(Some(command.to_owned()))
    }
}

impl From<&String> for Hint {
    fn from(command: &String) -> Self {
        Self(Some(command.clone()))
    }
}

impl From<SettingFaults> for Failure {
    fn from(faults: SettingFaults) -> Self {
        let fault = |fault: &SettingFault| json!({"variable": fault.variable, "found": fault.found, "expected": fault.expected});
        let each = faults.0.iter().map(fault).collect();
        Self::usage(faults.to_string()).code(Code::SettingInvalid).with("faults", each)
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

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        let AwsError { kind, operation, ref code, ref message, .. } = error;
        let said = said(code, message);
        match kind {
            Kind::Denied => Self::new(
                Exit::Unauthorised,
                format!("{operation} is not allowed: {}", plain(message)),
            )
            .hint("aws sts get-caller-identity"),
            _ if kind == Kind::Credentials || code == NO_CREDENTIALS => Self::new(
                Exit::Unauthorised,
                format!(
                    "{operation}: AWS does not accept the credentials, or there are none: {said}"
                ),
            )
            .hint("aws sts get-caller-identity"),
            Kind::ConditionFailed => Self::new(Exit::Conflict, format!("{operation}: {said}")),
            Kind::Missing => {
                Self::new(Exit::Failed, format!("{operation}: {said}")).code(Code::NotFound)
            }
            Kind::Throttled => {
                Self::new(Exit::Failed, format!("{operation}: AWS is too busy: {said}"))
                    .code(Code::AwsBusy)
            }
            Kind::Unreachable => {
                Self::new(Exit::Failed, format!("{operation}: AWS cannot be reached: {said}"))
                    .code(Code::AwsUnreachable)
                    .hint("env | grep -E '^AWS_(REGION|PROFILE|ENDPOINT_URL)'")
            }
            _ => Self::new(Exit::Failed, format!("{operation}: {said}")).code(Code::AwsFailed),
        }
    }
}

/// What AWS said; where it gave no code, something else than AWS may have answered.
fn said(code: &str, message: &str) -> String {
    match code {
        "Unknown" | "" => format!("{}: something else than AWS may have answered", plain(message)),
        code => format!("{}: {}", plain(code), plain(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_snake_case_and_no_two_are_the_same() {
        let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let snake = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        assert!(codes.iter().all(|code| snake(code)), "{codes:?}");
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "{codes:?}");
    }

    #[test]
    fn columns_are_aligned_and_lines_end_where_their_text_ends() {
        let rows = [["team1".to_owned(), String::new()], ["t".to_owned(), "Name".to_owned()]];
        assert_eq!(table(["TEAM", "NAME"], &rows), "TEAM   NAME\nteam1\nt      Name");
    }

    #[test]
    fn aws_errors_have_the_exit_code_of_what_can_be_done() {
        let exit = |kind| Failure::from(AwsError::here(kind, "dynamodb:Scan", "", "")).exit;
        assert_eq!(exit(Kind::Denied), Exit::Unauthorised);
        assert_eq!(exit(Kind::Credentials), Exit::Unauthorised);
        assert_eq!(exit(Kind::ConditionFailed), Exit::Conflict);
        assert_eq!(exit(Kind::Unreachable), Exit::Failed);
    }

    #[test]
    fn an_answer_without_a_code_may_be_somebody_elses() {
        assert_eq!(said("X", "a"), "X: a");
        assert!(said("Unknown", "status 404 without a message").contains("else than AWS"));
    }

    #[test]
    fn a_row_that_does_not_fit_is_a_block_of_lines() {
        let rows = [["team1".to_owned(), "A long name".to_owned()]];
        assert_eq!(blocks(&["TEAM", "NAME"], &rows), "TEAM: team1\nNAME: A long name");
    }
}
