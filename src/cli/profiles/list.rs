//! `profiles list`: who has a profile where.

use std::collections::BTreeSet;

use serde_json::json;

use super::inventory::{Standing, Wanted, standing};
use crate::aws::spoke::{DOCTOR_ROLE, administrator};
use crate::cli::Exit;
use crate::cli::findings::{Finding, lines};
use crate::cli::fleet::{self, Mappings, PARALLEL, each, entered};
use crate::cli::hub::Hub;
use crate::cli::output::{Failure, Format, count, data, json, say, table};
use crate::team::owner::{Owner, profile_name_starts};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Only this person's: the user id as the identity provider sends it, or the owner of the tags.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only this team's.
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// Only those of this account.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// How many accounts are looked at at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = fleet::parallel)]
    parallel: usize,
}

pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let administrator = administrator(&hub.sdk).await?;
    let mappings = Mappings::read(&hub).await?;
    let mut places = match &arguments.team {
        Some(_) => mappings.places(arguments.team.as_slice())?,
        None => mappings.all_places(),
    };
    // An item that cannot be used hides profiles only where nobody knows in which account they are.
    let mut failed = match &arguments.team {
        Some(_) => mappings.unusable_teams(arguments.team.as_slice()),
        None if arguments.account.is_some() => Vec::new(),
        None => mappings.lost_teams(&[]),
    };
    mappings.tell_unusable(&failed);
    if let Some(account) = &arguments.account {
        places.retain(|place| place.account.as_str() == account);
    }
    if places.is_empty() && failed.is_empty() {
        let message = "no team is in what was asked for";
        return Err(Failure::usage(message).hint("studio-broker teams list"));
    }
    let owners = arguments.user.as_deref().map(|user| owners(user, &mappings));
    let (hub, administrator, arguments, owners) = (&hub, &administrator, &arguments, &owners);
    let looked = each(places, arguments.parallel, "looking at accounts", |place| async move {
        let spoke = match entered(&hub.sdk, &place, DOCTOR_ROLE, administrator).await {
            Ok(spoke) => spoke,
            Err(finding) => return (Vec::new(), vec![finding]),
        };
        let starts = arguments.user.as_deref().map(profile_name_starts).unwrap_or_default();
        // Without a team, in all domains of the account: also where no team is any more.
        let domains = if arguments.team.is_some() { place.domains() } else { Vec::new() };
        standing(&spoke, &Wanted { domains, starts }).await
    })
    .await;
    let mut found = Vec::new();
    for ((standing, findings), _) in looked {
        found.extend(standing);
        failed.extend(findings);
    }
    let others = found.iter().filter(|standing| !standing.is_ours()).count();
    found.retain(|standing| {
        let team = arguments.team.as_deref();
        standing.is_ours()
            && team.is_none_or(|team| standing.team() == Some(team))
            && owners
                .as_ref()
                .is_none_or(|owners| standing.owner().is_some_and(|owner| owners.contains(owner)))
    });
    found.sort_by_key(|s| (s.owner().map(str::to_owned), s.team().map(str::to_owned)));
    report(&found, &failed, others, format);
    Ok(if failed.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The owners that a person may be: in each directory one, or the owner's own name.
pub(super) fn owners(user: &str, mappings: &Mappings) -> BTreeSet<String> {
    let idps = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let directories: BTreeSet<_> = idps.map(|idp| idp.directory.as_str()).collect();
    let named = directories.into_iter().chain(["default"]);
    let mut owners: BTreeSet<_> =
        named.map(|directory| Owner::new(directory, user).to_string()).collect();
    owners.insert(user.to_owned());
    owners
}

fn report(found: &[Standing], failed: &[Finding], others: usize, format: Format) {
    if format == Format::Json {
        let profiles: Vec<_> = found.iter().map(Standing::as_json).collect();
        json(&json!({"profiles": profiles, "failed": failed, "other_profiles": others}));
        return;
    }
    let rows: Vec<[String; 8]> = found
        .iter()
        .map(|standing| {
            [
                standing.owner().unwrap_or_default().to_owned(),
                standing.team().unwrap_or_default().to_owned(),
                standing.account.clone(),
                standing.region.clone(),
                standing.described.name.clone(),
                standing.described.status.clone(),
                standing.changed(),
                standing.described.home_uid.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let heading = ["OWNER", "TEAM", "ACCOUNT", "REGION", "PROFILE", "STATUS", "CHANGED", "HOME"];
    data(table(heading, &rows));
    say(count(found.len(), "profile"));
    if others > 0 {
        say(format!("{others} more without both tags: not the broker's"));
    }
    lines(failed).iter().for_each(say);
}
