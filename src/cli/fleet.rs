//! Hundreds of accounts: which there are, and one piece of work in each, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::findings::{Cause, Finding};
use super::hub::Hub;
use super::output::{Code, Failure, is_utf8, plain, warn, word};
use crate::aws::error::{AwsError, Kind};
use crate::aws::spoke::{Administrator, Spoke};
use crate::mappings::change::cut;
use crate::mappings::{Stored, Table, nearest, places};
use crate::team::item::{Fault, excerpt};
use crate::team::{AccountId, DomainId, Region, Team};

/// One account in one Region, with the teams that have their domain there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) teams: Vec<Arc<Team>>,
}

impl Place {
    /// The domains of its teams.
    pub(super) fn domains(&self) -> Vec<DomainId> {
        let named: BTreeSet<_> = self.teams.iter().map(|team| &team.domain_id).collect();
        named.into_iter().cloned().collect()
    }
}

/// What both tables hold.
#[derive(Debug)]
pub(super) struct Mappings {
    pub(super) teams: BTreeMap<String, Stored>,
    pub(super) idps: BTreeMap<String, Stored>,
    /// Where teams ever were, as far as a command of ours has seen them.
    pub(super) earlier: BTreeSet<places::Place>,
}

impl Mappings {
    /// Reads both tables, side by side.
    pub(super) async fn read(hub: &Hub) -> Result<Self, Failure> {
        let (mappings, unread) = Self::read_each(hub).await;
        match unread.into_iter().next() {
            None => Ok(mappings),
            Some((table, error)) => Err(hub.failure(table, error)),
        }
    }

    /// The same where one that cannot be read is no reason to end: it is empty, and its error is told.
    pub(super) async fn read_each(hub: &Hub) -> (Self, Vec<(Table, AwsError)>) {
        let tables = hub.tables();
        let (teams, idps) = tokio::join!(tables.teams_and_places(), tables.all(Table::Idps));
        let mut earlier = BTreeSet::new();
        let teams = teams.map(|(teams, places)| {
            earlier = places;
            teams
        });
        let mut unread = Vec::new();
        let mut of = |table, records: Result<BTreeMap<_, _>, AwsError>| {
            let records = records.unwrap_or_else(|error| {
                unread.push((table, error));
                BTreeMap::new()
            });
            records.into_iter().map(|(key, record)| (key, Stored::of(table, record))).collect()
        };
        let (teams, idps) = (of(Table::Teams, teams), of(Table::Idps, idps));
        let mappings = Self { teams, idps, earlier };
        (mappings, unread)
    }

    /// The teams that can be used.
    pub(super) fn usable_teams(&self) -> Vec<Arc<Team>> {
        let usable = self.teams.values().filter_map(|stored| stored.mapping()?.team());
        usable.cloned().map(Arc::new).collect()
    }

    /// The places of the teams that can be used, or of those that were asked for, by account and Region.
    ///
    /// # Errors
    ///
    /// There is no such team.
    pub(super) fn places(&self, wanted: &[String]) -> Result<Vec<Place>, Failure> {
        if let Some(unknown) = wanted.iter().find(|id| !self.teams.contains_key(*id)) {
            return Err(self.no_team(unknown));
        }
        let mut places: BTreeMap<(AccountId, Region), Vec<Arc<Team>>> = BTreeMap::new();
        for team in self.usable_teams() {
            if is_wanted(team.team_id.as_str(), wanted) {
                let key = (team.account_id.clone(), team.region.clone());
                places.entry(key).or_default().push(team);
            }
        }
        let place = |((account, region), teams)| Place { account, region, teams };
        Ok(places.into_iter().map(place).collect())
    }

    /// There is no such team; the nearest ids.
    pub(super) fn no_team(&self, id: &str) -> Failure {
        let near = nearest(id, self.teams.keys().map(String::as_str));
        let perhaps = match near.is_empty() {
            true => String::new(),
            false => format!(", perhaps {}", near.join(" or ")),
        };
        Failure::usage(format!("there is no team {}{perhaps}", excerpt(id)))
            .code(Code::NotFound)
            .hint("studio-broker teams list")
    }

    /// Every place where profiles can be: of teams that can be used, of those that are or were, and of items
    /// that cannot be used but say where they are.
    pub(super) fn all_places(&self) -> Vec<Place> {
        let mut all: BTreeMap<(AccountId, Region), Place> = BTreeMap::new();
        for place in self.places(&[]).unwrap_or_default() {
            all.insert((place.account.clone(), place.region.clone()), place);
        }
        let named = self.teams.values().filter_map(|stored| places::of_item(&stored.item));
        for (account, region, _) in self.earlier.iter().cloned().chain(named) {
            let key = (account.clone(), region.clone());
            all.entry(key).or_insert(Place { account, region, teams: Vec::new() });
        }
        all.into_values().collect()
    }

    /// Those of the unusable teams whose profiles are searched for nowhere: their items do not say where
    /// they are, and nobody has seen them.
    pub(super) fn lost_teams(&self, wanted: &[String]) -> Vec<Finding> {
        let is_lost = |stored: &Stored| places::of_item(&stored.item).is_none();
        let lost = |finding: &Finding| {
            let key = finding.subject.strip_prefix("team ").unwrap_or_default();
            self.teams.get(key).is_some_and(is_lost)
        };
        self.unusable_teams(wanted).into_iter().filter(lost).collect()
    }

    /// Says in one line what cannot be used and was not asked for.
    pub(super) fn tell_unusable(&self, asked: &[Finding]) {
        let told = |finding: &Finding| asked.iter().any(|one| one.subject == finding.subject);
        let all = self.unusable_teams(&[]).into_iter().chain(self.unusable_idps());
        let rest: Vec<_> = all.filter(|one| !told(one)).map(|one| plain(&one.subject)).collect();
        if !rest.is_empty() {
            warn(format!(
                "cannot be used, and is outside of what was asked: {}",
                cut(&rest, 5).join(", ")
            ));
        }
    }

    /// One finding for each team, or each that was asked for, whose item cannot be used: nothing is known
    /// of its profiles.
    pub(super) fn unusable_teams(&self, wanted: &[String]) -> Vec<Finding> {
        unusable("team", Cause::TeamInvalid, &self.teams, wanted, "teams")
    }

    /// One finding for each `IdP` whose item cannot be used: not even its directory is known.
    pub(super) fn unusable_idps(&self) -> Vec<Finding> {
        unusable("IdP", Cause::IdpInvalid, &self.idps, &[], "idps")
    }
}

/// The ids that differ in case only: their profiles are the same to SageMaker.
pub(super) fn alike(teams: &BTreeMap<String, Stored>) -> Vec<Vec<&str>> {
    let mut folded: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for id in teams.keys() {
        folded.entry(id.to_ascii_lowercase()).or_default().push(id);
    }
    folded.into_values().filter(|ids| ids.len() > 1).collect()
}

fn is_wanted(key: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == key)
}

fn unusable(
    noun: &str,
    cause: Cause,
    items: &BTreeMap<String, Stored>,
    wanted: &[String],
    command: &str,
) -> Vec<Finding> {
    let faulty =
        items.iter().filter(|(key, item)| !item.faults().is_empty() && is_wanted(key, wanted));
    let finding = |(key, stored): (&String, &Stored)| {
        let faults: Vec<_> = stored.faults().iter().map(Fault::to_string).collect();
        let fix = format!("studio-broker {command} show {}", word(key));
        Finding::new(cause, format!("{noun} {key}"), faults.join("; "), fix)
    };
    faulty.map(finding).collect()
}

/// Enters a place by one of its roles.
///
/// # Errors
///
/// The role could not be assumed: the finding that says so.
pub(super) async fn entered(
    sdk: &SdkConfig,
    place: &Place,
    role_name: &str,
    administrator: &Administrator,
) -> Result<Spoke, Finding> {
    let Place { account, region, .. } = place;
    let entered = Spoke::enter(sdk, account, region, role_name, administrator).await;
    entered.map_err(|error| not_entered(place, role_name, administrator, &error))
}

/// A place whose role could not be assumed.
pub(super) fn not_entered(
    place: &Place,
    role_name: &str,
    administrator: &Administrator,
    error: &AwsError,
) -> Finding {
    let Place { account, teams, .. } = place;
    let ids: Vec<_> = teams.iter().map(|team| team.team_id.to_string()).collect();
    let subject = match ids.is_empty() {
        true => format!("account {account} (no team any more)"),
        false => format!("account {account} ({})", cut(&ids, 5).join(", ")),
    };
    if error.kind != Kind::Denied {
        return Finding::of_error(subject, error);
    }
    if ids.is_empty() {
        let fix = "deploy its template again without teams, or, where the account is closed: studio-broker profiles drift --forget ".to_owned() + account.as_str();
        let found = format!("{} may not assume {role_name}: {error}", administrator.arn);
        return Finding::new(Cause::RoleDenied, subject, found, fix);
    }
    let fix = format!(
        "deploy the template of account {account}, whose role {role_name} lets in administrators of account {}; and allow them sts:AssumeRole on it",
        administrator.account
    );
    let found = format!("{} may not assume {role_name}: {error}", administrator.arn);
    Finding::new(Cause::RoleDenied, subject, found, fix)
}

/// How many accounts are worked in at once, unless it is asked for otherwise.
pub(super) const PARALLEL: usize = 64;

/// Does the same work for each item, at most `parallel` at once, and returns what came of it in the items'
/// order, each with the time it took. A terminal sees a progress bar.
#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn each<T, R, F>(
    items: Vec<T>,
    parallel: usize,
    doing: &'static str,
    work: impl Fn(T) -> F,
) -> Vec<(R, Duration)>
where
    F: Future<Output = R>,
{
    let bar = progress(items.len(), doing);
    let numbered = items.into_iter().enumerate();
    let working = futures_util::stream::iter(numbered.map(|(number, item)| {
        let done = work(item);
        let bar = &bar;
        async move {
            let started = Instant::now();
            let result = done.await;
            bar.inc(1);
            (number, (result, started.elapsed()))
        }
    }));
    let mut results: Vec<_> = working.buffer_unordered(parallel.max(1)).collect().await;
    bar.finish_and_clear();
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// A bar on standard error, nothing where that is no terminal.
fn progress(length: usize, doing: &'static str) -> ProgressBar {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(if is_utf8() { style } else { style.progress_chars("#>-") });
    bar.set_message(doing);
    bar.tick();
    bar
}

/// Reads `--parallel`.
pub(super) fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=256).contains(&number) => Ok(number),
        _ => Err("expected a number from 1 to 256".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_bounded_and_results_keep_the_order_of_the_items() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |item: u64| {
            let (running, most) = (&running, &most);
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20 - item)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                item
            }
        };
        let done = each((0..20).collect(), 4, "working", work).await;
        let order: Vec<_> = done.into_iter().map(|(item, _)| item).collect();
        assert_eq!(order, (0..20).collect::<Vec<u64>>());
        assert_eq!(most.load(Ordering::SeqCst), 4);
    }
}
