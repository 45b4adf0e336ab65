//! `profiles offboard`: the end of everything that one person has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::end::{Belongings, Ended, Order, belongings, end};
use super::inventory::{Standing, Wanted, names, standing};
use super::people::People;
use super::revoke::{self, Claim, claim};
use crate::aws::error::{AwsError, sorted};
use crate::aws::mapping_tables::Written;
use crate::aws::sagemaker::RawAnswer;
use crate::aws::sessions::has_session;
use crate::aws::spoke::{Administrator, LIFECYCLE_ROLE, Spoke, administrator};
use crate::cli::Exit;
use crate::cli::again::again;
use crate::cli::findings::{Finding, lines};
use crate::cli::fleet::{self, Mappings, PARALLEL, Place, each, entered};
use crate::cli::hub::Hub;
use crate::cli::input::text_of;
use crate::cli::interrupt::{Interrupt, interrupted};
use crate::cli::output::{Code, Failure, Format, count, data, hint, json, plain, say, warn};
use crate::cli::person::{must_be_possible, person};
use crate::config::environment;
use crate::mappings::change::cut;
use crate::mappings::{Table, nearest};
use crate::team::item::{Record, excerpt};
use crate::team::members::Name;
use crate::team::owner::{Owner, profile_name_starts};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// User ids, exactly as the identity provider sends them.
    #[arg(value_name = "USER", required_unless_present = "file")]
    users: Vec<String>,
    /// User ids, one on a line; what follows a # is left out.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The directory of the user ids; needed where identity providers have several.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<String>,
    /// Does it, without asking.
    #[arg(long)]
    yes: bool,
    /// Lets them in again: takes them out of denied_users, and does nothing else.
    #[arg(long, conflicts_with_all = ["shared_spaces", "wait", "parallel", "allow_unknown"])]
    undeny: bool,
    /// Refuses also a user id that nothing knows: no profile, no session, no identity store.
    #[arg(long)]
    allow_unknown: bool,
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
    /// Whether an `IdP` refuses the person already.
    is_denied: bool,
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
    let users = users(&arguments)?;
    let hub = Hub::connect().await?;
    let mappings = if arguments.undeny {
        let mappings = Mappings::read(&hub).await?;
        return undeny(&hub, &mappings, &users, &arguments, format).await;
    } else {
        Mappings::read(&hub).await?
    };
    let administrator = administrator(&hub.sdk).await?;
    // Also where no team is any more: what was made there is there until somebody ends it.
    let places = mappings.all_places();
    let mut people = Vec::new();
    for user in users {
        let leaver = leaver(&user, &arguments, &mappings)?;
        let found = find(&hub, &administrator, &leaver, places.clone(), arguments.parallel).await;
        let plan = completed(found, &leaver, &mappings);
        people.push((leaver, plan));
    }
    tell_outside(&mappings, &people);
    // Where nothing is to be done and not everything was seen, that is what there is to say.
    let nothing = people.iter().all(|(_, plan)| plan.is_empty());
    let unknown = match nothing && people.iter().any(|(_, plan)| !plan.failed.is_empty()) {
        true => Vec::new(),
        false => unknown(&hub, &administrator, &mappings, &places, &people, &arguments).await,
    };
    for (leaver, plan) in &people {
        if !plan.is_empty() || !plan.left_alone.is_empty() || !plan.failed.is_empty() {
            show(leaver, plan, format);
        }
    }
    if !unknown.is_empty() {
        unknown.iter().for_each(|one| warn(one.in_words()));
        if arguments.yes && !arguments.allow_unknown {
            return Err(nobody_knows(&unknown));
        }
    }
    if !arguments.yes && !unknown.is_empty() && !arguments.allow_unknown {
        print_json(&people, None, format);
        if format == Format::Table {
            hint(again("--yes --allow-unknown"));
        }
        return Ok(Exit::Refused);
    }
    if nothing {
        people.iter().for_each(|(leaver, plan)| report(leaver, plan, &[], format));
        print_json(&people, Some(&[]), format);
        let failed = people.iter().any(|(_, plan)| !plan.failed.is_empty());
        return Ok(if failed { Exit::Failed } else { Exit::Done });
    }
    if !arguments.yes && !confirmed(&people, format) {
        print_json(&people, None, format);
        return Ok(Exit::Refused);
    }
    let interrupt = Interrupt::listen();
    // What is open ends at once; what cannot be tagged is ended like the rest.
    for (_, plan) in &mut people {
        let open: Vec<_> =
            plan.profiles.iter().map(|p| (p.spoke.clone(), p.standing.clone())).collect();
        plan.failed.extend(revoke::revoke(open, arguments.parallel).await);
    }
    let denied_at = fleet::now();
    for (leaver, plan) in &people {
        for entity_id in &plan.deny {
            if interrupt.is_asked() {
                return Err(interrupted_between(&people, &arguments));
            }
            deny(&hub, entity_id, &leaver.user, &arguments).await?;
            tell(format, || {
                format!("refused: {} at IdP {}", plain(&leaver.user), plain(entity_id))
            });
        }
    }
    let nobody = people.iter().all(|(_, plan)| plan.deny.is_empty());
    let wait = if nobody { Duration::ZERO } else { noticed(&hub, format) };
    let mut all_ended = Vec::new();
    for (leaver, plan) in &mut people {
        let places = places.clone();
        let work = Work {
            hub: &hub,
            administrator: &administrator,
            leaver,
            places,
            format,
            interrupt: &interrupt,
        };
        let (ended, late) = work.carry_out(plan, &arguments, denied_at + wait).await;
        if format == Format::Table {
            tell_left(&late);
        }
        plan.left_alone.extend(late.left_alone);
        plan.failed.extend(late.failed);
        all_ended.push(ended);
    }
    for ((leaver, plan), ended) in people.iter().zip(&all_ended) {
        report(leaver, plan, ended, format);
    }
    print_json(&people, Some(&all_ended), format);
    if interrupt.is_asked() {
        let ended = all_ended.iter().flatten();
        let gone = ended.clone().filter(|(_, ended)| *ended == Ended::Gone).count();
        let left: Vec<_> = ended
            .filter(|(_, ended)| *ended != Ended::Gone)
            .map(|(planned, _)| planned.standing.place())
            .collect();
        let message = format!(
            "interrupted: {gone} of {} gone; left: {}; deletions that were begun go on, and the same command goes on from there",
            count(gone + left.len(), "profile"),
            if left.is_empty() {
                "nothing that was found".to_owned()
            } else {
                cut(&left, 10).join(", ")
            }
        );
        return Err(interrupted(message).hint(again_with_yes(&arguments)));
    }
    let left = all_ended.iter().flatten().any(|(_, ended)| *ended != Ended::Gone);
    if left || people.iter().any(|(_, plan)| !plan.failed.is_empty()) {
        if format == Format::Table {
            hint(again_with_yes(&arguments));
        }
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// The people, each once. An empty variable of a script would be denied at every IdP, whose items nobody
/// could read then.
fn users(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let mut users = arguments.users.clone();
    if let Some(path) = &arguments.file {
        let text = text_of(path).map_err(|error| {
            let name = plain(&path.to_string_lossy());
            Failure::usage(format!("{name}: {error}")).code(Code::FileUnreadable)
        })?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        users.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    if users.is_empty() {
        return Err(Failure::usage("nobody is named: the file holds no user id"));
    }
    let mut seen = BTreeSet::new();
    users.retain(|user| seen.insert(user.clone()));
    users.iter().try_for_each(|user| must_be_possible(user))?;
    Ok(users)
}

impl Plan {
    /// Whether there is nothing to do.
    fn is_empty(&self) -> bool {
        self.deny.is_empty() && self.profiles.is_empty()
    }
}

/// What was found, with whom is to refuse the person, and what nobody could look into.
fn completed(mut plan: Plan, leaver: &Leaver, mappings: &Mappings) -> Plan {
    plan.deny = to_deny(leaver, mappings);
    plan.is_denied = is_denied(leaver, mappings);
    plan.failed.extend(mappings.lost_teams(&[]));
    plan.failed.extend(unusable_idps(leaver, mappings));
    plan
}

/// The `IdPs` that cannot be used and may be of the person's directory: nobody is refused there.
fn unusable_idps(leaver: &Leaver, mappings: &Mappings) -> Vec<Finding> {
    let may_be = |finding: &Finding| {
        let key = finding.subject.strip_prefix("IdP ").unwrap_or_default();
        let item = mappings.idps.get(key).map(|stored| &stored.item);
        let directory = item.and_then(|item| item.get("directory"));
        directory
            .is_none_or(|directory| directory.as_str().is_none_or(|one| one == leaver.directory))
    };
    mappings.unusable_idps().into_iter().filter(may_be).collect()
}

fn tell_outside(mappings: &Mappings, people: &[(Leaver, Plan)]) {
    let asked: Vec<Finding> = people.iter().flat_map(|(_, plan)| plan.failed.clone()).collect();
    mappings.tell_unusable(&asked);
}

/// Says something for people while it happens.
fn tell(format: Format, text: impl FnOnce() -> String) {
    if format == Format::Table {
        data(text());
    }
}

/// Somebody whom nothing knows.
struct Unknown {
    user: String,
    /// User ids and owners that look alike.
    near: Vec<String>,
}

impl Unknown {
    fn in_words(&self) -> String {
        let perhaps = match self.near.is_empty() {
            true => String::new(),
            false => {
                let near: Vec<_> = self.near.iter().map(|one| excerpt(one)).collect();
                format!("; perhaps {}", near.join(" or "))
            }
        };
        format!(
            "nothing knows {}: no profile, no session, no identity store{perhaps}",
            excerpt(&self.user)
        )
    }
}

/// Those of the people whom neither a profile, an `IdP`'s list, a session nor an identity store knows.
async fn unknown(
    hub: &Hub,
    administrator: &Administrator,
    mappings: &Mappings,
    places: &[Place],
    people: &[(Leaver, Plan)],
    arguments: &Arguments,
) -> Vec<Unknown> {
    let doubtful: Vec<&Leaver> = people
        .iter()
        .filter(|(_, plan)| plan.profiles.is_empty() && plan.left_alone.is_empty())
        .filter(|(_, plan)| !plan.is_denied)
        .map(|(leaver, _)| leaver)
        .collect();
    if doubtful.is_empty() {
        return Vec::new();
    }
    let idps: Vec<_> =
        mappings.idps.values().filter_map(|stored| stored.mapping()?.idp().cloned()).collect();
    // What a store cannot say, it does not know either: then the flag is needed.
    let (stored, _) = People::read(hub, &idps, &[]).await;
    let client = aws_sdk_dynamodb::Client::new(&hub.sdk);
    let state_table = environment("STUDIO_BROKER_STATE_TABLE").filter(|name| !name.is_empty());
    let state_table = state_table.unwrap_or_else(|| "studio-broker-state".to_owned());
    let mut unknown = Vec::new();
    for leaver in doubtful {
        let in_session = has_session(&client, &state_table, &leaver.directory, &leaver.user).await;
        if !stored.knows(leaver.owner.as_str()) && !in_session.unwrap_or(false) {
            unknown.push(leaver);
        }
    }
    if unknown.is_empty() {
        return Vec::new();
    }
    let owners = all_owners(hub, administrator, places, arguments.parallel).await;
    let near = |leaver: &&Leaver| {
        let known = owners.iter().map(String::as_str).chain(stored.user_names());
        let near = nearest(&leaver.user, known).into_iter().map(str::to_owned).collect();
        Unknown { user: leaver.user.clone(), near }
    };
    unknown.iter().map(near).collect()
}

/// The owners of all profiles, as far as their names tell: what stands before the last hyphen.
async fn all_owners(
    hub: &Hub,
    administrator: &Administrator,
    places: &[Place],
    parallel: usize,
) -> BTreeSet<String> {
    let looked = each(places.to_vec(), parallel, "looking for near ids", |place| async move {
        let entered = entered(&hub.sdk, &place, LIFECYCLE_ROLE, administrator).await;
        let Ok(spoke) = entered else { return Vec::new() };
        names(&spoke, &Wanted::default()).await.unwrap_or_default()
    })
    .await;
    let names = looked.into_iter().flat_map(|(names, _)| names);
    names.filter_map(|(_, name)| Some(name.rsplit_once('-')?.0.to_owned())).collect()
}

fn nobody_knows(unknown: &[Unknown]) -> Failure {
    let users: Vec<_> = unknown.iter().map(|one| excerpt(&one.user)).collect();
    let each: Vec<_> =
        unknown.iter().map(|one| json!({"user": one.user, "nearest": one.near})).collect();
    Failure::usage(format!("nothing was done: nobody knows {}", cut(&users, 10).join(", ")))
        .code(Code::UserUnknown)
        .with("unknown", Value::Array(each))
        .hint(again("--allow-unknown"))
}

fn interrupted_between(people: &[(Leaver, Plan)], arguments: &Arguments) -> Failure {
    let users: Vec<_> = people.iter().map(|(leaver, _)| excerpt(&leaver.user)).collect();
    let message = format!(
        "interrupted before everybody was refused and anything was ended: {}",
        cut(&users, 10).join(", ")
    );
    interrupted(message).hint(again_with_yes(arguments))
}

/// The same command with all its options, carried out.
fn again_with_yes(arguments: &Arguments) -> Option<String> {
    again(if arguments.yes { "" } else { "--yes" })
}

/// One object: of one person itself, of several a list.
fn print_json(people: &[(Leaver, Plan)], ended: Option<&[Vec<(Planned, Ended)>]>, format: Format) {
    if format == Format::Table {
        return;
    }
    let nothing = Vec::new();
    let of = |i: usize| ended.map(|ended| ended.get(i).unwrap_or(&nothing).as_slice());
    let each = people.iter().enumerate().map(|(i, (leaver, plan))| as_json(leaver, plan, of(i)));
    let each: Vec<_> = each.collect();
    match each.as_slice() {
        [only] => json(only),
        all => json(&json!({ "people": all })),
    }
}

/// Lets people in again.
async fn undeny(
    hub: &Hub,
    mappings: &Mappings,
    users: &[String],
    arguments: &Arguments,
    format: Format,
) -> Result<Exit, Failure> {
    let mut done = Vec::new();
    for user in users {
        let leaver = leaver(user, arguments, mappings)?;
        let idps =
            mappings.idps.iter().filter_map(|(key, stored)| Some((key, stored.mapping()?.idp()?)));
        let denying = idps.filter(|(_, idp)| {
            idp.directory == leaver.directory && idp.denied_users.contains(user)
        });
        let mut at = Vec::new();
        for (entity_id, _) in denying {
            change_denied(hub, entity_id, arguments, |read| without_denied(read, user)).await?;
            tell(format, || {
                format!("may sign in again: {} at IdP {}", plain(user), plain(entity_id))
            });
            at.push(entity_id.clone());
        }
        if at.is_empty() {
            tell(format, || format!("{} is refused nowhere", plain(user)));
        }
        done.push(json!({"user": user, "directory": leaver.directory, "undenied_at": at}));
    }
    if format == Format::Json {
        match done.as_slice() {
            [only] => json(only),
            all => json(&json!({ "people": all })),
        }
    }
    Ok(Exit::Done)
}

fn leaver(user: &str, arguments: &Arguments, mappings: &Mappings) -> Result<Leaver, Failure> {
    let Name { directory, user_id } = person(user, arguments.directory.as_deref(), mappings)?;
    let owner = Owner::new(&directory, &user_id);
    Ok(Leaver { user: user_id, directory, owner })
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

fn is_denied(leaver: &Leaver, mappings: &Mappings) -> bool {
    let idps = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let mut of_directory = idps.filter(|idp| idp.directory == leaver.directory);
    of_directory.any(|idp| idp.denied_users.contains(&leaver.user))
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
        let spoke = match entered(&hub.sdk, &place, LIFECYCLE_ROLE, administrator).await {
            Ok(spoke) => spoke,
            Err(finding) => {
                plan.failed.push(finding);
                return plan;
            }
        };
        let (found, failed) = standing(&spoke, wanted).await;
        plan.failed.extend(failed);
        for standing in &found {
            match claim(&leaver.name(), standing) {
                Claim::Nothing => {}
                Claim::Doubtful(why) => plan.left_alone.push(why),
                Claim::Own => match planned(&spoke, standing).await {
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
fn confirmed(people: &[(Leaver, Plan)], format: Format) -> bool {
    if format == Format::Json || !std::io::stdin().is_terminal() {
        if format == Format::Table {
            hint(again("--yes"));
        }
        return false;
    }
    let wanted = match people {
        [(only, _)] => {
            say(format!("To do all this, type the user id: {}", plain(&only.user)));
            only.user.clone()
        }
        all => {
            say(format!("To do all this, type how many people these are: {}", all.len()));
            all.len().to_string()
        }
    };
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).is_ok() && typed.trim_end_matches(['\r', '\n']) == wanted
}

/// How often an IdP that changes under us is read again.
const DENY_ATTEMPTS: usize = 3;

/// Adds the person to the `denied_users` of an IdP, whatever else changes in it meanwhile.
async fn deny(
    hub: &Hub,
    entity_id: &str,
    user: &str,
    arguments: &Arguments,
) -> Result<(), Failure> {
    change_denied(hub, entity_id, arguments, |read| with_denied(read, user)).await
}

/// Changes the `denied_users` of an IdP, whatever else changes in it meanwhile.
async fn change_denied(
    hub: &Hub,
    entity_id: &str,
    arguments: &Arguments,
    change: impl Fn(&Record) -> Option<Record>,
) -> Result<(), Failure> {
    let tables = hub.tables();
    for _ in 0..DENY_ATTEMPTS {
        let mut idps = tables.all(Table::Idps).await.map_err(|e| hub.failure(Table::Idps, e))?;
        let Some(read) = idps.remove(entity_id) else { return Ok(()) };
        let Some(wanted) = change(&read) else { return Ok(()) };
        let written = tables.write(Table::Idps, entity_id, Some(&read), &wanted).await;
        match written.map_err(|e| hub.failure(Table::Idps, e))? {
            Written::Done => return Ok(()),
            Written::ChangedMeanwhile(_) => {}
        }
    }
    let message = format!("somebody keeps changing the IdP {}", excerpt(entity_id));
    Err(Failure::new(Exit::Conflict, message).hint(again_with_yes(arguments)))
}

/// The item with one denied user less; `None` where nobody is denied by that id.
fn without_denied(read: &Record, user: &str) -> Option<Record> {
    let mut wanted = read.clone();
    let is_empty = match wanted.get_mut("denied_users")? {
        AttributeValue::Ss(set) => {
            set.retain(|id| id != user);
            set.is_empty()
        }
        AttributeValue::L(list) => {
            list.retain(|id| id.as_s().map(String::as_str) != Ok(user));
            list.is_empty()
        }
        _ => return None,
    };
    if is_empty {
        wanted.remove("denied_users");
    }
    (wanted != *read).then_some(wanted)
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
            "The broker may not know of the denial for {seconds} s, as long as it may believe an identity provider's item; until then an open session can make a profile, so they are looked for again then ({whose})."
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
    format: Format,
    interrupt: &'a Interrupt,
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
        let Self { hub, administrator, leaver, places, format, interrupt } = self;
        let deadline = Instant::now() + Duration::from_secs(arguments.wait * 60);
        let shared_spaces = arguments.shared_spaces;
        let order = Order { shared_spaces, deadline, interrupt: (*interrupt).clone() };
        let order = &order;
        let mut ended: BTreeMap<String, (Planned, Ended)> = BTreeMap::new();
        let mut late = Plan::default();
        let mut profiles = plan.profiles.clone();
        for round in 0..ROUNDS {
            let done =
                each(profiles, arguments.parallel, "ending profiles", |planned| async move {
                    let outcome = Box::pin(end(&planned.spoke, &planned.standing, order)).await;
                    tell(*format, || ended_line(&planned, &outcome));
                    (planned, outcome)
                })
                .await;
            for ((planned, outcome), _) in done {
                ended.insert(planned.standing.place(), (planned, outcome));
            }
            // Only a denial of this very run can have gone unnoticed so far.
            if plan.deny.is_empty() || round + 1 == ROUNDS || interrupt.is_asked() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(noticed_at.saturating_duration_since(fleet::now())) => {}
                () = interrupt.asked() => break,
            }
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

/// How a profile's end came out, when it did.
fn ended_line(planned: &Planned, outcome: &Ended) -> String {
    let Planned { standing, file_system, .. } = planned;
    match outcome {
        Ended::Gone => {
            let kept = home(standing, file_system.as_deref());
            let kept = kept.map(|home| format!("; home directory {home} remains"));
            format!("gone: profile {}{}", standing.place(), kept.unwrap_or_default())
        }
        Ended::Left(why) => format!("left: profile {}: {}", standing.place(), plain(why)),
    }
}

fn report(leaver: &Leaver, plan: &Plan, ended: &[(Planned, Ended)], format: Format) {
    if format == Format::Json {
        return;
    }
    if plan.deny.is_empty() && ended.is_empty() {
        // Who was found doubtful, or not looked for, may have a profile.
        if plan.failed.is_empty() && plan.left_alone.is_empty() {
            let user = plain(&leaver.user);
            data(match plan.is_denied {
                true => format!("{user} is refused everywhere and has no profile"),
                false => format!(
                    "{user} has no profile, and no identity provider is there to refuse them"
                ),
            });
        }
        return;
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
        let both = AttributeValue::L(vec![text("a"), text("b")]);
        let after = without_denied(&denied(both), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::L(vec![text("a")]));
        let one = denied(AttributeValue::Ss(vec!["a".into()]));
        assert_eq!(without_denied(&one, "a").unwrap(), Record::new());
        assert_eq!(without_denied(&one, "b"), None);
        let after = with_denied(&Record::new(), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::L(vec![text("b")]));
    }
}
