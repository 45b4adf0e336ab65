//! Reading an `AuthnRequest`, strictly as far as this provider needs it and within bounds.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quick_xml::{
    NsReader, XmlVersion,
    escape::resolve_predefined_entity,
    events::Event,
    name::{Namespace, ResolveResult},
};

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Far more than any request needs.
const LIMIT: usize = 16 * 1024;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("there is no SAMLRequest")]
    Missing,
    #[error("the SAMLRequest is no base64 of at most {LIMIT} bytes of (deflated) XML")]
    Encoding,
    #[error("the SAMLRequest is no AuthnRequest: {reason}")]
    Xml { reason: String },
    #[error("{what}: expected {expected}, got {got}")]
    Unexpected { what: &'static str, expected: String, got: String },
}

impl RequestError {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Missing => "request_missing",
            Self::Encoding => "request_encoding",
            Self::Xml { .. } => "request_xml",
            Self::Unexpected { .. } => "request_unexpected",
        }
    }
}

/// What the provider reads of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AuthnRequest {
    pub(super) id: String,
    version: String,
    issuer: String,
    acs_url: Option<String>,
    destination: Option<String>,
    /// Whether the person is to sign in anew (`ForceAuthn`), or in a certain way.
    pub(super) asks_for_more: bool,
}

impl AuthnRequest {
    /// Decodes and parses: base64, for HTTP-Redirect also raw DEFLATE, then XML.
    pub(super) fn read(message: &str, deflated: bool) -> Result<Self, RequestError> {
        let bytes = STANDARD.decode(message.trim()).map_err(|_| RequestError::Encoding)?;
        let bytes = if deflated {
            miniz_oxide::inflate::decompress_to_vec_with_limit(&bytes, LIMIT)
                .map_err(|_| RequestError::Encoding)?
        } else {
            bytes
        };
        if bytes.len() > LIMIT {
            return Err(RequestError::Encoding);
        }
        let xml = String::from_utf8(bytes).map_err(|_| RequestError::Encoding)?;
        parse(&xml).map_err(|reason| RequestError::Xml { reason })
    }

    /// Whether it comes from our broker and asks for an answer at our broker.
    pub(super) fn check(&self, sp: &str, acs: &str, sso: &str) -> Result<(), RequestError> {
        for (what, expected, got) in [
            ("Version", "2.0", self.version.as_str()),
            ("Issuer", sp, &self.issuer),
            ("AssertionConsumerServiceURL", acs, self.acs_url.as_deref().unwrap_or(acs)),
            ("Destination", sso, self.destination.as_deref().unwrap_or(sso)),
        ] {
            if expected != got {
                let (expected, got) = (expected.to_owned(), got.to_owned());
                return Err(RequestError::Unexpected { what, expected, got });
            }
        }
        Ok(())
    }
}

fn parse(xml: &str) -> Result<AuthnRequest, String> {
    let mut reader = NsReader::from_str(xml);
    let mut request: Option<AuthnRequest> = None;
    let (mut depth, mut in_issuer) = (0_usize, false);
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|error| error.to_string())?;
        let is = |wanted: &str| namespace == ResolveResult::Bound(Namespace(wanted));
        match event {
            Event::Start(element) | Event::Empty(element) if depth == 0 => {
                if request.is_some()
                    || !is(PROTOCOL)
                    || element.local_name().as_ref() != "AuthnRequest"
                {
                    return Err("the root is another element".into());
                }
                let attribute = |name: &str| -> Result<Option<String>, String> {
                    let found = element.try_get_attribute(name).map_err(|e| e.to_string())?;
                    found
                        .map(|a| {
                            a.normalized_value(XmlVersion::Implicit1_0)
                                .map(|v| v.into_owned())
                                .map_err(|e| e.to_string())
                        })
                        .transpose()
                };
                request = Some(AuthnRequest {
                    id: attribute("ID")?.filter(|id| is_id(id)).ok_or("it has no usable ID")?,
                    version: attribute("Version")?.unwrap_or_default(),
                    issuer: String::new(),
                    acs_url: attribute("AssertionConsumerServiceURL")?,
                    destination: attribute("Destination")?,
                    asks_for_more: matches!(
                        attribute("ForceAuthn")?.as_deref(),
                        Some("true" | "1")
                    ),
                });
                depth += 1;
            }
            Event::Start(element) => {
                in_issuer =
                    depth == 1 && is(ASSERTION) && element.local_name().as_ref() == "Issuer";
                let in_a_way =
                    is(PROTOCOL) && element.local_name().as_ref() == "RequestedAuthnContext";
                if let Some(request) = request.as_mut().filter(|_| depth == 1 && in_a_way) {
                    request.asks_for_more = true;
                }
                depth += 1;
            }
            Event::Text(text) if in_issuer => {
                if let Some(request) = &mut request {
                    request.issuer.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) if in_issuer => {
                let text = match reference.resolve_char_ref().map_err(|e| e.to_string())? {
                    Some(character) => character.to_string(),
                    None => resolve_predefined_entity(&reference)
                        .ok_or("it has an unknown entity")?
                        .to_owned(),
                };
                if let Some(request) = &mut request {
                    request.issuer.push_str(&text);
                }
            }
            Event::End(_) => {
                in_issuer = false;
                depth = depth.saturating_sub(1);
            }
            Event::DocType(_) => return Err("it has a DOCTYPE".into()),
            Event::Eof => return request.ok_or_else(|| "it is empty".into()),
            _ => {}
        }
    }
}

/// An `xs:ID` of ASCII, of a sane length.
fn is_id(text: &str) -> bool {
    text.len() <= 256
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
        ID=\"_1\" Version=\"2.0\" Destination=\"http://idp/sso\" \
        AssertionConsumerServiceURL=\"http://sp/saml/acs\"><saml:Issuer \
        xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">http://sp/saml/metadata</saml:Issuer>\
        </samlp:AuthnRequest>";

    fn redirect(xml: &str) -> String {
        STANDARD.encode(miniz_oxide::deflate::compress_to_vec(xml.as_bytes(), 6))
    }

    #[test]
    fn a_deflated_request_is_read() {
        let request = AuthnRequest::read(&redirect(XML), true).unwrap();
        assert_eq!(request.id, "_1");
        let (sp, acs, sso) = ("http://sp/saml/metadata", "http://sp/saml/acs", "http://idp/sso");
        request.check(sp, acs, sso).unwrap();
    }

    #[test]
    fn a_request_for_another_acs_is_refused() {
        let request = AuthnRequest::read(&redirect(XML), true).unwrap();
        let refused =
            request.check("http://sp/saml/metadata", "http://other/acs", "http://idp/sso");
        assert_eq!(refused.unwrap_err().code(), "request_unexpected");
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let bomb = redirect(&" ".repeat(10_000_000));
        assert_eq!(AuthnRequest::read(&bomb, true).unwrap_err(), RequestError::Encoding);
    }

    #[test]
    fn another_root_and_a_doctype_are_refused() {
        for xml in ["<AuthnRequest ID=\"_1\"/>", &format!("<!DOCTYPE x>{XML}"), ""] {
            assert_eq!(AuthnRequest::read(&redirect(xml), true).unwrap_err().code(), "request_xml");
        }
    }
}
