//! Attacks that need no XML: on what stands between browser, tables and the SAML core, by whoever read
//! this code as an attacker would. [`strict_saml::attacks`] lists the older ones, those on browsers among
//! them.
//!
//! Names of tests are without path: those that begin with `test_` are in `tests/system/` and
//! `tests/browser/`, the others beside the code or in `saml/tests/` and `line/tests/`.
//!
//! | attack | what stops it | test |
//! | --- | --- | --- |
//! | one assertion, two sign-ins: its second confirmation names no request, and somebody takes the request's ID off the unsigned wrapper | a response that names a request anywhere, to us, is an answer and nothing else; whatever it answers, its assertion is consumed ([`crate::aws::state_table`]) | `an_answer_whose_other_confirmation_names_no_request_is_never_unsolicited`, `test_one_assertion_never_signs_in_twice_by_its_second_confirmation`, `test_whatever_it_answered_an_assertion_is_consumed`, `of_every_order_of_posts_with_lost_answers_exactly_one_signs_in` |
//! | two answers to one request, at two processes, with lost answers | request and assertion are written in one transaction | `test_two_answers_to_one_request_are_one_sign_in_wherever_they_come`, `test_of_answers_at_once_to_two_processes_exactly_one_signs_in`, `test_a_transaction_whose_answer_was_lost_is_our_own_and_nobody_elses` |
//! | a request made younger, or sent to another identity provider, by whoever holds its cookie, once its record has gone | time and identity provider are part of what its ID is a digest of; the record outlives it | `a_requests_provider_and_time_cannot_be_changed_by_who_holds_it`, `test_whoever_holds_a_request_cookie_cannot_make_it_younger_or_anothers`, `test_an_answers_record_outlives_the_request_that_it_answers` |
//! | thousands of connections with unfinished bodies; slow writers and readers; streams, resets and headers of HTTP/2 | the body that arrives slowest and the connection that is of least use make room (`src/http/serve/`) | `test_honest_people_sign_in_during_a_flood_of`, `a_slow_body_loses_its_place_to_a_fast_one`, `one_client_holds_a_quarter_and_only_its_own_bodies_go_for_more`, `the_connection_that_was_of_no_use_for_longest_makes_room`, `test_a_body_that_finds_no_room_is_told_503_and_when_to_come_back` |
//! | a response posted by a hidden frame or a script, which consumes it and plants a last owner | what consumes something or changes the browser is a navigation, too | `test_a_hidden_frame_or_script_consumes_nothing_and_leaves_no_cookie`, `test_a_hidden_frame_signs_nobody_out`, `test_a_hidden_frame_continues_nothing` |
//! | the last owner's cookie sent twice, empty or malformed, so that nobody was there | what is there and cannot be verified is somebody else's | `test_a_last_owner_that_cannot_be_verified_is_somebody_else`, `a_last_owner_that_cannot_be_verified_is_somebody_else`, `test_an_owner_that_cannot_be_verified_asks_too` |
//! | one control character in a cookie, or in a header that closes something, so that Lambda's event loses the header | the character is replaced, the header stays | `test_a_control_character_in_a_cookie_takes_away_neither_session_nor_last_owner`, `test_a_control_character_in_what_closes_does_not_open`, `a_control_character_takes_away_neither_a_cookie_nor_a_header` |
//! | an identity provider that answers the guard's own request, or one that a link started, as its administrator: the victim works in the attacker's profile | a page that names person and identity provider asks first (`src/http/confirm.rs`) | `test_a_link_to_an_attackers_idp_changes_no_browser_without_a_word`, `test_the_guards_own_request_answered_by_the_attacker_asks`, `test_the_waiting_session_opens_nothing_under_any_cookie`, `test_another_idps_person_takes_over_only_after_a_click` |
//! | the same in two steps, by an identity provider of the victim's directory: first it says the victim's own name, then the attacker's, as if the last owner had come from there | the last owner keeps the place where they came from, until its person has said otherwise | `test_an_idp_that_first_says_the_victims_own_name_is_asked_about_the_attackers` |
//! | the answer to that page, posted from elsewhere or with another sign-in's token | a cookie that no post of another site brings, and a token of this sign-in | `test_a_post_of_another_site_continues_nothing`, `test_without_the_pages_token_nothing_goes_on`, `test_of_two_tabs_that_ask_the_newer_sign_in_is_named` |
//! | a form on a sibling domain (the same site to browsers, which let its posts bring our cookies along) that signs the victim out | a browser that says where the post comes from says a page of ours; the page that asks has a token besides | `test_a_post_of_a_sibling_domain_signs_nobody_out`, `test_a_post_of_our_own_page_signs_out`, `test_without_the_pages_token_nothing_goes_on` |
//! | many clicks on one answer, many sign-outs at once, with lost answers, so that one decision has many lines | the write that changes the session leaves a mark of its request; who finds another's writes no line | `test_many_clicks_on_one_answer_are_one_line`, `test_of_many_sign_outs_at_once_one_is_told` |
//! | a user name in the form of somebody else's id in the identity store, where people choose their names: their groups | what is a name stays one, also in memory (`src/aws/identity_store.rs`) | `a_name_with_the_form_of_somebody_elses_id_is_a_name` |
//! | a request behind a body whose end two programs read in two ways | a body in chunks is the last of its connection; what else is unclear is refused | `test_behind_a_body_whose_end_is_read_in_two_ways_nothing_is_answered` |
//! | all addresses of one network of IPv6, each with few connections | such a network is one client | `who_has_a_network_of_ipv6_is_one_client_with_all_its_addresses`, `one_subscriber_of_ipv6_is_one_peer` |
//! | trying a team from outside its networks, without following the redirect, so that no line tells | the decision's line is written where it falls | `test_a_refusal_inside_the_acs_is_one_line_although_nobody_follows`, `test_a_refusal_inside_the_acs_names_the_team_that_was_wanted` |
//! | going away while a response is consumed, so that no line tells | what has its line is finished, whoever waits for it | `test_a_browser_that_goes_away_leaves_no_record_without_its_line` |
//! | telling by the time which teams there are | a team that is none of the person's own is not looked up | `test_a_team_that_is_not_granted_and_one_that_is_not_there_cost_the_same` |
//! | a read of the table for each made-up issuer | beyond fifty in ten seconds one list serves all of them | `test_of_a_flood_of_unknown_issuers_few_are_read_and_a_new_idp_is_in_soon`, `so_many_unknown_idps_are_read_one_by_one_in_ten_seconds_and_no_more` |
//! | a header that comes twice, the harmless value first; the values in one line | each value counts | `test_of_a_header_that_comes_twice_each_value_counts`, `test_what_is_no_navigation_opens_nothing` |
//! | a trust policy of an older version, whose variables are text, that `doctor` takes for one that binds | variables are filled in documents of 2012-10-17 alone, as IAM does (`src/policy.rs`) | `in_a_document_of_an_older_version_a_variable_is_text` |
//! | RelayState with another site's address in front of a path of ours | our own public URL, byte for byte, or none | `in_relay_state_our_own_public_url_may_stand_in_front_and_no_other`, `test_relay_state_with_another_url_in_front_is_ignored` |
//! | an answer of AWS that leads elsewhere, in any partition | the Region's own hosts for what is opened, or a suffix that the setting names | `each_partition_and_each_kind_of_door_has_hosts_of_its_own`, `test_only_an_address_of_the_kinds_own_host_is_followed`, `further_hosts_are_whole_suffixes_over_https`, `test_a_host_that_the_setting_names_is_followed_and_no_other` |
//! | a door that leads to another team's MLflow or Partner AI App, by whoever may write the item | the ARN is of the team's account and Region; `apply` asks (`--allow-privileged`); IAM gives each team its own doors by name | `a_bad_door_closes_itself_and_nothing_else`, `test_another_teams_door_needs_its_word`, `test_a_teams_session_opens_its_own_door_and_not_another_teams`, `a_team_opens_its_own_doors` |
//! | a pattern or a variable in a door's ARN, so that IAM grants more than one | a name is letters, digits and hyphens | `a_bad_door_closes_itself_and_nothing_else`, `test_a_bad_door_closes_itself_and_nothing_else` |
//! | a place in line made up in a page's address, to be called before everybody, or again and again | a number that nobody was given is worth one call, as a click is; the line decides when a call is made, and never which | `a_ticket_that_nobody_was_given_is_worth_one_call_and_then_a_ticket_of_the_line`, `where_places_are_made_up_everybody_gets_in`, `test_a_made_up_place_in_line_is_worth_no_more_calls_than_a_click` |
//!
//! # What remains
//!
//! - `profiles revoke` ends no session behind a door: a door has no profile that could carry the tag. A door
//!   closes with the team, and its sessions end by their length.
//!
//! - A browser that nobody has used yet has no last owner, and nobody is asked.
//! - At the identity provider that this browser's last owner came from, whoever signs in there is believed:
//!   they have just typed their name.
//! - Somebody who sends complete and well-made posts as fast as honest people do costs what honest people
//!   cost. Limits for each address belong in front (AWS WAF).
//! - A sibling domain can make a browser forget its oldest cookies, ours among them, by setting very many:
//!   then nobody has used that browser yet.
//! - `entity-id#group` is bound while the identity provider is in the table; once it is removed the text is a
//!   bare name, and counts at every identity provider that may grant the team. `plan` says so before.
//! - A load balancer without multi-value headers hands on the last of several headers of one name alone.
//! - Somebody who keeps clicking while AWS throttles takes a place in line with each click, and those behind
//!   wait until the empty places have gone by. They have signed in, and the log says who it was.
//! - A made-up session cookie costs a read of the state table each time, as a genuine one does.

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// All source text below a folder.
    fn text_below(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_source = path.extension().is_some_and(|kind| kind == "rs" || kind == "py");
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                text_below(&path, text);
            } else if is_source {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_attack_has_tests_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut text = String::new();
        for folder in ["src", "tests", "saml", "line"] {
            if root.join(folder).is_dir() {
                text_below(&root.join(folder), &mut text);
            }
        }
        let page = include_str!("attacks.rs");
        let rows = page.lines().filter_map(|line| line.strip_prefix("//! | "));
        let rows: Vec<_> = rows.filter(|row| !row.starts_with("attack |")).collect();
        for row in rows.iter().filter(|row| !row.starts_with("---")) {
            let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
            assert!(!names.is_empty(), "{row}");
            for name in names {
                let is_there =
                    text.contains(&format!("fn {name}(")) || text.contains(&format!("def {name}("));
                assert!(is_there, "{name}");
            }
        }
    }
}
