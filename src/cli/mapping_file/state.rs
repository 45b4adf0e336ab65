//! What the tables hold.

use crate::aws::error::Kind;
use crate::cli::hub::Hub;
use crate::cli::output::{Failure, plain};
use crate::mappings::plan::State;
use crate::mappings::{Stored, Table};

/// Reads them. A table that the command does not change may be closed to its user: then the plan
/// says less.
pub(in crate::cli) async fn state(
    hub: &Hub,
    is_needed: impl Fn(Table) -> bool,
) -> Result<State, Failure> {
    let tables = hub.tables();
    let (teams, idps) = tokio::join!(tables.teams_and_places(), tables.all(Table::Idps));
    let mut state = State::default();
    let teams = teams.map(|(teams, places)| {
        state.places = places;
        teams
    });
    for (table, read) in [(Table::Teams, teams), (Table::Idps, idps)] {
        let items = match table {
            Table::Teams => &mut state.teams,
            Table::Idps => &mut state.idps,
        };
        match read {
            Ok(records) => {
                let of = |(key, record)| (key, Stored::of(table, record));
                *items = records.into_iter().map(of).collect();
            }
            Err(error) if error.kind == Kind::Denied && !is_needed(table) => {
                let name = plain(tables.name(table));
                state.warnings.push(format!(
                    "table {name} may not be read: who gains or loses access is not known"
                ));
                state.is_partial = true;
            }
            Err(error) => return Err(hub.failure(table, error)),
        }
    }
    Ok(state)
}
