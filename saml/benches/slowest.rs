//! Looks for the document that costs most: `cargo bench -p strict-saml --bench slowest -- SECONDS`.
//!
//! Documents are lists of parts, each repeated, inside the advice of a signed response whose `SignedInfo`
//! verifies: what anybody can make who holds one, however old. They are changed at random; those that cost
//! most for their size, compared with a harmless document, are kept and changed again. Prints the worst, and
//! exits with 1 where one takes longer than 100 ms, or than three times the harmless one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    dead_code,
    reason = "a benchmark may fail as tests do, measures time, and uses a part of their support"
)]

#[path = "../tests/saml/support.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use support::*;

/// What documents are made of; `#` becomes a number, another one each time, `^` the same text of 100 bytes.
const PARTS: [&str; 32] = [
    "<a/>",
    "<a></a>",
    "<a>",
    "</a>",
    "<p:a/>",
    "<q:a/>",
    "<a p:b=''/>",
    "<a p:b='' q:b=''/>",
    "<a b='#'/>",
    "<a ID='#'/>",
    "<a#/>",
    "<a b#=''/>",
    "<a xmlns:n#='u'/>",
    "<a xmlns='u#'/>",
    "<a xmlns:p='v#'>",
    "<p:a xmlns:p='v#' p:b='' xml:lang=''/>",
    "<!---->",
    "<!--#-->",
    "<![CDATA[]]>",
    "<![CDATA[#]]>",
    "&amp;",
    "&#13;",
    ">",
    "\"",
    "#",
    " ",
    "\r",
    "<saml:Assertion/>",
    "<saml:Advice/>",
    "<a b='\"'/>",
    "<^/>",
    "<p:a ^='' q:^=''/>",
];
/// What stands on the advice.
const DECLARATIONS: [&str; 4] = [
    " xmlns:p='u' xmlns:q='w'",
    " xmlns:p='u:^' xmlns:q='w:^'",
    " xmlns:p='u:%1' xmlns:q='u:%2'",
    " xmlns:p='u:%' xmlns:q='w'",
];

#[derive(Clone)]
struct Genome {
    declarations: usize,
    comments: bool,
    /// Groups of parts with how often each group comes; the whole is repeated until it is full.
    groups: Vec<(Vec<usize>, usize)>,
}

fn main() {
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let judge = Judge::default();
    let plain = valid().xml();
    let with_comments = valid()
        .edit_info(
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">",
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments\">",
        )
        .xml();
    let harmless = harmless();
    let mut least = (0..200).map(|_| time(&judge, &harmless)).fold(f64::MAX, f64::min);
    let mut best: Vec<(f64, Genome, String)> = Vec::new();
    let mut tried = 0_u64;
    while Instant::now() < end {
        let genome = match best.is_empty() || random.below(8) == 0 {
            true => Genome::new(&mut random),
            false => best[random.below(best.len())].1.changed(&mut random),
        };
        let base = if genome.comments { &with_comments } else { &plain };
        let xml = genome.document(base, &mut random);
        tried += 1;
        let mut cost = time(&judge, &xml);
        let worst_kept = best.last().map_or(0.0, |(cost, ..)| *cost);
        let ratio = |cost: f64| cost / xml.len() as f64 / (least / harmless.len() as f64);
        if ratio(cost) > worst_kept {
            // A noisy moment is no finding: the least of some more.
            cost = (0..8).map(|_| time(&judge, &xml)).fold(cost, f64::min);
        }
        if ratio(cost) > worst_kept || best.len() < 16 {
            best.push((ratio(cost), genome, xml));
            best.sort_by(|one, other| other.0.total_cmp(&one.0));
            best.truncate(16);
        }
    }
    // What is left is measured in turns with the harmless one, which was measured more often.
    let mut costs = vec![f64::MAX; best.len()];
    for _ in 0..50 {
        least = least.min(time(&judge, &harmless));
        for ((.., xml), cost) in best.iter().zip(&mut costs) {
            *cost = cost.min(time(&judge, xml));
        }
    }
    let per_byte = least / harmless.len() as f64;
    for ((ratio, _, xml), cost) in best.iter_mut().zip(costs) {
        *ratio = cost / xml.len() as f64 / per_byte;
    }
    best.sort_by(|one, other| other.0.total_cmp(&one.0));
    println!(
        "{tried} documents in {seconds} s; the slowest, in times of a harmless one of their size:"
    );
    for (ratio, genome, xml) in best.iter().take(5) {
        println!("{ratio:>6.2}  {}: {}", judge.code(xml), genome.told());
    }
    let worst = best.first().map_or(0.0, |(ratio, ..)| *ratio);
    // Of the most that is read.
    let most = worst * per_byte * 262_144.0;
    println!("at most {:.1} ms; a harmless one {:.1} ms", most * 1e3, per_byte * 262_144.0 * 1e3);
    std::process::exit(i32::from(most > 0.1 || worst > 3.0));
}

/// CPU seconds of one validation.
fn time(judge: &Judge<'_>, xml: &str) -> f64 {
    let begin = cpu_seconds();
    black_box(judge.judge(xml).map_err(|rejection| rejection.detail()).is_ok());
    cpu_seconds() - begin
}

/// A document of about 250,000 bytes, signed twice, that is accepted.
fn harmless() -> String {
    let close = "</saml:AttributeStatement>";
    let attribute = "<saml:Attribute Name=\"group\"><saml:AttributeValue>\
                     9067a1b2c3-aaaa-bbbb-cccc-0123456789ab</saml:AttributeValue></saml:Attribute>";
    let more = attribute.repeat(245_000 / attribute.len());
    let xml = valid().sign(Sign::Both).edit_assertion(close, &format!("{more}{close}")).xml();
    assert_eq!(Judge::default().code(&xml), "accepted");
    xml
}

impl Genome {
    fn new(random: &mut Random) -> Self {
        let groups = (0..1 + random.below(3)).map(|_| Self::group(random)).collect();
        Self {
            declarations: random.below(DECLARATIONS.len()),
            comments: random.below(2) == 0,
            groups,
        }
    }

    fn group(random: &mut Random) -> (Vec<usize>, usize) {
        let parts = (0..1 + random.below(4)).map(|_| random.below(PARTS.len())).collect();
        (parts, 1 << random.below(14))
    }

    fn changed(&self, random: &mut Random) -> Self {
        let mut genome = self.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(genome.groups.len());
            match random.below(7) {
                0 => genome.declarations = random.below(DECLARATIONS.len()),
                1 => genome.comments = !genome.comments,
                2 if genome.groups.len() < 6 => genome.groups.push(Self::group(random)),
                3 if genome.groups.len() > 1 => drop(genome.groups.remove(at)),
                4 => genome.groups[at].1 = 1 << random.below(15),
                5 => genome.groups[at].0.push(random.below(PARTS.len())),
                _ => {
                    let part = random.below(genome.groups[at].0.len());
                    genome.groups[at].0[part] = random.below(PARTS.len());
                }
            }
        }
        genome
    }

    /// The advice, in which everything that is open is closed at the end.
    fn document(&self, base: &str, random: &mut Random) -> String {
        let room = 262_144 - base.len() - 1_000;
        let long = "a".repeat(100);
        let declarations =
            DECLARATIONS[self.declarations].replace('^', &long).replace('%', &"A".repeat(room / 4));
        let mut content = String::new();
        let mut open = 0_usize;
        let mut number = random.below(1000);
        let limit = room.saturating_sub(declarations.len());
        'full: loop {
            let before = content.len();
            for (parts, count) in &self.groups {
                for _ in 0..*count {
                    for part in parts {
                        let part = PARTS[*part];
                        let closes = part == "</a>";
                        let opens = matches!(part, "<a>" | "<a xmlns:p='v#'>");
                        if (closes && open == 0) || (opens && open == 58) {
                            continue;
                        }
                        open = open + usize::from(opens) - usize::from(closes);
                        number += 1;
                        content += &part.replace('#', &format!("{number:x}")).replace('^', &long);
                        if content.len() + open * 4 > limit {
                            break 'full;
                        }
                    }
                }
            }
            if content.len() == before {
                break;
            }
        }
        content += &"</a>".repeat(open);
        let at = "<saml:AuthnStatement";
        tamper(base, at, &format!("<saml:Advice{declarations}>{content}</saml:Advice>{at}"))
    }

    fn told(&self) -> String {
        let groups = self.groups.iter().map(|(parts, count)| {
            let parts: String = parts.iter().map(|part| PARTS[*part]).collect();
            format!("{count} × {parts:?}")
        });
        let groups: Vec<_> = groups.collect();
        let comments = if self.comments { ", signed with comments" } else { "" };
        format!("{} on{}{comments}", groups.join(", "), DECLARATIONS[self.declarations])
    }
}

/// xorshift64*: the same documents each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}
