//! Speed of the SAML core: `cargo bench --bench saml`.
//!
//! Time of one validation against the floor measured in the same run (RSA-2048 verification
//! and SHA-256 of the same bytes, by aws-lc-rs); how it grows with the size; and what hostile
//! documents cost, compared with harmless ones. Exits with 1 when a bound does not hold: the promise
//! that nothing takes longer than 100 ms, or than three times a harmless document of its size, is shown
//! to hold here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    dead_code,
    reason = "a benchmark may fail as tests do, and uses a part of their support"
)]

#[path = "../tests/saml/support.rs"]
mod support;

use std::hint::black_box;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use aws_lc_rs::{digest, rsa};
use strict_saml::IdpMetadata;
use support::*;

/// Times the floor that one validation of a 6 KB response may cost.
const RATIO: f64 = 3.5;
/// Growth of the cost per byte from 6 KB to 250 KB.
const GROWTH: f64 = 1.5;
/// Times a harmless document of its size that a hostile one may cost.
const HOSTILE: f64 = 3.0;
/// The same where a signature keeps comments: what it covers may have been digested in two ways, and is
/// written out for each.
const DIGESTED_TWICE: f64 = 4.5;
/// The most that anything may cost, in ms.
const WORST: f64 = 100.0;
/// Rounds in which everything is measured once, in turns, by CPU time: a noisy moment of the machine
/// meets one round of all, not all rounds of one.
const ROUNDS: usize = 40;

fn main() {
    let mut cases = Cases::default();
    let mut sizes = Vec::new();
    for size in [6, 16, 64, 250] {
        for sign in [Sign::Assertion, Sign::Response, Sign::Both] {
            let xml = sized(size * 1024, sign);
            let judge = Judge::default();
            assert_eq!(judge.code(&xml), "accepted");
            let floor = cases.add(floor(xml.as_bytes()));
            let bytes = xml.len();
            let cost = cases.add(move || {
                black_box(judge.code(&xml));
            });
            sizes.push((size, sign, bytes, cost, floor));
        }
    }
    let nothing = cases.add(floor(b""));
    let mut hostile_cases = Vec::new();
    // `cargo bench --bench saml -- NAME` measures the hostile documents of that name alone.
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let is_wanted = |name: &str| only.as_ref().is_none_or(|only| name.starts_with(only.as_str()));
    for (name, xml) in hostile().into_iter().filter(|(name, _)| is_wanted(name)) {
        let judge = Judge::default();
        let name = format!("{name}: {}", judge.code(&xml));
        let bytes = xml.len();
        // What is logged of a refusal is a part of its cost.
        let cost = cases.add(move || {
            black_box(judge.judge(&xml).map_err(|rejection| rejection.detail()).is_ok());
        });
        hostile_cases.push((name, bytes, cost));
    }
    let mut metadata_cases = Vec::new();
    for (name, xml) in hostile_metadata() {
        let bytes = xml.len();
        let name = format!("{name}, {} KB", bytes / 1024);
        let cost = cases.add(move || drop(black_box(IdpMetadata::parse(xml.as_bytes()))));
        metadata_cases.push((name, cost));
    }
    let costs = cases.measure();

    let mut holds = true;
    let mut bound = |name: &str, got: f64, limit: f64| {
        let verdict = if got <= limit { "" } else { "  TOO MUCH" };
        holds &= got <= limit;
        println!("{name:<66} {got:>7.2}  (at most {limit}){verdict}");
    };
    println!("one validation, RSA-2048, SHA-256, by size");
    let mut per_byte = Vec::new();
    let mut harmless = 0.0;
    for (size, sign, bytes, cost, floor) in sizes {
        let (cost, floor) = (costs[cost], costs[floor]);
        let signed = match sign {
            Sign::Assertion => "assertion",
            Sign::Response => "response",
            _ => "both",
        };
        println!(
            "{bytes:>7} bytes {signed:<10} {:>8.1} us, floor {:>6.1} us",
            cost * 1e6,
            floor * 1e6
        );
        if size == 6 && sign != Sign::Both {
            bound("ratio to the floor", cost / floor, RATIO);
        }
        if sign == Sign::Response {
            per_byte.push((cost - costs[nothing]) / bytes as f64);
        }
        if sign == Sign::Both {
            harmless = cost / bytes as f64;
        }
    }
    bound("growth of the cost per byte, 6 KB to 250 KB", per_byte[3] / per_byte[0], GROWTH);

    println!("hostile documents, times a harmless one of the same size, which is signed twice");
    let mut worst = (0.0, String::new());
    for (name, bytes, cost) in hostile_cases {
        let cost = costs[cost];
        let most = if name.contains("digested twice") { DIGESTED_TWICE } else { HOSTILE };
        bound(&name, cost / (harmless * bytes as f64), most);
        if cost > worst.0 {
            worst = (cost, name);
        }
    }
    bound(&format!("the slowest, in ms: {}", worst.1), worst.0 * 1e3, WORST);
    println!("hostile metadata, ms");
    for (name, cost) in metadata_cases {
        bound(&name, costs[cost] * 1e3, WORST);
    }
    std::process::exit(i32::from(!holds));
}

/// Everything that is measured, so that it can be measured in turns.
#[derive(Default)]
struct Cases {
    calls: Vec<Box<dyn FnMut()>>,
}

impl Cases {
    /// Gives the place of its cost.
    fn add(&mut self, call: impl FnMut() + 'static) -> usize {
        self.calls.push(Box::new(call));
        self.calls.len() - 1
    }

    /// CPU seconds of one call of each: the least of all rounds, each of about 2 ms.
    fn measure(mut self) -> Vec<f64> {
        let time = |call: &mut Box<dyn FnMut()>, calls: u32| {
            let begin = cpu_seconds();
            for _ in 0..calls {
                call();
            }
            (cpu_seconds() - begin) / f64::from(calls)
        };
        let mut least: Vec<f64> =
            self.calls.iter_mut().map(|call| time(call, 1).max(1e-7)).collect();
        let calls: Vec<u32> =
            least.iter().map(|once| (2e-3 / once).clamp(1.0, 2_000.0) as u32).collect();
        for _ in 0..ROUNDS {
            for ((call, calls), least) in self.calls.iter_mut().zip(&calls).zip(&mut least) {
                *least = time(call, *calls).min(*least);
            }
        }
        least
    }
}

/// A valid response of about this size, in many attributes.
fn sized(bytes: usize, sign: Sign) -> String {
    let close = "</saml:AttributeStatement>";
    let attribute = "<saml:Attribute Name=\"group\"><saml:AttributeValue>\
                     9067a1b2c3-aaaa-bbbb-cccc-0123456789ab</saml:AttributeValue></saml:Attribute>";
    let base = valid().sign(sign).xml().len();
    let more = attribute.repeat((bytes - base) / attribute.len());
    valid().sign(sign).edit_assertion(close, &format!("{more}{close}")).xml()
}

/// What cannot be avoided: one verification, one digest over the same bytes.
fn floor(bytes: &[u8]) -> impl FnMut() + 'static {
    let message = b"a SignedInfo is small";
    let signature = sign_bytes("rsa2048", message);
    let pair = rsa::KeyPair::from_pkcs8(&pem(&fixture("keys/rsa2048.pem"))).unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref().to_vec();
    let bytes = bytes.to_vec();
    move || {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
        key.verify(message, &signature).unwrap();
        black_box(digest::digest(&digest::SHA256, black_box(&bytes)));
    }
}

fn hostile() -> Vec<(&'static str, String)> {
    let xml = valid().xml();
    let room = 262_144 - xml.len() - 200;
    let fill = |part: &str| part.repeat(room / part.len());
    let inside =
        |content: &str| tamper(&xml, "</samlp:Status>", &format!("{content}</samlp:Status>"));
    let numbered = |template: &str| -> String {
        let mut text = String::new();
        let mut nth = 0;
        while text.len() + template.len() + 5 < room {
            text += &template.replace('#', &format!("{nth:x}"));
            nth += 1;
        }
        text
    };
    let declared =
        |count: usize| -> String { (0..count).map(|nth| format!(" xmlns:n{nth:x}='u'")).collect() };
    // 62 levels of 62 declarations, then elements that look prefixes up.
    let scoped = {
        let mut text = String::new();
        for level in 0..60 {
            let names: String =
                (0..60).map(|nth| format!(" xmlns:p{:x}='u'", level * 60 + nth)).collect();
            text += &format!("<a{names}>");
        }
        let rest = room - text.len() - 60 * 4;
        text += &"<p0:a p1:b=''/>".repeat(rest / 15);
        text + &"</a>".repeat(60)
    };
    let attributes: String = {
        let names: String = (0..63).map(|nth| format!(" b{nth}=''")).collect();
        fill(&format!("<a{names}/>"))
    };
    let prefix_list = |prefixes: String| {
        let list = format!(
            "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" \
             PrefixList=\"{prefixes}\"></ec:InclusiveNamespaces></ds:Transform></ds:Transforms>"
        );
        valid().edit_info("</ds:Transform></ds:Transforms>", &list).xml()
    };
    let signature = cut(&xml, "<ds:Signature ", "</ds:Signature>").to_owned();
    let open = "<saml:AuthnStatement";
    let signed = |content: &str| {
        let advice = format!("<saml:Advice>{content}</saml:Advice>{open}");
        valid().sign(Sign::Both).edit_assertion(open, &advice).xml()
    };
    // Somebody holds a signed response and changes it: its SignedInfo verifies, so all is canonicalized.
    let advised = |declarations: &str, content: &str| {
        let advice = format!("<saml:Advice{declarations}>{content}</saml:Advice>{open}");
        tamper(&xml, open, &advice)
    };
    // The same of one that is signed with comments, which may be digested in two ways.
    let commented = |content: &str| {
        let with = valid().edit_info(
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">",
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments\">",
        );
        tamper(&with.xml(), open, &format!("<saml:Advice>{content}</saml:Advice>{open}"))
    };
    // Attributes of one element in an order that no sorting likes, `prefix` before each.
    let shuffled = |prefixes: &[&str], count: usize| -> String {
        let names = (0..count).map(|nth| {
            let nth = nth * 37 % count;
            let prefix = prefixes[nth % prefixes.len()];
            format!(
                " {prefix}:{}{}=\"\"",
                char::from(b'a' + (nth / 26) as u8),
                char::from(b'a' + (nth % 26) as u8)
            )
        });
        names.collect()
    };
    let one_uri = format!(" xmlns:p=\"u:{}\"", "A".repeat(130_000));
    let two_uris =
        ["p", "q"].map(|name| format!(" xmlns:{name}=\"u:{}{name}\"", "A".repeat(65_000))).concat();
    // Names that agree at both ends, so that only a look at the middle tells them apart.
    let alike: String = (0..63).map(|nth| format!(" aaaaaaaa{nth:02}bbbbbbbb=\"\"")).collect();
    let repeat = |part: &str, room: usize| part.repeat(room / part.len());
    let confirmation =
        cut(&valid().assertion, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>")
            .to_owned();
    let expired = confirmation.replace("12:05:00Z", "11:05:00Z");
    vec![
        ("elements", inside(&fill("<a/>"))),
        ("deep elements", inside(&fill("<a>"))),
        ("text", inside(&fill("x"))),
        ("references", inside(&fill("&amp;"))),
        ("attribute references", inside(&format!("<a b='{}'/>", fill("&#9;")))),
        ("comments", inside(&fill("<!---->"))),
        ("text and comments in a name", tamper(&xml, "ann@", &fill("a<!---->"))),
        ("carriage returns", inside(&fill("\r"))),
        ("attributes", inside(&attributes)),
        ("declarations", inside(&fill(&format!("<a{}/>", declared(63))))),
        ("prefixes in a deep scope", inside(&scoped)),
        ("IDs", inside(&numbered("<a ID='#'/>"))),
        ("one long name", inside(&format!("<{}/>", fill("a")))),
        ("one long attribute name", inside(&format!("<a {}=''/>", fill("b")))),
        ("unclosed attribute", inside(&format!("<a b='{}", fill("'c='")))),
        ("unclosed comment", inside(&format!("<!--{}", fill("-")))),
        ("unclosed CDATA", inside(&format!("<![CDATA[{}", fill("]]")))),
        ("unclosed DOCTYPE", format!("<!DOCTYPE {}", fill("[<!ENTITY a 'b'>"))),
        (
            "signatures",
            tamper(&xml, "<saml:Subject>", &format!("{}<saml:Subject>", fill(&signature))),
        ),
        (
            "references in SignedInfo",
            tamper(&xml, "<ds:Reference ", &format!("{}<ds:Reference ", fill("<ds:Reference/>"))),
        ),
        ("a long PrefixList", prefix_list(fill("p "))),
        ("a PrefixList of many", prefix_list(numbered("p# "))),
        (
            "nested assertions",
            inside(&fill("<saml:Assertion xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion'/>")),
        ),
        (
            "assertions",
            tamper(
                &xml,
                "</samlp:Response>",
                &format!(
                    "{}</samlp:Response>",
                    fill("<Assertion xmlns='urn:oasis:names:tc:SAML:2.0:assertion'/>")
                ),
            ),
        ),
        (
            "base64",
            tamper(&xml, "<ds:SignatureValue>", &format!("<ds:SignatureValue>{}", fill("A "))),
        ),
        (
            "a long namespace of many elements",
            tamper(
                &tamper(
                    &valid().sign(Sign::Both).xml(),
                    "<saml:Assertion ",
                    &format!("<saml:Assertion xmlns:x=\"{}\" ", "u".repeat(130_000)),
                ),
                "<saml:Subject>",
                &format!("{}<saml:Subject>", "<x:a/>".repeat(19_900)),
            ),
        ),
        (
            "one URI of 130 KB, shuffled attributes",
            advised(&one_uri, &repeat(&format!("<a{}/>", shuffled(&["p"], 60)), room - 131_000)),
        ),
        (
            "two URIs of 65 KB, shuffled attributes",
            advised(
                &two_uris,
                &repeat(&format!("<a{}/>", shuffled(&["p", "q"], 60)), room - 131_000),
            ),
        ),
        (
            "two URIs of 65 KB, equal local names",
            advised(&two_uris, &repeat("<a p:b=\"\" q:b=\"\"/>", room - 131_000)),
        ),
        (
            "two URIs of 65 KB, bound in turns",
            advised(&two_uris, &repeat("<p:a><q:b/></p:a>", room - 131_000)),
        ),
        (
            "shuffled attributes",
            advised(" xmlns:p=\"u\"", &fill(&format!("<a{}/>", shuffled(&["p"], 60)))),
        ),
        ("attributes that look alike", advised("", &fill(&format!("<a{alike}/>")))),
        (
            "four long attribute names",
            advised(
                "",
                &format!(
                    "<a{}/>",
                    (0..4)
                        .map(|nth| format!(" {}{nth}a=''", "a".repeat(room / 4 - 30)))
                        .collect::<String>()
                ),
            ),
        ),
        ("sixty long attribute names", {
            let names = (0..60).map(|nth| {
                let half = "a".repeat(room / 130);
                format!(" {half}{nth:02}{half}=''")
            });
            advised("", &format!("<a{}/>", names.collect::<String>()))
        }),
        ("advice in a deep advice", {
            let deep = "<saml:x>".repeat(58);
            let inner = repeat("<saml:Assertion/>", room - 58 * 20);
            advised("", &format!("{deep}{inner}{}", "</saml:x>".repeat(58)))
        }),
        ("comments, digested twice", commented(&fill("<!---->"))),
        ("elements, digested twice", commented(&repeat("<a/>", 79_000))),
        ("empty CDATA sections", advised("", &fill("<![CDATA[]]>"))),
        ("CDATA sections", advised("", &fill("<![CDATA[x]]>y"))),
        ("greater-than signs", advised("", &fill(">"))),
        ("quotes in attributes", advised("", &format!("<a b='{}'/>", fill("\"")))),
        ("line ends by reference", advised("", &fill("&#13;"))),
        ("characters beyond ASCII", advised("", &fill("\u{FFFD}"))),
        ("names beyond ASCII", advised("", &repeat("<\u{E4}\u{F6}\u{FC}/>", 179_000))),
        ("declarations that nobody uses", advised("", &fill(&format!("<a{}/>", declared(60))))),
        ("declarations in use", {
            let used: String = (0..30).map(|nth| format!(" n{nth:x}:a=''")).collect();
            advised("", &fill(&format!("<a{}{used}/>", declared(30).replace("'u'", "'v'"))))
        }),
        ("a listed prefix at every element", {
            let list = "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"p q #default\"></ec:InclusiveNamespaces></ds:Transform></ds:Transforms>";
            let listed = valid().edit_info("</ds:Transform></ds:Transforms>", list).xml();
            let advice = fill("<a xmlns:p='u' xmlns:q='v'><b xmlns:p='w' xmlns:q='x'/></a>");
            tamper(&listed, open, &format!("<saml:Advice>{advice}</saml:Advice>{open}"))
        }),
        ("confirmations", signed_more(&confirmation, &expired, room)),
        ("audiences", {
            let audience = "</saml:AudienceRestriction>";
            let others = fill("<saml:Audience>u</saml:Audience>");
            valid().edit_assertion(audience, &format!("{others}{audience}")).xml()
        }),
        ("audience restrictions", {
            let whole = "<saml:AudienceRestriction>";
            let one =
                format!("{whole}<saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction>");
            valid().edit_assertion(whole, &format!("{}{whole}", fill(&one))).xml()
        }),
        ("attribute names", {
            let mut nth = 0;
            let mut names = String::new();
            while names.len() + 90 < room {
                names += &format!("<saml:Attribute Name=\"{nth:x}\"></saml:Attribute>");
                nth += 1;
            }
            let close = "</saml:AttributeStatement>";
            valid().edit_assertion(close, &format!("{names}{close}")).xml()
        }),
        ("values of one attribute", {
            let close = "</saml:Attribute></saml:AttributeStatement>";
            let values = "<saml:AttributeValue></saml:AttributeValue>".repeat(room / 43);
            valid().edit_assertion(close, &format!("{values}{close}")).xml()
        }),
        ("a time with a long fraction", {
            valid().edit_assertion("12:05:00Z", &format!("12:05:00.{}Z", fill("0"))).xml()
        }),
        ("a long answered request", {
            let answered = format!(" InResponseTo=\"{}\" Recipient", fill("\u{e4}"));
            valid().edit_assertion(" Recipient", &answered).xml()
        }),
        ("a long unknown condition", {
            let condition =
                format!("<{0}></{0}></saml:Conditions>", fill("a").split_at(room / 2).0);
            valid().edit_assertion("</saml:Conditions>", &condition).xml()
        }),
        (
            "blanks in the digest",
            tamper(&xml, "<ds:DigestValue>", &format!("<ds:DigestValue>{}", fill(" "))),
        ),
        (
            "comments in the digest",
            tamper(&xml, "<ds:DigestValue>", &format!("<ds:DigestValue>{}", fill("<!---->"))),
        ),
        ("signed elements", signed(&"<a></a>".repeat(19_900))),
        ("signed escapes", signed(&"&amp;".repeat(50_000))),
        ("signed prefixes", signed(&"<a xmlns:p=\"u\" p:b=\"\"></a>".repeat(9_000))),
    ]
}

/// Confirmations that do not hold, before one that does.
fn signed_more(holds: &str, expired: &str, room: usize) -> String {
    valid().edit_assertion(holds, &format!("{}{holds}", expired.repeat(room / expired.len()))).xml()
}

/// Metadata comes from administrators, but is bounded all the same.
fn hostile_metadata() -> Vec<(&'static str, String)> {
    let one = metadata_xml(&["rsa2048"]);
    let descriptor = cut(&one, "<md:KeyDescriptor", "</md:KeyDescriptor>").to_owned();
    let room = 1_048_576 - one.len() - 200;
    let more = |part: &str| {
        tamper(&one, &descriptor, &format!("{descriptor}{}", part.repeat(room / part.len())))
    };
    let data = cut(&one, "<ds:X509Data>", "</ds:X509Data>").to_owned();
    let certificates = cut(&data, "<ds:X509Certificate>", "</ds:X509Certificate>").to_owned();
    let in_one = |part: &str| tamper(&one, &certificates, &part.repeat(room / part.len()));
    vec![
        ("the same key again and again", more(&descriptor)),
        ("one chain of the same certificate", in_one(&certificates)),
        (
            "keys that are no certificates",
            more(
                "<md:KeyDescriptor><ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
            ),
        ),
        (
            "keys without anything",
            tamper(
                &one,
                &descriptor,
                &format!("{descriptor}{}", "<md:KeyDescriptor/>".repeat(19_000)),
            ),
        ),
        ("text", more("<!-- -->")),
    ]
}
