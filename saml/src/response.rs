//! A response that was read, and by nobody believed.

use std::fmt;

use crate::claims::issuer;
use crate::decode;
use crate::names::{SAML, SAMLP};
use crate::rejection::Rejection;
use crate::xml::{Document, Limits};

/// A response that was read and nothing more: only its issuer may be looked at, to select the
/// identity provider whose keys decide.
pub struct UnverifiedResponse {
    pub(crate) document: Document,
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
        Self::from_xml(&decode::base64(field, Limits::RESPONSE.bytes)?)
    }

    /// Reads XML: UTF-8 without byte order mark, at most 262,144 bytes, 20,000 elements nested
    /// at most 64 deep, each with at most 64 attributes and namespace declarations.
    ///
    /// # Errors
    /// When the document is malformed, beyond these limits, carries a DOCTYPE, a processing
    /// instruction or an ID twice, or its root is not `samlp:Response`.
    pub fn from_xml(bytes: &[u8]) -> Result<Self, Rejection> {
        let document = Document::parse(bytes, Limits::RESPONSE)?;
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
        if let Some(issuer) = issuer(root, "Response")? {
            return Ok(issuer);
        }
        let missing = Rejection::IssuerMissing { element: "Response" };
        let assertion = root.elements_named(SAML, "Assertion").next().ok_or(missing)?;
        issuer(assertion, "Assertion")?.ok_or(Rejection::IssuerMissing { element: "Assertion" })
    }
}
