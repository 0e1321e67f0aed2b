//! The seam between whoever publishes directives and the request path.

use std::sync::Arc;

use super::published::{Published, Reader};
use super::set::DirectiveSet;

/// Gives the request path its directives.
///
/// Object-safe: a proxy holds an `Arc<dyn DirectiveStore>` and does not know where
/// the directives come from.
///
/// Load **once a request** and evaluate on what was loaded: the set never changes
/// under its holder, so one request never sees a mixture of two publishes.
pub trait DirectiveStore: Send + Sync {
    /// The set that was published last.
    ///
    /// - Gives the new set to every load that begins after a publish has returned, and
    ///   either set, whole, to one that races with it.
    /// - Never does I/O. The stores of this crate do not allocate or lock either, but
    ///   for a thread's first load after a publish, and threads that load do not write
    ///   to memory that they share.
    /// - The set may be stale by as much as its publisher is behind; a directive in it
    ///   still starts and expires at its own times, checked at each evaluation.
    /// - Holding the `Arc` keeps that set alive: hold it for a request, not for ever.
    fn load(&self) -> Arc<DirectiveSet>;
}

/// A fixed set, for a proxy whose directives never change.
impl DirectiveStore for Arc<DirectiveSet> {
    fn load(&self) -> Arc<DirectiveSet> {
        Arc::clone(self)
    }
}

/// A store that the application itself publishes into.
///
/// ```
/// use opensearch_directives::{DirectiveSet, DirectiveStore, InMemoryDirectiveStore};
///
/// let store = InMemoryDirectiveStore::new();
/// let held = store.load();
/// store.publish(DirectiveSet::new());
/// assert!(held.is_empty());
/// ```
#[derive(Debug)]
pub struct InMemoryDirectiveStore {
    published: Arc<Published<DirectiveSet>>,
}

impl InMemoryDirectiveStore {
    /// A store whose set is empty: every request evaluates to
    /// [`DiagLevel::Off`](crate::DiagLevel::Off).
    #[must_use]
    pub fn new() -> Self {
        Self {
            published: Arc::new(Published::new(DirectiveSet::new())),
        }
    }

    /// Publishes a first set.
    #[must_use]
    pub fn with_directives(self, set: DirectiveSet) -> Self {
        self.publish(set);
        self
    }

    /// Replaces the set in one atomic swap. A `load` that begins after this returns
    /// gives the new set, on every thread; whoever holds the old one keeps it.
    pub fn publish(&self, set: DirectiveSet) {
        self.published.publish(set);
    }

    /// A reader for a worker that owns its loop.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.published.reader()
    }
}

impl Default for InMemoryDirectiveStore {
    fn default() -> Self {
        Self::new()
    }
}

impl DirectiveStore for InMemoryDirectiveStore {
    fn load(&self) -> Arc<DirectiveSet> {
        self.published.load()
    }
}
