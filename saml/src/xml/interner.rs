//! Texts as integers: equal texts have equal integers, so that whoever has two of them need not
//! look at the texts again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::lexical::head;

/// No text.
const NONE: u32 = u32::MAX;

/// Every text that was given, once. Finding one costs its length, by a keyed hash: no choice of texts
/// makes others slower. All lie in one string, so that a new one costs no allocation: a small document
/// may have tens of thousands.
#[derive(Debug)]
pub(super) struct Interner {
    /// For long texts.
    hasher: RandomState,
    /// For those of at most eight bytes.
    multiplier: u128,
    summand: u128,
    texts: String,
    entries: Vec<Entry>,
    /// A power of two of them; for the hashes that end alike the newest text.
    newest: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    /// Where the text ends; it begins where the one before ends.
    end: u32,
    hash: u32,
    /// The text before whose hash ends alike.
    next: u32,
}

impl Default for Interner {
    fn default() -> Self {
        let hasher = RandomState::new();
        let random = |nth: u8| {
            u128::from(hasher.hash_one((nth, 0))) << 64 | u128::from(hasher.hash_one((nth, 1)))
        };
        let (multiplier, summand) = (random(0), random(1));
        let (texts, entries, newest) = Default::default();
        Self { hasher, multiplier, summand, texts, entries, newest }
    }
}

impl Interner {
    /// Begins with these texts, the first of which becomes 0.
    pub(super) fn of<const N: usize>(texts: [&str; N]) -> Self {
        let mut interner = Self::default();
        for text in texts {
            interner.id(text);
        }
        interner
    }

    /// The integer of a text, a new one where it was not there.
    pub(super) fn id(&mut self, text: &str) -> u32 {
        let hash = self.hash(text);
        if let Some(id) = self.find(text, hash) {
            return id;
        }
        if self.entries.len() >= self.newest.len() {
            self.grow();
        }
        let id = self.entries.len() as u32;
        self.texts.push_str(text);
        let end = self.texts.len() as u32;
        let next = self.replace_newest(hash, id);
        self.entries.push(Entry { end, hash, next });
        id
    }

    /// The integer of a text that is there.
    pub(super) fn known(&self, text: &str) -> Option<u32> {
        self.find(text, self.hash(text))
    }

    fn hash(&self, text: &str) -> u32 {
        match text.len() {
            // Multiply-shift (Dietzfelbinger 1996): whichever two texts somebody chooses who does not
            // know the numbers, their hashes are independent.
            ..=8 => {
                let product = self.multiplier.wrapping_mul(u128::from(head(text)));
                (product.wrapping_add(self.summand) >> 96) as u32
            }
            _ => self.hasher.hash_one(text) as u32,
        }
    }

    fn place(&self, hash: u32) -> usize {
        hash as usize & self.newest.len().saturating_sub(1)
    }

    fn find(&self, text: &str, hash: u32) -> Option<u32> {
        let mut id = self.newest.get(self.place(hash)).copied()?;
        while let Some(entry) = self.entries.get(id as usize) {
            if entry.hash == hash && self.text(id) == text {
                return Some(id);
            }
            id = entry.next;
        }
        None
    }

    /// Gives the one before.
    fn replace_newest(&mut self, hash: u32, id: u32) -> u32 {
        let place = self.place(hash);
        self.newest.get_mut(place).map_or(NONE, |newest| std::mem::replace(newest, id))
    }

    fn grow(&mut self) {
        let places = (2 * self.newest.len()).max(16);
        self.newest.clear();
        self.newest.resize(places, NONE);
        for at in 0..self.entries.len() {
            let hash = self.entries.get(at).map_or(0, |entry| entry.hash);
            let next = self.replace_newest(hash, at as u32);
            if let Some(entry) = self.entries.get_mut(at) {
                entry.next = next;
            }
        }
    }

    /// The text of an integer of this interner.
    pub(super) fn text(&self, id: u32) -> &str {
        let end = |id: u32| self.entries.get(id as usize).map(|entry| entry.end as usize);
        let start = id.checked_sub(1).and_then(end).unwrap_or_default();
        end(id).and_then(|end| self.texts.get(start..end)).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Writes into the places that are not 0 the place of the integer's text among those, in their
    /// order by bytes, counted from 1.
    pub(super) fn rank(&self, ranks: &mut [u32]) {
        // Beginnings as integers tell most texts apart.
        let mut order: Vec<(u64, u32)> = (0..)
            .zip(ranks.iter())
            .filter(|(_, rank)| **rank != 0)
            .map(|(id, _)| (head(self.text(id)), id))
            .collect();
        order.sort_unstable_by(|one, other| {
            one.0.cmp(&other.0).then_with(|| self.text(one.1).cmp(self.text(other.1)))
        });
        for (rank, (_, id)) in (1..).zip(order) {
            if let Some(place) = ranks.get_mut(id as usize) {
                *place = rank;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_equal_integers_and_ranks_are_their_order() {
        let mut interner = Interner::of(["", "b"]);
        assert_eq!([interner.id(""), interner.id("b"), interner.id("a")], [0, 1, 2]);
        assert_eq!(interner.id("a"), 2);
        assert_eq!((interner.known("a"), interner.known("c")), (Some(2), None));
        assert_eq!((interner.text(2), interner.text(9), interner.len()), ("a", "", 3));
        for text in ["abcdefghb", "abcdefgha", "abcdefgh", "ä"] {
            interner.id(text);
        }
        let ranked = |mut ranks: [u32; 7]| {
            interner.rank(&mut ranks);
            ranks
        };
        assert_eq!(ranked([1; 7]), [1, 6, 2, 5, 4, 3, 7]);
        assert_eq!(ranked([0, 1, 1, 0, 1, 0, 0]), [0, 3, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn many_texts_are_found_again() {
        let mut interner = Interner::default();
        let text = |nth: u32| format!("{:x}", nth / 2);
        for nth in 0..10_000 {
            assert_eq!(interner.known(&text(nth)), (nth % 2 == 1).then_some(nth / 2));
            assert_eq!(interner.id(&text(nth)), nth / 2);
        }
        assert_eq!((interner.text(4_999), interner.len()), ("1387", 5_000));
    }

    #[test]
    fn texts_whose_hashes_are_alike_are_told_apart() {
        let mut interner = Interner { multiplier: 0, ..Interner::default() };
        let texts = ["a", "b", "", "c"];
        assert_eq!(texts.map(|text| interner.id(text)), [0, 1, 2, 3]);
        assert_eq!(texts.map(|text| interner.known(text)), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(interner.known("d"), None);
    }

    /// Of 20,000 texts at random in at least as many places, no nine or ten are expected to share one.
    #[test]
    fn few_texts_share_a_place_whether_they_are_short_or_long() {
        for long in ["", "https://example.org/a/long/one/"] {
            let mut interner = Interner::default();
            for nth in 0..20_000 {
                interner.id(&format!("{long}{nth}"));
            }
            let next = |id: &u32| interner.entries.get(*id as usize).map(|entry| entry.next);
            let chain = |newest: &u32| {
                std::iter::successors(Some(*newest), next).take_while(|id| *id != NONE).count()
            };
            let longest = interner.newest.iter().map(chain).max().unwrap();
            assert!(longest < 30, "{longest} texts in one place");
        }
    }
}
