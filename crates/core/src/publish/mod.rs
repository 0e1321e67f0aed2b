//! The publication cell: one [`Publisher`] replaces the set in it atomically, and any number of
//! request threads load it without waiting.
//!
//! # Guarantees
//!
//! - A publish is one atomic swap: a read returns the complete new value or the complete previous
//!   value.
//! - After [`Publisher::publish`] returns, no read that begins later returns an older
//!   value, on any thread, by any of the ways to read.
//! - Reads are monotonic: a thread that has read a value, or has learnt of it from another
//!   thread, reads that value or a later one, by any of the ways to read.
//! - A read takes no lock and does not wait for a publish, nor a publish for reads.
//! - Reads of up to [`HANDLES`] threads write to no memory in common.
//! - Only the cell and the callers that hold a loaded value keep it alive. An idle thread retains
//!   the memory of one handle, never a set.
//!
//! # How it works
//!
//! Each publication has a version, unique in the process, which travels with its value: a
//! copy of a value always has the version of that value. A publish announces the new version
//! and *then* swaps in the value. A reader whose copy has the announced version uses it;
//! otherwise it reads the pointer, and gets the old value until the swap and the new one from
//! then on. This order makes reads monotonic: when the first reader sees the new value, no reader
//! accepts an older copy as current any more. (If the value were swapped first, one reader could
//! see it while another still found the old version and used its copy.)
//!
//! `load` must return an `Arc`, and threads contend for a reference count that all of them change.
//! So a publication has [`HANDLES`] handles to the same set, each with a reference count of its
//! own, and each thread uses the handle of its slot. The thread caches a `Weak` of that handle, so
//! a read does not allocate, not even the first one after a publish.

mod reader;
mod thread_cache;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::set::DirectiveSet;
pub use reader::Reader;

/// The number of handles of a publication. Up to this number of threads have one each; more
/// threads share them.
const HANDLES: usize = 64;

/// The next version of the process. Zero is never a version.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

/// The two halves of a new cell that holds `first`.
pub fn publication<T: AsRef<DirectiveSet>>(first: T) -> (Publisher<T>, Published<T>) {
    let first = Publication::new(first);
    let announced = Arc::new(Announced(AtomicU64::new(first.version)));
    let current = Arc::new(ArcSwap::from_pointee(first));
    let to = Published { announced, current };
    (Publisher { to: to.clone() }, to)
}

/// The half that writes. A cell has one, so publishes have an order.
pub struct Publisher<T> {
    to: Published<T>,
}

impl<T: AsRef<DirectiveSet>> Publisher<T> {
    /// Replaces the value.
    pub fn publish(&mut self, value: T) {
        let next = Arc::new(Publication::new(value));
        // The order makes reads monotonic: see the module's documentation.
        self.announce(next.version);
        self.to.current.store(next);
    }

    fn announce(&self, version: u64) {
        self.to.announced.0.store(version, Ordering::SeqCst);
    }
}

/// The half that reads. A clone reads the same cell.
pub struct Published<T> {
    announced: Arc<Announced>,
    current: Arc<ArcSwap<Publication<T>>>,
}

impl<T> Published<T> {
    /// The set that was published last, behind a reference count that few or no other threads
    /// use.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Arc<DirectiveSet> {
        thread_cache::get(self.announced.version()).unwrap_or_else(|| self.load_uncached())
    }

    #[cold]
    #[inline(never)]
    fn load_uncached(&self) -> Arc<DirectiveSet> {
        let current = self.current.load();
        let handle = &current.handles[thread_cache::slot() % HANDLES];
        thread_cache::set(current.version, handle);
        Arc::clone(handle)
    }

    /// The value that was published last, behind a reference count that all threads share.
    #[must_use]
    pub fn snapshot(&self) -> Arc<T> {
        Arc::clone(&self.current.load().value)
    }
}

impl<T: AsRef<DirectiveSet> + Send + Sync + 'static> Published<T> {
    /// A read handle for one worker.
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

/// The version of the current publication, or for a moment that of the next one.
///
/// It has a cache line of its own: every read loads it, so no memory that is written more often
/// than sets are published should share its line.
#[repr(align(64))]
struct Announced(AtomicU64);

impl Announced {
    #[inline]
    fn version(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A published value, with its handles for threads.
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

/// The part of a cell that a [`Reader`] needs, independent of the type of the value.
trait Source: Send + Sync {
    /// The set that was published last, with its version.
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
