//! When to look again at what is being made: by how long others took lately.

use std::collections::VecDeque;

use crate::Millis;

/// How long those took that were made last, as far as this process saw it.
#[derive(Debug, Clone, Default)]
pub struct Looks(VecDeque<Millis>);

/// So many are remembered.
const REMEMBERED: usize = 8;

/// Two looks are this far apart at least, and at most, while nothing is scarce …
const SOONEST: Millis = 900;
const LATEST: Millis = 10_000;
/// … or, while looks are scarce and nobody knows how long it takes, …
const SOONEST_UNKNOWN: Millis = 2_000;
const MORE_UNKNOWN: Millis = 500;
/// … and otherwise a fifth of the age, so that nobody waits much longer than it takes.
const PART: Millis = 5;

/// While looks are scarce nobody looks before this much of the shortest time that was seen, in hundredths …
const NOT_BEFORE: Millis = 95;
/// … but for this long, since one may always be faster.
const LONGEST: Millis = 15_000;

impl Looks {
    /// Something was seen ready this long after it was begun.
    pub fn took(&mut self, age: Millis) {
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front(age);
    }

    /// In how long to look again at something of this age; `scarce` while looks are refused to people.
    pub fn again_after(&self, age: Millis, scarce: bool) -> Millis {
        let usual = (age / PART).clamp(SOONEST, LATEST);
        match self.0.iter().min() {
            _ if !scarce => usual,
            None => SOONEST_UNKNOWN.max(age / PART + MORE_UNKNOWN),
            Some(shortest) => {
                let first = shortest * NOT_BEFORE / 100 - age;
                if first > 0 { first.clamp(SOONEST, LONGEST) } else { usual }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_closer_where_they_are_free_and_wait_for_what_others_took_where_not() {
        let mut looks = Looks::default();
        assert_eq!(looks.again_after(0, false), 900);
        assert_eq!(looks.again_after(0, true), 2_000);
        assert_eq!(looks.again_after(20_000, true), 4_500);
        looks.took(14_000);
        looks.took(10_000);
        assert_eq!(looks.again_after(1_000, false), 900);
        assert_eq!(looks.again_after(1_000, true), 8_500);
        assert_eq!(looks.again_after(9_400, true), 900, "about to be ready");
        assert_eq!(looks.again_after(20_000, true), 4_000, "slower than the others");
        (0..8).for_each(|_| looks.took(60_000));
        assert_eq!(looks.again_after(0, true), 15_000, "it may be faster all the same");
    }
}
