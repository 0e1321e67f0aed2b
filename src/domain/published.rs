//! One value that is published whole and read by many threads.
//!
//! A publish is one atomic swap. Threads that load do not write to a shared cache
//! line: each has a handle of its own, with a reference count of its own, and looks
//! at a generation number that only a publish changes.
//!
//! What bounds the life of an old set: the handles are owned by the cell, which drops
//! them all at the next publish, and a thread keeps but a weak reference to its own.
//! An old set is therefore freed once it was replaced and whoever loaded it let go,
//! whether or not any thread asks again. (A [`Reader`] keeps the set it gave last.)

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;

use super::set::DirectiveSet;

/// The value, and how the threads come by its set.
pub(crate) struct Published<T> {
    current: ArcSwap<T>,
    /// How often a value was published. Changes after `current` does.
    generation: Arc<AtomicU64>,
    /// Tells this cell from others in a thread's handles.
    id: u64,
    /// The handles of the current generation, one a thread that loads.
    handles: Mutex<Handles>,
}

#[derive(Default)]
struct Handles {
    owned: Vec<Arc<DirectiveSet>>,
    /// The number at which to look for handles of threads that have ended.
    prune_at: usize,
}

/// A thread's own way to a set.
struct Handle {
    cell: u64,
    generation: u64,
    set: Weak<DirectiveSet>,
}

thread_local! {
    /// A thread seldom loads from more than one cell, so a search is short.
    static HANDLES: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl<T: AsRef<DirectiveSet>> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            current: ArcSwap::from_pointee(value),
            generation: Arc::default(),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            handles: Mutex::default(),
        }
    }

    /// Replaces the value. A load that begins after this returns gives the new one.
    pub(crate) fn publish(&self, value: T) {
        let mut handles = self.handles();
        self.current.store(Arc::new(value));
        self.generation.fetch_add(1, Ordering::AcqRel);
        let old = mem::take(&mut *handles);
        drop(handles);
        // May free a large set, which no loading thread should wait for.
        drop(old);
    }

    /// The value, whole.
    pub(crate) fn snapshot(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// The value's set, by this thread's handle.
    pub(crate) fn load(&self) -> Arc<DirectiveSet> {
        let generation = self.generation.load(Ordering::Acquire);
        let held = HANDLES.try_with(|handles| {
            let handles = handles.try_borrow().ok()?;
            let handle = handles
                .iter()
                .find(|handle| handle.cell == self.id && handle.generation == generation)?;
            handle.set.upgrade()
        });
        match held {
            Ok(Some(set)) => set,
            _ => self.load_anew(),
        }
    }

    #[cold]
    fn load_anew(&self) -> Arc<DirectiveSet> {
        let mut handles = self.handles();
        // Under the lock no publish comes between the two.
        let set = Arc::new(self.current.load().as_ref().as_ref().clone());
        let handle = Handle {
            cell: self.id,
            generation: self.generation.load(Ordering::Acquire),
            set: Arc::downgrade(&set),
        };
        // Fails while the thread ends: then the set is simply not kept.
        let kept = HANDLES.try_with(|mine| {
            let Ok(mut mine) = mine.try_borrow_mut() else {
                return false;
            };
            // Handles of this cell's earlier generations, and of cells that are gone.
            mine.retain(|handle| handle.cell != self.id && handle.set.strong_count() > 0);
            mine.push(handle);
            true
        });
        if kept == Ok(true) {
            handles.add(Arc::clone(&set));
        }
        set
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        // No step under the lock leaves it half changed.
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handles {
    fn add(&mut self, set: Arc<DirectiveSet>) {
        if self.owned.len() >= self.prune_at {
            // Nobody has a weak reference any more: the thread has ended.
            self.owned.retain(|set| Arc::weak_count(set) > 0);
            self.prune_at = (2 * self.owned.len()).max(16);
        }
        self.owned.push(set);
    }
}

impl<T: AsRef<DirectiveSet> + Send + Sync + 'static> Published<T> {
    /// A reader of this cell.
    pub(crate) fn reader(self: &Arc<Self>) -> Reader {
        Reader {
            // As long ago as can be, so that the first load looks.
            seen: u64::MAX,
            generation: Arc::clone(&self.generation),
            set: DirectiveSet::new(),
            cell: Arc::clone(self) as Arc<dyn CurrentSet>,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

/// A cell whose value's type does not matter.
trait CurrentSet: Send + Sync {
    fn current_set(&self) -> DirectiveSet;
}

impl<T: AsRef<DirectiveSet> + Send + Sync> CurrentSet for Published<T> {
    fn current_set(&self) -> DirectiveSet {
        self.current.load().as_ref().as_ref().clone()
    }
}

/// A worker's own view of a store: reads the published set with one atomic load.
///
/// For a worker that owns its loop; make one for each worker, with a store's
/// `reader()`, and [`load`](Self::load) **once a request**. Beside
/// [`DirectiveStore::load`](crate::DirectiveStore::load) it saves the reference count.
///
/// - `load` after a publish has returned gives the new set, whole.
/// - It does not block, allocate, do I/O, or write to memory that other threads read,
///   except the first time after a publish, when it takes over the new set.
/// - A reader keeps the set it gave last alive until it loads again or is dropped: a
///   worker that may idle for long should drop its reader, or load now and then.
/// - The set may be as stale as the store is (see its status); what is in it still
///   starts and expires at its own times.
///
/// ```
/// use opensearch_directives::{DirectiveSet, InMemoryDirectiveStore};
///
/// let store = InMemoryDirectiveStore::new();
/// let mut reader = store.reader();
/// assert!(reader.load().is_empty());
/// store.publish(DirectiveSet::new());
/// assert!(reader.load().is_empty());
/// ```
pub struct Reader {
    seen: u64,
    generation: Arc<AtomicU64>,
    set: DirectiveSet,
    cell: Arc<dyn CurrentSet>,
}

impl Reader {
    /// The set that was published last.
    #[inline]
    pub fn load(&mut self) -> &DirectiveSet {
        let generation = self.generation.load(Ordering::Acquire);
        if generation != self.seen {
            self.take_over(generation);
        }
        &self.set
    }

    #[cold]
    fn take_over(&mut self, generation: u64) {
        // The cell changes its value before its generation: what is read now is of this
        // generation or a later one, and a later one is seen by the next load.
        self.set = self.cell.current_set();
        self.seen = generation;
    }
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self {
            seen: self.seen,
            generation: Arc::clone(&self.generation),
            set: self.set.clone(),
            cell: Arc::clone(&self.cell),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::{DiagLevel, DiagnosticsDirective};

    fn set_of(directives: usize) -> DirectiveSet {
        (0..directives)
            .map(|n| DiagnosticsDirective::new(n.to_string(), DiagLevel::Shape, Timestamp::MAX))
            .collect()
    }

    #[test]
    fn a_publish_is_seen_by_every_later_load() {
        let cell = Arc::new(Published::new(set_of(0)));
        let mut reader = cell.reader();
        for n in 1..100 {
            let held = cell.load();
            cell.publish(set_of(n));
            assert_eq!(held.len(), n - 1);
            assert_eq!(cell.load().len(), n);
            assert_eq!(reader.load().len(), n);
            thread::scope(|scope| {
                scope.spawn(|| assert_eq!(cell.load().len(), n));
            });
        }
    }

    #[test]
    fn threads_do_not_share_a_reference_count() {
        let cell = Published::new(set_of(1));
        let here = cell.load();
        let again = cell.load();
        let there = thread::scope(|scope| scope.spawn(|| cell.load()).join().unwrap());
        assert!(Arc::ptr_eq(&here, &again));
        assert!(!Arc::ptr_eq(&here, &there));
    }

    #[test]
    fn a_thread_that_stops_asking_keeps_no_old_set_alive() {
        let cell = Published::new(set_of(1));
        let old = Arc::downgrade(&cell.snapshot());
        let handle = Arc::downgrade(&cell.load());
        thread::scope(|scope| {
            let (done, wait) = std::sync::mpsc::channel::<()>();
            let (loaded, ready) = std::sync::mpsc::channel();
            let cell = &cell;
            scope.spawn(move || {
                drop(cell.load());
                loaded.send(()).unwrap();
                // Idle, but alive.
                wait.recv().unwrap_err();
            });
            ready.recv().unwrap();
            cell.publish(set_of(2));
            assert!(old.upgrade().is_none());
            assert!(handle.upgrade().is_none());
            drop(done);
        });
    }

    #[test]
    fn threads_that_have_ended_leave_few_handles() {
        let cell = Published::new(set_of(1));
        for _ in 0..200 {
            thread::scope(|scope| {
                scope.spawn(|| drop(cell.load()));
            });
        }
        assert!(cell.handles().owned.len() <= 17);
    }

    #[test]
    fn cells_do_not_mix() {
        let cells: Vec<_> = (0..5).map(|n| Published::new(set_of(n))).collect();
        for _ in 0..3 {
            for (n, cell) in cells.iter().enumerate() {
                assert_eq!(cell.load().len(), n);
            }
        }
        drop(cells);
        let last = Published::new(set_of(7));
        assert_eq!(last.load().len(), 7);
        HANDLES.with(|handles| assert_eq!(handles.borrow().len(), 1));
    }

    #[test]
    fn a_load_sees_whole_sets_that_never_go_back() {
        let cell = Arc::new(Published::new(set_of(0)));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for worker in 0..3 {
                let (cell, stop) = (&cell, &stop);
                scope.spawn(move || {
                    let mut reader = cell.reader();
                    let mut last = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let set = if worker == 0 {
                            reader.load().clone()
                        } else {
                            (*cell.load()).clone()
                        };
                        assert_eq!(set.iter().count(), set.len());
                        assert!(set.len() >= last);
                        last = set.len();
                    }
                });
            }
            for n in 1..300 {
                cell.publish(set_of(n));
                assert_eq!(cell.load().len(), n);
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
