//! Known attacks on SAML service providers: what each does, what stops it here, and the test that
//! shows it. The tests are in `tests/saml/`; a name without path is in `rejects.rs`.
//!
//! # Wrapping (XSW)
//!
//! A verifier finds the signed element by its ID, the reader finds the assertion by its place, and
//! the attacker arranges that these are two. Here a signature is found from the element that is
//! going to be read, must be its direct child, and must refer to that very element; nothing is
//! looked up. In addition, an ID may stand only once in a document, and a response or an assertion
//! in any other place refuses the whole, even where the genuine one would be read.
//!
//! | attack | what refuses it | test |
//! | --- | --- | --- |
//! | XSW1: genuine response in the signature's `Object` | `element_misplaced`; `Object` is refused anyway | `xsw1_is_refused` |
//! | XSW2: genuine response beside its detached signature | `element_misplaced` | `xsw2_is_refused` |
//! | XSW3: forged assertion before the genuine one | `assertion_repeated` | `xsw3_is_refused` |
//! | XSW4: genuine assertion inside the forged one | `element_misplaced` | `xsw4_is_refused` |
//! | XSW5: signature in the changed assertion, original at the end | `assertion_repeated` | `xsw5_is_refused` |
//! | XSW6: as XSW5, original inside the signature | `element_misplaced` | `xsw6_is_refused` |
//! | XSW7: forged assertion in `Extensions` | `element_misplaced` or `id_repeated` | `xsw7_is_refused` |
//! | XSW8: original in some element inside the signature | `element_misplaced` | `xsw8_is_refused` |
//! | the same ID on two elements, as `ID`, `Id`, `id` or `xml:id` | `id_repeated` | `repeated_ids_are_refused_under_each_of_their_names` |
//! | a signature moved to another element | `reference_mismatch`, or it does not count | `a_signature_from_another_element_is_refused`, `a_signature_deeper_in_the_assertion_does_not_sign_it` |
//! | a genuine user in a wrapped document | `element_misplaced` | `a_genuine_user_in_a_wrapped_document_is_refused` |
//! | a decrypted assertion that holds another | `element_misplaced` | `encryption.rs`: `what_others_signed_or_encrypted_is_refused_with_its_code` |
//!
//! # The signature itself
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | leaving the signature out | at least one is required; there is no switch | `a_stripped_signature_is_refused` |
//! | leaving out one of two, the weaker check | each that is there must verify; `require_signed` demands more | `a_signature_must_be_where_the_identity_provider_has_to_sign` |
//! | own key in `KeyInfo` | `KeyInfo` is never read | `a_foreign_key_in_key_info_is_refused` |
//! | the public key as HMAC secret | no MAC is known; a method takes only its own kind of key | `a_public_key_used_as_hmac_secret_is_refused` |
//! | `HMACOutputLength` of 0 | parameters are refused | `an_hmac_output_length_is_refused` |
//! | SHA-1 or MD5 collisions | not among the methods | `sha1_is_refused`, `md5_hmac_pss_and_unknown_algorithms_are_refused` |
//! | transforms that select something else, or run code (`XPath`, XSLT, base64) | exactly two transforms, fixed | `other_transforms_are_refused` |
//! | a canonicalization that gives nothing ("void") | one canonicalization, ours, which cannot fail | `inclusive_and_void_canonicalization_is_refused` |
//! | a second reference, or one to a file or URL | exactly one, to the parent's ID; nothing is fetched | `a_second_reference_is_refused`, `a_reference_to_anything_but_the_parents_id_is_refused` |
//! | small or foreign keys in metadata | RSA below 2048 bits and keys for encryption are not used | `metadata.rs`: `weak_and_unknown_keys_are_never_used`; `a_key_for_encryption_does_not_verify` |
//!
//! # Two readings of one document
//!
//! One parser, one tree; text is joined across comments exactly as canonicalization does.
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | `ann@example.org<!---->.evil.example` read as the first part | the whole text is read | `a_comment_does_not_truncate_a_text` |
//! | what one parser reads and another does not: DTD, entities, ill-formed markup, namespace tricks | refused, also in parts that nobody signed | `form.rs`: `any_doctype_is_refused`, `only_the_predefined_entities_are_known`, `tags_must_match_and_close`, `namespaces_are_used_as_namespaces_in_xml_has_it` |
//! | other namespaces with known names, known namespaces with strange prefixes | namespaces decide, prefixes never | `an_assertion_of_another_namespace_is_none`; `accepts.rs`: `responses_of_independent_signers_are_accepted_and_read_exactly` |
//! | an attribute named like another by `FriendlyName`, or pasted in later | keyed by `Name`, values only from the signed subtree | `accepts.rs`: `attributes_are_merged_by_name_over_all_statements_and_equal_values_stay`; `changed_content_is_refused` |
//! | differences nobody has thought of | two other implementations agree on generated documents; altered ones keep the identity | `differential.rs`, `mutations.rs` |
//!
//! # Somebody else's assertion
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | issued for another service | `Audience`, `Recipient`, `Destination`, each exact and required as the profile has it | `every_audience_restriction_must_name_us`, `the_recipient_is_exact`, `the_destination_is_exact_if_present_and_required_when_signed` |
//! | issued by another identity provider | issuers are exact; each provider's keys verify only for its own issuer | `the_assertions_issuer_is_required_and_exact` |
//! | an old one | every time, with skew, at its boundary | `the_confirmation_holds_until_not_on_or_after_plus_skew` and its neighbours |
//! | a used one | not here: the assertion's ID is consumed once; `Assertion::replayable_until` says until when it must be remembered | `accepts.rs`: `a_replay_is_possible_until_the_last_confirmation_ends` |
//! | an answer to somebody else's request | `InResponseTo` of the signed confirmation | `an_answer_names_the_request_in_the_confirmation_and_in_the_response_if_there` |
//! | mixing parts of two confirmations | one must hold on its own | `a_confirmation_that_does_not_hold_is_not_helped_by_the_parts_of_another` |
//! | a failure, sent on with an assertion | the status is read first | `a_status_other_than_success_is_refused` |
//!
//! # Encryption (`encryption.rs`)
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | padding oracle on AES-CBC | CBC only inside a response whose signature has verified | `cbc_needs_a_signed_response` |
//! | oracle on the wrapped key | RSA-OAEP only; a key that does not unwrap is replaced by a random one; one refusal for all | `all_decryption_failures_look_alike` |
//! | encrypting an own assertion to our public key | encryption proves nothing: the signature is still required | `what_others_signed_or_encrypted_is_refused_with_its_code` |
//! | plaintext that closes the element around it | it is parsed as one element by itself | the same |
//!
//! # Exhaustion
//!
//! Size, depth, elements and attributes are bounded before anything else; all work is linear in
//! the size. `benches/saml.rs` measures hostile documents. Tests: `form.rs`,
//! `at_most_262144_bytes_are_read` and its neighbours.
