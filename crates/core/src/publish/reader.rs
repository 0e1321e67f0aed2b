//! A read handle for a worker that has its own.

use std::fmt;
use std::sync::Arc;

use super::{Announced, Source};
use crate::set::DirectiveSet;

/// A handle through which one worker reads a store's set, in a nanosecond or two.
///
/// For a worker that owns its loop and can keep a `&mut` handle: a thread of a
/// thread-per-core proxy, a task for each connection. It keeps the set that it returned
/// last and only checks whether another was published since; it changes no reference
/// count, so any number of readers do not slow each other down. With nothing but a shared
/// `&dyn DirectiveStore`, use
/// [`DirectiveStore::load`](crate::DirectiveStore::load).
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
/// - [`load`](Self::load) returns a set that was published, whole; after a publish has
///   returned, each later `load` of every reader returns that set or a later one.
/// - The set does not change while it is borrowed: hold it for the length of one
///   request, and everything that is decided of it belongs together.
/// - `load` does not allocate, lock, wait or do I/O, in a read that follows a
///   publish either. (The first read after a publish may free the old set, when no
///   one else has it.)
///
/// # Staleness
///
/// The set is as old as its publisher is behind. A directive in it starts and
/// expires at its own times all the same.
///
/// **An idle reader keeps the set that it returned last alive**, until its next `load` or
/// its drop. Create one for a worker that reads often, and drop it with the worker; a worker
/// that may be idle for long uses `load` of the store, which keeps nothing alive.
///
/// A reader keeps its cell, not its store: after the store is dropped it goes on returning
/// the last set.
#[derive(Clone)]
pub struct Reader {
    announced: Arc<Announced>,
    source: Arc<dyn Source>,
    /// That of the set.
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

    /// The set that was published last.
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

/// Shows the set that it returned last.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.set).finish()
    }
}
