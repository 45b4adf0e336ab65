//! SAML in: what a response proves about a person, or why it is refused.
//!
//! The argument, in the order of the checks:
//!
//! 1. Bytes become one strict, bounded tree (`xml.rs`). There is no second parser, no DTD, no
//!    entity, no processing instruction, and no ID twice.
//! 2. The issuer selects an identity provider; only the keys of its metadata are trusted
//!    (`metadata.rs`). `KeyInfo` in a message is never read.
//! 3. A signature counts only as direct child of the Response or of its only assertion, and only
//!    over that very element (`signature.rs`). No ID is ever looked up, so nothing can be wrapped.
//! 4. Verification gives a handle on the element that it covered; claims can be read from such a
//!    handle alone (`assertion.rs`). Reading what was not signed does not compile.
//! 5. What was signed must be meant for us, now (`conditions.rs`).
//!
//! Nothing here does I/O or asks for the time; `now` is an argument. [`attacks`] lists the known
//! attacks, what stops each, and the test that shows it.

mod assertion;
pub mod attacks;
mod canonical;
mod conditions;
mod decode;
mod der;
mod encryption;
mod metadata;
mod rejection;
mod request;
mod signature;
mod xml;

use std::fmt;

use jiff::{SignedDuration, Timestamp};

pub use assertion::{Assertion, NameId};
#[cfg(any(test, fuzzing))]
pub use canonical::canonical_form_twice;
pub use encryption::{DecryptionKeyError, DecryptionKeys};
pub use metadata::{IdpMetadata, KeyProblem, MetadataError, MetadataWarning, SigningKey};
pub use rejection::{Actor, Code, Rejection};
pub use request::Ask;
pub use signature::RequireSigned;
pub use xml::XmlError;

use conditions::Envelope;
use xml::{Document, Element, Limits};

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// What a response may be at most.
const LIMITS: Limits = Limits {
    bytes: 262_144,
    depth: 64,
    elements: 20_000,
    attributes: 64,
    instructions: false,
    unique_ids: true,
};

/// A response that was read and nothing more: only its issuer may be looked at, to select the
/// identity provider whose keys decide.
pub struct UnverifiedResponse {
    document: Document,
}

/// Says nothing of the message: responses are never logged.
impl fmt::Debug for UnverifiedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedResponse(..)")
    }
}

impl UnverifiedResponse {
    /// Reads the form field `SAMLResponse`: base64 that may be wrapped with line breaks.
    ///
    /// # Errors
    /// When it is not base64, or the XML in it is refused as by [`UnverifiedResponse::from_xml`].
    pub fn from_base64(field: &[u8]) -> Result<Self, Rejection> {
        Self::from_xml(&decode::base64(field, LIMITS.bytes)?)
    }

    /// Reads XML: UTF-8 without byte order mark, at most 262,144 bytes, 20,000 elements nested
    /// at most 64 deep, each with at most 64 attributes and namespace declarations.
    ///
    /// # Errors
    /// When the document is malformed, beyond these limits, carries a DOCTYPE, a processing
    /// instruction or an ID twice, or its root is not `samlp:Response`.
    pub fn from_xml(bytes: &[u8]) -> Result<Self, Rejection> {
        let document = Document::parse(bytes, LIMITS)?;
        let root = document.root();
        if !root.is(SAMLP, "Response") {
            return Err(Rejection::RootUnexpected {
                namespace: root.namespace().to_owned(),
                local: root.local().to_owned(),
            });
        }
        Ok(Self { document })
    }

    /// Reads a file that holds a response as XML or as base64, told apart by the first character
    /// that is not white space.
    ///
    /// # Errors
    /// As [`UnverifiedResponse::from_base64`] and [`UnverifiedResponse::from_xml`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, Rejection> {
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
        match text.first() {
            Some(b'<') => Self::from_xml(bytes),
            _ => Self::from_base64(bytes),
        }
    }

    /// The Response's issuer, else the plain assertion's. Nobody has vouched for it.
    ///
    /// # Errors
    /// When neither is there, or one is malformed.
    pub fn unverified_issuer(&self) -> Result<String, Rejection> {
        let root = self.document.root();
        if let Some(issuer) = conditions::issuer(root, "Response")? {
            return Ok(issuer);
        }
        let missing = Rejection::IssuerMissing { element: "Response" };
        let assertion = root.elements_named(SAML, "Assertion").next().ok_or(missing)?;
        conditions::issuer(assertion, "Assertion")?
            .ok_or(Rejection::IssuerMissing { element: "Assertion" })
    }
}

/// Which responses are expected.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// IDs of our requests that may be answered.
    pub request_ids: &'a [&'a str],
    /// Whether a response that answers no request is accepted.
    pub unsolicited: bool,
}

/// This service, as identity providers know it.
#[derive(Debug, Clone)]
pub struct ServiceProvider {
    /// Our entity ID: the audience that assertions must name, compared byte for byte.
    pub entity_id: String,
    /// Our assertion consumer service: Destination and Recipient, compared byte for byte.
    pub acs_url: String,
    /// How far clocks may differ, both ways, at every time that is compared.
    pub clock_skew: SignedDuration,
    /// Keys for encrypted assertions; the first is published.
    pub decryption_keys: DecryptionKeys,
}

impl ServiceProvider {
    /// Decides about a response of this identity provider at this moment.
    ///
    /// # Errors
    /// The first check that fails, in the order of the module's argument.
    pub fn validate(
        &self,
        response: UnverifiedResponse,
        idp: &IdpMetadata,
        require_signed: RequireSigned,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Assertion, Rejection> {
        conditions::same_issuer("Response", idp.entity_id(), &response.unverified_issuer()?)?;
        let root = response.document.root();
        let envelope = Envelope::read(root)?;
        let keys = idp.signing_keys();

        let response_signature = signature::verify(root, "Response", keys)?;
        let decrypted = envelope
            .encrypted
            .map(|place| {
                let authentic = response_signature.is_some();
                encryption::decrypt(place, &self.decryption_keys, authentic, LIMITS)
            })
            .transpose()?;
        let assertion: Element<'_> = match (&decrypted, envelope.plain) {
            (Some(decrypted), _) => {
                conditions::check_places(decrypted.root())?;
                decrypted.root()
            }
            (None, Some(plain)) => plain,
            (None, None) => return Err(Rejection::AssertionMissing),
        };
        let assertion_signature = signature::verify(assertion, "Assertion", keys)?;
        let verified =
            signature::cover(assertion, response_signature, assertion_signature, require_signed)?;

        conditions::check_response(root, self, idp, verified.response_is_signed())?;
        let accepted = conditions::check(&verified, root, self, idp, expected, now)?;
        Assertion::read(&verified, accepted)
    }
}
