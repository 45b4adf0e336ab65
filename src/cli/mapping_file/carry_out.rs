//! Carrying a plan out: what has to be confirmed, what is written, how each write ended.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use serde_json::{Value, json};

use crate::aws::error::Kind;
use crate::aws::mapping_tables::{MOST_AT_ONCE, Outcome, Together};
use crate::cli::again::again;
use crate::cli::hub::{Head, Hub};
use crate::cli::interrupt::{Interrupt, interrupted};
use crate::cli::output::{
    ADDED, CHANGED, Code, Failure, Format, REMOVED, count, data, plain, say, styled, warn,
};
use crate::cli::plan_words::print;
use crate::cli::{Exit, kept_plan};
use crate::mappings::change::{cut, differences};
use crate::mappings::plan::{Action, Change, Plan, Risk};
use crate::mappings::{Table, subject};
use crate::team::item::{Record, readable_part};

/// What is known to happen to people, and meant.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Consent {
    /// What people lose by it, with the number that the plan says, such as moved=2; may be repeated.
    #[arg(long, value_name = "CONSEQUENCE=N", value_parser = risk_and_number)]
    confirm: Vec<(Risk, usize)>,
}

fn risk_and_number(text: &str) -> Result<(Risk, usize), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(risk, number)| Some((Risk::of(risk)?, number.parse().ok()?)));
    parsed.ok_or_else(|| {
        "expected moved=N, readmitted=N or keys-replaced=N, as the plan says it".to_owned()
    })
}

/// Whether anything is done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(in crate::cli) struct DryRun {
    /// Says what would be done and does nothing.
    #[arg(long)]
    dry_run: bool,
}

/// How much may go.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Removals {
    #[command(flatten)]
    dry_run: DryRun,
    /// How many items are to be removed: needed when it is more than 5.
    #[arg(long, value_name = "N")]
    confirm_removals: Option<usize>,
}

impl Removals {
    /// Nothing may go.
    pub(in crate::cli) fn none(dry_run: DryRun) -> Self {
        Self { dry_run, confirm_removals: Some(0) }
    }
}

/// More removals than this need their number.
const MANY_REMOVALS: usize = 5;

/// The options by which somebody says that all of this is meant.
pub(super) fn needed(plan: &Plan) -> Vec<String> {
    let mut options = Vec::new();
    let [.., removals] = plan.counts();
    if removals > MANY_REMOVALS {
        options.push(format!("--confirm-removals {removals}"));
    }
    options.extend(confirmations(&plan.risks()));
    if plan.is_privileged() {
        options.push("--allow-privileged".to_owned());
    }
    options
}

fn confirmations(risks: &BTreeMap<Risk, usize>) -> Vec<String> {
    risks.iter().map(|(risk, number)| format!("--confirm {}={number}", risk.word())).collect()
}

/// How a plan is carried out.
pub(in crate::cli) struct Orders<'a> {
    pub(in crate::cli) removals: &'a Removals,
    /// What people may lose by it; whatever it is where nobody is asked.
    pub(in crate::cli) consent: Option<&'a Consent>,
    /// All of it or nothing.
    pub(in crate::cli) together: bool,
    /// What goes into the JSON beside the plan.
    pub(in crate::cli) more: Option<Value>,
}

impl<'a> Orders<'a> {
    pub(in crate::cli) fn of(removals: &'a Removals, more: Option<Value>) -> Self {
        Self { removals, consent: None, together: false, more }
    }
}

/// Does what a plan says, unless it is a dry run, removes more than was confirmed, or takes from people what
/// nobody has confirmed.
pub(in crate::cli) async fn carry_out(
    hub: &Hub,
    mut plan: Plan,
    orders: Orders<'_>,
    format: Format,
) -> Result<Exit, Failure> {
    let Orders { removals, consent, together, more } = orders;
    let head = hub.head().await;
    let [.., number] = plan.counts();
    let confirmed = match removals.confirm_removals {
        Some(confirmed) => confirmed == number,
        None => number <= MANY_REMOVALS,
    };
    if !confirmed {
        print(hub, Some(&head), &plan, None, more, format);
        let message = format!("{} would be removed: nothing was written", count(number, "item"));
        return Err(Failure::usage(message)
            .code(Code::ConfirmationNeeded)
            .hint(again(&needed(&plan).join(" "))));
    }
    let DryRun { dry_run } = removals.dry_run;
    if dry_run || plan.changes.is_empty() {
        print(hub, Some(&head), &plan, None, more, format);
        if dry_run && format == Format::Table {
            say("dry run: nothing was written");
        }
        return Ok(Exit::Done);
    }
    if format == Format::Table {
        print(hub, Some(&head), &plan, None, None, format);
    }
    if let Some(consent) = consent {
        must_be_confirmed(hub, &head, &plan, consent, format)?;
    }
    remember(hub, &plan).await?;
    let signature = hub.signature().await;
    for after in plan.changes.iter_mut().filter_map(|change| change.after.as_mut()) {
        signature.put_into(after);
    }
    let interrupt = Interrupt::listen();
    let outcomes = match together && plan.changes.len() <= MOST_AT_ONCE {
        true => all_or_nothing(hub, &plan.changes, format).await?,
        false => {
            let told = |change: &Change, outcome: &Outcome| {
                if *outcome == Outcome::Written && format == Format::Table {
                    let name = subject(change.table, &change.key);
                    data(format!("{} {name}", done(change.action)));
                }
            };
            hub.tables().carry_out(&plan.changes, || interrupt.is_asked(), told).await
        }
    };
    if format == Format::Json {
        print(hub, Some(&head), &plan, Some(&outcomes), more, format);
    }
    report(hub, &plan, outcomes, &interrupt, format)
}

/// Remembers where teams are before anything goes, so that whatever happens next is searched for what it
/// left. Who may change one team alone may not write this item: then only a team that goes or moves waits
/// for somebody who may.
async fn remember(hub: &Hub, plan: &Plan) -> Result<(), Failure> {
    let of_teams = || plan.changes.iter().filter(|change| change.table == Table::Teams);
    if of_teams().next().is_none() {
        return Ok(());
    }
    let Err(error) = hub.tables().remember(&plan.places).await else { return Ok(()) };
    let leaves = |change: &Change| {
        change.action == Action::Remove || change.risks.contains_key(&Risk::Moved)
    };
    if error.kind != Kind::Denied || of_teams().any(leaves) {
        return Err(hub.failure(Table::Teams, error));
    }
    warn(
        "where these teams are could not be remembered: whoever may write the item \"-places\" does it with the next change",
    );
    Ok(())
}

/// Asks on a terminal; elsewhere each consequence needs its number.
fn must_be_confirmed(
    hub: &Hub,
    head: &Head,
    plan: &Plan,
    consent: &Consent,
    format: Format,
) -> Result<(), Failure> {
    let risks = plan.risks();
    let given: BTreeMap<Risk, usize> = consent.confirm.iter().copied().collect();
    if risks.iter().all(|(risk, number)| given.get(risk) == Some(number)) {
        return Ok(());
    }
    let each: Vec<_> = risks.iter().map(|(risk, number)| in_words(*risk, *number)).collect();
    let asks = format == Format::Table
        && given.is_empty()
        && std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal();
    if asks {
        say(format!("{}. Type yes to do it:", each.join("; ")));
        let mut typed = String::new();
        if std::io::stdin().read_line(&mut typed).is_ok() && typed.trim() == "yes" {
            return Ok(());
        }
        return Err(Failure::new(Exit::Refused, "not confirmed: nothing was written"));
    }
    if format == Format::Json {
        print(hub, Some(head), plan, None, None, format);
    }
    let message = format!("{}: nothing was written", each.join("; "));
    Err(Failure::usage(message)
        .code(Code::ConfirmationNeeded)
        .with("confirm", json!(risks))
        .hint(again(&needed(plan).join(" "))))
}

fn in_words(risk: Risk, number: usize) -> String {
    match risk {
        Risk::Moved => format!(
            "{} another id, account, domain or role, and people lose the profiles that they have",
            match number {
                1 => "1 team gets".to_owned(),
                number => format!("{number} teams get"),
            }
        ),
        Risk::Readmitted => format!(
            "{} who {} denied may sign in again",
            if number == 1 { "1 person".to_owned() } else { format!("{number} people") },
            if number == 1 { "was" } else { "were" }
        ),
        Risk::KeysReplaced => format!(
            "{} no key that it had: whoever holds the new ones signs everybody in",
            if number == 1 { "1 IdP keeps".to_owned() } else { format!("{number} IdPs keep") }
        ),
    }
}

/// Writes everything in one transaction.
async fn all_or_nothing(
    hub: &Hub,
    changes: &[Change],
    format: Format,
) -> Result<Vec<Outcome>, Failure> {
    match hub.tables().carry_out_together(changes).await {
        Ok(Together::Written) => {
            if format == Format::Table {
                for change in changes {
                    let name = subject(change.table, &change.key);
                    data(format!("{} {name}", done(change.action)));
                }
            }
            Ok(changes.iter().map(|_| Outcome::Written).collect())
        }
        Ok(Together::ChangedMeanwhile(which)) => {
            let of = |i: &usize| changes.get(*i).map(|c| subject(c.table, &c.key));
            let names: Vec<_> = which.iter().filter_map(of).collect();
            Err(kept_plan::outdated(&names))
        }
        Err(error) => Err(hub.failure(Table::Teams, error)),
    }
}

/// Says how each write that was not told ended, and ends with the code of the worst.
fn report(
    hub: &Hub,
    plan: &Plan,
    outcomes: Vec<Outcome>,
    interrupt: &Interrupt,
    format: Format,
) -> Result<Exit, Failure> {
    let mut written = 0;
    let mut changed = Vec::new();
    let mut not_tried = Vec::new();
    let mut failed = None;
    for (change, outcome) in plan.changes.iter().zip(outcomes) {
        let name = subject(change.table, &change.key);
        match outcome {
            Outcome::Written => written += 1,
            Outcome::ChangedMeanwhile(now) => {
                let what = by_somebody_else(change.before.as_ref(), now.as_ref());
                changed.push(format!("{name}: {what}"));
            }
            Outcome::NotTried => not_tried.push(name),
            Outcome::Failed(error) => {
                warn(format!("{name}: {}", plain(&error.to_string())));
                failed.get_or_insert((change.table, error));
            }
        }
    }
    let all = plan.changes.len();
    if let Some((table, error)) = failed {
        let mut failure = hub.failure(table, error);
        failure.message = format!(
            "{written} of {all} written, {} not tried; what is written counts as done: {}",
            not_tried.len(),
            failure.message
        );
        return Err(failure.hint(again("")));
    }
    if !not_tried.is_empty() && interrupt.is_asked() {
        let message = format!(
            "interrupted: {written} of {all} written, {} not begun: {}; what is written counts as done, and the same command goes on",
            not_tried.len(),
            cut(&not_tried, 10).join(", ")
        );
        return Err(interrupted(message).hint(again("")));
    }
    if !changed.is_empty() {
        let message = format!(
            "{written} of {all} written; somebody else changed meanwhile, and it was left alone:\n  {}",
            changed.join("\n  ")
        );
        return Err(Failure::new(Exit::Conflict, message).hint(again("")));
    }
    if format == Format::Table {
        let seconds = hub.settings.team_cache_seconds;
        say(format!("{} written; in effect within {seconds} seconds", count(written, "item")));
    }
    Ok(Exit::Done)
}

/// What somebody else has made of an item meanwhile.
fn by_somebody_else(before: Option<&Record>, now: Option<&Record>) -> String {
    let (before, now) = match (before, now) {
        (_, None) => return "it was removed".to_owned(),
        (None, Some(_)) => return "it appeared".to_owned(),
        (Some(before), Some(now)) => (readable_part(before).0, readable_part(now).0),
    };
    let lines: Vec<_> = differences(&before, &now).iter().map(ToString::to_string).collect();
    match lines.as_slice() {
        [] => "it means the same, written otherwise".to_owned(),
        lines => cut(lines, 5).join("; "),
    }
}

fn done(action: Action) -> String {
    match action {
        Action::Create => styled(ADDED, "created"),
        Action::Update => styled(CHANGED, "changed"),
        Action::Remove => styled(REMOVED, "removed"),
    }
}
