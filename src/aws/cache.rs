//! What is remembered in memory: always an optimisation, never the truth.
//!
//! Age is measured by the wall clock that is passed in, not by the cache's own: the process of a
//! Lambda function is frozen between requests, and its monotonic clock may stand still meanwhile.

use std::any::Any;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::error::AwsError;

/// A bounded cache with single flight: of callers that miss the same key at once, one loads.
///
/// Inside, keys and values are of any type, so that moka is compiled once and not for each cache: as a
/// dozen of them it was an eighth of the function's machine code.
pub struct Cache<K, V> {
    entries: moka::future::Cache<Arc<dyn Key>, Entry>,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache(…)")
    }
}

trait Key: Any + Send + Sync {
    fn equals(&self, other: &dyn Key) -> bool;
    fn hash_into(&self, hasher: &mut dyn Hasher);
}

impl<K: Any + Eq + Hash + Send + Sync> Key for K {
    fn equals(&self, other: &dyn Key) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref() == Some(self)
    }

    fn hash_into(&self, mut hasher: &mut dyn Hasher) {
        self.hash(&mut hasher);
    }
}

impl PartialEq for dyn Key {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other)
    }
}

impl Eq for dyn Key {}

impl Hash for dyn Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.hash_into(hasher);
    }
}

#[derive(Clone)]
struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    loaded_at: Timestamp,
    fresh_until: Timestamp,
}

impl Entry {
    fn new(value: impl Any + Send + Sync, now: Timestamp, life: SignedDuration) -> Self {
        let fresh_until = now.saturating_add(life).unwrap_or(now);
        Self { value: Arc::new(value), loaded_at: now, fresh_until }
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        // A clock that was set back makes the age unknown, and the entry stale.
        self.loaded_at <= now && now < self.fresh_until
    }
}

impl<K, V> Cache<K, V>
where
    K: Any + Eq + Hash + Send + Sync,
    V: Any + Clone + Send + Sync,
{
    /// A cache of at most `capacity` entries.
    pub fn new(capacity: u64) -> Self {
        Self { entries: moka::future::Cache::new(capacity), types: PhantomData }
    }

    /// The value, if it was loaded and is still fresh at `now`.
    pub async fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let key: &dyn Key = key;
        let entry = self.entries.get(key).await?;
        entry.is_fresh(now).then(|| Self::value(&entry))
    }

    /// Remembers `value` from `now` on for `life`; not at all when `life` is not positive.
    pub async fn insert(&self, key: K, value: V, now: Timestamp, life: SignedDuration) {
        if life.is_positive() {
            self.entries.insert(Arc::new(key), Entry::new(value, now, life)).await;
        }
    }

    /// Forgets the key.
    pub async fn remove(&self, key: &K) {
        let key: &dyn Key = key;
        self.entries.invalidate(key).await;
    }

    /// The value, loaded when it is not there or not fresh. `load` says for how long its answer may be
    /// believed. Errors are not remembered.
    ///
    /// # Errors
    ///
    /// That of `load`, which callers who waited for the same load share.
    pub async fn get_or_load<F>(&self, key: K, now: Timestamp, load: F) -> Result<V, AwsError>
    where
        F: Future<Output = Result<(V, SignedDuration), AwsError>> + Send,
    {
        let key: Arc<dyn Key> = Arc::new(key);
        if let Some(entry) = self.entries.get(&key).await {
            if entry.is_fresh(now) {
                return Ok(Self::value(&entry));
            }
            self.entries.invalidate(&key).await;
        }
        // An SDK call's future is large, and the cache would hold several copies of it on the stack.
        let load: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(async {
            let (value, life) = load.await?;
            Ok(Entry::new(value, now, life))
        });
        match self.entries.try_get_with(key, load).await {
            Ok(entry) => Ok(Self::value(&entry)),
            Err(error) => Err(AwsError::clone(&error)),
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "only `insert` and `get_or_load` put values in, both a `V`"
    )]
    fn value(entry: &Entry) -> V {
        entry.value.downcast_ref::<V>().expect("a value of the cache's own type").clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::error::Kind;
    use super::*;

    const LIFE: SignedDuration = SignedDuration::from_secs(30);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn load(cache: &Cache<u8, u32>, count: &AtomicU32, now: Timestamp) -> u32 {
        let load = async { Ok((count.fetch_add(1, Ordering::Relaxed), LIFE)) };
        cache.get_or_load(1, now, load).await.unwrap()
    }

    #[tokio::test]
    async fn entries_are_loaded_again_when_their_life_is_over_or_the_clock_was_set_back() {
        let (cache, count) = (Cache::new(10), AtomicU32::new(0));
        assert_eq!(load(&cache, &count, at(100)).await, 0);
        assert_eq!(load(&cache, &count, at(129)).await, 0);
        assert_eq!(load(&cache, &count, at(130)).await, 1);
        assert_eq!(load(&cache, &count, at(90)).await, 2);
    }

    #[tokio::test]
    async fn callers_at_once_share_one_load() {
        let (cache, count) = (Cache::new(10), AtomicU32::new(0));
        let slow = || async {
            let load = async {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                Ok((count.fetch_add(1, Ordering::Relaxed), LIFE))
            };
            cache.get_or_load(1, at(100), load).await.unwrap()
        };
        let (a, b) = tokio::join!(slow(), slow());
        assert_eq!((a, b), (0, 0));
    }

    #[tokio::test]
    async fn errors_are_not_remembered() {
        let cache: Cache<u8, u32> = Cache::new(10);
        let error = AwsError::here(Kind::Failed, "test", "no", "");
        let failed = cache.get_or_load(1, at(100), async { Err(error.clone()) }).await;
        assert_eq!(failed, Err(error));
        let loaded = cache.get_or_load(1, at(100), async { Ok((7, LIFE)) }).await;
        assert_eq!(loaded, Ok(7));
    }

    #[tokio::test]
    async fn keys_that_differ_in_any_part_have_values_of_their_own() {
        let cache: Cache<(String, String), u32> = Cache::new(10);
        let key = |user: &str, team: &str| (user.to_owned(), team.to_owned());
        for (n, (user, team)) in
            [("a", "b"), ("ab", ""), ("b", "a"), ("A", "b")].into_iter().enumerate()
        {
            assert_eq!(cache.get(&key(user, team), at(100)).await, None);
            cache.insert(key(user, team), n as u32, at(100), LIFE).await;
        }
        assert_eq!(cache.get(&key("a", "b"), at(101)).await, Some(0));
        assert_eq!(cache.get(&key("ab", ""), at(101)).await, Some(1));
        cache.remove(&key("a", "b")).await;
        assert_eq!(cache.get(&key("a", "b"), at(101)).await, None);
        assert_eq!(cache.get(&key("b", "a"), at(101)).await, Some(2));
    }
}
