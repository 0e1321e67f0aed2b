//! A read handle that one worker owns. A load through a `Reader` changes no reference count.

use std::fmt;
use std::sync::Arc;

use super::{Announced, Source};
use crate::set::DirectiveSet;

/// A handle through which one worker reads a store's set in one or two nanoseconds.
///
/// Use a reader in a worker that can own a handle mutably, for example in a thread of a
/// thread-per-core proxy or in the task of a connection. A reader keeps the set that it returned
/// last, and each load only checks whether a newer set was published. A load changes no reference
/// count, so readers do not slow each other down. Code that has only a shared `&dyn DirectiveStore`
/// uses [`DirectiveStore::load`](crate::DirectiveStore::load).
///
/// ```
/// use opensearch_directives_core::{DirectiveSet, InMemoryDirectiveStore};
///
/// let store = InMemoryDirectiveStore::new();
/// let mut reader = store.reader();
/// std::thread::spawn(move || {
///     for _request in 0..3 {
///         let set = reader.load();
///         assert!(set.is_empty());
///     }
/// })
/// .join()
/// .expect("the worker ends");
/// ```
///
/// # Guarantees
///
/// - [`load`](Self::load) returns one complete published set. Once a publish has returned, each
///   later `load` returns the published set or a later one, with every reader.
/// - A set does not change while the caller borrows it. If a request borrows the set once, all
///   decisions of the request come from the same set.
/// - `load` does not allocate, lock, wait or perform I/O, not even directly after a publish. (If no
///   other handle to the old set exists, the first load after a publish frees the old set.)
///
/// # Staleness
///
/// If nobody publishes a new set, the set of the reader becomes stale. Each evaluation still checks
/// the start and the expiry of each directive.
///
/// **An idle reader keeps the last returned set alive** until the next `load` of this reader, or
/// until the reader is dropped. Create a reader for a worker that reads often, and drop the reader
/// with the worker. A worker that may be idle for a long time should use the method `load` of the
/// store, because that method keeps no set alive.
///
/// A reader keeps the publication cell alive, but not the store. After the store is dropped, the
/// reader continues to return the last set.
#[derive(Clone)]
pub struct Reader {
    announced: Arc<Announced>,
    source: Arc<dyn Source>,
    /// The version of the publication from which `set` was loaded.
    version: u64,
    set: DirectiveSet,
}

impl Reader {
    pub(super) fn new(announced: Arc<Announced>, source: Arc<dyn Source>) -> Self {
        let (version, set) = source.latest();
        Self {
            announced,
            source,
            version,
            set,
        }
    }

    /// Returns the set that was published last.
    #[inline]
    pub fn load(&mut self) -> &DirectiveSet {
        if self.announced.version() != self.version {
            self.refresh();
        }
        &self.set
    }

    #[cold]
    #[inline(never)]
    fn refresh(&mut self) {
        (self.version, self.set) = self.source.latest();
    }
}

/// Formats the set that the reader returned last.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.set).finish()
    }
}
