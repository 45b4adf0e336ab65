//! Known attacks on SAML service providers and on what stands around them: what each does, what stops
//! it here, and the tests that show it.
//!
//! Names of tests are without path. Those that begin with `test_` are in `tests/system/`,
//! `tests/browser/` and `tests/admin/` of the repository: they attack `studio-broker`, which stands on
//! this crate. The others are in `saml/tests/saml/` or beside the code. Most of the documents are in
//! `tests/fixtures/attacks/`, made from genuine responses by `tests/fixtures/generate.py`, and have a test
//! each in `saml/tests/saml/attacks.rs`. Further tests in `saml/tests/saml/rejects.rs` change one thing
//! about a valid response. `tests/attacks_page.rs` holds this page against the tests.
//!
//! # Wrapping (XSW)
//!
//! A verifier finds the signed element by its ID, the reader finds the assertion by its place, and
//! the attacker arranges that these are two. Here a signature is found from the element that is
//! going to be read, must be its direct child, and must refer to that very element; nothing is
//! looked up. In addition, an ID may stand only once in a document, and a response or an assertion
//! in any other place refuses the whole, even where the genuine one would be read.
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | XSW1, XSW2: genuine response inside the signature, or beside it | `element_misplaced` | `xsw1`, `xsw1_is_refused`, `xsw2`, `xsw2_is_refused` |
//! | XSW3: forged assertion before the genuine one (OneUptime CVE-2026-34840, authentik CVE-2026-25922), or behind it (crewjam CVE-2022-41912) | `assertion_repeated` | `xsw3`, `xsw3_is_refused`, `a_forged_assertion_behind_the_genuine_one_is_refused`, `two_assertions_are_refused_although_both_are_signed` |
//! | XSW4: genuine assertion inside the forged one | `element_misplaced` | `xsw4`, `xsw4_is_refused` |
//! | XSW5, XSW6: signature in the changed assertion, original at the end or inside the signature | `assertion_repeated`, `element_misplaced` | `xsw5`, `xsw5_is_refused`, `xsw6`, `xsw6_is_refused` |
//! | XSW7, XSW8: original in `Extensions` or `Object` (OneUptime 2026) | `element_misplaced` or `id_repeated` | `xsw7`, `xsw7_is_refused`, `xsw8`, `xsw8_is_refused` |
//! | the same ID on two elements, as `ID`, `Id`, `id` or `xml:id` (lightsaml CVE-2026-63182) | `id_repeated` | `wrapped_in_extensions_with_the_same_id`, `wrapped_with_the_same_id_in_mixed_case`, `wrapped_with_the_same_id_in_lower_case`, `wrapped_with_the_same_xml_id`, `repeated_ids_are_refused_under_each_of_their_names` |
//! | an ID in a namespace beside the real one (attribute pollution, "The Fragile Lock", 2025) | an `ID` has no namespace | `an_id_in_a_namespace` |
//! | a forgery inside the signature of a signed refusal, or in a second, decoy signature (OneUptime 2026) | `Object` and second signatures are refused; assertions stand in their place only | `an_assertion_in_the_signature_of_a_signed_refusal`, `an_assertion_in_a_second_signature_of_a_signed_refusal` |
//! | a signed refusal, completed by a forgery | its status counts, and is signed | `an_assertion_beside_a_signed_refusal`, `a_signed_refusal_turned_into_a_success` |
//! | a signed assertion inside a message of another kind (samlify, 2026) | only a `Response` is read | `a_signed_assertion_in_a_logout`, `the_assertion_itself_as_the_message`, `another_root_is_refused` |
//! | an assertion or a response in any other place | `element_misplaced` | `a_response_in_a_response`, `an_assertion_in_the_status`, `an_assertion_in_an_attribute_value`, `an_assertion_in_advice_of_nothing`, `a_genuine_user_in_a_wrapped_document_is_refused` |
//! | a signature moved to another element | `reference_mismatch`, or it does not count | `the_assertions_signature_on_the_response`, `a_signature_from_another_element_is_refused`, `a_signature_deeper_in_the_assertion_does_not_sign_it` |
//! | claims read from the document that came instead of the one that verified (node-saml CVE-2025-54369, CVE-2025-54419) | there is one tree, and claims come from the verified handle alone | `changed_content_is_refused`, `whatever_is_accepted_of_rewrapped_responses_was_signed` |
//!
//! # The signature itself
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | leaving it out, or all but its name; checks that a setting switches off | at least one is required; there is no switch, and an identity provider without a key cannot be configured (SolarWinds CVE-2026-28323, PAN-OS CVE-2020-2021, Fortinet CVE-2025-59718) | `no_signature`, `an_empty_signature`, `an_empty_signature_value`, `a_signature_of_another_namespace`, `a_stripped_signature_is_refused`, `test_metadata_that_breaks_a_rule_is_refused` |
//! | leaving out one of two, the weaker check | each that is there must verify; `require_signed` demands more | `a_signature_must_be_where_the_identity_provider_has_to_sign`, `test_what_must_be_signed_is_said_by_the_idps_item` |
//! | an own key in `KeyInfo`: certificate, value, or an address (xml-crypto CVE-2024-32962, `Net::SAML2` CVE-2026-18089) | `KeyInfo` is never read, nothing is fetched | `an_own_key_with_its_certificate`, `an_own_key_with_its_value`, `an_own_key_to_be_fetched`, `the_genuine_certificate_with_an_own_signature` |
//! | the public key as HMAC secret (`XmlSecLibs` CVE-2018-7644) | no MAC is known; a method takes only its own kind of key | `the_certificate_as_hmac_sha1_secret`, `the_certificate_as_hmac_sha256_secret`, `a_public_key_used_as_hmac_secret_is_refused`, `an_hmac_output_length_is_refused` |
//! | other methods; another kind of key than the method's | fixed list | `the_method_dsa`, `the_method_md5`, `the_method_none`, `a_method_for_another_kind_of_key_is_refused`, `md5_hmac_pss_and_unknown_algorithms_are_refused`, `sha1_is_refused` |
//! | numbers that satisfy careless arithmetic ("psychic signatures", CVE-2022-21449) | aws-lc checks ranges and padding | `an_ecdsa_signature_of_zero`, `an_ecdsa_signature_of_zero_for_the_larger_curve`, `an_ecdsa_signature_of_one`, `an_rsa_signature_of_zeroes`, `an_rsa_signature_of_one` |
//! | a digest where a careless reader finds it first (ruby-saml CVE-2024-45409) | only the reference's own is read | `a_digest_in_the_status_detail`, `a_digest_in_extensions`, `a_second_digest`, `a_changed_digest`, `a_digest_that_only_begins_or_ends_like_the_genuine_one_is_refused` |
//! | a digest in or around a comment (xml-crypto CVE-2025-29775) | the whole text is read, as it is canonicalized | `a_digest_in_a_comment`, `a_digest_before_a_comment` |
//! | a second `SignedInfo` (xml-crypto CVE-2025-29774) | fixed content, in order | `a_second_signed_info_first`, `a_second_signed_info_last`, `a_signed_info_in_an_object` |
//! | a second reference, or one to something else, somewhere else, or one that ends a query (`XML::Sig` CVE-2026-9390) | exactly one, to the parent's ID | `a_second_reference_first`, `a_second_reference_last`, `a_reference_empty`, `a_reference_of_the_response`, `a_reference_by_xpointer`, `a_reference_to_everything`, `a_reference_to_a_file`, `a_reference_to_a_server`, `a_reference_with_a_space`, `no_reference_uri`, `a_reference_to_anything_but_the_parents_id_is_refused` |
//! | content hidden in a signature, where all signatures are left out of the digest | only the one that is verified is left out | `content_in_a_second_signature`, `content_in_a_signature_further_down` |
//! | transforms that select something else, read files or run code (Santuario CVE-2021-40690, ManageEngine CVE-2022-47966) | exactly two, fixed | `a_transform_xslt`, `a_transform_xpath`, `a_transform_xpath_filter`, `a_transform_base64`, `a_transform_second_enveloped` |
//! | a canonicalization that gives nothing ("void", 2025: ruby-saml CVE-2025-66568 and others) | one canonicalization, ours, which does not fail | `void_canonicalization`, `void_canonicalization_and_its_digest`, `void_canonicalization_of_signed_info`, `no_canonicalization`, `inclusive_and_void_canonicalization_is_refused` |
//! | metadata whose keys have no `use`, or that have no key (Keycloak CVE-2026-16443) | such a key signs; without a key there is no provider | `keys_without_use_sign_and_keys_for_encryption_do_not`, `test_metadata_that_breaks_a_rule_is_refused` |
//! | the key of a CA, which stands in metadata beside the one that signs | one key for each `X509Data`, that of the certificate which issued none of the others | `the_issuing_cas_key_beside_the_signing_one_signs_nobody_in`, `the_order_of_a_chain_does_not_matter`, `of_a_chain_with_an_unreadable_certificate_nobody_signs`, `more_certificates_than_a_chain_has_are_not_used` |
//! | small keys, keys for encryption, keys of other roles | not used | `weak_and_unknown_keys_are_never_used`, `a_key_for_encryption_does_not_verify` |
//!
//! # Two readings of one document
//!
//! One parser, one tree; text is joined across comments exactly as canonicalization does.
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | `ann@example.org<!---->.evil.example` read as the first part (2018: CVE-2017-11427 to 11430, CVE-2018-0489, CVE-2018-7340) | the whole text is read | `a_comment_that_truncates_the_name`, `a_cdata_section_that_truncates_the_name`, `an_element_that_truncates_the_name`, `a_comment_does_not_truncate_a_text` |
//! | entities, internal, external, parameters; default attributes and namespaces (GitHub CVE-2025-23369, ruby-saml CVE-2025-25291; a directive that is not read as it was written, Go CVE-2020-29510) | any DOCTYPE is refused | `an_entity_for_the_name`, `an_entity_without_declaration`, `an_external_entity`, `a_parameter_entity`, `an_external_subset`, `a_default_attribute`, `a_default_namespace_by_doctype`, `a_notation`, `a_doctype_in_the_middle` |
//! | processing instructions | refused | `an_instruction_in_the_name`, `a_stylesheet` |
//! | characters that end a text elsewhere | XML does not allow them | `a_null_character`, `a_null_byte` |
//! | two roots, text behind the root (xmldom CVE-2022-39353, passport-saml CVE-2022-39299) | not well-formed | `a_second_root`, `text_behind_the_root` |
//! | an attribute twice | not well-formed, also by two prefixes | `an_attribute_twice`, `an_attribute_twice_by_two_prefixes` |
//! | namespaces that parsers read differently (ruby-saml CVE-2025-25292, CVE-2025-66567; Go's `encoding/xml`, CVE-2020-29509, CVE-2020-29511) | namespaces decide, prefixes never; what is not namespace-well-formed is refused | `a_prefix_undeclared`, `a_prefix_not_declared`, `the_prefix_xml_bound_anew`, `another_namespace_for_the_prefix`, `the_namespace_of_saml_1`, `a_namespace_with_a_space`, `an_assertion_of_another_namespace_is_none` |
//! | names that look alike | compared byte for byte | `an_element_in_lower_case`, `an_element_with_a_cyrillic_letter` |
//! | other encodings, which signer and reader decode differently | UTF-8 without byte order mark only | `xml_1_1`, `utf_7`, `utf_16`, `latin_1`, `a_byte_order_mark`, `overlong_utf_8` |
//! | attributes where nobody signed, or under a familiar `FriendlyName` (attribute pollution, passport-wsfed-saml2 CVE-2025-46573) | keyed by `Name`, values only from the signed subtree | `attributes_beside_the_assertion`, `attributes_in_extensions`, `attributes_added`, `an_attribute_with_a_familiar_friendly_name` |
//! | differences nobody has thought of | two other implementations agree on generated documents; what is accepted of altered ones was signed | `canonicalization_is_that_of_libxml2`, `what_is_accepted_others_verify_too`, `what_is_accepted_of_altered_responses_others_verify_too`, `what_is_well_formed_is_what_libxml2_finds_well_formed`, `no_altered_response_is_accepted_with_another_identity`, `every_check_holds_of_every_fixture`, `every_check_holds_of_every_committed_seed` |
//!
//! # Somebody else's assertion, or another time's
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | issued for another service (authentik CVE-2026-41577) | `Audience`, `Recipient`, `Destination`, each exact and required as the profile has it | `for_another_service`, `for_a_service_whose_name_begins_like_ours`, `for_us_with_a_space`, `for_everybody`, `for_another_address`, `sent_to_another_address`, `every_audience_restriction_must_name_us` |
//! | issued by another identity provider | issuers are exact; each provider's keys verify only for its own issuer | `of_another_identity_provider`, `in_the_name_of_another_identity_provider`, `test_a_response_of_one_idp_in_the_name_of_another_is_refused` |
//! | an old one, a future one, one without an end, a time that can be read in two ways | every time, with skew, at its boundary; UTC only | `yesterdays`, `tomorrows`, `without_an_end`, `a_time_in_another_zone`, `the_confirmation_holds_until_not_on_or_after_plus_skew` |
//! | an answer to somebody else's request, or one without its question | `InResponseTo` of the signed confirmation, bound to this browser | `an_answer_to_somebody_elses_request`, `an_answer_without_its_question`, `test_an_answer_to_a_request_of_another_browser_is_refused`, `test_a_request_to_one_idp_is_not_answered_by_another`, `test_one_request_has_one_answer` |
//! | confirmed in a way that proves nothing here | bearer only, complete on its own | `confirmed_by_a_key`, `confirmed_by_somebody_else`, `a_confirmation_that_does_not_hold_is_not_helped_by_the_parts_of_another` |
//! | a failure, sent on with an assertion | the status is read first | `a_failure_passed_on`, `a_success_within_a_failure` |
//! | two subjects, two names, an older protocol, an unknown condition | refused | `two_names`, `two_subjects`, `of_version_1_1`, `a_condition_that_nobody_knows` |
//! | signatures over the query of other bindings (OpenSAML CVE-2025-31335, SimpleSAMLphp CVE-2025-27773) | responses come by HTTP-POST alone; nothing in a query is believed | `test_other_methods_are_405_and_the_answer_names_those_that_are_allowed` |
//!
//! # Encryption
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | encrypting an own assertion to our public key (GitHub CVE-2024-4985, CVE-2024-9487, `Net::SAML2` CVE-2026-18108) | encryption proves nothing: the signature is still required | `what_others_signed_or_encrypted_is_refused_with_its_code` |
//! | padding oracle on AES-CBC | CBC only inside a response whose signature has verified | `cbc_needs_a_signed_response`, `the_responses_signature_is_verified_before_anything_is_decrypted` |
//! | oracle on the wrapped key | RSA-OAEP only; a key that does not unwrap is replaced by a random one; one refusal for all | `all_decryption_failures_look_alike` |
//! | a tag of AES-GCM that is cut short, to be guessed (`XmlSecLibs` CVE-2026-32313) | 16 bytes or none | `all_decryption_failures_look_alike` |
//! | transforms and references in what is to be decrypted (OpenSAML, 2022) | fixed content; `RetrievalMethod` points beside it or nowhere | `one_encrypted_data_and_one_encrypted_key_are_read`, `a_key_beside_is_found_by_its_retrieval_method_only` |
//! | plaintext that closes the element around it, or holds a second assertion | it is parsed as one element by itself, with the same rules | `what_others_signed_or_encrypted_is_refused_with_its_code`, `a_decrypted_assertion_is_judged_like_any_other` |
//!
//! # Exhaustion
//!
//! Everything is bounded before it is worked on, and all work is linear in the size. That nothing takes
//! longer than 100 ms is shown to hold by `saml/benches/saml.rs`, which measures the documents of whoever
//! thought about it against harmless ones of their size (at most three times as long),
//! and by `saml/benches/slowest.rs`, which changes documents at random and keeps what costs most per byte.
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | size, depth, elements, attributes | 256 KB, 64, 20,000, 64 | `deeply_nested`, `many_attributes`, `at_most_262144_bytes_are_read`, `at_most_20000_elements_are_read`, `test_a_body_over_512_kilobytes_is_413_through_every_front` |
//! | entities that multiply | no entity is declared | `a_billion_laughs` |
//! | namespaces that multiply: one long URI, written out at thousands of elements when canonicalized | the canonical form is bounded, too | `a_canonical_form_of_more_than_768_kib_is_refused`, `test_a_document_that_would_grow_to_gigabytes_is_refused_at_once` |
//! | namespaces that are compared: long URIs, written once, sorted, looked up and held against each other at thousands of attributes (an expired response is enough: its `SignedInfo` still verifies) | a URI is an integer from the moment it is read | `long_namespaces_cost_no_more_than_short_ones`, `equal_texts_are_equal_integers_and_ranks_are_their_order` |
//! | a signature that keeps comments: its content may have been digested in two ways | it is written once, and the comments are cut out | `comments_are_cut_out_wherever_they_stand` |
//! | places that are looked for upwards: assertions deep in an advice | one pass downwards | `what_stands_deep_in_an_advice_costs_no_more_than_beside_it` |
//! | a value of 250 KB in a refusal, escaped for the log | cut while it is escaped | `a_long_value_is_cut_in_the_detail` |
//! | compression (ruby-saml CVE-2025-25293, crewjam CVE-2023-28119, gosaml2 CVE-2023-26483) | nothing is decompressed | `compressed`, `a_compressed_bomb` |
//! | rows in the tables, calls to AWS | nothing is written before a response has verified; an unknown issuer costs one read | `test_a_thousand_anonymous_requests_write_nothing`, `test_nothing_is_written_before_a_response_has_verified`, `test_an_issuer_that_no_key_can_hold_is_unknown_and_asks_for_nothing`, `test_a_hundred_made_up_issuers_do_not_push_a_real_one_aside` |
//! | an account's quota of profiles | profiles are for the entitled alone; a full account serves those who have one | `test_a_quota_that_is_reached_stops_new_profiles_and_nobody_elses` |
//! | crashes and memory that is read beyond its end (Shibboleth and goxmldsig; Citrix CVE-2026-3055, CVE-2026-8451) | no `unsafe`, no panic in the code of this package, which is fuzzed | `test_garbage_is_answered_or_cut_quickly_and_harms_nobody`, `test_no_event_made_the_function_panic`, `no_bytes_panic` |
//!
//! # One response, used twice
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | a used response at the same or at another process, in another browser, after the sign-out, after a sweep of the table | one conditional write is replay guard and session; the record outlives every clock that could accept the response | `test_the_same_response_twice_is_refused_by_any_process`, `test_a_replay_in_another_browser_gives_it_nothing`, `test_after_signing_out_the_response_is_still_a_replay`, `test_a_response_that_is_swept_too_early_cannot_exist`, `a_replay_is_possible_until_the_last_confirmation_ends` |
//! | the same assertion in another response | its ID counts, not the response's | `test_another_response_with_the_same_assertion_id_is_a_replay` |
//! | many at once | the write decides | `test_of_fifty_posts_at_once_to_two_processes_exactly_one_signs_in`, `test_of_two_hundred_posts_at_once_to_ten_processes_exactly_one_signs_in`, `test_two_hundred_people_at_ten_processes_each_get_their_own` |
//! | the moment at which an answer is lost, or a process dies | our own write is told by a secret of its own; the next request carries on | `test_an_answer_that_was_lost_makes_nobody_elses_post_ours`, `test_killed_while_a_response_is_consumed_the_person_signs_in_again`, `test_killed_while_a_team_opens_for_the_first_time_the_next_request_carries_on`, `test_killed_while_a_profile_is_updated_the_next_request_carries_on`, `test_killed_while_a_profile_is_adopted_the_next_request_carries_on`, `test_killed_while_somebody_signs_out_they_sign_out_again`, `test_killed_without_warning_a_process_leaves_nothing_that_stops_the_next` |
//!
//! # The browser
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | login CSRF: the attacker's own response, posted by the victim's browser | what nobody asked for counts only for this browser's last owner; `allow_unsolicited` switches it off | `test_a_response_for_somebody_else_starts_a_sign_in_and_is_not_consumed`, `test_an_attackers_response_does_not_end_the_victims_session`, `test_where_only_answers_are_accepted_an_unsolicited_response_is_refused` |
//! | session fixation and swapping | key and secret are fresh at each sign-in | `test_a_sign_in_replaces_the_session_that_a_browser_brings`, `test_the_secret_alone_or_with_another_key_is_no_session`, `test_a_made_up_session_cookie_is_no_session` |
//! | cookies tossed from a sibling domain, doubled, or under names that another reader would trim to ours ("Cookie Chaos", 2025) | `__Host-`, names compared byte for byte; twice is absent | `test_a_session_cookie_that_appears_twice_counts_as_absent`, `test_a_request_cookie_that_appears_twice_counts_as_absent`, `cookies_of_other_sites_neither_hide_ours_nor_become_one_of_ours` |
//! | a sibling's cookie that makes the whole header unreadable, and with it the last owner unknown | bytes that are not ours are skipped | `test_a_cookie_of_another_site_hides_neither_session_nor_last_owner` |
//! | signing somebody out from elsewhere | the session's cookie does not come with another site's post | `test_a_post_of_another_site_signs_nobody_out`, `test_a_form_of_another_site_signs_nobody_out` |
//! | prefetchers, frames, embedding pages that open teams | only a navigation opens | `test_what_is_no_navigation_opens_nothing`, `test_head_on_a_team_is_405_and_opens_nothing` |
//! | links with foreign spaces or apps | a space is the team's, or owned by this profile; apps are a fixed list | `test_a_persons_own_space_is_used_and_nobody_elses`, `test_any_other_app_is_ignored` |
//! | script and frames in pages | no script, strict policy, everything escaped | `test_pages_hold_no_script_and_nothing_from_elsewhere`, `test_what_administrators_write_is_text_on_pages_and_never_markup`, `test_every_answer_forbids_caching_referring_sniffing_and_framing` |
//!
//! # Addresses
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | open redirects by `RelayState` or parameters | no value from a request is a redirect target | `test_anything_else_in_relay_state_is_ignored`, `test_other_parameters_in_relay_state_are_ignored`, `test_no_parameter_is_a_redirect_target`, `a_destination_is_a_team_path_and_two_parameters_and_nothing_else` |
//! | header injection | team ids and spaces are parsed; headers cannot hold line ends | `test_a_path_that_means_something_elsewhere_means_nothing_here` |
//! | `Host` and `X-Forwarded-Host` | never believed: addresses come from the public URL | `test_the_host_of_a_request_is_never_believed` |
//! | stage and base path, taken off once too often | the public URL's path, else the stage, once | `the_public_urls_path_goes_first_else_the_stage`, `test_stage_and_base_path_are_taken_from_the_path_wherever_they_stand` |
//! | `X-Forwarded-For` that the client wrote | counted from the right, as the setting says | `test_behind_proxies_the_nth_entry_from_the_right_counts`, `forwarded_counts_from_the_right_over_all_headers` |
//! | an answer of AWS that leads elsewhere | https, no user part, the Region's Studio | `test_only_an_address_of_the_regions_studio_is_followed`, `only_the_regions_studio_over_https_is_followed` |
//! | sign-in addresses in metadata that are script, or end the page's own markup (Spring Security CVE-2026-41003) | https, printable ASCII | `addresses_are_https_or_loopback` |
//!
//! # Readers of tables and logs
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | a session out of the state table | the table holds the secret's SHA-256 alone | `test_whoever_reads_the_table_has_no_session`, `test_keys_and_secrets_are_256_bits_and_fresh_each_time` |
//! | a response, cookie, URL, key or credential out of the log or a page (Santuario CVE-2023-44483) | they have no field in it, at any level | `test_nothing_secret_is_written_even_when_everything_is_logged`, `test_nothing_secret_stands_in_a_page`, `test_a_page_about_aws_tells_no_internals`, `a_studio_url_cannot_be_printed` |
//! | lines of one's own in the log, terminal sequences | JSON lines; values from before verification are marked, escaped and cut | `test_no_request_writes_a_line_of_its_own`, `test_a_refused_response_is_one_line_and_its_claims_are_marked_as_unverified`, `test_what_a_refused_response_says_is_marked_as_unverified_too` |
//! | finding out which teams there are | unknown, not granted and paused look alike, also when groups cannot be read | `test_unknown_not_granted_and_paused_teams_look_alike_to_those_without_a_right`, `test_a_store_that_does_not_answer_tells_nobody_which_teams_there_are` |
//!
//! # Administrators of something else
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | an identity provider's administrator who wants to be somebody of another one | names are injective over directory and user id; a profile opens only by its tags | `test_an_idp_administrator_is_somebody_of_their_own_directory_at_most`, `test_people_of_another_directory_never_share_a_name`, `owners_and_profiles_are_legal_and_never_shared`, `a_user_id_cannot_be_chosen_to_equal_a_digest_name` |
//! | one who lets the group of another one be said | `entity-id#group` counts at that IdP alone, also while that one is switched off; `plan` and `doctor` call out bare groups of several directories | `a_group_with_an_entity_id_in_front_counts_at_that_idp_alone`, `test_a_group_that_is_bound_to_one_idp_counts_nowhere_else`, `a_bare_group_that_two_directories_can_say_is_called_out` |
//! | one whose provider was switched off, or taken away (Keycloak CVE-2026-2603) | the item counts at each sign-in and each opening | `test_a_switched_off_idp_looks_like_an_unknown_one`, `test_an_idp_that_is_removed_ends_its_sessions` |
//! | a door that is thought to be closed: `Enabled: false`, `denied_user` | a name that is one that takes access away but for case, `_`, `-` or one letter closes the item | `a_misspelt_attribute_that_takes_access_away_closes_the_item`, `test_a_misspelt_attribute_that_takes_access_away_closes_the_team` |
//! | who wants more teams | `allowed_teams`, at each opening | `test_an_idp_grants_only_the_teams_that_it_may`, `test_a_change_of_the_idp_counts_in_an_open_session` |
//! | a team's editor who wants another team's data | a mapping that points at another's domain or role is refused by IAM | `test_a_team_editor_moves_their_own_team_and_no_other`, `test_a_mapping_that_points_at_anothers_domain_or_role_is_refused_by_aws` |
//! | a spoke's administrator who plants a profile | tags decide; adoption takes nothing that the mapping would not give | `test_a_profile_that_a_spoke_administrator_plants_opens_only_as_the_owners`, `test_any_other_profile_without_owner_is_refused`, `test_a_profile_with_an_owner_is_never_adopted`, `test_a_profile_whose_tags_changed_is_foreign_and_its_url_never_leaves` |
//! | credentials of one person for another | cached per role, external id, Region, team and owner | `test_credentials_are_bound_to_the_external_id_and_never_shared_between_people`, `test_of_a_hundred_people_at_once_every_call_carries_the_callers_own_tags` |
//!
//! # Access that has ended, or was never that good
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | an authentication context from elsewhere: an attribute, a request, another element, a statement that holds two | each `AuthnStatement`'s own single `AuthnContextClassRef` alone | `the_authn_contexts_are_those_of_the_statements_alone`, `test_a_request_or_an_attribute_is_no_authentication_context` |
//! | a session from before a second factor was asked for | it remembers what was said, and each opening decides again | `test_an_idp_asks_for_every_sign_in_and_in_open_sessions`, `test_a_team_asks_for_more_than_the_sign_in_gave` |
//! | going on after the end: in an open session, on a waiting page, in Studio | decided again at each request; no Studio session is longer than the access | `test_access_ends_at_its_moment_in_open_sessions_and_on_waiting_pages`, `test_a_studio_session_is_no_longer_than_the_access` |
//! | a second key for one person with a later end, or an entry that almost says something | the earlier end counts; what cannot be read gives nothing | `of_two_keys_for_one_person_the_earlier_end_counts`, `an_entry_that_cannot_be_read_gives_nothing_and_harms_no_other`, `an_end_is_always_or_a_moment_in_utc` |
//! | a revoked profile, at a function that believes it ready | IAM refuses, the broker looks, and says so | `test_a_revoked_profile_opens_for_nobody_also_where_it_is_believed_ready`, `test_a_revoked_session_ends_in_the_browser_and_comes_back` |
//!
//! # What remains
//!
//! - **A stolen signing key** ("Golden SAML", "Silver SAML") signs whatever it likes. `allowed_teams` and
//!   `directory` bound it; taking the key out of the metadata ends the sessions that it signed
//!   (`test_a_key_that_leaves_the_metadata_ends_the_sessions_that_it_signed`).
//! - **An identity provider that signs what its users typed** (markup in a display name, samlify
//!   CVE-2026-46490) has signed it. `allowed_teams` and `directory` bound this, too.
//! - **A response or a presigned URL that is stolen before it is used** is a bearer secret for as long as
//!   it lives: minutes and seconds, once.
//! - **A browser that nobody has used yet** has no last owner: an unsolicited response of anybody signs in
//!   there. The same browser forgets its owner when its cookies are deleted, or pushed out by hundreds of
//!   a sibling domain's. `allow_unsolicited: false` closes this.
