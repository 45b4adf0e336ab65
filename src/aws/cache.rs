//! What is remembered in memory: always an optimisation, never the truth.
//!
//! Age is measured by the wall clock that is passed in, not by the cache's own: the process of a
//! Lambda function is frozen between requests, and its monotonic clock may stand still meanwhile.

use std::future::Future;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

/// A bounded cache with single flight: of callers that miss the same key at once, one loads.
pub struct Cache<K, V> {
    entries: moka::future::Cache<K, Entry<V>>,
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache(…)")
    }
}

#[derive(Debug, Clone)]
struct Entry<V> {
    value: V,
    loaded_at: Timestamp,
    fresh_until: Timestamp,
}

impl<V> Entry<V> {
    fn is_fresh(&self, now: Timestamp) -> bool {
        // A clock that was set back makes the age unknown, and the entry stale.
        self.loaded_at <= now && now < self.fresh_until
    }
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache of at most `capacity` entries.
    pub fn new(capacity: u64) -> Self {
        Self { entries: moka::future::Cache::new(capacity) }
    }

    /// The value, if it was loaded and is still fresh at `now`.
    pub async fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        self.entries.get(key).await.filter(|entry| entry.is_fresh(now)).map(|entry| entry.value)
    }

    /// Remembers `value` from `now` on for `life`; not at all when `life` is not positive.
    pub async fn insert(&self, key: K, value: V, now: Timestamp, life: SignedDuration) {
        if life.is_positive() {
            self.entries.insert(key, entry(value, now, life)).await;
        }
    }

    /// Forgets the key.
    pub async fn remove(&self, key: &K) {
        self.entries.invalidate(key).await;
    }

    /// The value, loaded when it is not there or not fresh. `load` says for how long its answer may be
    /// believed. Errors are not remembered.
    ///
    /// # Errors
    ///
    /// That of `load`, which callers who waited for the same load share.
    pub async fn get_or_load<E, F>(&self, key: K, now: Timestamp, load: F) -> Result<V, E>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<(V, SignedDuration), E>>,
    {
        if let Some(entry) = self.entries.get(&key).await {
            if entry.is_fresh(now) {
                return Ok(entry.value);
            }
            self.entries.invalidate(&key).await;
        }
        // An SDK call's future is large, and the cache would hold several copies of it on the stack.
        let load = Box::pin(async {
            let (value, life) = load.await?;
            Ok::<_, E>(entry(value, now, life))
        });
        match self.entries.try_get_with(key, load).await {
            Ok(entry) => Ok(entry.value),
            Err(error) => Err((*error).clone()),
        }
    }
}

fn entry<V>(value: V, now: Timestamp, life: SignedDuration) -> Entry<V> {
    let fresh_until = now.saturating_add(life).unwrap_or(now);
    Entry { value, loaded_at: now, fresh_until }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LIFE: SignedDuration = SignedDuration::from_secs(30);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn load(cache: &Cache<u8, u32>, count: &AtomicU32, now: Timestamp) -> u32 {
        let load = async { Ok::<_, ()>((count.fetch_add(1, Ordering::Relaxed), LIFE)) };
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
                Ok::<_, ()>((count.fetch_add(1, Ordering::Relaxed), LIFE))
            };
            cache.get_or_load(1, at(100), load).await.unwrap()
        };
        let (a, b) = tokio::join!(slow(), slow());
        assert_eq!((a, b), (0, 0));
    }

    #[tokio::test]
    async fn errors_are_not_remembered() {
        let cache: Cache<u8, u32> = Cache::new(10);
        let failed = cache.get_or_load(1, at(100), async { Err::<(u32, _), _>("no") }).await;
        assert_eq!(failed, Err("no"));
        let loaded = cache.get_or_load(1, at(100), async { Ok::<_, &str>((7, LIFE)) }).await;
        assert_eq!(loaded, Ok(7));
    }
}
