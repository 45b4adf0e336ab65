//! The namespaces that SAML messages are made of.

/// Assertions (SAML core 1.2).
pub(crate) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Requests and responses (SAML core 1.2).
pub(crate) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// XML Signature.
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
