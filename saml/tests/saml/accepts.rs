//! What is accepted, and what is read from it.

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn responses_of_independent_signers_are_accepted_and_read_exactly() {
    let expected: Value = serde_json::from_str(&fixture("responses.json")).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 59);
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

// -- what is read -------------------------------------------------------------------------------

/// The attributes of a valid response whose attribute statement is `statement`.
fn attributes(statement: &str) -> Value {
    let mint = valid();
    let whole = cut(&mint.assertion, "<saml:AttributeStatement>", "</saml:AttributeStatement>");
    let xml = mint.clone().edit_assertion(whole, statement).xml();
    json!(judge(xml).unwrap())["attributes"].clone()
}

#[test]
fn the_output_has_the_fields_of_the_command() {
    assert_eq!(
        json!(judge(valid().xml()).unwrap()),
        json!({
            "issuer": IDP,
            "assertion_id": "_a1",
            "subject": {"name_id": "ann@example.org", "format": null},
            "session_index": "_s1",
            "not_on_or_after": "2026-11-22T12:05:00Z",
            "attributes": {"ssouserid": ["u-1"], "teamid": ["team1"]},
        })
    );
}

#[test]
fn the_claims_are_those_of_the_assertion() {
    let close = "</saml:AuthnStatement>";
    let statement = |end: &str| {
        format!("<saml:AuthnStatement SessionNotOnOrAfter=\"2026-11-22T{end}Z\">{close}")
    };
    let more = format!("{close}{}{}", statement("20:00:00"), statement("18:00:00"));
    let accepted = judge(valid().edit_assertion(close, &more).xml()).unwrap();
    assert_eq!((accepted.issuer(), accepted.id()), (IDP, "_a1"));
    let end = accepted.session_not_on_or_after().unwrap();
    assert_eq!(end.to_string(), "2026-11-22T18:00:00Z", "the earliest");
}

#[test]
fn attributes_are_merged_by_name_over_all_statements_and_equal_values_stay() {
    assert_eq!(
        attributes(
            "<saml:AttributeStatement><saml:Attribute Name=\"a\"><saml:AttributeValue>2\
             </saml:AttributeValue><saml:AttributeValue>1</saml:AttributeValue></saml:Attribute>\
             <saml:Attribute FriendlyName=\"a\" Name=\"b\"><saml:AttributeValue>x,y\
             </saml:AttributeValue></saml:Attribute></saml:AttributeStatement>\
             <saml:AttributeStatement><saml:Attribute Name=\"a\" NameFormat=\"urn:other\">\
             <saml:AttributeValue>2</saml:AttributeValue></saml:Attribute>\
             </saml:AttributeStatement>"
        ),
        json!({"a": ["2", "1", "2"], "b": ["x,y"]})
    );
}

#[test]
fn an_attribute_without_value_is_empty_and_an_empty_value_is_an_empty_text() {
    assert_eq!(
        attributes(
            "<saml:AttributeStatement><saml:Attribute Name=\"none\"></saml:Attribute>\
             <saml:Attribute Name=\"empty\"><saml:AttributeValue></saml:AttributeValue>\
             </saml:Attribute></saml:AttributeStatement>"
        ),
        json!({"none": [], "empty": [""]})
    );
}

#[test]
fn a_value_with_elements_and_what_is_no_attribute_are_left_out() {
    assert_eq!(
        attributes(
            "<saml:AttributeStatement><saml:Attribute Name=\"a\"><saml:AttributeValue>x<b></b>\
             </saml:AttributeValue><saml:AttributeValue>y</saml:AttributeValue>\
             <AttributeValue xmlns=\"urn:other\">z</AttributeValue></saml:Attribute>\
             <saml:Attribute><saml:AttributeValue>nameless</saml:AttributeValue></saml:Attribute>\
             <Attribute xmlns=\"urn:other\" Name=\"foreign\"></Attribute>\
             <saml:EncryptedAttribute></saml:EncryptedAttribute></saml:AttributeStatement>"
        ),
        json!({"a": ["y"]})
    );
}

#[test]
fn an_empty_or_missing_attribute_statement_does_no_harm() {
    assert_eq!(attributes("<saml:AttributeStatement></saml:AttributeStatement>"), json!({}));
    assert_eq!(attributes(""), json!({}));
}

#[test]
fn text_is_exact_but_for_xmls_own_normalisation() {
    let mint = valid().edit_assertion("ann@example.org", " A\u{308}nn\t\n\n&#xD;x ");
    let xml = tamper(&mint.xml(), "\t\n\n", "\t\r\n\r");
    assert_eq!(judge(xml).unwrap().name_id().value, " A\u{308}nn\t\n\n\rx ");
}

#[test]
fn attribute_values_of_the_document_are_normalised_as_xml_has_it() {
    let mint = valid().edit_assertion("Name=\"teamid\"", "Name=\"a b  c&#xA;\"");
    let xml = tamper(&mint.xml(), "Name=\"a b  c&#xA;\"", "Name='a\tb\r\n\nc&#10;'");
    let accepted = judge(xml).unwrap();
    assert_eq!(accepted.attributes()["a b  c\n"], ["team1"]);
}

#[test]
fn the_name_ids_format_is_read() {
    let xml = valid().edit_assertion("<saml:NameID>", "<saml:NameID Format=\"urn:f\">").xml();
    assert_eq!(judge(xml).unwrap().name_id().format.as_deref(), Some("urn:f"));
}

#[test]
fn the_session_index_is_the_first_authn_statements() {
    let close = "</saml:AuthnStatement>";
    let second = format!("{close}<saml:AuthnStatement SessionIndex=\"_s2\">{close}");
    let index = |mint: Mint| judge(mint.xml()).unwrap().session_index().map(str::to_owned);
    assert_eq!(index(valid().edit_assertion(close, &second)).as_deref(), Some("_s1"));
    let without = valid().edit_assertion(" SessionIndex=\"_s1\"", "");
    assert_eq!(index(without.clone()), None);
    assert_eq!(index(without.edit_assertion(close, &second)), None);
}

#[test]
fn the_authn_contexts_are_those_of_the_statements_alone() {
    // A comment is not signed, so it comes in afterwards.
    let contexts = |mint: Mint| {
        let xml = mint.xml().replace("> bc<", "> b<!-- -->c<");
        judge(xml).unwrap().authn_contexts().to_vec()
    };
    let whole =
        cut(&valid().assertion, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned();
    let class =
        |text: &str| format!("<saml:AuthnContextClassRef>{text}</saml:AuthnContextClassRef>");
    let context = |inside: &str| format!("<saml:AuthnContext>{inside}</saml:AuthnContext>");
    let statement = |inside: &str| format!("<saml:AuthnStatement>{inside}</saml:AuthnStatement>");
    let said = |statements: &str| contexts(valid().edit_assertion(&whole, statements));
    assert_eq!(said(""), Vec::<String>::new());
    let (one, two) = (statement(&context(&class("a"))), statement(&context(&class(" bc"))));
    assert_eq!(said(&format!("{one}{two}")), ["a", " bc"]);
    for nothing in [
        statement(&class("a")),
        statement(&context("")),
        statement(&context(&class("a<x></x>"))),
        statement(&context(&format!("{}{}", class("a"), class("b")))),
        statement(&format!("{0}{0}", context(&class("a")))),
        statement(&context("<AuthnContextClassRef>a</AuthnContextClassRef>")),
        statement(&context("<saml:AuthnContextDeclRef>a</saml:AuthnContextDeclRef>")),
        format!("<saml:Advice>{one}</saml:Advice>"),
    ] {
        assert_eq!(said(&nothing), Vec::<String>::new(), "{nothing}");
    }
}

#[test]
fn a_missing_authn_statement_does_no_harm() {
    let mint = valid();
    let whole = cut(&mint.assertion, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned();
    let accepted = judge(mint.edit_assertion(&whole, "").xml()).unwrap();
    assert_eq!(accepted.session_index(), None);
    assert_eq!(accepted.session_not_on_or_after(), None);
}

#[test]
fn the_end_is_the_earlier_of_conditions_and_confirmation() {
    let end = |conditions: &str| {
        let to = format!("NotOnOrAfter=\"{conditions}\"");
        let xml = valid().edit_assertion("NotOnOrAfter=\"2026-11-22T12:10:00Z\"", &to).xml();
        judge(xml).unwrap().not_on_or_after().to_string()
    };
    assert_eq!(end("2026-11-22T12:04:59.5Z"), "2026-11-22T12:04:59.5Z");
    assert_eq!(end("2026-11-22T12:05:01Z"), "2026-11-22T12:05:00Z");
    let open = valid().edit_assertion(" NotOnOrAfter=\"2026-11-22T12:10:00Z\"", "").xml();
    assert_eq!(judge(open).unwrap().not_on_or_after().to_string(), "2026-11-22T12:05:00Z");
}

#[test]
fn a_replay_is_possible_until_the_last_confirmation_ends() {
    let mint = valid();
    let open = "<saml:SubjectConfirmation ";
    let whole = cut(&mint.assertion, open, "</saml:SubjectConfirmation>").to_owned();
    let later = whole.replace("12:05:00Z", "12:09:00Z");
    let xml = mint.clone().edit_assertion(&whole, &format!("{whole}{later}")).xml();
    let accepted = judge(xml).unwrap();
    assert_eq!(accepted.not_on_or_after().to_string(), "2026-11-22T12:05:00Z");
    assert_eq!(accepted.replayable_until().to_string(), "2026-11-22T12:09:00Z");
}

#[test]
fn conditions_without_times_do_no_harm() {
    let xml = valid()
        .edit_assertion(
            " NotBefore=\"2026-11-22T11:55:00Z\" NotOnOrAfter=\"2026-11-22T12:10:00Z\"",
            "",
        )
        .xml();
    assert!(judge(xml).is_ok());
}

#[test]
fn every_signing_key_of_the_metadata_is_trusted() {
    let judge = Judge::trusting(&["foreign", "rsa2048"]);
    assert_eq!(judge.code(valid().xml()), "accepted");
    assert_eq!(judge.code(valid().key("foreign").xml()), "accepted");
}

#[test]
fn the_fingerprint_is_of_the_key_that_verified() {
    let both = valid().sign(Sign::Both).xml();
    let inner = valid().key("p256").signed_assertion();
    let mixed = valid().sign(Sign::Response);
    let mixed = mixed.add_signature(&mixed.response.replace("{}", &inner), "_r1");
    let fingerprint = |key: &str| metadata(&[key]).signing_keys()[0].fingerprint().to_owned();
    assert_eq!(judge(both).unwrap().key_fingerprint(), fingerprint("rsa2048"));
    assert_eq!(judge(mixed).unwrap().key_fingerprint(), fingerprint("p256"));
}

#[test]
fn white_space_and_comments_in_a_signature_do_no_harm() {
    let xml = valid().xml();
    let value = cut(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
    let (first, rest) = value.split_at(60);
    let xml = tamper(&xml, &value, &format!(" <!-- x -->{first} \r\n\t<!-- y -->{rest}"));
    assert_eq!(code(xml), "accepted");
}

/// One reads a reference as one that selects no comments, another digests them.
#[test]
fn a_signature_that_keeps_comments_may_have_been_digested_with_them_or_without() {
    let plain = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">";
    let keeps = plain.replace("c14n#", "c14n#WithComments");
    let (at, commented) = ("<saml:AuthnStatement", "<!-- x --><!----><saml:AuthnStatement");
    let digested_with = valid().edit_assertion(at, commented);
    assert_eq!(code(digested_with.xml()), "digest_mismatch");
    let digested_with = digested_with.edit_info(plain, &keeps).xml();
    assert_eq!(code(&digested_with), "accepted");
    assert_eq!(code(tamper(&digested_with, "<!-- x -->", "<!-- y -->")), "digest_mismatch");
    assert_eq!(code(tamper(&digested_with, "<!-- x -->", "")), "digest_mismatch");
    let digested_without = valid().edit_info(plain, &keeps).xml();
    assert_eq!(code(&digested_without), "accepted");
    assert_eq!(code(tamper(&digested_without, at, commented)), "accepted");
    assert_eq!(code(tamper(&digested_without, at, &format!("x{at}"))), "digest_mismatch");
}

#[test]
fn key_info_is_not_looked_into() {
    for key_info in ["<ds:KeyInfo/>", "<ds:KeyInfo><ds:KeyName>x</ds:KeyName><y/>z</ds:KeyInfo>"] {
        let to = format!("</ds:SignatureValue>{key_info}");
        assert_eq!(code(tamper(&valid().xml(), "</ds:SignatureValue>", &to)), "accepted");
    }
}

#[test]
fn an_id_that_is_no_nc_name_is_accepted() {
    let id = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    let xml = valid().edit_assertion("_a1", id).edit_info("#_a1", &format!("#{id}")).xml();
    assert_eq!(judge(xml).unwrap().id(), id);
}
