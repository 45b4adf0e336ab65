//! What is refused, each with its code. Every test changes one thing about a valid response.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strict_saml::{Rejection, RequireSigned};

use crate::support::*;

const BEARER_DATA: &str = "NotOnOrAfter=\"2026-11-22T12:05:00Z\"";

/// Changes the assertion before it is signed; gives the code.
fn edited(from: &str, to: &str) -> &'static str {
    code(valid().edit_assertion(from, to).xml())
}

/// Changes the response before it is signed, response signed; gives the code.
fn edited_response(from: &str, to: &str) -> &'static str {
    code(valid().sign(Sign::Response).edit_response(from, to).xml())
}

// -- signed, where and by whom ------------------------------------------------------------------

#[test]
fn an_unsigned_response_is_refused() {
    assert_eq!(code(valid().sign(Sign::Nothing).xml()), "signature_missing");
}

#[test]
fn a_stripped_signature_is_refused() {
    let xml = valid().xml();
    let signature = cut(&xml, "<ds:Signature ", "</ds:Signature>").to_owned();
    assert_eq!(code(tamper(&xml, &signature, "")), "signature_missing");
}

#[test]
fn a_key_that_the_metadata_does_not_hold_is_refused() {
    assert_eq!(code(valid().key("foreign").xml()), "signature_invalid");
}

#[test]
fn a_foreign_key_in_key_info_is_refused() {
    let xml = valid().key("foreign").xml();
    let key_info = format!(
        "</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
        certificate("foreign")
    );
    assert_eq!(code(tamper(&xml, "</ds:SignatureValue>", &key_info)), "signature_invalid");
}

#[test]
fn a_key_for_encryption_does_not_verify() {
    let xml = metadata_xml(&["p256"]).replace("</md:IDPSSODescriptor>", "") + "";
    let key = format!(
        "<md:KeyDescriptor use=\"encryption\"><ds:KeyInfo \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>\
         </md:IDPSSODescriptor></md:EntityDescriptor>",
        certificate("rsa2048")
    );
    let idp =
        strict_saml::IdpMetadata::parse(xml.replace("</md:EntityDescriptor>", &key).as_bytes())
            .unwrap();
    let judge = Judge { idp, ..Judge::default() };
    assert_eq!(judge.code(valid().xml()), "signature_invalid");
    assert_eq!(judge.code(valid().key("p256").xml()), "accepted");
}

#[test]
fn a_changed_signature_value_is_refused() {
    let xml = valid().xml();
    let value = cut(&xml, "<ds:SignatureValue>", "=").to_owned();
    let flipped = format!("<ds:SignatureValue>{}", {
        let rest = &value["<ds:SignatureValue>".len()..];
        let first = if rest.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{}", &rest[1..])
    });
    assert_eq!(code(tamper(&xml, &value, &flipped)), "signature_invalid");
}

#[test]
fn a_changed_signed_info_is_refused() {
    let xml = tamper(&valid().xml(), "<ds:DigestValue>", "<ds:DigestValue>AAAA");
    assert_eq!(code(xml), "signature_invalid");
}

/// Signed by a genuine key, so that only the comparison of digests can refuse it.
#[test]
fn a_digest_that_only_begins_or_ends_like_the_genuine_one_is_refused() {
    let genuine = digest::digest(&digest::SHA256, valid().assertion.as_bytes());
    let genuine = genuine.as_ref();
    let with = |digest: &[u8]| {
        code(valid().edit_info(&STANDARD.encode(genuine), &STANDARD.encode(digest)).xml())
    };
    assert_eq!(with(genuine), "accepted");
    for length in [1, 16, 31] {
        assert_eq!(with(&genuine[..length]), "digest_mismatch", "the first {length} bytes");
        assert_eq!(with(&genuine[32 - length..]), "digest_mismatch", "the last {length} bytes");
    }
    assert_eq!(with(&[genuine, &[0]].concat()), "digest_mismatch");
    assert_eq!(with(&[genuine, genuine].concat()), "digest_mismatch");
}

#[test]
fn changed_content_is_refused() {
    for (from, to) in [
        ("ann@example.org", "bob@example.org"),
        ("team1", "team2"),
        ("<saml:AttributeValue>u-1", "<saml:AttributeValue>u-2"),
        ("Name=\"teamid\"", "Name=\"other\""),
        ("12:10:00Z", "22:10:00Z"),
        ("<saml:Subject>", "<saml:Subject xml:lang=\"en\">"),
        ("<saml:Subject>", "<saml:Subject> "),
    ] {
        assert_eq!(code(tamper(&valid().xml(), from, to)), "digest_mismatch", "{to}");
    }
}

#[test]
fn a_response_whose_response_signature_fails_is_refused_although_the_assertion_is_signed() {
    let xml = valid().sign(Sign::Both).xml();
    let xml = tamper(&xml, "IssueInstant=\"2026-11-22T12:00:00Z\"", "IssueInstant=\"\"");
    assert_eq!(code(xml), "digest_mismatch");
}

#[test]
fn an_assertion_whose_own_signature_fails_is_refused_although_the_response_is_signed() {
    let mint = valid().sign(Sign::Response);
    let foreign = valid().key("foreign").signed_assertion();
    let inner = mint.response.replace("{}", &foreign);
    assert_eq!(code(mint.add_signature(&inner, "_r1")), "signature_invalid");
}

#[test]
fn a_signature_must_be_where_the_identity_provider_has_to_sign() {
    use RequireSigned::{Assertion, Both, Either, Response};
    for (required, sign, expected) in [
        (Either, Sign::Assertion, "accepted"),
        (Either, Sign::Response, "accepted"),
        (Assertion, Sign::Assertion, "accepted"),
        (Assertion, Sign::Response, "signature_required"),
        (Assertion, Sign::Both, "accepted"),
        (Response, Sign::Response, "accepted"),
        (Response, Sign::Assertion, "signature_required"),
        (Response, Sign::Both, "accepted"),
        (Both, Sign::Both, "accepted"),
        (Both, Sign::Assertion, "signature_required"),
        (Both, Sign::Response, "signature_required"),
        (Both, Sign::Nothing, "signature_missing"),
    ] {
        let got = Judge::requiring(required).code(valid().sign(sign).xml());
        assert_eq!(got, expected, "{required:?}");
    }
}

// -- the signature's shape ----------------------------------------------------------------------

fn info(from: &str, to: &str) -> &'static str {
    code(valid().edit_info(from, to).xml())
}

#[test]
fn sha1_is_refused() {
    assert_eq!(
        info(
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
        ),
        "algorithm_unsupported"
    );
    assert_eq!(
        info("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
        "algorithm_unsupported"
    );
}

#[test]
fn md5_hmac_pss_and_unknown_algorithms_are_refused() {
    for algorithm in [
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "",
    ] {
        assert_eq!(
            info("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", algorithm),
            "algorithm_unsupported",
            "{algorithm}"
        );
    }
}

#[test]
fn a_public_key_used_as_hmac_secret_is_refused() {
    let xml =
        valid().edit_info("xmldsig-more#rsa-sha256\"></", "xmldsig-more#hmac-sha256\"></").xml();
    assert_eq!(code(xml), "algorithm_unsupported");
}

#[test]
fn an_hmac_output_length_is_refused() {
    assert_eq!(
        info("rsa-sha256\">", "rsa-sha256\"><ds:HMACOutputLength>0</ds:HMACOutputLength>"),
        "signature_malformed"
    );
}

#[test]
fn a_method_for_another_kind_of_key_is_refused() {
    assert_eq!(info("#rsa-sha256", "#ecdsa-sha256"), "signature_invalid");
    assert_eq!(
        code(valid().key("p256").edit_info("#ecdsa-sha256", "#rsa-sha256").xml()),
        "signature_invalid"
    );
}

#[test]
fn inclusive_and_void_canonicalization_is_refused() {
    let exclusive =
        "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">";
    for other in [
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://example.org/void",
        "",
    ] {
        let to = format!("<ds:CanonicalizationMethod Algorithm=\"{other}\">");
        assert_eq!(info(exclusive, &to), "algorithm_unsupported", "{other}");
    }
}

#[test]
fn other_transforms_are_refused() {
    let enveloped = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>";
    let exclusive =
        "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform>";
    let both = format!("{enveloped}{exclusive}");
    for other in [
        String::new(),
        enveloped.to_owned(),
        exclusive.to_owned(),
        format!("{exclusive}{enveloped}"),
        format!("{enveloped}{exclusive}{exclusive}"),
        format!("{enveloped}{enveloped}{exclusive}"),
        both.replace("xml-exc-c14n#", "other"),
        both.replace(
            "http://www.w3.org/2001/10/xml-exc-c14n#",
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        ),
        both.replace(
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
        ),
        both.replace(
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
        ),
        both.replace(
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/2000/09/xmldsig#base64",
        ),
        both.replace("#enveloped-signature\">", "#enveloped-signature\"><ds:XPath>1</ds:XPath>"),
    ] {
        assert_eq!(info(&both, &other), "transforms_unsupported", "{other}");
    }
}

#[test]
fn parameters_of_canonicalization_other_than_one_prefix_list_are_refused() {
    let open = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">";
    for parameters in [
        "<ds:Other></ds:Other>",
        "text",
        "<InclusiveNamespaces xmlns=\"urn:other\"></InclusiveNamespaces>",
    ] {
        assert_eq!(info(open, &format!("{open}{parameters}")), "signature_malformed");
    }
}

#[test]
fn a_second_reference_is_refused() {
    let mint = valid();
    let xml = mint.xml();
    let reference = cut(&xml, "<ds:Reference ", "</ds:Reference>").to_owned();
    let twice = format!("{reference}{reference}");
    assert_eq!(code(mint.edit_info(&reference, &twice).xml()), "reference_repeated");
    assert_eq!(code(valid().edit_info(&reference, "").xml()), "reference_repeated");
}

#[test]
fn a_reference_to_anything_but_the_parents_id_is_refused() {
    for uri in [
        "URI=\"\"",
        "URI=\"#\"",
        "URI=\"#_r1\"",
        "URI=\"_a1\"",
        "URI=\"#_a1 \"",
        "URI=\"#xpointer(id('_a1'))\"",
        "URI=\"#xpointer(/)\"",
        "URI=\"#_a1' or '1'='1\"",
        "URI=\"#%5Fa1\"",
        "URI=\"file:///etc/passwd\"",
        "URI=\"http://example.org/#_a1\"",
        "Id=\"x\"",
    ] {
        assert_eq!(info("URI=\"#_a1\"", uri), "reference_mismatch", "{uri}");
    }
}

#[test]
fn two_signatures_on_one_element_are_refused() {
    let mint = valid();
    let signature = mint.signature(&mint.assertion, "_a1");
    let xml = tamper(&mint.xml(), "<saml:Subject>", &format!("{signature}<saml:Subject>"));
    assert_eq!(code(xml), "signature_repeated");
}

#[test]
fn an_object_in_the_signature_is_refused() {
    let xml = tamper(
        &valid().xml(),
        "</ds:SignatureValue>",
        "</ds:SignatureValue><ds:Object></ds:Object>",
    );
    assert_eq!(code(xml), "signature_malformed");
}

#[test]
fn a_signature_with_parts_missing_doubled_or_out_of_order_is_refused() {
    let xml = valid().xml();
    let info = cut(&xml, "<ds:SignedInfo>", "</ds:SignedInfo>").to_owned();
    let value = cut(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
    let signature = format!("{info}{value}");
    for other in [
        String::new(),
        info.clone(),
        value.clone(),
        format!("{value}{info}"),
        format!("{info}{info}{value}"),
        format!("{info}{value}{value}"),
        format!("{info}{value}<ds:KeyInfo></ds:KeyInfo><ds:KeyInfo></ds:KeyInfo>"),
        format!("{info}<ds:SignatureValue></ds:SignatureValue>"),
        format!("{info}<ds:SignatureValue>!</ds:SignatureValue>"),
        format!("{info}{value}text"),
    ] {
        assert_eq!(code(tamper(&xml, &signature, &other)), "signature_malformed", "{other}");
    }
}

#[test]
fn parts_of_signed_info_in_another_order_are_refused() {
    let method = "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>";
    assert_eq!(info(method, ""), "signature_malformed");
    assert_eq!(info(method, &method.repeat(2)), "signature_malformed");
    let digest =
        "<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>";
    assert_eq!(info(digest, ""), "signature_malformed");
    assert_eq!(info(digest, "<ds:DigestMethod></ds:DigestMethod>"), "algorithm_unsupported");
}

#[test]
fn an_ecdsa_signature_of_another_width_is_refused() {
    let xml = valid().key("p256").xml();
    let value = cut(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
    let shorter = "<ds:SignatureValue>AAAA</ds:SignatureValue>";
    assert_eq!(code(&xml), "accepted");
    assert_eq!(code(tamper(&xml, &value, shorter)), "signature_invalid");
}

// -- wrapping: the eight published permutations and their relatives ------------------------------

/// The forged copy of a signed assertion: another ID, another user, no signature.
fn evil_assertion() -> String {
    valid()
        .edit_assertion("ann@example.org", "root@example.org")
        .edit_assertion("ID=\"_a1\"", "ID=\"_evil\"")
        .assertion
}

/// A response-signed message, and the forged response without signature.
fn evil_response() -> (String, String) {
    let mint = valid().sign(Sign::Response);
    let evil = mint
        .clone()
        .sign(Sign::Nothing)
        .edit("ann@example.org", "root@example.org")
        .edit_response("ID=\"_r1\"", "ID=\"_evil_response\"")
        .edit_assertion("ID=\"_a1\"", "ID=\"_evil\"");
    (mint.xml(), evil.xml())
}

/// XSW1: the genuine response inside the signature, which moved into a forged response.
#[test]
fn xsw1_is_refused() {
    let (genuine, evil) = evil_response();
    let signature = cut(&genuine, "<ds:Signature ", "</ds:Signature>").to_owned();
    let original = tamper(&genuine, &signature, "");
    let wrapped = tamper(
        &signature,
        "</ds:Signature>",
        &format!("<ds:Object>{original}</ds:Object></ds:Signature>"),
    );
    let xml = tamper(&evil, "</saml:Issuer>", &format!("</saml:Issuer>{wrapped}"));
    assert_eq!(code(xml), "element_misplaced");
}

/// XSW2: the genuine response beside its detached signature in a forged response.
#[test]
fn xsw2_is_refused() {
    let (genuine, evil) = evil_response();
    let signature = cut(&genuine, "<ds:Signature ", "</ds:Signature>").to_owned();
    let original = tamper(&genuine, &signature, "");
    let xml = tamper(&evil, "</saml:Issuer>", &format!("</saml:Issuer>{original}{signature}"));
    assert_eq!(code(xml), "element_misplaced");
}

/// XSW3: the forged assertion before the genuine one.
#[test]
fn xsw3_is_refused() {
    let xml = tamper(
        &valid().xml(),
        "<saml:Assertion ",
        &format!("{}<saml:Assertion ", evil_assertion()),
    );
    assert_eq!(code(xml), "assertion_repeated");
}

/// XSW4: the genuine assertion inside the forged one.
#[test]
fn xsw4_is_refused() {
    let mint = valid();
    let evil = tamper(
        &evil_assertion(),
        "</saml:Assertion>",
        &format!("{}</saml:Assertion>", mint.signed_assertion()),
    );
    assert_eq!(code(mint.response.replace("{}", &evil)), "element_misplaced");
}

/// XSW5: the signature stays in the changed assertion, its original at the end.
#[test]
fn xsw5_is_refused() {
    let mint = valid();
    let signed = mint.signed_assertion();
    let evil = tamper(&signed, "ID=\"_a1\"", "ID=\"_evil\"");
    let evil = tamper(&evil, "ann@example.org", "root@example.org");
    let xml = mint.response.replace("{}", &format!("{evil}{}", mint.assertion));
    assert_eq!(code(xml), "assertion_repeated");
}

/// XSW6: the original inside the signature of the changed assertion.
#[test]
fn xsw6_is_refused() {
    let mint = valid();
    let evil = tamper(&mint.signed_assertion(), "ID=\"_a1\"", "ID=\"_evil\"");
    let evil = tamper(
        &evil,
        "</ds:SignatureValue>",
        &format!("</ds:SignatureValue><ds:Object>{}</ds:Object>", mint.assertion),
    );
    assert_eq!(code(mint.response.replace("{}", &evil)), "element_misplaced");
}

/// XSW7: the forged assertion in Extensions, the genuine one in its place.
#[test]
fn xsw7_is_refused() {
    let extensions = format!("<samlp:Extensions>{}</samlp:Extensions>", evil_assertion());
    let xml = tamper(&valid().xml(), "<samlp:Status>", &format!("{extensions}<samlp:Status>"));
    assert_eq!(code(&xml), "element_misplaced");
    assert_eq!(code(tamper(&xml, "ID=\"_evil\"", "ID=\"_a1\"")), "id_repeated");
}

/// XSW8: the original in an `Object` that hides in something else.
#[test]
fn xsw8_is_refused() {
    let mint = valid();
    let evil = tamper(&mint.signed_assertion(), "ID=\"_a1\"", "ID=\"_evil\"");
    let evil = tamper(
        &evil,
        "</ds:SignatureValue>",
        &format!(
            "</ds:SignatureValue><ds:KeyInfo><ds:Other>{}</ds:Other></ds:KeyInfo>",
            mint.assertion
        ),
    );
    assert_eq!(code(mint.response.replace("{}", &evil)), "element_misplaced");
}

#[test]
fn a_signature_from_another_element_is_refused() {
    let mint = valid();
    let evil = tamper(&mint.signed_assertion(), "ID=\"_a1\"", "ID=\"_evil\"");
    assert_eq!(code(mint.response.replace("{}", &evil)), "reference_mismatch");
}

#[test]
fn the_signature_of_an_assertion_does_not_sign_as_child_of_the_response() {
    let xml = valid().xml();
    let signature = cut(&xml, "<ds:Signature ", "</ds:Signature>").to_owned();
    let moved = tamper(&xml, &signature, "");
    let moved = tamper(&moved, "<samlp:Status>", &format!("{signature}<samlp:Status>"));
    assert_eq!(code(moved), "reference_mismatch");
}

#[test]
fn a_signature_deeper_in_the_assertion_does_not_sign_it() {
    let xml = valid().xml();
    let signature = cut(&xml, "<ds:Signature ", "</ds:Signature>").to_owned();
    let moved = tamper(&xml, &signature, "");
    let moved = tamper(&moved, "</saml:Subject>", &format!("{signature}</saml:Subject>"));
    assert_eq!(code(moved), "signature_missing");
}

#[test]
fn a_genuine_user_in_a_wrapped_document_is_refused() {
    let xml = valid().xml();
    let misplaced = format!("<samlp:StatusDetail>{}</samlp:StatusDetail>", evil_assertion());
    let xml = tamper(&xml, "</samlp:Status>", &format!("{misplaced}</samlp:Status>"));
    assert_eq!(code(xml), "element_misplaced");
}

/// Evidence is skipped, and nothing else.
#[test]
fn what_stands_behind_or_around_an_advice_is_no_evidence() {
    // Canonical within the assertion, so without a declaration of its own.
    let namespace = " xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
    let evidence = evil_assertion().replace("_evil", "_evidence").replacen(namespace, "", 1);
    let advice = format!("<saml:Advice>{evidence}</saml:Advice>");
    let open = "<saml:AuthnStatement";
    let with = |behind: &str| edited(open, &format!("{advice}{behind}{open}"));
    assert_eq!(with(""), "accepted");
    let evil = evil_assertion();
    assert_eq!(with(&evil), "element_misplaced");
    assert_eq!(with(&format!("<x xmlns=\"\">{evil}</x>")), "element_misplaced");
    // An advice elsewhere than in the assertion hides nothing.
    let xml = valid().edit_assertion(open, &format!("{advice}{open}")).xml();
    let elsewhere = format!("<saml:Advice{namespace}>{evil}</saml:Advice>");
    for at in ["<samlp:Status>", "<samlp:StatusCode "] {
        assert_eq!(code(tamper(&xml, at, &format!("{elsewhere}{at}"))), "element_misplaced");
    }
}

#[test]
fn two_assertions_are_refused_although_both_are_signed() {
    let mint = valid();
    let other = Mint { assertion: mint.assertion.replace("_a1", "_a2"), ..mint.clone() };
    let other = other.add_signature(&other.assertion, "_a2");
    let xml = mint.response.replace("{}", &format!("{}{other}", mint.signed_assertion()));
    assert_eq!(code(xml), "assertion_repeated");
}

/// XSW3 the other way round: the last one is read where a list is turned into a map.
#[test]
fn a_forged_assertion_behind_the_genuine_one_is_refused() {
    let mint = valid();
    for id in ["_a1", "_a2"] {
        let forged = mint.assertion.replace("_a1", id);
        let xml = mint.response.replace("{}", &format!("{}{forged}", mint.signed_assertion()));
        let expected = if id == "_a1" { "id_repeated" } else { "assertion_repeated" };
        assert_eq!(code(xml), expected, "{id}");
    }
}

#[test]
fn a_refusal_says_how_many_assertions_there_are_plain_and_encrypted_together() {
    let encrypted = "<saml:EncryptedAssertion \
                     xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>";
    for (plain, encrypted_too, got) in
        [(2, 0, 2), (3, 0, 3), (1, 1, 2), (1, 2, 3), (2, 2, 4), (0, 2, 2)]
    {
        let assertions: String =
            (0..plain).map(|nth| valid().assertion.replace("_a1", &format!("_a{nth}"))).collect();
        let all = format!("{assertions}{}", encrypted.repeat(encrypted_too));
        let refusal = judge(valid().response.replace("{}", &all)).unwrap_err();
        assert_eq!(refusal, Rejection::AssertionRepeated { got });
    }
}

#[test]
fn no_assertion_is_refused() {
    assert_eq!(code(tamper(&valid().response, "{}", "")), "assertion_missing");
}

#[test]
fn an_assertion_of_another_namespace_is_none() {
    let xml = valid()
        .sign(Sign::Nothing)
        .edit_assertion("SAML:2.0:assertion", "SAML:1.0:assertion")
        .xml();
    assert_eq!(code(xml), "assertion_missing");
}

#[test]
fn repeated_ids_are_refused_under_each_of_their_names() {
    for attribute in ["ID", "Id", "id", "xml:id"] {
        let xml = valid()
            .edit_assertion("<saml:Subject>", &format!("<saml:Subject {attribute}=\"_a1\">"))
            .xml();
        assert_eq!(code(xml), "id_repeated", "{attribute}");
    }
    assert_eq!(code(valid().edit_response("ID=\"_r1\"", "ID=\"_a1\"").xml()), "id_repeated");
}

#[test]
fn an_id_that_is_missing_empty_or_blank_is_refused() {
    let unsigned = |from, to| {
        let mint = valid().sign(Sign::Nothing).edit_assertion(from, to);
        let inner = mint.response.replace("{}", &mint.assertion);
        code(valid().sign(Sign::Response).add_signature(&inner, "_r1"))
    };
    assert_eq!(unsigned(" ID=\"_a1\"", ""), "id_malformed");
    assert_eq!(unsigned("ID=\"_a1\"", "ID=\"\""), "id_malformed");
    assert_eq!(unsigned("ID=\"_a1\"", "ID=\"_a 1\""), "id_malformed");
    assert_eq!(
        code(valid().edit_assertion("ID=\"_a1\"", "ID=\"\"").edit_info("#_a1", "#").xml()),
        "id_malformed"
    );
}

#[test]
fn a_comment_does_not_truncate_a_text() {
    let xml = tamper(
        &valid().edit_assertion("ann@example.org", "ann@example.org.evil.example").xml(),
        "ann@example.org.evil",
        "ann@example.org<!---->.evil",
    );
    assert_eq!(judge(xml).unwrap().name_id().value, "ann@example.org.evil.example");
}

// -- the response -------------------------------------------------------------------------------

#[test]
fn another_root_is_refused() {
    let mint = valid();
    assert_eq!(code(mint.signed_assertion()), "root_unexpected");
    let xml = mint.sign(Sign::Nothing).xml();
    assert_eq!(code(xml.replace("samlp:Response", "samlp:ArtifactResponse")), "root_unexpected");
    assert_eq!(code(xml.replace("SAML:2.0:protocol", "SAML:1.1:protocol")), "root_unexpected");
}

#[test]
fn a_status_other_than_success_is_refused() {
    let xml = valid().edit_response("status:Success", "status:Responder").xml();
    assert_eq!(code(xml), "status_not_success");
    let second = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\">";
    let nested = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Requester\">\
                  <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\">\
                  </samlp:StatusCode>";
    assert_eq!(code(valid().edit_response(second, nested).xml()), "status_not_success");
    let without = "<samlp:StatusCode>";
    assert_eq!(code(valid().edit_response(second, without).xml()), "status_not_success");
}

#[test]
fn a_status_that_is_missing_or_repeated_is_refused() {
    let xml = valid().xml();
    let status = cut(&xml, "<samlp:Status>", "</samlp:Status>").to_owned();
    let inner = cut(&xml, "<samlp:StatusCode", "</samlp:StatusCode>").to_owned();
    assert_eq!(code(tamper(&xml, &status, "")), "status_malformed");
    assert_eq!(code(tamper(&xml, &status, &status.repeat(2))), "status_malformed");
    assert_eq!(code(tamper(&xml, &inner, "")), "status_malformed");
    assert_eq!(code(tamper(&xml, &inner, &inner.repeat(2))), "status_malformed");
}

#[test]
fn another_version_is_refused() {
    for version in ["Version=\"1.1\"", "Version=\"2.1\"", "Version=\"2\"", "Version=\"\"", "v=\"\""]
    {
        assert_eq!(edited("Version=\"2.0\"", version), "version_unsupported", "{version}");
        assert_eq!(edited_response("Version=\"2.0\"", version), "version_unsupported", "{version}");
    }
}

#[test]
fn the_assertions_issuer_is_required_and_exact() {
    let issuer = format!("<saml:Issuer>{IDP}</saml:Issuer>");
    for other in [
        "<saml:Issuer>https://other.example</saml:Issuer>".to_owned(),
        format!("<saml:Issuer> {IDP}</saml:Issuer>"),
        format!("<saml:Issuer>{IDP}\n</saml:Issuer>"),
        format!("<saml:Issuer>{IDP}/</saml:Issuer>"),
        "<saml:Issuer></saml:Issuer>".to_owned(),
    ] {
        assert_eq!(edited(&issuer, &other), "issuer_mismatch", "{other}");
    }
    assert_eq!(edited(&issuer, &issuer.repeat(2)), "issuer_malformed");
    assert_eq!(
        edited(&issuer, &format!("<saml:Issuer>{IDP}<saml:b></saml:b></saml:Issuer>")),
        "issuer_malformed"
    );
    let mint = valid().sign(Sign::Nothing).edit_assertion(&issuer, "");
    let inner = mint.response.replace("{}", &mint.assertion);
    let xml = valid().sign(Sign::Response).add_signature(&inner, "_r1");
    assert_eq!(code(xml), "issuer_missing");
}

#[test]
fn the_responses_issuer_is_exact_if_present() {
    let issuer = format!("{IDP}</saml:Issuer>");
    assert_eq!(code(valid().edit_response(&issuer, "x</saml:Issuer>").xml()), "issuer_mismatch");
    let whole = format!(
        "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{IDP}</saml:Issuer>"
    );
    assert_eq!(code(valid().edit_response(&whole, "").xml()), "accepted");
    assert_eq!(code(valid().edit_response(&whole, &whole.repeat(2)).xml()), "issuer_malformed");
}

#[test]
fn the_responses_issuer_is_required_when_it_is_signed() {
    let issuer = format!(
        "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{IDP}</saml:Issuer>"
    );
    let mint = valid().sign(Sign::Response).edit_response(&issuer, "");
    let inner = mint.response.replace("{}", &mint.assertion);
    let signature = mint.signature(&inner, "_r1");
    let xml = tamper(&inner, "<samlp:Status>", &format!("{signature}<samlp:Status>"));
    assert_eq!(code(xml), "issuer_missing");
}

#[test]
fn the_destination_is_exact_if_present_and_required_when_signed() {
    let destination = format!("Destination=\"{ACS}\"");
    for other in [
        "Destination=\"\"",
        "Destination=\"https://sp.example/acs/\"",
        "Destination=\"https://SP.example/acs\"",
        "Destination=\" https://sp.example/acs\"",
        "Destination=\"https://sp.example:443/acs\"",
    ] {
        assert_eq!(code(valid().edit_response(&destination, other).xml()), "destination_mismatch");
        assert_eq!(edited_response(&destination, other), "destination_mismatch");
    }
    let absent = format!("{destination} ");
    assert_eq!(code(valid().edit_response(&absent, "").xml()), "accepted");
    assert_eq!(edited_response(&absent, ""), "destination_missing");
}

// -- the assertion ------------------------------------------------------------------------------

#[test]
fn a_name_id_is_required_single_and_not_blank() {
    let name_id = "<saml:NameID>ann@example.org</saml:NameID>";
    for other in [
        "",
        "<saml:NameID></saml:NameID>",
        "<saml:NameID> \n\t</saml:NameID>",
        "<saml:NameID>ann<saml:b></saml:b></saml:NameID>",
        "<saml:NameID>ann</saml:NameID><saml:NameID>bob</saml:NameID>",
        "<saml:NameID>ann</saml:NameID><saml:EncryptedID></saml:EncryptedID>",
        "<saml:BaseID>ann</saml:BaseID>",
        "<saml:EncryptedID></saml:EncryptedID>",
        "<NameID xmlns=\"urn:other\">ann</NameID>",
    ] {
        assert_eq!(edited(name_id, other), "name_id_malformed", "{other}");
    }
}

#[test]
fn a_subject_is_required_and_single() {
    let xml = valid().assertion;
    let subject = cut(&xml, "<saml:Subject>", "</saml:Subject>").to_owned();
    assert_eq!(edited(&subject, ""), "subject_malformed");
    assert_eq!(edited(&subject, &subject.repeat(2)), "subject_malformed");
    for got in [0, 2, 3, 4] {
        let refusal = judge(valid().edit_assertion(&subject, &subject.repeat(got)).xml());
        assert_eq!(refusal, Err(Rejection::SubjectMalformed { got }));
    }
}

#[test]
fn a_bearer_confirmation_is_required() {
    for method in ["cm:holder-of-key", "cm:sender-vouches", "cm:Bearer", "cm:bearer "] {
        assert_eq!(edited("cm:bearer", method), "confirmation_missing", "{method}");
    }
    let xml = valid().assertion;
    let whole = cut(&xml, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned();
    assert_eq!(edited(&whole, ""), "confirmation_missing");
}

#[test]
fn a_bearer_confirmation_must_be_complete() {
    let xml = valid().assertion;
    let data = cut(&xml, "<saml:SubjectConfirmationData", "Data>").to_owned();
    assert_eq!(edited(&data, ""), "confirmation_incomplete");
    assert_eq!(edited(&data, &data.repeat(2)), "confirmation_incomplete");
    assert_eq!(edited(&format!(" Recipient=\"{ACS}\""), ""), "confirmation_incomplete");
    assert_eq!(edited(&format!(" {BEARER_DATA}"), ""), "confirmation_incomplete");
}

#[test]
fn the_recipient_is_exact() {
    for other in ["", "https://sp.example/acs/", "https://sp.example/ACS", "https://evil.example"] {
        let to = format!("Recipient=\"{other}\"");
        assert_eq!(edited(&format!("Recipient=\"{ACS}\""), &to), "recipient_mismatch", "{other}");
    }
}

#[test]
fn a_confirmation_that_does_not_hold_is_not_helped_by_the_parts_of_another() {
    let xml = valid().assertion;
    let whole = cut(&xml, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned();
    let late = whole.replace(BEARER_DATA, "NotOnOrAfter=\"2026-11-22T11:00:00Z\"");
    let elsewhere = whole.replace(ACS, "https://evil.example");
    assert_eq!(edited(&whole, &format!("{late}{elsewhere}")), "confirmation_expired");
    assert_eq!(edited(&whole, &format!("{late}{whole}")), "accepted");
    assert_eq!(edited(&whole, &format!("{whole}{elsewhere}")), "accepted");
}

#[test]
fn an_audience_restriction_must_name_us() {
    let audience = format!("<saml:Audience>{SP}</saml:Audience>");
    for other in [
        String::new(),
        "<saml:Audience></saml:Audience>".to_owned(),
        "<saml:Audience>https://other.example</saml:Audience>".to_owned(),
        format!("<saml:Audience> {SP}</saml:Audience>"),
        format!("<saml:Audience>{SP}/</saml:Audience>"),
        format!("<saml:Audience>{SP}<saml:b></saml:b></saml:Audience>"),
        format!("<Audience xmlns=\"urn:other\">{SP}</Audience>"),
    ] {
        assert_eq!(edited(&audience, &other), "audience_mismatch", "{other}");
    }
    let other = "<saml:Audience>https://other.example</saml:Audience>";
    assert_eq!(edited(&audience, &format!("{other}{audience}")), "accepted");
}

#[test]
fn every_audience_restriction_must_name_us() {
    let other = "<saml:AudienceRestriction><saml:Audience>https://other.example\
                 </saml:Audience></saml:AudienceRestriction>";
    let close = "</saml:AudienceRestriction>";
    assert_eq!(edited(close, &format!("{close}{other}")), "audience_mismatch");
    let restriction = format!(
        "<saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction>"
    );
    assert_eq!(edited(&restriction, &restriction.repeat(2)), "accepted");
    assert_eq!(edited(&restriction, ""), "audience_missing");
}

#[test]
fn conditions_are_required_and_single() {
    let xml = valid().assertion;
    let conditions = cut(&xml, "<saml:Conditions ", "</saml:Conditions>").to_owned();
    assert_eq!(edited(&conditions, ""), "conditions_missing");
    assert_eq!(edited(&conditions, &conditions.repeat(2)), "conditions_repeated");
}

#[test]
fn an_unknown_condition_is_refused_and_known_ones_do_no_harm() {
    let close = "</saml:Conditions>";
    for (condition, expected) in [
        ("<saml:OneTimeUse></saml:OneTimeUse>", "accepted"),
        ("<saml:ProxyRestriction Count=\"0\"></saml:ProxyRestriction>", "accepted"),
        ("<saml:Condition></saml:Condition>", "condition_unknown"),
        ("<saml:DoNotCacheCondition></saml:DoNotCacheCondition>", "condition_unknown"),
        ("<OneTimeUse xmlns=\"urn:other\"></OneTimeUse>", "condition_unknown"),
    ] {
        assert_eq!(edited(close, &format!("{condition}{close}")), expected, "{condition}");
    }
}

// -- times, each at its boundary with a skew of 60 seconds ---------------------------------------

#[test]
fn the_conditions_hold_from_not_before_minus_skew() {
    let xml = valid()
        .edit_assertion("NotBefore=\"2026-11-22T11:55:00Z\"", "NotBefore=\"2026-11-22T12:00:00Z\"")
        .xml();
    assert_eq!(Judge::at("2026-11-22T11:58:59.999999999Z").code(&xml), "not_yet_valid");
    assert_eq!(Judge::at("2026-11-22T11:59:00Z").code(&xml), "accepted");
}

#[test]
fn the_conditions_hold_until_not_on_or_after_plus_skew() {
    let xml = valid()
        .edit_assertion(
            "NotOnOrAfter=\"2026-11-22T12:10:00Z\"",
            "NotOnOrAfter=\"2026-11-22T12:01:00Z\"",
        )
        .xml();
    assert_eq!(Judge::at("2026-11-22T12:01:59.999999999Z").code(&xml), "accepted");
    assert_eq!(Judge::at("2026-11-22T12:02:00Z").code(&xml), "expired");
}

#[test]
fn the_confirmation_holds_until_not_on_or_after_plus_skew() {
    let xml = valid().xml();
    assert_eq!(Judge::at("2026-11-22T12:05:59.999999999Z").code(&xml), "accepted");
    assert_eq!(Judge::at("2026-11-22T12:06:00Z").code(&xml), "confirmation_expired");
}

#[test]
fn a_confirmation_holds_from_not_before_minus_skew() {
    let with = format!("NotBefore=\"2026-11-22T12:00:00Z\" {BEARER_DATA}");
    let xml = valid().edit_assertion(BEARER_DATA, &with).xml();
    assert_eq!(
        Judge::at("2026-11-22T11:58:59.999999999Z").code(&xml),
        "confirmation_not_yet_valid"
    );
    assert_eq!(Judge::at("2026-11-22T11:59:00Z").code(&xml), "accepted");
}

#[test]
fn the_session_holds_until_its_end_plus_skew() {
    let xml = valid()
        .edit_assertion(
            "SessionIndex=\"_s1\"",
            "SessionIndex=\"_s1\" SessionNotOnOrAfter=\"2026-11-22T12:01:00Z\"",
        )
        .xml();
    assert_eq!(Judge::at("2026-11-22T12:01:59.999999999Z").code(&xml), "accepted");
    assert_eq!(Judge::at("2026-11-22T12:02:00Z").code(&xml), "session_expired");
}

#[test]
fn every_authn_statement_counts_for_the_sessions_end() {
    let close = "</saml:AuthnStatement>";
    let more =
        format!("{close}<saml:AuthnStatement SessionNotOnOrAfter=\"2026-11-22T11:00:00Z\">{close}");
    assert_eq!(edited(close, &more), "session_expired");
}

#[test]
fn without_skew_times_are_sharp() {
    let mut judge = Judge::at("2026-11-22T12:05:00Z");
    judge.provider.clock_skew = jiff::SignedDuration::ZERO;
    assert_eq!(judge.code(valid().xml()), "confirmation_expired");
    judge.now = "2026-11-22T12:04:59.999999999Z";
    assert_eq!(judge.code(valid().xml()), "accepted");
}

#[test]
fn a_time_that_is_not_utc_with_z_is_refused() {
    for time in [
        "",
        "never",
        "2026-11-22",
        "2026-11-22T12:10:00",
        "2026-11-22T12:10:00+00:00",
        "2026-11-22T13:10:00+01:00",
        "2026-11-22T12:10:00z",
        "2026-11-22 12:10:00Z",
        "2026-11-22T12:10Z",
        "2026-11-22T12:10:00.Z",
        "2026-11-22T12:10:00,5Z",
        " 2026-11-22T12:10:00Z",
        "2026-11-22T12:10:00Z ",
        "2026-02-30T12:10:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T12:60:00Z",
        "2026-12-31T23:59:60Z",
        "-2026-11-22T12:10:00Z",
        "+2026-11-22T12:10:00Z",
        "012026-11-22T12:10:00Z",
        "12026-11-31T12:10:00Z",
        "20261122T121000Z",
        "1795608600",
    ] {
        assert_eq!(edited("2026-11-22T12:10:00Z", time), "time_malformed", "{time}");
        assert_eq!(edited("2026-11-22T11:55:00Z", time), "time_malformed", "{time}");
        assert_eq!(edited("2026-11-22T12:05:00Z", time), "time_malformed", "{time}");
        let session = format!("SessionIndex=\"_s1\" SessionNotOnOrAfter=\"{time}\"");
        assert_eq!(edited("SessionIndex=\"_s1\"", &session), "time_malformed", "{time}");
    }
}

/// The contract: they count as that moment, which is later than now.
#[test]
fn a_time_beyond_the_year_9999_is_later_than_now() {
    for time in ["9999-12-31T23:59:59.9999999Z", "12026-11-22T12:10:00Z", "99999-12-31T00:00:00Z"] {
        assert_eq!(edited("2026-11-22T12:10:00Z", time), "accepted", "{time}");
        assert_eq!(edited("2026-11-22T12:05:00Z", time), "accepted", "{time}");
        assert_eq!(edited("2026-11-22T11:55:00Z", time), "not_yet_valid", "{time}");
    }
}

#[test]
fn a_time_may_have_any_number_of_fraction_digits() {
    for time in ["2026-11-22T12:10:00.0Z", "2026-11-22T12:10:00.123456789123456789Z"] {
        assert_eq!(edited("2026-11-22T12:10:00Z", time), "accepted", "{time}");
    }
}

// -- answers to requests ------------------------------------------------------------------------

/// A response with `InResponseTo` on the response and on the confirmation.
fn answer(response: Option<&str>, confirmation: Option<&str>) -> String {
    let mut mint = valid();
    if let Some(id) = response {
        mint = mint.edit_response(
            " IssueInstant=\"2026-11-22T12:00:00Z\"",
            &format!(" InResponseTo=\"{id}\" IssueInstant=\"2026-11-22T12:00:00Z\""),
        );
    }
    if let Some(id) = confirmation {
        mint = mint.edit_assertion(
            &format!(" {BEARER_DATA}"),
            &format!(" InResponseTo=\"{id}\" {BEARER_DATA}"),
        );
    }
    mint.xml()
}

#[test]
fn an_answer_names_the_request_in_the_confirmation_and_in_the_response_if_there() {
    let judge = Judge::answering(&["_q1", "_q2"]);
    for (response, confirmation, expected) in [
        (Some("_q1"), Some("_q1"), "accepted"),
        (None, Some("_q2"), "accepted"),
        (Some("_q1"), Some("_q2"), "in_response_to_mismatch"),
        (Some("_q1"), None, "in_response_to_mismatch"),
        (Some("_q3"), Some("_q3"), "request_unknown"),
        (None, Some("_q3"), "request_unknown"),
        (None, Some(""), "request_unknown"),
        (None, Some("_q1 "), "request_unknown"),
        (None, None, "unsolicited_refused"),
    ] {
        let xml = answer(response, confirmation);
        assert_eq!(judge.code(xml), expected, "{response:?} {confirmation:?}");
    }
    let accepted = judge.judge(answer(None, Some("_q2"))).unwrap();
    assert_eq!(accepted.in_response_to(), Some("_q2"));
}

#[test]
fn an_unsolicited_response_answers_nothing() {
    for (response, confirmation, expected) in [
        (None, None, "accepted"),
        (Some("_q1"), None, "in_response_to_mismatch"),
        (Some(""), None, "in_response_to_mismatch"),
        (None, Some("_q1"), "request_unknown"),
        (None, Some(""), "request_unknown"),
        (Some("_q1"), Some("_q1"), "request_unknown"),
    ] {
        assert_eq!(code(answer(response, confirmation)), expected);
    }
    assert_eq!(judge(answer(None, None)).unwrap().in_response_to(), None);
}

#[test]
fn one_of_several_confirmations_may_be_the_one_that_answers() {
    let xml = valid().assertion;
    let whole = cut(&xml, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned();
    let answers = whole.replace(BEARER_DATA, &format!("InResponseTo=\"_q1\" {BEARER_DATA}"));
    let xml = valid().edit_assertion(&whole, &format!("{whole}{answers}")).xml();
    assert_eq!(Judge::answering(&["_q1"]).code(&xml), "accepted");
}

#[test]
fn an_answer_whose_other_confirmation_names_no_request_is_never_unsolicited() {
    let xml = valid().assertion;
    let whole = cut(&xml, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned();
    let answers = whole.replace(BEARER_DATA, &format!("InResponseTo=\"_q1\" {BEARER_DATA}"));
    let late = answers.replace(BEARER_DATA, "NotOnOrAfter=\"2026-11-22T11:00:00Z\"");
    let elsewhere = answers.replace(ACS, "https://evil.example");
    for (confirmations, expected) in [
        (format!("{whole}{answers}"), "request_unknown"),
        (format!("{answers}{whole}"), "request_unknown"),
        (format!("{whole}{late}"), "request_unknown"),
        (format!("{whole}{elsewhere}"), "accepted"),
    ] {
        let xml = valid().edit_assertion(&whole, &confirmations).xml();
        assert_eq!(code(&xml), expected, "{confirmations}");
    }
    // Not even where the request is known, and its own confirmation does not hold.
    let xml = valid().edit_assertion(&whole, &format!("{whole}{late}")).xml();
    assert_eq!(Judge::answering(&["_q1"]).code(&xml), "in_response_to_mismatch");
}

// -- what comes back ----------------------------------------------------------------------------

#[test]
fn a_refusal_says_expected_and_got_to_the_log_only() {
    let rejection =
        judge(valid().edit_assertion(ACS, "https://evil.example/acs").xml()).unwrap_err();
    assert_eq!(
        rejection,
        Rejection::RecipientMismatch {
            expected: ACS.to_owned(),
            got: "https://evil.example/acs".to_owned()
        }
    );
    assert!(!rejection.to_string().contains("evil"));
    assert!(rejection.detail().contains("evil"));
}
