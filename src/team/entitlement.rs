//! Who may open what, until when, and if not, why: the one decision of sign-in, chooser, opening,
//! `access explain` and `saml verify --explain`.
//!
//! A list of checks, in their order; the first that does not hold decides. Pure: what was said, what the
//! tables hold, the address and the moment are arguments. `tests/decision/decision.py` is the same a second
//! time, written independently, and the two are held against each other.

use std::net::IpAddr;

use jiff::Timestamp;

use super::idp::Idp;
use super::item::{Item, ItemReader};
use super::mapping::Team;
use super::members::{Members, Until};
use super::session_duration::SHORTEST;
use super::text::TeamId;

/// What a sign-in said about a person.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The directory that the IdP had at the sign-in.
    pub directory: &'a str,
    /// The stable user id.
    pub user_id: &'a str,
    /// Values of the teams attribute.
    pub teams: &'a [String],
    /// The person's groups, from the assertion and from the identity store.
    pub groups: &'a [String],
    /// The `AuthnContextClassRef`s of the assertion's own `AuthnStatement`s.
    pub authn_contexts: &'a [String],
    /// Fingerprint of the key that verified the response; `None` where somebody asks without a response.
    pub key: Option<&'a str>,
}

/// What of a team's item gives access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Groups that give access.
    pub groups: Vec<String>,
    /// People who have access by name.
    pub members: Members,
}

impl Grants {
    /// What can be read of an item, whatever else is wrong with it.
    pub fn of(item: &Item) -> Self {
        let mut reader = ItemReader::new(item);
        let members = Members::read(&mut reader);
        let groups = item.get("groups").and_then(|groups| groups.as_array());
        let texts = groups.into_iter().flatten().filter_map(|group| group.as_str());
        let groups = texts.filter(|group| !group.is_empty()).map(str::to_owned).collect();
        Self { groups, members }
    }
}

/// What the teams table holds under an id.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// No item.
    Missing(&'a TeamId),
    /// An item that cannot be used, and what of it gives access.
    Unusable(&'a TeamId, &'a Grants),
    /// A team.
    Usable(&'a Team),
}

impl Target<'_> {
    /// The team's id.
    pub fn id(&self) -> &TeamId {
        match self {
            Self::Missing(id) | Self::Unusable(id, _) => id,
            Self::Usable(team) => &team.team_id,
        }
    }

    /// The groups that give access.
    pub fn groups(&self) -> &[String] {
        match self {
            Self::Missing(_) => &[],
            Self::Unusable(_, grants) => &grants.groups,
            Self::Usable(team) => &team.groups,
        }
    }

    /// The people who have access by name.
    pub fn members(&self) -> Option<&Members> {
        match self {
            Self::Missing(_) => None,
            Self::Unusable(_, grants) => Some(&grants.members),
            Self::Usable(team) => Some(&team.members),
        }
    }
}

/// Everything that decides whether one person may open one team.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The IdP that vouches for the person, as it is now.
    pub idp: &'a Idp,
    /// What it said.
    pub said: Said<'a>,
    /// The team.
    pub target: Target<'a>,
    /// The client's address, where it is known.
    pub client: Option<IpAddr>,
    /// The moment.
    pub now: Timestamp,
}

/// By which rule a person has access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The teams attribute names the team.
    Attribute,
    /// The team names one of the person's groups.
    Group(String),
    /// The team names the person.
    Member {
        /// The key of the entry.
        key: String,
        /// When it ends.
        until: Until,
    },
}

impl Rule {
    /// When access by this rule ends.
    pub fn until(&self) -> Until {
        match self {
            Self::Attribute | Self::Group(_) => Until::Always,
            Self::Member { until, .. } => *until,
        }
    }
}

/// Access to a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// At least one rule; the first lasts longest.
    pub rules: Vec<Rule>,
}

impl Admission {
    /// When the last of the rules ends.
    pub fn until(&self) -> Until {
        self.rules.first().map_or(Until::Always, Rule::until)
    }

    /// How long a Studio session may last that is opened now, in seconds: as the team says, and no longer
    /// than the access, but at least what the API asks for
    /// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html>).
    pub fn session_seconds(&self, team: &Team, now: Timestamp) -> u32 {
        self.seconds_of(team.session_duration_seconds, now)
    }

    /// The same of a session behind one of the team's doors, that may last `longest` seconds by itself.
    pub fn seconds_of(&self, longest: u32, now: Timestamp) -> u32 {
        let Until::At(end) = self.until() else { return longest };
        let left = end.duration_since(now).as_secs().clamp(0, i64::from(u32::MAX));
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        left.clamp(SHORTEST, longest.max(SHORTEST))
    }
}

/// One check. The first that does not hold is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// The IdP is enabled.
    IdpEnabled,
    /// The IdP has the directory that it had at the sign-in.
    SameDirectory,
    /// The key that verified the response is in the IdP's metadata.
    KeyTrusted,
    /// The IdP does not deny the person.
    NotDenied,
    /// The sign-in was of a kind that the IdP's `authn_contexts` ask for.
    IdpContext,
    /// The IdP may grant the team.
    IdpAllows,
    /// A rule gives the person access now.
    Entitled,
    /// The team's item can be used.
    Readable,
    /// The team is enabled.
    Enabled,
    /// The client's address is among the team's.
    Network,
    /// The sign-in was of a kind that the team's `authn_contexts` ask for.
    TeamContext,
}

impl Check {
    /// About the person: at the sign-in, and again for each use of the session.
    pub const OF_PERSON: [Self; 5] = [
        Self::IdpEnabled,
        Self::SameDirectory,
        Self::KeyTrusted,
        Self::NotDenied,
        Self::IdpContext,
    ];

    /// About one team. Whoever does not pass the first two learns nothing about it.
    pub const OF_TEAM: [Self; 6] = [
        Self::IdpAllows,
        Self::Entitled,
        Self::Readable,
        Self::Enabled,
        Self::Network,
        Self::TeamContext,
    ];
}

/// Holds what was said against the IdP as it is now.
///
/// # Errors
///
/// The first check that does not hold.
pub fn person(idp: &Idp, said: &Said<'_>) -> Result<(), Check> {
    Check::OF_PERSON.into_iter().find(|check| !of_person(*check, idp, said)).map_or(Ok(()), Err)
}

/// Decides about one team, for a person whom [`person`] lets in.
///
/// # Errors
///
/// The first check that does not hold.
pub fn team(case: &Case<'_>) -> Result<Admission, Check> {
    let admission = shown(case)?;
    let mut rest = Check::OF_TEAM.into_iter().skip(2);
    match rest.find(|check| !of_team(*check, case)) {
        None => Ok(admission),
        Some(check) => Err(check),
    }
}

/// Whether the person may know of the team: the chooser shows it.
///
/// # Errors
///
/// The first check that does not hold.
pub fn shown(case: &Case<'_>) -> Result<Admission, Check> {
    if !of_team(Check::IdpAllows, case) {
        return Err(Check::IdpAllows);
    }
    let rules = rules(case);
    if rules.is_empty() { Err(Check::Entitled) } else { Ok(Admission { rules }) }
}

/// Whether a check holds, by itself.
pub fn holds(check: Check, case: &Case<'_>) -> bool {
    of_person(check, case.idp, &case.said) && of_team(check, case)
}

fn of_person(check: Check, idp: &Idp, said: &Said<'_>) -> bool {
    match check {
        Check::IdpEnabled => idp.enabled,
        Check::SameDirectory => idp.directory == said.directory,
        Check::KeyTrusted => said.key.is_none_or(|key| idp.metadata.has_key(key)),
        Check::NotDenied => !idp.denied_users.iter().any(|denied| denied == said.user_id),
        Check::IdpContext => is_one_of(idp.authn_contexts.as_deref(), said.authn_contexts),
        _ => true,
    }
}

fn of_team(check: Check, case: &Case<'_>) -> bool {
    let Case { idp, said, target, client, .. } = case;
    match (check, target) {
        (Check::IdpAllows, target) => idp.allowed_teams.allow(target.id()),
        (Check::Entitled, _) => !rules(case).is_empty(),
        (Check::Readable, target) => matches!(target, Target::Usable(_)),
        (Check::Enabled, Target::Usable(team)) => team.enabled,
        (Check::Network, Target::Usable(team)) => match &team.allowed_cidrs {
            None => true,
            Some(allowed) => {
                client.is_some_and(|client| allowed.iter().any(|c| c.contains(&client)))
            }
        },
        (Check::TeamContext, Target::Usable(team)) => {
            is_one_of(team.authn_contexts.as_deref(), said.authn_contexts)
        }
        _ => true,
    }
}

/// Whether one of the contexts is among those that are asked for; any, where nothing is asked for.
fn is_one_of(asked: Option<&[String]>, said: &[String]) -> bool {
    asked.is_none_or(|asked| said.iter().any(|context| asked.contains(context)))
}

/// The rules by which the person has access now, the longest first. Nobody has access to a team that is
/// not there.
pub fn rules(case: &Case<'_>) -> Vec<Rule> {
    let Case { said, target, now, .. } = case;
    if matches!(target, Target::Missing(_)) {
        return Vec::new();
    }
    let named = said.teams.iter().any(|id| id == target.id().as_str());
    let attribute = named.then_some(Rule::Attribute);
    let groups = target.groups().iter().filter(|group| said.groups.contains(group));
    let groups = groups.cloned().map(Rule::Group);
    let member = target.members().and_then(|members| members.of(said.directory, said.user_id));
    let member = member.filter(|member| !member.until.is_over(*now));
    let member = member.map(|m| Rule::Member { key: m.key.clone(), until: m.until });
    attribute.into_iter().chain(groups).chain(member).collect()
}
