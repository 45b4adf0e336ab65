//! One team, as its item describes it.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::app::App;
use super::door::{self, Door};
use super::members::{self, Members};
use super::portal::{self, Contact, Link, Portal};
use super::session_duration::{self, LONGEST, SHORTEST, SessionDuration};
use super::text::{AccountId, DomainId, DoorId, Region, RoleArn, SpaceName, TeamId};
use super::whose::REVOKED_TAG;
use crate::team::item::{Attribute, Fault, Item, ItemReader, Read};

/// A team: the unit of access. One SageMaker domain in one account and Region, one execution role,
/// one set of profile settings.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Team", deny_unknown_fields)]
pub struct Team {
    /// The team's id and the item's key. Two ids may not differ in case only.
    pub team_id: TeamId,
    /// Name in the chooser; the id when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// One sentence for the chooser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The account that holds the domain: 12 digits, as text.
    pub account_id: AccountId,
    /// The Region that holds the domain.
    pub region: Region,
    /// The SageMaker domain, in IAM mode.
    pub domain_id: DomainId,
    /// The role that the team's notebooks run with, in `account_id`.
    pub execution_role_arn: RoleArn,
    /// The role that the broker assumes in `account_id`; the standard name when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_role_arn: Option<RoleArn>,
    /// Sent with `AssumeRole`: 2 to 1224 of `A-Z a-z 0-9 _+=,.@:/-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^[A-Za-z0-9_+=,.@:/-]{2,1224}$"))]
    pub external_id: Option<String>,
    /// Groups that give access: values of the IdP's groups attribute, or Identity Store group ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub groups: Vec<String>,
    /// People who have access by name. Key: the user id, or `directory/user id` (always so in another
    /// directory than `default`, and where the user id holds a `/`). Value: `always`, the moment at which
    /// the access ends (RFC 3339, UTC, `Z`), or a map of `until`, `reason` and `by`.
    #[serde(skip_serializing_if = "Members::is_empty")]
    #[schemars(default, schema_with = "members::schema")]
    pub members: Members,
    /// When set, the sign-in must have been of one of these kinds: `AuthnContextClassRef`s of the
    /// assertion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authn_contexts: Option<Vec<String>>,
    /// Any member of SageMaker's `UserSettings` but `ExecutionRole`, by its API name, passed on unchanged
    /// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html>).
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(default)]
    pub user_settings: Map<String, Value>,
    /// Further tags of the profile, at most 48.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("maxProperties" = 48))]
    pub tags: BTreeMap<String, String>,
    /// Length of a Studio session in seconds, 1800 to 43200.
    #[schemars(default = "session_duration::longest", range(min = SHORTEST, max = LONGEST))]
    pub session_duration_seconds: u32,
    /// Where Studio opens, such as `app:JupyterLab:`, at most 1023 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1023))]
    pub landing_uri: Option<String>,
    /// The space that Studio opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space_name: Option<SpaceName>,
    /// The apps that the chooser offers beside the team's own landing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, extend("uniqueItems" = true))]
    pub apps: Vec<App>,
    /// What else of the team opens by a presigned URL, at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 20))]
    pub doors: Vec<Door>,
    /// Whom to ask about the team: an e-mail address or an https address, shown in the chooser and on the
    /// team's error pages to the entitled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// Pages about the team, at most 10, shown in the chooser.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 10))]
    pub links: Vec<Link>,
    /// Texts that the chooser shows, for example `Data class: restricted`; at most 10.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, schema_with = "portal::labels_schema")]
    pub labels: BTreeMap<String, String>,
    /// Client addresses from which the team may be opened; absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub allowed_cidrs: Option<Vec<IpNet>>,
    /// Takes over a profile of the exact name that carries the right `Team` tag, no `User` tag, the
    /// mapping's role, and no setting that the mapping lacks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub adopt_profiles: bool,
    /// Whether the team can be opened.
    #[schemars(default = "default_enabled")]
    pub enabled: bool,
    /// Shown to the entitled while the team is not enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_reason: Option<String>,
    /// Counts up with every `apply`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

fn default_enabled() -> bool {
    true
}

impl Team {
    /// Reads a team from its item.
    ///
    /// # Errors
    ///
    /// Every attribute that breaks its rule, all at once.
    pub fn read(item: &Item) -> Result<Read<Self>, Vec<Fault>> {
        let mut reader = ItemReader::new(item);
        let team_id = reader.required("team_id");
        let display_name = reader.optional("display_name");
        let description = reader.optional("description");
        let account_id = reader.required::<AccountId>("account_id");
        let region = reader.required::<Region>("region");
        let domain_id = reader.required("domain_id");
        let execution_role_arn = reader.required::<RoleArn>("execution_role_arn");
        let broker_role_arn = reader.optional::<RoleArn>("broker_role_arn");
        let external_id = reader.optional::<ExternalId>("external_id").map(|id| id.0);
        let groups = reader.list("groups").unwrap_or_default();
        let members = Members::read(&mut reader);
        let authn_contexts = reader.list("authn_contexts");
        let user_settings = read_user_settings(&mut reader);
        let tags = read_tags(&mut reader);
        let session_duration = reader.optional::<SessionDuration>("session_duration_seconds");
        let landing_uri = reader.optional::<LandingUri>("landing_uri").map(|uri| uri.0);
        let space_name = reader.optional("space_name");
        let Portal { apps, contact, links, labels } = Portal::read(&mut reader);
        let doors = door::read(&mut reader, account_id.as_ref().zip(region.as_ref()));
        let allowed_cidrs =
            reader.list::<Cidr>("allowed_cidrs").map(|cidrs| cidrs.iter().map(|c| c.0).collect());
        let adopt_profiles = reader.optional("adopt_profiles").unwrap_or(false);
        let enabled = reader.optional("enabled").unwrap_or_else(default_enabled);
        let paused_reason = reader.optional("paused_reason");
        let revision = reader.optional("revision");

        if let (Some(account), Some(region)) = (&account_id, &region) {
            let roles = [
                ("execution_role_arn", &execution_role_arn),
                ("broker_role_arn", &broker_role_arn),
            ];
            for (attribute, role) in roles {
                let Some(role) = role else { continue };
                let partition = region.partition();
                if role.account() != account.as_str() || role.partition() != partition {
                    let expected = format!(
                        "a role in account_id and the Region's partition, arn:{partition}:iam::{account}:role/…"
                    );
                    reader.wrong(attribute, &Value::String(role.to_string()), &expected);
                }
            }
        }

        // What they hold decides nothing, so nothing in them is a fault.
        for note in ["owner", "changed_by", "changed_at"] {
            reader.raw(note);
        }
        let in_part = reader.faults_in_part();
        let (faults, unknown_attributes) = reader.finish();
        let parsed = (team_id, account_id, region, domain_id, execution_role_arn);
        let (
            Some(team_id),
            Some(account_id),
            Some(region),
            Some(domain_id),
            Some(execution_role_arn),
        ) = parsed
        else {
            return Err(faults);
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let value = Self {
            team_id,
            display_name,
            description,
            account_id,
            region,
            domain_id,
            execution_role_arn,
            broker_role_arn,
            external_id,
            groups,
            members,
            authn_contexts,
            user_settings,
            tags,
            session_duration_seconds: SessionDuration::seconds(session_duration),
            landing_uri,
            space_name,
            apps,
            doors,
            contact,
            links,
            labels,
            allowed_cidrs,
            adopt_profiles,
            enabled,
            paused_reason,
            revision,
        };
        Ok(Read { value, in_part, unknown_attributes })
    }

    /// The name that people see.
    pub fn name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(self.team_id.as_str())
    }

    /// The door of this id.
    pub fn door(&self, id: &DoorId) -> Option<&Door> {
        self.doors.iter().find(|door| door.id == *id)
    }

    /// The role that the broker assumes: the team's own, else the standard name in its account.
    pub fn broker_role(&self, standard_name: &str) -> RoleArn {
        self.broker_role_arn.clone().unwrap_or_else(|| {
            RoleArn::target(self.region.partition(), &self.account_id, standard_name)
        })
    }
}

/// A group as a team writes it: the one IdP at which it counts, and its name there. Of the entity IDs that
/// stand in front with a `#` after them the longest decides; without any it is a name that counts at every
/// IdP.
pub fn group_of<'a>(written: &'a str, entity_ids: &'a [String]) -> (Option<&'a str>, &'a str) {
    let bound = entity_ids.iter().filter_map(|id| {
        let group = written.strip_prefix(id.as_str())?.strip_prefix('#')?;
        Some((id.as_str(), group))
    });
    match bound.max_by_key(|(id, _)| id.len()) {
        Some((id, group)) => (Some(id), group),
        None => (None, written),
    }
}

/// The texts by which a team can name the groups of a person who came through the IdP `idp`: the names, and
/// the names with its entity ID in front, as far as they count there.
///
/// `entity_ids` are those of all IdPs of ours, usable or not: an IdP that is switched off must not turn
/// `entity-id#group` into a bare name that any other IdP may say. Only texts with a `#` depend on them.
pub fn groups_as_written(idp: &str, groups: &[String], entity_ids: &[String]) -> Vec<String> {
    let here = groups.iter().map(|group| format!("{idp}#{group}"));
    let mut all: Vec<_> = groups.iter().cloned().chain(here).collect();
    all.retain(|written| counts_at(idp, written, groups, entity_ids));
    all
}

/// Whether a text by which a team names a group is one of these groups at this IdP.
pub fn counts_at(idp: &str, written: &str, groups: &[String], entity_ids: &[String]) -> bool {
    let (only, group) = group_of(written, entity_ids);
    only.is_none_or(|only| only == idp) && groups.iter().any(|held| held == group)
}

fn read_user_settings(reader: &mut ItemReader<'_>) -> Map<String, Value> {
    let Some(value) = reader.raw("user_settings") else { return Map::new() };
    let Some(settings) = value.as_object() else {
        reader.wrong("user_settings", value, "a map (M) of SageMaker's UserSettings");
        return Map::new();
    };
    for (name, member) in settings {
        if name.eq_ignore_ascii_case("ExecutionRole") {
            let attribute = format!("user_settings.{name}");
            reader.wrong(&attribute, member, "no execution role here: it is execution_role_arn");
        }
        if holds_null(member) {
            let attribute = format!("user_settings.{name}");
            reader.wrong(&attribute, member, "M, L, S, N, BOOL or SS, and no null");
        }
    }
    settings.clone()
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().any(holds_null),
        Value::Object(members) => members.values().any(holds_null),
        _ => false,
    }
}

/// SageMaker allows 50 tags on a resource; `Team` and `User` are ours.
const MAX_TAGS: usize = 48;

fn read_tags(reader: &mut ItemReader<'_>) -> BTreeMap<String, String> {
    let Some(value) = reader.raw("tags") else { return BTreeMap::new() };
    let Some(map) = value.as_object() else {
        reader.wrong("tags", value, "a map (M) of tag keys to texts");
        return BTreeMap::new();
    };
    if map.len() > MAX_TAGS {
        reader.fault("tags", format!("{} tags", map.len()), format!("at most {MAX_TAGS} tags"));
    }
    let mut folded = std::collections::BTreeSet::new();
    let mut tags = BTreeMap::new();
    for (key, value) in map {
        let attribute = format!("tags.{key}");
        let lower = key.to_lowercase();
        if lower == "team" || lower == "user" {
            reader.wrong(&attribute, value, "no Team or User tag: they are the broker's own");
        } else if lower == REVOKED_TAG.to_lowercase() {
            let rule = "no StudioBrokerRevoked tag: it ends access, and profiles revoke sets it";
            reader.wrong(&attribute, value, rule);
        } else if lower.starts_with("aws:") || lower.starts_with("sagemaker:") {
            reader.wrong(&attribute, value, "no key under aws: or sagemaker:, which AWS reserves");
        } else if !(1..=128).contains(&key.chars().count()) || !key.chars().all(is_tag_character) {
            reader.wrong(
                &attribute,
                value,
                "a key of 1 to 128 letters, digits, spaces or _.:/=+-@",
            );
        } else if !folded.insert(lower) {
            reader.wrong(&attribute, value, "keys that differ in more than case");
        }
        match value.as_str() {
            Some(text) if text.chars().count() <= 256 && text.chars().all(is_tag_character) => {
                tags.insert(key.clone(), text.to_owned());
            }
            _ => reader.wrong(
                &attribute,
                value,
                "text (S) of at most 256 letters, digits, spaces or _.:/=+-@",
            ),
        }
    }
    tags
}

/// The alphabet of tags: `[\p{L}\p{Z}\p{N}_.:/=+\-@]`
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html>).
fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || c == '\u{a0}' || "_.:/=+-@".contains(c)
}

struct ExternalId(String);

impl Attribute for ExternalId {
    const EXPECTED: &'static str = "2 to 1224 of A-Z a-z 0-9 _+=,.@:/-";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let holds = (2..=1224).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b));
        holds.then(|| Self(text.to_owned()))
    }
}

struct LandingUri(String);

impl Attribute for LandingUri {
    const EXPECTED: &'static str = "text (S) of 1 to 1023 characters, such as app:JupyterLab:";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let holds = (1..=1023).contains(&text.chars().count()) && !text.contains(char::is_control);
        holds.then(|| Self(text.to_owned()))
    }
}

struct Cidr(IpNet);

impl Attribute for Cidr {
    const EXPECTED: &'static str = "an address range, such as 192.0.2.0/24 or 2001:db8::/32";

    fn parse(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_with_an_entity_id_in_front_counts_at_that_idp_alone() {
        let ids = ["https://a", "https://a#b", "https://c"].map(str::to_owned);
        let admits = |written: &str, idp: &str, held: &str| {
            groups_as_written(idp, &[held.to_owned()], &ids).iter().any(|one| one == written)
        };
        assert!(admits("g", "https://a", "g") && admits("g", "https://c", "g"));
        assert!(admits("https://a#g", "https://a", "g"));
        assert!(!admits("https://a#g", "https://c", "g"));
        // Nobody else may say the whole text either.
        assert!(!admits("https://a#g", "https://c", "https://a#g"));
        assert!(!admits("https://a#g", "https://a", "https://a#g"));
        // The longest entity ID decides.
        assert!(admits("https://a#b#g", "https://a#b", "g"));
        assert!(!admits("https://a#b#g", "https://a", "b#g"));
        // A name that only looks like it is a name.
        assert!(admits("x#g", "https://c", "x#g"));
    }

    fn item(change: Value) -> Item {
        let mut item = json!({
            "team_id": "team1",
            "account_id": "012345678901",
            "region": "eu-west-1",
            "domain_id": "d-abc",
            "execution_role_arn": "arn:aws:iam::012345678901:role/Team1",
        });
        for (name, value) in change.as_object().unwrap() {
            if value == "absent" {
                item.as_object_mut().unwrap().remove(name);
            } else {
                item[name] = value.clone();
            }
        }
        item.as_object().unwrap().clone()
    }

    fn faults(change: Value) -> Vec<(String, String)> {
        let faults = Team::read(&item(change)).map(|_| ()).unwrap_err();
        faults.into_iter().map(|f| (f.attribute, f.found)).collect()
    }

    #[test]
    fn a_small_item_is_a_team_with_the_defaults() {
        let team = Team::read(&item(json!({}))).unwrap().value;
        assert_eq!(team.name(), "team1");
        assert!(team.enabled && !team.adopt_profiles);
        assert_eq!(team.session_duration_seconds, 43_200);
        assert_eq!(
            team.broker_role("StudioBrokerTarget").as_str(),
            "arn:aws:iam::012345678901:role/StudioBrokerTarget"
        );
    }

    #[test]
    fn an_account_id_that_is_a_number_is_refused_and_says_why() {
        let faults = Team::read(&item(json!({"account_id": 12345678901_u64}))).unwrap_err();
        assert_eq!(faults[0].attribute, "account_id");
        assert_eq!(faults[0].found, "the number 12345678901");
        assert!(faults[0].expected.contains("loses leading zeros"));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let found = faults(json!({"account_id": "1", "region": 7, "domain_id": "absent"}));
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["account_id", "region", "domain_id"]);
    }

    #[test]
    fn roles_of_another_account_or_partition_are_refused() {
        for role in ["arn:aws:iam::999999999999:role/X", "arn:aws-cn:iam::012345678901:role/X"] {
            assert_eq!(faults(json!({"execution_role_arn": role}))[0].0, "execution_role_arn");
            assert_eq!(faults(json!({"broker_role_arn": role}))[0].0, "broker_role_arn");
        }
    }

    #[test]
    fn user_settings_pass_anything_but_the_execution_role() {
        let settings = json!({"NeverHeardOf": {"Deep": [1, true, "x"]}});
        let team = Team::read(&item(json!({"user_settings": settings}))).unwrap().value;
        assert_eq!(Value::Object(team.user_settings), settings);
        for name in ["ExecutionRole", "executionrole", "EXECUTIONROLE"] {
            let found = faults(json!({"user_settings": {name: "arn"}}));
            assert_eq!(found[0].0, format!("user_settings.{name}"));
        }
        assert_eq!(faults(json!({"user_settings": {"A": {"B": null}}}))[0].0, "user_settings.A");
    }

    #[test]
    fn reserved_colliding_and_illegal_tags_are_refused() {
        for tags in [
            json!({"team": "x"}),
            json!({"USER": "x"}),
            json!({"aws:x": "x"}),
            json!({"studiobrokerREVOKED": "x"}),
            json!({"SageMaker:x": "x"}),
            json!({"Cost": "1", "COST": "2"}),
            json!({"a*": "x"}),
            json!({"a": "x;y"}),
            json!({"a": 1}),
            json!({"": "x"}),
        ] {
            assert!(!faults(json!({"tags": tags})).is_empty(), "{tags}");
        }
        let many: Map<_, _> = (0..49).map(|i| (format!("k{i}"), json!("v"))).collect();
        assert_eq!(faults(json!({"tags": many}))[0].1, "49 tags");
    }

    #[test]
    fn unknown_attributes_are_named_and_do_no_harm() {
        let read = Team::read(&item(json!({"colour": "red"}))).unwrap();
        assert_eq!(read.unknown_attributes, ["colour"]);
    }

    #[test]
    fn bounds_of_the_optional_attributes_hold() {
        for change in [
            json!({"session_duration_seconds": 1799}),
            json!({"session_duration_seconds": 43201}),
            json!({"session_duration_seconds": "3600"}),
            json!({"allowed_cidrs": ["10.0.0.0/33"]}),
            json!({"allowed_cidrs": "10.0.0.0/8"}),
            json!({"groups": ["a", 1]}),
            json!({"enabled": "true"}),
            json!({"space_name": "a b"}),
            json!({"external_id": "x"}),
            json!({"landing_uri": ""}),
        ] {
            assert_eq!(faults(change.clone()).len(), 1, "{change}");
        }
    }
}
