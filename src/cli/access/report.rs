//! `access report`: who can open what, by which rule, until when, with which profile; and what nobody needs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::report_page;
use super::review::{Fill, Review, Seen, review};
use crate::aws::spoke::{DOCTOR_ROLE, administrator};
use crate::cli::Exit;
use crate::cli::doctor::quota;
use crate::cli::findings::{Finding, lines};
use crate::cli::fleet::{self, Mappings, PARALLEL, each, entered};
use crate::cli::hub::Hub;
use crate::cli::output::{Failure, Format, STRONG, count, data, json, plain, say, styled, table};
use crate::cli::profiles::inventory::{Wanted, standing};
use crate::cli::profiles::people::People;
use crate::team::Team;
use crate::team::idp::Idp;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Reads who is in the teams' groups from the identity stores, too.
    #[arg(long)]
    identity_store: bool,
    /// Writes the rows as CSV (RFC 4180) into this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Writes the report as one page into this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// A profile that did not change for longer is named, and a rule for longer without a profile.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// How many accounts are looked at at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = fleet::parallel)]
    parallel: usize,
}

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let administrator = administrator(&hub.sdk).await?;
    let mappings = Mappings::read(&hub).await?;
    let places = mappings.places(&[])?;
    let mut failed = mappings.unusable_teams(&[]);
    failed.extend(mappings.unusable_idps());
    let usable = mappings.usable_teams();
    let people = if arguments.identity_store {
        let idps: Vec<Idp> =
            mappings.idps.values().filter_map(|stored| stored.mapping()?.idp().cloned()).collect();
        let with_groups: Vec<&Team> =
            usable.iter().map(AsRef::as_ref).filter(|team| !team.groups.is_empty()).collect();
        let (people, findings) = People::read(&hub, &idps, &with_groups).await;
        failed.extend(findings);
        Some(people)
    } else {
        None
    };
    let (hub, administrator) = (&hub, &administrator);
    let looked = each(places, arguments.parallel, "looking at accounts", |place| async move {
        let spoke = match entered(&hub.sdk, &place, DOCTOR_ROLE, administrator).await {
            Ok(spoke) => spoke,
            Err(finding) => return (Vec::new(), None, vec![finding]),
        };
        let wanted = Wanted::default();
        let (found, quota) = tokio::join!(standing(&spoke, &wanted), quota(&spoke));
        let (account, region) = (place.account.to_string(), place.region.to_string());
        let (found, mut findings) = found;
        let subject = format!("account {account}");
        let quota = quota.map_err(|error| findings.push(Finding::of_error(subject, &error))).ok();
        let profiles = u64::try_from(found.len()).unwrap_or(u64::MAX);
        (found, Some(Fill { account, region, profiles, quota }), findings)
    })
    .await;
    let (mut profiles, mut accounts) = (Vec::new(), Vec::new());
    for ((found, fill, findings), _) in looked {
        profiles.extend(found.iter().filter_map(Seen::of));
        accounts.extend(fill);
        failed.extend(findings);
    }
    let now = Timestamp::now();
    let mut review = review(&mappings, people.as_ref(), &profiles, arguments.days, now);
    (review.accounts, review.failed) = (accounts, failed);
    review.accounts.sort();
    for (path, text) in [
        (&arguments.csv, csv as fn(&Review) -> String),
        (&arguments.html, report_page::page as fn(&Review) -> String),
    ] {
        let Some(path) = path else { continue };
        std::fs::write(path, text(&review)).map_err(|error| {
            Failure::new(Exit::Failed, format!("{}: {error}", plain(&path.to_string_lossy())))
        })?;
    }
    print(&review, format);
    Ok(if review.failed.is_empty() { Exit::Done } else { Exit::Failed })
}

/// RFC 4180, with a heading. A cell that a spreadsheet would take for a formula begins with an apostrophe.
pub(super) fn csv(review: &Review) -> String {
    let heading = [
        "person", "owner", "team", "rule", "detail", "until", "ended", "reason", "by", "account",
        "profile", "status", "changed", "revoked", "denied",
    ];
    let mut text = heading.join(",") + "\r\n";
    for row in &review.rows {
        let flag = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            row.person.clone(),
            optional(&row.owner),
            row.team.clone(),
            row.rule.word().to_owned(),
            row.detail.clone(),
            row.until.map(|until| until.to_string()).unwrap_or_default(),
            flag(row.ended),
            optional(&row.reason),
            optional(&row.by),
            optional(&row.account),
            optional(&row.profile),
            optional(&row.status),
            optional(&row.changed),
            flag(row.revoked),
            flag(row.denied),
        ];
        let cells: Vec<_> = cells.iter().map(|cell| csv_cell(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn print(review: &Review, format: Format) {
    if format == Format::Json {
        let teams = review.teams.iter().map(|(team, [people, profiles])| {
            json!({"team": team, "people": people, "profiles": profiles})
        });
        json(&json!({
            "at": review.at,
            "access": review.rows,
            "teams": teams.collect::<Vec<_>>(),
            "needless": review.needless,
            "accounts": review.accounts,
            "failed": review.failed,
        }));
        return;
    }
    let rows: Vec<[String; 7]> = review
        .rows
        .iter()
        .map(|row| {
            let until = match row.until {
                Some(until) if row.ended => format!("ended {until}"),
                Some(until) => until.to_string(),
                None => String::new(),
            };
            let state = match (&row.status, row.revoked, row.denied) {
                (_, _, true) => "denied".to_owned(),
                (Some(_), true, _) => "revoked".to_owned(),
                (Some(status), ..) => status.clone(),
                (None, ..) => String::new(),
            };
            let changed = row.changed.clone().unwrap_or_default();
            let rule = match row.detail.as_str() {
                "" => row.rule.word().to_owned(),
                detail => format!("{}: {detail}", row.rule.word()),
            };
            let profile = row.profile.clone().unwrap_or_default();
            [row.person.clone(), row.team.clone(), rule, until, profile, state, changed]
        })
        .collect();
    data(table(["PERSON", "TEAM", "RULE", "UNTIL", "PROFILE", "STATE", "CHANGED"], &rows));
    let full: Vec<[String; 4]> = review
        .accounts
        .iter()
        .map(|fill| {
            let quota = fill.quota.map_or_else(|| "unknown".to_owned(), |quota| quota.to_string());
            [fill.account.clone(), fill.region.clone(), fill.profiles.to_string(), quota]
        })
        .collect();
    data("");
    data(table(["ACCOUNT", "REGION", "PROFILES", "QUOTA"], &full));
    if !review.needless.is_empty() {
        data("");
        let rows: Vec<[String; 3]> = review
            .needless
            .iter()
            .map(|needless| {
                [needless.kind.replace('_', " "), needless.subject.clone(), needless.why.clone()]
            })
            .collect();
        data(table(["NOT NEEDED", "WHAT", "WHY"], &rows));
    }
    let people: BTreeSet<_> = review.rows.iter().map(|row| row.person.as_str()).collect();
    let people = count(people.len(), "person").replace("persons", "people");
    say(format!("{} in {}", styled(STRONG, people), count(review.teams.len(), "team")));
    lines(&review.failed).iter().for_each(say);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_no_row_breaks() {
        assert_eq!(csv_cell("=cmd|'/c calc'!A1"), "'=cmd|'/c calc'!A1");
        assert_eq!(csv_cell("a\"b,c\r\nd"), "\"a\"\"b,c\r\nd\"");
        assert_eq!(csv_cell("-1"), "'-1");
        assert_eq!(csv_cell("jane"), "jane");
    }
}
