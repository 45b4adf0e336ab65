//! A small identity provider for tests: mints responses that are canonical as written, so that
//! signing them takes no canonicalizer, and asks the library about them.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{digest, rsa, signature};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use strict_saml::{
    Assertion, DecryptionKeys, Expected, IdpMetadata, Rejection, RequireSigned, ServiceProvider,
    UnverifiedResponse,
};

pub(crate) const SP: &str = "https://sp.example/metadata";
pub(crate) const ACS: &str = "https://sp.example/acs";
pub(crate) const IDP: &str = "https://idp.example/entity";
pub(crate) const NOW: &str = "2026-11-22T12:00:00Z";

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

pub(crate) fn fixture(name: &str) -> String {
    let path = fixtures().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// DER of the first PEM block.
pub(crate) fn pem(text: &str) -> Vec<u8> {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

/// A certificate of `tests/fixtures/keys`, as it stands in metadata.
pub(crate) fn certificate(key: &str) -> String {
    STANDARD.encode(pem(&fixture(&format!("keys/{key}.crt"))))
}

/// Metadata of the test identity provider with these signing keys.
pub(crate) fn metadata_xml(keys: &[&str]) -> String {
    let keys: String = keys
        .iter()
        .map(|key| {
            format!(
                "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"{DS}\"><ds:X509Data>\
                 <ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
                 </md:KeyDescriptor>",
                certificate(key)
            )
        })
        .collect();
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
         entityID=\"{IDP}\"><md:IDPSSODescriptor \
         protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}\
         <md:SingleSignOnService \
         Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/sso\"/></md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

pub(crate) fn metadata(keys: &[&str]) -> IdpMetadata {
    IdpMetadata::parse(metadata_xml(keys).as_bytes()).unwrap()
}

pub(crate) fn provider() -> ServiceProvider {
    ServiceProvider {
        entity_id: SP.to_owned(),
        acs_url: ACS.to_owned(),
        clock_skew: SignedDuration::from_secs(60),
        decryption_keys: DecryptionKeys::default(),
    }
}

/// All keys that sign fixtures, beside RSA 2048 which signs everything else.
pub(crate) const KEYS: &[&str] = &["rsa2048", "rsa4096", "rsa8192", "p256", "p384", "expired"];

/// How a response is judged; change what a test is about.
pub(crate) struct Judge<'a> {
    pub(crate) provider: ServiceProvider,
    pub(crate) idp: IdpMetadata,
    pub(crate) required: RequireSigned,
    pub(crate) expected: Expected<'a>,
    pub(crate) now: &'a str,
}

impl Default for Judge<'_> {
    fn default() -> Self {
        Self {
            provider: provider(),
            idp: metadata(KEYS),
            required: RequireSigned::Either,
            expected: Expected { request_ids: &[], unsolicited: true },
            now: NOW,
        }
    }
}

impl<'a> Judge<'a> {
    pub(crate) fn at(now: &'a str) -> Self {
        Self { now, ..Self::default() }
    }

    pub(crate) fn with_keys(pem: &str) -> Self {
        let mut judge = Self::default();
        judge.provider.decryption_keys = DecryptionKeys::from_pem(pem).unwrap();
        judge
    }

    pub(crate) fn trusting(keys: &[&str]) -> Self {
        Self { idp: metadata(keys), ..Self::default() }
    }

    pub(crate) fn answering(request_ids: &'a [&'a str]) -> Self {
        let expected = Expected { request_ids, unsolicited: false };
        Self { expected, ..Self::default() }
    }

    pub(crate) fn requiring(required: RequireSigned) -> Self {
        Self { required, ..Self::default() }
    }

    pub(crate) fn judge(&self, xml: impl AsRef<[u8]>) -> Result<Assertion, Rejection> {
        let response = UnverifiedResponse::from_xml(xml.as_ref())?;
        let now: Timestamp = self.now.parse().unwrap();
        self.provider.validate(response, &self.idp, self.required, self.expected, now)
    }

    /// The code of the refusal, or `accepted`.
    pub(crate) fn code(&self, xml: impl AsRef<[u8]>) -> &'static str {
        match self.judge(xml) {
            Ok(_) => "accepted",
            Err(rejection) => rejection.code(),
        }
    }
}

pub(crate) fn judge(xml: impl AsRef<[u8]>) -> Result<Assertion, Rejection> {
    Judge::default().judge(xml)
}

pub(crate) fn code(xml: impl AsRef<[u8]>) -> &'static str {
    Judge::default().code(xml)
}

/// Where a minted response is signed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sign {
    Nothing,
    Assertion,
    Response,
    Both,
}

/// A response in the making: text that is its own exclusive canonical form.
#[derive(Clone)]
pub(crate) struct Mint {
    pub(crate) response: String,
    pub(crate) assertion: String,
    pub(crate) sign: Sign,
    pub(crate) key: &'static str,
    /// Changes to `SignedInfo` before it is signed.
    pub(crate) info: Vec<(String, String)>,
}

/// A valid response, assertion signed.
pub(crate) fn valid() -> Mint {
    Mint {
        response: format!(
            "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             Destination=\"{ACS}\" ID=\"_r1\" IssueInstant=\"2026-11-22T12:00:00Z\" \
             Version=\"2.0\"><saml:Issuer \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{IDP}</saml:Issuer>\
             <samlp:Status><samlp:StatusCode \
             Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode>\
             </samlp:Status>{{}}</samlp:Response>"
        ),
        assertion: format!(
            "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_a1\" \
             IssueInstant=\"2026-11-22T11:59:30Z\" Version=\"2.0\"><saml:Issuer>{IDP}\
             </saml:Issuer><saml:Subject><saml:NameID>ann@example.org</saml:NameID>\
             <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
             <saml:SubjectConfirmationData NotOnOrAfter=\"2026-11-22T12:05:00Z\" \
             Recipient=\"{ACS}\"></saml:SubjectConfirmationData></saml:SubjectConfirmation>\
             </saml:Subject><saml:Conditions NotBefore=\"2026-11-22T11:55:00Z\" \
             NotOnOrAfter=\"2026-11-22T12:10:00Z\"><saml:AudienceRestriction><saml:Audience>{SP}\
             </saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement \
             AuthnInstant=\"2026-11-22T11:59:00Z\" SessionIndex=\"_s1\"></saml:AuthnStatement>\
             <saml:AttributeStatement><saml:Attribute Name=\"ssouserid\"><saml:AttributeValue>u-1\
             </saml:AttributeValue></saml:Attribute><saml:Attribute Name=\"teamid\">\
             <saml:AttributeValue>team1</saml:AttributeValue></saml:Attribute>\
             </saml:AttributeStatement></saml:Assertion>"
        ),
        sign: Sign::Assertion,
        key: "rsa2048",
        info: Vec::new(),
    }
}

impl Mint {
    /// Replaces text in assertion or response, before signing. It must be there.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(
            self.assertion.contains(from) || self.response.contains(from),
            "nothing to edit: {from}"
        );
        self.assertion = self.assertion.replace(from, to);
        self.response = self.response.replace(from, to);
        self
    }

    pub(crate) fn edit_assertion(mut self, from: &str, to: &str) -> Self {
        assert!(self.assertion.contains(from), "nothing to edit: {from}");
        self.assertion = self.assertion.replace(from, to);
        self
    }

    pub(crate) fn edit_response(mut self, from: &str, to: &str) -> Self {
        assert!(self.response.contains(from), "nothing to edit: {from}");
        self.response = self.response.replace(from, to);
        self
    }

    /// Replaces text in `SignedInfo` before it is signed.
    pub(crate) fn edit_info(mut self, from: &str, to: &str) -> Self {
        self.info.push((from.to_owned(), to.to_owned()));
        self
    }

    pub(crate) fn sign(mut self, sign: Sign) -> Self {
        self.sign = sign;
        self
    }

    pub(crate) fn key(mut self, key: &'static str) -> Self {
        self.key = key;
        self
    }

    pub(crate) fn signed_assertion(&self) -> String {
        match self.sign {
            Sign::Assertion | Sign::Both => self.add_signature(&self.assertion, "_a1"),
            Sign::Nothing | Sign::Response => self.assertion.clone(),
        }
    }

    pub(crate) fn xml(&self) -> String {
        let response = self.response.replace("{}", &self.signed_assertion());
        match self.sign {
            Sign::Response | Sign::Both => self.add_signature(&response, "_r1"),
            Sign::Nothing | Sign::Assertion => response,
        }
    }

    /// Signs canonical text and puts the signature behind the first issuer.
    pub(crate) fn add_signature(&self, canonical: &str, id: &str) -> String {
        let at = canonical.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
        let (before, after) = canonical.split_at(at);
        format!("{before}{}{after}", self.signature(canonical, id))
    }

    /// An enveloped signature over canonical text.
    pub(crate) fn signature(&self, canonical: &str, id: &str) -> String {
        let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
        let method = if self.key.starts_with('p') { "ecdsa-sha256" } else { "rsa-sha256" };
        let mut info = format!(
            "<ds:SignedInfo xmlns:ds=\"{DS}\"><ds:CanonicalizationMethod \
             Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#{method}\">\
             </ds:SignatureMethod><ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform \
             Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
             <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform>\
             </ds:Transforms><ds:DigestMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
             <ds:DigestValue>{}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
            STANDARD.encode(hash)
        );
        for (from, to) in &self.info {
            assert!(info.contains(from), "nothing to edit in SignedInfo: {from}");
            info = info.replace(from, to);
        }
        let value = sign_bytes(self.key, info.as_bytes());
        format!(
            "<ds:Signature xmlns:ds=\"{DS}\">{}<ds:SignatureValue>{}</ds:SignatureValue>\
             </ds:Signature>",
            info.replacen(&format!(" xmlns:ds=\"{DS}\""), "", 1),
            STANDARD.encode(value)
        )
    }
}

/// RSA PKCS#1 v1.5 or ECDSA `r || s`, with SHA-256.
pub(crate) fn sign_bytes(key: &str, message: &[u8]) -> Vec<u8> {
    let pkcs8 = pem(&fixture(&format!("keys/{key}.pem")));
    let random = SystemRandom::new();
    if key.starts_with('p') {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8).unwrap();
        return pair.sign(&random, message).unwrap().as_ref().to_vec();
    }
    let pair = rsa::KeyPair::from_pkcs8(&pkcs8).unwrap();
    let mut value = vec![0; pair.public_modulus_len()];
    pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut value).unwrap();
    value
}

/// CPU time of this thread, in seconds: what else runs on the machine does not count.
pub(crate) fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Replaces text after signing. It must be there.
pub(crate) fn tamper(xml: &str, from: &str, to: &str) -> String {
    assert!(xml.contains(from), "nothing to tamper with: {from}");
    xml.replacen(from, to, 1)
}

/// The part of `xml` from `open` to the end of `close`.
pub(crate) fn cut<'x>(xml: &'x str, open: &str, close: &str) -> &'x str {
    let start = xml.find(open).unwrap_or_else(|| panic!("no {open}"));
    let end = xml[start..].find(close).unwrap_or_else(|| panic!("no {close}")) + start;
    &xml[start..end + close.len()]
}
