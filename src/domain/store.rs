//! The seam between whoever publishes directives and the request path.

use std::sync::Arc;

use arc_swap::ArcSwap;

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
    /// Never blocks and never does I/O. The set may be stale by as much as its
    /// publisher is behind; a directive in it still starts and expires at its own
    /// times, which are checked at each evaluation.
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
#[derive(Debug, Default)]
pub struct InMemoryDirectiveStore {
    current: ArcSwap<DirectiveSet>,
}

impl InMemoryDirectiveStore {
    /// A store whose set is empty: every request evaluates to
    /// [`DiagLevel::Off`](crate::DiagLevel::Off).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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
        self.current.store(Arc::new(set));
    }
}

impl DirectiveStore for InMemoryDirectiveStore {
    fn load(&self) -> Arc<DirectiveSet> {
        self.current.load_full()
    }
}
