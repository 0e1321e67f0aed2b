//! The trait `DirectiveStore`, with which a proxy loads the published set for each request, and
//! `InMemoryDirectiveStore`, into which an application publishes sets itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::publish::{self as publish, Published, Publisher, Reader};
use crate::set::DirectiveSet;

/// Provides the published directive set to the code that processes requests.
///
/// The trait is object-safe, so a proxy can hold an `Arc<dyn DirectiveStore>` without knowing the
/// source of the directives.
///
/// # How to use it
///
/// Load the set **once for each request**, and use the loaded set for all evaluations of the
/// request. A loaded set never changes, so no request mixes parts of two published sets. Drop the
/// loaded set at the end of the request. A loaded set stays in memory as long as the caller holds
/// it, and its directives apply even if they are revoked in the meantime.
///
/// ```
/// use std::sync::Arc;
///
/// use jiff::Timestamp;
/// use opensearch_directives_core::{DiagLevel, DirectiveStore, EndpointKind, InMemoryDirectiveStore, RequestAttrs};
///
/// fn level_of(store: &dyn DirectiveStore, request_id: &str, now: Timestamp) -> DiagLevel {
///     let request = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant("acme");
///     store.load().evaluate(&request, now, request_id).level
/// }
///
/// let store: Arc<dyn DirectiveStore> = Arc::new(InMemoryDirectiveStore::new());
/// assert_eq!(level_of(&*store, "request-1", Timestamp::UNIX_EPOCH), DiagLevel::Off);
/// ```
pub trait DirectiveStore: Send + Sync {
    /// Returns the most recently published set.
    ///
    /// # Guarantees
    ///
    /// - A load never blocks, takes no lock and performs no I/O. A load from a store of this crate
    ///   never allocates, not even directly after a publish. (The first load on a thread
    ///   initialises a few words of thread-local memory.)
    /// - A load returns one complete published set, never a mixture of two sets. A load that begins
    ///   after a publish has returned returns the published set or a later one, on every thread. A
    ///   load during a publish returns either the old or the new set.
    /// - [`InMemoryDirectiveStore`] and the store that polls an index have 64 reference counts for
    ///   each set, so up to 64 threads do not contend for a reference count. Each of the first 64
    ///   threads that load a set has its own reference count, and all later threads share these 64
    ///   reference counts. A clone of a loaded `Arc` uses the same reference count as the original,
    ///   even on another thread.
    /// - A thread that no longer loads the set does not keep it in memory. For an idle thread, only
    ///   the 128 bytes of one handle stay in use.
    ///
    /// # Staleness
    ///
    /// A store only caches the directives of its source. If nobody publishes a new set, the
    /// published set becomes stale, which the store cannot detect. Even with a stale set, each
    /// evaluation checks the start and the expiry of each directive.
    ///
    /// # Cost
    ///
    /// A load checks whether a newer set was published, and increases a reference count, which
    /// decreases again when the caller drops the set. A worker that owns a [`Reader`] avoids the
    /// cost of the reference count.
    fn load(&self) -> Arc<DirectiveSet>;
}

/// A proxy whose directives never change can use a fixed set as its store.
///
/// All threads that load a fixed set share one reference count. An [`InMemoryDirectiveStore`], in
/// contrast, has a reference count for each of up to 64 threads.
impl DirectiveStore for Arc<DirectiveSet> {
    fn load(&self) -> Arc<DirectiveSet> {
        Arc::clone(self)
    }
}

impl<T: DirectiveStore + ?Sized> DirectiveStore for Arc<T> {
    #[inline]
    fn load(&self) -> Arc<DirectiveSet> {
        (**self).load()
    }
}

impl<T: DirectiveStore + ?Sized> DirectiveStore for Box<T> {
    #[inline]
    fn load(&self) -> Arc<DirectiveSet> {
        (**self).load()
    }
}

/// A store into which an application publishes sets itself.
///
/// ```
/// use opensearch_directives_core::{DirectiveSet, DirectiveStore, InMemoryDirectiveStore};
///
/// let store = InMemoryDirectiveStore::new();
/// let held = store.load();
/// store.publish(DirectiveSet::new());
/// assert!(held.is_empty());
/// ```
///
/// A publish always replaces the whole set, never a single directive. See [`DirectiveStore::load`]
/// and [`Reader`] for the guarantees for reads.
pub struct InMemoryDirectiveStore {
    /// The lock ensures that one publish ends before the next one begins. Loading the published set
    /// takes no lock.
    publisher: Mutex<Publisher<DirectiveSet>>,
    current: Published<DirectiveSet>,
}

impl InMemoryDirectiveStore {
    /// Creates a store that contains an empty set. Until the first publish, every evaluation
    /// returns [`DiagLevel::Off`](crate::DiagLevel::Off).
    #[must_use]
    pub fn new() -> Self {
        let (publisher, current) = publish::publication(DirectiveSet::new());
        Self {
            publisher: Mutex::new(publisher),
            current,
        }
    }

    /// Publishes a set and returns the store, so that one expression can create a store with a set.
    #[must_use]
    pub fn with_directives(self, set: DirectiveSet) -> Self {
        self.publish(set);
        self
    }

    /// Replaces the published set in one atomic swap. Once `publish` has returned, every later
    /// `load` returns the new set or a later one, on every thread. A publish does not change a set
    /// that a caller has already loaded.
    ///
    /// If several threads publish at the same time, their sets are published one after the other,
    /// and the last one remains. Loads do not wait for a publish, and a publish does not wait for
    /// loads.
    pub fn publish(&self, set: DirectiveSet) {
        // A poisoned lock can still be used, because a publish that panicked has left either the
        // old or the new set completely published.
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .publish(set);
    }

    /// Creates a read handle for a worker that often loads the set: see [`Reader`].
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.current.reader()
    }
}

impl Default for InMemoryDirectiveStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Formats the currently published set.
impl fmt::Debug for InMemoryDirectiveStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InMemoryDirectiveStore")
            .field(&self.current.snapshot())
            .finish()
    }
}

impl DirectiveStore for InMemoryDirectiveStore {
    #[inline]
    fn load(&self) -> Arc<DirectiveSet> {
        self.current.load()
    }
}
