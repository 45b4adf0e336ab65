//! The form that an identity provider makes the browser post (SAML bindings 3.5).

use super::request::single;

/// What the form holds; further fields are ignored.
pub struct Form {
    /// The response in base64, exactly once.
    pub saml_response: String,
    /// Where the person wants to go, if it stands there once.
    pub relay_state: Option<String>,
}

impl Form {
    /// Reads a body of `application/x-www-form-urlencoded`; `None` when the response is missing or
    /// stands there twice.
    pub fn read(body: &[u8]) -> Option<Self> {
        let is_ours = |name: &str| matches!(name, "SAMLResponse" | "RelayState");
        let pairs = form_urlencoded::parse(body);
        let pairs: Vec<_> = pairs.filter(|(name, _)| is_ours(name)).collect();
        let value = |name| single(pairs.iter().cloned(), name);
        let saml_response = value("SAMLResponse")?;
        // Base64 holds no spaces: where one stands, a sender left a plus sign unencoded.
        let saml_response = saml_response.replace(' ', "+");
        Some(Self { saml_response, relay_state: value("RelayState") })
    }
}
