//! Every setting: read once at start, parsed into types, all faults reported together.
//!
//! `table.rs` has the rows: names, defaults, bounds and words, from which the schema, the guide and the messages
//! follow; here each is read into the type that the rest of the program takes.

mod public_url;
mod table;

use std::fmt;

use crate::team::address::{is_mail_address, is_page_address};
use crate::team::item::excerpt;
use strict_saml::DecryptionKeys;

pub use public_url::PublicUrl;
pub use table::{SETTINGS, Setting, settings};

/// The settings of `serve` and of the Lambda function.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where browsers reach the broker.
    pub public_url: PublicUrl,
    /// Our SAML entity ID, the audience that assertions must name.
    pub entity_id: String,
    /// Table of the teams.
    pub teams_table: String,
    /// Table of the `IdPs`.
    pub idps_table: String,
    /// Table of consumed responses and their sessions.
    pub state_table: String,
    /// Role assumed in a team's account when the team names none.
    pub target_role_name: String,
    /// Life of a presigned URL in seconds, 5 to 300.
    pub url_seconds: u32,
    /// How long after a sign-in teams can be opened, in minutes, 1 to 720.
    pub session_minutes: u32,
    /// Tolerated both ways, in seconds, 0 to 180.
    pub clock_skew_seconds: u32,
    /// How long a change of a team or `IdP` may go unnoticed, in seconds, 0 to 300.
    pub team_cache_seconds: u32,
    /// How long a profile that was seen ready and the owner's is believed to be, 0 to 86400.
    pub profile_cache_seconds: u32,
    /// Where the client's address comes from.
    pub client_address: ClientAddress,
    /// The organization's name on pages.
    pub organization: Option<String>,
    /// Whom people ask: an e-mail address or an https address.
    pub contact: Option<String>,
    /// Which authorities are trusted for AWS; by the partition when `None`.
    pub tls_roots: Option<TlsRoots>,
    /// Further host suffixes from which presigned URLs are accepted, in lower case, without a dot in front.
    pub url_hosts: Vec<String>,
    /// Where the keys for encrypted assertions come from.
    pub sp_key: SpKey,
    /// Filter of the JSON log.
    pub log: String,
}

/// Where the client's address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAddress {
    /// The socket, or the event's `sourceIp`.
    Direct,
    /// The N-th `X-Forwarded-For` entry from the right, from 1.
    Forwarded(usize),
}

/// Which certificate authorities are trusted for calls to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRoots {
    /// The compiled-in Amazon trust roots.
    Amazon,
    /// The machine's, honouring `SSL_CERT_FILE`.
    System,
}

/// Where the keys for encrypted assertions come from.
#[derive(Debug, Clone)]
pub enum SpKey {
    /// No key: encrypted assertions are refused.
    None,
    /// Keys from the setting itself.
    Keys(DecryptionKeys),
    /// ARN of a Secrets Manager secret that holds them.
    Secret(String),
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// The environment variable.
    pub variable: &'static str,
    /// What was found; never a key, never the user part of a URL.
    pub found: String,
    /// What is expected.
    pub expected: String,
}

/// All settings that cannot be used, in one message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SettingFaults(pub Vec<SettingFault>);

impl fmt::Display for SettingFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "settings cannot be used:")?;
        for fault in &self.0 {
            let SettingFault { variable, found, expected } = fault;
            write!(f, "\n  {variable}: found {found}, expected {expected}")?;
        }
        Ok(())
    }
}

impl SettingFault {
    /// No key for encrypted assertions can be had from what was found.
    pub fn sp_key(found: String) -> Self {
        Self::of(&table::SP_KEY, found)
    }

    fn of(setting: &Setting, found: String) -> Self {
        Self { variable: setting.variable, found, expected: setting.expected() }
    }
}

/// What was read of the settings, when the SDK's own can be used, too: the Region that it found, and the
/// endpoints that it is told to use.
///
/// # Errors
///
/// Every fault, those of the SDK's Region and endpoint among them.
pub fn with_sdk<T>(
    read: Result<T, SettingFaults>,
    region: Option<&str>,
) -> Result<T, SettingFaults> {
    let mut faults = Vec::new();
    let is_region = |region: &str| {
        !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match region {
        Some(region) if is_region(region) => {}
        other => faults.push(SettingFault {
            variable: "AWS_REGION",
            found: other.filter(|it| !it.is_empty()).map_or("nothing".into(), shown),
            expected: "the Region of the tables, such as eu-west-1".into(),
        }),
    }
    for variable in ENDPOINTS {
        if let Some(url) = environment(variable).filter(|url| !is_endpoint(url)) {
            faults.push(SettingFault {
                variable,
                found: shown(&url),
                expected: "a URL, such as http://127.0.0.1:8402, or that the variable is not set"
                    .into(),
            });
        }
    }
    match read {
        Ok(settings) if faults.is_empty() => Ok(settings),
        Ok(_) => Err(SettingFaults(faults)),
        Err(mut read) => {
            read.0.extend(faults);
            Err(read)
        }
    }
}

/// Where the SDK looks for endpoints; one that is none would make it panic at the first call.
const ENDPOINTS: [&str; 6] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SAGEMAKER",
    "AWS_ENDPOINT_URL_IDENTITYSTORE",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
];

fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
}

/// A variable of the environment. Bytes that are no text become U+FFFD, which no setting may hold.
#[expect(clippy::disallowed_methods, reason = "the edge: the environment enters here")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The settings of the commands that work on the administrators' tables.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// Table of the teams.
    pub teams_table: String,
    /// Table of the `IdPs`.
    pub idps_table: String,
    /// Role assumed in a team's account when the team names none.
    pub target_role_name: String,
    /// How long a change of a team or `IdP` may go unnoticed, in seconds, 0 to 300.
    pub team_cache_seconds: u32,
    /// Which authorities are trusted for AWS; by the partition when `None`.
    pub tls_roots: Option<TlsRoots>,
}

impl TableSettings {
    /// Reads these settings and no other through `get`, as [`Settings::read`] does.
    ///
    /// # Errors
    ///
    /// Every fault, each with the variable, what was found and what is expected.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingFaults> {
        let mut reader = Reader { get: &get, faults: Vec::new() };
        let settings = Self {
            teams_table: reader.table(&table::TEAMS_TABLE),
            idps_table: reader.table(&table::IDPS_TABLE),
            target_role_name: reader.target_role_name(),
            team_cache_seconds: reader.team_cache_seconds(),
            tls_roots: reader.tls_roots(),
        };
        if reader.faults.is_empty() { Ok(settings) } else { Err(SettingFaults(reader.faults)) }
    }
}

/// The state table's name, for commands that look into it.
///
/// # Errors
///
/// The setting's fault.
pub fn state_table(get: impl Fn(&str) -> Option<String>) -> Result<String, SettingFaults> {
    let mut reader = Reader { get: &get, faults: Vec::new() };
    let name = reader.table(&table::STATE_TABLE);
    if reader.faults.is_empty() { Ok(name) } else { Err(SettingFaults(reader.faults)) }
}

/// What an `IdP` must be told about this broker.
#[derive(Debug, Clone)]
pub struct Audience {
    /// The ACS URL.
    pub acs_url: String,
    /// Our entity ID.
    pub entity_id: String,
}

impl Audience {
    /// Reads where the broker stands through `get`; `None` where the public URL is not set.
    ///
    /// # Errors
    ///
    /// Every fault, each with the variable, what was found and what is expected.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, SettingFaults> {
        let mut reader = Reader { get: &get, faults: Vec::new() };
        let public_url = reader.public_url();
        let entity_id = reader.entity_id(public_url.as_ref());
        if !reader.faults.is_empty() {
            return Err(SettingFaults(reader.faults));
        }
        let audience = public_url.zip(entity_id);
        Ok(audience.map(|(url, entity_id)| Self { acs_url: url.acs(), entity_id }))
    }
}

impl Settings {
    /// Reads all settings through `get`, the environment in life. An empty value counts as unset.
    ///
    /// # Errors
    ///
    /// Every fault, each with the variable, what was found and what is expected.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingFaults> {
        let mut reader = Reader { get: &get, faults: Vec::new() };
        let public_url = reader.public_url();
        if public_url.is_none() && reader.value(&table::PUBLIC_URL).is_none() {
            reader.faults.push(SettingFault::of(&table::PUBLIC_URL, "nothing".into()));
        }
        let entity_id = reader.entity_id(public_url.as_ref());
        let teams_table = reader.table(&table::TEAMS_TABLE);
        let idps_table = reader.table(&table::IDPS_TABLE);
        let state_table = reader.table(&table::STATE_TABLE);
        let target_role_name = reader.target_role_name();
        let url_seconds = reader.number(&table::URL_SECONDS);
        let session_minutes = reader.number(&table::SESSION_MINUTES);
        let clock_skew_seconds = reader.number(&table::CLOCK_SKEW_SECONDS);
        let team_cache_seconds = reader.team_cache_seconds();
        let profile_cache_seconds = reader.number(&table::PROFILE_CACHE_SECONDS);
        let client_address = reader
            .parsed(&table::CLIENT_ADDRESS, |text| match text.split_once(':') {
                None => (text == "direct").then_some(ClientAddress::Direct),
                Some(("forwarded", n_text)) => n_text
                    .parse::<usize>()
                    .ok()
                    .filter(|n| (1..=100).contains(n) && n.to_string() == n_text)
                    .map(ClientAddress::Forwarded),
                Some(_) => None,
            })
            .unwrap_or(ClientAddress::Direct);
        let organization = reader.parsed(&table::ORGANIZATION, |text| {
            let holds = text.chars().count() <= 100 && !text.contains(char::is_control);
            holds.then(|| text.to_owned())
        });
        let contact = reader.parsed(&table::CONTACT, |text| {
            (is_mail_address(text) || is_page_address(text)).then(|| text.to_owned())
        });
        let tls_roots = reader.tls_roots();
        let url_hosts = reader
            .parsed(&table::URL_HOSTS, |text| {
                text.split(',').map(host_suffix).collect::<Option<Vec<_>>>()
            })
            .unwrap_or_default();
        let sp_key = reader.sp_key();
        let log = reader
            .parsed(&table::LOG, |text| {
                tracing_subscriber::EnvFilter::builder().parse(text).ok()?;
                Some(text.to_owned())
            })
            .unwrap_or_else(|| table::LOG.default_text().into());

        match (public_url, entity_id) {
            (Some(public_url), Some(entity_id)) if reader.faults.is_empty() => Ok(Self {
                public_url,
                entity_id,
                teams_table,
                idps_table,
                state_table,
                target_role_name,
                url_seconds,
                session_minutes,
                clock_skew_seconds,
                team_cache_seconds,
                profile_cache_seconds,
                client_address,
                organization,
                contact,
                tls_roots,
                url_hosts,
                sp_key,
                log,
            }),
            _ => Err(SettingFaults(reader.faults)),
        }
    }
}

/// A host suffix as it is compared: whole labels, so that `example.com` never means `evilexample.com`.
/// A single label, such as `com`, would open to everybody in it.
fn host_suffix(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let holds = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
    holds.then_some(text)
}

struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<SettingFault>,
}

impl Reader<'_> {
    fn value(&self, setting: &Setting) -> Option<String> {
        (self.get)(setting.variable).filter(|value| !value.is_empty())
    }

    fn parsed<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.value(setting)?;
        let is_text = !value.contains(char::REPLACEMENT_CHARACTER);
        let parsed = if is_text { parse(&value) } else { None };
        if parsed.is_none() {
            self.faults.push(SettingFault::of(setting, shown(&value)));
        }
        parsed
    }

    fn number(&mut self, setting: &Setting) -> u32 {
        let (default, range) = setting.number();
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        self.parsed(setting, |text| {
            text.parse().ok().filter(|number| digits(text) && range.contains(number))
        })
        .unwrap_or(default)
    }

    fn table(&mut self, setting: &Setting) -> String {
        self.parsed(setting, |text| {
            let holds = (3..=1024).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-:/".contains(&b));
            holds.then(|| text.to_owned())
        })
        .unwrap_or_else(|| setting.default_text().to_owned())
    }

    fn public_url(&mut self) -> Option<PublicUrl> {
        self.parsed(&table::PUBLIC_URL, PublicUrl::parse)
    }

    fn entity_id(&mut self, public_url: Option<&PublicUrl>) -> Option<String> {
        let default = public_url.map(|url| format!("{}/saml/metadata", url.as_str()));
        self.parsed(&table::ENTITY_ID, |text| {
            let holds = text.chars().count() <= 1024
                && !text.contains(|c: char| c.is_whitespace() || c.is_control());
            holds.then(|| text.to_owned())
        })
        .or(default)
    }

    fn target_role_name(&mut self) -> String {
        self.parsed(&table::TARGET_ROLE_NAME, |text| {
            let holds = (1..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
            holds.then(|| text.to_owned())
        })
        .unwrap_or_else(|| table::TARGET_ROLE_NAME.default_text().into())
    }

    fn team_cache_seconds(&mut self) -> u32 {
        self.number(&table::TEAM_CACHE_SECONDS)
    }

    fn tls_roots(&mut self) -> Option<TlsRoots> {
        self.parsed(&table::TLS_ROOTS, |text| match text {
            "amazon" => Some(TlsRoots::Amazon),
            "system" => Some(TlsRoots::System),
            _ => None,
        })
    }

    fn sp_key(&mut self) -> SpKey {
        let Some(value) = self.value(&table::SP_KEY) else { return SpKey::None };
        if is_secret_arn(&value) {
            return SpKey::Secret(value);
        }
        if let Ok(keys) = DecryptionKeys::from_pem(&value) {
            return SpKey::Keys(keys);
        }
        let found = match value.strip_prefix("arn:") {
            Some(_) => shown(&value),
            None => "something else (not shown: it may be a key)".into(),
        };
        self.faults.push(SettingFault::sp_key(found));
        SpKey::None
    }
}

/// Whether a text is `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
fn is_secret_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(7, ':').collect();
    let [arn, partition, service, region, account, kind, name] = parts.as_slice() else {
        return false;
    };
    (*arn, *service, *kind) == ("arn", "secretsmanager", "secret")
        && ![partition, region, name].iter().any(|part| part.is_empty())
        && (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
}

/// A value for a message, without what may be a secret: a key, or what stands before an `@`.
fn shown(value: &str) -> String {
    if value.contains("PRIVATE KEY") {
        return "something that is not shown: it may be a key".into();
    }
    let Some((before, after)) = value.rsplit_once('@') else { return excerpt(value) };
    let scheme = before.split_once("//").map_or(String::new(), |(scheme, _)| format!("{scheme}//"));
    excerpt(&format!("{scheme}…@{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<SettingFault>> {
        let get = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(get).map_err(|faults| faults.0)
    }

    const URL: (&str, &str) = ("STUDIO_BROKER_PUBLIC_URL", "https://studio.example.com/prod/");

    #[test]
    fn the_public_url_alone_is_enough() {
        let settings = read(&[URL]).unwrap();
        assert_eq!(settings.public_url.as_str(), "https://studio.example.com/prod");
        assert_eq!(settings.public_url.path(), "/prod");
        assert_eq!(settings.public_url.acs(), "https://studio.example.com/prod/saml/acs");
        assert_eq!(settings.entity_id, "https://studio.example.com/prod/saml/metadata");
        assert_eq!((settings.url_seconds, settings.session_minutes), (30, 60));
    }

    #[test]
    fn all_faults_come_in_one_message_each_with_its_variable() {
        let faults = read(&[
            ("STUDIO_BROKER_URL_SECONDS", "4"),
            ("STUDIO_BROKER_SESSION_MINUTES", "many"),
            ("STUDIO_BROKER_CLIENT_ADDRESS", "forwarded:0"),
        ])
        .unwrap_err();
        let names: Vec<_> = faults.iter().map(|fault| fault.variable).collect();
        assert_eq!(
            names,
            [
                "STUDIO_BROKER_PUBLIC_URL",
                "STUDIO_BROKER_URL_SECONDS",
                "STUDIO_BROKER_SESSION_MINUTES",
                "STUDIO_BROKER_CLIENT_ADDRESS"
            ]
        );
    }

    #[test]
    fn neither_keys_nor_user_parts_are_shown() {
        let faults = read(&[
            ("STUDIO_BROKER_PUBLIC_URL", "https://name:secret@host/"),
            ("STUDIO_BROKER_SP_KEY", "secret"),
        ])
        .unwrap_err();
        let shown = SettingFaults(faults).to_string();
        assert!(!shown.contains("secret\"") && !shown.contains("name:secret"), "{shown}");
        assert!(shown.contains("https://…@host/"));
    }

    #[test]
    fn url_hosts_are_whole_suffixes_of_at_least_two_labels() {
        let hosts = |text| read(&[URL, ("STUDIO_BROKER_URL_HOSTS", text)]).map(|s| s.url_hosts);
        assert_eq!(read(&[URL]).unwrap().url_hosts, [""; 0]);
        assert_eq!(
            hosts(".Studio.example.eu, other.example").unwrap(),
            ["studio.example.eu", "other.example"]
        );
        for bad in [
            "com",
            ".",
            "a..b",
            "https://a.b",
            "a.b/c",
            "a.b:443",
            "*.a.b",
            "a.b,",
            "-a.b",
            "u@a.b",
        ] {
            assert!(hosts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let settings = read(&[URL, ("STUDIO_BROKER_ORGANIZATION", ""), ("STUDIO_BROKER_LOG", "")]);
        assert_eq!(settings.unwrap().organization, None);
    }

    #[test]
    fn numbers_are_plain_digits_within_bounds() {
        for bad in ["+30", "30.0", " 30", "301", "-1", "0x20"] {
            assert!(read(&[URL, ("STUDIO_BROKER_URL_SECONDS", bad)]).is_err(), "{bad}");
        }
    }
}
