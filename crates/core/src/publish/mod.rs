//! The publication cell. One [`Publisher`] replaces the set in the cell atomically. Any number of
//! request threads load the set from the cell without waiting.
//!
//! # Guarantees
//!
//! - A publish is one atomic swap: a read returns the complete new value or the complete previous
//!   value.
//! - A read that begins after [`Publisher::publish`] has returned never returns an older value, on
//!   any thread and with any read method.
//! - Reads are monotonic: once a thread has read a value, or has learned from another thread that
//!   the value was published, every later read on this thread returns this value or a later value,
//!   with every read method.
//! - A read takes no lock. Reads do not wait for a publish, and a publish does not wait for reads.
//! - Reads on up to [`HANDLES`] threads do not write to shared memory.
//! - A value stays in memory only as long as the cell or a caller holds the value. For an idle
//!   thread, only the memory of one handle stays in use, never a set.
//!
//! # How it works
//!
//! A *publication* is a published value together with its version. A version is unique in the
//! process. The value and the version are stored together, so a cached copy of a value always has
//! the right version. A publish first announces the new version and *then* swaps in the value. If a
//! reader's cached copy has the announced version, the reader uses this copy. If the cached copy
//! has another version, the reader loads the pointer to the current value. The pointer to the
//! current value refers to the old value before the swap, and to the new value after the swap.
//!
//! Reads are monotonic because the version is announced first: after any reader has read the new
//! value, no reader accepts an older copy as current. If the value were swapped first, a reader
//! could read the new value, and later another reader could still find the old version and use its
//! old copy.
//!
//! The method `load` must return an `Arc`. If several threads changed the same reference count,
//! they would contend for one cache line. So a publication has [`HANDLES`] handles to the same set,
//! each with a separate reference count. Each thread has a number, which selects the thread's
//! handle. Each thread caches a `Weak` of its handle. A read does not allocate, not even the first
//! read after a publish.

mod reader;
mod thread_cache;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::set::DirectiveSet;
pub use reader::Reader;
pub(crate) use thread_cache::thread_number;

/// The number of handles to the set in each publication. If at most `HANDLES` threads load the set,
/// each thread uses its own handle. If more than `HANDLES` threads load the set, some threads share
/// a handle.
const HANDLES: usize = 64;

/// The version that the next publication in this process will have. No publication has version
/// zero.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

/// Creates a cell that contains `first`, and returns the writer and the reader of the cell.
pub fn publication<T: AsRef<DirectiveSet>>(first: T) -> (Publisher<T>, Published<T>) {
    let first = Publication::new(first);
    let announced = Arc::new(Announced(AtomicU64::new(first.version)));
    let current = Arc::new(ArcSwap::from_pointee(first));
    let to = Published { announced, current };
    (Publisher { to: to.clone() }, to)
}

/// The writer of a publication cell. A cell has only one writer, so two publishes never overlap.
pub struct Publisher<T> {
    to: Published<T>,
}

impl<T: AsRef<DirectiveSet>> Publisher<T> {
    /// Publishes a value: from now on, reads of the cell return this value.
    pub fn publish(&mut self, value: T) {
        let next = Arc::new(Publication::new(value));
        // The version is announced before the swap, so that reads are monotonic (see the module's
        // documentation).
        self.announce(next.version);
        self.to.current.store(next);
    }

    fn announce(&self, version: u64) {
        self.to.announced.0.store(version, Ordering::SeqCst);
    }
}

/// The reader of a publication cell. A clone of a `Published` reads the same cell.
pub struct Published<T> {
    announced: Arc<Announced>,
    current: Arc<ArcSwap<Publication<T>>>,
}

impl<T> Published<T> {
    /// Returns the set that was published last. The returned `Arc` has a reference count that few
    /// or no other threads change.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Arc<DirectiveSet> {
        thread_cache::get(self.announced.version()).unwrap_or_else(|| self.load_uncached())
    }

    #[cold]
    #[inline(never)]
    fn load_uncached(&self) -> Arc<DirectiveSet> {
        let current = self.current.load();
        let handle = &current.handles[thread_number() % HANDLES];
        thread_cache::set(current.version, handle);
        Arc::clone(handle)
    }

    /// Returns the value that was published last. All threads that call `snapshot` change the same
    /// reference count of the returned `Arc`.
    #[must_use]
    pub fn snapshot(&self) -> Arc<T> {
        Arc::clone(&self.current.load().value)
    }
}

impl<T: AsRef<DirectiveSet> + Send + Sync + 'static> Published<T> {
    /// Creates a read handle for one worker.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let source = Arc::clone(&self.current);
        Reader::new(Arc::clone(&self.announced), source)
    }
}

impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self {
            announced: Arc::clone(&self.announced),
            current: Arc::clone(&self.current),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher")
            .field(&self.to.current.load().value)
            .finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Published")
            .field(&self.current.load().value)
            .finish()
    }
}

/// The version that the publisher announced last. Usually, the announced version is the version of
/// the current publication. For a short time during a publish, the announced version is already
/// that of the next publication.
///
/// Every read loads the announced version, so the version has its own cache line. Memory that is
/// written more often than the announced version must not be in the same cache line.
#[repr(align(64))]
struct Announced(AtomicU64);

impl Announced {
    #[inline]
    fn version(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A published value with its version, and the handles through which threads use its set.
struct Publication<T> {
    version: u64,
    value: Arc<T>,
    handles: [Arc<DirectiveSet>; HANDLES],
}

impl<T: AsRef<DirectiveSet>> Publication<T> {
    fn new(value: T) -> Self {
        Self {
            version: NEXT_VERSION.fetch_add(1, Ordering::Relaxed),
            handles: std::array::from_fn(|_| Arc::new(value.as_ref().clone())),
            value: Arc::new(value),
        }
    }
}

/// The part of a cell that a [`Reader`] needs. The trait `Source` does not depend on the type of
/// the published value.
trait Source: Send + Sync {
    /// Returns the set that was published last, with its version.
    fn latest(&self) -> (u64, DirectiveSet);
}

impl<T: AsRef<DirectiveSet> + Send + Sync> Source for ArcSwap<Publication<T>> {
    fn latest(&self) -> (u64, DirectiveSet) {
        let current = self.load();
        (current.version, current.value.as_ref().as_ref().clone())
    }
}

#[cfg(test)]
mod tests;
