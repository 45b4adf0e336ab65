//! Why the simulated AWS does not start.

use std::path::PathBuf;

use super::dynamodb::database::DatabaseError;
use crate::local::{scenario::ScenarioError, server::ListenError};

/// Why the simulated AWS does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener is not usable.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The embedded database does not open.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The data folder cannot be read or written.
    #[error("{path}: {source}")]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file in the data folder is not ours, or of another version.
    #[error("{path} holds no simulator state: {source}")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The embedded scenario does not parse.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

impl StartError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen(error) => error.code(),
            Self::Database(error) => error.code(),
            Self::Data { .. } => "data_folder",
            Self::State { .. } => "data_state",
            Self::Scenario(error) => error.code(),
        }
    }
}
