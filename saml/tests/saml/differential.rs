//! Implementations that are not ours: libxml2 canonicalizes, xmlsec1 signs and verifies, signxml
//! verifies. They run in one Python process (`STUDIO_BROKER_TEST_PYTHON`, default `python3`, with
//! the packages of `tests/opponents/requirements.txt`); without it these tests fail.
//!
//! Differences that are known and kept out of the documents: libxml2 leaves `&` in namespace URIs
//! as it is and refuses other than ASCII there; lxml drops `#default` from a `PrefixList` (xmlsec1
//! does not, so it signs those).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strict_saml::UnverifiedResponse;

use crate::mutations::mutate;
use crate::support::*;

/// How many documents each test generates.
const CANONICALIZED: u64 = 10_000;
const SIGNED: u64 = 1_500;
const REWRITTEN: u64 = 1_500;
const ALTERED: u64 = 6_000;
const SCRAPS: u64 = 10_000;

struct Opponent {
    process: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Opponent {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
    fn start() -> Self {
        let python =
            std::env::var_os("STUDIO_BROKER_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let script = fixtures().join("../opponents/saml.py");
        let mut process = Command::new(&python)
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", python.display()));
        let asks = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, asks, answers }
    }

    fn ask(&mut self, ask: &Value) -> Value {
        let mut answer = String::new();
        let asked = writeln!(self.asks.as_mut().unwrap(), "{ask}");
        let read = self.answers.read_line(&mut answer);
        if asked.is_err() || !read.is_ok_and(|bytes| bytes > 0) {
            panic!(
                "the opponent does not answer: does its Python (STUDIO_BROKER_TEST_PYTHON) have \
                 the packages of tests/opponents/requirements.txt?"
            );
        }
        serde_json::from_str(&answer).unwrap()
    }
}

impl Drop for Opponent {
    fn drop(&mut self) {
        drop(self.asks.take());
        let _ = self.process.wait();
    }
}

/// What libxml2 canonicalizes is what we digest: 10,000 documents, each signed over libxml2's
/// octets, must be accepted.
#[test]
fn canonicalization_is_that_of_libxml2() {
    let mut opponent = Opponent::start();
    for seed in 0..CANONICALIZED {
        let mut random = Random::new(seed);
        let prefixes = random.prefix_list();
        let comments = random.chance(2);
        let document = Unsigned::generate(&mut random);
        let answer = opponent.ask(&json!({
            "verb": "canonicalize",
            "xml": document.xml(""),
            "id": document.id,
            "comments": comments,
            "prefixes": prefixes,
        }));
        let octets = answer["octets"].as_str().unwrap_or_else(|| panic!("{seed}: {answer}"));
        let octets = STANDARD.decode(octets).unwrap();
        let hash = digest::digest(&digest::SHA256, &octets);

        let mut method = "xml-exc-c14n#".to_owned();
        if comments {
            method += "WithComments";
        }
        let list = match prefixes.is_empty() {
            true => String::new(),
            false => format!(
                "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" \
                 PrefixList=\"{}\"></ec:InclusiveNamespaces>",
                prefixes.join(" ")
            ),
        };
        let signature = valid()
            .key("p256")
            .edit_info(
                &format!("{}\"></ds:Transform></ds:Transforms>", "xml-exc-c14n#"),
                &format!("{method}\">{list}</ds:Transform></ds:Transforms>"),
            )
            .edit_info(
                &STANDARD.encode(digest::digest(&digest::SHA256, b"")),
                &STANDARD.encode(hash),
            )
            .signature("", document.id);
        let xml = document.xml(&signature);
        let got = code(&xml);
        assert_eq!(
            got,
            "accepted",
            "seed {seed}, libxml2 has:\n{}\nof:\n{xml}",
            String::from_utf8_lossy(&octets)
        );
    }
}

/// What xmlsec1 signs, with its own `SignedInfo`, we accept; with `#default`, too.
#[test]
fn what_xmlsec1_signs_is_accepted() {
    let mut opponent = Opponent::start();
    for seed in 0..SIGNED {
        let mut random = Random::new(1_000_000 + seed);
        let mut prefixes = random.prefix_list();
        if random.chance(2) {
            prefixes.push("#default");
        }
        let document = Unsigned::generate(&mut random);
        let answer = opponent.ask(&json!({
            "verb": "sign",
            "xml": document.xml(""),
            "id": document.id,
            "prefix": if random.chance(4) { Value::Null } else { json!("ds") },
            "prefixes": prefixes,
        }));
        let xml = answer["xml"].as_str().unwrap_or_else(|| panic!("{seed}: {answer}"));
        assert_eq!(code(xml), "accepted", "seed {seed}: {xml}");
    }
}

/// Whatever we accept, both opponents verify, over the same element, with the same identity.
#[test]
fn what_is_accepted_others_verify_too() {
    let mut opponent = Opponent::start();
    let mut accepted = 0;
    for seed in 0..REWRITTEN {
        let mut random = Random::new(2_000_000 + seed);
        let (mint, id) = match random.chance(2) {
            true => (valid(), "_a1"),
            false => (valid().sign(Sign::Response), "_r1"),
        };
        let xml = rewrite(&mint.xml(), &mut random);
        let Ok(assertion) = judge(&xml) else { continue };
        accepted += 1;
        let answer = opponent.ask(&json!({"verb": "verify", "xml": xml, "id": id}));
        assert_eq!(answer["name_id"], assertion.name_id().value, "seed {seed}: {answer}\n{xml}");
        assert_eq!(answer["attributes"], json!(assertion.attributes()), "seed {seed}\n{xml}");
    }
    assert!(accepted > REWRITTEN / 2, "only {accepted} of {REWRITTEN} were accepted");
}

/// The same of responses that were altered at random.
#[test]
fn what_is_accepted_of_altered_responses_others_verify_too() {
    let mut opponent = Opponent::start();
    let signed = [(valid().xml(), "_a1"), (valid().sign(Sign::Response).xml(), "_r1")];
    let mut accepted = 0;
    for seed in 0..ALTERED {
        let mut random = Random::new(4_000_000 + seed);
        let (xml, id) = &signed[random.below(2) as usize];
        let altered = mutate(xml.clone().into_bytes(), &mut random);
        let Ok(assertion) = judge(&altered) else { continue };
        let altered = String::from_utf8(altered).unwrap();
        let answer = opponent.ask(&json!({"verb": "verify", "xml": altered, "id": id}));
        // libxml2 does not read a document with a namespace that is no URI, used or not.
        if answer["error"].as_str().is_some_and(|error| error.contains("is not a valid URI")) {
            continue;
        }
        accepted += 1;
        assert_eq!(
            answer["name_id"],
            assertion.name_id().value,
            "seed {seed}: {answer}\n{altered}"
        );
        assert_eq!(answer["attributes"], json!(assertion.attributes()), "seed {seed}\n{altered}");
    }
    assert!(accepted > ALTERED / 100, "only {accepted} of {ALTERED} were accepted");
}

/// What libxml2 finds well-formed with namespaces, and only that, is read as a document.
#[test]
fn what_is_well_formed_is_what_libxml2_finds_well_formed() {
    let mut opponent = Opponent::start();
    let mut read = 0;
    for seed in 0..SCRAPS {
        let mut random = Random::new(3_000_000 + seed);
        let xml = random.scraps();
        let ours = UnverifiedResponse::from_xml(xml.as_bytes());
        let theirs = opponent.ask(&json!({"verb": "read", "bytes": STANDARD.encode(&xml)}));
        assert_eq!(
            json!(ours.is_ok()),
            theirs["read"],
            "seed {seed}: {ours:?}, libxml2: {theirs}\n{xml}"
        );
        read += u64::from(ours.is_ok());
    }
    assert!(read > SCRAPS / 20, "only {read} of {SCRAPS} were read");
}

/// Writes the same, or nearly the same, otherwise.
fn rewrite(xml: &str, random: &mut Random) -> String {
    let mut xml = xml.to_owned();
    for _ in 0..random.below(4) + 1 {
        let places =
            |pattern: &str| xml.match_indices(pattern).map(|(at, _)| at).collect::<Vec<_>>();
        let (pattern, replacement) = random.pick(&[
            (">", ">\n"),
            (">", "><!-- x -->"),
            (">", " >"),
            ("=\"", " = \""),
            ("=\"", "\t=\n\""),
            ("ann", "a<!--x-->nn"),
            ("ann", "<![CDATA[ann]]>"),
            ("ann", "&#97;nn"),
            ("team1", "te&#x61;m<!-- -->1"),
            ("example", "ex<![CDATA[amp]]>le"),
            ("></ds:DigestMethod>", "/>"),
            ("></samlp:StatusCode>", "/>"),
            ("<samlp:Status>", "<samlp:Status xmlns:q=\"urn:q\">"),
            ("<samlp:Status>", "<samlp:Extensions><q/></samlp:Extensions><samlp:Status>"),
            (
                "</ds:SignatureValue>",
                "\n</ds:SignatureValue><ds:KeyInfo><ds:KeyName>x</ds:KeyName></ds:KeyInfo>",
            ),
            ("\"2.0\"", "'2.0'"),
            (":", "&#58;"),
            ("<saml:Subject>", "<saml:Subject >"),
        ]);
        let places = places(pattern);
        let Some(at) = places.get(random.below(places.len().max(1) as u64) as usize) else {
            continue;
        };
        xml.replace_range(*at..*at + pattern.len(), replacement);
    }
    xml
}

/// A response whose parts are as strange as XML allows, without signature.
struct Unsigned {
    before: String,
    after: String,
    id: &'static str,
}

impl Unsigned {
    fn generate(random: &mut Random) -> Self {
        let mint = valid();
        let mut scope = vec![("samlp", "urn:oasis:names:tc:SAML:2.0:protocol")];
        let declarations = random.declarations(&mut scope);
        let response =
            mint.response.replacen(" Destination", &format!("{declarations} Destination"), 1);
        let mut inner_scope = scope.clone();
        inner_scope.push(("saml", "urn:oasis:names:tc:SAML:2.0:assertion"));
        let declarations = random.declarations(&mut inner_scope);
        let strange = random.element(&mut inner_scope, 0);
        let value = random.text();
        let assertion = mint
            .assertion
            .replacen(" ID=", &format!("{declarations} ID="), 1)
            .replacen(
                "<saml:AuthnStatement",
                &format!("<saml:Advice>{strange}</saml:Advice><saml:AuthnStatement"),
                1,
            )
            .replacen("team1", &value, 1);
        let xml = response.replace("{}", &assertion);
        let id = if random.chance(2) { "_a1" } else { "_r1" };
        let start = if id == "_a1" { xml.find("<saml:Assertion").unwrap() } else { 0 };
        let at = xml[start..].find("</saml:Issuer>").unwrap() + start + "</saml:Issuer>".len();
        let (before, after) = xml.split_at(at);
        Self { before: before.to_owned(), after: after.to_owned(), id }
    }

    fn xml(&self, signature: &str) -> String {
        format!("{}{signature}{}", self.before, self.after)
    }
}

/// A small generator of numbers (splitmix64): the same seed, the same document.
pub(crate) struct Random(u64);

const PREFIXES: &[&str] = &["a", "b", "xs", "ä", "", "saml2"];
const URIS: &[&str] = &["urn:a", "urn:b", "http://example.org/?x=1", "urn:a#"];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True one time in `times`.
    pub(crate) fn chance(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn prefix_list(&mut self) -> Vec<&'static str> {
        let mut list = Vec::new();
        for prefix in PREFIXES.iter().chain(&["saml", "samlp", "unknown"]) {
            if !prefix.is_empty() && self.chance(5) {
                list.push(*prefix);
            }
        }
        list
    }

    /// Declares some namespaces; `scope` holds (prefix, URI), the innermost last.
    fn declarations(&mut self, scope: &mut Vec<(&'static str, &'static str)>) -> String {
        let mut text = String::new();
        for prefix in PREFIXES {
            if !self.chance(3) {
                continue;
            }
            let uri = match prefix.is_empty() && self.chance(3) {
                true => "",
                false => self.pick(URIS),
            };
            let name =
                if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            text += &format!(" {name}=\"{uri}\"");
            scope.push((prefix, uri));
        }
        text
    }

    fn element(&mut self, scope: &mut Vec<(&'static str, &'static str)>, depth: u64) -> String {
        let outer = scope.len();
        let declarations = self.declarations(scope);
        let usable: Vec<&str> =
            scope.iter().map(|(prefix, _)| *prefix).filter(|prefix| !prefix.is_empty()).collect();
        let qualify = |random: &mut Self, local: &str| match random.chance(3) {
            true => local.to_owned(),
            false => format!("{}:{local}", random.pick(&usable)),
        };
        let local = self.local();
        let name = qualify(self, local);
        let mut attributes = String::new();
        for nth in 0..self.below(4) {
            let local = format!("{}{nth}", self.local());
            let attribute = match self.chance(8) {
                true if nth == 0 => "xml:lang".to_owned(),
                _ => qualify(self, &local),
            };
            let quote = self.pick(&['"', '\'']);
            attributes += &format!(" {attribute}={quote}{}{quote}", self.value());
        }
        // Declarations and attributes in either order.
        let tag = match self.chance(2) {
            true => format!("{name}{declarations}{attributes}"),
            false => format!("{name}{attributes}{declarations}"),
        };
        let mut content = String::new();
        for _ in 0..self.below(4) {
            content += &match self.below(6) {
                0 | 1 if depth < 5 => self.element(scope, depth + 1),
                2 => format!("<!--{}-->", self.pick(&["", " x ", "a - b", "<&>", "\r\n"])),
                3 => format!("<![CDATA[{}]]>", self.pick(&["", "<&>", "]]", "a\r\nb", "ä"])),
                _ => self.text(),
            };
        }
        scope.truncate(outer);
        match content.is_empty() && self.chance(2) {
            true => format!("<{tag}/>"),
            false => format!("<{tag}>{content}</{name}>"),
        }
    }

    /// A response around pieces of markup that fit more often than chance would have it.
    fn scraps(&mut self) -> String {
        const PIECES: &[&str] = &[
            "<a>",
            "</a>",
            "<a/>",
            "<a />",
            "</a >",
            "<p:a xmlns:p='u:1'>",
            "</p:a>",
            "<p:a/>",
            "<a b=''/>",
            "<a b='' b=''/>",
            "<a b='' c=\"\"/>",
            "<a b=''c=''/>",
            "<a b=1/>",
            "<a b/>",
            "<a p:b='' xmlns:p='u:1'/>",
            "<a p:b='' q:b='' xmlns:p='u:1' xmlns:q='u:1'/>",
            "<a p:b='' q:b='' xmlns:p='u:1' xmlns:q='u:2'/>",
            "<a xmlns:p=''/>",
            "<a xmlns=''/>",
            "<a xmlns:xml='u:1'/>",
            "<a xmlns:xmlns='u:1'/>",
            "<a xml:b=''/>",
            "<a b='<'/>",
            "<a b='>'/>",
            "<a b='&amp;'/>",
            "<a b='&'/>",
            "<a b='&x;'/>",
            "<a b='&#x9;'/>",
            "<a b='&#x8;'/>",
            "&amp;",
            "&lt;",
            "&",
            "&x;",
            "&#65;",
            "&#x41;",
            "&#X41;",
            "&#;",
            "&#xFFFF;",
            "&#55296;",
            "&amp",
            "<!---->",
            "<!-- a -->",
            "<!-- -- -->",
            "<!-- --->",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<![CDATA[<&]]>",
            "<![cdata[]]>",
            "text",
            " ",
            "\n",
            "\r\n",
            "\u{85}",
            "ä",
            "\u{FFFD}",
            "\u{FFFE}",
            "\u{1}",
            "<",
            ">",
            "/>",
            "<1/>",
            "<-/>",
            "<é/>",
            "<a.-1/>",
            "<a\u{B7}/>",
            "<\u{B7}/>",
            "<a\u{D7}/>",
            "<:a/>",
            "<a:/>",
            "<a:b:c/>",
            "< a/>",
            "</ a>",
            "<a\u{A0}b=''/>",
            "<a\nb\n=\n''\n/>",
            "<a b='\n\t'/>",
            "<a b=\"'\"/>",
            "<samlp:a/>",
        ];
        const OPEN: &str = "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">";
        let mut content = String::new();
        for _ in 0..self.below(5) {
            let piece = self.pick(PIECES);
            match piece.strip_prefix('<').is_some_and(|rest| {
                piece.ends_with('>') && !piece.ends_with("/>") && !rest.starts_with(['/', '!'])
            }) && self.chance(2)
            {
                true => {
                    let name = piece[1..].split([' ', '>']).next().unwrap_or_default();
                    let end = format!("</{name}>");
                    content = format!("{piece}{content}{end}");
                }
                false => content += piece,
            }
        }
        let around = |random: &mut Self| match random.chance(12) {
            true => random.pick(&[
                " ",
                "\n",
                "x",
                "&#32;",
                "<!-- x -->",
                "<!--->",
                "<a/>",
                "<![CDATA[]]>",
            ]),
            false => "",
        };
        let before = match self.chance(12) {
            true => self.pick(&[
                "<?xml version=\"1.0\"?>",
                "<?xml version='1.0' encoding='UTF-8'?>\n",
                "<?xml?>",
                " <?xml version='1.0'?>",
                "<?xml version='1.0' standalone='yes'?>",
                "<?xml version='1.0' standalone='x'?>",
                "<?xml encoding='UTF-8' version='1.0'?>",
                "<?xml version='1.0'encoding='UTF-8'?>",
            ]),
            false => around(self),
        };
        let after = around(self);
        format!("{before}{OPEN}{content}</samlp:Response>{after}")
    }

    fn local(&mut self) -> &'static str {
        self.pick(&["x", "y", "zz", "é", "_q", "a.b-c"])
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.below(4) {
            text += self.pick(&[
                "plain",
                " ",
                "\n",
                "\r\n",
                "\r",
                "\t",
                "&amp;",
                "&lt;",
                "&gt;",
                "&quot;",
                "&apos;",
                "\"",
                "'",
                ">",
                "&#13;",
                "&#xA;",
                "&#9;",
                "ä",
                "\u{1F600}",
                "&#x1F600;",
                "]] ",
                "\u{85}",
                "\u{A0}",
                "\u{2028}",
            ]);
        }
        text
    }

    fn value(&mut self) -> String {
        let mut value = String::new();
        for _ in 0..self.below(4) {
            value += self.pick(&[
                "plain",
                " ",
                "\n",
                "\r\n",
                "\r",
                "\t",
                "&amp;",
                "&lt;",
                ">",
                "&quot;",
                "&apos;",
                "&#13;",
                "&#xA;",
                "&#9;",
                "&#32;",
                "ä",
                "\u{1F600}",
                "]]>",
            ]);
        }
        value
    }
}
