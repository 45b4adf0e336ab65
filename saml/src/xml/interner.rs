//! Texts as integers: equal texts have equal integers, so that whoever has two of them need not
//! look at the texts again.

use std::collections::HashMap;
use std::sync::Arc;

/// Every text that was given, once. Finding one costs its length, by a keyed hash: no choice of texts
/// makes others slower.
#[derive(Debug, Default)]
pub(super) struct Interner {
    ids: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
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
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.ids.insert(text, id);
        id
    }

    /// The integer of a text that is there.
    pub(super) fn known(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The text of an integer of this interner.
    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", |text| text)
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// For each integer the place of its text in their order by bytes.
    pub(super) fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.texts.len() as u32).collect();
        order.sort_unstable_by_key(|id| self.text(*id));
        let mut ranks = vec![0; order.len()];
        for (rank, id) in order.into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(id as usize) {
                *slot = rank as u32;
            }
        }
        ranks
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
        assert_eq!(interner.ranks(), [0, 2, 1]);
    }
}
