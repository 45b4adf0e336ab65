//! What follows from tables, profiles and identity stores: who can open what, and what nobody needs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::cli::findings::Finding;
use crate::cli::fleet::Mappings;
use crate::cli::profiles::inventory::Standing;
use crate::cli::profiles::people::People;
use crate::mappings::{CHANGED_AT, Mapping};
use crate::team::entitlement::Grants;
use crate::team::idp::Idp;
use crate::team::item::{Fault, Item};
use crate::team::members::{self, Until};
use crate::team::owner::Owner;
use crate::team::whose::is_revoked;

/// By which rule somebody can open a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    /// An entry of the team's `members`.
    Member,
    /// A group of an identity store.
    Group,
    /// There is a profile; only a sign-in can tell whether the teams attribute or a group still names the
    /// team.
    SignIn,
    /// None: nobody can open the profile any more.
    None,
}

impl Rule {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Group => "group",
            Self::SignIn => "as the sign-in says",
            Self::None => "none",
        }
    }
}

/// One person and one team.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// The user id where it is known, else the owner.
    pub(super) person: String,
    /// The person, as AWS sees them; absent where a store names several.
    pub(super) owner: Option<String>,
    pub(super) team: String,
    pub(super) rule: Rule,
    /// The group, or why there is none.
    pub(super) detail: String,
    /// When it ends; absent where nobody has said.
    pub(super) until: Option<Until>,
    pub(super) ended: bool,
    pub(super) reason: Option<String>,
    pub(super) by: Option<String>,
    pub(super) account: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) status: Option<String>,
    pub(super) changed: Option<String>,
    pub(super) revoked: bool,
    pub(super) denied: bool,
}

/// Something that nobody needs any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Needless {
    /// Stable, snake case.
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) why: String,
}

/// How full an account is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Fill {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) profiles: u64,
    pub(super) quota: Option<u64>,
}

/// The whole report.
#[derive(Debug, Default, Serialize)]
pub(super) struct Review {
    pub(super) at: Timestamp,
    pub(super) rows: Vec<Row>,
    /// People and profiles of each team, those without any included.
    pub(super) teams: BTreeMap<String, [usize; 2]>,
    pub(super) needless: Vec<Needless>,
    pub(super) accounts: Vec<Fill>,
    pub(super) failed: Vec<Finding>,
}

/// A profile as the report looks at it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) team: String,
    pub(super) status: String,
    pub(super) changed: Timestamp,
    pub(super) revoked: bool,
}

impl Seen {
    pub(super) fn of(standing: &Standing) -> Option<Self> {
        Some(Self {
            account: standing.account.clone(),
            region: standing.region.clone(),
            name: standing.described.name.clone(),
            owner: standing.owner()?.to_owned(),
            team: standing.team()?.to_owned(),
            status: standing.described.status.clone(),
            changed: Timestamp::from_second(standing.described.changed_at).unwrap_or_default(),
            revoked: is_revoked(&standing.tags),
        })
    }
}

/// Everything that follows from tables, profiles and stores.
pub(super) fn review(
    mappings: &Mappings,
    people: Option<&People>,
    profiles: &[Seen],
    days: u32,
    now: Timestamp,
) -> Review {
    let idps: Vec<&Idp> =
        mappings.idps.values().filter_map(|stored| stored.mapping()?.idp()).collect();
    let denied: BTreeSet<String> = idps
        .iter()
        .flat_map(|idp| idp.denied_users.iter().map(|id| Owner::new(&idp.directory, id)))
        .map(|owner| owner.to_string())
        .collect();
    let by_place: BTreeMap<(&str, &str), &Seen> =
        profiles.iter().map(|seen| ((seen.owner.as_str(), seen.team.as_str()), seen)).collect();
    let mut review = Review { at: now, ..Review::default() };
    let longest = SignedDuration::from_hours(i64::from(days) * 24);
    let mut covered: BTreeSet<(String, String)> = BTreeSet::new();
    for (id, stored) in &mappings.teams {
        let grants = Grants::of(&stored.item);
        for (name, member) in grants.members.people() {
            let owner = Owner::new(&name.directory, &name.user_id).to_string();
            let seen = by_place.get(&(owner.as_str(), id.as_str())).copied();
            let ended = member.until.is_over(now);
            let mut row = row(name.key(), Some(owner.clone()), id, Rule::Member, seen);
            row.until = Some(member.until);
            row.ended = ended;
            (row.reason, row.by) = (member.reason.clone(), member.by.clone());
            row.denied = denied.contains(&owner);
            if ended {
                let (kind, subject) = ("entry_ended", format!("{} in {id}", name.key()));
                let why = format!("ended {}", member.until);
                review.needless.push(Needless { kind, subject, why });
            } else {
                covered.insert((owner, id.clone()));
                if let Some(since) = seen
                    .is_none()
                    .then(|| without_profile_since(&stored.item, longest, now))
                    .flatten()
                {
                    let (kind, subject) =
                        ("rule_without_profile", format!("{} in {id}", name.key()));
                    let why = format!("access by name and no profile, {since}");
                    review.needless.push(Needless { kind, subject, why });
                }
            }
            review.rows.push(row);
        }
        let of_people = |fault: &&Fault| fault.attribute.starts_with(members::ATTRIBUTE);
        for fault in stored.faults_in_part().iter().filter(of_people) {
            let (kind, subject) = ("entry_unreadable", format!("team {id}"));
            review.needless.push(Needless { kind, subject, why: fault.to_string() });
        }
        let Some(team) = stored.mapping().and_then(Mapping::team) else { continue };
        let Some(people) = people else { continue };
        for (idp, user, owners, group) in people.members(team) {
            let found = owners.iter().find_map(|owner| {
                by_place.get(&(owner.as_str(), id.as_str())).map(|seen| (owner.clone(), *seen))
            });
            let (owner, seen) =
                found.map_or((None, None), |(owner, seen)| (Some(owner), Some(seen)));
            covered.extend(owners.iter().map(|owner| (owner.clone(), id.clone())));
            let mut row = row(user.to_owned(), owner, id, Rule::Group, seen);
            row.detail = format!("{group} at {}", idp.entity_id);
            row.denied = owners.iter().any(|owner| denied.contains(owner));
            review.rows.push(row);
        }
    }
    for seen in profiles {
        let key = (seen.owner.clone(), seen.team.clone());
        let is_denied = denied.contains(&seen.owner);
        if !covered.contains(&key) {
            let (rule, why) = rule_of(seen, mappings, people, &idps);
            let mut row =
                row(seen.owner.clone(), Some(seen.owner.clone()), &seen.team, rule, Some(seen));
            row.detail = why.to_owned();
            row.denied = is_denied;
            if rule == Rule::None {
                let (kind, subject) = ("profile_without_rule", place(seen));
                review.needless.push(Needless { kind, subject, why: why.to_owned() });
            }
            review.rows.push(row);
        }
        if is_denied {
            let (kind, why) = ("denied_with_profile", "denied_users hold the person".to_owned());
            review.needless.push(Needless { kind, subject: place(seen), why });
        }
        if now.duration_since(seen.changed) > longest {
            let (kind, why) = ("profile_unchanged", format!("since {}", seen.changed));
            review.needless.push(Needless { kind, subject: place(seen), why });
        }
    }
    review.rows.sort_by(|a, b| (&a.person, &a.team, a.rule).cmp(&(&b.person, &b.team, b.rule)));
    review.needless.sort();
    review.needless.dedup();
    for id in mappings.teams.keys() {
        let of_team = review.rows.iter().filter(|row| row.team == *id && !row.ended);
        let people: BTreeSet<_> = of_team.map(|row| row.person.as_str()).collect();
        let profiles = profiles.iter().filter(|seen| seen.team == *id).count();
        review.teams.insert(id.clone(), [people.len(), profiles]);
    }
    review
}

/// Since when a rule without a profile has been there, in words; `None` where that may be less than `longest`.
/// A rule's own age is written nowhere: it is at least that of the item's last change by a command.
fn without_profile_since(item: &Item, longest: SignedDuration, now: Timestamp) -> Option<String> {
    let changed_at = item.get(CHANGED_AT).and_then(Value::as_str);
    match changed_at.and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(changed) if now.duration_since(changed) <= longest => None,
        Some(changed) => Some(format!("at least since {changed}")),
        None => Some("since when is not known".to_owned()),
    }
}

fn row(person: String, owner: Option<String>, team: &str, rule: Rule, seen: Option<&Seen>) -> Row {
    Row {
        person,
        owner,
        team: team.to_owned(),
        rule,
        detail: String::new(),
        until: None,
        ended: false,
        reason: None,
        by: None,
        account: seen.map(|seen| seen.account.clone()),
        profile: seen.map(|seen| seen.name.clone()),
        status: seen.map(|seen| seen.status.clone()),
        changed: seen.map(|seen| seen.changed.to_string()),
        revoked: seen.is_some_and(|seen| seen.revoked),
        denied: false,
    }
}

fn place(seen: &Seen) -> String {
    format!("{} in {} {}", seen.name, seen.account, seen.region)
}

/// What can be said of a profile that no entry and no store covers.
fn rule_of(
    seen: &Seen,
    mappings: &Mappings,
    people: Option<&People>,
    idps: &[&Idp],
) -> (Rule, &'static str) {
    let Some(stored) = mappings.teams.get(&seen.team) else {
        return (Rule::None, "no team has this id");
    };
    let Some(team) = stored.mapping().and_then(Mapping::team) else {
        return (Rule::SignIn, "the team's item cannot be used");
    };
    if !idps.iter().any(|idp| idp.enabled && idp.allowed_teams.allow(&team.team_id)) {
        return (Rule::None, "no identity provider may grant the team");
    }
    match people.and_then(|people| people.gone(&seen.owner, team)) {
        Some(why) => (Rule::None, why),
        None => (Rule::SignIn, ""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mappings::{Stored, Table};
    use crate::team::item::to_dynamodb;

    fn stored(table: Table, item: &Value) -> Stored {
        let item = item.as_object().unwrap();
        Stored::of(table, item.iter().map(|(n, v)| (n.clone(), to_dynamodb(v))).collect())
    }

    fn mappings(members: Value, denied: Value) -> Mappings {
        let metadata = include_str!("../../../tests/fixtures/metadata/idp.xml");
        let idp = json!({
            "entity_id": "https://idp.example.com/metadata", "metadata_xml": metadata,
            "allowed_teams": ["*"], "denied_users": denied,
        });
        let team = json!({
            "team_id": "a", "account_id": "012345678901", "region": "eu-west-1",
            "domain_id": "d-abc", "execution_role_arn": "arn:aws:iam::012345678901:role/T",
            "members": members,
        });
        Mappings {
            teams: BTreeMap::from([("a".to_owned(), stored(Table::Teams, &team))]),
            idps: BTreeMap::from([("i".to_owned(), stored(Table::Idps, &idp))]),
            earlier: std::collections::BTreeSet::new(),
        }
    }

    fn seen(owner: &str, team: &str, changed: &str) -> Seen {
        Seen {
            account: "012345678901".into(),
            region: "eu-west-1".into(),
            name: format!("{owner}-{team}"),
            owner: owner.into(),
            team: team.into(),
            status: "InService".into(),
            changed: changed.parse().unwrap(),
            revoked: false,
        }
    }

    #[test]
    fn people_are_joined_with_their_profiles_and_what_nobody_needs_is_named() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let mappings = mappings(
            json!({
                "ann": {"until": "2026-12-01T00:00:00Z", "reason": "audit", "by": "arn"},
                "bob": "2026-11-01T00:00:00Z",
                "cid": "always",
                "bad": "soon",
            }),
            json!(["dan"]),
        );
        let profiles = [
            seen("ann", "a", "2026-11-27T00:00:00Z"),
            seen("bob", "a", "2026-11-27T00:00:00Z"),
            seen("dan", "a", "2026-01-01T00:00:00Z"),
            seen("eve", "gone", "2026-11-27T00:00:00Z"),
        ];
        let review = review(&mappings, None, &profiles, 90, now);
        let rows: Vec<_> = review
            .rows
            .iter()
            .map(|row| {
                (row.person.as_str(), row.team.as_str(), row.rule, row.profile.is_some(), row.ended)
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("ann", "a", Rule::Member, true, false),
                ("bob", "a", Rule::Member, true, true),
                ("bob", "a", Rule::SignIn, true, false),
                ("cid", "a", Rule::Member, false, false),
                ("dan", "a", Rule::SignIn, true, false),
                ("eve", "gone", Rule::None, true, false),
            ]
        );
        let needless: Vec<_> =
            review.needless.iter().map(|n| (n.kind, n.subject.as_str())).collect();
        assert_eq!(
            needless,
            [
                ("denied_with_profile", "dan-a in 012345678901 eu-west-1"),
                ("entry_ended", "bob in a"),
                ("entry_unreadable", "team a"),
                ("profile_unchanged", "dan-a in 012345678901 eu-west-1"),
                ("profile_without_rule", "eve-gone in 012345678901 eu-west-1"),
                ("rule_without_profile", "cid in a"),
            ]
        );
        assert_eq!(review.teams["a"], [4, 3]);
    }
}
