//! Remembers the verdicts on signed documents by their content, so that a full read of unchanged
//! documents verifies nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A hash of a document's signed content and its signatures.
pub(super) type ContentHash = [u8; 32];

/// Verdicts of one set of trusted keys and one policy, at most twice the limit of documents.
///
/// There are two generations. When the current one is full it becomes the previous one, whose
/// entries move back when they are used; the others are dropped with it. So the verdicts of all
/// documents of the last reads stay, and those of documents that are gone do not.
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

    /// The verdict on this content, computed if it is not known.
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
        // This runs without the lock. Another reader may compute the same, which is harmless.
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
        // Each change is complete before anything can panic.
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
