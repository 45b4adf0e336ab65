//! The command that ran, with one more option: what a hint says can be done next.
//!
//! Nothing else of it changes, so a hint never reaches further than what was asked. A command that reads
//! what is gone when it runs again (standard input, a file of the shell's) has no hint.

use super::output::word;

/// The same command with further options; an option that is there already gets its new value. `None` where
/// it cannot be repeated.
pub(super) fn again(options: &str) -> Option<String> {
    of(&arguments(), options)
}

/// The command that ran with another verb, without options that only the first one knows, and with further
/// ones.
pub(super) fn instead(verb: &str, other: &str, without: &[&str], options: &str) -> Option<String> {
    let mut words = arguments();
    words.retain(|word| !without.contains(&word.as_str()));
    if let Some(word) = words.iter_mut().find(|word| *word == verb) {
        *word = other.to_owned();
    }
    of(&words, options)
}

fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

fn of(words: &[String], options: &str) -> Option<String> {
    let is_gone = |word: &String| {
        word == "-" || word.starts_with("/dev/") || word.starts_with("/proc/self/fd/")
    };
    if words.iter().any(is_gone) {
        return None;
    }
    let more: Vec<String> = shlex::split(options)?;
    // Each option with whether a value follows it.
    let new: Vec<(&str, bool)> = more
        .iter()
        .enumerate()
        .filter(|(_, word)| word.starts_with("--"))
        .map(|(i, word)| {
            (word.as_str(), more.get(i + 1).is_some_and(|next| !next.starts_with("--")))
        })
        .collect();
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let (before, after) = words.split_at(end);
    let mut kept: Vec<String> = Vec::new();
    let mut rest = before.iter();
    while let Some(word) = rest.next() {
        let same = new.iter().find(|(name, _)| {
            word == name || word.strip_prefix(name).is_some_and(|more| more.starts_with('='))
        });
        match same {
            None => kept.push(word.clone()),
            Some((name, true)) if word == name => {
                rest.next();
            }
            Some(_) => {}
        }
    }
    let all = kept.iter().chain(&more).chain(after);
    let all: Vec<_> = all.map(|one| self::word(one)).collect();
    Some(format!("studio-broker {}", all.join(" ")).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(words: &str, options: &str) -> Option<String> {
        of(&shlex::split(words).unwrap(), options)
    }

    #[test]
    fn the_same_command_has_one_more_option_and_none_twice() {
        for (words, options, expected) in [
            ("teams apply f.yaml", "", "studio-broker teams apply f.yaml"),
            ("teams apply 'a b.yaml'", "--yes", "studio-broker teams apply 'a b.yaml' --yes"),
            (
                "teams apply f --confirm-removals 3 --prune",
                "--confirm-removals 6",
                "studio-broker teams apply f --prune --confirm-removals 6",
            ),
            (
                "teams apply f --confirm moved=1 --confirm=readmitted=1",
                "--confirm moved=2 --confirm readmitted=1",
                "studio-broker teams apply f --confirm moved=2 --confirm readmitted=1",
            ),
            (
                "profiles drift --team a",
                "--repair",
                "studio-broker profiles drift --team a --repair",
            ),
            ("teams remove -- -x", "--dry-run", "studio-broker teams remove --dry-run -- -x"),
        ] {
            assert_eq!(hint(words, options).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_cannot_be_read_again_is_no_hint() {
        for words in ["teams apply -", "teams plan /dev/fd/63", "teams plan /dev/stdin"] {
            assert_eq!(hint(words, "--prune"), None);
        }
    }
}
