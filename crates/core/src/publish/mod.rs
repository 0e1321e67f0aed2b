//! The cell through which a set reaches the request path: written by one
//! [`Publisher`], read by any number of threads.
//!
//! # What it promises
//!
//! - A publish is one swap of everything that belongs together: whoever reads gets
//!   a value that was published whole, or the one before it, whole.
//! - After [`Publisher::publish`] returns, no read that begins later gives an older
//!   value, on any thread, by whichever of the ways to read.
//! - Reads never go back: who has seen a value sees it or a later one by every way
//!   to read, and so does whoever is told.
//! - A read takes no lock and does not wait for a publish, nor a publish for reads.
//! - Reads of different threads write to no memory in common: each thread has a
//!   reference count of its own (`lent.rs`).
//! - Nothing but the cell and those who hold what they read keeps a value alive. A
//!   thread that stops reading keeps at most a few hundred bytes, never a set.
//!
//! # How
//!
//! Each publish has a version, unique in the process. It swaps in the value together
//! with its version, then shows the version in an atomic of its own. A reader that
//! has a copy of that version uses it; another takes the value by the swap pointer,
//! with the version *of that value*. So a copy can never stand under the version of
//! another value, and the order of the two writes (value, then version) is all that
//! matters: whoever sees a version finds that value or a later one.
//!
//! `load` must give an `Arc`, and one count that all threads raise and lower is what
//! makes threads wait for each other. So a publish makes [`HANDLES_MIN`] or more
//! handles to the same set, each behind a count of its own, and each thread is lent
//! one. They belong to the published value and go with it; a thread remembers its
//! handle by a `Weak`. That is why a thread needs no notice of a publish and a
//! publish no list of threads, and why a read does not allocate, not even the first
//! one after a publish.

mod reader;
pub(crate) mod thread_cache;
mod thread_slots;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::lend;
use crate::set::DirectiveSet;
pub use reader::Reader;
use thread_cache::Lend;

/// The fewest handles that a publish makes. Up to as many threads have one each,
/// from their first read on; when there were more threads than that before a
/// publish, it makes more.
pub const HANDLES_MIN: usize = 64;

/// What can be published.
pub trait Publish: Send + Sync + 'static {
    /// What threads read of it.
    type Handle: Send + Sync + 'static;
    /// Where threads remember what they were lent.
    type Threads: Lend<Handle = Self::Handle>;

    /// Handles to the same, each behind a count of its own: at least one, and as many as
    /// are wanted if that is not too dear. Asked for once, before it is published.
    fn handles(&mut self, wanted: usize) -> Box<[Arc<Self::Handle>]>;
}

lend!(Threads: DirectiveSet);

impl<T: AsRef<DirectiveSet> + Send + Sync + 'static> Publish for T {
    type Handle = DirectiveSet;
    type Threads = Threads;

    fn handles(&mut self, wanted: usize) -> Box<[Arc<DirectiveSet>]> {
        (0..wanted.max(1))
            .map(|_| Arc::new(self.as_ref().clone()))
            .collect()
    }
}

/// Gives every publish of the process its version. Nought is never one.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

/// The two halves of a new cell that holds `first`.
pub fn publication<T: Publish>(first: T) -> (Publisher<T>, Published<T>) {
    let first = Publication::new(first);
    let shown = Arc::new(Shown(AtomicU64::new(first.version)));
    let current = Arc::new(ArcSwap::from_pointee(first));
    let to = Published { shown, current };
    (Publisher { to: to.clone() }, to)
}

/// The half that writes. There is one for a cell, so publishes have an order.
pub struct Publisher<T: Publish> {
    to: Published<T>,
}

impl<T: Publish> Publisher<T> {
    /// Replaces the value in one swap. Gives back the one before: who drops that last
    /// frees it.
    pub fn publish(&mut self, value: T) -> Arc<Publication<T>> {
        let next = Publication::new(value);
        let version = next.version;
        let previous = self.to.current.swap(Arc::new(next));
        // After the value, so that who sees the version finds the value.
        self.to.shown.show(version);
        previous
    }
}

/// The half that reads. A clone reads the same cell.
pub struct Published<T: Publish> {
    shown: Arc<Shown>,
    current: Arc<ArcSwap<Publication<T>>>,
}

impl<T: Publish> Published<T> {
    /// What was published last, behind a reference count that only this
    /// thread touches (and who else it gives the `Arc` to).
    #[inline]
    pub fn load(&self) -> Arc<T::Handle> {
        let version = self.shown.version();
        thread_cache::last::<T::Threads>(version).unwrap_or_else(|| self.load_other(version))
    }

    /// The value that was published last, by a reference count of all threads.
    pub fn snapshot(&self) -> Arc<T> {
        let current = self.current.load();
        self.shown.show(current.version);
        Arc::clone(&current.value)
    }

    #[cold]
    #[inline(never)]
    fn load_other(&self, version: u64) -> Arc<T::Handle> {
        if let Some(handle) = thread_cache::find::<T::Threads>(version) {
            return handle;
        }
        let current = self.current.load();
        self.shown.show(current.version);
        let handle = &current.handles[thread_slots::number() % current.handles.len()];
        thread_cache::remember::<T::Threads>(current.version, handle);
        Arc::clone(handle)
    }
}

impl<T: Publish<Handle = DirectiveSet> + AsRef<DirectiveSet>> Published<T> {
    /// A handle for a worker of its own.
    pub fn reader(&self) -> Reader {
        let source = Arc::clone(&self.current);
        Reader::new(Arc::clone(&self.shown), source)
    }
}

impl<T: Publish> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self {
            shown: Arc::clone(&self.shown),
            current: Arc::clone(&self.current),
        }
    }
}

impl<T: Publish + fmt::Debug> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher")
            .field(&self.to.current.load().value)
            .finish()
    }
}

impl<T: Publish + fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Published")
            .field(&self.current.load().value)
            .finish()
    }
}

/// The version of the current publication, or for a moment that of the one before.
///
/// In a cache line of its own: every read looks at it, so nothing that is written more
/// often than published should stand beside it.
#[repr(align(64))]
struct Shown(AtomicU64);

impl Shown {
    #[inline]
    fn version(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Makes a version visible, unless it is or a later one is.
    ///
    /// Also done by who finds a value whose publisher has not come to it yet: else
    /// the next read, by another way or on a thread that is told of this one, could
    /// still give the value before.
    fn show(&self, version: u64) {
        if self.version() < version {
            // Not merely `Release`: afterwards it is there for all to see.
            self.0.fetch_max(version, Ordering::SeqCst);
        }
    }
}

/// A published value, with its handles for threads.
#[allow(missing_debug_implementations, reason = "shown by its cell")]
pub struct Publication<T: Publish> {
    version: u64,
    value: Arc<T>,
    handles: Box<[Arc<T::Handle>]>,
}

impl<T: Publish> Publication<T> {
    fn new(mut value: T) -> Self {
        // Enough for the threads that there are.
        let wanted = HANDLES_MIN.max(thread_slots::numbers_given().next_power_of_two());
        Self {
            version: NEXT_VERSION.fetch_add(1, Ordering::Relaxed),
            handles: value.handles(wanted),
            value: Arc::new(value),
        }
    }
}

/// What a [`Reader`] needs of a cell, whatever it holds.
trait Source: Send + Sync {
    /// The set that was published last, with its version.
    fn latest(&self) -> (u64, DirectiveSet);
}

impl<T: Publish + AsRef<DirectiveSet>> Source for ArcSwap<Publication<T>> {
    fn latest(&self) -> (u64, DirectiveSet) {
        let current = self.load();
        (current.version, current.value.as_ref().as_ref().clone())
    }
}

#[cfg(test)]
mod tests;
