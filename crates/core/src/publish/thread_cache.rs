//! Thread-local cache of the handle that the thread loaded last, so that the next load does not
//! need the guard of the `ArcSwap`, and the thread's slot among the handles.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::set::DirectiveSet;

/// A handle to the set of one publication. It is weak, so that an idle thread keeps no set alive.
struct Cached {
    version: u64,
    handle: Weak<DirectiveSet>,
}

thread_local! {
    static CACHED: RefCell<Cached> = const {
        // No publication has version zero.
        RefCell::new(Cached { version: 0, handle: Weak::new() })
    };
    static SLOT: usize = NEXT_SLOT.fetch_add(1, Ordering::Relaxed);
}

static NEXT_SLOT: AtomicUsize = AtomicUsize::new(0);

/// The slot of this thread: threads are numbered in the order of their first loads. Zero while the
/// thread ends.
pub(super) fn slot() -> usize {
    SLOT.try_with(|slot| *slot).unwrap_or(0)
}

/// The cached handle, if it belongs to the publication of this version.
#[inline]
pub(super) fn get(version: u64) -> Option<Arc<DirectiveSet>> {
    CACHED
        .try_with(|cached| {
            let cached = cached.try_borrow().ok()?;
            let is_current = cached.version == version;
            is_current.then(|| cached.handle.upgrade()).flatten()
        })
        .ok()?
}

/// Replaces the cached handle. While the thread ends, nothing is cached.
pub(super) fn set(version: u64, handle: &Arc<DirectiveSet>) {
    let _ = CACHED.try_with(|cached| {
        if let Ok(mut cached) = cached.try_borrow_mut() {
            let handle = Arc::downgrade(handle);
            *cached = Cached { version, handle };
        }
    });
}
