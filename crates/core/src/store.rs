//! The interface between the publisher of directives and the request path.

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
/// Load **once a request** and evaluate the loaded set: it never changes
/// under its holder, so one request never sees a mixture of two publishes. Drop it
/// with the request: a set that is held stays in memory, with directives that may have been
/// revoked since.
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
    /// - Never blocks, never locks and never does I/O. The stores of this crate do
    ///   not allocate either, not even in the first load after a publish. (The first
    ///   load of a thread's life sets up a few words for it.)
    /// - Returns a set that was published, whole. A load that begins after a publish
    ///   has returned returns that set or a later one, on every thread; a load at the
    ///   same time as a publish returns the old or the new one.
    /// - In the stores of this crate that can be published into, threads do not slow each
    ///   other down: there are 64 reference counts, assigned to threads in the order of
    ///   their first loads. More threads share counts. The `Arc` keeps its count wherever it
    ///   is dropped or cloned: two threads that pass it on share one.
    /// - An idle thread keeps no set alive, only the memory of one handle (128 bytes).
    ///
    /// # Staleness
    ///
    /// This is a cache: the set is as old as its publisher is behind, and the store
    /// itself cannot know. A directive in it still starts and expires at its own
    /// times, which are checked at each evaluation.
    ///
    /// # Cost
    ///
    /// The count up and down, and a check whether the set is still the last. A
    /// worker that can keep a handle of its own reads through a [`Reader`] without
    /// the count.
    fn load(&self) -> Arc<DirectiveSet>;
}

/// A fixed set, for a proxy whose directives never change.
///
/// All threads share the one reference count. An [`InMemoryDirectiveStore`] with the
/// set in it has one for each thread.
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
/// A publish replaces the set whole; there is no way to change one directive of it.
/// What holds for reads is said at [`DirectiveStore::load`] and [`Reader`].
pub struct InMemoryDirectiveStore {
    /// Behind a lock, so that publishes come one after the other. No read takes it.
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

    /// Publishes a first set.
    #[must_use]
    pub fn with_directives(self, set: DirectiveSet) -> Self {
        self.publish(set);
        self
    }

    /// Replaces the set in one atomic swap. A `load` that begins after this returns
    /// returns the new set, on every thread; a set that is held stays as it is.
    ///
    /// Publishes at the same time take turns, and the last one stays. Reads do not
    /// wait for a publish, nor a publish for reads.
    pub fn publish(&self, set: DirectiveSet) {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .publish(set);
    }

    /// A handle for a worker that reads often: see [`Reader`].
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
