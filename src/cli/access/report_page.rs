//! The report as one page: nothing from elsewhere, no script, and it prints.

use std::collections::BTreeSet;

use askama::Template;
use jiff::Timestamp;

use super::review::{Needless, Review, Row};
use crate::team::members::Until;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    review: &'a Review,
    day: String,
    moment: String,
    people: usize,
    ends: Vec<Ending<'a>>,
    days: Vec<Day>,
    /// How many end on the day on which most do: what the highest column stands for.
    most: usize,
    first_day: String,
    last_day: String,
    needless: Vec<Unneeded<'a>>,
    fills: Vec<FillRow<'a>>,
    teams: Vec<TeamRow<'a>>,
    rows: Vec<AccessRow<'a>>,
}

struct Ending<'a> {
    until: String,
    person: &'a str,
    team: &'a str,
    reason: &'a str,
    by: &'a str,
}

/// One column of the picture of the next days.
struct Day {
    day: String,
    number: usize,
    x: usize,
    y: usize,
    height: usize,
}

struct Unneeded<'a> {
    kind: String,
    subject: &'a str,
    why: &'a str,
}

struct FillRow<'a> {
    account: &'a str,
    region: &'a str,
    profiles: u64,
    quota: String,
    percent: Option<u64>,
    /// Of a picture that ends at 100.
    width: u64,
    is_full: bool,
}

struct TeamRow<'a> {
    team: &'a str,
    people: usize,
    profiles: usize,
    width: usize,
}

struct AccessRow<'a> {
    person: &'a str,
    team: &'a str,
    rule: String,
    until: String,
    profile: &'a str,
    state: String,
    bad: bool,
    changed: String,
}

/// How many days the picture of what ends shows.
const DAYS: usize = 30;
/// How high its columns are at most.
const HEIGHT: usize = 55;

/// The page; what cannot be rendered is an empty one, and a test renders it.
pub(super) fn page(review: &Review) -> String {
    let people: BTreeSet<_> = review.rows.iter().map(|row| row.person.as_str()).collect();
    let mut soon: Vec<(Timestamp, &Row)> = review
        .rows
        .iter()
        .filter_map(|row| match row.until {
            Some(Until::At(end)) if !row.ended && day_of(review.at, end) < DAYS => Some((end, row)),
            _ => None,
        })
        .collect();
    soon.sort_by_key(|(end, row)| (*end, &row.person));
    let numbers: Vec<usize> = (0..DAYS)
        .map(|day| soon.iter().filter(|(end, _)| day_of(review.at, *end) == day).count())
        .collect();
    let most = numbers.iter().copied().max().unwrap_or_default().max(1);
    let days: Vec<Day> = numbers
        .iter()
        .enumerate()
        .map(|(day, number)| {
            let height = (number * HEIGHT).div_ceil(most);
            let hours = i64::try_from(day * 24).unwrap_or_default();
            let then = review.at.saturating_add(jiff::SignedDuration::from_hours(hours));
            let day_name =
                then.map_or_else(|_| String::new(), |t| t.strftime("%Y-%m-%d").to_string());
            Day { day: day_name, number: *number, x: day * 10 + 1, y: 60 - height, height }
        })
        .collect();
    let largest = review.teams.values().map(|[people, _]| *people).max().unwrap_or_default().max(1);
    let page = Page {
        review,
        day: review.at.strftime("%Y-%m-%d").to_string(),
        moment: words(review.at),
        people: people.len(),
        ends: soon
            .iter()
            .map(|(end, row)| Ending {
                until: words(*end),
                person: &row.person,
                team: &row.team,
                reason: row.reason.as_deref().unwrap_or_default(),
                by: row.by.as_deref().unwrap_or_default(),
            })
            .collect(),
        first_day: days.first().map(|day| day.day.clone()).unwrap_or_default(),
        last_day: days.last().map(|day| day.day.clone()).unwrap_or_default(),
        days,
        most,
        needless: review.needless.iter().map(unneeded).collect(),
        fills: review
            .accounts
            .iter()
            .map(|fill| {
                let percent = fill.quota.map(|quota| fill.profiles * 100 / quota.max(1));
                FillRow {
                    account: &fill.account,
                    region: &fill.region,
                    profiles: fill.profiles,
                    quota: fill.quota.map_or_else(|| "unknown".into(), |quota| quota.to_string()),
                    percent,
                    width: percent.unwrap_or_default().min(100),
                    is_full: percent.is_some_and(|percent| percent >= 80),
                }
            })
            .collect(),
        teams: review
            .teams
            .iter()
            .map(|(team, [people, profiles])| TeamRow {
                team,
                people: *people,
                profiles: *profiles,
                width: people * 100 / largest,
            })
            .collect(),
        rows: review.rows.iter().map(access_row).collect(),
    };
    page.render().unwrap_or_default()
}

/// In how many days a moment comes, counted from now.
fn day_of(now: Timestamp, then: Timestamp) -> usize {
    usize::try_from(then.duration_since(now).as_hours() / 24).unwrap_or(usize::MAX)
}

fn words(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The same for a moment that is a text already; another text stays as it is.
fn moment_words(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), words)
}

fn unneeded(needless: &Needless) -> Unneeded<'_> {
    let Needless { kind, subject, why } = needless;
    Unneeded { kind: kind.replace('_', " "), subject, why }
}

fn access_row(row: &Row) -> AccessRow<'_> {
    let rule = match row.detail.as_str() {
        "" => row.rule.word().to_owned(),
        detail => format!("{}: {detail}", row.rule.word()),
    };
    let until = match row.until {
        None => String::new(),
        Some(Until::At(end)) if row.ended => format!("ended {}", words(end)),
        Some(Until::At(end)) => words(end),
        Some(Until::Always) => "always".to_owned(),
    };
    let (state, bad) = match (&row.status, row.revoked, row.denied) {
        (_, _, true) => ("denied".to_owned(), true),
        (Some(_), true, _) => ("revoked".to_owned(), true),
        (Some(status), ..) => (status.clone(), status.contains("Failed")),
        (None, ..) => ("no profile".to_owned(), false),
    };
    AccessRow {
        person: &row.person,
        team: &row.team,
        rule,
        until,
        profile: row.profile.as_deref().unwrap_or_default(),
        state,
        bad,
        changed: row.changed.as_deref().map(moment_words).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::review::{Fill, Rule};
    use super::*;

    fn review() -> Review {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let row = |person: &str, until: Option<Until>| Row {
            person: person.into(),
            owner: None,
            team: "a".into(),
            rule: Rule::Member,
            detail: String::new(),
            until,
            ended: false,
            reason: Some("<script>alert(1)</script>".into()),
            by: None,
            account: None,
            profile: None,
            status: None,
            changed: Some("2026-11-01T10:00:59Z".into()),
            revoked: false,
            denied: false,
        };
        let at = |text: &str| Some(Until::At(text.parse().unwrap()));
        Review {
            at: now,
            rows: vec![
                row("<b>ann", at("2026-11-29T11:00:00Z")),
                row("bob", at("2026-12-27T12:00:00Z")),
                row("late", at("2027-06-01T00:00:00Z")),
                row("cid", Some(Until::Always)),
            ],
            teams: BTreeMap::from([("a".to_owned(), [4, 0]), ("empty".to_owned(), [0, 0])]),
            accounts: vec![Fill {
                account: "012345678901".into(),
                region: "eu-west-1".into(),
                profiles: 90,
                quota: Some(100),
            }],
            ..Review::default()
        }
    }

    #[test]
    fn the_page_needs_nothing_and_shows_foreign_texts_as_texts() {
        let page = page(&review());
        assert!(page.contains("<title>Access to SageMaker Studio, 2026-11-28</title>"));
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("http://"));
        assert!(page.contains("&#60;b&#62;ann"));
        assert!(page.contains("90 %") && page.contains("class=\"full\" width=\"90\""));
    }

    #[test]
    fn every_moment_is_in_the_same_words() {
        let page = page(&review());
        assert!(page.contains("<td class=\"moment\">2026-11-01 10:00 UTC</td>"));
        assert!(!page.contains("10:00:59"));
    }

    #[test]
    fn what_ends_in_thirty_days_is_drawn_and_listed() {
        let page = page(&review());
        assert!(page.contains("<title>2026-11-28: 1</title>"));
        assert!(page.contains("<title>2026-12-27: 1</title>"));
        let scale =
            "<span>2026-11-28</span><span>one at most on a day</span><span>2026-12-27</span>";
        assert!(page.contains(scale));
        let part = page.split("id=\"needless\"").next().unwrap();
        assert!(part.contains("2026-11-29 11:00 UTC") && !part.contains("late"));
    }
}
