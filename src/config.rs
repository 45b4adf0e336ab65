//! Every setting: read once at start, parsed into types, all faults reported together.

use std::fmt;
use std::net::IpAddr;

use crate::team::item::excerpt;
use strict_saml::DecryptionKeys;

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

/// The public URL, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    path_start: usize,
}

impl PublicUrl {
    /// Parses `https://host[:port][/path]`; `http://` only for loopback hosts.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let url = text.trim_end_matches('/').to_owned();
        let authority = rest.split('/').next()?;
        let plain = !text.contains(['?', '#', '\\', '@', '"', '<', '>', ' '])
            && text.bytes().all(|b| b.is_ascii_graphic());
        let parsed: http::Uri = text.parse().ok()?;
        let host = parsed.host()?;
        let port_holds = match authority.strip_prefix(host)?.strip_prefix(':') {
            Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
            None => true,
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let host_holds = host.bytes().all(is_name) || host.starts_with('[');
        let no_dots = parsed.path().split('/').all(|segment| segment != "." && segment != "..");
        let allowed = match scheme {
            "https" => true,
            "http" => is_loopback(host),
            _ => false,
        };
        let path_start = scheme.len() + "://".len() + authority.len();
        let holds = plain && allowed && port_holds && host_holds && no_dots && !host.is_empty();
        holds.then_some(Self { url, path_start })
    }

    /// The URL as written, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The path: empty, or `/prod` as a REST API stage has one.
    pub fn path(&self) -> &str {
        self.url.get(self.path_start..).unwrap_or("")
    }

    /// Whether browsers reach us over TLS.
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// The assertion consumer service, where `IdPs` post their responses.
    pub fn acs(&self) -> String {
        format!("{}/saml/acs", self.url)
    }
}

/// Whether a host names this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a text may stand in a page as the address of a link: https, or http on loopback.
pub fn is_page_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let safe = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['"', '<', '>', '@']);
    match uri.scheme_str() {
        Some("https") => safe,
        Some("http") => safe && is_loopback(host),
        _ => false,
    }
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// The environment variable.
    pub variable: &'static str,
    /// What was found; never a key, never the user part of a URL.
    pub found: String,
    /// What is expected.
    pub expected: &'static str,
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
        let expected = "RSA private keys as PEM (PKCS#8 or PKCS#1), or the ARN of a Secrets Manager secret that holds them";
        Self { variable: "STUDIO_BROKER_SP_KEY", found, expected }
    }
}

/// What was read of the settings, when the SDK's own can be used, too.
///
/// # Errors
///
/// Every fault, those of the SDK's Region and endpoint among them.
pub fn with_sdk<T>(
    read: Result<T, SettingFaults>,
    sdk: &aws_config::SdkConfig,
) -> Result<T, SettingFaults> {
    let mut faults = Vec::new();
    let is_region = |region: &str| {
        !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match sdk.region().map(AsRef::as_ref) {
        Some(region) if is_region(region) => {}
        other => faults.push(SettingFault {
            variable: "AWS_REGION",
            found: other.filter(|it| !it.is_empty()).map_or("nothing".into(), shown),
            expected: "the Region of the tables, such as eu-west-1",
        }),
    }
    for variable in ENDPOINTS {
        if let Some(url) = environment(variable).filter(|url| !is_endpoint(url)) {
            faults.push(SettingFault {
                variable,
                found: shown(&url),
                expected: "a URL, such as http://127.0.0.1:8402, or that the variable is not set",
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
            teams_table: reader.table("STUDIO_BROKER_TEAMS_TABLE", "studio-broker-teams"),
            idps_table: reader.table("STUDIO_BROKER_IDPS_TABLE", "studio-broker-idps"),
            target_role_name: reader.target_role_name(),
            team_cache_seconds: reader.team_cache_seconds(),
            tls_roots: reader.tls_roots(),
        };
        if reader.faults.is_empty() { Ok(settings) } else { Err(SettingFaults(reader.faults)) }
    }
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
        if public_url.is_none() && reader.value("STUDIO_BROKER_PUBLIC_URL").is_none() {
            reader.faults.push(SettingFault {
                variable: "STUDIO_BROKER_PUBLIC_URL",
                found: "nothing".into(),
                expected: "an https address without query, such as https://studio.example.com",
            });
        }
        let entity_id = reader.entity_id(public_url.as_ref());
        let teams_table = reader.table("STUDIO_BROKER_TEAMS_TABLE", "studio-broker-teams");
        let idps_table = reader.table("STUDIO_BROKER_IDPS_TABLE", "studio-broker-idps");
        let state_table = reader.table("STUDIO_BROKER_STATE_TABLE", "studio-broker-state");
        let target_role_name = reader.target_role_name();
        let url_seconds = reader.number(
            "STUDIO_BROKER_URL_SECONDS",
            30,
            5..=300,
            "a number of seconds, 5 to 300",
        );
        let session_minutes = reader.number(
            "STUDIO_BROKER_SESSION_MINUTES",
            60,
            1..=720,
            "a number of minutes, 1 to 720",
        );
        let clock_skew_seconds = reader.number(
            "STUDIO_BROKER_CLOCK_SKEW_SECONDS",
            60,
            0..=180,
            "a number of seconds, 0 to 180",
        );
        let team_cache_seconds = reader.team_cache_seconds();
        let profile_cache_seconds = reader.number(
            "STUDIO_BROKER_PROFILE_CACHE_SECONDS",
            3600,
            0..=86_400,
            "a number of seconds, 0 to 86400",
        );
        let client_address = reader
            .parsed(
                "STUDIO_BROKER_CLIENT_ADDRESS",
                "direct, or forwarded:N with N from 1 to 100",
                |text| match text.split_once(':') {
                    None => (text == "direct").then_some(ClientAddress::Direct),
                    Some(("forwarded", n_text)) => n_text
                        .parse::<usize>()
                        .ok()
                        .filter(|n| (1..=100).contains(n) && n.to_string() == n_text)
                        .map(ClientAddress::Forwarded),
                    Some(_) => None,
                },
            )
            .unwrap_or(ClientAddress::Direct);
        let organization = reader.parsed(
            "STUDIO_BROKER_ORGANIZATION",
            "a name of at most 100 characters",
            |text| {
                let holds = text.chars().count() <= 100 && !text.contains(char::is_control);
                holds.then(|| text.to_owned())
            },
        );
        let contact = reader.parsed(
            "STUDIO_BROKER_CONTACT",
            "an e-mail address or an https address",
            |text| (is_mail_address(text) || is_page_address(text)).then(|| text.to_owned()),
        );
        let tls_roots = reader.tls_roots();
        let sp_key = reader.sp_key();
        let log = reader
            .parsed(
                "STUDIO_BROKER_LOG",
                "a log filter, such as info or studio_broker=debug,warn",
                |text| {
                    tracing_subscriber::EnvFilter::builder().parse(text).ok()?;
                    Some(text.to_owned())
                },
            )
            .unwrap_or_else(|| "info".into());

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
                sp_key,
                log,
            }),
            _ => Err(SettingFaults(reader.faults)),
        }
    }
}

fn is_mail_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let safe = |part: &str, others: &[u8]| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
    };
    safe(local, b".!#$%&'*+/=?^_`{|}~-") && safe(domain, b".-")
}

struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<SettingFault>,
}

impl Reader<'_> {
    fn value(&self, variable: &'static str) -> Option<String> {
        (self.get)(variable).filter(|value| !value.is_empty())
    }

    fn parsed<T>(
        &mut self,
        variable: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(variable)?;
        let is_text = !value.contains(char::REPLACEMENT_CHARACTER);
        let parsed = if is_text { parse(&value) } else { None };
        if parsed.is_none() {
            self.faults.push(SettingFault { variable, found: shown(&value), expected });
        }
        parsed
    }

    fn number(
        &mut self,
        variable: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
        expected: &'static str,
    ) -> u32 {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        self.parsed(variable, expected, |text| {
            text.parse().ok().filter(|number| digits(text) && range.contains(number))
        })
        .unwrap_or(default)
    }

    fn table(&mut self, variable: &'static str, default: &str) -> String {
        self.parsed(variable, "a table's name or ARN", |text| {
            let holds = (3..=1024).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-:/".contains(&b));
            holds.then(|| text.to_owned())
        })
        .unwrap_or_else(|| default.to_owned())
    }

    fn public_url(&mut self) -> Option<PublicUrl> {
        self.parsed(
            "STUDIO_BROKER_PUBLIC_URL",
            "an https address without query, such as https://studio.example.com (http only for loopback)",
            PublicUrl::parse,
        )
    }

    fn entity_id(&mut self, public_url: Option<&PublicUrl>) -> Option<String> {
        let default = public_url.map(|url| format!("{}/saml/metadata", url.as_str()));
        self.parsed(
            "STUDIO_BROKER_ENTITY_ID",
            "an entity ID: 1 to 1024 characters without white space",
            |text| {
                let holds = text.chars().count() <= 1024
                    && !text.contains(|c: char| c.is_whitespace() || c.is_control());
                holds.then(|| text.to_owned())
            },
        )
        .or(default)
    }

    fn target_role_name(&mut self) -> String {
        self.parsed(
            "STUDIO_BROKER_TARGET_ROLE_NAME",
            "a role name: 1 to 64 of A-Z a-z 0-9 _+=,.@-",
            |text| {
                let holds = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
                holds.then(|| text.to_owned())
            },
        )
        .unwrap_or_else(|| "StudioBrokerTarget".into())
    }

    fn team_cache_seconds(&mut self) -> u32 {
        self.number(
            "STUDIO_BROKER_TEAM_CACHE_SECONDS",
            30,
            0..=300,
            "a number of seconds, 0 to 300",
        )
    }

    fn tls_roots(&mut self) -> Option<TlsRoots> {
        self.parsed("STUDIO_BROKER_TLS_ROOTS", "amazon or system", |text| match text {
            "amazon" => Some(TlsRoots::Amazon),
            "system" => Some(TlsRoots::System),
            _ => None,
        })
    }

    fn sp_key(&mut self) -> SpKey {
        const VARIABLE: &str = "STUDIO_BROKER_SP_KEY";
        let Some(value) = self.value(VARIABLE) else { return SpKey::None };
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
    fn plain_http_is_for_loopback_only() {
        for good in ["http://localhost:8400", "http://127.0.0.1", "http://[::1]:1/x", "https://a.b"]
        {
            assert!(PublicUrl::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://example.com",
            "https://a.b?x=1",
            "https://a.b#x",
            "https://u:p@a.b",
            "ftp://a.b",
            "https://",
            "a.b",
            "https://localhost.evil.com@x",
            "https://a.b:99999",
            "https://a.b:0",
            "https://a.b:",
            "https://a.b;x",
            "https://a.b/x/../y",
        ] {
            assert!(PublicUrl::parse(bad).is_none(), "{bad}");
        }
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
