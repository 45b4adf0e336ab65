//! What is said about people who go: the plan, what happens, what became of it.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use super::plan::{Leaver, Offboarding, Outcome, Planned};
use crate::cli::again::again;
use crate::cli::findings::lines;
use crate::cli::output::{self, Format, count, data, hint, plain, say, warn};
use crate::cli::profiles::end::{App, Ended, Space};
use crate::cli::profiles::inventory::Standing;
use crate::team::owner::Owner;

/// Says something for people while it happens.
pub(super) fn tell(format: Format, text: impl FnOnce() -> String) {
    if format == Format::Table {
        data(text());
    }
}

/// The plan, before anything happens.
pub(super) fn show(leaver: &Leaver, format: Format) {
    if format == Format::Json {
        return;
    }
    let Leaver { name, plan, .. } = leaver;
    data(format!(
        "{} in directory {} is the owner {}",
        plain(&name.user_id),
        name.directory,
        Owner::new(&name.directory, &name.user_id)
    ));
    if !plan.profiles.is_empty() {
        data(format!("  revoke  what is open in {}", count(plan.profiles.len(), "profile")));
    }
    for entity_id in &plan.deny {
        data(format!("  deny    {} at IdP {}", plain(&name.user_id), plain(entity_id)));
    }
    plan.profiles.iter().for_each(show_profile);
    tell_left(plan);
}

fn show_profile(planned: &Planned) {
    let Planned { standing, belongings, file_system, .. } = planned;
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
    data(format!("  delete  profile {} ({team}, {})", standing.place(), standing.described.status));
    if let Some(home) = home(standing, file_system.as_deref()) {
        data(format!("  keep    home directory {home}"));
    }
}

/// What is left alone, and what could not be found out.
pub(super) fn tell_left(plan: &Offboarding) {
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

/// On a terminal somebody is asked; everywhere else the plan is all there is.
pub(super) fn confirmed(people: &[Leaver], format: Format) -> bool {
    if format == Format::Json || !std::io::stdin().is_terminal() {
        if format == Format::Table {
            hint(again("--yes"));
        }
        return false;
    }
    let wanted = match people {
        [only] => {
            let user = &only.name.user_id;
            say(format!("To do all this, type the user id: {}", plain(user)));
            user.clone()
        }
        all => {
            say(format!("To do all this, type how many people these are: {}", all.len()));
            all.len().to_string()
        }
    };
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).is_ok() && typed.trim_end_matches(['\r', '\n']) == wanted
}

/// How a profile's end came out, when it did.
pub(super) fn ended_line((planned, ended): &Outcome) -> String {
    let Planned { standing, file_system, .. } = planned;
    match ended {
        Ended::Gone => {
            let kept = home(standing, file_system.as_deref());
            let kept = kept.map(|home| format!("; home directory {home} remains"));
            format!("gone: profile {}{}", standing.place(), kept.unwrap_or_default())
        }
        Ended::Left(why) => format!("left: profile {}: {}", standing.place(), plain(why)),
    }
}

/// What became of everything, in the end.
pub(super) fn report(leaver: &Leaver, format: Format) {
    if format == Format::Json {
        return;
    }
    let (user, plan, ended) = (plain(&leaver.name.user_id), &leaver.plan, leaver.ended());
    if plan.deny.is_empty() && ended.is_empty() {
        // Who was found doubtful, or not looked for, may have a profile.
        if plan.failed.is_empty() && plan.left_alone.is_empty() {
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
            "If identity providers are kept in a file, add {user} to denied_users there too."
        ));
    }
}

/// The answer for programs: of one person one object, of several a list.
pub(super) fn answer(each: &[Value], format: Format) {
    match (format, each) {
        (Format::Table, _) => {}
        (Format::Json, [only]) => output::json(only),
        (Format::Json, all) => output::json(&json!({ "people": all })),
    }
}

/// What is to be done, or was done with what came of it.
pub(super) fn answer_of(people: &[Leaver], format: Format) {
    let each: Vec<_> = people.iter().map(as_json).collect();
    answer(&each, format);
}

fn as_json(leaver: &Leaver) -> Value {
    let Leaver { name, plan, outcome } = leaver;
    let denied = if outcome.is_some() { "denied_at" } else { "to_be_denied_at" };
    let is_planned = |place: &str| plan.profiles.iter().any(|one| one.standing.place() == place);
    // Those that only a later look has found.
    let ended = leaver.ended().iter().map(|(planned, _)| planned);
    let unplanned = ended.filter(|planned| !is_planned(&planned.standing.place()));
    let all = plan.profiles.iter().chain(unplanned);
    let profiles: Vec<_> = all.map(|planned| profile_as_json(planned, leaver.ended())).collect();
    json!({
        "user": name.user_id,
        "directory": name.directory,
        "owner": Owner::new(&name.directory, &name.user_id).as_str(),
        denied: plan.deny,
        "profiles": profiles,
        "left_alone": plan.left_alone,
        "failed": plan.failed,
    })
}

fn profile_as_json(planned: &Planned, ended: &[Outcome]) -> Value {
    let Planned { standing, belongings, file_system, .. } = planned;
    let app = |app: &App| json!({"type": app.kind, "name": app.name, "space": app.space});
    let apps = belongings.apps.iter().map(app);
    let space = |space: &Space| json!({"name": space.name, "shared": space.is_shared});
    let spaces = belongings.spaces.iter().map(space);
    let same = |(planned, _): &&Outcome| planned.standing.place() == standing.place();
    let outcome = match ended.iter().find(same) {
        None => json!({"ended": null}),
        Some((_, Ended::Gone)) => json!({"ended": true}),
        Some((_, Ended::Left(why))) => json!({"ended": false, "why": why}),
    };
    let mut shown = standing.as_json();
    if let (Some(shown), Value::Object(outcome)) = (shown.as_object_mut(), outcome) {
        shown.insert("apps".into(), apps.collect());
        shown.insert("spaces".into(), spaces.collect());
        shown.insert("home_file_system".into(), json!(file_system));
        shown.extend(outcome);
    }
    shown
}
