//! A block contains the counters of a fixed number of directives. Each of the first [`THREADS`]
//! threads has a separate row of counters in the block.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::publish::thread_number;

/// The number of slots in a block. With 64 counters, a row fills whole cache lines.
pub(super) const SLOTS: usize = 64;

/// The number of threads that each have a separate row of counters in a block.
pub(super) const THREADS: usize = 64;

/// The value of `last_second` as long as the directive has not matched any request.
const NEVER: i64 = i64::MIN;

/// The counts of one directive in one row. A row of counters belongs to one thread, or to several
/// threads that share the row.
#[derive(Debug)]
struct Counter {
    /// Two numbers: first the number of matches that were not in the sample, then the number of
    /// matches that were in the sample. A match increments only one of the two numbers. The two
    /// numbers are in an array, so that counting a match needs no branch: the processor could not
    /// predict whether a request is in a sample.
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

    /// Counts a match in a row that only the current thread writes. A row with only one writer
    /// needs no atomic addition.
    #[inline]
    fn add_alone(&self, is_sampled: bool, second: i64) {
        let count = self.count(is_sampled);
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if self.last_second.load(Ordering::Relaxed) < second {
            self.last_second.store(second, Ordering::Relaxed);
        }
    }

    /// Counts a match in a row that several threads write.
    fn add_shared(&self, is_sampled: bool, second: i64) {
        self.count(is_sampled).fetch_add(1, Ordering::Relaxed);
        if self.last_second.load(Ordering::Relaxed) < second {
            self.last_second.fetch_max(second, Ordering::Relaxed);
        }
    }
}

/// A row: the counters of all slots of a block for one thread. Two rows never share a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Row([Counter; SLOTS]);

impl Row {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Counter::new()))
    }
}

/// A block: the counters of [`SLOTS`] directives.
#[derive(Debug)]
pub(super) struct Block {
    /// All threads without a separate row share the last row.
    rows: Box<[Row]>,
}

impl Block {
    /// Creates a block with one row for each of the first `threads` threads, and one shared row.
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

    /// Returns the counts of a slot, added up over all threads.
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

    /// Sets the counts of a slot to zero. The caller must ensure that no set in use contains a
    /// directive with this slot.
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

/// The counts of a directive, added up over all threads.
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
