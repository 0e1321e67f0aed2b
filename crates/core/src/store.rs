//! The trait through which the request path loads the published set, and the store that an
//! application publishes into itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::publish::{self as publish, Published, Publisher, Reader};
use crate::set::DirectiveSet;

/// Provides the request path with its directives.
///
/// Object-safe: a proxy holds an `Arc<dyn DirectiveStore>` and does not know where
/// the directives come from.
///
/// # How to use it
///
/// Load **once for each request** and evaluate the loaded set. A loaded set never changes, so a
/// request never sees a mixture of two publishes. Drop the set at the end of the request: a set
/// that is held stays in memory, and its directives may have been revoked in the meantime.
///
/// ```
/// use std::sync::Arc;
///
/// use jiff::Timestamp;
/// use opensearch_directives_core::{DiagLevel, DirectiveStore, EndpointKind, InMemoryDirectiveStore, RequestAttrs};
///
/// fn level_of(store: &dyn DirectiveStore, request_id: &str, now: Timestamp) -> DiagLevel {
///     let request = RequestAttrs {
///         tenant: Some("acme"),
///         index: "orders",
///         principal: "checkout",
///         endpoint: EndpointKind::Search,
///     };
///     store.load().evaluate(&request, now, request_id).level
/// }
///
/// let store: Arc<dyn DirectiveStore> = Arc::new(InMemoryDirectiveStore::new());
/// assert_eq!(level_of(&*store, "request-1", Timestamp::UNIX_EPOCH), DiagLevel::Off);
/// ```
pub trait DirectiveStore: Send + Sync {
    /// The set that was published last.
    ///
    /// # Guarantees
    ///
    /// - Never blocks, takes no lock and does no I/O. The stores of this crate do not allocate
    ///   either, not even in the first load after a publish. (The first load on a thread
    ///   initialises a few words of thread-local memory.)
    /// - Returns one complete published set. A load that begins after a publish has returned
    ///   returns that set or a later one, on every thread; a load that is concurrent with a
    ///   publish returns the old or the new set.
    /// - In [`InMemoryDirectiveStore`] and the store that polls an index, up to 64 threads do not
    ///   contend for a reference count: there are 64 counts, assigned to threads in the order of
    ///   their first loads, and more threads share them. An `Arc` keeps its count on whichever
    ///   thread it is cloned or dropped.
    /// - An idle thread keeps no set alive. It retains only the memory of one handle (128 bytes).
    ///
    /// # Staleness
    ///
    /// A store is a cache: the set is as stale as its publisher, and the store cannot detect that.
    /// The start and the expiry of each directive are checked at each evaluation all the same.
    ///
    /// # Cost
    ///
    /// A load increments and later decrements a reference count, and checks whether a newer set was
    /// published. A worker that can keep a handle of its own avoids the count with a [`Reader`].
    fn load(&self) -> Arc<DirectiveSet>;
}

/// A fixed set, for a proxy whose directives never change.
///
/// All threads share one reference count. An [`InMemoryDirectiveStore`] that holds the set has one
/// for each of up to 64 threads.
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

/// A store that the application itself publishes into.
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
/// A publish replaces the whole set; a single directive of it cannot be changed.
/// [`DirectiveStore::load`] and [`Reader`] document the guarantees of reads.
pub struct InMemoryDirectiveStore {
    /// The lock serialises publishes. Reads never take it.
    publisher: Mutex<Publisher<DirectiveSet>>,
    current: Published<DirectiveSet>,
}

impl InMemoryDirectiveStore {
    /// A store whose set is empty: every request evaluates to
    /// [`DiagLevel::Off`](crate::DiagLevel::Off).
    #[must_use]
    pub fn new() -> Self {
        let (publisher, current) = publish::publication(DirectiveSet::new());
        Self {
            publisher: Mutex::new(publisher),
            current,
        }
    }

    /// Publishes a set and returns the store, for construction.
    #[must_use]
    pub fn with_directives(self, set: DirectiveSet) -> Self {
        self.publish(set);
        self
    }

    /// Replaces the set in one atomic swap. A `load` that begins after this call has returned
    /// returns the new set, on every thread; a set that a caller holds does not change.
    ///
    /// Concurrent publishes are serialised, and the set of the last one stays published. Reads do
    /// not wait for a publish, nor a publish for reads.
    pub fn publish(&self, set: DirectiveSet) {
        // A publish that panicked left the old or the new set published, so a poisoned lock is
        // still usable.
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .publish(set);
    }

    /// A read handle for a worker that reads often: see [`Reader`].
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

/// Shows the current set.
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
