//! The publication cell, which contains the current directive set. One [`Publisher`] replaces the
//! directive set in the publication cell atomically. Any number of request threads load the
//! directive set from the cell without waiting.
//!
//! # Guarantees
//!
//! - A publish is one atomic swap: a read returns either the complete new value or the complete
//!   previous value.
//! - If a read begins after [`Publisher::publish`] has returned, it never returns an older value,
//!   on any thread and with any read method.
//! - Reads are monotonic: once a thread has read a value, or knows from another thread that the
//!   value was published, all its later reads return this value or a later one.
//! - A read of the cell takes no lock. Reads do not wait for a publish, and a publish does not wait
//!   for reads.
//! - As long as at most [`HANDLES`] threads read the cell, their reads do not write to shared
//!   memory.
//! - A published value stays in memory only as long as the cell or a caller holds it. An idle
//!   thread never keeps a set in memory, but only the memory of one handle.
//!
//! # How it works
//!
//! A *publication* is a published value together with its version number. No two publications in a
//! process have the same version number. A value and its version are stored together, so the
//! version of a cached copy is always right. The publisher first announces the new version and
//! *then* swaps in the new value. If a reader's cached copy has the announced version, the reader
//! uses the cached copy. If the cached copy has another version, the reader loads the pointer to
//! the current value. The pointer to the current value refers to the old value before the swap, and
//! to the new value after the swap.
//!
//! Reads are monotonic because the publisher announces the version first. After any reader has read
//! the new value, no reader accepts an older copy as current. If the publisher swapped the value
//! first, one reader could read the new value while another reader still finds the old version and
//! later uses its old copy.
//!
//! The method `load` returns an `Arc`, so each load changes a reference count. Threads that change
//! the same reference count contend for one cache line. To avoid this contention, a publication has
//! [`HANDLES`] handles to the same set, each with a separate reference count. The number of a
//! thread selects the handle that the thread uses. Each thread caches a `Weak` of the handle that
//! it uses. A read never allocates, not even the first read after a publish.

mod reader;
mod thread_cache;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::set::DirectiveSet;
pub use reader::Reader;
pub(crate) use thread_cache::thread_number;

/// The number of handles to the set in each publication. Each thread uses its own handle if at most
/// `HANDLES` threads load the set. Some threads share a handle if more than `HANDLES` threads load
/// the set.
const HANDLES: usize = 64;

/// The version number of the next publication in this process. No publication has version zero, so
/// zero can mean "no publication".
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

/// Creates a publication cell that contains `first`, and returns the writer and the reader of the
/// cell.
pub fn publication<T: AsRef<DirectiveSet>>(first: T) -> (Publisher<T>, Published<T>) {
    let first = Publication::new(first);
    let announced = Arc::new(Announced(AtomicU64::new(first.version)));
    let current = Arc::new(ArcSwap::from_pointee(first));
    let to = Published { announced, current };
    (Publisher { to: to.clone() }, to)
}

/// The writer of a publication cell. Each cell has only one writer, so two publishes never overlap.
pub struct Publisher<T> {
    to: Published<T>,
}

impl<T: AsRef<DirectiveSet>> Publisher<T> {
    /// Publishes a value, which reads of the cell return from now on.
    pub fn publish(&mut self, value: T) {
        let next = Arc::new(Publication::new(value));
        // The publisher announces the version before the swap, so that reads are monotonic (see the
        // module's documentation).
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
    /// Returns the most recently published set. Few or no other threads change the reference count
    /// of the returned `Arc`.
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

    /// Returns the most recently published value. All threads that call `snapshot` change the same
    /// reference count, so [`load`](Self::load) is faster than `snapshot`.
    #[must_use]
    pub fn snapshot(&self) -> Arc<T> {
        Arc::clone(&self.current.load().value)
    }
}

impl<T: AsRef<DirectiveSet> + Send + Sync + 'static> Published<T> {
    /// Creates a read handle that one worker owns.
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

/// The version that the publisher has most recently announced. The announced version is usually the
/// version of the current publication. For a short time during a publish, the announced version is
/// already the version of the next publication.
///
/// The announced version has its own cache line, because every read loads it. Memory that is
/// written often must not be in the same cache line as the announced version.
#[repr(align(64))]
struct Announced(AtomicU64);

impl Announced {
    #[inline]
    fn version(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A published value with its version, and the handles through which threads use the value's set.
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

/// The part of a publication cell that a [`Reader`] needs. The trait `Source` hides the type of the
/// published value from the reader.
trait Source: Send + Sync {
    /// Returns the most recently published set and its version.
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
