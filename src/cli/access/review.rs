//! What follows from tables, profiles and identity stores: who can open what, and what nobody needs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::cli::findings::Finding;
use crate::cli::fleet::Mappings;
use crate::cli::profiles::inventory::Standing;
use crate::cli::profiles::people::People;
use crate::mappings::{CHANGED_AT, Mapping, Stored};
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
    let denied = idps
        .iter()
        .flat_map(|idp| idp.denied_users.iter().map(|id| Owner::new(&idp.directory, id)))
        .map(|owner| owner.to_string())
        .collect();
    let by_place =
        profiles.iter().map(|seen| ((seen.owner.as_str(), seen.team.as_str()), seen)).collect();
    let longest = SignedDuration::from_hours(i64::from(days) * 24);
    let known = Known { mappings, people, idps, denied, by_place, longest, now };
    let mut review = Review { at: now, ..Review::default() };
    let mut covered = Covered::new();
    for (id, stored) in &mappings.teams {
        known.by_name(id, stored, &mut covered, &mut review);
        known.by_group(id, stored, &mut covered, &mut review);
    }
    for seen in profiles {
        known.by_profile(seen, &covered, &mut review);
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

/// The owners and teams that an entry or a group covers.
type Covered = BTreeSet<(String, String)>;

/// What the review follows from.
struct Known<'a> {
    mappings: &'a Mappings,
    people: Option<&'a People>,
    idps: Vec<&'a Idp>,
    /// The owners whom an IdP refuses.
    denied: BTreeSet<String>,
    /// The profiles by owner and team.
    by_place: BTreeMap<(&'a str, &'a str), &'a Seen>,
    /// How long nothing may have happened.
    longest: SignedDuration,
    now: Timestamp,
}

impl<'a> Known<'a> {
    fn seen(&self, owner: &str, team: &str) -> Option<&'a Seen> {
        self.by_place.get(&(owner, team)).copied()
    }

    /// Who has access to a team by name.
    fn by_name(&self, id: &str, stored: &Stored, covered: &mut Covered, review: &mut Review) {
        for (name, member) in Grants::of(&stored.item).members.people() {
            let owner = Owner::new(&name.directory, &name.user_id).to_string();
            let seen = self.seen(&owner, id);
            let mut row = row(name.key(), Some(owner.clone()), id, Rule::Member, seen);
            row.until = Some(member.until);
            row.ended = member.until.is_over(self.now);
            (row.reason, row.by) = (member.reason.clone(), member.by.clone());
            row.denied = self.denied.contains(&owner);
            let subject = format!("{} in {id}", name.key());
            if row.ended {
                let why = format!("ended {}", member.until);
                review.needless.push(Needless { kind: "entry_ended", subject, why });
            } else {
                covered.insert((owner, id.to_owned()));
                let without_profile = || match seen {
                    Some(_) => None,
                    None => without_profile_since(&stored.item, self.longest, self.now),
                };
                if let Some(since) = without_profile() {
                    let why = format!("access by name and no profile, {since}");
                    review.needless.push(Needless { kind: "rule_without_profile", subject, why });
                }
            }
            review.rows.push(row);
        }
        let of_people = |fault: &&Fault| fault.attribute.starts_with(members::ATTRIBUTE);
        for fault in stored.faults_in_part().iter().filter(of_people) {
            let (kind, subject) = ("entry_unreadable", format!("team {id}"));
            review.needless.push(Needless { kind, subject, why: fault.to_string() });
        }
    }

    /// Who has access to a team by a group of an identity store.
    fn by_group(&self, id: &str, stored: &Stored, covered: &mut Covered, review: &mut Review) {
        let team = stored.mapping().and_then(Mapping::team);
        let (Some(team), Some(people)) = (team, self.people) else { return };
        for (idp, user, owners, group) in people.members(team) {
            let with_profile = |owner: &String| Some((owner.clone(), self.seen(owner, id)?));
            let (owner, seen) = owners.iter().find_map(with_profile).unzip();
            covered.extend(owners.iter().map(|owner| (owner.clone(), id.to_owned())));
            let mut row = row(user.to_owned(), owner, id, Rule::Group, seen);
            row.detail = format!("{group} at {}", idp.entity_id);
            row.denied = owners.iter().any(|owner| self.denied.contains(owner));
            review.rows.push(row);
        }
    }

    /// A profile: the row of one that nothing covers, and what speaks against it.
    fn by_profile(&self, seen: &Seen, covered: &Covered, review: &mut Review) {
        let mut needless = |kind: &'static str, why: String| {
            review.needless.push(Needless { kind, subject: place(seen), why });
        };
        let is_denied = self.denied.contains(&seen.owner);
        if !covered.contains(&(seen.owner.clone(), seen.team.clone())) {
            let (rule, why) = self.rule_of(seen);
            let mut row =
                row(seen.owner.clone(), Some(seen.owner.clone()), &seen.team, rule, Some(seen));
            row.detail = why.to_owned();
            row.denied = is_denied;
            if rule == Rule::None {
                needless("profile_without_rule", why.to_owned());
            }
            review.rows.push(row);
        }
        if is_denied {
            needless("denied_with_profile", "denied_users hold the person".to_owned());
        }
        if self.now.duration_since(seen.changed) > self.longest {
            needless("profile_unchanged", format!("since {}", seen.changed));
        }
    }

    /// What can be said of a profile that no entry and no store covers.
    fn rule_of(&self, seen: &Seen) -> (Rule, &'static str) {
        let Some(stored) = self.mappings.teams.get(&seen.team) else {
            return (Rule::None, "no team has this id");
        };
        let Some(team) = stored.mapping().and_then(Mapping::team) else {
            return (Rule::SignIn, "the team's item cannot be used");
        };
        if !self.idps.iter().any(|idp| idp.enabled && idp.allowed_teams.allow(&team.team_id)) {
            return (Rule::None, "no identity provider may grant the team");
        }
        match self.people.and_then(|people| people.gone(&seen.owner, team)) {
            Some(why) => (Rule::None, why),
            None => (Rule::SignIn, ""),
        }
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mappings::Table;
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
