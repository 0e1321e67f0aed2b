//! Caches the verdicts on signed documents, under a hash of the signed content. Because of the
//! cache, a full read does not verify the signatures of unchanged documents again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A hash of a document's signed content and its signatures.
pub(super) type ContentHash = [u8; 32];

/// The cached verdicts for one set of trusted keys and one policy. The cache contains at most `2 *
/// limit` verdicts.
///
/// The cache has a current and a previous generation. When the current generation is full, it
/// becomes the previous generation, and a new current generation begins. When a verdict is used, it
/// moves from the previous to the current generation. Therefore, verdicts on existing documents
/// stay in the cache, and verdicts on deleted documents leave the cache after a while.
#[derive(Debug)]
pub(super) struct VerdictCache<V> {
    generations: Mutex<Generations<V>>,
    limit: usize,
}

#[derive(Debug)]
struct Generations<V> {
    current: HashMap<ContentHash, V>,
    previous: HashMap<ContentHash, V>,
}

impl<V: Clone> VerdictCache<V> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            generations: Mutex::new(Generations {
                current: HashMap::new(),
                previous: HashMap::new(),
            }),
            limit: limit.max(1),
        }
    }

    /// Returns the cached verdict on the content with the given hash. If the cache contains no
    /// verdict on this content, the method computes the verdict and caches it.
    pub(super) fn get_or(&self, hash: ContentHash, compute: impl FnOnce() -> V) -> V {
        {
            let mut generations = self.lock();
            if let Some(verdict) = generations.current.get(&hash) {
                return verdict.clone();
            }
            if let Some(verdict) = generations.previous.remove(&hash) {
                generations.insert(hash, verdict.clone(), self.limit);
                return verdict;
            }
        }
        // The thread does not hold the lock while it computes the verdict. Two threads may compute
        // the verdict on the same content at the same time, but their results are equal.
        let verdict = compute();
        self.lock().insert(hash, verdict.clone(), self.limit);
        verdict
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let generations = self.lock();
        generations.current.len() + generations.previous.len()
    }

    fn lock(&self) -> MutexGuard<'_, Generations<V>> {
        // The cached verdicts are consistent even if a thread panicked while it held the lock, so
        // the code ignores that the lock is poisoned.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Generations<V> {
    fn insert(&mut self, hash: ContentHash, verdict: V, limit: usize) {
        if self.current.len() >= limit {
            self.previous = std::mem::take(&mut self.current);
        }
        self.current.insert(hash, verdict);
    }
}
