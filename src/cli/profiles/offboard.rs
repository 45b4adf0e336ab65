//! `profiles offboard`: the end of everything that one person has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::end::{Belongings, Ended, Order, belongings, end};
use super::inventory::{Standing, Wanted, standing};
use super::revoke::{self, Claim, claim};
use crate::aws::error::{AwsError, sorted};
use crate::aws::mapping_tables::Written;
use crate::aws::sagemaker::RawAnswer;
use crate::aws::spoke::{Administrator, LIFECYCLE_ROLE, Spoke, administrator};
use crate::cli::Exit;
use crate::cli::findings::{Finding, lines};
use crate::cli::fleet::{self, Mappings, PARALLEL, Place, each, not_entered};
use crate::cli::hub::Hub;
use crate::cli::mapping_file;
use crate::cli::output::{Failure, Format, count, data, hint, json, plain, say, warn, word};
use crate::config::environment;
use crate::mappings::Table;
use crate::team::idp::must_be_user_id;
use crate::team::item::{Record, excerpt};
use crate::team::members::Name;
use crate::team::owner::{DEFAULT_DIRECTORY, Owner, profile_name_starts};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The user id, exactly as the identity provider sends it.
    #[arg(value_name = "USER")]
    user: String,
    /// The directory of the user id; needed where identity providers have several.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<String>,
    /// Does it, without asking.
    #[arg(long)]
    yes: bool,
    /// Ends shared spaces of the person too, with whatever others keep in them.
    #[arg(long)]
    shared_spaces: bool,
    /// How long apps, spaces and profiles are waited for.
    #[arg(long, value_name = "MINUTES", default_value_t = 40, value_parser = clap::value_parser!(u64).range(0..=240))]
    wait: u64,
    /// How many accounts are worked in at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = fleet::parallel)]
    parallel: usize,
}

/// The person who goes.
#[derive(Debug)]
struct Leaver {
    user: String,
    directory: String,
    owner: Owner,
}

impl Leaver {
    fn name(&self) -> Name {
        Name { directory: self.directory.clone(), user_id: self.user.clone() }
    }
}

/// A profile that goes, with what hangs on it.
#[derive(Debug, Clone)]
struct Planned {
    spoke: Spoke,
    standing: Standing,
    belongings: Belongings,
    file_system: Option<String>,
}

/// Everything that is to be done, and what is not.
#[derive(Debug, Default)]
struct Plan {
    /// Entity IDs of the `IdPs` that are to refuse the person.
    deny: Vec<String>,
    profiles: Vec<Planned>,
    /// Profiles that look like the person's and are left alone, each with the reason.
    left_alone: Vec<String>,
    failed: Vec<Finding>,
}

impl Plan {
    /// Takes what a later look left alone or could not find out, unless it is here or in `known` already.
    fn add_new(&mut self, left_alone: Vec<String>, failed: Vec<Finding>, known: &Plan) {
        for why in left_alone {
            if !self.left_alone.contains(&why) && !known.left_alone.contains(&why) {
                self.left_alone.push(why);
            }
        }
        for finding in failed {
            let same = |other: &Finding| {
                (other.cause, &other.subject) == (finding.cause, &finding.subject)
            };
            if !self.failed.iter().any(same) && !known.failed.iter().any(same) {
                self.failed.push(finding);
            }
        }
    }
}

pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    // An empty variable of a script would be denied at every IdP, whose items nobody could read then.
    must_be_user_id(&arguments.user)
        .map_err(|why| Failure::usage(format!("nobody can have this user id: {why}")))?;
    let hub = Hub::connect().await?;
    let administrator = administrator(&hub.sdk).await?;
    let mappings = Mappings::read(&hub).await?;
    let leaver = leaver(&arguments, &mappings)?;
    let places = mappings.places(&[])?;
    let mut plan = find(&hub, &administrator, &leaver, places.clone(), arguments.parallel).await;
    plan.deny = to_deny(&leaver, &mappings);
    // Where an item cannot be used, nobody looked for profiles, and nobody is refused.
    plan.failed.extend(mappings.unusable_teams(&[]));
    plan.failed.extend(mappings.unusable_idps());
    if plan.deny.is_empty() && plan.profiles.is_empty() {
        if !plan.left_alone.is_empty() || !plan.failed.is_empty() {
            show(&leaver, &plan, format);
        }
        report(&leaver, &plan, &[], format);
        return Ok(if plan.failed.is_empty() { Exit::Done } else { Exit::Failed });
    }
    show(&leaver, &plan, format);
    if !arguments.yes && !confirmed(&leaver, format) {
        if format == Format::Json {
            json(&as_json(&leaver, &plan, None));
        }
        return Ok(Exit::Refused);
    }
    // What is open ends at once; what cannot be tagged is ended like the rest.
    let work: Vec<_> =
        plan.profiles.iter().map(|p| (p.spoke.clone(), p.standing.clone())).collect();
    plan.failed.extend(revoke::revoke(work, arguments.parallel).await);
    let denied_at = fleet::now();
    for entity_id in &plan.deny {
        deny(&hub, entity_id, &arguments).await?;
    }
    let wait = if plan.deny.is_empty() { Duration::ZERO } else { noticed(&hub, format) };
    let work = Work { hub: &hub, administrator: &administrator, leaver: &leaver, places };
    let (ended, late) = work.carry_out(&plan, &arguments, denied_at + wait).await;
    if format == Format::Table {
        tell_left(&late);
    }
    plan.left_alone.extend(late.left_alone);
    plan.failed.extend(late.failed);
    report(&leaver, &plan, &ended, format);
    let left = ended.iter().any(|(_, ended)| *ended != Ended::Gone);
    if left || !plan.failed.is_empty() {
        if format == Format::Table {
            hint(again(&arguments));
        }
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// The same command with all its options, carried out.
fn again(arguments: &Arguments) -> String {
    mapping_file::again(if arguments.yes { "" } else { "--yes" })
}

/// The person, in the one directory that the `IdPs` have or that was named. While an `IdP` cannot be
/// used, its directory is unknown, so that none is taken for the only one.
fn leaver(arguments: &Arguments, mappings: &Mappings) -> Result<Leaver, Failure> {
    let idps = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let known: BTreeSet<_> = idps.map(|idp| idp.directory.clone()).collect();
    let unusable = mappings.unusable_idps();
    let directory = match (&arguments.directory, known.len()) {
        (Some(directory), _)
            if known.contains(directory) || known.is_empty() || !unusable.is_empty() =>
        {
            directory.clone()
        }
        (Some(directory), _) => {
            let known: Vec<_> = known.into_iter().collect();
            let message = format!(
                "no identity provider has the directory {}, there is {}",
                excerpt(directory),
                known.join(", ")
            );
            return Err(Failure::usage(message).hint("studio-broker idps list"));
        }
        (None, _) if !unusable.is_empty() => {
            let each = unusable.iter().map(|one| format!("{}: {}", one.subject, one.found));
            let message = format!(
                "the directory of an identity provider that cannot be used is unknown, and the same user id may be another person there; {}",
                each.collect::<Vec<_>>().join("; ")
            );
            let known = known.first().map_or(DEFAULT_DIRECTORY, String::as_str);
            let fixes = unusable.into_iter().map(|one| one.fix);
            let failure = fixes.fold(Failure::usage(message), Failure::hint);
            return Err(failure.hint(mapping_file::again(&format!("--directory {}", word(known)))));
        }
        (None, 0) => DEFAULT_DIRECTORY.into(),
        (None, 1) => known.into_iter().next().unwrap_or_default(),
        (None, _) => {
            let known: Vec<_> = known.into_iter().collect();
            let message = format!(
                "the same user id may be another person in each directory: {}",
                known.join(", ")
            );
            let option =
                format!("--directory {}", known.first().map_or_else(String::new, |one| word(one)));
            return Err(Failure::usage(message).hint(mapping_file::again(&option)));
        }
    };
    let owner = Owner::new(&directory, &arguments.user);
    Ok(Leaver { user: arguments.user.clone(), directory, owner })
}

/// The `IdPs` of the directory that do not refuse the person yet.
fn to_deny(leaver: &Leaver, mappings: &Mappings) -> Vec<String> {
    let usable =
        mappings.idps.iter().filter_map(|(key, stored)| Some((key, stored.mapping()?.idp()?)));
    usable
        .filter(|(_, idp)| idp.directory == leaver.directory)
        .filter(|(_, idp)| !idp.denied_users.contains(&leaver.user))
        .map(|(key, _)| key.clone())
        .collect()
}

/// Looks for the person's profiles in all places, side by side.
async fn find(
    hub: &Hub,
    administrator: &Administrator,
    leaver: &Leaver,
    places: Vec<Place>,
    parallel: usize,
) -> Plan {
    let wanted = Wanted { starts: profile_name_starts(&leaver.user), ..Wanted::default() };
    let wanted = &wanted;
    let found = each(places, parallel, "looking for profiles", |place| async move {
        let mut plan = Plan::default();
        let Place { account, region, .. } = &place;
        let entered = Spoke::enter(&hub.sdk, account, region, LIFECYCLE_ROLE, administrator).await;
        let looked = match &entered {
            Ok(spoke) => standing(spoke, wanted).await,
            Err(error) => {
                plan.failed.push(not_entered(&place, LIFECYCLE_ROLE, administrator, error));
                return plan;
            }
        };
        let (Ok(spoke), Ok((found, failed))) = (&entered, &looked) else {
            let error = looked.err();
            plan.failed.extend(error.map(|e| Finding::of_error(format!("account {account}"), &e)));
            return plan;
        };
        plan.failed.extend(failed.iter().cloned());
        for standing in found {
            match claim(&leaver.name(), standing) {
                Claim::Nothing => {}
                Claim::Doubtful(why) => plan.left_alone.push(why),
                Claim::Own => match planned(spoke, standing).await {
                    Ok(planned) => plan.profiles.push(planned),
                    Err(error) => {
                        let subject = format!("profile {}", standing.place());
                        plan.failed.push(Finding::of_error(subject, &error));
                    }
                },
            }
        }
        plan
    })
    .await;
    let mut whole = Plan::default();
    for (plan, _) in found {
        whole.profiles.extend(plan.profiles);
        whole.left_alone.extend(plan.left_alone);
        whole.failed.extend(plan.failed);
    }
    whole
}

async fn planned(spoke: &Spoke, standing: &Standing) -> Result<Planned, AwsError> {
    let asked = spoke.sagemaker.describe_domain().domain_id(standing.domain.as_str()).customize();
    let domain = asked.interceptor(RawAnswer::reading(&["HomeEfsFileSystemId"])).send();
    let (domain, belongings) =
        tokio::join!(domain, belongings(spoke, &standing.domain, &standing.described.name));
    let file_system = sorted("sagemaker:DescribeDomain", domain)?.home_efs_file_system_id;
    Ok(Planned {
        spoke: spoke.clone(),
        standing: standing.clone(),
        belongings: belongings?,
        file_system,
    })
}

/// On a terminal somebody is asked; everywhere else the plan is all there is.
fn confirmed(leaver: &Leaver, format: Format) -> bool {
    if format == Format::Json || !std::io::stdin().is_terminal() {
        if format == Format::Table {
            hint(mapping_file::again("--yes"));
        }
        return false;
    }
    say(format!("To do all this, type the user id: {}", plain(&leaver.user)));
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).is_ok()
        && typed.trim_end_matches(['\r', '\n']) == leaver.user
}

/// How often an IdP that changes under us is read again.
const DENY_ATTEMPTS: usize = 3;

/// Adds the person to the `denied_users` of an IdP, whatever else changes in it meanwhile.
async fn deny(hub: &Hub, entity_id: &str, arguments: &Arguments) -> Result<(), Failure> {
    let user = arguments.user.as_str();
    let tables = hub.tables();
    for _ in 0..DENY_ATTEMPTS {
        let mut idps = tables.all(Table::Idps).await.map_err(|e| hub.failure(Table::Idps, e))?;
        let Some(read) = idps.remove(entity_id) else { return Ok(()) };
        let Some(wanted) = with_denied(&read, user) else { return Ok(()) };
        let written = tables.write(Table::Idps, entity_id, Some(&read), &wanted).await;
        match written.map_err(|e| hub.failure(Table::Idps, e))? {
            Written::Done => return Ok(()),
            Written::ChangedMeanwhile(_) => {}
        }
    }
    let message = format!("somebody keeps changing the IdP {}", excerpt(entity_id));
    Err(Failure::new(Exit::Conflict, message).hint(again(arguments)))
}

/// The item with one more denied user, as the list or set that it is; `None` when he is there.
fn with_denied(read: &Record, user: &str) -> Option<Record> {
    let denied = match read.get("denied_users") {
        Some(AttributeValue::Ss(set)) if set.iter().any(|id| id == user) => return None,
        Some(AttributeValue::Ss(set)) => {
            AttributeValue::Ss(set.iter().cloned().chain([user.to_owned()]).collect())
        }
        Some(AttributeValue::L(list)) => {
            let entry = AttributeValue::S(user.to_owned());
            if list.contains(&entry) {
                return None;
            }
            AttributeValue::L(list.iter().cloned().chain([entry]).collect())
        }
        _ => AttributeValue::L(vec![AttributeValue::S(user.to_owned())]),
    };
    let mut wanted = read.clone();
    wanted.insert("denied_users".into(), denied);
    Some(wanted)
}

/// What the broker believes of its tables at most, whatever it is set to.
const LONGEST_CACHE: Duration = Duration::from_secs(300);

/// How long the broker may go on without the denial. Its own setting cannot be seen from here, so that
/// its longest counts unless somebody says here what it is.
fn noticed(hub: &Hub, format: Format) -> Duration {
    const VARIABLE: &str = "STUDIO_BROKER_TEAM_CACHE_SECONDS";
    let set = environment(VARIABLE).is_some_and(|value| !value.is_empty());
    let wait = match set {
        true => Duration::from_secs(u64::from(hub.settings.team_cache_seconds)),
        false => LONGEST_CACHE,
    };
    if format == Format::Table && !wait.is_zero() {
        let seconds = wait.as_secs();
        let whose = if set {
            format!("{VARIABLE} is {seconds}")
        } else {
            format!("set {VARIABLE} here as the broker has it to wait no longer than it needs")
        };
        say(format!(
            "The broker may not know of the denial for {seconds} s: profiles are looked for again then ({whose})."
        ));
    }
    wait
}

/// Looks once more after the broker has noticed the denial: until then a session may have made a profile.
const ROUNDS: usize = 3;

/// Where and for whom a plan is carried out.
struct Work<'a> {
    hub: &'a Hub,
    administrator: &'a Administrator,
    leaver: &'a Leaver,
    places: Vec<Place>,
}

impl Work<'_> {
    /// What became of each profile, and what the later looks left alone or could not find out, beyond
    /// what the plan says already. `noticed_at`: from then on no session can make a profile.
    #[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
    async fn carry_out(
        &self,
        plan: &Plan,
        arguments: &Arguments,
        noticed_at: std::time::Instant,
    ) -> (Vec<(Planned, Ended)>, Plan) {
        let Self { hub, administrator, leaver, places } = self;
        let deadline = Instant::now() + Duration::from_secs(arguments.wait * 60);
        let order = Order { shared_spaces: arguments.shared_spaces, deadline };
        let mut ended: BTreeMap<String, (Planned, Ended)> = BTreeMap::new();
        let mut late = Plan::default();
        let mut profiles = plan.profiles.clone();
        for round in 0..ROUNDS {
            let done =
                each(profiles, arguments.parallel, "ending profiles", |planned| async move {
                    let outcome = Box::pin(end(&planned.spoke, &planned.standing, order)).await;
                    (planned, outcome)
                })
                .await;
            for ((planned, outcome), _) in done {
                ended.insert(planned.standing.place(), (planned, outcome));
            }
            // Only a denial of this very run can have gone unnoticed so far.
            if plan.deny.is_empty() || round + 1 == ROUNDS {
                break;
            }
            tokio::time::sleep(noticed_at.saturating_duration_since(fleet::now())).await;
            let again = find(hub, administrator, leaver, places.clone(), arguments.parallel).await;
            late.add_new(again.left_alone, again.failed, plan);
            let stuck = |planned: &Planned| {
                ended.get(&planned.standing.place()).is_some_and(|(_, ended)| *ended != Ended::Gone)
            };
            profiles = again.profiles.into_iter().filter(|planned| !stuck(planned)).collect();
            if profiles.is_empty() {
                break;
            }
        }
        (ended.into_values().collect(), late)
    }
}

/// The plan, before anything happens.
fn show(leaver: &Leaver, plan: &Plan, format: Format) {
    if format == Format::Json {
        return;
    }
    data(format!(
        "{} in directory {} is the owner {}",
        plain(&leaver.user),
        leaver.directory,
        leaver.owner
    ));
    if !plan.profiles.is_empty() {
        data(format!("  revoke  what is open in {}", count(plan.profiles.len(), "profile")));
    }
    for entity_id in &plan.deny {
        data(format!("  deny    {} at IdP {}", plain(&leaver.user), plain(entity_id)));
    }
    for Planned { standing, belongings, file_system, .. } in &plan.profiles {
        let team = standing.team().unwrap_or_default();
        for app in &belongings.apps {
            let of_space =
                app.space.as_ref().map(|space| format!(" of space {space}")).unwrap_or_default();
            data(format!("  delete  app {} {}{of_space} ({team})", app.kind, app.name));
        }
        for space in &belongings.spaces {
            let kind = if space.is_shared { "shared space" } else { "space" };
            data(format!("  delete  {kind} {} ({team})", space.name));
        }
        data(format!(
            "  delete  profile {} ({team}, {})",
            standing.place(),
            standing.described.status
        ));
        if let Some(home) = home(standing, file_system.as_deref()) {
            data(format!("  keep    home directory {home}"));
        }
    }
    tell_left(plan);
}

fn tell_left(plan: &Plan) {
    for why in &plan.left_alone {
        warn(format!("left alone: {}", plain(why)));
    }
    lines(&plan.failed).iter().for_each(say);
}

/// `/200005 on fs-0a1b2c`: where AWS leaves the home of a deleted profile.
fn home(standing: &Standing, file_system: Option<&str>) -> Option<String> {
    let uid = standing.described.home_uid.as_deref()?;
    Some(format!("/{uid} on {}", file_system.unwrap_or("the domain's EFS")))
}

fn report(leaver: &Leaver, plan: &Plan, ended: &[(Planned, Ended)], format: Format) {
    if format == Format::Json {
        json(&as_json(leaver, plan, Some(ended)));
        return;
    }
    if plan.deny.is_empty() && ended.is_empty() {
        // Who was found doubtful, or not looked for, may have a profile.
        if plan.failed.is_empty() && plan.left_alone.is_empty() {
            data(format!("{} is refused everywhere and has no profile", plain(&leaver.user)));
        }
        return;
    }
    for entity_id in &plan.deny {
        data(format!("refused at IdP {}", plain(entity_id)));
    }
    for (planned, outcome) in ended {
        let Planned { standing, file_system, .. } = planned;
        match outcome {
            Ended::Gone => {
                let kept = home(standing, file_system.as_deref());
                let kept = kept.map(|home| format!("; home directory {home} remains"));
                data(format!("gone: profile {}{}", standing.place(), kept.unwrap_or_default()));
            }
            Ended::Left(why) => data(format!("left: profile {}: {}", standing.place(), plain(why))),
        }
    }
    let gone = ended.iter().filter(|(_, ended)| *ended == Ended::Gone).count();
    say(format!("{} of {} gone", gone, count(ended.len(), "profile")));
    if !plan.deny.is_empty() {
        say(format!(
            "If identity providers are kept in a file, add {} to denied_users there too.",
            plain(&leaver.user)
        ));
    }
}

/// What was done, or is to be done while nothing has `ended`.
fn as_json(leaver: &Leaver, plan: &Plan, ended: Option<&[(Planned, Ended)]>) -> Value {
    let denied = if ended.is_some() { "denied_at" } else { "to_be_denied_at" };
    let ended = ended.unwrap_or_default();
    let outcome = |standing: &Standing| {
        let same = |(planned, _): &&(Planned, Ended)| planned.standing.place() == standing.place();
        match ended.iter().find(same) {
            None => json!({"ended": null}),
            Some((_, Ended::Gone)) => json!({"ended": true}),
            Some((_, Ended::Left(why))) => json!({"ended": false, "why": why}),
        }
    };
    let late = ended.iter().map(|(planned, _)| planned);
    let late = late.filter(|one| {
        !plan.profiles.iter().any(|planned| planned.standing.place() == one.standing.place())
    });
    let profiles = plan.profiles.iter().chain(late).map(|planned| {
        let Planned { standing, belongings, file_system, .. } = planned;
        let apps = belongings
            .apps
            .iter()
            .map(|app| json!({"type": app.kind, "name": app.name, "space": app.space}));
        let spaces = belongings
            .spaces
            .iter()
            .map(|space| json!({"name": space.name, "shared": space.is_shared}));
        let mut shown = standing.as_json();
        if let (Some(shown), Value::Object(outcome)) = (shown.as_object_mut(), outcome(standing)) {
            shown.insert("apps".into(), apps.collect());
            shown.insert("spaces".into(), spaces.collect());
            shown.insert("home_file_system".into(), json!(file_system));
            shown.extend(outcome);
        }
        shown
    });
    json!({
        "user": leaver.user,
        "directory": leaver.directory,
        "owner": leaver.owner.as_str(),
        denied: plan.deny,
        "profiles": profiles.collect::<Vec<_>>(),
        "left_alone": plan.left_alone,
        "failed": plan.failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(value: AttributeValue) -> Record {
        Record::from([("denied_users".to_owned(), value)])
    }

    #[test]
    fn a_denied_user_joins_the_list_or_set_that_is_there() {
        let text = |text: &str| AttributeValue::S(text.into());
        let list = AttributeValue::L(vec![text("a")]);
        let after = with_denied(&denied(list), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::L(vec![text("a"), text("b")]));
        let set = AttributeValue::Ss(vec!["a".into()]);
        let after = with_denied(&denied(set.clone()), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::Ss(vec!["a".into(), "b".into()]));
        assert_eq!(with_denied(&denied(set), "a"), None);
        let after = with_denied(&Record::new(), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::L(vec![text("b")]));
    }
}
