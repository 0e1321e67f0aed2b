//! `DirectiveStore`, the trait through which the request path loads the published set, and
//! `InMemoryDirectiveStore`, into which an application publishes sets itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::publish::{self as publish, Published, Publisher, Reader};
use crate::set::DirectiveSet;

/// Provides the request path of a proxy with the published set of directives.
///
/// The trait is object-safe: a proxy can hold an `Arc<dyn DirectiveStore>` and does not need to
/// know the source of the directives.
///
/// # How to use it
///
/// Load the set **once for each request** and evaluate the loaded set. A loaded set never changes,
/// so a request never uses parts of two published sets. Drop the loaded set at the end of the
/// request. As long as the caller holds a loaded set, the set stays in memory, and its directives
/// apply even if they are revoked in the meantime.
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
    /// Returns the set that was published last.
    ///
    /// # Guarantees
    ///
    /// - A load never blocks, takes no lock and performs no I/O. A load from a store of this crate
    ///   does not allocate, not even directly after a publish. (The first load on a thread
    ///   initialises a few words of thread-local memory.)
    /// - A load returns one complete published set. If a load begins after a publish has returned,
    ///   the load returns the published set or a later one, on every thread. If a load runs at the
    ///   same time as a publish, it returns the old or the new set.
    /// - [`InMemoryDirectiveStore`] and the store that polls an index each have 64 reference
    ///   counts, so up to 64 threads do not contend for a count. The first 64 threads that load a
    ///   set use one reference count each, and later threads share these 64 reference counts. A
    ///   clone of a loaded `Arc` uses the reference count of the original `Arc`, even on another
    ///   thread.
    /// - A thread that no longer loads does not keep any set alive. For such an idle thread, only
    ///   the memory of one handle (128 bytes) stays in use.
    ///
    /// # Staleness
    ///
    /// A store is a cache. If nobody publishes a new set, the published set becomes stale, and the
    /// store cannot detect this. Each evaluation still checks the start and the expiry of each
    /// directive.
    ///
    /// # Cost
    ///
    /// A load checks whether a newer set was published, and increments a reference count, which is
    /// decremented when the caller drops the set. A worker that can own a [`Reader`] avoids the
    /// cost of the reference count.
    fn load(&self) -> Arc<DirectiveSet>;
}

/// A fixed set can be used as a store, for a proxy whose directives never change.
///
/// All threads that load the fixed set share one reference count. In contrast, an
/// [`InMemoryDirectiveStore`] has a separate reference count for each of up to 64 threads.
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

/// A store into which the application itself publishes sets.
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
/// A publish always replaces the whole set, and never changes only one of its directives. The
/// documentation of [`DirectiveStore::load`] and of [`Reader`] lists the guarantees for reads.
pub struct InMemoryDirectiveStore {
    /// The lock ensures that one publish ends before the next publish begins. A read of the
    /// published set never takes the lock.
    publisher: Mutex<Publisher<DirectiveSet>>,
    current: Published<DirectiveSet>,
}

impl InMemoryDirectiveStore {
    /// Creates a store with an empty set. Until the first publish, an evaluation of any request
    /// returns [`DiagLevel::Off`](crate::DiagLevel::Off).
    #[must_use]
    pub fn new() -> Self {
        let (publisher, current) = publish::publication(DirectiveSet::new());
        Self {
            publisher: Mutex::new(publisher),
            current,
        }
    }

    /// Publishes a set and returns the store. With this method, a caller can create a store that
    /// contains a set in one expression.
    #[must_use]
    pub fn with_directives(self, set: DirectiveSet) -> Self {
        self.publish(set);
        self
    }

    /// Replaces the set in one atomic swap. Once `publish` has returned, every later `load` returns
    /// the new set or a newer set, on every thread. A publish does not change a set that a caller
    /// has loaded before.
    ///
    /// If several threads publish at the same time, their sets are published one after the other,
    /// and the last set stays published. Reads do not wait for a publish, and a publish does not
    /// wait for reads.
    pub fn publish(&self, set: DirectiveSet) {
        // If a publish panicked, the old or the new set is completely published, so the lock can
        // still be used although it is poisoned.
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .publish(set);
    }

    /// Creates a read handle for a worker that reads often: see [`Reader`].
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

/// Formats the set that is published now.
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
