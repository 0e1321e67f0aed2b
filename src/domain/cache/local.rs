//! What a thread remembers: its number, and the handles that it was lent last.
//!
//! A number is given to one living thread at a time, the lowest that is free, so
//! that threads have different handles as long as there are enough of them. While a
//! thread ends it has neither, and reads without.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::AccessError;

use crate::domain::set::DirectiveSet;

/// Of how many stores a thread remembers its handle. One that reads more of them in
/// turn looks some up anew at each read, which takes a few times as long.
const REMEMBERED: usize = 8;

/// How many threads can have a number of their own; others share.
const NUMBERS: usize = 1024;

thread_local! {
    static LOCAL: Local = const {
        Local {
            lent: RefCell::new([const { Lent::NOTHING }; REMEMBERED]),
            number: Cell::new(None),
        }
    };
}

struct Local {
    lent: RefCell<[Lent; REMEMBERED]>,
    number: Cell<Option<usize>>,
}

/// A handle, by the version of its publication.
struct Lent {
    version: u64,
    handle: Weak<DirectiveSet>,
}

impl Lent {
    /// No publication has version nought.
    const NOTHING: Self = Self {
        version: 0,
        handle: Weak::new(),
    };
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(number) = self.number.get() {
            give_back(number);
        }
    }
}

/// The thread's handle to the publication of this version, if it has one.
#[inline]
pub(super) fn find(version: u64) -> Option<Arc<DirectiveSet>> {
    LOCAL
        .try_with(|local| {
            let lent = local.lent.try_borrow().ok()?;
            lent.iter()
                .find(|lent| lent.version == version)?
                .handle
                .upgrade()
        })
        .ok()
        .flatten()
}

/// Remembers a handle in place of one that is gone, or else of the oldest.
pub(super) fn remember(version: u64, handle: &Arc<DirectiveSet>) {
    // A thread that is ending remembers nothing.
    let _: Result<(), AccessError> = LOCAL.try_with(|local| {
        let Ok(mut lent) = local.lent.try_borrow_mut() else {
            return;
        };
        let place = lent
            .iter_mut()
            .min_by_key(|lent| match lent.handle.strong_count() {
                0 => 0,
                _ => lent.version,
            });
        if let Some(place) = place {
            *place = Lent {
                version,
                handle: Arc::downgrade(handle),
            };
        }
    });
}

/// The thread's number.
pub(crate) fn number() -> usize {
    LOCAL
        .try_with(|local| {
            if let Some(number) = local.number.get() {
                return number;
            }
            let number = take_number();
            local.number.set(Some(number));
            number
        })
        .unwrap_or(0)
}

/// How many numbers have been in use at the same time.
pub(crate) fn numbers_given() -> usize {
    GIVEN.load(Ordering::Relaxed)
}

/// A bit for each number that a thread has.
static TAKEN: [AtomicU64; NUMBERS / 64] = [const { AtomicU64::new(0) }; NUMBERS / 64];
static GIVEN: AtomicUsize = AtomicUsize::new(0);

/// The lowest number that no living thread has; [`NUMBERS`] when all are taken.
fn take_number() -> usize {
    for (word, taken) in TAKEN.iter().enumerate() {
        let mut free = !taken.load(Ordering::Relaxed);
        while free != 0 {
            let bit = 1 << free.trailing_zeros();
            let before = taken.fetch_or(bit, Ordering::Relaxed);
            if before & bit == 0 {
                let number = word * 64 + free.trailing_zeros() as usize;
                GIVEN.fetch_max(number + 1, Ordering::Relaxed);
                return number;
            }
            free = !before;
        }
    }
    NUMBERS
}

fn give_back(number: usize) {
    if let Some(taken) = TAKEN.get(number / 64) {
        taken.fetch_and(!(1 << (number % 64)), Ordering::Relaxed);
    }
}
