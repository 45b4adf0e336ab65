//! Small inputs from real life, after public reports (`tests/fixtures/cases`), and their kind.

use jiff::SignedDuration;
use strict_saml::{
    Assertion, DecryptionKeys, Expected, IdpMetadata, MetadataError, MetadataWarning, Rejection,
    RequireSigned, ServiceProvider, UnverifiedResponse,
};

use crate::support::*;

fn verify(folder: &str, response: &str) -> Result<Assertion, Rejection> {
    let idp = IdpMetadata::parse(fixture(&format!("cases/{folder}/idp.xml")).as_bytes()).unwrap();
    let provider = ServiceProvider {
        entity_id: "https://studio.example.com/saml/metadata".to_owned(),
        acs_url: "https://studio.example.com/saml/acs".to_owned(),
        clock_skew: SignedDuration::from_secs(60),
        decryption_keys: DecryptionKeys::default(),
    };
    let response = fixture(&format!("cases/{folder}/{response}.xml"));
    let response = UnverifiedResponse::from_xml(response.as_bytes())?;
    let expected = Expected { request_ids: &[], unsolicited: true };
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    provider.validate(response, &idp, RequireSigned::Either, expected, now)
}

#[test]
fn the_issuing_cas_key_beside_the_signing_one_signs_nobody_in() {
    assert!(verify("x509data-chain", "leaf").is_ok());
    assert_eq!(verify("x509data-chain", "ca").unwrap_err().code(), "signature_invalid");
    let idp = IdpMetadata::parse(fixture("cases/x509data-chain/idp.xml").as_bytes()).unwrap();
    assert_eq!(idp.signing_keys().len(), 1);
    let warnings = idp.warnings("2026-06-01T12:00:00Z".parse().unwrap());
    assert!(matches!(warnings[..], [MetadataWarning::IssuerNotTrusted { .. }]), "{warnings:?}");
}

/// The certificates of the chain, issuer last or first.
#[test]
fn the_order_of_a_chain_does_not_matter() {
    let xml = fixture("cases/x509data-chain/idp.xml");
    let both = cut(&xml, "<ds:X509Certificate>", "</ds:X509Data>");
    let certificates: Vec<_> = both
        .split_inclusive("</ds:X509Certificate>")
        .filter(|part| part.contains("X509Certificate>"))
        .collect();
    assert_eq!(certificates.len(), 2);
    let turned = format!("{}{}</ds:X509Data>", certificates[1], certificates[0]);
    let turned = IdpMetadata::parse(tamper(&xml, both, &turned).as_bytes()).unwrap();
    let straight = IdpMetadata::parse(xml.as_bytes()).unwrap();
    assert_eq!(turned.signing_keys(), straight.signing_keys());
    // Each in an X509Data of its own is a key of its own.
    let apart =
        format!("{}</ds:X509Data><ds:X509Data>{}</ds:X509Data>", certificates[0], certificates[1]);
    let apart = IdpMetadata::parse(tamper(&xml, both, &apart).as_bytes()).unwrap();
    assert_eq!(apart.signing_keys().len(), 2);
}

/// The certificate that cannot be read may be the one that signs: then the rest is only its chain.
#[test]
fn of_a_chain_with_an_unreadable_certificate_nobody_signs() {
    let xml = fixture("cases/x509data-chain/idp.xml");
    let first = cut(&xml, "<ds:X509Certificate>", "</ds:X509Certificate>");
    for unreadable in ["?", "AAAA"] {
        let certificate = format!("<ds:X509Certificate>{unreadable}</ds:X509Certificate>");
        for broken in [
            tamper(&xml, first, &certificate),
            tamper(&xml, first, &format!("{first}{certificate}")),
        ] {
            let error = IdpMetadata::parse(broken.as_bytes()).unwrap_err();
            let certificates = broken.matches("<ds:X509Certificate>").count();
            let MetadataError::KeyMissing { unusable } = error else { panic!("{error:?}") };
            let unclear = MetadataWarning::ChainUnclear { certificates };
            assert_eq!(unusable.last(), Some(&unclear));
        }
    }
}

/// Beyond sixteen certificates nobody looks for the one that signs.
#[test]
fn more_certificates_than_a_chain_has_are_not_used() {
    let one = metadata_xml(&["rsa2048"]);
    let with = |more: String| {
        let more = format!("</ds:X509Certificate>{more}</ds:X509Data>");
        IdpMetadata::parse(tamper(&one, "</ds:X509Certificate></ds:X509Data>", &more).as_bytes())
    };
    let certificates = |keys: &[&str]| -> String {
        let one =
            |key: &&str| format!("<ds:X509Certificate>{}</ds:X509Certificate>", certificate(key));
        keys.iter().map(one).collect()
    };
    // Unrelated ones: the first of those that issued none of the others.
    let several = with(certificates(&["p256", "rsa2048", "p384"])).unwrap();
    assert_eq!(several.signing_keys(), metadata(&["rsa2048"]).signing_keys());
    let many: String =
        (0..16).map(|nth| format!("<ds:X509Certificate>{nth}</ds:X509Certificate>")).collect();
    assert_eq!(with(many).unwrap_err().code(), "metadata_key_missing");
}

#[test]
fn times_in_the_last_hours_of_the_year_9999_are_later_than_now() {
    for response in ["conditions", "session"] {
        let assertion = verify("far-future", response).unwrap();
        assert!(assertion.not_on_or_after() > "2026-06-01T12:00:00Z".parse().unwrap());
    }
    let idp = IdpMetadata::parse(fixture("cases/far-future/idp.xml").as_bytes()).unwrap();
    assert_eq!(idp.warnings("2026-06-01T12:00:00Z".parse().unwrap()), []);
}

#[test]
fn why_metadata_is_refused_is_said_with_the_refusal() {
    let error =
        IdpMetadata::parse(fixture("cases/metadata-reason/idp.xml").as_bytes()).unwrap_err();
    assert_eq!(error.code(), "metadata_key_missing");
    assert!(error.to_string().contains("the certificate is not base64"), "{error}");
    let weak = IdpMetadata::parse(metadata_xml(&["rsa1024"]).as_bytes()).unwrap_err();
    assert!(weak.to_string().contains("RSA key of 1024 bits"), "{weak}");
}

#[test]
fn metadata_in_another_encoding_is_refused_with_what_to_do() {
    let xml = metadata_xml(&["rsa2048"]);
    let utf_16 = |bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{xml}").encode_utf16().flat_map(bytes).collect()
    };
    let declared =
        |name: &str| format!("<?xml version='1.0' encoding='{name}'?>{xml}").into_bytes();
    for (bytes, got) in [
        (utf_16(u16::to_le_bytes, "\u{feff}"), "UTF-16"),
        (utf_16(u16::to_be_bytes, "\u{feff}"), "UTF-16"),
        (utf_16(u16::to_le_bytes, ""), "UTF-16"),
        (declared("utf-16"), "utf-16"),
        (declared("ISO-8859-1"), "ISO-8859-1"),
    ] {
        match IdpMetadata::parse(&bytes) {
            Err(error @ MetadataError::Encoding { .. }) => {
                assert_eq!(error, MetadataError::Encoding { got: got.to_owned() });
                assert!(error.to_string().contains("save it as UTF-8"), "{error}");
            }
            other => panic!("{got}: {other:?}"),
        }
    }
    let latin_1: Vec<u8> =
        xml.replace(IDP, "~").bytes().map(|b| if b == b'~' { 0xE4 } else { b }).collect();
    assert_eq!(IdpMetadata::parse(&latin_1).unwrap_err().code(), "metadata_encoding");
    let marked = format!("\u{feff}<?xml version='1.0' encoding='UTF-8'?>{xml}");
    assert!(IdpMetadata::parse(marked.as_bytes()).is_ok());
}

#[test]
fn an_address_of_a_binding_that_is_never_used_does_no_harm() {
    let service = |binding: &str, address: &str| {
        let xml = metadata_xml(&["rsa2048"]);
        let whole = cut(&xml, "<md:SingleSignOnService", "/>").to_owned();
        let other = format!(
            "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:{binding}\" \
             Location=\"{address}\"/>"
        );
        IdpMetadata::parse(tamper(&xml, &whole, &format!("{other}{whole}")).as_bytes())
    };
    for address in ["http://idp.example/sso", "javascript:alert(1)", ""] {
        let idp = service("HTTP-POST", address).unwrap();
        assert_eq!(idp.sso_post_url(), None);
        assert_eq!(idp.sso_redirect_url(), Some("https://idp.example/sso"));
        assert!(service("SOAP", address).is_ok());
        let refused = service("HTTP-Redirect", address).unwrap_err();
        assert_eq!(refused.code(), "metadata_address_not_https");
    }
}

/// A declaration may be refused for something else, and what stands there may be anything.
#[test]
fn only_the_name_of_another_encoding_is_said_to_be_one() {
    let xml = metadata_xml(&["rsa2048"]);
    let refusal = |declaration: &str| {
        IdpMetadata::parse(format!("<?xml {declaration}?>{xml}").as_bytes()).unwrap_err()
    };
    let longest = "x".repeat(40);
    for name in ["utf-16", "Shift_JIS", "a.b", &longest] {
        let got = name.to_owned();
        for declaration in [
            format!("version='1.0' encoding='{name}'"),
            format!("version=\"1.0\" encoding = \"{name}\""),
        ] {
            assert_eq!(refusal(&declaration), MetadataError::Encoding { got: got.clone() });
        }
    }
    for declaration in [
        "version='1.1' encoding='utf-8'".to_owned(),
        "version='1.1' encoding='UTF-8'".to_owned(),
        "version='1.1'".to_owned(),
        "version='1.0' encoding='a b'".to_owned(),
        "version='1.0' encoding='<b>'".to_owned(),
        "version='1.0' encoding='utf-16".to_owned(),
        "version='1.0' encoding=utf-16".to_owned(),
        format!("version='1.0' encoding='x{longest}'"),
    ] {
        assert_eq!(refusal(&declaration).code(), "metadata_xml_malformed", "{declaration}");
    }
}
