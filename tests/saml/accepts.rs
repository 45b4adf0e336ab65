//! What is accepted, and what is read from it.

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn responses_of_independent_signers_are_accepted_and_read_exactly() {
    let expected: Value = serde_json::from_str(&fixture("responses.json")).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 58);
    let mut failures = Vec::new();
    for (name, expected) in expected {
        let judge = match expected["sp_key"].as_str() {
            Some(_) => {
                Judge::with_keys(&(fixture("keys/sp.pkcs1.pem") + &fixture("keys/sp-next.pem")))
            }
            None => Judge::default(),
        };
        match judge.judge(fixture(&format!("responses/{name}.xml"))) {
            Ok(assertion) if json!(assertion) == expected["output"] => {}
            Ok(assertion) => failures.push(format!("{name}: {}", json!(assertion))),
            Err(rejection) => failures.push(format!("{name}: {rejection:?}")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_minted_response_is_accepted_wherever_it_is_signed() {
    for sign in [Sign::Assertion, Sign::Response, Sign::Both] {
        assert_eq!(judge(valid().sign(sign).xml()).unwrap().name_id().value, "ann@example.org");
    }
}
