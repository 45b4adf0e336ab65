//! Metadata in and out, and the request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strict_saml::{Ask, DecryptionKeys, IdpMetadata, KeyProblem, MetadataError, MetadataWarning};

use crate::support::*;

fn parse(xml: &str) -> Result<IdpMetadata, MetadataError> {
    IdpMetadata::parse(xml.as_bytes())
}

fn refusal(xml: &str) -> &'static str {
    match parse(xml) {
        Ok(_) => "accepted",
        Err(error) => error.code(),
    }
}

fn edited(from: &str, to: &str) -> String {
    tamper(&metadata_xml(&["rsa2048"]), from, to)
}

#[test]
fn entity_id_addresses_and_keys_are_read() {
    let idp = metadata(&["rsa2048", "p256"]);
    assert_eq!(idp.entity_id(), IDP);
    assert_eq!(idp.sso_redirect_url(), Some("https://idp.example/sso"));
    assert_eq!(idp.sso_post_url(), None);
    assert_eq!(idp.signing_keys().len(), 2);
    assert_eq!(idp.warnings(NOW.parse().unwrap()), []);
    let fingerprint = idp.signing_keys()[0].fingerprint();
    assert_eq!(fingerprint.len(), 64);
    assert!(idp.has_key(fingerprint));
    assert!(!idp.has_key(metadata(&["foreign"]).signing_keys()[0].fingerprint()));
    let accepted = judge(valid().xml()).unwrap();
    assert_eq!(accepted.key_fingerprint(), fingerprint);
}

#[test]
fn a_byte_order_mark_comments_instructions_signatures_and_other_roles_do_no_harm() {
    let role = format!(
        "<md:SPSSODescriptor><md:KeyDescriptor><ds:KeyInfo \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor></md:SPSSODescriptor>",
        certificate("foreign")
    );
    let signature = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>\
                     <md:Extensions><x xmlns=\"urn:x\"/></md:Extensions>";
    let xml = edited("<md:IDPSSODescriptor", &format!("{signature}{role}<md:IDPSSODescriptor"));
    let xml = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- x --><?xml-stylesheet \
         href=\"x\"?>{xml}\n"
    );
    let idp = parse(&xml).unwrap();
    assert_eq!(idp.signing_keys(), metadata(&["rsa2048"]).signing_keys());
}

#[test]
fn an_instruction_in_metadata_is_one_that_xml_allows() {
    let with = |instruction: &str| refusal(&format!("{instruction}{}", metadata_xml(&["rsa2048"])));
    for instruction in ["<?x?>", "<?x y?>", "<?ä?>", "<?x\u{120}y?>", "<?x-y.1 ??>", "<?xml-x?>"] {
        assert_eq!(with(instruction), "accepted", "{instruction}");
    }
    for instruction in ["<?1?>", "<?a:b?>", "<??>", "<? x?>", "<?XML?>", "<?xMl x?>", "<?x,y?>"] {
        assert_eq!(with(instruction), "metadata_xml_malformed", "{instruction}");
    }
}

#[test]
fn exactly_one_identity_provider_may_be_in_it() {
    let one = metadata_xml(&["rsa2048"]);
    let open = "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">";
    let service =
        "<md:EntityDescriptor entityID=\"sp\"><md:SPSSODescriptor/></md:EntityDescriptor>";
    let list = |entities: &str| format!("{open}{entities}</md:EntitiesDescriptor>");
    assert_eq!(refusal(&list(&one)), "accepted");
    assert_eq!(refusal(&list(&format!("{service}{one}"))), "accepted");
    assert_eq!(refusal(&list(&list(&one))), "accepted");
    assert_eq!(refusal(&list(&one.repeat(2))), "metadata_idp_count");
    assert_eq!(refusal(&list(service)), "metadata_idp_count");
    assert_eq!(refusal(&one.replace("IDPSSO", "SPSSO")), "metadata_idp_count");
    assert_eq!(refusal(&valid().xml()), "metadata_root_unexpected");
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for xml in ["", "no xml", "<a>", "<!DOCTYPE x><a/>"] {
        assert_eq!(refusal(xml), "metadata_xml_malformed", "{xml}");
    }
}

#[test]
fn the_entity_id_is_required_and_exact() {
    assert_eq!(refusal(&edited("entityID", "other")), "metadata_entity_id_missing");
    let idp = parse(&edited(IDP, " https://idp.example/entity/ ")).unwrap();
    assert_eq!(idp.entity_id(), " https://idp.example/entity/ ");
}

#[test]
fn keys_without_use_sign_and_keys_for_encryption_do_not() {
    assert_eq!(refusal(&edited(" use=\"signing\"", "")), "accepted");
    assert_eq!(refusal(&edited("use=\"signing\"", "use=\"encryption\"")), "metadata_key_missing");
    assert_eq!(refusal(&edited("use=\"signing\"", "use=\"\"")), "metadata_key_missing");
}

#[test]
fn each_x509_data_of_a_key_descriptor_counts_with_one_key() {
    let more = |key: &str| {
        format!(
            "</ds:X509Certificate></ds:X509Data><ds:X509Data><ds:X509Certificate>\n{}\n\
             </ds:X509Certificate>",
            certificate(key)
        )
    };
    let xml = edited("</ds:X509Certificate>", &more("p384"));
    assert_eq!(parse(&xml).unwrap().signing_keys().len(), 2);
    let twice = edited("</ds:X509Certificate>", &more("rsa2048"));
    assert_eq!(parse(&twice).unwrap().signing_keys().len(), 1);
}

#[test]
fn a_wrapped_certificate_is_read() {
    let wrapped: Vec<_> = certificate("rsa2048")
        .as_bytes()
        .chunks(64)
        .map(|line| format!("\r\n\t  {}", std::str::from_utf8(line).unwrap()))
        .collect();
    let xml = edited(&certificate("rsa2048"), &wrapped.concat());
    assert_eq!(parse(&xml).unwrap(), metadata(&["rsa2048"]));
}

#[test]
fn weak_and_unknown_keys_are_never_used() {
    let unusable = |key: &str| match parse(&metadata_xml(&[key])) {
        Err(MetadataError::KeyMissing { unusable }) => unusable,
        other => panic!("{other:?}"),
    };
    let warning = |reason| vec![MetadataWarning::KeyUnusable { reason }];
    assert_eq!(unusable("rsa1024"), warning(KeyProblem::RsaSize { bits: 1024 }));
    assert_eq!(
        unusable("p521"),
        warning(KeyProblem::Algorithm { oid: "1.2.840.10045.2.1".to_owned() })
    );
    let beside = metadata(&["rsa1024", "rsa2048"]);
    assert_eq!(beside.signing_keys().len(), 1);
    assert_eq!(beside.warnings(NOW.parse().unwrap()), warning(KeyProblem::RsaSize { bits: 1024 }));
    for (certificate, reason) in
        [("?", KeyProblem::NotBase64), ("AAAA", KeyProblem::NotACertificate)]
    {
        let xml = edited(&crate::support::certificate("rsa2048"), certificate);
        assert_eq!(parse(&xml), Err(MetadataError::KeyMissing { unusable: warning(reason) }));
    }
}

#[test]
fn dates_warn_and_do_not_refuse() {
    let idp = metadata(&["expired"]);
    assert!(matches!(
        idp.warnings(NOW.parse().unwrap())[..],
        [MetadataWarning::CertificateExpired { .. }]
    ));
    assert!(matches!(
        idp.warnings("2009-01-01T00:00:00Z".parse().unwrap())[..],
        [MetadataWarning::CertificateNotYetValid { .. }]
    ));
    let xml = edited("entityID", "validUntil=\"2020-01-01T00:00:00Z\" entityID");
    assert!(matches!(
        parse(&xml).unwrap().warnings(NOW.parse().unwrap())[..],
        [MetadataWarning::Outdated { .. }]
    ));
    let xml = edited("entityID", "validUntil=\"soon\" entityID");
    assert!(matches!(
        parse(&xml).unwrap().warnings(NOW.parse().unwrap())[..],
        [MetadataWarning::ValidUntilMalformed { .. }]
    ));
}

#[test]
fn a_certificate_is_good_from_its_first_moment_to_its_last() {
    let idp = metadata(&["expired"]);
    let key = &idp.signing_keys()[0];
    let second = jiff::SignedDuration::from_secs(1);
    let warnings = |now| idp.warnings(now);
    assert_eq!(warnings(key.not_before()), []);
    assert_eq!(warnings(key.not_after()), []);
    let fingerprint = key.fingerprint().to_owned();
    let (not_before, not_after) = (key.not_before(), key.not_after());
    assert!(not_before < not_after);
    let early =
        MetadataWarning::CertificateNotYetValid { fingerprint: fingerprint.clone(), not_before };
    assert_eq!(warnings(not_before - second), [early]);
    let late = MetadataWarning::CertificateExpired { fingerprint, not_after };
    assert_eq!(warnings(not_after + second), [late]);
    let until = "2026-11-22T12:00:00Z";
    let idp = parse(&edited("entityID", &format!("validUntil=\"{until}\" entityID"))).unwrap();
    let until: jiff::Timestamp = until.parse().unwrap();
    assert_eq!(idp.warnings(until - second), []);
    assert_eq!(idp.warnings(until), [MetadataWarning::Outdated { valid_until: until }]);
}

#[test]
fn a_keys_algorithm_is_said_in_words() {
    let algorithms: Vec<_> = metadata(&["rsa2048", "rsa4096", "p256", "p384"])
        .signing_keys()
        .iter()
        .map(strict_saml::SigningKey::algorithm)
        .collect();
    assert_eq!(algorithms, ["RSA, 2048 bits", "RSA, 4096 bits", "P-256", "P-384"]);
}

#[test]
fn why_no_key_is_used_is_said_once_for_each_reason_and_for_three_at_most() {
    let descriptor = |certificate: &str| {
        format!(
            "<md:KeyDescriptor><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
             <ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>\
             </ds:KeyInfo></md:KeyDescriptor>"
        )
    };
    let xml = metadata_xml(&["rsa2048"]);
    let only = cut(&xml, "<md:KeyDescriptor ", "</md:KeyDescriptor>").to_owned();
    let said = |certificates: &[&str]| {
        let all: String = certificates.iter().map(|one| descriptor(one)).collect();
        parse(&tamper(&xml, &only, &all)).unwrap_err().to_string()
    };
    let start = "no usable signing key in the identity provider's descriptor";
    let (weak, other) = (certificate("rsa1024"), certificate("p521"));
    let reasons = [
        ": the certificate is not base64",
        ": not an X.509 certificate",
        ": RSA key of 1024 bits, expected 2048 to 8192",
    ];
    assert_eq!(said(&[]), start);
    assert_eq!(said(&["?", "?"]), format!("{start}{}", reasons[0]));
    assert_eq!(said(&["?", "AAAA", "?", &weak]), format!("{start}{}", reasons.concat()));
    assert_eq!(said(&["?", "AAAA", &weak, &other]), format!("{start}{}", reasons.concat()));
}

#[test]
fn addresses_are_https_or_loopback() {
    for address in [
        "https://idp.example/sso?a=b",
        "https://idp.example:8443/sso",
        "http://localhost:8401/sso",
        "http://127.0.0.1:8401/sso",
        "http://127.8.9.10/sso",
        "http://[::1]:8401/sso",
        "http://[::1]/sso",
        "http://localhost",
        "HTTPS://idp.example?a=b",
        "Http://LocalHost:/sso",
    ] {
        assert_eq!(refusal(&edited("https://idp.example/sso", address)), "accepted", "{address}");
    }
    for address in [
        "",
        "/sso",
        "idp.example/sso",
        "http://idp.example/sso",
        "http://localhost.example/sso",
        "http://127.0.0.1.example/sso",
        "http://127.0.0.1@idp.example/sso",
        "http://localhost@idp.example/sso",
        "https://user@idp.example/sso",
        "https:///sso",
        "https://idp.example/a b",
        "https://idp.example/\u{e4}",
        "https://idp.example/&quot;&gt;",
        "https://idp.example\\@evil.example",
        "ftp://idp.example/sso",
        "ftp://localhost/sso",
        "ftp://127.0.0.1/sso",
        "http://localhost:8a/sso",
        "http://[::1/sso",
        "http://::1/sso",
        "http://[127.0.0.1]/sso",
        "javascript:alert(1)",
    ] {
        assert_eq!(
            refusal(&edited("https://idp.example/sso", address)),
            "metadata_address_not_https",
            "{address}"
        );
    }
}

#[test]
fn the_address_for_posts_is_read_where_it_is_safe() {
    let with = |location: &str| {
        let service = format!(
            "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
             Location=\"{location}\"/></md:IDPSSODescriptor>"
        );
        let idp = parse(&edited("</md:IDPSSODescriptor>", &service)).unwrap();
        assert_eq!(idp.sso_redirect_url(), Some("https://idp.example/sso"));
        idp.sso_post_url().map(str::to_owned)
    };
    assert_eq!(with("https://idp.example/post").as_deref(), Some("https://idp.example/post"));
    assert_eq!(with("javascript:alert(1)"), None);
}

#[test]
fn no_address_is_fine() {
    let xml = metadata_xml(&["rsa2048"]);
    let service = cut(&xml, "<md:SingleSignOnService", "/>").to_owned();
    assert_eq!(parse(&tamper(&xml, &service, "")).unwrap().sso_redirect_url(), None);
}

// -- ours ---------------------------------------------------------------------------------------

#[test]
fn our_metadata_names_entity_and_address() {
    assert_eq!(
        provider().metadata(),
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            "\n",
            r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata""#,
            r#" entityID="https://sp.example/metadata"><md:SPSSODescriptor"#,
            r#" AuthnRequestsSigned="false" WantAssertionsSigned="true""#,
            r#" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">"#,
            r#"<md:AssertionConsumerService index="0" isDefault="true""#,
            r#" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST""#,
            r#" Location="https://sp.example/acs"/></md:SPSSODescriptor></md:EntityDescriptor>"#,
            "\n",
        )
    );
}

#[test]
fn our_metadata_holds_the_first_decryption_keys_certificate() {
    let keys = fixture("keys/sp.pem") + &fixture("keys/sp-next.pem");
    let mut provider = provider();
    provider.decryption_keys = DecryptionKeys::from_pem(&keys).unwrap();
    let xml = provider.metadata();
    assert_eq!(xml, provider.metadata());
    // An identity provider would read the key as we read signing keys.
    let as_idp = xml
        .replace("SPSSODescriptor", "IDPSSODescriptor")
        .replace("use=\"encryption\"", "use=\"signing\"");
    let idp = parse(&as_idp).unwrap();
    assert_eq!(
        idp.signing_keys()[0].fingerprint(),
        metadata(&["sp"]).signing_keys()[0].fingerprint()
    );
}

#[test]
fn special_characters_are_escaped() {
    let mut provider = provider();
    provider.entity_id = "urn:a&b<\">".to_owned();
    assert!(provider.metadata().contains("entityID=\"urn:a&amp;b&lt;&quot;&gt;\""));
}

/// Undoes the HTTP-Redirect binding for the stored blocks that we send.
fn request(url: &str) -> String {
    let message = url.split_once("SAMLRequest=").unwrap().1.split('&').next().unwrap();
    let message = percent_encoding::percent_decode_str(message).decode_utf8().unwrap();
    let deflated = STANDARD.decode(message.as_bytes()).unwrap();
    assert_eq!(deflated[0], 1);
    let length = u16::from_le_bytes([deflated[1], deflated[2]]);
    assert_eq!(u16::from_le_bytes([deflated[3], deflated[4]]), !length);
    assert_eq!(deflated.len(), usize::from(length) + 5);
    String::from_utf8(deflated[5..].to_vec()).unwrap()
}

#[test]
fn the_request_is_unsigned_without_name_id_policy() {
    let now = "2026-11-22T12:00:00.9Z".parse().unwrap();
    let url =
        provider().login_redirect("https://idp.example/sso", "_q1", None, Ask::default(), now);
    assert!(url.starts_with("https://idp.example/sso?SAMLRequest="));
    assert_eq!(
        request(&url),
        concat!(
            r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol""#,
            r#" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_q1" Version="2.0""#,
            r#" IssueInstant="2026-11-22T12:00:00Z" Destination="https://idp.example/sso""#,
            r#" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST""#,
            r#" AssertionConsumerServiceURL="https://sp.example/acs">"#,
            r#"<saml:Issuer>https://sp.example/metadata</saml:Issuer></samlp:AuthnRequest>"#,
        )
    );
}

#[test]
fn a_request_asks_for_a_new_sign_in_and_for_kinds_of_it_only_where_it_is_told_to() {
    let classes = ["urn:a".to_owned(), "urn:<b>&\"".to_owned()];
    let ask = Ask { force: true, authn_contexts: &classes };
    let now = NOW.parse().unwrap();
    let url = provider().login_redirect("https://idp.example/sso", "_q1", None, ask, now);
    let request = request(&url);
    assert!(request.contains(r#" ForceAuthn="true"><saml:Issuer>"#), "{request}");
    assert!(
        request.ends_with(concat!(
            r#"</saml:Issuer><samlp:RequestedAuthnContext Comparison="exact">"#,
            "<saml:AuthnContextClassRef>urn:a</saml:AuthnContextClassRef>",
            "<saml:AuthnContextClassRef>urn:&lt;b&gt;&amp;&quot;</saml:AuthnContextClassRef>",
            "</samlp:RequestedAuthnContext></samlp:AuthnRequest>",
        )),
        "{request}"
    );
}

#[test]
fn the_request_keeps_a_query_and_carries_relay_state() {
    let now = NOW.parse().unwrap();
    let url = provider().login_redirect(
        "https://idp.example/sso?a=b",
        "_q1",
        Some("/teams/a b&c"),
        Ask::default(),
        now,
    );
    assert!(url.starts_with("https://idp.example/sso?a=b&SAMLRequest="));
    assert!(url.ends_with("&RelayState=%2Fteams%2Fa%20b%26c"));
    assert!(request(&url).contains("Destination=\"https://idp.example/sso?a=b\""));
}
