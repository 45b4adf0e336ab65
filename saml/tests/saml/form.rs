//! The border: what is read as a document at all, and how much of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strict_saml::UnverifiedResponse;

use crate::support::*;

/// Changes a valid response after signing, in a part that nobody signed; gives the code.
fn tampered(from: &str, to: &str) -> &'static str {
    code(tamper(&valid().xml(), from, to))
}

/// Puts markup into the unsigned status.
fn with(markup: &str) -> &'static str {
    tampered("</samlp:Status>", &format!("{markup}</samlp:Status>"))
}

/// Puts attributes or declarations on the unsigned status.
fn with_attributes(attributes: &str) -> &'static str {
    tampered("<samlp:Status>", &format!("<samlp:Status {attributes}>"))
}

fn before(prolog: &str) -> &'static str {
    code(format!("{prolog}{}", valid().xml()))
}

fn after(epilog: &str) -> &'static str {
    code(format!("{}{epilog}", valid().xml()))
}

// -- transport ----------------------------------------------------------------------------------

fn from_base64(field: impl AsRef<[u8]>) -> &'static str {
    match UnverifiedResponse::from_base64(field.as_ref()) {
        Ok(_) => "read",
        Err(rejection) => rejection.code(),
    }
}

fn from_file(file: impl AsRef<[u8]>) -> &'static str {
    match UnverifiedResponse::from_file(file.as_ref()) {
        Ok(_) => "read",
        Err(rejection) => rejection.code(),
    }
}

#[test]
fn base64_may_be_wrapped_with_line_breaks() {
    let field = STANDARD.encode(valid().xml());
    for separator in ["\n", "\r\n", "\r"] {
        let lines: Vec<_> = field
            .as_bytes()
            .chunks(76)
            .map(|line| std::str::from_utf8(line).unwrap().to_owned() + separator)
            .collect();
        assert_eq!(from_base64(lines.concat()), "read");
        assert_eq!(from_file(lines.concat()), "read");
    }
    assert_eq!(from_base64(field), "read");
}

#[test]
fn what_is_not_base64_is_refused() {
    let field = STANDARD.encode(valid().xml() + " ");
    for other in [
        field.replace('=', ""),
        field.replacen('P', " ", 1),
        field.replace('+', "-") + "-",
        field.clone() + "=",
        "%".to_owned(),
        valid().xml(),
    ] {
        assert_eq!(from_base64(other), "base64_malformed");
    }
}

#[test]
fn an_empty_message_is_refused() {
    assert_eq!(from_base64(""), "xml_malformed");
    assert_eq!(from_file(""), "xml_malformed");
    assert_eq!(from_file("\n"), "xml_malformed");
    assert_eq!(code(""), "xml_malformed");
    assert_eq!(code(" \n"), "xml_malformed");
    assert_eq!(code("<!-- nothing -->"), "xml_malformed");
}

#[test]
fn a_file_holds_xml_or_base64() {
    assert_eq!(from_file(valid().xml()), "read");
    assert_eq!(from_file(format!("\n{}\n", valid().xml())), "read");
    assert_eq!(from_file(STANDARD.encode(valid().xml())), "read");
    assert_eq!(from_file(format!("{}\n", STANDARD.encode(valid().xml()))), "read");
    assert_eq!(from_file("{\"no\": \"xml\"}"), "base64_malformed");
    assert_eq!(from_file(STANDARD.encode("no xml")), "xml_malformed");
}

#[test]
fn a_response_cannot_be_printed() {
    let response = UnverifiedResponse::from_xml(valid().xml().as_bytes()).unwrap();
    assert_eq!(format!("{response:?}"), "UnverifiedResponse(..)");
}

// -- encoding -----------------------------------------------------------------------------------

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let mut xml = valid().xml().into_bytes();
    xml.extend(b"<!-- \xE9 -->");
    assert_eq!(code(xml), "not_utf8");
    let utf16: Vec<u8> = valid().xml().encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(code(&utf16), "xml_malformed");
    assert_eq!(code([&[0xFF, 0xFE], &*utf16].concat()), "not_utf8");
    for ill in [&b"\xC0\xAF"[..], b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"\xE2\x82"] {
        assert_eq!(code([valid().xml().as_bytes(), b"<!--", ill, b"-->"].concat()), "not_utf8");
    }
}

#[test]
fn a_byte_order_mark_is_refused() {
    assert_eq!(before("\u{feff}"), "not_utf8");
    assert_eq!(from_file("\u{feff}".to_owned() + &valid().xml()), "not_utf8");
    assert_eq!(from_base64(STANDARD.encode("\u{feff}".to_owned() + &valid().xml())), "not_utf8");
}

#[test]
fn an_xml_declaration_says_version_1_0_and_utf8_or_nothing() {
    for declaration in [
        "<?xml version=\"1.0\"?>",
        "<?xml version='1.0' encoding='utf-8'?>\n",
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\" ?>",
        "<?xml  version = \"1.0\"\tstandalone='yes'?>",
    ] {
        assert_eq!(before(declaration), "accepted", "{declaration}");
    }
    for declaration in [
        "<?xml version=\"1.1\"?>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
        "<?xml version=\"1.0\" encoding=\"US-ASCII\"?>",
        "<?xml version=\"1.0\" encoding=\"\"?>",
        "<?xml encoding=\"UTF-8\" version=\"1.0\"?>",
        "<?xml version=\"1.0\" standalone=\"yes\" encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" standalone=\"maybe\"?>",
        "<?xml version=\"1.0\"encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" other=\"\"?>",
        "<?xml version=1.0?>",
        "<?xml encoding=\"UTF-8\"?>",
        "<?xml?>",
        " <?xml version=\"1.0\"?>",
        "<!----><?xml version=\"1.0\"?>",
        "<?xml version=\"1.0\"?><?xml version=\"1.0\"?>",
    ] {
        assert_eq!(before(declaration), "xml_declaration_unsupported", "{declaration}");
    }
    assert_eq!(with("<?xml version=\"1.0\"?>"), "xml_declaration_unsupported");
}

// -- DTD, entities, processing instructions ------------------------------------------------------

#[test]
fn any_doctype_is_refused() {
    for doctype in [
        "<!DOCTYPE x>",
        "<!DOCTYPE samlp:Response [<!ENTITY e \"x\">]>",
        "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>",
        "<!DOCTYPE x [<!ATTLIST x ID ID #IMPLIED>]>",
    ] {
        assert_eq!(before(doctype), "doctype_refused", "{doctype}");
    }
    assert_eq!(with("<!DOCTYPE x>"), "doctype_refused");
    assert_eq!(after("<!DOCTYPE x>"), "doctype_refused");
    assert_ne!(before("<!doctype x>"), "accepted");
    assert_ne!(before("<!ENTITY x \"y\">"), "accepted");
}

#[test]
fn only_the_predefined_entities_are_known() {
    assert_eq!(with("&lt;&gt;&amp;&apos;&quot;&#65;&#x41;&#x10FFFF;"), "accepted");
    for reference in [
        "&nbsp;",
        "&e;",
        "&LT;",
        "&;",
        "& ;",
        "&",
        "&lt",
        "& lt;",
        "&lt ;",
        "&#;",
        "&#x;",
        "&#X41;",
        "&#-1;",
        "&#+65;",
        "&#65",
        "&#xG;",
        "&#0;",
        "&#8;",
        "&#x1F;",
        "&#xD800;",
        "&#xFFFE;",
        "&#xFFFF;",
        "&#x110000;",
        "&#99999999999;",
        "&#x 41;",
    ] {
        assert_eq!(with(reference), "xml_malformed", "{reference}");
        assert_eq!(with_attributes(&format!("a=\"{reference}\"")), "xml_malformed", "{reference}");
    }
}

#[test]
fn any_processing_instruction_is_refused() {
    for instruction in
        ["<?x?>", "<?xml-stylesheet href=\"x\"?>", "<?XML version=\"1.0\"?>", "<?php 1 ?>"]
    {
        assert_eq!(before(instruction), "processing_instruction_refused", "{instruction}");
        assert_eq!(after(instruction), "processing_instruction_refused", "{instruction}");
        assert_eq!(with(instruction), "processing_instruction_refused", "{instruction}");
    }
}

// -- well-formed, also where nobody signed -------------------------------------------------------

#[test]
fn characters_that_xml_does_not_allow_are_refused() {
    for character in ['\0', '\u{1}', '\u{8}', '\u{B}', '\u{C}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
        let character = character.to_string();
        assert_eq!(with(&character), "xml_malformed", "{character:?}");
        assert_eq!(with(&format!("<!--{character}-->")), "xml_malformed", "{character:?}");
        assert_eq!(with_attributes(&format!("a='{character}'")), "xml_malformed");
        assert_eq!(after(&character), "xml_malformed", "{character:?}");
    }
    assert_eq!(with("\u{7F}\u{85}\u{FFFD}\u{1F600}\t"), "accepted");
    // Several of them, or beside others that only look like one, hide nothing.
    for markup in ["\u{1}\u{1}", "\u{1}\u{2}", "\u{1}\u{FF21}", "\u{FF21}\u{1}\u{FFFD}"] {
        assert_eq!(with(markup), "xml_malformed", "{markup:?}");
    }
}

#[test]
fn tags_must_match_and_close() {
    for markup in [
        "<a>",
        "</a>",
        "<a></b>",
        "<a><b></a></b>",
        "<a",
        "<a b",
        "<a/",
        "<a></a",
        "<",
        "<a></A>",
        "<a></a b=\"\">",
        "</ a>",
        "< a/>",
        "<a></ a>",
        "<>",
        "</>",
        "<a/ >",
        "<1/>",
        "<-a/>",
        "<.a/>",
        "<a&b/>",
        "<a<b/>",
        "<a\u{d7}/>",
        "<!>",
        "<!a>",
        "<a/></>",
    ] {
        assert_eq!(with(markup), "xml_malformed", "{markup}");
    }
    for markup in ["<a />", "<a\n></a\t>", "<ä-.1·/>", "<_/>", "<a b='' />"] {
        assert_eq!(with(markup), "accepted", "{markup}");
    }
}

#[test]
fn attributes_are_written_as_xml_has_it() {
    for attributes in [
        "a",
        "a=",
        "a=b",
        "a=\"b",
        "a='b\"",
        "=\"b\"",
        "a=\"\"b=\"\"",
        "a=\"<\"",
        "a=\"&\"",
        "a=\"\" a=\"\"",
        "a=\"\", b=\"\"",
        "1=\"\"",
        "a\u{a0}=\"\"",
        "a=\u{a0}\"\"",
        "\"a\"=\"b\"",
    ] {
        assert_eq!(with_attributes(attributes), "xml_malformed", "{attributes}");
    }
    for attributes in
        ["a=\"b\"", "a = 'b'", "a\n=\n\"b\"", "a='\"' b=\"'\"", "a=\">\"", "a=\"]]>\"", "a='/>'"]
    {
        assert_eq!(with_attributes(attributes), "accepted", "{attributes}");
    }
}

/// Two are compared otherwise than several.
#[test]
fn an_attribute_stands_once_on_an_element_however_many_there_are() {
    let namespaces = "xmlns:p=\"u\" xmlns:q=\"u\" xmlns:r=\"v\"";
    for others in ["", "x=\"\" ", "x=\"\" p:x=\"\" r:x=\"\" "] {
        let with =
            |attributes: &str| with_attributes(&format!("{namespaces} {others}{attributes}"));
        assert_eq!(with("b=\"\" p:b=\"\""), "accepted", "{others}");
        assert_eq!(with("b=\"\" p:b=\"\" r:b=\"\""), "accepted", "{others}");
        assert_eq!(with("b=\"\" c=\"\" b=\"\""), "xml_malformed", "{others}");
        assert_eq!(with("b=\"\" b=\"\""), "xml_malformed", "{others}");
        assert_eq!(with("p:b=\"\" p:b=\"\""), "xml_malformed", "{others}");
        assert_eq!(with("p:b=\"\" q:b=\"\""), "namespace_malformed", "{others}");
        assert_eq!(with("p:b=\"\" c=\"\" q:b=\"\""), "namespace_malformed", "{others}");
    }
}

#[test]
fn comments_and_cdata_are_written_as_xml_has_it() {
    for markup in [
        "<!-- -- -->",
        "<!-- --->",
        "<!--->",
        "<!-->",
        "<!-- ",
        "<! -- -->",
        "<!- -->",
        "]]>",
        "<![CDATA[",
        "<![CDATA[ ]]",
        "<![cdata[]]>",
        "<![CDATA []]>",
        "<![ CDATA[]]>",
        "<![INCLUDE[]]>",
    ] {
        assert_eq!(with(markup), "xml_malformed", "{markup}");
    }
    for markup in [
        "<!---->",
        "<!-- - -->",
        "<!--<&>-->",
        "<![CDATA[]]>",
        "<![CDATA[<&]]]]>",
        "]]",
        "]>",
        "]]&gt;",
    ] {
        assert_eq!(with(markup), "accepted", "{markup}");
    }
}

#[test]
fn around_the_root_there_are_only_comments_and_white_space() {
    for markup in ["x", "&#32;", "&amp;", "<![CDATA[]]>", "<![CDATA[ ]]>", "\u{a0}", "</a>"] {
        assert_eq!(before(markup), "xml_malformed", "{markup}");
        assert_eq!(after(markup), "xml_malformed", "{markup}");
    }
    assert_eq!(after("<a/>"), "xml_malformed");
    assert_eq!(before("<a/>"), "xml_malformed");
    assert_eq!(before(" \r\n\t<!-- x -->\n"), "accepted");
    assert_eq!(after(" \r\n\t<!-- x -->\n"), "accepted");
}

#[test]
fn namespaces_are_used_as_namespaces_in_xml_has_it() {
    for markup in [
        "<p:a/>",
        "<a p:b=\"\"/>",
        "<p:a xmlns:p=\"\"/>",
        "<a xmlns:xmlns=\"u\"/>",
        "<xmlns:a/>",
        "<a xmlns:xml=\"u\"/>",
        "<a xmlns:p=\"http://www.w3.org/XML/1998/namespace\"/>",
        "<a xmlns=\"http://www.w3.org/XML/1998/namespace\"/>",
        "<a xmlns:p=\"http://www.w3.org/2000/xmlns/\"/>",
        "<a xmlns=\"http://www.w3.org/2000/xmlns/\"/>",
        "<:a/>",
        "<a:/>",
        "<a:b:c/>",
        "<a :b=\"\"/>",
        "<a b:=\"\"/>",
        "<a xmlns:=\"u\"/>",
        "<a xmlns:p:q=\"u\"/>",
        "<a xmlns:p=\"u\" xmlns:q=\"u\" p:b=\"\" q:b=\"\"/>",
        "<a xmlns:p=\"u\"><b/></a><p:a/>",
    ] {
        assert_eq!(with(markup), "namespace_malformed", "{markup}");
    }
    assert_eq!(with("<a xmlns:p=\"u\" xmlns:p=\"u\"/>"), "xml_malformed");
    assert_eq!(with("<a xmlns=\"u\" xmlns=\"u\"/>"), "xml_malformed");
    assert_eq!(with("<a:1 xmlns:a=\"u\"/>"), "xml_malformed");
    for markup in [
        "<p:a xmlns:p=\"u\"/>",
        "<a xmlns=\"\"/>",
        "<a xml:lang=\"\"/>",
        "<a xmlns:xml=\"http://www.w3.org/XML/1998/namespace\"/>",
        "<a xmlns:p=\"u\" xmlns=\"u\" p:b=\"\" b=\"\"/>",
        "<a xmlns:p=\"u\"><b xmlns:p=\"v\"/><p:c/></a>",
        "<samlp:a/>",
        // A prefix as long as `xmlns`.
        "<a samlp:b=\"\"/>",
        "<a xmlns:abcde=\"u\" abcde:b=\"\"/>",
    ] {
        assert_eq!(with(markup), "accepted", "{markup}");
    }
}

#[test]
fn only_ids_are_ids() {
    let twice = |attribute: &str| {
        with(&format!("<a xmlns:x=\"u\" {attribute}/><a xmlns:x=\"u\" {attribute}/>"))
    };
    for attribute in ["xml:lang=\"1\"", "x:id=\"1\"", "x:ID=\"1\"", "iD=\"1\"", "name=\"1\""] {
        assert_eq!(twice(attribute), "accepted", "{attribute}");
    }
    for attribute in ["ID=\"1\"", "Id=\"1\"", "id=\"1\"", "xml:id=\"1\""] {
        assert_eq!(twice(attribute), "id_repeated", "{attribute}");
    }
}

// -- what does no harm ---------------------------------------------------------------------------

#[test]
fn extensions_advice_and_foreign_attributes_do_no_harm() {
    let extensions = "<samlp:Extensions><x xmlns=\"urn:x\" ID=\"_x\"/></samlp:Extensions>";
    assert_eq!(tampered("<samlp:Status>", &format!("{extensions}<samlp:Status>")), "accepted");
    assert_eq!(
        tampered("<samlp:Response ", "<samlp:Response xmlns:x=\"urn:x\" x:ID=\"_a1\" y=\"\" "),
        "accepted"
    );
    let other = valid().assertion.replace("_a1", "_other").replace("ann@", "bob@");
    let other = other.replacen(" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"", "", 1);
    let xml = valid()
        .edit_assertion(
            "<saml:AuthnStatement",
            &format!("<saml:Advice>{other}</saml:Advice><saml:AuthnStatement"),
        )
        .xml();
    assert_eq!(judge(xml).unwrap().name_id().value, "ann@example.org");
}

#[test]
fn the_confirmations_own_name_id_is_not_read() {
    let open = "<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">";
    let xml = valid().edit_assertion(open, &format!("{open}<saml:NameID>bob</saml:NameID>")).xml();
    assert_eq!(judge(xml).unwrap().name_id().value, "ann@example.org");
}

// -- limits, each at its boundary ----------------------------------------------------------------

#[test]
fn at_most_262144_bytes_are_read() {
    let xml = valid().xml();
    let fill = |size: usize| format!("{xml}<!--{}-->", "x".repeat(size - xml.len() - 7));
    assert_eq!(fill(262_144).len(), 262_144);
    assert_eq!(code(fill(262_144)), "accepted");
    assert_eq!(code(fill(262_145)), "too_large");
    assert_eq!(from_base64(STANDARD.encode(fill(262_144))), "read");
    assert_eq!(from_base64(STANDARD.encode(fill(262_145))), "too_large");
    assert_eq!(from_base64("A".repeat(10_000_000)), "too_large");
}

/// Small documents that exclusive canonicalization would make gigabytes of: one long namespace, used
/// by many elements of which none stands in another. Only what is signed is written out, so it takes
/// a genuine signature, but any will do, of whomever and however old.
#[test]
fn a_canonical_form_of_more_than_768_kib_is_refused() {
    let long = "u".repeat(120_000);
    for (sign, at, declaration) in [
        (Sign::Response, "<samlp:Status>", "<samlp:Response "),
        (Sign::Assertion, "<saml:Subject>", "<saml:Assertion "),
    ] {
        let xml = tamper(
            &valid().sign(sign).xml(),
            declaration,
            &format!("{declaration}xmlns:x=\"{long}\" "),
        );
        let with = |count: usize| {
            let content = "<x:a/>".repeat(count);
            code(tamper(&xml, at, &format!("{content}{at}")))
        };
        assert_eq!(with(6), "digest_mismatch", "just below");
        assert_eq!(with(7), "canonical_form_too_large");
        assert_eq!(with(19_000), "canonical_form_too_large");
    }
}

#[test]
fn elements_are_nested_at_most_64_deep() {
    // The root and its status are two.
    let nested = |depth: usize| "<a>".repeat(depth - 2) + &"</a>".repeat(depth - 2);
    assert_eq!(with(&nested(64)), "accepted");
    assert_eq!(with(&nested(65)), "too_deep");
    assert_eq!(with(&"<a>".repeat(80_000)), "too_deep");
}

#[test]
fn at_most_20000_elements_are_read() {
    let xml = valid().xml();
    let own = xml.matches('<').count() - xml.matches("</").count();
    assert_eq!(with(&"<a/>".repeat(20_000 - own)), "accepted");
    assert_eq!(with(&"<a/>".repeat(20_001 - own)), "too_many_elements");
}

#[test]
fn an_element_has_at_most_64_attributes_and_declarations() {
    let many = |attributes: usize, declarations: usize| {
        let attributes = (0..attributes).map(|nth| format!("a{nth}='' "));
        let declarations = (0..declarations).map(|nth| format!("xmlns:n{nth}='u' "));
        attributes.chain(declarations).collect::<String>()
    };
    assert_eq!(with_attributes(&many(64, 0)), "accepted");
    assert_eq!(with_attributes(&many(0, 64)), "accepted");
    assert_eq!(with_attributes(&many(32, 32)), "accepted");
    assert_eq!(with_attributes(&many(65, 0)), "too_many_attributes");
    assert_eq!(with_attributes(&many(0, 65)), "too_many_attributes");
    assert_eq!(with_attributes(&many(33, 32)), "too_many_attributes");
}

/// The least of some runs, in ms.
fn least(xml: &str) -> f64 {
    let time = || {
        let begin = cpu_seconds();
        let _ = code(xml);
        (cpu_seconds() - begin) * 1e3
    };
    (0..7).map(|_| time()).fold(f64::MAX, f64::min)
}

/// A signed response into which somebody wrote an advice afterwards.
fn advised(declarations: &str, content: &str) -> String {
    let open = "<saml:AuthnStatement";
    tamper(
        &valid().xml(),
        open,
        &format!("<saml:Advice{declarations}>{content}</saml:Advice>{open}"),
    )
}

/// The same attributes, whatever the length of their namespace; quadratic work took fifty times as long.
#[test]
fn long_namespaces_cost_no_more_than_short_ones() {
    let attributes: String = (0..60)
        .map(|nth| {
            let nth = nth * 37 % 60;
            let prefix = ["p", "q"][nth % 2];
            format!(
                " {prefix}:{}{}=\"\"",
                char::from(b'a' + (nth / 26) as u8),
                char::from(b'a' + (nth % 26) as u8)
            )
        })
        .collect();
    let elements = format!("<a{attributes}/>").repeat(200);
    let with = |length: usize| {
        let uri = "u".repeat(length);
        advised(&format!(" xmlns:p=\"{uri}1\" xmlns:q=\"{uri}2\""), &elements)
    };
    // Eight elements write them out to the limit of what is digested.
    let (short, long) = (least(&with(1)), least(&with(60_000)));
    assert!(long < 4.0 * short + 20.0, "short {short:.1} ms, long {long:.1} ms");
}

/// What is too long is not written to its end: that would be two gigabytes.
#[test]
fn a_canonical_form_that_is_far_too_long_costs_no_more_than_one_that_is_a_little_too_long() {
    let long = "u".repeat(120_000);
    let with = |count: usize| {
        let xml = valid().sign(Sign::Response).xml();
        let xml = tamper(&xml, "<samlp:Response ", &format!("<samlp:Response xmlns:x=\"{long}\" "));
        tamper(&xml, "<samlp:Status>", &format!("{}<samlp:Status>", "<x:a/>".repeat(count)))
    };
    let (little, far) = (least(&with(7)), least(&with(19_000)));
    assert!(far < 4.0 * little + 100.0, "a little {little:.1} ms, far {far:.1} ms");
}

/// Eighty levels of looking upwards took eighty times as long.
#[test]
fn what_stands_deep_in_an_advice_costs_no_more_than_beside_it() {
    let assertions = "<saml:Assertion/>".repeat(12_000);
    let deep = format!("{}{assertions}{}", "<saml:x>".repeat(58), "</saml:x>".repeat(58));
    let (flat, deep) = (least(&advised("", &assertions)), least(&advised("", &deep)));
    assert!(deep < 2.0 * flat + 10.0, "flat {flat:.1} ms, deep {deep:.1} ms");
}
