//! What must hold of any bytes whatsoever: one function for each fuzz target.
//!
//! Compiled twice: into the fuzz targets, where coverage chooses the bytes, and into the unit tests,
//! which replay the committed ones. A check that does not hold panics.

#![expect(clippy::string_slice, reason = "the slices are made at ASCII characters that were found")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use strict_saml::{
    DecryptionKeys, Expected, IdpMetadata, Rejection, RequireSigned, ServiceProvider,
    UnverifiedResponse, canonical_form_twice,
};

/// What must hold of any bytes, or it panics.
pub type Check = fn(&[u8]);

/// A check for each target, by its name.
pub const ALL: [(&str, Check); 5] = [
    ("parser", parser),
    ("canonicalizer", canonicalizer),
    ("verify", verify),
    ("wrap", wrap),
    ("metadata", metadata),
];

/// A message is read, as XML and as base64 alike, or refused with a code.
pub fn parser(bytes: &[u8]) {
    let read = UnverifiedResponse::from_xml(bytes);
    let again = UnverifiedResponse::from_base64(STANDARD.encode(bytes).as_bytes());
    let _ = UnverifiedResponse::from_file(bytes);
    match (read, again) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.unverified_issuer(), other.unverified_issuer());
        }
        (Err(one), Err(other)) => {
            assert_eq!(one.code(), other.code());
            assert_is_told_safely(&one);
        }
        (one, other) => panic!("XML: {:?}, base64: {:?}", one.err(), other.err()),
    }
}

/// The canonical form is a document, and its own canonical form.
pub fn canonicalizer(bytes: &[u8]) {
    for with_comments in [false, true] {
        if let Some((once, twice)) = canonical_form_twice(bytes, with_comments) {
            assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
        }
    }
}

/// Whatever is accepted says exactly what one of the signed responses says.
pub fn verify(xml: &[u8]) {
    match judge(xml) {
        Ok(said) => assert!(SIGNED.identities.contains(&said), "nobody signed {said}"),
        Err(rejection) => assert_is_told_safely(&rejection),
    }
}

/// The same of documents that are put together from parts of signed responses: the bytes are
/// instructions that move, copy, swap, wrap and rename them.
pub fn wrap(instructions: &[u8]) {
    verify(&rewrapped(instructions));
}

/// Metadata gives usable keys and addresses that may stand in a header, or is refused.
pub fn metadata(xml: &[u8]) {
    let Ok(metadata) = IdpMetadata::parse(xml) else { return };
    assert!(!metadata.entity_id().is_empty() && !metadata.signing_keys().is_empty());
    for key in metadata.signing_keys() {
        assert!(metadata.has_key(key.fingerprint()) && key.fingerprint().len() == 64);
    }
    for url in [metadata.sso_redirect_url(), metadata.sso_post_url()].into_iter().flatten() {
        assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?}");
        let location =
            SIGNED.provider.login_redirect(url, "_id", Some("ä &"), Default::default(), SIGNED.now);
        assert!(location.starts_with(url) && location.is_ascii());
    }
    for warning in metadata.warnings(SIGNED.now) {
        assert!(!warning.to_string().is_empty());
    }
}

/// What the log gets is one line of bounded length, and the sentence holds nothing of the message.
fn assert_is_told_safely(rejection: &Rejection) {
    let detail = rejection.detail();
    assert!(!detail.contains(['\n', '\r', '\u{1b}']) && detail.chars().count() < 3_000, "{detail}");
    let known = Rejection::CODES.iter().any(|row| row.sentence == rejection.to_string());
    assert!(known, "{rejection}");
}

struct Signed {
    provider: ServiceProvider,
    idp: IdpMetadata,
    now: Timestamp,
    /// What may come out: the output of each signed response, as text.
    identities: BTreeSet<String>,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let certificates = [
        include_str!("../../tests/fixtures/keys/rsa2048.crt"),
        include_str!("../../tests/fixtures/keys/p256.crt"),
        include_str!("../../tests/fixtures/keys/p384.crt"),
    ];
    let keys: String = certificates
        .iter()
        .map(|pem| {
            let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            format!(
                "<KeyDescriptor><KeyInfo xmlns='http://www.w3.org/2000/09/xmldsig#'><X509Data>\
                 <X509Certificate>{base64}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
            )
        })
        .collect();
    let xml = format!(
        "<EntityDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata' \
         entityID='https://idp.example/entity'><IDPSSODescriptor>{keys}</IDPSSODescriptor>\
         </EntityDescriptor>"
    );
    let pem = concat!(
        include_str!("../../tests/fixtures/keys/sp.pem"),
        include_str!("../../tests/fixtures/keys/sp-next.pem")
    );
    let provider = ServiceProvider {
        entity_id: "https://sp.example/metadata".into(),
        acs_url: "https://sp.example/acs".into(),
        clock_skew: SignedDuration::from_secs(60),
        decryption_keys: DecryptionKeys::from_pem(pem).unwrap(),
    };
    let rows = [
        include_str!("../../tests/fixtures/responses.json"),
        include_str!("../../tests/fixtures/attacks.json"),
    ];
    let rows = rows.map(|text| serde_json::from_str::<BTreeMap<String, Value>>(text).unwrap());
    let outputs = rows.iter().flat_map(BTreeMap::values).map(|row| row["output"].to_string());
    Signed {
        provider,
        idp: IdpMetadata::parse(xml.as_bytes()).unwrap(),
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
        identities: outputs.collect(),
    }
});

fn judge(xml: &[u8]) -> Result<String, Rejection> {
    let Signed { provider, idp, now, .. } = &*SIGNED;
    let response = UnverifiedResponse::from_xml(xml)?;
    let expected = Expected { request_ids: &[], unsolicited: true };
    let accepted = provider.validate(response, idp, RequireSigned::Either, expected, *now)?;
    Ok(json!(accepted).to_string())
}

/// Signed responses small enough to be taken apart often.
const BASES: [&str; 8] = [
    include_str!("../../tests/fixtures/responses/xmlsec-assertion-signed.xml"),
    include_str!("../../tests/fixtures/responses/xmlsec-response-signed.xml"),
    include_str!("../../tests/fixtures/responses/signxml-both-signed.xml"),
    include_str!("../../tests/fixtures/responses/prefixes-default.xml"),
    include_str!("../../tests/fixtures/responses/prefix-list-default.xml"),
    include_str!("../../tests/fixtures/responses/encrypted-both-signed.xml"),
    include_str!("../../tests/fixtures/responses/encrypted-mgf1p-assertion-signed.xml"),
    include_str!("../../tests/fixtures/responses/signxml-p256-sha256.xml"),
];

/// Markup that wrapping takes, beside what is there.
const SNIPPETS: [&str; 16] = [
    "<samlp:Extensions xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol'>",
    "</samlp:Extensions>",
    "<saml:Advice xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion'>",
    "</saml:Advice>",
    "<ds:Object xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>",
    "</ds:Object>",
    "<!---->",
    "<![CDATA[x]]>",
    " ID='_a1'",
    " ID='_e1'",
    " Id='_a1'",
    " xmlns:x='urn:x'",
    " xmlns=''",
    "<x/>",
    "ann@example.org",
    "eve@example.org",
];

/// Carries out instructions of four bytes: what, which element, which other, which text.
fn rewrapped(instructions: &[u8]) -> Vec<u8> {
    let (first, rest) = instructions.split_first().unwrap_or((&0, &[]));
    let mut xml = BASES[usize::from(*first) % BASES.len()].to_owned();
    for instruction in rest.chunks_exact(4).take(8) {
        let [what, one, other, text] = [0, 1, 2, 3].map(|nth| usize::from(instruction[nth]));
        let elements = elements(&xml);
        if elements.is_empty() || xml.len() > 60_000 {
            break;
        }
        let (start, end) = elements[one % elements.len()];
        let (other_start, other_end) = elements[other % elements.len()];
        let element = xml[start..end].to_owned();
        let snippet = SNIPPETS[text % SNIPPETS.len()];
        let tag_end = xml[start..].find('>').map_or(start, |at| start + at);
        match what % 9 {
            0 => xml.replace_range(start..end, ""),
            1 => xml.insert_str(other_start, &element),
            2 => xml.insert_str(other_end, &element),
            3 => xml.replace_range(other_start..other_end, &element),
            4 => {
                let close = SNIPPETS[(text | 1) % 6];
                let open = SNIPPETS[(text & !1) % 6];
                xml.replace_range(start..end, &format!("{open}{element}{close}"));
            }
            5 => xml.insert_str(start, snippet),
            6 => xml.insert_str(tag_end, snippet.trim_end_matches('/')),
            7 => {
                xml.replace_range(start..end, &element.replace("_a1", "_e1").replace("ann", "eve"))
            }
            _ => {
                // The element moves into the other one, at its end.
                let inside = xml[..other_end].rfind("</").unwrap_or(other_end);
                xml.insert_str(inside, &element);
                if end <= other_start {
                    xml.replace_range(start..end, "");
                }
            }
        }
    }
    xml.into_bytes()
}

/// Where elements begin and end, as far as one can tell by looking at tags.
fn elements(xml: &str) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut elements = Vec::new();
    let mut at = 0;
    while let Some(start) = xml[at..].find('<').map(|next| at + next) {
        let Some(end) = xml[start..].find('>').map(|end| start + end + 1) else { break };
        let tag = &xml[start..end];
        if tag.starts_with("</") {
            elements.extend(open.pop().map(|start| (start, end)));
        } else if tag.ends_with("/>") {
            elements.push((start, end));
        } else if !tag.starts_with("<!") && !tag.starts_with("<?") {
            open.push(start);
        }
        at = end;
    }
    elements
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn replay(folder: &str, check: fn(&[u8])) -> usize {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let Ok(files) = std::fs::read_dir(folder) else { return 0 };
        files.map(|file| check(&std::fs::read(file.unwrap().path()).unwrap())).count()
    }

    #[test]
    fn every_check_holds_of_every_committed_seed() {
        for (name, check) in ALL {
            let seeds = replay(&format!("fuzz/seeds/{name}"), check);
            assert!(seeds >= 3 || ["parser", "canonicalizer", "verify"].contains(&name), "{name}");
        }
    }

    #[test]
    fn every_check_holds_of_every_fixture() {
        for folder in ["responses", "refused", "attacks"] {
            for (_, check) in ALL {
                assert!(replay(&format!("../tests/fixtures/{folder}"), check) > 30, "{folder}");
            }
        }
    }

    /// Instructions that change nothing leave what is accepted, and others do not stop short of it.
    #[test]
    fn rewrapping_is_near_what_is_accepted() {
        let accepted = |instructions: &[u8]| judge(&rewrapped(instructions)).is_ok();
        for base in 0..BASES.len() {
            assert!(accepted(&[base as u8]), "{base}");
        }
        let some = (0..=255).filter(|&one| accepted(&[1, 5, one, 0, 6])).count();
        assert!(some > 10, "{some}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(1_500))]

        #[test]
        fn whatever_is_accepted_of_rewrapped_responses_was_signed(
            instructions in proptest::collection::vec(proptest::prelude::any::<u8>(), 5..30)
        ) {
            wrap(&instructions);
        }
    }
}
