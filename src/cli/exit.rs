//! How a command ends, for whoever called it.

use std::process::ExitCode;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Usage or settings.
    Usage = 2,
    /// Refused, changes found, or findings.
    Refused = 3,
    /// Not authorised in AWS.
    Unauthorised = 4,
    /// Somebody else changed it meanwhile.
    Conflict = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
