//! Altered responses: nothing panics, and nothing is accepted that says something else.

use serde_json::{Value, json};

use crate::differential::Random;
use crate::support::*;

const MUTATIONS: u64 = 20_000;

#[test]
fn no_altered_response_is_accepted_with_another_identity() {
    let expected: Value = serde_json::from_str(&fixture("responses.json")).unwrap();
    let bases: Vec<(String, Value)> = expected
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, expected)| {
            (fixture(&format!("responses/{name}.xml")), expected["output"].clone())
        })
        .filter(|(xml, _)| xml.len() < 20_000)
        .collect();
    let judge = Judge::with_keys(&(fixture("keys/sp.pem") + &fixture("keys/sp-next.pem")));
    let mut accepted = 0;
    for seed in 0..MUTATIONS {
        let mut random = Random::new(seed);
        let (xml, output) = &bases[random.below(bases.len() as u64) as usize];
        let mut altered = xml.clone().into_bytes();
        for _ in 0..1 + random.below(3) {
            altered = mutate(altered, &mut random);
        }
        if let Ok(assertion) = judge.judge(&altered) {
            accepted += 1;
            assert_eq!(
                json!(assertion),
                *output,
                "seed {seed}: {}",
                String::from_utf8_lossy(&altered)
            );
        }
    }
    // Some mutations say the same: else these would not be near anything that is accepted.
    assert!(accepted > MUTATIONS / 100, "only {accepted} were accepted");
}

pub(crate) fn mutate(mut xml: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let length = xml.len() as u64;
    if length == 0 {
        return xml;
    }
    let at = random.below(length) as usize;
    let elements = elements(&xml);
    match random.below(9) {
        0 => xml[at] ^= 1 << random.below(8),
        1 => xml[at] = random.pick(b"<>&\"'/=: \n\0a_#;!?-]"),
        2 => {
            xml.remove(at);
        }
        3 => xml.insert(at, random.pick(b"<>&\"'/=: \n\0a_#;!?-]")),
        4 => {
            let end = (at + random.below(40) as usize).min(xml.len());
            xml.drain(at..end);
        }
        // An element goes, comes twice, moves, or takes the place of another.
        kind if !elements.is_empty() => {
            let (start, end) = random.pick(&elements);
            let (other_start, other_end) = random.pick(&elements);
            let element = xml[start..end].to_vec();
            match kind {
                5 => {
                    xml.drain(start..end);
                }
                6 => {
                    xml.splice(other_start..other_start, element);
                }
                7 => {
                    xml.splice(other_start..other_end, element);
                }
                _ => {
                    let at =
                        if end <= other_start { other_start - element.len() } else { other_start };
                    if end <= other_start || other_start <= start {
                        xml.drain(start..end);
                        xml.splice(at..at, element);
                    }
                }
            }
        }
        _ => xml.truncate(at),
    }
    xml
}

/// Where elements begin and end, as far as one can tell by looking at tags.
fn elements(xml: &[u8]) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut elements = Vec::new();
    let mut at = 0;
    while let Some(start) = xml[at..].iter().position(|byte| *byte == b'<').map(|next| at + next) {
        let Some(end) =
            xml[start..].iter().position(|byte| *byte == b'>').map(|end| start + end + 1)
        else {
            break;
        };
        match (xml.get(start + 1), xml.get(end - 2)) {
            (Some(b'!' | b'?'), _) => {}
            (Some(b'/'), _) => elements.extend(open.pop().map(|start| (start, end))),
            (_, Some(b'/')) => elements.push((start, end)),
            _ => open.push(start),
        }
        at = end;
    }
    elements
}
