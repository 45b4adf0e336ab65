//! Teams whose id comes back: profiles that still carry it would open again.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use futures_util::stream::{self, StreamExt as _};

use super::output::{count, warn};
use crate::aws::error::AwsError;
use crate::aws::left_behind::{Place, census, place};
use crate::aws::spoke::administrator;
use crate::mappings::Table;
use crate::mappings::file::MappingFile;
use crate::mappings::plan::{Action, Change, Plan};

/// The most domains that are looked at for profiles of earlier teams.
const MOST_PLACES: usize = 20;

/// Calls out the teams that appear where profiles still carry their id.
pub(super) async fn call_out(sdk: &SdkConfig, file: &MappingFile, plan: &mut Plan) {
    let appears =
        |change: &&Change| change.table == Table::Teams && change.action == Action::Create;
    let new: BTreeSet<_> = plan.changes.iter().filter(appears).map(|c| c.key.as_str()).collect();
    let entries = file.teams.iter().flatten().filter(|entry| new.contains(entry.key.as_str()));
    let places: BTreeMap<String, Place> = entries
        .filter_map(|entry| Some((entry.key.clone(), place(entry.mapping.team()?))))
        .collect();
    let all: BTreeSet<_> = places.values().cloned().collect();
    if all.is_empty() {
        return;
    }
    let administrator = administrator(sdk).await;
    let looks = stream::iter(all.iter().take(MOST_PLACES)).map(async |place| {
        let administrator = administrator.as_ref().map_err(Clone::clone)?;
        Ok((place.clone(), census(sdk, administrator, place).await?))
    });
    let looks: Vec<Result<_, AwsError>> = looks.buffer_unordered(8).collect().await;
    let mut found = BTreeMap::new();
    let mut unknown = all.len().saturating_sub(MOST_PLACES);
    let mut reason = None;
    for look in looks {
        match look {
            Ok((place, census)) => {
                unknown += usize::from(census.is_partial);
                found.insert(place, census);
            }
            Err(error) => {
                unknown += 1;
                reason.get_or_insert(error);
            }
        }
    }
    for change in &mut plan.changes {
        let census = places.get(&change.key).and_then(|place| found.get(place));
        let profiles = census.and_then(|census| census.teams.get(&change.key));
        if let Some(number) = profiles {
            let (carry, again) = match number {
                1 => ("still carries it", "its owner opens it again"),
                _ => ("still carry it", "their owners open them again"),
            };
            change.warnings.push(format!(
                "the id comes back: {} in its domain {carry}, and {again}",
                count(*number, "profile")
            ));
        }
    }
    if unknown > 0 {
        let reason = match reason {
            Some(error) => format!(" ({}: {})", error.operation, error.code),
            None => String::new(),
        };
        warn(format!(
            "whether profiles still carry the id of a team that appears is not known for {}{reason}",
            count(unknown, "domain")
        ));
    }
}
