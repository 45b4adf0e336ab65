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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn with(mut item: Value, change: &Value) -> Item {
        item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        item.as_object().unwrap().clone()
    }

    fn idp(change: &Value) -> Idp {
        let metadata = include_str!("../../tests/fixtures/metadata/idp.xml");
        let read = strict_saml::IdpMetadata::parse(metadata.as_bytes()).unwrap();
        let item = json!({
            "entity_id": read.entity_id(), "metadata_xml": metadata, "allowed_teams": ["team1"],
        });
        Idp::read(&with(item, change)).unwrap().value
    }

    fn usable(change: &Value) -> Team {
        let item = json!({
            "team_id": "team1",
            "account_id": "012345678901",
            "region": "eu-west-1",
            "domain_id": "d-abc",
            "execution_role_arn": "arn:aws:iam::012345678901:role/Team1",
        });
        Team::read(&with(item, change)).unwrap().value
    }

    fn said<'a>(teams: &'a [String], groups: &'a [String], contexts: &'a [String]) -> Said<'a> {
        let directory = "default";
        Said { directory, user_id: "jane", teams, groups, authn_contexts: contexts, key: None }
    }

    fn texts<const N: usize>(texts: [&str; N]) -> [String; N] {
        texts.map(str::to_owned)
    }

    /// Jane, whose sign-in names the team and who comes from `10.0.0.1`.
    fn jane<'a>(idp: &'a Idp, target: Target<'a>, teams: &'a [String]) -> Case<'a> {
        let client = Some([10, 0, 0, 1].into());
        Case { idp, said: said(teams, &[], &[]), target, client, now: at(NOW) }
    }

    /// Where the checks end for whom the teams attribute names, with this IdP and this team.
    fn decided(of_idp: Value, of_team: Value) -> Result<Admission, Check> {
        let (idp, usable, teams) = (idp(&of_idp), usable(&of_team), texts(["team1"]));
        team(&jane(&idp, Target::Usable(&usable), &teams))
    }

    #[test]
    fn the_person_is_held_against_the_idp_in_the_order_of_the_checks() {
        let all_wrong = json!({
            "enabled": false, "directory": "others", "denied_users": ["john", "jane"],
            "authn_contexts": ["urn:mfa"],
        });
        let right = [
            ("enabled", json!(true)),
            ("directory", json!("default")),
            ("", json!(null)),
            ("denied_users", json!(["john"])),
            ("authn_contexts", json!(["urn:mfa", "urn:password"])),
        ];
        let (contexts, mut item, mut key) = (texts(["urn:password"]), all_wrong, Some("another"));
        for (check, (attribute, value)) in Check::OF_PERSON.into_iter().zip(right) {
            let said = Said { key, ..said(&[], &[], &contexts) };
            assert_eq!(person(&idp(&item), &said), Err(check));
            match attribute {
                "" => key = None,
                attribute => item[attribute] = value,
            }
        }
        let said = Said { key, ..said(&[], &[], &contexts) };
        assert_eq!(person(&idp(&item), &said), Ok(()));
        let idp = idp(&item);
        let trusted = idp.metadata.signing_keys()[0].fingerprint().to_owned();
        assert_eq!(person(&idp, &Said { key: Some(&trusted), ..said }), Ok(()));
    }

    #[test]
    fn a_team_opens_only_where_every_check_about_it_holds() {
        let admitted = Ok(Admission { rules: vec![Rule::Attribute] });
        assert_eq!(decided(json!({}), json!({})), admitted);
        let refused = |of_idp, of_team| decided(of_idp, of_team).unwrap_err();
        assert_eq!(refused(json!({"allowed_teams": ["team2"]}), json!({})), Check::IdpAllows);
        assert_eq!(refused(json!({}), json!({"enabled": false})), Check::Enabled);
        let network = |cidrs: Value| decided(json!({}), json!({"allowed_cidrs": cidrs}));
        assert_eq!(network(json!(["192.0.2.0/24"])), Err(Check::Network));
        assert_eq!(network(json!(["192.0.2.0/24", "10.0.0.0/8"])), admitted);
        let contexts = json!({"authn_contexts": ["urn:mfa"]});
        assert_eq!(refused(json!({}), contexts.clone()), Check::TeamContext);
        let (idp, usable, teams) = (idp(&json!({})), usable(&contexts), texts(["team1"]));
        let by_mfa = texts(["urn:password", "urn:mfa"]);
        let case = Case {
            said: said(&teams, &[], &by_mfa),
            ..jane(&idp, Target::Usable(&usable), &teams)
        };
        assert_eq!(team(&case), admitted);
    }

    #[test]
    fn an_address_that_is_not_known_is_in_no_network() {
        let (idp, teams) = (idp(&json!({})), texts(["team1"]));
        let (anywhere, somewhere) =
            (usable(&json!({})), usable(&json!({"allowed_cidrs": ["0.0.0.0/0"]})));
        let from_nowhere = |team| Case { client: None, ..jane(&idp, Target::Usable(team), &teams) };
        assert!(team(&from_nowhere(&anywhere)).is_ok());
        assert_eq!(team(&from_nowhere(&somewhere)), Err(Check::Network));
    }

    #[test]
    fn access_is_by_attribute_by_group_or_by_name_until_its_end() {
        let idp = idp(&json!({}));
        let usable = usable(&json!({
            "groups": ["g1", "g2"],
            "members": {"jane": "2027-01-15T08:00:01Z", "others/joan": "always"},
        }));
        let case = |teams, groups, user_id, now| Case {
            said: Said { user_id, ..said(teams, groups, &[]) },
            now: at(now),
            ..jane(&idp, Target::Usable(&usable), &[])
        };
        let (own, other) = (texts(["team1"]), texts(["team10", "team"]));
        let (held, not_held) = (texts(["g2", "g3"]), texts(["g", "g11"]));
        let until = Until::At(at(NOW + 1));
        let by_name = Rule::Member { key: "jane".into(), until };
        let by_group = Rule::Group("g2".into());
        assert_eq!(
            rules(&case(&own, &held, "jane", NOW)),
            [Rule::Attribute, by_group.clone(), by_name.clone()]
        );
        assert_eq!(rules(&case(&other, &held, "john", NOW)), [by_group]);
        assert_eq!(rules(&case(&other, &not_held, "jane", NOW)), std::slice::from_ref(&by_name));
        // At its end there is none, and a name counts in its directory alone.
        assert_eq!(rules(&case(&other, &not_held, "jane", NOW + 1)), []);
        assert_eq!(rules(&case(&other, &not_held, "joan", NOW)), []);
        assert_eq!(shown(&case(&other, &not_held, "joan", NOW)), Err(Check::Entitled));
        assert_eq!(team(&case(&other, &not_held, "joan", NOW)), Err(Check::Entitled));
        // What lasts longest stands first.
        assert_eq!((Rule::Attribute.until(), by_name.until()), (Until::Always, until));
        let until = |case: &Case<'_>| shown(case).unwrap().until();
        assert_eq!(until(&case(&own, &[], "jane", NOW)), Until::Always);
        assert_eq!(until(&case(&[], &held, "jane", NOW)), Until::Always);
        assert_eq!(until(&case(&[], &[], "jane", NOW)), Until::At(at(NOW + 1)));
    }

    #[test]
    fn an_item_that_cannot_be_used_is_shown_to_the_entitled_and_opens_for_nobody() {
        let id = TeamId::try_from("team1".to_owned()).unwrap();
        let item = json!({
            "groups": ["g1", "", 7, "g2"], "members": {"jane": "always", "": "always"}, "region": 7,
        });
        let grants = Grants::of(item.as_object().unwrap());
        assert_eq!(grants.groups, ["g1", "g2"]);
        assert_eq!(Grants::of(&Item::new()), Grants::default());
        let (idp, held) = (idp(&json!({})), texts(["g1"]));
        let unusable = Target::Unusable(&id, &grants);
        assert_eq!((unusable.id(), unusable.groups()), (&id, &*grants.groups));
        let case = Case { said: said(&[], &held, &[]), ..jane(&idp, unusable, &[]) };
        let by_name = Rule::Member { key: "jane".into(), until: Until::Always };
        assert_eq!(shown(&case).unwrap().rules, [Rule::Group("g1".into()), by_name]);
        assert_eq!(team(&case), Err(Check::Readable));
        let nobody = Said { user_id: "john", ..said(&[], &[], &[]) };
        assert_eq!(shown(&Case { said: nobody, ..case }), Err(Check::Entitled));
    }

    #[test]
    fn nobody_has_access_to_a_team_that_is_not_there() {
        let id = TeamId::try_from("team1".to_owned()).unwrap();
        let (idp, teams) = (idp(&json!({})), texts(["team1"]));
        let missing = Target::Missing(&id);
        assert_eq!((missing.id(), missing.groups(), missing.members()), (&id, &[][..], None));
        assert_eq!(rules(&jane(&idp, missing, &teams)), []);
        assert_eq!(team(&jane(&idp, missing, &teams)), Err(Check::Entitled));
    }

    #[test]
    fn each_check_can_be_asked_by_itself() {
        let wrong = idp(&json!({
            "enabled": false, "directory": "others", "denied_users": ["jane"],
            "authn_contexts": ["urn:mfa"], "allowed_teams": ["team2"],
        }));
        let paused = usable(&json!({
            "enabled": false, "allowed_cidrs": ["192.0.2.0/24"], "authn_contexts": ["urn:mfa"],
        }));
        let id = TeamId::try_from("team1".to_owned()).unwrap();
        let case = Case {
            said: Said { key: Some("another"), ..said(&[], &[], &[]) },
            ..jane(&wrong, Target::Usable(&paused), &[])
        };
        let missing = Case { target: Target::Missing(&id), ..case };
        for check in Check::OF_PERSON.into_iter().chain(Check::OF_TEAM) {
            // An item that is read is readable, and one that is not there has no networks.
            assert_eq!(holds(check, &case), check == Check::Readable, "{check:?}");
            let of_an_item = [Check::Enabled, Check::Network, Check::TeamContext];
            assert_eq!(holds(check, &missing), of_an_item.contains(&check), "{check:?}");
        }
        let (right, usable, teams) = (idp(&json!({})), usable(&json!({})), texts(["team1"]));
        let case = jane(&right, Target::Usable(&usable), &teams);
        for check in Check::OF_PERSON.into_iter().chain(Check::OF_TEAM) {
            assert!(holds(check, &case), "{check:?}");
        }
    }

    #[test]
    fn a_session_is_no_longer_than_the_access_and_no_shorter_than_the_api_allows() {
        let usable = usable(&json!({"session_duration_seconds": 7_200}));
        let by_name = |end| Admission {
            rules: vec![Rule::Member { key: "jane".into(), until: Until::At(at(end)) }],
        };
        let seconds = |left| by_name(NOW + left).session_seconds(&usable, at(NOW));
        assert_eq!(
            [7_201, 7_200, 7_199, 1_801, 1_800, 1_799, 0, -1].map(seconds),
            [7_200, 7_200, 7_199, 1_801, 1_800, 1_800, 1_800, 1_800]
        );
        let always = Admission { rules: vec![Rule::Attribute] };
        assert_eq!(always.session_seconds(&usable, at(NOW)), 7_200);
        // What lasts less by itself is not made longer, but where the API asks for more.
        assert_eq!(always.seconds_of(300, at(NOW)), 300);
        assert_eq!(by_name(NOW + 9_000).seconds_of(300, at(NOW)), 1_800);
        let far = by_name(Timestamp::MAX.as_second());
        assert_eq!(far.seconds_of(u32::MAX, at(NOW)), u32::MAX);
    }
}
