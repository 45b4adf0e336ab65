//! What we say to identity providers: the sign-in request and our metadata.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::service_provider::ServiceProvider;

/// RFC 3986's unreserved characters stay.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a request asks of the identity provider beside a sign-in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// That the person signs in anew, whatever session there is (SAML core 3.4.1, `ForceAuthn`).
    pub force: bool,
    /// That the sign-in is of one of these kinds exactly (SAML core 3.3.2.2.1); of any, when empty.
    pub authn_contexts: &'a [String],
}

impl ServiceProvider {
    /// Where to send a browser that shall sign in: an unsigned `AuthnRequest` by HTTP-Redirect
    /// (SAML bindings 3.4.4), answered by HTTP-POST to our address.
    ///
    /// `request_id` becomes the request's ID: a letter or underscore first, at least 128 bits of
    /// randomness. `relay_state` comes back with the answer; at most 80 bytes are allowed. There
    /// is no `NameIDPolicy`: one that differs from what the identity provider was set up for
    /// makes it refuse.
    #[must_use]
    pub fn login_redirect(
        &self,
        sso_redirect_url: &str,
        request_id: &str,
        relay_state: Option<&str>,
        ask: Ask<'_>,
        now: Timestamp,
    ) -> String {
        let force = if ask.force { r#" ForceAuthn="true""# } else { "" };
        let contexts: String = ask
            .authn_contexts
            .iter()
            .map(|class| {
                let class = escape(class);
                format!("<saml:AuthnContextClassRef>{class}</saml:AuthnContextClassRef>")
            })
            .collect();
        let contexts = match contexts.as_str() {
            "" => contexts,
            classes => format!(
                r#"<samlp:RequestedAuthnContext Comparison="exact">{classes}</samlp:RequestedAuthnContext>"#
            ),
        };
        let request = format!(
            concat!(
                r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol""#,
                r#" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0""#,
                r#" IssueInstant="{instant}" Destination="{destination}""#,
                r#" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST""#,
                r#" AssertionConsumerServiceURL="{acs}"{force}><saml:Issuer>{issuer}</saml:Issuer>"#,
                r#"{contexts}</samlp:AuthnRequest>"#,
            ),
            id = escape(request_id),
            instant = now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            destination = escape(sso_redirect_url),
            acs = escape(&self.acs_url),
            issuer = escape(&self.entity_id),
            force = force,
            contexts = contexts,
        );
        let message = STANDARD.encode(deflate_stored(request.as_bytes()));
        let separator = if sso_redirect_url.contains('?') { '&' } else { '?' };
        let mut url = format!(
            "{sso_redirect_url}{separator}SAMLRequest={}",
            utf8_percent_encode(&message, QUERY_VALUE)
        );
        if let Some(relay_state) = relay_state {
            url.push_str("&RelayState=");
            url.extend(utf8_percent_encode(relay_state, QUERY_VALUE));
        }
        url
    }

    /// Our metadata (SAML metadata 2.4.4): one assertion consumer service by HTTP-POST, signed
    /// assertions wanted, and the first decryption key's certificate, if there is a key.
    #[must_use]
    pub fn metadata(&self) -> String {
        let key = self.decryption_keys.certificate().map_or_else(String::new, |certificate| {
            format!(
                concat!(
                    r#"<md:KeyDescriptor use="encryption">"#,
                    r#"<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>"#,
                    r#"<ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"#,
                    r#"<md:EncryptionMethod"#,
                    r#" Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/>"#,
                    r#"<md:EncryptionMethod"#,
                    r#" Algorithm="http://www.w3.org/2009/xmlenc11#aes128-gcm"/>"#,
                    r#"<md:EncryptionMethod"#,
                    r#" Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/>"#,
                    r#"</md:KeyDescriptor>"#,
                ),
                STANDARD.encode(certificate)
            )
        });
        format!(
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?>"#,
                "\n",
                r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata""#,
                r#" entityID="{entity_id}"><md:SPSSODescriptor AuthnRequestsSigned="false""#,
                r#" WantAssertionsSigned="true""#,
                r#" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{key}"#,
                r#"<md:AssertionConsumerService index="0" isDefault="true""#,
                r#" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST""#,
                r#" Location="{acs}"/></md:SPSSODescriptor></md:EntityDescriptor>"#,
                "\n",
            ),
            entity_id = escape(&self.entity_id),
            key = key,
            acs = escape(&self.acs_url),
        )
    }
}

/// DEFLATE (RFC 1951, 3.2.4) without compression. The binding asks for the format, not for
/// savings; a request is a few hundred bytes.
fn deflate_stored(bytes: &[u8]) -> Vec<u8> {
    let blocks = bytes.chunks(usize::from(u16::MAX));
    let last = blocks.len().saturating_sub(1);
    let mut deflated = Vec::with_capacity(bytes.len() + 5);
    for (nth, block) in blocks.enumerate() {
        let length = block.len() as u16;
        deflated.push(u8::from(nth == last));
        deflated.extend(length.to_le_bytes());
        deflated.extend((!length).to_le_bytes());
        deflated.extend(block);
    }
    deflated
}

/// Escapes text for an element or an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_one_block_is_several_of_which_the_last_says_so() {
        let bytes: Vec<u8> = (0..140_000_u32).map(|nth| nth as u8).collect();
        let mut rest = deflate_stored(&bytes);
        let (mut stored, mut finals) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            let [last, length @ .., a, b] = *rest.first_chunk::<5>().unwrap();
            let length = u16::from_le_bytes(length);
            assert_eq!(u16::from_le_bytes([a, b]), !length);
            let block = rest.split_off(5);
            rest = block.get(usize::from(length)..).unwrap().to_vec();
            stored.extend_from_slice(block.get(..usize::from(length)).unwrap());
            finals.push(last);
        }
        assert_eq!(finals, [0, 0, 1]);
        assert!(stored == bytes);
    }
}
