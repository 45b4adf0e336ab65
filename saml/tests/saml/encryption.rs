//! Encrypted assertions: what opens, what does not, and that failures look alike.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strict_saml::{DecryptionKeyError, DecryptionKeys, Rejection};

use crate::support::*;

fn sp() -> String {
    fixture("keys/sp.pem")
}

fn response(name: &str) -> String {
    fixture(&format!("responses/encrypted-{name}.xml"))
}

fn encrypted_code(xml: impl AsRef<[u8]>) -> &'static str {
    Judge::with_keys(&sp()).code(xml)
}

/// Changes a response that holds a signed assertion under AES-128-GCM, itself unsigned.
fn tampered(from: &str, to: &str) -> &'static str {
    let xml = response("mgf1p-assertion-signed");
    assert_eq!(encrypted_code(&xml), "accepted");
    encrypted_code(tamper(&xml, from, to))
}

#[test]
fn what_others_signed_or_encrypted_is_refused_with_its_code() {
    let codes: serde_json::Value = serde_json::from_str(&fixture("refused.json")).unwrap();
    let judge = Judge::with_keys(&sp());
    let got: serde_json::Map<_, _> = codes
        .as_object()
        .unwrap()
        .keys()
        .map(|name| (name.clone(), judge.code(fixture(&format!("refused/{name}.xml"))).into()))
        .collect();
    assert_eq!(serde_json::Value::Object(got), codes);
}

#[test]
fn without_a_key_nothing_is_decrypted() {
    assert_eq!(code(response("mgf1p-assertion-signed")), "decryption_key_missing");
    assert_eq!(code(response("mgf1p-aes128-cbc-response-signed")), "decryption_key_missing");
}

#[test]
fn each_of_several_keys_decrypts() {
    let keys = fixture("keys/sp-next.pem") + &sp();
    for name in ["mgf1p-assertion-signed", "to-the-second-key"] {
        assert_eq!(Judge::with_keys(&keys).code(response(name)), "accepted");
    }
    assert_eq!(encrypted_code(response("to-the-second-key")), "decryption_failed");
}

#[test]
fn cbc_needs_a_signed_response() {
    let xml = response("mgf1p-aes256-cbc-response-signed");
    assert_eq!(encrypted_code(&xml), "accepted");
    let signature = cut(&xml, "<ds:Signature ", "</ds:Signature>").to_owned();
    assert_eq!(encrypted_code(tamper(&xml, &signature, "")), "encryption_unauthenticated");
    let changed = tamper(&xml, "<saml:EncryptedAssertion ", "<saml:EncryptedAssertion x=\"\" ");
    assert_eq!(encrypted_code(changed), "digest_mismatch");
}

#[test]
fn the_responses_signature_is_verified_before_anything_is_decrypted() {
    let xml = response("mgf1p-aes128-gcm-response-signed");
    let judge = Judge { idp: metadata(&["p256"]), ..Judge::with_keys(&sp()) };
    assert_eq!(judge.code(xml), "signature_invalid");
}

#[test]
fn other_algorithms_are_refused() {
    for (from, to) in [
        ("xmlenc11#aes128-gcm", "xmlenc11#aes192-gcm"),
        (
            "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
        ),
        (
            "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
        ),
        ("xmlenc#rsa-oaep-mgf1p", "xmlenc#rsa-1_5"),
        (
            "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            "http://www.w3.org/2009/xmlenc11#rsa-oaep",
        ),
        (
            "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            "http://www.w3.org/2001/04/xmlenc#kw-aes128",
        ),
    ] {
        assert_eq!(tampered(from, to), "encryption_unsupported", "{to}");
    }
}

#[test]
fn other_parameters_of_key_transport_are_refused() {
    let method = "rsa-oaep-mgf1p\"/>";
    let digest = |hash: &str| {
        format!(
            "rsa-oaep-mgf1p\"><ds:DigestMethod xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" \
             Algorithm=\"{hash}\"/></xenc:EncryptionMethod>"
        )
    };
    assert_eq!(tampered(method, &digest("http://www.w3.org/2000/09/xmldsig#sha1")), "accepted");
    assert_eq!(
        tampered(method, &digest("http://www.w3.org/2001/04/xmlenc#sha256")),
        "encryption_unsupported"
    );
    for parameter in ["<xenc:OAEPparams>AA==</xenc:OAEPparams>", "<xenc:KeySize>128</xenc:KeySize>"]
    {
        let to = format!("rsa-oaep-mgf1p\">{parameter}</xenc:EncryptionMethod>");
        assert_eq!(tampered(method, &to), "encryption_malformed", "{parameter}");
    }
    let xml = response("oaep-assertion-signed");
    for (from, to) in [
        ("xmlenc#sha256", "xmlenc#sha512"),
        ("mgf1sha256", "mgf1sha1"),
        ("xmlenc11#rsa-oaep", "xmlenc#rsa-oaep-mgf1p"),
    ] {
        assert_eq!(encrypted_code(tamper(&xml, from, to)), "encryption_unsupported", "{to}");
    }
}

#[test]
fn one_encrypted_data_and_one_encrypted_key_are_read() {
    let xml = response("mgf1p-assertion-signed");
    let data = cut(&xml, "<xenc:EncryptedData ", "</xenc:EncryptedData>").to_owned();
    let key = cut(&xml, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>").to_owned();
    let info = cut(&xml, "<ds:KeyInfo ", "</ds:KeyInfo>").to_owned();
    let value = cut(&key, "<xenc:CipherValue>", "</xenc:CipherValue>").to_owned();
    for (from, to) in [
        (&data, String::new()),
        (&data, format!("{data}{}", data.replace("_ek1", "_ek2"))),
        (&data, format!("{data}{}", key.replace("_ek1", "_ek2"))),
        (&data, format!("{data}<other/>")),
        (&key, String::new()),
        (&key, format!("{key}{}", key.replace("_ek1", "_ek2"))),
        (&key, format!("<ds:RetrievalMethod URI=\"#_ek1\"/>{key}")),
        (&info, String::new()),
        (&info, format!("{info}{}", info.replace("_ek1", "_ek2"))),
        (&value, String::new()),
        (&value, value.repeat(2)),
        (&value, "<xenc:CipherReference URI=\"http://example.org\"/>".to_owned()),
        (&value, "<xenc:CipherValue>!</xenc:CipherValue>".to_owned()),
        (&value, "<xenc:CipherValue></xenc:CipherValue>".to_owned()),
    ] {
        let xml = tamper(&xml, from, &to);
        let to: String = to.chars().take(60).collect();
        assert_eq!(encrypted_code(xml), "encryption_malformed", "{to}");
    }
    assert_eq!(
        tampered(
            "Type=\"http://www.w3.org/2001/04/xmlenc#Element\"",
            "Type=\"http://www.w3.org/2001/04/xmlenc#Content\""
        ),
        "encryption_malformed"
    );
}

#[test]
fn a_key_beside_is_found_by_its_retrieval_method_only() {
    let xml = response("beside");
    assert_eq!(encrypted_code(&xml), "accepted");
    let method = cut(&xml, "<ds:RetrievalMethod ", "/>").to_owned();
    let key = cut(&xml, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>").to_owned();
    for (from, to) in [
        (method.as_str(), ""),
        ("URI=\"#_ek1\"", "URI=\"#_ek2\""),
        ("URI=\"#_ek1\"", "URI=\"\""),
        ("URI=\"#_ek1\"", ""),
        ("Id=\"_ek1\"", ""),
        ("xmlenc#EncryptedKey\"", "xmlenc#EncryptedData\""),
        (key.as_str(), ""),
    ] {
        assert_eq!(encrypted_code(tamper(&xml, from, to)), "encryption_malformed", "{to}");
    }
    let with_transforms = "<ds:RetrievalMethod URI=\"#_ek1\"><ds:Transforms/></ds:RetrievalMethod>";
    assert_eq!(encrypted_code(tamper(&xml, &method, with_transforms)), "encryption_malformed");
}

/// Changes base64 in the nth `CipherValue`: 0 is the key, 1 the content.
fn flip(nth: usize, at: usize) -> String {
    let xml = response("mgf1p-assertion-signed");
    let start = xml.match_indices("<xenc:CipherValue>").nth(nth).unwrap().0
        + "<xenc:CipherValue>".len()
        + at;
    let mut bytes = xml.into_bytes();
    bytes[start] = if bytes[start] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

#[test]
fn all_decryption_failures_look_alike() {
    let judge = Judge::with_keys(&sp());
    let foreign = Judge::with_keys(&fixture("keys/foreign.pem"));
    let xml = response("mgf1p-assertion-signed");
    let start = xml.rfind("<xenc:CipherValue>").unwrap();
    let value = cut(&xml[start..], "<xenc:CipherValue>", "</xenc:CipherValue>");
    let short = tamper(&xml, value, "<xenc:CipherValue>AAAA</xenc:CipherValue>");
    // A tag of which twelve bytes are left is a tag that can be guessed.
    let text = value.replace("<xenc:CipherValue>", "").replace("</xenc:CipherValue>", "");
    let mut content = STANDARD.decode(text.replace(char::is_whitespace, "")).unwrap();
    content.truncate(content.len() - 4);
    let content = STANDARD.encode(content);
    let short_tag = format!("<xenc:CipherValue>{content}</xenc:CipherValue>");
    let short_tag = tamper(&xml, value, &short_tag);
    let other_size = tamper(&response("mgf1p-assertion-signed"), "aes128-gcm", "aes256-gcm");
    for refusal in [
        judge.judge(flip(0, 0)),
        judge.judge(flip(0, 100)),
        judge.judge(flip(1, 0)),
        judge.judge(flip(1, 100)),
        judge.judge(short),
        judge.judge(short_tag),
        judge.judge(other_size),
        foreign.judge(response("mgf1p-assertion-signed")),
        foreign.judge(response("mgf1p-aes128-cbc-response-signed")),
    ] {
        assert_eq!(refusal, Err(Rejection::DecryptionFailed));
    }
}

#[test]
fn a_decrypted_assertion_is_judged_like_any_other() {
    let xml = response("mgf1p-assertion-signed");
    let late = Judge { now: "2026-11-22T13:00:00Z", ..Judge::with_keys(&sp()) };
    assert_eq!(late.code(&xml), "confirmation_expired");
    let nobody = tamper(&xml, "https://idp.example/entity", "https://other.example");
    assert_eq!(encrypted_code(nobody), "issuer_mismatch");
}

#[test]
fn an_encrypted_assertion_without_issuer_on_the_response_names_nobody() {
    let xml = response("mgf1p-assertion-signed");
    let issuer = cut(&xml, "<saml:Issuer>", "</saml:Issuer>").to_owned();
    assert_eq!(encrypted_code(tamper(&xml, &issuer, "")), "issuer_missing");
}

#[test]
fn keys_are_read_from_pem_one_after_another() {
    let both = format!("first\n{}between\n{}", fixture("keys/sp.pkcs1.pem"), sp());
    assert_eq!(format!("{:?}", DecryptionKeys::from_pem(&both).unwrap()), "DecryptionKeys(2)");
    assert_eq!(
        Judge::with_keys(&fixture("keys/sp.pkcs1.pem")).code(response("mgf1p-assertion-signed")),
        "accepted"
    );
}

#[test]
fn what_is_no_rsa_private_key_is_refused() {
    let refusal = |pem: &str| DecryptionKeys::from_pem(pem).unwrap_err();
    assert_eq!(refusal(""), DecryptionKeyError::Missing);
    assert_eq!(refusal("no key"), DecryptionKeyError::Missing);
    let block = |got: &str| DecryptionKeyError::Block { got: got.to_owned() };
    assert_eq!(refusal(&fixture("keys/sp.crt")), block("CERTIFICATE"));
    assert_eq!(refusal("-----BEGIN PRIVATE KEY-----\nAAAA"), block("noend"));
    assert_eq!(refusal(&sp().replace("M", "?")), DecryptionKeyError::Key { nth: 1 });
    assert_eq!(refusal(&fixture("keys/p256.pem")), DecryptionKeyError::Key { nth: 1 });
    assert_eq!(refusal(&fixture("keys/rsa1024.pem")), DecryptionKeyError::Key { nth: 1 });
    assert_eq!(refusal(&(sp() + &fixture("keys/p384.pem"))), DecryptionKeyError::Key { nth: 2 });
}
