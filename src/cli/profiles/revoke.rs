//! `profiles revoke`: what one person has open ends, and stays closed until it is undone.
//!
//! A tag on the profile does it. The target role's and the execution roles' policies refuse presigned URLs
//! under it, and IAM decides each request of an open Studio session by the same policies; the broker looks
//! for the tag itself. The lifecycle role may set and remove this one tag alone.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use aws_sdk_sagemaker::types::Tag;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::inventory::{Standing, Wanted, standing};
use crate::aws::error::{AwsError, sorted};
use crate::aws::spoke::{Administrator, LIFECYCLE_ROLE, Spoke, administrator};
use crate::cli::Exit;
use crate::cli::again::again;
use crate::cli::findings::{Finding, lines};
use crate::cli::fleet::{self, Mappings, PARALLEL, Place, each, entered};
use crate::cli::hub::Hub;
use crate::cli::output::{Failure, Format, count, data, hint, json, plain, say, warn};
use crate::cli::person::person;
use crate::team::TeamId;
use crate::team::members::Name;
use crate::team::owner::{Owner, profile_name, profile_name_starts};
use crate::team::whose::{REVOKED_TAG, Whose, is_revoked, whose};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The user id, exactly as the identity provider sends it.
    #[arg(value_name = "USER")]
    user: String,
    /// Only the profile of this team.
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// The directory of the user id; needed where identity providers have several.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<String>,
    /// Takes it back: the person can open the profiles again.
    #[arg(long)]
    undo: bool,
    /// Does it, without asking.
    #[arg(long)]
    yes: bool,
    /// How many accounts are worked in at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = fleet::parallel)]
    parallel: usize,
}

/// Whether a profile is the person's.
pub(super) enum Judgement {
    Own,
    Nothing,
    /// It has the person's tag, and something else speaks against it.
    Doubtful(String),
}

/// Both tags, exactly this owner, and the name that the broker gives this owner in that team: who can
/// write tags must not have somebody else's profile changed by it.
pub(super) fn judgement(name: &Name, standing: &Standing) -> Judgement {
    let owner = Owner::new(&name.directory, &name.user_id);
    if standing.owner() != Some(owner.as_str()) {
        return Judgement::Nothing;
    }
    let team = standing.team().and_then(|team| TeamId::try_from(team.to_owned()).ok());
    let Some(team) = team else {
        return Judgement::Doubtful(format!("{} has no Team tag", standing.place()));
    };
    let wanted = profile_name(&name.directory, &name.user_id, &team);
    match whose(&standing.described.name, &standing.tags, &wanted, &team, &owner) {
        Whose::Theirs => Judgement::Own,
        _ => Judgement::Doubtful(format!(
            "{} has the tags of {owner} in {team}, whose profile would be {wanted}",
            standing.place()
        )),
    }
}

/// What was found of a person.
#[derive(Default)]
struct Revocation {
    profiles: Vec<(Spoke, Standing)>,
    /// Profiles that are as they are to be already.
    already: Vec<Standing>,
    /// Profiles that look like the person's and are left alone, each with the reason.
    left_alone: Vec<String>,
    failed: Vec<Finding>,
}

pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let administrator = administrator(&hub.sdk).await?;
    let mappings = Mappings::read(&hub).await?;
    let name = person(&arguments.user, arguments.directory.as_deref(), &mappings)?;
    let places = match &arguments.team {
        Some(_) => mappings.places(arguments.team.as_slice())?,
        None => mappings.all_places(),
    };
    let mut plan = find(&hub, &administrator, &name, places, &arguments).await;
    plan.failed.extend(mappings.unusable_teams(arguments.team.as_slice()));
    if format == Format::Table {
        show(&name, &plan, arguments.undo);
        if let Some(stay) = doors_that_stay(&plan, &mappings).filter(|_| !arguments.undo) {
            warn(stay);
        }
    }
    if plan.profiles.is_empty() {
        if format == Format::Json {
            json(&as_json(&name, &plan, &[], arguments.undo, true));
        }
        return Ok(if plan.failed.is_empty() { Exit::Done } else { Exit::Failed });
    }
    if !arguments.yes && !confirmed(&name, format) {
        if format == Format::Json {
            json(&as_json(&name, &plan, &[], arguments.undo, false));
        }
        return Ok(Exit::Refused);
    }
    let work = plan.profiles.clone();
    let failed = match arguments.undo {
        false => revoke(work, arguments.parallel).await,
        true => let_in_again(work, arguments.parallel).await,
    };
    if format == Format::Json {
        json(&as_json(&name, &plan, &failed, arguments.undo, true));
    } else {
        report(&name, &plan, &failed, arguments.undo);
    }
    let is_done = failed.is_empty() && plan.failed.is_empty();
    Ok(if is_done { Exit::Done } else { Exit::Failed })
}

/// What is open behind doors has no profile that could be tagged.
fn doors_that_stay(plan: &Revocation, mappings: &Mappings) -> Option<String> {
    let profiles = plan.profiles.iter().map(|(_, standing)| standing).chain(&plan.already);
    let theirs: BTreeSet<_> = profiles.filter_map(Standing::team).collect();
    let teams = mappings.usable_teams();
    let with_doors = teams.iter().filter(|team| !team.doors.is_empty());
    let ids: Vec<_> = with_doors.map(|team| team.team_id.as_str()).collect();
    let ids: Vec<_> = ids.into_iter().filter(|id| theirs.contains(id)).collect();
    (!ids.is_empty()).then(|| {
        format!(
            "what is open behind the doors of {} lasts until its sessions end; denied_users, or taking away the access, opens no further ones",
            ids.join(", ")
        )
    })
}

/// Looks for the person's profiles in all places, side by side.
async fn find(
    hub: &Hub,
    administrator: &Administrator,
    name: &Name,
    places: Vec<Place>,
    arguments: &Arguments,
) -> Revocation {
    let wanted = Wanted { starts: profile_name_starts(&name.user_id), ..Wanted::default() };
    let wanted = &wanted;
    let found = each(places, arguments.parallel, "looking for profiles", |place| async move {
        let mut plan = Revocation::default();
        let spoke = match entered(&hub.sdk, &place, LIFECYCLE_ROLE, administrator).await {
            Ok(spoke) => spoke,
            Err(finding) => {
                plan.failed.push(finding);
                return plan;
            }
        };
        let (found, failed) = standing(&spoke, wanted).await;
        plan.failed.extend(failed);
        for standing in found {
            let other_team = arguments.team.as_deref().is_some_and(|t| standing.team() != Some(t));
            match judgement(name, &standing) {
                _ if other_team => {}
                Judgement::Nothing => {}
                Judgement::Doubtful(why) => plan.left_alone.push(why),
                Judgement::Own if is_revoked(&standing.tags) != arguments.undo => {
                    plan.already.push(standing);
                }
                Judgement::Own => plan.profiles.push((spoke.clone(), standing)),
            }
        }
        plan
    })
    .await;
    let mut whole = Revocation::default();
    for (plan, _) in found {
        whole.profiles.extend(plan.profiles);
        whole.already.extend(plan.already);
        whole.left_alone.extend(plan.left_alone);
        whole.failed.extend(plan.failed);
    }
    whole
}

/// Sets the tag on profiles, side by side; a finding for each that could not be tagged.
#[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
pub(super) async fn revoke(profiles: Vec<(Spoke, Standing)>, parallel: usize) -> Vec<Finding> {
    let value = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let value = value.as_str();
    let tagged = each(profiles, parallel, "revoking", |(spoke, standing)| async move {
        let tag = Tag::builder().key(REVOKED_TAG).value(value).build();
        let add = spoke.sagemaker.add_tags().resource_arn(arn(&spoke, &standing)).tags(tag);
        (standing, sorted("sagemaker:AddTags", add.send().await).map(|_| ()))
    });
    findings(tagged.await.into_iter().map(|(done, _)| done))
}

/// Removes the tag, in whatever case it is written.
async fn let_in_again(profiles: Vec<(Spoke, Standing)>, parallel: usize) -> Vec<Finding> {
    let untagged = each(profiles, parallel, "letting in again", |(spoke, standing)| async move {
        let keys = standing.tags.keys().filter(|key| key.eq_ignore_ascii_case(REVOKED_TAG));
        let keys: Vec<_> = keys.cloned().collect();
        let delete = spoke.sagemaker.delete_tags().resource_arn(arn(&spoke, &standing));
        let deleted = delete.set_tag_keys(Some(keys)).send().await;
        (standing, sorted("sagemaker:DeleteTags", deleted).map(|_| ()))
    });
    findings(untagged.await.into_iter().map(|(done, _)| done))
}

fn findings(done: impl Iterator<Item = (Standing, Result<(), AwsError>)>) -> Vec<Finding> {
    done.filter_map(|(standing, outcome)| {
        let error = outcome.err()?;
        Some(Finding::of_error(format!("profile {}", standing.place()), &error))
    })
    .collect()
}

fn arn(spoke: &Spoke, standing: &Standing) -> String {
    let Standing { described, domain, .. } = standing;
    let plain = || spoke.arn(&format!("user-profile/{domain}/{}", described.name));
    described.arn.clone().unwrap_or_else(plain)
}

/// On a terminal somebody is asked; everywhere else the plan is all there is.
fn confirmed(name: &Name, format: Format) -> bool {
    if format == Format::Json || !std::io::stdin().is_terminal() {
        if format == Format::Table {
            hint(again("--yes"));
        }
        return false;
    }
    say(format!("To do this, type the user id: {}", plain(&name.user_id)));
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).is_ok()
        && typed.trim_end_matches(['\r', '\n']) == name.user_id
}

fn show(name: &Name, plan: &Revocation, undo: bool) {
    let word = if undo { "let in" } else { "revoke" };
    for (_, standing) in &plan.profiles {
        data(format!(
            "  {word}  profile {} ({})",
            standing.place(),
            standing.team().unwrap_or_default()
        ));
    }
    for standing in &plan.already {
        let state = if undo { "not revoked" } else { "revoked already" };
        data(format!("  {state}  profile {}", standing.place()));
    }
    for why in &plan.left_alone {
        warn(format!("left alone: {}", plain(why)));
    }
    lines(&plan.failed).iter().for_each(say);
    if plan.profiles.is_empty() && plan.already.is_empty() && plan.failed.is_empty() {
        data(format!("{} has no profile", plain(&name.key())));
    }
}

fn report(name: &Name, plan: &Revocation, failed: &[Finding], undo: bool) {
    lines(failed).iter().for_each(say);
    let done = count(plan.profiles.len() - failed.len().min(plan.profiles.len()), "profile");
    if undo {
        say(format!("{done} can be opened again"));
        return;
    }
    say(format!("{done} revoked: {} cannot open them, and what is open ends", plain(&name.key())));
    say(
        "Access itself stays: access end, denied_users and the identity provider's groups end that.",
    );
    hint(again("--undo"));
}

fn as_json(name: &Name, plan: &Revocation, failed: &[Finding], undo: bool, done: bool) -> Value {
    let shown = |standing: &Standing| {
        let mut shown = standing.as_json();
        if let Some(shown) = shown.as_object_mut() {
            let subject = format!("profile {}", standing.place());
            let is_done = done && !failed.iter().any(|finding| finding.subject == subject);
            shown.insert("done".into(), json!(is_done));
        }
        shown
    };
    let profiles: Vec<_> = plan.profiles.iter().map(|(_, standing)| shown(standing)).collect();
    let already: Vec<_> = plan.already.iter().map(Standing::as_json).collect();
    let all: Vec<_> = plan.failed.iter().chain(failed).collect();
    json!({
        "user_id": name.user_id,
        "directory": name.directory,
        "undo": undo,
        "profiles": profiles,
        "already": already,
        "left_alone": plan.left_alone,
        "failed": all,
    })
}
