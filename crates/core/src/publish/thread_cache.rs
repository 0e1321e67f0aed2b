//! Each thread caches the handle that it has most recently loaded, so its next load does not need
//! the guard of the `ArcSwap`. Each thread also has a number, which selects its handle and its row
//! of hit counters.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::set::DirectiveSet;

/// A handle to the set of one publication, and the version of this publication. The cached handle
/// is weak, so that an idle thread does not keep the set in memory.
struct Cached {
    version: u64,
    handle: Weak<DirectiveSet>,
}

thread_local! {
    static CACHED: RefCell<Cached> = const {
        // No publication has version zero, so the empty cache never has the announced version.
        RefCell::new(Cached { version: 0, handle: Weak::new() })
    };
    static NUMBER: usize = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
}

static NEXT_NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of the current thread. Each thread gets a unique number, in the order of the
/// threads' first loads. A thread that is ending and has already dropped its thread-locals has the
/// number `usize::MAX`.
#[inline]
pub(crate) fn thread_number() -> usize {
    NUMBER.try_with(|number| *number).unwrap_or(usize::MAX)
}

/// Returns the handle that the current thread caches, if it belongs to the publication with the
/// given version.
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

/// Replaces the handle that the current thread caches. The function does nothing on a thread that
/// is ending and has already dropped its thread-locals.
pub(super) fn set(version: u64, handle: &Arc<DirectiveSet>) {
    let _ = CACHED.try_with(|cached| {
        if let Ok(mut cached) = cached.try_borrow_mut() {
            let handle = Arc::downgrade(handle);
            *cached = Cached { version, handle };
        }
    });
}
