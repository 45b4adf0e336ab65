//! What teams that appear or move find and leave: profiles carry the id of their team, whatever the tables
//! say.
//!
//! A team id that comes back opens the profiles that still carry it; a team that moves, or gets another id
//! (a rename, to people), leaves them behind.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use futures_util::stream::{self, StreamExt as _};

use super::output::{count, does};
use crate::aws::error::AwsError;
use crate::aws::left_behind::{Census, census};
use crate::aws::spoke::administrator;
use crate::mappings::places::{Place, of_item, of_team};
use crate::mappings::plan::{Action, Change, Plan, Risk};
use crate::mappings::{Table, advice};
use crate::team::item::{excerpt, readable_part};

/// Calls out the profiles that teams find and leave; at most `most` domains are looked into.
pub(super) async fn call_out(sdk: &SdkConfig, plan: &mut Plan, most: usize) {
    let asked: BTreeMap<String, Place> =
        plan.changes.iter().filter_map(|c| Some((c.key.clone(), looked_into(c, plan)?))).collect();
    let all: BTreeSet<_> = asked.values().cloned().collect();
    if all.is_empty() {
        return;
    }
    let administrator = administrator(sdk).await;
    let looks = stream::iter(all.iter().take(most)).map(async |place| {
        let administrator = administrator.as_ref().map_err(Clone::clone)?;
        Ok((place.clone(), census(sdk, administrator, place).await?))
    });
    let looks: Vec<Result<_, AwsError>> = looks.buffer_unordered(8).collect().await;
    let mut found = BTreeMap::new();
    let mut unknown = all.len().saturating_sub(most);
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
    let gone: Vec<String> = plan
        .changes
        .iter()
        .filter(|change| change.table == Table::Teams && change.action == Action::Remove)
        .map(|change| change.key.clone())
        .collect();
    let for_rstudio: BTreeSet<_> = plan
        .teams
        .iter()
        .filter(|team| advice::wants_rstudio(team))
        .map(|team| team.team_id.to_string())
        .collect();
    for change in &mut plan.changes {
        if let Some(census) = asked.get(&change.key).and_then(|place| found.get(place)) {
            say_what_is_there(change, census, &gone);
            let appears = change.action == Action::Create && for_rstudio.contains(&change.key);
            if appears && census.has_rstudio == Some(false) {
                change.warnings.push(
                    "it is for RStudio, and its domain has none: neither the app nor its settings work".into(),
                );
            }
        }
    }
    if unknown > 0 {
        let reason = match reason {
            Some(error) => format!(" ({}: {})", error.operation, error.code),
            None if all.len() > most => format!(" (--look-into {} looks into all)", all.len()),
            None => String::new(),
        };
        plan.is_partial = true;
        plan.warnings.push(format!(
            "which profiles teams that appear or move find or leave is not known for {}{reason}",
            count(unknown, "domain")
        ));
    }
}

/// The domain that a change is asked about: where a new team will be, or where one was that moves.
fn looked_into(change: &Change, plan: &Plan) -> Option<Place> {
    if change.table != Table::Teams {
        return None;
    }
    match change.action {
        Action::Create => {
            plan.teams.iter().find(|team| team.team_id.as_str() == change.key).map(of_team)
        }
        Action::Update if change.risks.contains_key(&Risk::Moved) => {
            of_item(&readable_part(change.before.as_ref()?).0)
        }
        _ => None,
    }
}

fn say_what_is_there(change: &mut Change, census: &Census, gone: &[String]) {
    // What is counted of a part is a bound.
    let bound = if census.is_partial { "at least " } else { "" };
    let of = |team: &str| census.teams.get(team).copied().unwrap_or_default();
    let own = of(&change.key);
    if change.action == Action::Update {
        if own == 0 && !census.is_partial {
            change.risks.remove(&Risk::Moved);
            change.consequences.push("it has no profile so far: nobody loses one".into());
        } else if own > 0 {
            change.consequences.push(format!(
                "{bound}{} behind where it was, with homes",
                does(own, "profile", "stay")
            ));
        }
        return;
    }
    if own > 0 {
        change.warnings.push(format!(
            "the id comes back: {bound}{} in its domain still {} it, and {} again",
            count(own, "profile"),
            if own == 1 { "carries" } else { "carry" },
            if own == 1 { "its owner opens it" } else { "their owners open them" }
        ));
    }
    if !census.is_partial && gone.iter().all(|team| of(team) == 0) {
        // Whose place it takes has no profile: nobody loses one.
        change.risks.remove(&Risk::Moved);
    }
    for team in gone.iter().filter(|team| of(team) > 0) {
        change.consequences.push(format!(
            "{bound}{} behind in its domain, with homes: those of team {}",
            does(of(team), "profile", "stay"),
            excerpt(team)
        ));
    }
}
