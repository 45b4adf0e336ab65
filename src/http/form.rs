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
        let pairs = || form_urlencoded::parse(body);
        let saml_response = single(pairs(), "SAMLResponse")?;
        // Base64 holds no spaces: where one stands, a sender left a plus sign unencoded.
        let saml_response = saml_response.replace(' ', "+");
        Some(Self { saml_response, relay_state: single(pairs(), "RelayState") })
    }
}
