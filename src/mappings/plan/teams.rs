//! What follows from the change of a team.

use std::collections::BTreeSet;

use super::one_item::{Action, Change, Risk, is_same_place};
use crate::mappings::change::cut;
use crate::mappings::privileged::{links_beyond, shared_posix_uid};
use crate::mappings::{advice, doors};
use crate::team::idp::Idp;
use crate::team::item::excerpt;
use crate::team::{Team, group_of};

/// Says it, and brings what the team's links and doors reach. `idps` and `teams` are those that there are
/// afterwards.
pub(super) fn follow(
    change: &mut Change,
    old: Option<&Team>,
    new: Option<&Team>,
    idps: &[&Idp],
    teams: &[&Team],
    is_partial: bool,
) {
    follow_team(change, old, new);
    follow_links(change, old, new, teams);
    follow_groups(change, new, idps);
    follow_company(change, new, teams);
    change.consequences.extend(doors::follow(old, new, idps));
    let reaching = new.map(|new| doors::reaching(old, new, teams));
    change.privileged.extend(reaching.unwrap_or_default());
    let is_granted =
        |new: &Team| idps.iter().any(|idp| idp.enabled && idp.allowed_teams.allow(&new.team_id));
    if !is_partial && new.is_some_and(|new| !is_granted(new)) {
        change.warns("no identity provider may grant this team: nobody can open it");
    }
}

fn follow_team(change: &mut Change, old: Option<&Team>, new: Option<&Team>) {
    if change.action == Action::Update && old.is_none() {
        change.follows("the item could not be used and now can");
    }
    change.warnings.extend(new.map(advice::of_team).unwrap_or_default());
    for (outdone, counting) in new.into_iter().flat_map(|new| new.members.outdone()) {
        change.warns(format!(
            "members {} and {} are the same person: the earlier end counts, {}",
            excerpt(&outdone.key),
            excerpt(&counting.key),
            counting.until
        ));
    }
    if let Some(uid) = new.and_then(|new| shared_posix_uid(&new.user_settings))
        && (change.action == Action::Create || change.touches(&["user_settings"]))
    {
        change.warns(format!(
            "every person of the team gets the POSIX user id {uid}: on a shared file system their files are one person's"
        ));
    }
    match (old, new) {
        (Some(old), None) => change.follows(format!(
            "its profiles stay in {} and nobody reaches them any more",
            place(old)
        )),
        (None, None) => change.follows("the item could not be used: nobody loses anything"),
        (None, Some(new)) if !new.enabled => {
            change.follows("it is paused: shown, and not openable")
        }
        (None, Some(_)) => {}
        (Some(old), Some(new)) => follow_team_update(change, old, new),
    }
}

/// Links that name what is another team's are as new as their addresses.
fn follow_links(change: &mut Change, old: Option<&Team>, new: Option<&Team>, teams: &[&Team]) {
    let Some(new) = new else { return };
    let known = old.map_or_else(Vec::new, |old| links_beyond(old, teams));
    let beyond = links_beyond(new, teams).into_iter();
    change
        .privileged
        .extend(beyond.filter(|link| known.iter().all(|known| known.value != link.value)));
}

/// A bare group name counts at every IdP that may grant the team: where these know different people, one of
/// them can say a group of the other.
fn follow_groups(change: &mut Change, new: Option<&Team>, idps: &[&Idp]) {
    let Some(team) = new else { return };
    if let Some((groups, directories)) = shared_groups(team, idps) {
        change.warns(format!(
            "{} can be said by identity providers of the directories {}: write entity-id#group to bind a group to one",
            match groups.as_slice() {
                [one] => format!("the group {}", excerpt(one)),
                groups => {
                    let groups: Vec<_> = groups.iter().map(|group| excerpt(group)).collect();
                    format!("the groups {}", cut(&groups, 5).join(", "))
                }
            },
            directories.join(", ")
        ));
    }
}

/// The bare groups of a team, and the directories from which they can be said, where these are several.
pub fn shared_groups<'a>(team: &'a Team, idps: &[&'a Idp]) -> Option<(Vec<&'a str>, Vec<&'a str>)> {
    let knows_groups = |idp: &&&Idp| {
        idp.enabled
            && (idp.groups_attribute.is_some() || idp.identity_store_id.is_some())
            && idp.allowed_teams.allow(&team.team_id)
    };
    let directories: BTreeSet<_> =
        idps.iter().filter(knows_groups).map(|idp| idp.directory.as_str()).collect();
    let entity_ids: Vec<_> = idps.iter().map(|idp| idp.entity_id.clone()).collect();
    let bare = team.groups.iter().filter(|group| group_of(group, &entity_ids).0.is_none());
    let bare: Vec<_> = bare.map(String::as_str).collect();
    (directories.len() > 1 && !bare.is_empty()).then(|| (bare, directories.into_iter().collect()))
}

/// Two teams with one domain and one role have the same rights to the same data.
fn follow_company(change: &mut Change, new: Option<&Team>, teams: &[&Team]) {
    let Some(team) = new else { return };
    let is_company = |other: &&&Team| {
        other.team_id != team.team_id
            && is_same_place(other, team)
            && other.execution_role_arn == team.execution_role_arn
    };
    let company: Vec<_> =
        teams.iter().filter(is_company).map(|other| excerpt(other.team_id.as_str())).collect();
    if !company.is_empty() && (change.action == Action::Create || change.touches(&PLACE)) {
        change.warns(format!(
            "it has the domain and the execution role of {}: their notebooks have the same rights",
            cut(&company, 5).join(", ")
        ));
    }
}

/// The attributes that say where a team's profiles are and what they run with.
const PLACE: [&str; 4] = ["account_id", "region", "domain_id", "execution_role_arn"];

fn follow_team_update(change: &mut Change, old: &Team, new: &Team) {
    if !is_same_place(old, new) || change.touches(&["execution_role_arn"]) {
        change.risks.insert(Risk::Moved, 1);
    }
    if !is_same_place(old, new) {
        change.follows(format!(
            "existing profiles in {} become unreachable; people get new ones, with new homes, in {}",
            place(old),
            place(new)
        ));
    } else if change.touches(&["user_settings", "execution_role_arn"]) {
        change.follows("existing profiles are updated, each at its person's next opening");
    }
    if change.touches(&["tags"]) {
        change.follows("only profiles made from now on get the changed tags");
    }
    if change.touches(&["broker_role_arn", "external_id"]) {
        change.follows("the broker assumes the role in another way: doctor says whether it may");
    }
    match (old.enabled, new.enabled) {
        (true, false) => {
            change.follows("it is paused: nobody can open it; open Studio sessions stay")
        }
        (false, true) => change.follows("it can be opened again"),
        _ => {}
    }
    if change.touches(&["allowed_cidrs"]) {
        change.follows(match &new.allowed_cidrs {
            None => "it can be opened from every address".to_owned(),
            Some(cidrs) if cidrs.is_empty() => "it can be opened from no address at all".to_owned(),
            Some(cidrs) => {
                let cidrs: Vec<_> = cidrs.iter().map(ToString::to_string).collect();
                format!("it can be opened from {} only", cut(&cidrs, 10).join(", "))
            }
        });
    }
    if change.touches(&["authn_contexts"]) {
        change.follows(match &new.authn_contexts {
            None => "it can be opened after a sign-in of any kind".to_owned(),
            Some(kinds) if kinds.is_empty() => "no kind of sign-in opens it: nobody can".to_owned(),
            Some(kinds) => format!(
                "it can be opened after a sign-in of these kinds only, in open sessions too: {}",
                cut(kinds, 10).join(", ")
            ),
        });
    }
    if change.touches(&["session_duration_seconds"]) {
        let seconds = new.session_duration_seconds;
        change.follows(format!("Studio sessions that begin from now on last {seconds} seconds"));
    }
    if new.adopt_profiles && !old.adopt_profiles {
        change.warns(
            "profiles that carry no User tag may be taken over: switch it off when that is done",
        );
    }
}

fn place(team: &Team) -> String {
    format!("domain {} (account {}, {})", team.domain_id, team.account_id, team.region)
}
