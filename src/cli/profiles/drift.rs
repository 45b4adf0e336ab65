//! `profiles drift`: profiles that are not as their mapping says, and those that nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::inventory::{Standing, Wanted, standing};
use super::people::People;
use crate::aws::error;
use crate::aws::profile::{Drift as Differs, Found, Profile};
use crate::aws::spoke::{DOCTOR_ROLE, LIFECYCLE_ROLE, Spoke, administrator};
use crate::cli::Exit;
use crate::cli::again::again;
use crate::cli::findings::{Finding, lines};
use crate::cli::fleet::{self, Mappings, PARALLEL, Place, each, entered};
use crate::cli::hub::Hub;
use crate::cli::output::{Code, Failure, Format, data, does, hint, json, say, table, word};
use crate::mappings::{Table, places};
use crate::team::Team;
use crate::team::idp::Idp;
use crate::team::item::excerpt;
use crate::team::owner::{Owner, profile_name_starts_of};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Only this team's profiles.
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// Sends profiles whose settings differ what their mapping says, as their next opening would.
    #[arg(long)]
    repair: bool,
    /// Searches this account no longer, since it is closed and no team is there.
    #[arg(long, value_name = "ACCOUNT", conflicts_with_all = ["team", "repair"])]
    forget: Option<String>,
    /// How many accounts are looked at at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = fleet::parallel)]
    parallel: usize,
}

/// How a profile differs.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Members of the mapping that it does not hold; the complete settings to send.
    Settings(Vec<String>, Map<String, Value>),
    /// SageMaker gave up on it.
    Failed(String),
    /// No mapping has the team of its tag.
    TeamGone,
    /// The team's mapping names another account, Region or domain.
    TeamMoved(String),
    /// The person has no way into the team any more.
    UserGone(&'static str),
}

impl Kind {
    /// Stable, snake case.
    fn code(&self) -> &'static str {
        match self {
            Self::Settings(..) => "settings_differ",
            Self::Failed(_) => "failed",
            Self::TeamGone => "team_gone",
            Self::TeamMoved(_) => "team_moved",
            Self::UserGone(_) => "user_gone",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Settings(paths, _) => paths.join(", "),
            Self::Failed(reason) | Self::TeamMoved(reason) => reason.clone(),
            Self::TeamGone => "no team has this id".into(),
            Self::UserGone(why) => (*why).into(),
        }
    }
}

/// A profile that differs.
#[derive(Debug)]
struct Drift {
    standing: Standing,
    kind: Kind,
    /// Whether a repair was sent; why not, where it failed.
    repaired: Option<Result<(), String>>,
}

pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    if let Some(account) = &arguments.forget {
        return forget(&hub, account, format).await;
    }
    let administrator = administrator(&hub.sdk).await?;
    let mappings = Mappings::read(&hub).await?;
    let teams = mappings.usable_teams();
    // Also those of a team that is gone are found by its tag, and what no team needs is found everywhere.
    let places = match &arguments.team {
        Some(team) if mappings.teams.contains_key(team) => {
            let of_team = mappings.places(arguments.team.as_slice())?;
            let all = mappings.all_places().into_iter();
            let looked = all.filter(|place| has_been(&mappings, place, &of_team));
            // Of a team that cannot be used nobody knows what its profiles should be.
            if of_team.is_empty() { Vec::new() } else { looked.collect() }
        }
        _ => mappings.all_places(),
    };
    let by_id: BTreeMap<&str, &Arc<Team>> =
        teams.iter().map(|team| (team.team_id.as_str(), team)).collect();
    let idps: Vec<Idp> =
        mappings.idps.values().filter_map(|stored| stored.mapping()?.idp().cloned()).collect();
    let with_groups: Vec<&Team> =
        teams.iter().map(AsRef::as_ref).filter(|team| !team.groups.is_empty()).collect();
    let (people, mut failed) = People::read(&hub, &idps, &with_groups).await;
    match &arguments.team {
        Some(_) => failed.extend(mappings.unusable_teams(arguments.team.as_slice())),
        None => failed.extend(mappings.lost_teams(&[])),
    }
    mappings.tell_unusable(&failed);
    let judge = Judge { mappings: &mappings, teams: &by_id, people: &people };
    let role = if arguments.repair { LIFECYCLE_ROLE } else { DOCTOR_ROLE };
    let (hub, administrator, arguments, judge) = (&hub, &administrator, &arguments, &judge);
    let looked = each(places, arguments.parallel, "comparing profiles", |place| async move {
        let spoke = match entered(&hub.sdk, &place, role, administrator).await {
            Ok(spoke) => spoke,
            Err(finding) => return (Vec::new(), vec![finding]),
        };
        // In every domain of the account: profiles outlive the domain's last team.
        let (found, failed) = standing(&spoke, &Wanted::default()).await;
        (judge.all(&spoke, found, arguments).await, failed)
    })
    .await;
    let mut drifts = Vec::new();
    for ((found, findings), _) in looked {
        drifts.extend(found);
        failed.extend(findings);
    }
    if let Some(team) = &arguments.team
        && !mappings.teams.contains_key(team)
        && drifts.is_empty()
        && failed.is_empty()
    {
        return Err(mappings.no_team(team));
    }
    report(&drifts, &failed, format);
    let left = drifts.iter().any(|drift| drift.repaired != Some(Ok(())));
    let refused = drifts.iter().any(|drift| matches!(drift.repaired, Some(Err(_))));
    Ok(match (failed.is_empty() && !refused, left) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::Refused,
        (true, false) => Exit::Done,
    })
}

/// Takes an account out of those that are searched, unless a team is there.
async fn forget(hub: &Hub, account: &str, format: Format) -> Result<Exit, Failure> {
    let mappings = Mappings::read(hub).await?;
    let is_there = |place: &places::Place| place.0.as_str() == account;
    if mappings
        .teams
        .values()
        .filter_map(|stored| places::of_item(&stored.item))
        .any(|p| is_there(&p))
    {
        let message = format!(
            "teams are in account {}: it is searched as long as they are",
            excerpt(account)
        );
        return Err(Failure::new(Exit::Failed, message).code(Code::AccountInUse));
    }
    let known: BTreeSet<_> =
        mappings.earlier.iter().filter(|place| is_there(place)).cloned().collect();
    if known.is_empty() {
        let message = format!("no team was ever seen in account {}", excerpt(account));
        return Err(Failure::new(Exit::Failed, message).code(Code::NotFound));
    }
    let forgotten = hub.tables().forget(&known).await;
    forgotten.map_err(|error| hub.failure(Table::Teams, error))?;
    match format {
        Format::Json => {
            json(&json!({"forgotten": known.iter().map(places::written).collect::<Vec<_>>()}))
        }
        Format::Table => data(format!("account {account} is searched no longer")),
    }
    Ok(Exit::Done)
}

/// Whether a place is one of a team's, or one that teams have left.
fn has_been(mappings: &Mappings, place: &Place, of_team: &[Place]) -> bool {
    let same = |other: &Place| other.account == place.account && other.region == place.region;
    let left =
        |(account, region, _): &places::Place| *account == place.account && *region == place.region;
    of_team.iter().any(same) || mappings.earlier.iter().any(left)
}

/// What profiles are compared with.
struct Judge<'a> {
    mappings: &'a Mappings,
    teams: &'a BTreeMap<&'a str, &'a Arc<Team>>,
    people: &'a People,
}

impl Judge<'_> {
    async fn all(&self, spoke: &Spoke, found: Vec<Standing>, arguments: &Arguments) -> Vec<Drift> {
        let mut drifts = Vec::new();
        for standing in found.into_iter().filter(Standing::is_ours) {
            if arguments.team.as_deref().is_some_and(|team| standing.team() != Some(team)) {
                continue;
            }
            let Some(kind) = self.one(spoke, &standing) else { continue };
            let repaired = match &kind {
                Kind::Settings(_, settings) if arguments.repair => {
                    self.repair(spoke, &standing, settings.clone()).await
                }
                _ => None,
            };
            drifts.push(Drift { standing, kind, repaired });
        }
        drifts
    }

    /// How a profile with both tags differs, if it does.
    fn one(&self, spoke: &Spoke, standing: &Standing) -> Option<Kind> {
        let (team_id, owner) = (standing.team()?, standing.owner()?);
        let Some(team) = self.teams.get(team_id) else {
            // A mapping that cannot be used says nothing about its profiles.
            return (!self.mappings.teams.contains_key(team_id)).then_some(Kind::TeamGone);
        };
        let Team { account_id, region, domain_id, .. } = team.as_ref();
        if *account_id != spoke.account || *region != spoke.region || *domain_id != standing.domain
        {
            return Some(Kind::TeamMoved(format!(
                "the team is in {account_id} {region} {domain_id}"
            )));
        }
        let owner_of_tag = Owner::of_tag(owner)?;
        let profile = profile(spoke, team, &owner_of_tag, &standing.described.name);
        match profile.judge(standing.described.clone(), &standing.tags) {
            Found::Drifted(Differs { members, settings, .. }) => {
                Some(Kind::Settings(members, settings))
            }
            Found::Failed(reason) | Found::Foreign(reason) => Some(Kind::Failed(reason)),
            Found::Ready
            | Found::Preparing { .. }
            | Found::Missing
            | Found::Untagged(_)
            | Found::Revoked
            | Found::Adoptable(_) => self.people.gone(owner, team).map(Kind::UserGone),
        }
    }

    async fn repair(
        &self,
        spoke: &Spoke,
        standing: &Standing,
        settings: Map<String, Value>,
    ) -> Option<Result<(), String>> {
        let team = self.teams.get(standing.team()?)?;
        let owner = Owner::of_tag(standing.owner()?)?;
        // The tags alone may be anybody's work, and a repair can hand the profile another role.
        let name = standing.described.name.to_ascii_lowercase();
        if !profile_name_starts_of(&owner).iter().any(|start| name.starts_with(start)) {
            return Some(Err(format!("its name is none that {owner} has, look at its tags")));
        }
        let profile = profile(spoke, team, &owner, &standing.described.name);
        Some(match profile.update(settings).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind == error::Kind::Conflict => {
                Err(format!("it is being changed already, or its apps run: {error}"))
            }
            Err(error) => Err(error.to_string()),
        })
    }
}

fn profile<'a>(spoke: &'a Spoke, team: &'a Team, owner: &'a Owner, name: &'a str) -> Profile<'a> {
    let Spoke { sagemaker, credentials, .. } = spoke;
    Profile { client: sagemaker, credentials, team, owner, name }
}

fn report(drifts: &[Drift], failed: &[Finding], format: Format) {
    if format == Format::Json {
        let drifts: Vec<_> = drifts.iter().map(as_json).collect();
        json(&json!({"drift": drifts, "failed": failed}));
        return;
    }
    let rows: Vec<[String; 6]> = drifts
        .iter()
        .map(|Drift { standing, kind, repaired }| {
            let state = match repaired {
                Some(Ok(())) => "repaired".to_owned(),
                Some(Err(why)) => format!("not repaired: {why}"),
                None => kind.code().to_owned(),
            };
            [
                standing.described.name.clone(),
                standing.owner().unwrap_or_default().to_owned(),
                standing.team().unwrap_or_default().to_owned(),
                standing.account.clone(),
                state,
                kind.detail(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        data(table(["PROFILE", "OWNER", "TEAM", "ACCOUNT", "DRIFT", "DETAIL"], &rows));
    }
    say(does(drifts.len(), "profile", "differ"));
    lines(failed).iter().for_each(say);
    let repairable =
        |drift: &&Drift| matches!(drift.kind, Kind::Settings(..)) && drift.repaired.is_none();
    if drifts.iter().any(|drift| repairable(&drift)) {
        hint(again("--repair"));
    }
    let gone = drifts.iter().find(|drift| matches!(drift.kind, Kind::TeamGone | Kind::UserGone(_)));
    if let Some(owner) = gone.and_then(|drift| drift.standing.owner()) {
        hint(format!("studio-broker profiles list --user {}", word(owner)));
    }
}

fn as_json(drift: &Drift) -> Value {
    let Drift { standing, kind, repaired } = drift;
    let mut shown = standing.as_json();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("drift".into(), kind.code().into());
        shown.insert("detail".into(), kind.detail().into());
        if let Kind::Settings(paths, _) = kind {
            shown.insert("members".into(), json!(paths));
        }
        let repaired = match repaired {
            None => json!(null),
            Some(Ok(())) => json!(true),
            Some(Err(why)) => json!(why),
        };
        shown.insert("repaired".into(), repaired);
    }
    shown
}
