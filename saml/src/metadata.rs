//! An identity provider's metadata: who it is, where it signs people in, whose signatures count
//! (SAML metadata 2.4.3).

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use crate::key::{KeyCertificate, KeyProblem, SigningKey};
use crate::names::DS;
use crate::time::instant;
use crate::xml::{Document, Element, Limits, XmlError, is_space};

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const HTTP_REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const HTTP_POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// The most certificates of one `X509Data` that are put in order.
const LONGEST_CHAIN: usize = 16;

/// What is trusted about one identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdpMetadata {
    entity_id: String,
    signing_keys: Vec<SigningKey>,
    sso_redirect_url: Option<String>,
    sso_post_url: Option<String>,
    valid_until: Option<Timestamp>,
    warnings: Vec<MetadataWarning>,
}

impl IdpMetadata {
    /// Reads metadata that holds exactly one identity provider, as the root or inside an
    /// `EntitiesDescriptor`. A byte order mark, comments, processing instructions, a signature,
    /// extensions and other roles do no harm and are not looked at.
    ///
    /// # Errors
    /// When the document is malformed or larger than 1 MiB, holds none or several identity
    /// providers, no usable signing key, or an HTTP-Redirect address that is not https.
    pub fn parse(xml: &[u8]) -> Result<Self, MetadataError> {
        let xml = xml.strip_prefix("\u{feff}".as_bytes()).unwrap_or(xml);
        if is_utf_16(xml) {
            return Err(MetadataError::Encoding { got: "UTF-16".to_owned() });
        }
        let document = Document::parse(xml, Limits::METADATA).map_err(|error| match error {
            XmlError::NotUtf8 => MetadataError::Encoding { got: "other bytes".to_owned() },
            XmlError::Declaration { got } => match declared_encoding(&got) {
                Some(got) => MetadataError::Encoding { got },
                None => XmlError::Declaration { got }.into(),
            },
            other => other.into(),
        })?;
        let entity = only_idp(document.root())?;
        let entity_id = entity
            .attribute("entityID")
            .filter(|id| !id.is_empty())
            .ok_or(MetadataError::EntityIdMissing)?;

        let mut warnings = Vec::new();
        let mut signing_keys: Vec<SigningKey> = Vec::new();
        for descriptor in entity
            .elements_named(MD, "IDPSSODescriptor")
            .flat_map(|role| role.elements_named(MD, "KeyDescriptor"))
            .filter(|descriptor| matches!(descriptor.attribute("use"), None | Some("signing")))
        {
            let mut is_empty = true;
            for data in key_data(descriptor) {
                is_empty = false;
                match holder(data, &mut warnings) {
                    Some(key) if signing_keys.contains(&key) => {}
                    Some(key) => signing_keys.push(key),
                    None => {}
                }
            }
            if is_empty {
                warnings.push(MetadataWarning::KeyWithoutCertificate);
            }
        }
        if signing_keys.is_empty() {
            return Err(MetadataError::KeyMissing { unusable: warnings });
        }

        let valid_until = entity.attribute("validUntil").and_then(|time| {
            let instant = instant(time);
            if instant.is_none() {
                warnings.push(MetadataWarning::ValidUntilMalformed { got: time.to_owned() });
            }
            instant
        });
        Ok(Self {
            entity_id: entity_id.to_owned(),
            signing_keys,
            sso_redirect_url: redirect_address(entity)?,
            sso_post_url: address(entity, HTTP_POST)
                .filter(|post| is_safe_address(post))
                .map(str::to_owned),
            valid_until,
            warnings,
        })
    }

    /// `entityID`, byte for byte.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// The keys whose signatures count, at least one.
    #[must_use]
    pub fn signing_keys(&self) -> &[SigningKey] {
        &self.signing_keys
    }

    /// Whether a key of this fingerprint ([`SigningKey::fingerprint`]) is still trusted.
    #[must_use]
    pub fn has_key(&self, fingerprint: &str) -> bool {
        self.signing_keys.iter().any(|key| key.fingerprint() == fingerprint)
    }

    /// Where sign-in starts by HTTP-Redirect.
    #[must_use]
    pub fn sso_redirect_url(&self) -> Option<&str> {
        self.sso_redirect_url.as_deref()
    }

    /// Where sign-in starts by HTTP-POST.
    #[must_use]
    pub fn sso_post_url(&self) -> Option<&str> {
        self.sso_post_url.as_deref()
    }

    /// What an administrator should look at, at this moment. None of it refuses anybody.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<MetadataWarning> {
        let mut warnings = self.warnings.clone();
        for key in &self.signing_keys {
            let fingerprint = key.fingerprint().to_owned();
            if now > key.not_after() {
                let not_after = key.not_after();
                warnings.push(MetadataWarning::CertificateExpired { fingerprint, not_after });
            } else if now < key.not_before() {
                let not_before = key.not_before();
                warnings.push(MetadataWarning::CertificateNotYetValid { fingerprint, not_before });
            }
        }
        if let Some(valid_until) = self.valid_until.filter(|valid_until| now >= *valid_until) {
            warnings.push(MetadataWarning::Outdated { valid_until });
        }
        warnings
    }
}

/// Something about metadata that an administrator should look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataWarning {
    /// A signing key that is not used.
    #[error("a signing key is not used: {reason}")]
    KeyUnusable {
        /// Why.
        reason: KeyProblem,
    },
    /// A certificate that issued another one beside it.
    #[error(
        "key {fingerprint} signs nobody in: its certificate only stands beside the one that does"
    )]
    IssuerNotTrusted {
        /// Of its key.
        fingerprint: String,
    },
    /// Several certificates together, and it cannot be told which of them signs.
    #[error(
        "none of {certificates} certificates in one X509Data is used: it cannot be told which of them signs"
    )]
    ChainUnclear {
        /// How many.
        certificates: usize,
    },
    /// A signing key that is given by other means than a certificate.
    #[error("a signing key without certificate is not used")]
    KeyWithoutCertificate,
    /// A certificate's end has passed.
    #[error("the certificate of key {fingerprint} expired at {not_after}")]
    CertificateExpired {
        /// Of the key.
        fingerprint: String,
        /// Its end.
        not_after: Timestamp,
    },
    /// A certificate's beginning has not come.
    #[error("the certificate of key {fingerprint} is not valid before {not_before}")]
    CertificateNotYetValid {
        /// Of the key.
        fingerprint: String,
        /// Its beginning.
        not_before: Timestamp,
    },
    /// `validUntil` has passed.
    #[error("the metadata was valid until {valid_until}")]
    Outdated {
        /// Its end.
        valid_until: Timestamp,
    },
    /// `validUntil` is no time.
    #[error("validUntil is no time: {got}")]
    ValidUntilMalformed {
        /// What it is.
        got: String,
    },
}

/// Why metadata cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// No document.
    #[error("the metadata is not usable XML: {0}")]
    Xml(#[from] XmlError),
    /// In another encoding than UTF-8.
    #[error(
        "the metadata is not in UTF-8 but in {got}: save it as UTF-8, with encoding=\"UTF-8\" or none in its first line"
    )]
    Encoding {
        /// What it seems to be, or says that it is.
        got: String,
    },
    /// Another root than `EntityDescriptor` or `EntitiesDescriptor`.
    #[error("expected md:EntityDescriptor or md:EntitiesDescriptor, got {{{namespace}}}{local}")]
    RootUnexpected {
        /// Of the root.
        namespace: String,
        /// Of the root.
        local: String,
    },
    /// Not exactly one identity provider.
    #[error("expected exactly one identity provider, got {got}")]
    IdpCount {
        /// How many.
        got: usize,
    },
    /// No `entityID`.
    #[error("the identity provider has no entityID")]
    EntityIdMissing,
    /// No signing key that can be used.
    #[error("no usable signing key in the identity provider's descriptor{}", reasons(unusable))]
    KeyMissing {
        /// What was found instead.
        unusable: Vec<MetadataWarning>,
    },
    /// An HTTP-Redirect address that is not https (http is for loopback hosts only).
    #[error("expected an https address for sign-in by HTTP-Redirect, got {got}")]
    AddressNotHttps {
        /// The address.
        got: String,
    },
}

impl MetadataError {
    /// Stable, snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Xml(_) => "metadata_xml_malformed",
            Self::Encoding { .. } => "metadata_encoding",
            Self::RootUnexpected { .. } => "metadata_root_unexpected",
            Self::IdpCount { .. } => "metadata_idp_count",
            Self::EntityIdMissing => "metadata_entity_id_missing",
            Self::KeyMissing { .. } => "metadata_key_missing",
            Self::AddressNotHttps { .. } => "metadata_address_not_https",
        }
    }
}

/// Why no key is used: each reason once, three at most.
fn reasons(unusable: &[MetadataWarning]) -> String {
    let mut said: Vec<String> = Vec::new();
    for warning in unusable {
        let reason = match warning {
            MetadataWarning::KeyUnusable { reason } => reason.to_string(),
            other => other.to_string(),
        };
        if said.len() < 3 && !said.contains(&reason) {
            said.push(reason);
        }
    }
    said.iter().map(|reason| format!(": {reason}")).collect()
}

/// The only entity with an `IDPSSODescriptor`, searched through nested `EntitiesDescriptor`s.
fn only_idp(root: Element<'_>) -> Result<Element<'_>, MetadataError> {
    let mut idps = Vec::new();
    let mut unread = vec![root];
    while let Some(element) = unread.pop() {
        if element.is(MD, "EntitiesDescriptor") {
            unread.extend(element.elements().filter(|child| child.namespace() == MD));
        } else if element.is(MD, "EntityDescriptor") {
            if element.elements_named(MD, "IDPSSODescriptor").next().is_some() {
                idps.push(element);
            }
        } else if element == root {
            return Err(MetadataError::RootUnexpected {
                namespace: root.namespace().to_owned(),
                local: root.local().to_owned(),
            });
        }
    }
    match idps.as_slice() {
        [idp] => Ok(*idp),
        _ => Err(MetadataError::IdpCount { got: idps.len() }),
    }
}

/// For each `X509Data` of a key descriptor with certificates in it, their texts without white space.
fn key_data(descriptor: Element<'_>) -> impl Iterator<Item = Vec<Vec<u8>>> {
    descriptor
        .elements_named(DS, "KeyInfo")
        .flat_map(|key_info| key_info.elements_named(DS, "X509Data"))
        .map(|data| {
            let certificates = data.elements_named(DS, "X509Certificate").map(|certificate| {
                let text = certificate.text().unwrap_or_default();
                text.bytes().filter(|byte| !is_space(*byte)).collect()
            });
            certificates.collect::<Vec<Vec<u8>>>()
        })
        .filter(|certificates| !certificates.is_empty())
}

/// The key of an `X509Data`: all certificates in it are about one key or lead to it (XML Signature 1.1,
/// 4.5.4), so it is that of the one which issued none of the others. The others sign nobody in, and
/// where one cannot be read, nobody knows which it is.
fn holder(data: Vec<Vec<u8>>, warnings: &mut Vec<MetadataWarning>) -> Option<SigningKey> {
    let mut chain = Vec::new();
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let mut unread = false;
    for text in data {
        if texts.contains(&text) {
            continue;
        }
        if texts.len() == LONGEST_CHAIN {
            unread = true;
            break;
        }
        match KeyCertificate::read(&text) {
            Ok(certificate) => chain.push(certificate),
            Err(reason) => {
                warnings.push(MetadataWarning::KeyUnusable { reason });
                unread = true;
            }
        }
        texts.push(text);
    }
    let issued_none = |one: &&KeyCertificate| {
        !chain.iter().any(|other| !std::ptr::eq(*one, other) && one.issued(other))
    };
    let found = chain.iter().find(issued_none).filter(|_| !unread);
    let Some(found) = found else {
        if texts.len() > 1 {
            warnings.push(MetadataWarning::ChainUnclear { certificates: texts.len() });
        }
        return None;
    };
    for other in chain.iter().filter(|other| !std::ptr::eq(*other, found)) {
        let key = other.key.as_ref();
        let fingerprint = key.map_or("of another algorithm", SigningKey::fingerprint).to_owned();
        warnings.push(MetadataWarning::IssuerNotTrusted { fingerprint });
    }
    match &found.key {
        Ok(key) => Some(key.clone()),
        Err(reason) => {
            warnings.push(MetadataWarning::KeyUnusable { reason: reason.clone() });
            None
        }
    }
}

/// Whether this begins as UTF-16 does, with a byte order mark or without.
fn is_utf_16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'<', 0, ..] | [0, b'<', ..])
}

/// The encoding that an XML declaration names, when it is not UTF-8.
fn declared_encoding(declaration: &str) -> Option<String> {
    let (_, rest) = declaration.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (name, _) = rest.strip_prefix(quote)?.split_once(quote)?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    (is_name && name.len() <= 40 && !name.eq_ignore_ascii_case("utf-8")).then(|| name.to_owned())
}

/// The first `SingleSignOnService` of a binding.
fn address<'d>(entity: Element<'d>, binding: &str) -> Option<&'d str> {
    entity
        .elements_named(MD, "IDPSSODescriptor")
        .flat_map(|role| role.elements_named(MD, "SingleSignOnService"))
        .filter(|service| service.attribute("Binding") == Some(binding))
        .find_map(|service| service.attribute("Location"))
}

/// Where browsers are sent. No other binding's address is ever used, so none of them can do harm.
fn redirect_address(entity: Element<'_>) -> Result<Option<String>, MetadataError> {
    match address(entity, HTTP_REDIRECT) {
        Some(location) if !is_safe_address(location) => {
            Err(MetadataError::AddressNotHttps { got: location.to_owned() })
        }
        location => Ok(location.map(str::to_owned)),
    }
}

/// `https://`, or `http://` on a loopback host; no character that a header or a page would take
/// for something else.
fn is_safe_address(address: &str) -> bool {
    if !address.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\".contains(&byte)) {
        return false;
    }
    let host = |rest: &'_ str| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default().to_owned();
        (!authority.is_empty() && !authority.contains('@')).then_some(authority)
    };
    match address.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => host(rest).is_some(),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            host(rest).is_some_and(|authority| is_loopback(&authority))
        }
        _ => false,
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok_and(|v6| v6.is_loopback()))
}
