//! One at a time: two requests of this process that want the same profile created, or taken over.
//!
//! SageMaker creates a profile once, however often it is asked. But where the answer to a call is lost, only a
//! look tells what became of it, and a look cannot tell whose call it was: two requests would both say in the
//! audit that they had made the change. Of two processes both may still say so.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The changes that are being made, and were made lately.
#[derive(Debug)]
pub struct Changing<K>(Mutex<Changes<K>>);

#[derive(Debug)]
struct Changes<K> {
    /// Counts up with each change that ends.
    moment: Moment,
    now: HashSet<K>,
    ended: VecDeque<(K, Moment)>,
}

/// A moment between changes.
pub type Moment = u64;

/// Ended changes that are remembered: more than a process makes while one opening lasts.
const REMEMBERED: usize = 500;

/// A change that is being made; it ends when this is dropped.
#[derive(Debug)]
pub struct Change<'a, K: Clone + Eq + Hash>(&'a Changing<K>, K);

impl<K> Default for Changing<K> {
    fn default() -> Self {
        Self(Mutex::new(Changes { moment: 0, now: HashSet::new(), ended: VecDeque::new() }))
    }
}

impl<K: Clone + Eq + Hash> Changing<K> {
    /// The moment before a look.
    pub fn moment(&self) -> Moment {
        self.changes().moment
    }

    /// Begins a change of what was looked at after `looked`; `None` where another one is being made or was
    /// made since, so that what was seen may not be so any more.
    pub fn begin(&self, key: &K, looked: Moment) -> Option<Change<'_, K>> {
        let mut changes = self.changes();
        let was_since = changes.ended.iter().any(|(other, at)| other == key && *at > looked);
        if was_since || !changes.now.insert(key.clone()) {
            return None;
        }
        Some(Change(self, key.clone()))
    }

    fn changes(&self) -> MutexGuard<'_, Changes<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Drop for Change<'_, K> {
    fn drop(&mut self) {
        let mut changes = self.0.changes();
        changes.moment += 1;
        let moment = changes.moment;
        changes.now.remove(&self.1);
        changes.ended.truncate(REMEMBERED - 1);
        changes.ended.push_front((self.1.clone(), moment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_who_saw_the_same_one_changes_it_and_the_other_looks_again() {
        let changing = Changing::default();
        let (one, other) = (changing.moment(), changing.moment());
        let change = changing.begin(&"profile", one).unwrap();
        assert!(changing.begin(&"profile", other).is_none(), "being changed");
        assert!(changing.begin(&"another", other).is_some());
        drop(change);
        assert!(changing.begin(&"profile", other).is_none(), "changed since it was looked at");
        assert!(changing.begin(&"profile", changing.moment()).is_some());
    }

    #[test]
    fn only_the_last_changes_are_remembered() {
        let changing = Changing::default();
        for number in 0..1_000 {
            drop(changing.begin(&number, changing.moment()));
        }
        assert_eq!(changing.changes().ended.len(), REMEMBERED);
        assert!(changing.begin(&0, 0).is_some());
        assert!(changing.begin(&999, 0).is_none());
    }
}
