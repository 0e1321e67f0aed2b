//! Stores the hit counters of the directives in blocks with a fixed number of slots. Each of the
//! first [`THREADS`] threads has its own row of counters in a block.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::publish::thread_number;

/// The number of directives whose counters fit into one block. A row of 64 counters fills whole
/// cache lines.
pub(super) const SLOTS: usize = 64;

/// The number of threads that each have their own row of counters in a block.
pub(super) const THREADS: usize = 64;

/// The value of `last_second` of a directive that has not matched any request.
const NEVER: i64 = i64::MIN;

/// The counts of one directive in one row of a block. A row of counters belongs to one thread, or
/// to several threads that share the row.
#[derive(Debug)]
struct Counter {
    /// Two numbers: the matched requests outside the directive's sample, and the matched requests
    /// in the sample. A match increments either the first number or the second number, never both.
    /// The two numbers are in an array, so that counting needs no branch: the processor could not
    /// predict whether a request is in the sample.
    matches: [AtomicU64; 2],
    last_second: AtomicI64,
}

impl Counter {
    fn new() -> Self {
        Self {
            matches: [AtomicU64::new(0), AtomicU64::new(0)],
            last_second: AtomicI64::new(NEVER),
        }
    }

    fn count(&self, is_sampled: bool) -> &AtomicU64 {
        &self.matches[usize::from(is_sampled)]
    }

    /// Counts a match in a row of counters that only the current thread writes. Counting needs no
    /// atomic addition in a row with only one writer.
    #[inline]
    fn add_alone(&self, is_sampled: bool, second: i64) {
        let count = self.count(is_sampled);
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if self.last_second.load(Ordering::Relaxed) < second {
            self.last_second.store(second, Ordering::Relaxed);
        }
    }

    /// Counts a match in a row of counters that several threads write.
    fn add_shared(&self, is_sampled: bool, second: i64) {
        self.count(is_sampled).fetch_add(1, Ordering::Relaxed);
        if self.last_second.load(Ordering::Relaxed) < second {
            self.last_second.fetch_max(second, Ordering::Relaxed);
        }
    }
}

/// A row of a block, with one counter for each slot of the block. Two rows of counters never share
/// a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Row([Counter; SLOTS]);

impl Row {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Counter::new()))
    }
}

/// The counters of [`SLOTS`] directives, in one row for each thread.
#[derive(Debug)]
pub(super) struct Block {
    /// The last row is shared by all threads that have no row of their own.
    rows: Box<[Row]>,
}

impl Block {
    /// Creates a block of counters with one row for each of the first `threads` threads, and one
    /// shared row for all other threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            rows: (0..=threads).map(|_| Row::new()).collect(),
        }
    }

    #[inline]
    pub(super) fn count(&self, slot: usize, is_sampled: bool, second: i64) {
        let shared = self.rows.len() - 1;
        let row = thread_number().min(shared);
        let counter = &self.rows[row].0[slot % SLOTS];
        if row == shared {
            counter.add_shared(is_sampled, second);
        } else {
            counter.add_alone(is_sampled, second);
        }
    }

    /// Returns the counts of the directive in the given slot, added up over all threads.
    pub(super) fn total(&self, slot: usize) -> Total {
        let mut total = Total::default();
        for Row(counters) in &self.rows {
            let counter = &counters[slot % SLOTS];
            let sampled = counter.count(true).load(Ordering::Relaxed);
            total.sampled += sampled;
            total.matched += sampled + counter.count(false).load(Ordering::Relaxed);
            let second = counter.last_second.load(Ordering::Relaxed);
            total.last_second = total.last_second.max((second != NEVER).then_some(second));
        }
        total
    }

    /// Sets the counts in the given slot to zero, so that another directive can use the slot. The
    /// caller must ensure that no directive in a set that is still in use has the given slot.
    pub(super) fn reset(&self, slot: usize) {
        for Row(counters) in &self.rows {
            let counter = &counters[slot % SLOTS];
            for count in &counter.matches {
                count.store(0, Ordering::Relaxed);
            }
            counter.last_second.store(NEVER, Ordering::Relaxed);
        }
    }
}

/// The counts of one directive, added up over all threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Total {
    pub(super) matched: u64,
    pub(super) sampled: u64,
    pub(super) last_second: Option<i64>,
}

impl Total {
    pub(super) fn add(&mut self, other: Self) {
        self.matched += other.matched;
        self.sampled += other.sampled;
        self.last_second = self.last_second.max(other.last_second);
    }
}
