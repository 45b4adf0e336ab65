//! Speed of the SAML core: `cargo bench --bench saml`.
//!
//! Time of one validation against the floor measured in the same run (RSA-2048 verification
//! and SHA-256 of the same bytes, by aws-lc-rs); how it grows with the size; and what hostile
//! documents cost. Exits with 1 when a bound does not hold.
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
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use aws_lc_rs::{digest, rsa};
use support::*;

/// Times the floor that one validation of a 6 KB response may cost.
const RATIO: f64 = 3.5;
/// Growth of the cost per byte from 6 KB to 256 KB.
const GROWTH: f64 = 1.5;
/// The worst hostile document.
const WORST: Duration = Duration::from_millis(100);
const ROUNDS: usize = 40;

fn main() {
    let mut holds = true;
    let mut bound = |name: &str, got: f64, limit: f64| {
        let verdict = if got <= limit { "" } else { "  TOO MUCH" };
        holds &= got <= limit;
        println!("{name:<44} {got:>9.2}  (at most {limit}){verdict}");
    };

    println!("one validation, RSA-2048, SHA-256, by size");
    let mut per_byte = Vec::new();
    for size in [6, 16, 64, 250] {
        for sign in [Sign::Assertion, Sign::Response] {
            let xml = sized(size * 1024, sign);
            let judge = Judge::default();
            assert_eq!(judge.code(&xml), "accepted");
            let floor = floor(xml.as_bytes());
            let cost = measure(|| judge.code(&xml));
            println!(
                "{:>7} bytes {:<10} {:>8.1} us, floor {:>6.1} us",
                xml.len(),
                if sign == Sign::Assertion { "assertion" } else { "response" },
                micros(cost),
                micros(floor),
            );
            if size == 6 {
                bound("ratio to the floor", cost.as_secs_f64() / floor.as_secs_f64(), RATIO);
            }
            if sign == Sign::Response {
                let own = cost.saturating_sub(self::floor(b"").min(cost));
                per_byte.push(own.as_secs_f64() / xml.len() as f64);
            }
        }
    }
    bound("growth of the cost per byte, 6 KB to 250 KB", per_byte[3] / per_byte[0], GROWTH);

    println!("hostile documents, ms");
    for (name, xml) in hostile() {
        let judge = Judge::default();
        let cost = measure(|| judge.code(&xml));
        let name = format!("{name}: {}", judge.code(&xml));
        bound(&name, cost.as_secs_f64() * 1e3, WORST.as_secs_f64() * 1e3);
    }
    std::process::exit(i32::from(!holds));
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
fn floor(bytes: &[u8]) -> Duration {
    let message = b"a SignedInfo is small";
    let signature = sign_bytes("rsa2048", message);
    let pair = rsa::KeyPair::from_pkcs8(&pem(&fixture("keys/rsa2048.pem"))).unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref().to_vec();
    measure(|| {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
        key.verify(message, &signature).unwrap();
        digest::digest(&digest::SHA256, black_box(bytes))
    })
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
    let signed = |content: &str| {
        let open = "<saml:AuthnStatement";
        let advice = format!("<saml:Advice>{content}</saml:Advice>{open}");
        valid().sign(Sign::Both).edit_assertion(open, &advice).xml()
    };
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
        ("signed elements", signed(&"<a></a>".repeat(19_900))),
        ("signed escapes", signed(&"&amp;".repeat(50_000))),
        ("signed prefixes", signed(&"<a xmlns:p=\"u\" p:b=\"\"></a>".repeat(9_000))),
    ]
}

/// Time of one call: the least of rounds of about 2 ms. Whatever else runs on the machine only
/// adds, so the least is near the CPU time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn measure<T>(mut call: impl FnMut() -> T) -> Duration {
    let mut time = |calls: u32| {
        let begin = Instant::now();
        for _ in 0..calls {
            black_box(call());
        }
        begin.elapsed() / calls
    };
    let once = time(1).max(Duration::from_nanos(100));
    let calls = (Duration::from_millis(2).as_nanos() / once.as_nanos()).clamp(1, 2_000) as u32;
    (0..ROUNDS).map(|_| time(calls)).min().unwrap_or(once)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
