//! A handle with which one worker reads the published set. Loading the set through a `Reader`
//! changes no reference count.

use std::fmt;
use std::sync::Arc;

use super::{Announced, Source};
use crate::set::DirectiveSet;

/// A handle with which one worker reads a store's set in one or two nanoseconds.
///
/// Use a reader in a worker that can own it mutably, for example in a thread of a thread-per-core
/// proxy or in the task of a connection. A reader keeps the set that it has most recently returned,
/// and each load only checks whether a newer set was published. Readers do not slow each other
/// down, because a load changes no reference count. Code that has only a shared
/// `&dyn DirectiveStore` uses [`DirectiveStore::load`](crate::DirectiveStore::load).
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
/// - [`load`](Self::load) returns one complete published set, never a mixture of two sets. Once a
///   publish has returned, each later `load` of every reader returns the published set or a later
///   one.
/// - The set does not change while the caller borrows it. If a request borrows the set once, all
///   its decisions come from the same set.
/// - `load` does not allocate, lock, wait or perform I/O, not even directly after a publish. (The
///   first load after a publish frees the old set if no other handle to it exists.)
///
/// # Staleness
///
/// A reader's set becomes stale if nobody publishes a newer set. Even with a stale set, each
/// evaluation checks the start and the expiry of each directive.
///
/// **An idle reader keeps its last set in memory** until its next `load`, or until the reader is
/// dropped. Create a reader for a worker that often reads the set, and drop the reader with the
/// worker. A worker that may be idle for a long time should call the store's method `load`, which
/// keeps no set in memory.
///
/// A reader keeps the publication cell alive, but not the store. The reader still returns the last
/// set after the store is dropped.
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

    /// Returns the most recently published set.
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

/// Formats the set that the reader has most recently returned.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.set).finish()
    }
}
