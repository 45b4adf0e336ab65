//! XML Signature as SAML narrows it (SAML core 5.4; <https://www.w3.org/TR/xmldsig-core1/>).
//!
//! A signature is looked for as direct child of one element and must cover exactly that element.
//! Nothing is looked up: no ID, no URI, no key from the message. What verifies comes out as a
//! handle on the element, and only from such a handle can claims be read.

use aws_lc_rs::{digest, signature as lc};

use crate::canonical::{Digests, LONGEST, Method, digests};
use crate::claims::read_id;
use crate::decode::base64_text;
use crate::der;
use crate::key::{KeyKind, SigningKey};
use crate::names::DS;
use crate::rejection::Rejection;
use crate::xml::Element;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const EXCLUSIVE_WITH_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// Where an identity provider must sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequireSigned {
    /// The response, the assertion, or both.
    #[default]
    Either,
    /// At least the assertion.
    Assertion,
    /// At least the response.
    Response,
    /// Both.
    Both,
}

/// An element whose own signature verified.
pub(crate) struct Signed<'d, 'k> {
    element: Element<'d>,
    key: &'k SigningKey,
}

/// The assertion, covered by at least one signature that verified. Its fields are private to this
/// file and [`cover`] is the only way to one: claims cannot be read from anything else.
pub(crate) struct VerifiedAssertion<'d> {
    element: Element<'d>,
    key_fingerprint: String,
    response_is_signed: bool,
}

impl<'d> VerifiedAssertion<'d> {
    /// The signed element.
    pub(crate) fn element(&self) -> Element<'d> {
        self.element
    }

    /// Of the key that verified the assertion's own signature, else the response's.
    pub(crate) fn key_fingerprint(&self) -> &str {
        &self.key_fingerprint
    }

    pub(crate) fn response_is_signed(&self) -> bool {
        self.response_is_signed
    }
}

/// Decides whether `assertion` is covered as required: by its own signature, or by that of the
/// response whose child it is, or from whose child it was decrypted (then it has no parent).
pub(crate) fn cover<'d>(
    assertion: Element<'d>,
    response: Option<Signed<'_, '_>>,
    own: Option<Signed<'d, '_>>,
    required: RequireSigned,
) -> Result<VerifiedAssertion<'d>, Rejection> {
    let own = own.filter(|signed| signed.element == assertion);
    let response =
        response.filter(|signed| assertion.parent().is_none_or(|parent| parent == signed.element));
    let got = match (&response, &own) {
        (None, None) => return Err(Rejection::SignatureMissing),
        (Some(_), None) => "response",
        (None, Some(_)) => "assertion",
        (Some(_), Some(_)) => "both",
    };
    let (enough, expected) = match required {
        RequireSigned::Either => (true, "either"),
        RequireSigned::Assertion => (own.is_some(), "assertion"),
        RequireSigned::Response => (response.is_some(), "response"),
        RequireSigned::Both => (own.is_some() && response.is_some(), "both"),
    };
    if !enough {
        return Err(Rejection::SignatureRequired { expected, got });
    }
    let response_is_signed = response.is_some();
    let key = own
        .map(|signed| signed.key)
        .or(response.map(|signed| signed.key))
        .ok_or(Rejection::SignatureMissing)?;
    Ok(VerifiedAssertion {
        element: assertion,
        key_fingerprint: key.fingerprint().to_owned(),
        response_is_signed,
    })
}

/// Verifies the signature that is a direct child of `parent`; `None` when there is none.
pub(crate) fn verify<'d, 'k>(
    parent: Element<'d>,
    name: &'static str,
    keys: &'k [SigningKey],
) -> Result<Option<Signed<'d, 'k>>, Rejection> {
    let signature = match parent.only(DS, "Signature") {
        Ok(signature) => signature,
        Err(0) => return Ok(None),
        Err(_) => return Err(Rejection::SignatureRepeated { element: name }),
    };
    let (signed_info, signature_value) = read_signature(signature)?;
    let signed_info = SignedInfo::read(signed_info)?;

    let id = read_id(parent, name)?;
    if signed_info.uri.and_then(|uri| uri.strip_prefix('#')) != Some(id) {
        return Err(Rejection::ReferenceMismatch {
            expected: format!("#{id}"),
            got: signed_info.uri.map(str::to_owned),
        });
    }

    let too_large = || Rejection::CanonicalFormTooLarge { element: name, limit: LONGEST };
    let (method, canonicalization) = (signed_info.method, &signed_info.canonicalization);
    // Of what is long, each key need not make a digest of its own.
    let message = digests(signed_info.element, None, canonicalization, method.digest())
        .ok_or_else(too_large)?
        .whole;
    let key = keys
        .iter()
        .find(|key| method.verify(key, &message, &signature_value))
        .ok_or(Rejection::SignatureInvalid { element: name, keys: keys.len() })?;

    let content = digests(parent, Some(signature), &signed_info.transform, signed_info.digest)
        .ok_or_else(too_large)?;
    match signed_info.covers(&content) {
        true => Ok(Some(Signed { element: parent, key })),
        false => Err(Rejection::DigestMismatch { element: name }),
    }
}

/// `SignedInfo, SignatureValue, KeyInfo?`; `Object` is refused. `KeyInfo` is never looked into.
fn read_signature(signature: Element<'_>) -> Result<(Element<'_>, Vec<u8>), Rejection> {
    let malformed = |what| Rejection::SignatureMalformed { what };
    if !signature.holds_elements_only() {
        return Err(malformed("text in Signature"));
    }
    let mut children = signature.elements();
    let signed_info = children
        .next()
        .filter(|child| child.is(DS, "SignedInfo"))
        .ok_or_else(|| malformed("SignedInfo is not first"))?;
    let value = children
        .next()
        .filter(|child| child.is(DS, "SignatureValue"))
        .ok_or_else(|| malformed("SignatureValue is not second"))?;
    if children.next().is_some_and(|child| !child.is(DS, "KeyInfo")) || children.next().is_some() {
        return Err(malformed("something else than one KeyInfo after SignatureValue"));
    }
    let value = base64_text(value).ok_or_else(|| malformed("SignatureValue is not base64"))?;
    Ok((signed_info, value))
}

struct SignedInfo<'d> {
    element: Element<'d>,
    canonicalization: Method,
    method: SignatureMethod,
    uri: Option<&'d str>,
    transform: Method,
    digest: &'static digest::Algorithm,
    digest_value: Vec<u8>,
}

impl<'d> SignedInfo<'d> {
    /// Whether the digest is that of the content. A reference by bare `#ID` selects no comments (XML
    /// Signature 4.4.3.3), so that none are left for `#WithComments` to keep; xmlsec1 reads it so,
    /// signxml keeps them. Both forms cover every element, attribute and character that is read
    /// here, and comments never are, so either will do.
    fn covers(&self, content: &Digests) -> bool {
        let is_given = |digest: &digest::Digest| digest.as_ref() == self.digest_value;
        content.without_comments.as_ref().is_some_and(is_given) || is_given(&content.whole)
    }

    /// `CanonicalizationMethod, SignatureMethod, Reference` and nothing else.
    fn read(element: Element<'d>) -> Result<Self, Rejection> {
        let malformed = |what| Rejection::SignatureMalformed { what };
        let references = element.elements_named(DS, "Reference").count();
        if references != 1 {
            return Err(Rejection::ReferenceRepeated { got: references });
        }
        let [canonicalization, method, reference] =
            exactly(element, ["CanonicalizationMethod", "SignatureMethod", "Reference"])
                .ok_or_else(|| malformed("unexpected content of SignedInfo"))?;
        let canonicalization =
            exclusive(canonicalization)?.ok_or(Rejection::AlgorithmUnsupported {
                what: "canonicalization",
                got: canonicalization.attribute("Algorithm").map(str::to_owned),
            })?;
        if !method.is_blank() {
            return Err(malformed("parameters of SignatureMethod"));
        }
        let method = SignatureMethod::read(method)?;

        let [transforms, digest_method, digest_value] =
            exactly(reference, ["Transforms", "DigestMethod", "DigestValue"])
                .ok_or_else(|| malformed("unexpected content of Reference"))?;
        let transform = read_transforms(transforms)?;
        if !digest_method.is_blank() {
            return Err(malformed("parameters of DigestMethod"));
        }
        let digest = match digest_method.attribute("Algorithm") {
            Some("http://www.w3.org/2001/04/xmlenc#sha256") => &digest::SHA256,
            Some("http://www.w3.org/2001/04/xmldsig-more#sha384") => &digest::SHA384,
            Some("http://www.w3.org/2001/04/xmlenc#sha512") => &digest::SHA512,
            got => {
                return Err(Rejection::AlgorithmUnsupported {
                    what: "digest",
                    got: got.map(str::to_owned),
                });
            }
        };
        let digest_value =
            base64_text(digest_value).ok_or_else(|| malformed("DigestValue is not base64"))?;
        let uri = reference.attribute("URI");
        Ok(Self { element, canonicalization, method, uri, transform, digest, digest_value })
    }
}

/// Enveloped-signature, then exclusive canonicalization. Without the latter, inclusive
/// canonicalization would apply (XML Signature 4.4.3.2); in another order, the signature would
/// have to be found again in octets.
fn read_transforms(transforms: Element<'_>) -> Result<Method, Rejection> {
    let unsupported = || Rejection::TransformsUnsupported {
        got: transforms
            .elements()
            .map(|transform| transform.attribute("Algorithm").unwrap_or_default().to_owned())
            .collect(),
    };
    let [enveloped, canonicalization] =
        exactly(transforms, ["Transform", "Transform"]).ok_or_else(unsupported)?;
    if enveloped.attribute("Algorithm") != Some(ENVELOPED) || !enveloped.is_blank() {
        return Err(unsupported());
    }
    exclusive(canonicalization)?.ok_or_else(unsupported)
}

/// An element that names exclusive canonicalization, with its `PrefixList`.
fn exclusive(element: Element<'_>) -> Result<Option<Method>, Rejection> {
    let with_comments = match element.attribute("Algorithm") {
        Some(EXCLUSIVE) => false,
        Some(EXCLUSIVE_WITH_COMMENTS) => true,
        _ => return Ok(None),
    };
    let malformed = Rejection::SignatureMalformed { what: "parameters of canonicalization" };
    if !element.holds_elements_only() {
        return Err(malformed);
    }
    let mut parameters = element.elements();
    let inclusive = match (parameters.next(), parameters.next()) {
        (None, _) => "",
        (Some(list), None) if list.is(EXCLUSIVE, "InclusiveNamespaces") && list.is_blank() => {
            list.attribute("PrefixList").unwrap_or_default()
        }
        _ => return Err(malformed),
    };
    let inclusive = inclusive
        .split([' ', '\t', '\n', '\r'])
        .filter(|prefix| !prefix.is_empty())
        .map(|prefix| if prefix == "#default" { "" } else { prefix });
    Ok(Some(Method::new(element.document(), with_comments, inclusive)))
}

/// The element children, when they are exactly these of XML Signature, with nothing between.
fn exactly<'d, const N: usize>(parent: Element<'d>, names: [&str; N]) -> Option<[Element<'d>; N]> {
    if !parent.holds_elements_only() {
        return None;
    }
    let children: Vec<_> = parent.elements().take(N + 1).collect();
    let children: [Element<'d>; N] = children.try_into().ok()?;
    children.iter().zip(names).all(|(child, name)| child.is(DS, name)).then_some(children)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignatureMethod {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}

impl SignatureMethod {
    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        match element.attribute("Algorithm") {
            Some("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256") => Ok(Self::RsaSha256),
            Some("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384") => Ok(Self::RsaSha384),
            Some("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512") => Ok(Self::RsaSha512),
            Some("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256") => Ok(Self::EcdsaSha256),
            Some("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384") => Ok(Self::EcdsaSha384),
            got => Err(Rejection::AlgorithmUnsupported {
                what: "signature",
                got: got.map(str::to_owned),
            }),
        }
    }

    /// That of the message.
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::RsaSha256 | Self::EcdsaSha256 => &digest::SHA256,
            Self::RsaSha384 | Self::EcdsaSha384 => &digest::SHA384,
            Self::RsaSha512 => &digest::SHA512,
        }
    }

    /// A key of another kind than the method's never verifies: there is nothing to confuse.
    fn verify(self, key: &SigningKey, message: &digest::Digest, signature: &[u8]) -> bool {
        let rsa = |algorithm: &'static lc::RsaParameters| {
            lc::UnparsedPublicKey::new(algorithm, key.public_key())
                .verify_digest(message, signature)
                .is_ok()
        };
        let ecdsa = |algorithm: &'static lc::EcdsaVerificationAlgorithm, size: usize| {
            ecdsa_der(signature, size).is_some_and(|signature| {
                lc::UnparsedPublicKey::new(algorithm, key.public_key())
                    .verify_digest(message, &signature)
                    .is_ok()
            })
        };
        match (self, key.kind()) {
            (Self::RsaSha256, KeyKind::Rsa) => rsa(&lc::RSA_PKCS1_2048_8192_SHA256),
            (Self::RsaSha384, KeyKind::Rsa) => rsa(&lc::RSA_PKCS1_2048_8192_SHA384),
            (Self::RsaSha512, KeyKind::Rsa) => rsa(&lc::RSA_PKCS1_2048_8192_SHA512),
            (Self::EcdsaSha256, KeyKind::P256) => ecdsa(&lc::ECDSA_P256_SHA256_ASN1, 32),
            (Self::EcdsaSha256, KeyKind::P384) => ecdsa(&lc::ECDSA_P384_SHA256_ASN1, 48),
            (Self::EcdsaSha384, KeyKind::P256) => ecdsa(&lc::ECDSA_P256_SHA384_ASN1, 32),
            (Self::EcdsaSha384, KeyKind::P384) => ecdsa(&lc::ECDSA_P384_SHA384_ASN1, 48),
            (
                Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512,
                KeyKind::P256 | KeyKind::P384,
            )
            | (Self::EcdsaSha256 | Self::EcdsaSha384, KeyKind::Rsa) => false,
        }
    }
}

/// XML Signature's `r || s`, each of the curve's size, as the `SEQUENCE` that aws-lc takes for
/// every pair of curve and hash.
fn ecdsa_der(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    if signature.len() != 2 * size {
        return None;
    }
    let (r, s) = signature.split_at(size);
    Some(der::sequence(&[der::unsigned(r), der::unsigned(s)].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::IdpMetadata;
    use crate::xml::{Document, Limits};

    /// No document brings this about, since `check_places` lets an assertion stand below the root only: it
    /// shows that covering does not rest on that.
    #[test]
    fn a_signed_element_covers_itself_and_its_own_children_only() {
        let idp = include_bytes!("../../tests/fixtures/metadata/idp.xml");
        let idp = IdpMetadata::parse(idp).unwrap();
        let key = idp.signing_keys().first().unwrap();
        let xml = b"<a><b/><c><d/></c></a>";
        let document = Document::parse(xml, Limits::RESPONSE).unwrap();
        let other = Document::parse(xml, Limits::RESPONSE).unwrap();
        let elements: Vec<_> = document.root().subtree().collect();
        let &[a, b, c, d] = elements.as_slice() else { panic!("four elements") };
        let covered = |assertion, response: Option<Element<'_>>, own: Option<_>| {
            let response = response.map(|element| Signed { element, key });
            let own = own.map(|element| Signed { element, key });
            match cover(assertion, response, own, RequireSigned::Either) {
                Ok(verified) => {
                    assert!(verified.element() == assertion);
                    Ok(verified.response_is_signed())
                }
                Err(refusal) => Err(refusal),
            }
        };
        let missing = Err(Rejection::SignatureMissing);
        assert_eq!(covered(b, Some(a), None), Ok(true));
        assert_eq!(covered(b, None, Some(b)), Ok(false));
        assert_eq!(covered(b, Some(c), Some(b)), Ok(false));
        assert_eq!(covered(b, Some(a), Some(c)), Ok(true));
        for response in [Some(b), Some(c), Some(d), Some(other.root()), None] {
            assert_eq!(covered(b, response, None), missing);
        }
        assert_eq!(covered(d, Some(a), None), missing, "not its child");
        for own in [a, c, d, other.root()] {
            assert_eq!(covered(b, None, Some(own)), missing);
        }
        // What was decrypted is a document of its own.
        assert_eq!(covered(other.root(), Some(a), None), Ok(true));
    }

    #[test]
    fn fixed_width_ecdsa_becomes_minimal_der() {
        let mut signature = [0; 64];
        signature[31] = 5;
        signature[32] = 0x80;
        let der = ecdsa_der(&signature, 32).unwrap();
        assert_eq!(der.get(..8), Some(&[0x30, 38, 2, 1, 5, 2, 33, 0][..]));
        assert_eq!(ecdsa_der(&signature, 48), None);
    }
}
