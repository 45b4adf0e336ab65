//! `access grant`: one entry of `members`.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use clap_complete::engine::ArgValueCompleter;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::entry::{TeamItem, as_json};
use crate::aws::member_entry::EntryChange;
use crate::aws::spoke::administrator;
use crate::cli::fleet::Mappings;
use crate::cli::hub::Hub;
use crate::cli::output::{ADDED, CHANGED, Failure, Format, data, json, plain, say, styled, warn};
use crate::cli::person::person;
use crate::cli::{Exit, completions};
use crate::team::idp::Idp;
use crate::team::members::{LONGEST_REASON, Member, Name, Until};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("end").required(true))]
pub(in crate::cli) struct Arguments {
    /// The user id, exactly as the identity provider sends it.
    #[arg(value_name = "USER")]
    user: String,
    /// The team.
    #[arg(value_name = "TEAM", add = ArgValueCompleter::new(completions::team_ids))]
    team: String,
    /// How long from now: 8h, 30m, 2d, 1w, 1d12h.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, group = "end")]
    time: Option<SignedDuration>,
    /// Until when, in UTC: 2027-01-31T18:00:00Z.
    #[arg(long, value_name = "MOMENT", value_parser = moment, group = "end")]
    until: Option<Timestamp>,
    /// Without end.
    #[arg(long, group = "end")]
    always: bool,
    /// Why, at most 256 characters: it stands in the entry and in reports.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// The directory of the user id; needed where identity providers have several.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<String>,
    /// Says what would be written, and writes nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Longest time that `--for` takes: whoever means more means always.
const LONGEST_DAYS: i64 = 3660;

fn duration(text: &str) -> Result<SignedDuration, String> {
    const EXPECTED: &str = "expected a time such as 8h, 30m, 2d, 1w or 1d12h";
    let (mut seconds, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at_checked(digits).ok_or(EXPECTED)?;
        let number: i64 = number.parse().map_err(|_| EXPECTED)?;
        let unit_seconds = match unit.bytes().next() {
            Some(b'w') => 7 * 86_400,
            Some(b'd') => 86_400,
            Some(b'h') => 3_600,
            Some(b'm') => 60,
            Some(b's') => 1,
            _ => return Err(EXPECTED.into()),
        };
        let more = number.checked_mul(unit_seconds).ok_or(EXPECTED)?;
        seconds = seconds.checked_add(more).ok_or(EXPECTED)?;
        rest = unit.get(1..).unwrap_or_default();
    }
    match seconds {
        ..=0 => Err(EXPECTED.into()),
        _ if seconds > LONGEST_DAYS * 86_400 => {
            Err(format!("expected at most {LONGEST_DAYS} days, or --always"))
        }
        _ => Ok(SignedDuration::from_secs(seconds)),
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    match Until::parse(text) {
        Some(Until::At(moment)) => Ok(moment),
        _ => Err("expected a moment in UTC such as 2027-01-31T18:00:00Z".into()),
    }
}

fn reason(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=LONGEST_REASON if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(format!("expected 1 to {LONGEST_REASON} characters")),
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let administrator = administrator(&hub.sdk).await?;
    let mappings = Mappings::read(&hub).await?;
    let name = person(&arguments.user, arguments.directory.as_deref(), &mappings)?;
    let item = TeamItem::read(&hub, &arguments.team).await?;
    // The door compares with AWS's machines' time, and this machine's clock may be off.
    let here = Timestamp::now();
    let now = administrator.aws_time.unwrap_or(here);
    let until = match (arguments.until, arguments.time) {
        (Some(moment), _) if moment <= now => {
            let message = format!("{moment} is over: it is {now}");
            return Err(Failure::usage(message));
        }
        (Some(moment), _) => Until::At(moment),
        (None, Some(time)) => {
            let end = now
                .checked_add(time)
                .ok()
                .and_then(|end| Timestamp::from_second(end.as_second()).ok());
            Until::At(end.unwrap_or(Timestamp::MAX))
        }
        (None, None) => Until::Always,
    };
    let before = item.member_of(&name);
    let entries = item.entries_of(&name);
    let there: Vec<_> = entries.iter().filter(|(_, value)| value.is_some()).collect();
    // The key that stands there stays, where one does.
    let key = match there.as_slice() {
        [(key, _)] => (*key).clone(),
        _ => name.key(),
    };
    let (reason, by) = (arguments.reason.clone(), administrator.arn.clone());
    let member = Member { key: key.clone(), until, reason: Some(reason), by: Some(by) };
    let change = EntryChange { before: entries, after: BTreeMap::from([(key, value(&member))]) };
    look(&name, &item, &mappings);
    if !arguments.dry_run {
        item.write(&hub, &change).await?;
    }
    let seconds = hub.settings.team_cache_seconds;
    if format == Format::Json {
        json(&json!({
            "team": item.id,
            "directory": name.directory,
            "user_id": name.user_id,
            "key": member.key,
            "before": as_json(before.as_ref()),
            "after": as_json(Some(&member)),
            "written": !arguments.dry_run,
            "in_effect_within_seconds": seconds,
        }));
        return Ok(Exit::Done);
    }
    tell(&name, &item.id, before.as_ref(), &member, now);
    say(match arguments.dry_run {
        true => "nothing was written".to_owned(),
        false => {
            format!("written by {}; in effect within {seconds} seconds", plain(&administrator.arn))
        }
    });
    if !arguments.dry_run {
        say(
            "Where teams are kept in a file, the entry belongs there too: apply makes the table what it says.",
        );
    }
    Ok(Exit::Done)
}

fn value(member: &Member) -> AttributeValue {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut map =
        std::collections::HashMap::from([("until".to_owned(), text(&member.until.to_string()))]);
    for (name, value) in [("reason", &member.reason), ("by", &member.by)] {
        map.extend(value.as_deref().map(|value| (name.to_owned(), text(value))));
    }
    AttributeValue::M(map)
}

/// What deserves a look although it can be written.
fn look(name: &Name, item: &TeamItem, mappings: &Mappings) {
    let Some(team) = item.team() else { return };
    let idps: Vec<&Idp> =
        mappings.idps.values().filter_map(|stored| stored.mapping()?.idp()).collect();
    let of_directory = |idp: &&&Idp| idp.directory == name.directory;
    let lets_in = |idp: &&Idp| idp.enabled && idp.allowed_teams.allow(&team.team_id);
    if !idps.iter().filter(of_directory).any(lets_in) {
        warn(format!(
            "no enabled identity provider of directory {} may grant {}",
            name.directory, team.team_id
        ));
    }
    for idp in idps.iter().filter(of_directory).filter(|i| i.denied_users.contains(&name.user_id)) {
        warn(format!("{} denies this person (denied_users)", plain(&idp.entity_id)));
    }
    if !team.enabled {
        warn(format!("team {} is paused (enabled: false)", team.team_id));
    }
}

fn tell(name: &Name, team: &str, before: Option<&Member>, after: &Member, now: Timestamp) {
    let words = |until: Until| match until {
        Until::Always => "without end".to_owned(),
        Until::At(end) if now >= end => format!("until {end}, which is over"),
        Until::At(end) => format!("until {end}"),
    };
    let (who, team) = (plain(&name.key()), plain(team));
    data(match before {
        None => styled(ADDED, format!("+ {who} has access to {team} {}", words(after.until))),
        Some(before) => styled(
            CHANGED,
            format!(
                "~ {who} has access to {team} {} (was: {})",
                words(after.until),
                words(before.until)
            ),
        ),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        let seconds = |text| duration(text).map(|time| time.as_secs()).ok();
        assert_eq!(seconds("8h"), Some(28_800));
        assert_eq!(seconds("30m"), Some(1_800));
        assert_eq!(seconds("1d12h"), Some(129_600));
        assert_eq!(seconds("1w"), Some(604_800));
        for bad in [
            "",
            "8",
            "h",
            "0h",
            "-1h",
            "8 h",
            "8H",
            "1.5h",
            "99999999999999999999h",
            "20y",
            "5000d",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
