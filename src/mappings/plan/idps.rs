//! What follows from the change of an `IdP`.

use std::collections::BTreeSet;

use super::one_item::{Action, Change, Risk};
use crate::mappings::change::cut;
use crate::mappings::nearest;
use crate::team::Team;
use crate::team::idp::Idp;
use crate::team::item::excerpt;

/// What `allowed_teams` can name.
pub(super) struct Known {
    pub(super) teams: BTreeSet<String>,
    /// Whether no further team can be there.
    pub(super) is_whole: bool,
}

/// Says it. `idps` and `teams` are those that there are afterwards.
pub(super) fn follow(
    change: &mut Change,
    old: Option<&Idp>,
    new: Option<&Idp>,
    idps: &[&Idp],
    teams: &[&Team],
    known: &Known,
) {
    follow_idp(change, old, new, idps);
    follow_unbound(change, teams);
    follow_allowed(change, new, known);
}

fn follow_idp(change: &mut Change, old: Option<&Idp>, new: Option<&Idp>, idps: &[&Idp]) {
    match (old, new) {
        (Some(_), None) => {
            change.follows("nobody signs in there any more, and its open sessions end");
        }
        (None, None) => change.follows("the item could not be used: nobody loses anything"),
        (None, Some(new)) => {
            if change.action == Action::Update {
                change.follows("the item could not be used and now can");
            }
            follow_directory(change, new, idps);
        }
        (Some(old), Some(new)) => follow_idp_update(change, old, new, idps),
    }
}

/// Groups that are bound to an `IdP` which goes are bare names from then on, and count at every other one.
fn follow_unbound(change: &mut Change, teams: &[&Team]) {
    if change.action != Action::Remove {
        return;
    }
    let front = format!("{}#", change.key);
    let names_it = |team: &&&Team| team.groups.iter().any(|group| group.starts_with(&front));
    let teams: Vec<_> =
        teams.iter().filter(names_it).map(|team| excerpt(team.team_id.as_str())).collect();
    if !teams.is_empty() {
        change.warns(format!(
            "groups of {} are bound to it: once it is gone they are names that every other identity provider may say; take them out of the teams first",
            cut(&teams, 5).join(", ")
        ));
    }
}

/// Two `IdPs` of one directory speak for the same people: either can become anybody of the other.
fn follow_directory(change: &mut Change, idp: &Idp, idps: &[&Idp]) {
    let others: Vec<_> = idps
        .iter()
        .filter(|other| other.entity_id != idp.entity_id && other.directory == idp.directory)
        .map(|other| excerpt(other.name()))
        .collect();
    if !others.is_empty() {
        change.warns(format!(
            "it shares the directory {} with {}: each of them can speak for every person of the other",
            excerpt(&idp.directory),
            cut(&others, 5).join(", ")
        ));
    }
}

fn follow_idp_update(change: &mut Change, old: &Idp, new: &Idp, idps: &[&Idp]) {
    let lost = |key: &&strict_saml::SigningKey| !new.metadata.has_key(key.fingerprint());
    let lost = old.metadata.signing_keys().iter().filter(lost).count();
    if lost > 0 {
        change.follows("sessions and responses that a removed key signed end");
    }
    if lost > 0 && lost == old.metadata.signing_keys().len() {
        change.risks.insert(Risk::KeysReplaced, 1);
        change.warns("no key stays: whoever holds the new ones signs everybody in, and until the identity provider uses them nobody gets in");
    }
    if change.touches(&["directory"]) {
        follow_directory(change, new, idps);
    }
    if change.touches(&["directory", "user_attribute"]) {
        change.warns("its people become other owners: the profiles that they have become unreachable for them");
    }
    if change.touches(&["teams_attribute", "groups_attribute", "identity_store_id"]) {
        change.follows("teams and groups are read from another place, from the next sign-in on");
    }
    match (old.enabled, new.enabled) {
        (true, false) => {
            change.follows("nobody signs in there any more, and its open sessions end");
        }
        (false, true) => change.follows("people can sign in there again"),
        _ => {}
    }
    if change.touches(&["authn_contexts"]) {
        change.follows(match &new.authn_contexts {
            None => "people get in by a sign-in of any kind".to_owned(),
            Some(kinds) if kinds.is_empty() => {
                "no kind of sign-in is enough: nobody gets in".to_owned()
            }
            Some(kinds) => format!(
                "people get in by a sign-in of these kinds only, in open sessions too: {}",
                cut(kinds, 10).join(", ")
            ),
        });
    }
    let among = |users: &[String], others: &[String]| -> Vec<String> {
        let only = users.iter().filter(|user| !others.contains(user));
        only.map(|user| excerpt(user)).collect()
    };
    let denied = among(&new.denied_users, &old.denied_users);
    if !denied.is_empty() {
        let users = cut(&denied, 10).join(", ");
        change.follows(format!("refused at once, in open sessions too: {users}"));
    }
    let forgiven = among(&old.denied_users, &new.denied_users);
    if !forgiven.is_empty() {
        change.risks.insert(Risk::Readmitted, forgiven.len());
        let users = cut(&forgiven, 10).join(", ");
        change.follows(format!("may sign in again: {users}"));
    }
}

/// Teams that an IdP may grant and that nobody has.
fn follow_allowed(change: &mut Change, new: Option<&Idp>, known: &Known) {
    let Some(idp) = new else { return };
    if !known.is_whole || !(change.action == Action::Create || change.touches(&["allowed_teams"])) {
        return;
    }
    for name in idp.allowed_teams.names() {
        if name != "*" && !known.teams.contains(name) {
            let near = nearest(name, known.teams.iter().map(String::as_str));
            let perhaps = near.first().map(|near| format!(", perhaps {near}")).unwrap_or_default();
            change.warns(format!("allowed_teams: there is no team {}{perhaps}", excerpt(name)));
        }
    }
}
