//! `access end`: entries of `members` go.

use std::collections::BTreeMap;

use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use serde_json::json;

use super::entry::{TeamItem, as_json};
use crate::aws::member_entry::{EntryChange, entries};
use crate::aws::spoke::administrator;
use crate::cli::fleet::Mappings;
use crate::cli::hub::Hub;
use crate::cli::output::{
    Failure, Format, REMOVED, count, data, hint, json, plain, say, styled, word,
};
use crate::cli::person::person;
use crate::cli::{Exit, completions};
use crate::team::entitlement::Grants;
use crate::team::item::readable_part;
use crate::team::members::Member;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The user id, exactly as the identity provider sends it.
    #[arg(value_name = "USER", required_unless_present = "ended", requires = "team")]
    user: Option<String>,
    /// The team.
    #[arg(
        value_name = "TEAM",
        conflicts_with = "ended",
        add = ArgValueCompleter::new(completions::team_ids)
    )]
    team: Option<String>,
    /// Instead of one person's: all entries whose end is over.
    #[arg(long, conflicts_with = "user")]
    ended: bool,
    /// With --ended: in this team alone.
    #[arg(long = "team", id = "only", value_name = "TEAM", requires = "ended")]
    only: Option<String>,
    /// The directory of the user id; needed where identity providers have several.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "ended")]
    directory: Option<String>,
    /// Says what would go, and writes nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    match (&arguments.user, &arguments.team) {
        (Some(user), Some(team)) => one(&hub, user, team, &arguments, format).await,
        _ => all_ended(&hub, &arguments, format).await,
    }
}

async fn one(
    hub: &Hub,
    user: &str,
    team: &str,
    arguments: &Arguments,
    format: Format,
) -> Result<Exit, Failure> {
    let mappings = Mappings::read(hub).await?;
    let name = person(user, arguments.directory.as_deref(), &mappings)?;
    let item = TeamItem::read(hub, team).await?;
    let before = item.entries_of(&name);
    let member = item.member_of(&name);
    let there = before.values().any(Option::is_some);
    if there && !arguments.dry_run {
        item.write(hub, &EntryChange { before, after: BTreeMap::new() }).await?;
    }
    let seconds = hub.settings.team_cache_seconds;
    if format == Format::Json {
        json(&json!({
            "team": item.id,
            "directory": name.directory,
            "user_id": name.user_id,
            "before": as_json(member.as_ref()),
            "removed": there && !arguments.dry_run,
            "in_effect_within_seconds": seconds,
        }));
        return Ok(Exit::Done);
    }
    let (who, team) = (plain(&name.key()), plain(&item.id));
    if !there {
        say(format!("{who} has no access to {team} by name: nothing to do"));
        return Ok(Exit::Done);
    }
    data(styled(REMOVED, format!("- {who} loses access to {team} by name")));
    if arguments.dry_run {
        say("nothing was written");
        return Ok(Exit::Done);
    }
    say(format!("written; in effect within {seconds} seconds"));
    say(
        "What the teams attribute and groups give stays; an open Studio session ends with profiles revoke.",
    );
    let directory = arguments.directory.as_deref().map(|d| format!(" --directory {}", word(d)));
    hint(format!(
        "studio-broker access explain {} --team {}{}",
        word(user),
        word(&item.id),
        directory.unwrap_or_default()
    ));
    Ok(Exit::Done)
}

/// Entries that one write removes: an expression has an end, too.
const AT_ONCE: usize = 50;

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
async fn all_ended(hub: &Hub, arguments: &Arguments, format: Format) -> Result<Exit, Failure> {
    let aws_time = administrator(&hub.sdk).await?.aws_time;
    let now = aws_time.unwrap_or_else(Timestamp::now);
    let teams: Vec<String> = match &arguments.only {
        Some(team) => vec![team.clone()],
        None => Mappings::read(hub).await?.teams.into_keys().collect(),
    };
    let mut removed: Vec<(String, Member)> = Vec::new();
    for team in teams {
        // One that cannot be read is named by the command that was asked for it alone.
        let item = match TeamItem::read(hub, &team).await {
            Ok(item) => item,
            Err(failure) if arguments.only.is_some() => return Err(failure),
            Err(failure) => {
                failure.report(Format::Table);
                continue;
            }
        };
        let ended = ended(&item, now);
        for some in ended.chunks(AT_ONCE) {
            let of = |member: &Member| {
                let value = entries(&item.record).and_then(|entries| entries.get(&member.key));
                (member.key.clone(), value.cloned())
            };
            let before = some.iter().map(of).collect();
            if !arguments.dry_run {
                item.write(hub, &EntryChange { before, after: BTreeMap::new() }).await?;
            }
            removed.extend(some.iter().map(|member| (team.clone(), member.clone())));
        }
    }
    if format == Format::Json {
        let removed = removed.iter().map(|(team, member)| {
            json!({"team": team, "key": member.key, "before": as_json(Some(member))})
        });
        json(&json!({"removed": removed.collect::<Vec<_>>(), "written": !arguments.dry_run}));
        return Ok(Exit::Done);
    }
    for (team, member) in &removed {
        let line = format!("- {} in {}: ended {}", plain(&member.key), plain(team), member.until);
        data(styled(REMOVED, line));
    }
    let entries = count(removed.len(), "ended entry").replace("entrys", "entries");
    say(format!("{entries} {}", if arguments.dry_run { "would go" } else { "removed" }));
    Ok(Exit::Done)
}

/// Entries whose end is over, those that an earlier end of the same person outdoes included.
fn ended(item: &TeamItem, now: Timestamp) -> Vec<Member> {
    let members = Grants::of(&readable_part(&item.record).0).members;
    let counting = members.people().map(|(_, member)| member);
    let outdone = members.outdone().map(|(member, _)| member);
    counting.chain(outdone).filter(|member| member.until.is_over(now)).cloned().collect()
}
