//! `studio-broker doctor`: would everybody get in who should, and nobody else?
//!
//! It never stops early: what cannot be found out is a finding as well. Nothing is changed, and nothing is
//! done as the broker: accounts are looked at with the doctor role, by credentials of an administrator.
//! So what the broker's own calls would be answered is not tried but concluded; [`PROOF`] says from what.

mod asked;
mod doors;
mod hub;
mod permissions;
mod target;
pub(super) use target::quota;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::asked::Asked;
use self::permissions::HubTables;
use self::target::{Checked, Checks};
use super::Exit;
use super::findings::{Cause, Finding, Level, lines, tally};
use super::fleet::{self, Mappings, PARALLEL, Place};
use super::hub::Hub;
use super::output::{ADDED, Code, Failure, Format, STRONG, count, data, json, say, styled};
use crate::aws::error::Kind;
use crate::aws::spoke::administrator;
use crate::config::environment;
use crate::mappings::Table;
use crate::team::RoleArn;
use crate::team::item::Attribute;

#[derive(Debug, clap::Args)]
#[command(
    before_help = "Example:\n  studio-broker doctor",
    after_help = "Run it with credentials of an administrator of the hub account, and with the settings\n(STUDIO_BROKER_…, AWS_…) that the broker has. It changes nothing.\n\nExit codes: 0 nothing found that --fail-on counts, 1 failed, 2 usage, 3 findings, 4 not authorised in the\nhub account."
)]
pub(super) struct Arguments {
    /// Checks only this team; may be repeated. All teams when absent.
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// Checks only the teams of this account; may be repeated.
    #[arg(long = "account", value_name = "ACCOUNT")]
    accounts: Vec<String>,
    /// From which level on findings fail: problem, warning or unproven.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Problem, hide_possible_values = true)]
    fail_on: Level,
    /// Leaves out a finding that is known, by its cause and the team, account or IdP that it is about; may be repeated.
    #[arg(long, value_name = "CAUSE=TEAM", value_parser = ignored)]
    ignore: Vec<(Cause, String)>,
    /// ARN of the role that the broker runs with; else the one that the trust policies name.
    #[arg(long, value_name = "ARN", value_parser = role_arn)]
    hub_role: Option<String>,
    /// How many accounts are checked at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = fleet::parallel)]
    parallel: usize,
}

/// What is claimed when nothing is found, and how it is known.
const PROOF: [(&str, &str); 6] = [
    (
        "the target role lets in the broker for its teams, and nobody else",
        "its trust policy, read with iam:GetRole and evaluated here: it names nobody else, and has no condition that is not judged; AWS simulates no trust policies",
    ),
    (
        "the target role does what a sign-in needs, and refuses unknown teams, sessions without tags and foreign profiles",
        "iam:SimulatePrincipalPolicy on the policies and boundary of the role, with such sessions and profiles as context",
    ),
    (
        "the hub role reaches the target roles and its tables, and no more of them",
        "iam:SimulatePrincipalPolicy on the hub role, where it belongs to the account of these credentials",
    ),
    (
        "the execution role can be passed to SageMaker and is trusted by it",
        "iam:SimulatePrincipalPolicy (iam:PassRole) on the target role; the trust policy of the execution role, evaluated here",
    ),
    (
        "domains are in service and in IAM mode; profiles are left",
        "DescribeDomain, ListUserProfiles and Service Quotas, as the doctor role",
    ),
    (
        "not proven: that the hub role reaches target roles where its policy asks for its function (lambda:SourceFunctionArn); conditions on networks, policies of VPC endpoints, and what AWS decides at the very moment",
        "a sign-in; its log line names what refused",
    ),
];

#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let started = Instant::now();
    let now = Timestamp::now();
    let hub = Hub::connect().await?;
    let (settings, mut findings) = hub::settings(environment)?;
    let administrator = administrator(&hub.sdk).await?;
    findings.extend(hub::clock(&administrator, now, settings.clock_skew_seconds));
    let ((of_tables, arns), (mappings, unread)) =
        tokio::join!(hub::tables(&hub, &settings), Mappings::read_each(&hub));
    findings.extend(of_tables);
    let is_read = |table| unread.iter().all(|(other, _)| *other != table);
    // What hangs on a table that could not be read is not found out; everything else is.
    if is_read(Table::Idps) && is_read(Table::Teams) {
        let asked = Asked { teams: &arguments.teams, accounts: &arguments.accounts };
        findings.extend(hub::mappings(&hub, &mappings, &asked, now).await);
        if !asked.is_everything() {
            let told: Vec<_> = findings.clone();
            mappings.tell_unusable(&told);
        }
    }
    let mut places = match is_read(Table::Teams) {
        true => mappings.places(&arguments.teams)?,
        false => Vec::new(),
    };
    if !arguments.accounts.is_empty() {
        places.retain(|place| arguments.accounts.iter().any(|one| one == place.account.as_str()));
        if places.is_empty() {
            let message = "no team that can be used is in the accounts that were asked for";
            return Err(Failure::usage(message)
                .code(Code::NotFound)
                .hint("studio-broker teams list"));
        }
    }
    let checks = Checks {
        sdk: &hub.sdk,
        administrator: &administrator,
        target_role_name: &settings.target_role_name,
        hub_role: arguments.hub_role.as_deref(),
        directories: directories(&mappings),
    };
    let checked = targets(&checks, places.clone(), arguments.parallel).await;
    let tables = HubTables::of(&settings, &arns);
    findings.extend(hub_role(&hub, &checks, &tables, &places, &checked).await);
    let summary = Summary::of(&mappings, &places, &checked);
    findings.extend(checked.into_iter().flat_map(|(checked, _)| checked.findings));
    let mut exit = Exit::Refused;
    for (table, error) in unread {
        // That it is missing was found above.
        if error.kind != Kind::Missing {
            let subject = format!("table {}", hub.tables().name(table));
            findings.push(Finding::of_error(subject, &error));
            exit = Failure::from(error).exit;
        }
    }
    findings.sort_by(|a, b| (a.level, a.cause, &a.subject).cmp(&(b.level, b.cause, &b.subject)));
    let all = findings.len();
    findings.retain(|finding| !arguments.ignore.iter().any(|known| is_ignored(finding, known)));
    let ignored = all - findings.len();
    report(&findings, ignored, &summary, started.elapsed(), format);
    let fails = findings.iter().any(|finding| finding.level <= arguments.fail_on);
    Ok(if fails || exit != Exit::Refused { exit } else { Exit::Done })
}

/// Reads `CAUSE=TEAM`.
fn ignored(text: &str) -> Result<(Cause, String), String> {
    let (cause, what) = text.split_once('=').ok_or("expected CAUSE=TEAM")?;
    let cause = Cause::of_code(cause).ok_or_else(|| format!("no finding has the cause {cause}"))?;
    Ok((cause, what.to_owned()))
}

/// Whether a finding is of that cause, and about that team, account or `IdP`.
fn is_ignored(finding: &Finding, (cause, what): &(Cause, String)) -> bool {
    let mut words = finding.subject.split([' ', '(', ')', ',']);
    finding.cause == *cause && words.any(|word| word == what)
}

fn role_arn(text: &str) -> Result<String, String> {
    let expected = || format!("expected {}", <RoleArn as Attribute>::EXPECTED);
    RoleArn::try_from(text.to_owned()).map(String::from).map_err(|_| expected())
}

fn directories(mappings: &Mappings) -> Vec<String> {
    let idps = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let named: BTreeSet<_> = idps.map(|idp| idp.directory.clone()).collect();
    if named.is_empty() { vec!["default".into()] } else { named.into_iter().collect() }
}

/// An account that was too busy is looked at again before anything about it counts as unproven.
const MORE_TRIES: usize = 2;
const PAUSE: Duration = Duration::from_secs(3);

async fn targets(
    checks: &Checks<'_>,
    places: Vec<Place>,
    parallel: usize,
) -> Vec<(Checked, Duration)> {
    let work = |place: Place| async move {
        let mut checked = Box::pin(checks.place(&place)).await;
        for _ in 0..MORE_TRIES {
            if checked.findings.iter().all(|finding| finding.cause != Cause::Busy) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            checked = Box::pin(checks.place(&place)).await;
        }
        checked
    };
    fleet::each(places, parallel, "checking accounts", work).await
}

/// The one role that all target roles should let in, and what it may do.
async fn hub_role(
    hub: &Hub,
    checks: &Checks<'_>,
    tables: &Option<HubTables>,
    places: &[Place],
    checked: &[(Checked, Duration)],
) -> Vec<Finding> {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    let mut organization = None;
    for (role, of) in checked.iter().flat_map(|(checked, _)| &checked.hub_roles) {
        *named.entry(role).or_default() += 1;
        organization = organization.or(of.as_deref());
    }
    let mut findings = Vec::new();
    let most = named.iter().max_by_key(|(_, number)| **number).map(|(role, _)| *role);
    if named.len() > 1 && checks.hub_role.is_none() {
        let each =
            named.iter().map(|(role, number)| format!("{role} ({})", count(*number, "team")));
        let found = each.collect::<Vec<_>>().join(", ");
        let fix = "deploy the templates with the same hub role, or name it: studio-broker doctor --hub-role ARN";
        findings.push(Finding::new(Cause::HubsDiffer, "trust policies", found, fix));
    }
    let (Some(role), Some(tables)) = (checks.hub_role.or(most), tables) else { return findings };
    // Policies of another account's role are not for these credentials to read.
    if role.split(':').nth(4) != Some(checks.administrator.account.as_str()) {
        return findings;
    }
    let teams = places.iter().flat_map(|place| &place.teams);
    let targets: BTreeSet<_> =
        teams.map(|team| team.broker_role(checks.target_role_name).to_string()).collect();
    let targets: Vec<_> = targets.into_iter().collect();
    let iam = aws_sdk_iam::Client::new(&hub.sdk);
    match permissions::of_hub(&iam, role, organization, &targets, tables).await {
        Ok(of_hub) => findings.extend(of_hub),
        Err(error) => findings.push(Finding::of_error(format!("role {role}"), &error)),
    }
    findings
}

/// What was looked at.
#[derive(Debug, Default)]
struct Summary {
    teams: usize,
    idps: usize,
    accounts: usize,
    targets: Vec<Value>,
    not_entered: usize,
}

impl Summary {
    fn of(mappings: &Mappings, places: &[Place], checked: &[(Checked, Duration)]) -> Self {
        let accounts: BTreeSet<_> = places.iter().map(|place| &place.account).collect();
        let targets = places.iter().zip(checked).map(|(place, (checked, took))| {
            let ids: Vec<_> = place.teams.iter().map(|team| team.team_id.as_str()).collect();
            json!({
                "account": place.account,
                "region": place.region,
                "teams": ids,
                "entered": checked.entered,
                "findings": checked.findings.len(),
                "seconds": seconds(*took),
            })
        });
        Self {
            teams: places.iter().map(|place| place.teams.len()).sum(),
            idps: mappings.idps.len(),
            accounts: accounts.len(),
            targets: targets.collect(),
            not_entered: checked.iter().filter(|(checked, _)| !checked.entered).count(),
        }
    }
}

/// Seconds with milliseconds.
fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

fn report(findings: &[Finding], ignored: usize, summary: &Summary, took: Duration, format: Format) {
    let verdict = if findings.is_empty() { "ok" } else { "findings" };
    if format == Format::Json {
        let proof: Vec<_> =
            PROOF.iter().map(|(claim, by)| json!({"claim": claim, "by": by})).collect();
        json(&json!({
            "verdict": verdict,
            "findings": findings,
            "ignored": ignored,
            "checked": {
                "teams": summary.teams,
                "idps": summary.idps,
                "accounts": summary.accounts,
                "targets": summary.targets,
            },
            "proof": proof,
            "seconds": seconds(took),
        }));
        return;
    }
    for line in lines(findings) {
        data(line);
    }
    let Summary { teams, idps, accounts, not_entered, .. } = summary;
    let looked_at = format!(
        "looked at {}, {} and {}",
        count(*teams, "team"),
        count(*accounts, "account"),
        count(*idps, "IdP")
    );
    if findings.is_empty() {
        for (claim, by) in PROOF {
            data(format!("{claim}\n  {} {by}", styled(STRONG, "by:")));
        }
        data(format!("{} nothing found; {looked_at}", styled(ADDED, "ok:")));
    } else {
        data(format!("{} {}; {looked_at}", styled(STRONG, "verdict:"), tally(findings)));
    }
    if ignored > 0 {
        say(format!("{} left out by --ignore", count(ignored, "finding")));
    }
    if *not_entered > 0 {
        say(format!("{} could not be entered", count(*not_entered, "account")));
    }
}
