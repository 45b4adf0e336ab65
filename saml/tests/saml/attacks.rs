//! What an attacker makes of genuine responses (`tests/fixtures/generate.py`, `attacks`), one test each,
//! with what must become of it. `saml/src/attacks.rs` says what each is about.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::*;

/// One test for each line: the file of that name is refused with exactly this code, or accepted and
/// read as what was signed, where the attack changes nothing.
macro_rules! attacks {
    ($($name:ident: $code:literal;)*) => {
        $(#[test]
        fn $name() {
            attack(stringify!($name), $code);
        })*

        /// A generated attack without a test would be one that nobody looks at.
        #[test]
        fn every_generated_attack_has_its_test() {
            let tested: BTreeMap<_, _> =
                [$((stringify!($name).replace('_', "-"), $code)),*].into();
            let generated = outcomes();
            let generated: BTreeMap<_, _> = generated
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, outcome)| (name.clone(), outcome["code"].as_str().unwrap()))
                .collect();
            assert_eq!(tested, generated);
        }
    };
}

fn outcomes() -> Value {
    serde_json::from_str(&fixture("attacks.json")).unwrap()
}

fn attack(name: &str, code: &str) {
    let name = name.replace('_', "-");
    let path = fixtures().join(format!("attacks/{name}.xml"));
    match Judge::default().judge(std::fs::read(path).unwrap()) {
        Ok(assertion) => {
            assert_eq!("accepted", code);
            assert_eq!(json!(assertion), outcomes()[name]["output"]);
        }
        Err(rejection) => assert_eq!(rejection.code(), code, "{}", rejection.detail()),
    }
}

attacks! {
    // -- wrapping
    xsw1: "element_misplaced";
    xsw2: "element_misplaced";
    xsw3: "assertion_repeated";
    xsw4: "element_misplaced";
    xsw5: "assertion_repeated";
    xsw6: "element_misplaced";
    xsw7: "element_misplaced";
    xsw8: "element_misplaced";
    wrapped_in_extensions_with_the_same_id: "id_repeated";
    wrapped_with_the_same_id_in_mixed_case: "id_repeated";
    wrapped_with_the_same_id_in_lower_case: "id_repeated";
    wrapped_with_the_same_xml_id: "id_repeated";
    an_id_in_a_namespace: "reference_mismatch";
    an_assertion_in_the_signature_of_a_signed_refusal: "element_misplaced";
    an_assertion_in_a_second_signature_of_a_signed_refusal: "element_misplaced";
    an_assertion_beside_a_signed_refusal: "status_not_success";
    a_signed_refusal_turned_into_a_success: "digest_mismatch";
    a_signed_assertion_in_a_logout: "root_unexpected";
    the_assertion_itself_as_the_message: "root_unexpected";
    a_response_in_a_response: "element_misplaced";
    an_assertion_in_the_status: "element_misplaced";
    an_assertion_in_an_attribute_value: "element_misplaced";
    an_assertion_in_advice_of_nothing: "element_misplaced";
    // -- the signature itself
    a_digest_in_the_status_detail: "digest_mismatch";
    a_digest_in_extensions: "digest_mismatch";
    a_digest_in_a_comment: "digest_mismatch";
    a_digest_before_a_comment: "signature_malformed";
    a_second_digest: "signature_malformed";
    a_second_signed_info_first: "signature_malformed";
    a_second_signed_info_last: "signature_malformed";
    a_signed_info_in_an_object: "signature_malformed";
    a_changed_digest: "signature_invalid";
    a_second_reference_first: "reference_repeated";
    a_second_reference_last: "reference_repeated";
    a_reference_empty: "reference_mismatch";
    a_reference_of_the_response: "reference_mismatch";
    a_reference_by_xpointer: "reference_mismatch";
    a_reference_to_everything: "reference_mismatch";
    a_reference_to_a_file: "reference_mismatch";
    a_reference_to_a_server: "reference_mismatch";
    a_reference_with_a_space: "reference_mismatch";
    no_reference_uri: "reference_mismatch";
    the_assertions_signature_on_the_response: "reference_mismatch";
    content_in_a_second_signature: "signature_repeated";
    content_in_a_signature_further_down: "digest_mismatch";
    a_transform_xslt: "transforms_unsupported";
    a_transform_xpath: "transforms_unsupported";
    a_transform_xpath_filter: "transforms_unsupported";
    a_transform_base64: "transforms_unsupported";
    a_transform_second_enveloped: "transforms_unsupported";
    void_canonicalization: "digest_mismatch";
    void_canonicalization_and_its_digest: "signature_invalid";
    void_canonicalization_of_signed_info: "signature_invalid";
    no_canonicalization: "algorithm_unsupported";
    no_signature: "signature_missing";
    an_empty_signature: "signature_malformed";
    an_empty_signature_value: "signature_malformed";
    a_signature_of_another_namespace: "signature_missing";
    an_own_key_with_its_certificate: "signature_invalid";
    an_own_key_with_its_value: "signature_invalid";
    an_own_key_to_be_fetched: "signature_invalid";
    the_genuine_certificate_with_an_own_signature: "signature_invalid";
    the_certificate_as_hmac_sha1_secret: "algorithm_unsupported";
    the_certificate_as_hmac_sha256_secret: "algorithm_unsupported";
    the_method_dsa: "algorithm_unsupported";
    the_method_md5: "algorithm_unsupported";
    the_method_none: "algorithm_unsupported";
    an_ecdsa_signature_of_zero: "signature_invalid";
    an_ecdsa_signature_of_zero_for_the_larger_curve: "signature_invalid";
    an_ecdsa_signature_of_one: "signature_invalid";
    an_rsa_signature_of_zeroes: "signature_invalid";
    an_rsa_signature_of_one: "signature_invalid";
    // -- two readings of one document
    an_entity_for_the_name: "doctype_refused";
    an_entity_without_declaration: "xml_malformed";
    an_external_entity: "doctype_refused";
    a_parameter_entity: "doctype_refused";
    an_external_subset: "doctype_refused";
    a_billion_laughs: "doctype_refused";
    a_default_attribute: "doctype_refused";
    a_default_namespace_by_doctype: "doctype_refused";
    a_notation: "doctype_refused";
    a_doctype_in_the_middle: "doctype_refused";
    an_instruction_in_the_name: "processing_instruction_refused";
    a_stylesheet: "processing_instruction_refused";
    a_comment_that_truncates_the_name: "accepted";
    a_cdata_section_that_truncates_the_name: "accepted";
    an_element_that_truncates_the_name: "digest_mismatch";
    a_null_character: "xml_malformed";
    a_null_byte: "xml_malformed";
    a_second_root: "xml_malformed";
    text_behind_the_root: "xml_malformed";
    an_attribute_twice: "xml_malformed";
    an_attribute_twice_by_two_prefixes: "namespace_malformed";
    a_prefix_undeclared: "namespace_malformed";
    a_prefix_not_declared: "namespace_malformed";
    the_prefix_xml_bound_anew: "namespace_malformed";
    another_namespace_for_the_prefix: "assertion_missing";
    the_namespace_of_saml_1: "assertion_missing";
    a_namespace_with_a_space: "assertion_missing";
    an_element_in_lower_case: "assertion_missing";
    an_element_with_a_cyrillic_letter: "assertion_missing";
    xml_1_1: "xml_declaration_unsupported";
    utf_7: "xml_declaration_unsupported";
    utf_16: "not_utf8";
    latin_1: "not_utf8";
    a_byte_order_mark: "not_utf8";
    overlong_utf_8: "not_utf8";
    // -- somebody else's, or another time's
    for_another_service: "audience_mismatch";
    for_a_service_whose_name_begins_like_ours: "audience_mismatch";
    for_us_with_a_space: "audience_mismatch";
    for_everybody: "audience_missing";
    for_another_address: "recipient_mismatch";
    sent_to_another_address: "destination_mismatch";
    of_another_identity_provider: "issuer_mismatch";
    in_the_name_of_another_identity_provider: "issuer_mismatch";
    yesterdays: "confirmation_expired";
    tomorrows: "not_yet_valid";
    a_time_in_another_zone: "time_malformed";
    without_an_end: "confirmation_incomplete";
    an_answer_to_somebody_elses_request: "request_unknown";
    an_answer_without_its_question: "in_response_to_mismatch";
    confirmed_by_a_key: "confirmation_missing";
    confirmed_by_somebody_else: "confirmation_missing";
    a_failure_passed_on: "status_not_success";
    a_success_within_a_failure: "status_not_success";
    of_version_1_1: "version_unsupported";
    a_condition_that_nobody_knows: "condition_unknown";
    two_names: "name_id_malformed";
    two_subjects: "subject_malformed";
    attributes_beside_the_assertion: "accepted";
    attributes_in_extensions: "accepted";
    attributes_added: "digest_mismatch";
    an_attribute_with_a_familiar_friendly_name: "accepted";
    // -- exhaustion
    deeply_nested: "too_deep";
    many_attributes: "too_many_attributes";
    compressed: "not_utf8";
    a_compressed_bomb: "not_utf8";
}
