//! How the simulated AWS is set up: where it keeps state, what its URLs begin with, its tables' names.

use std::path::PathBuf;

/// How the simulated AWS is set up.
#[derive(Debug, Clone, Default)]
pub struct AwsOptions {
    /// Where state is kept between runs; none keeps everything in memory.
    pub data: Option<PathBuf>,
    /// What presigned URLs begin with, for example `http://127.0.0.1:8401`. Without it they point
    /// at the endpoint itself, `/studio`, by the host name that the client used.
    pub studio_base: Option<String>,
    /// The tables that are created when missing.
    pub tables: TableNames,
}

/// Names of the broker's three tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNames {
    /// Key `team_id`.
    pub teams: String,
    /// Key `entity_id`.
    pub idps: String,
    /// Key `pk`, TTL on `expires_at`.
    pub state: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self {
            teams: "studio-broker-teams".into(),
            idps: "studio-broker-idps".into(),
            state: "studio-broker-state".into(),
        }
    }
}
