//! What somebody looks for among their teams: `?q=`.

use std::collections::BTreeSet;

use crate::broker::Choice;

/// The characters of a search that count: whatever somebody sends, holding it against every team stays
/// cheap.
pub(super) const LONGEST: usize = 128;

/// The words of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Search {
    /// As it is shown again: one line, at most [`LONGEST`] characters.
    pub text: String,
    /// Whether it was longer.
    pub is_cut: bool,
    words: BTreeSet<String>,
}

impl Search {
    /// Reads a search; `None` where it holds no word.
    pub(super) fn of(query: &str) -> Option<Self> {
        let mut left = query.chars();
        let text: String = left
            .by_ref()
            .take(LONGEST)
            .map(|c| if c.is_control() || is_direction(c) { ' ' } else { c })
            .collect();
        let is_cut = left.next().is_some();
        let words: BTreeSet<_> = text.split_whitespace().map(folded).collect();
        let text = text.trim().to_owned();
        (!words.is_empty()).then_some(Self { text, is_cut, words })
    }

    /// Whether a team's id, name, description, account, Region or labels hold every word, whatever the case.
    pub(super) fn finds(&self, choice: &Choice) -> bool {
        let mut all = folded(choice.id.as_str());
        let mut add = |text: &str| {
            // No word holds a line's end, so none is found across two texts.
            all.push('\n');
            all.push_str(&folded(text));
        };
        if let Some(team) = &choice.team {
            add(team.name());
            add(team.description.as_deref().unwrap_or_default());
            add(team.account_id.as_str());
            add(team.region.as_str());
            team.labels.iter().for_each(|(name, text)| add(&format!("{name}: {text}")));
        }
        self.words.iter().all(|word| all.contains(word.as_str()))
    }
}

/// What turns the direction of the text around it, or ends a line that nobody sees.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without its case. First up, then down: `ß` and `SS`, `ς` and `σ` are the same to whoever looks
/// for them.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::team::Team;
    use crate::team::members::Until;

    fn choice(is_usable: bool) -> Choice {
        let item = json!({
            "team_id": "vision-1", "display_name": "Straße Σοφος", "description": "Cameras, İstanbul",
            "account_id": "012345678901", "region": "eu-west-1", "domain_id": "d-abc",
            "execution_role_arn": "arn:aws:iam::012345678901:role/Secret",
            "labels": {"Data class": "restricted"},
        });
        let team = Team::read(item.as_object().unwrap()).unwrap().value;
        let id = team.team_id.clone();
        let team = is_usable.then(|| Arc::new(team));
        Choice { id, team, until: Until::Always, contact: None, asks_again: false }
    }

    fn finds(query: &str) -> bool {
        Search::of(query).unwrap().finds(&choice(true))
    }

    #[test]
    fn every_word_must_be_held_by_something_that_people_see() {
        for found in [
            "vision",
            "VISION-1",
            "strasse",
            "STRASSE σοφοσ",
            "ΣΟΦΟΣ",
            "0123 eu-west restricted",
            "data CLASS:",
            "cameras  \t\n data",
        ] {
            assert!(finds(found), "{found}");
        }
        for other in ["vision lidar", "Secret", "arn:aws", "d-abc", "1straße", "classrestricted"] {
            assert!(!finds(other), "{other}");
        }
    }

    #[test]
    fn of_a_team_that_cannot_be_used_only_the_id_is_known() {
        let finds = |query: &str| Search::of(query).unwrap().finds(&choice(false));
        assert!(finds("vision") && !finds("cameras"));
    }

    #[test]
    fn a_search_without_a_word_is_none() {
        for nothing in ["", "  ", "\u{a0}\u{3000}\n\t", "\u{0}\u{7f}", "\u{202e}"] {
            assert_eq!(Search::of(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn whatever_is_sent_a_search_is_short_and_on_one_line() {
        let long = Search::of(&"ﷺ ".repeat(10_000)).unwrap();
        assert!(long.is_cut && long.text.chars().count() <= LONGEST && long.words.len() == 1);
        let many: String = (0..10_000u32).map(|i| format!("{i} ")).collect();
        assert!(Search::of(&many).unwrap().words.len() <= LONGEST / 2);
        let odd = Search::of("a\u{202e}b\r\nSet-Cookie: x\u{0}<script>\u{fffd}\u{1f468}\u{200d}")
            .unwrap();
        assert_eq!(odd.text, "a b  Set-Cookie: x <script>\u{fffd}\u{1f468}\u{200d}");
        assert!(!odd.is_cut);
    }
}
