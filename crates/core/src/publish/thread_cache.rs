//! The handle that a thread loaded last, so that the next load needs no pointer swap's
//! guard.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::set::DirectiveSet;

/// A handle to the set of one publication. Weak, so that an idle thread keeps no set alive.
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

/// The thread's number, in the order of their first loads; zero while it ends.
pub(super) fn slot() -> usize {
    SLOT.try_with(|slot| *slot).unwrap_or(0)
}

/// The cached handle, if it is of the publication of this version.
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

/// Caches a handle in place of the one before; not while the thread ends.
pub(super) fn set(version: u64, handle: &Arc<DirectiveSet>) {
    let _ = CACHED.try_with(|cached| {
        if let Ok(mut cached) = cached.try_borrow_mut() {
            let handle = Arc::downgrade(handle);
            *cached = Cached { version, handle };
        }
    });
}
