//! One identity provider, as its item describes it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::team::item::{Attribute, Fault, Item, ItemReader, Read};
use crate::team::owner::{DEFAULT_DIRECTORY, Owner};
use crate::team::{Region, TeamId};
use strict_saml::{Assertion, IdpMetadata, RequireSigned};

/// An identity provider: whoever signs the SAML response, and what it may say.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "IdP", deny_unknown_fields)]
pub struct Idp {
    /// The IdP's entity ID and the item's key, equal to the metadata's byte for byte.
    pub entity_id: String,
    /// The IdP's SAML metadata: exactly one IdP, with the keys that are trusted.
    #[serde(rename = "metadata_xml", serialize_with = "nothing")]
    #[schemars(with = "String")]
    pub metadata: IdpMetadata,
    /// Name on the page where a person chooses an IdP; the entity ID when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The portal's https address, for IdPs that only start from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal_url: Option<String>,
    /// The name space of its user ids: IdPs that know the same people share one.
    #[schemars(default = "default_directory", extend("pattern" = "^[a-z0-9-]{1,32}$"))]
    pub directory: String,
    /// The teams that it may grant at most: team ids, or `*` for all.
    pub allowed_teams: AllowedTeams,
    /// The attribute that holds the stable user id; `NameID` takes the subject.
    #[schemars(default = "default_user_attribute")]
    pub user_attribute: String,
    /// The attribute whose values are team ids.
    #[schemars(default = "default_teams_attribute")]
    pub teams_attribute: String,
    /// The attribute whose values are matched with the teams' `groups`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups_attribute: Option<String>,
    /// The IAM Identity Center identity store that the user's groups are read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^(d-[0-9a-f]{10}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"))]
    pub identity_store_id: Option<String>,
    /// The Region of that identity store; the broker's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_store_region: Option<Region>,
    /// User ids that are refused at once, in open sessions too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub denied_users: Vec<String>,
    /// When set, every sign-in must be of one of these kinds: `AuthnContextClassRef`s of the assertion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authn_contexts: Option<Vec<String>>,
    /// Whether sign-ins that start here ask the IdP for the kinds that are needed. Off, since some IdPs
    /// (Entra ID) refuse a kind that they do not name themselves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub request_authn_contexts: bool,
    /// Whether responses that nobody asked for (a tile in the IdP's portal) are accepted.
    #[schemars(default = "default_true")]
    pub allow_unsolicited: bool,
    /// How the post of a response is answered.
    #[schemars(default)]
    pub handoff: Handoff,
    /// Which element must be signed.
    #[serde(serialize_with = "require_signed_name")]
    #[schemars(with = "RequireSignedName", default, extend("default" = "either"))]
    pub require_signed: RequireSigned,
    /// Whether its responses are accepted at all.
    #[schemars(default = "default_true")]
    pub enabled: bool,
}

/// The teams that an IdP may grant at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct AllowedTeams(Vec<String>);

impl AllowedTeams {
    /// The team ids as written, `*` among them.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether the team is among them.
    pub fn allow(&self, team: &TeamId) -> bool {
        self.0.iter().any(|allowed| allowed == "*" || allowed == team.as_str())
    }
}

/// How the post of a response is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Handoff {
    /// With a redirect.
    #[default]
    Redirect,
    /// With a page that moves on by itself, for IdPs whose `form-action` policy blocks a redirect.
    Page,
}

/// Which element must be signed.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RequireSignedName {
    #[default]
    Either,
    Assertion,
    Response,
    Both,
}

fn require_signed_name<S: serde::Serializer>(
    value: &RequireSigned,
    s: S,
) -> Result<S::Ok, S::Error> {
    match value {
        RequireSigned::Either => RequireSignedName::Either,
        RequireSigned::Assertion => RequireSignedName::Assertion,
        RequireSigned::Response => RequireSignedName::Response,
        RequireSigned::Both => RequireSignedName::Both,
    }
    .serialize(s)
}

fn nothing<S: serde::Serializer>(_: &IdpMetadata, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

fn default_directory() -> String {
    DEFAULT_DIRECTORY.into()
}

fn default_user_attribute() -> String {
    "ssouserid".into()
}

fn default_teams_attribute() -> String {
    "teamid".into()
}

fn default_true() -> bool {
    true
}

/// The `user_attribute` that takes the subject instead of an attribute.
const NAME_ID: &str = "NameID";

/// SAML core 8.3.8: an identifier that means nothing after this exchange.
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// Whether somebody may have this user id.
///
/// # Errors
///
/// It is empty or longer than 256 characters, or holds control characters or white space at its ends.
pub fn must_be_user_id(user_id: &str) -> Result<(), UserIdUnusable> {
    let length = user_id.chars().count();
    if !(1..=256).contains(&length) {
        return Err(UserIdUnusable::Length(length));
    }
    if user_id.contains(char::is_control) {
        return Err(UserIdUnusable::ControlCharacter);
    }
    if user_id.trim() != user_id {
        return Err(UserIdUnusable::WhiteSpace);
    }
    Ok(())
}

impl Idp {
    /// Reads an IdP from its item, its metadata included.
    ///
    /// # Errors
    ///
    /// Every attribute that breaks its rule, all at once.
    pub fn read(item: &Item) -> Result<Read<Self>, Vec<Fault>> {
        let mut reader = ItemReader::new(item);
        let entity_id = reader.required::<EntityId>("entity_id").map(|id| id.0);
        let metadata = read_metadata(&mut reader, entity_id.as_deref());
        let display_name = reader.optional("display_name");
        let portal_url = reader.optional::<HttpsUrl>("portal_url").map(|url| url.0);
        let directory = reader.optional::<Directory>("directory").map(|name| name.0);
        let allowed_teams = read_allowed_teams(&mut reader);
        let user_attribute = reader.optional("user_attribute");
        let teams_attribute = reader.optional("teams_attribute");
        let groups_attribute = reader.optional("groups_attribute");
        let identity_store_id =
            reader.optional::<IdentityStoreId>("identity_store_id").map(|id| id.0);
        let identity_store_region = reader.optional("identity_store_region");
        let denied_users = reader.list("denied_users").unwrap_or_default();
        let authn_contexts = reader.list("authn_contexts");
        let request_authn_contexts = reader.optional("request_authn_contexts").unwrap_or(false);
        let allow_unsolicited = reader.optional("allow_unsolicited").unwrap_or(true);
        let handoff = reader.optional("handoff").unwrap_or_default();
        let require_signed = reader.optional("require_signed").unwrap_or(RequireSigned::Either);
        let enabled = reader.optional("enabled").unwrap_or(true);

        // What they hold decides nothing, so nothing in them is a fault.
        for note in ["owner", "changed_by", "changed_at"] {
            reader.raw(note);
        }
        let (faults, unknown_attributes) = reader.finish();
        let (Some(entity_id), Some(metadata), true) = (entity_id, metadata, faults.is_empty())
        else {
            return Err(faults);
        };
        let value = Self {
            entity_id,
            metadata,
            display_name,
            portal_url,
            directory: directory.unwrap_or_else(default_directory),
            allowed_teams,
            user_attribute: user_attribute.unwrap_or_else(default_user_attribute),
            teams_attribute: teams_attribute.unwrap_or_else(default_teams_attribute),
            groups_attribute,
            identity_store_id,
            identity_store_region,
            denied_users,
            authn_contexts,
            request_authn_contexts,
            allow_unsolicited,
            handoff,
            require_signed,
            enabled,
        };
        Ok(Read { value, in_part: Vec::new(), unknown_attributes })
    }

    /// The name that people see.
    pub fn name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.entity_id)
    }

    /// The person whom a verified assertion of this IdP is about.
    ///
    /// # Errors
    ///
    /// A user id that cannot name anybody for good: none, several, empty, too long, with control
    /// characters, with white space at its ends, or a transient `NameID`.
    pub fn person(&self, assertion: &Assertion) -> Result<Person, UserIdUnusable> {
        let name_id = assertion.name_id();
        let user_id = if self.user_attribute == NAME_ID {
            if name_id.format.as_deref() == Some(TRANSIENT) {
                return Err(UserIdUnusable::Transient);
            }
            &name_id.value
        } else {
            match values(assertion, &self.user_attribute) {
                [value] => value,
                values => {
                    let attribute = self.user_attribute.clone();
                    return Err(UserIdUnusable::Count { attribute, found: values.len() });
                }
            }
        };
        must_be_user_id(user_id)?;
        Ok(Person {
            owner: Owner::new(&self.directory, user_id),
            directory: self.directory.clone(),
            user_id: user_id.clone(),
        })
    }
}

/// The values of an attribute; none when the assertion lacks it.
pub fn values<'a>(assertion: &'a Assertion, name: &str) -> &'a [String] {
    assertion.attributes().get(name).map_or(&[], Vec::as_slice)
}

/// One person of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name space of the user id.
    pub directory: String,
    /// The stable user id, exactly as the IdP sent it.
    pub user_id: String,
    /// The person, as AWS sees them.
    pub owner: Owner,
}

/// Why a user id cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserIdUnusable {
    /// Not exactly one value.
    #[error("attribute {attribute:?} has {found} values, expected exactly one")]
    Count {
        /// The configured `user_attribute`.
        attribute: String,
        /// How many values the assertion holds.
        found: usize,
    },
    /// Empty or too long.
    #[error("the user id has {0} characters, expected 1 to 256")]
    Length(usize),
    /// A control character inside.
    #[error("the user id holds a control character")]
    ControlCharacter,
    /// White space at an end.
    #[error("the user id begins or ends with white space")]
    WhiteSpace,
    /// A `NameID` of the transient format.
    #[error("the NameID is transient, expected a stable one")]
    Transient,
}

fn read_metadata(reader: &mut ItemReader<'_>, entity_id: Option<&str>) -> Option<IdpMetadata> {
    let xml = reader.required::<String>("metadata_xml")?;
    match IdpMetadata::parse(xml.as_bytes()) {
        Ok(metadata) => {
            let expected = entity_id?;
            if metadata.entity_id() != expected {
                let found = Value::String(metadata.entity_id().to_owned());
                let rule = format!("entityID equal to the key {expected:?}, byte for byte");
                reader.wrong("metadata_xml", &found, &rule);
                return None;
            }
            Some(metadata)
        }
        Err(error) => {
            let expected =
                "SAML metadata of exactly one identity provider with a usable signing key";
            reader.fault("metadata_xml", error.to_string(), expected.into());
            None
        }
    }
}

fn read_allowed_teams(reader: &mut ItemReader<'_>) -> AllowedTeams {
    const EXPECTED: &str = "a list of team ids, or * for all teams; it must be written";
    if reader.raw("allowed_teams").is_none() {
        reader.fault("allowed_teams", "nothing".into(), EXPECTED.into());
    }
    let teams = reader.list::<AllowedTeam>("allowed_teams").unwrap_or_default();
    AllowedTeams(teams.into_iter().map(|team| team.0).collect())
}

struct AllowedTeam(String);

impl Attribute for AllowedTeam {
    const EXPECTED: &'static str = "a team id, or * for all teams";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let holds = text == "*" || TeamId::try_from(text.to_owned()).is_ok();
        holds.then(|| Self(text.to_owned()))
    }
}

struct EntityId(String);

impl Attribute for EntityId {
    const EXPECTED: &'static str = "the entity ID: text (S) of 1 to 1024 characters";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        (1..=1024).contains(&text.chars().count()).then(|| Self(text.to_owned()))
    }
}

struct HttpsUrl(String);

impl Attribute for HttpsUrl {
    const EXPECTED: &'static str = "an https address";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        super::address::is_page_address(text).then(|| Self(text.to_owned()))
    }
}

struct Directory(String);

impl Attribute for Directory {
    const EXPECTED: &'static str = "1 to 32 of a-z 0-9 -";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        is_directory(text).then(|| Self(text.to_owned()))
    }
}

/// Whether a text can be the name of a directory: 1 to 32 of `a-z 0-9 -`.
pub fn is_directory(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

struct IdentityStoreId(String);

impl Attribute for IdentityStoreId {
    const EXPECTED: &'static str = "an identity store id: d- and 10 hexadecimal digits, or a UUID";

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let hex =
            |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let short = text.strip_prefix("d-").is_some_and(|rest| rest.len() == 10 && hex(rest));
        let lengths: Vec<_> = text.split('-').map(str::len).collect();
        let uuid = lengths == [8, 4, 4, 4, 12] && text.split('-').all(hex);
        (short || uuid).then(|| Self(text.to_owned()))
    }
}

impl Attribute for Handoff {
    const EXPECTED: &'static str = "redirect or page";

    fn parse(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "redirect" => Some(Self::Redirect),
            "page" => Some(Self::Page),
            _ => None,
        }
    }
}

impl Attribute for RequireSigned {
    const EXPECTED: &'static str = "either, assertion, response or both";

    fn parse(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "either" => Some(Self::Either),
            "assertion" => Some(Self::Assertion),
            "response" => Some(Self::Response),
            "both" => Some(Self::Both),
            _ => None,
        }
    }
}
