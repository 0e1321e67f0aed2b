//! A number for each living thread, the lowest that is free: so that threads have
//! different handles as long as there are enough of them.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads can have a number of their own; others share.
const NUMBERS: usize = 1024;

thread_local! {
    static NUMBER: Number = const { Number(Cell::new(None)) };
}

/// The thread's own, once it asked for it.
struct Number(Cell<Option<usize>>);

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(number) = self.0.get() {
            give_back(number);
        }
    }
}

/// The thread's number; nought while it ends.
pub(super) fn number() -> usize {
    NUMBER
        .try_with(|number| {
            if let Some(number) = number.0.get() {
                return number;
            }
            let taken = take_number();
            number.0.set(Some(taken));
            taken
        })
        .unwrap_or(0)
}

/// How many numbers have been in use at the same time.
pub(super) fn numbers_given() -> usize {
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
