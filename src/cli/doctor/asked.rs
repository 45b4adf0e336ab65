//! Which teams an administrator asks about.

use serde_json::Value;

use crate::mappings::Stored;

/// What was asked for: everything, or some teams and accounts.
pub(super) struct Asked<'a> {
    pub(super) teams: &'a [String],
    pub(super) accounts: &'a [String],
}

impl Asked<'_> {
    pub(super) fn is_everything(&self) -> bool {
        self.teams.is_empty() && self.accounts.is_empty()
    }

    /// Whether a team's item is asked about. One whose account cannot be read is asked about by its id alone.
    pub(super) fn includes(&self, team: &str, stored: &Stored) -> bool {
        let account = stored.item.get("account_id").and_then(Value::as_str);
        let is_named = self.teams.is_empty() || self.teams.iter().any(|one| one == team);
        let is_there = self.accounts.is_empty()
            || account.is_some_and(|account| self.accounts.iter().any(|one| one == account));
        is_named && is_there
    }
}
