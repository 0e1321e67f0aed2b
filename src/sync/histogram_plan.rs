//! Selects the buckets of each histogram of a reconciliation, so that the reconciliation needs few
//! responses and each response is small. All functions in this file are pure: they send no requests
//! and change no state.

use std::ops::Range;

use crate::rest::{HistogramQuery, Scope, saturating_sum};

/// The limits for the size of a reconciliation's queries and responses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of buckets of the first query of a reconciliation.
    pub(crate) first_buckets: u64,
    /// If the ranges that differ contain at most this many `_seq_no`s, the server lists the single
    /// `_seq_no`s instead of counting them in narrower buckets.
    pub(crate) listed: u64,
    /// The number by which the limit `listed` rises for each `_seq_no` that certainly differs.
    pub(crate) listed_for_each: u64,
    /// The maximum number of buckets in one response, which is below the server's limit
    /// `search.max_buckets`.
    pub(crate) max_buckets: u64,
    /// The maximum number of ranges in one query, which is below the 1,024 clauses that the server
    /// permits in a query.
    pub(crate) max_ranges: usize,
}

impl Limits {
    /// The default number of buckets in the first query of a reconciliation.
    pub(crate) const DEFAULT_FIRST_BUCKETS: u64 = 64;

    /// Creates the limits for a reconciliation whose first query has `first_buckets` buckets. Tests
    /// use fewer buckets, so that a reconciliation of few numbers needs several rounds.
    pub(crate) fn new(first_buckets: u64) -> Self {
        let is_usual = first_buckets >= Self::DEFAULT_FIRST_BUCKETS;
        Self {
            first_buckets: first_buckets.max(1),
            listed: if is_usual { 256 } else { 0 },
            listed_for_each: if is_usual { 64 } else { 0 },
            max_buckets: 32_768,
            max_ranges: 1_000,
        }
    }
}

/// Returns the first query of a reconciliation, which counts all `_seq_no`s below `end`. The last
/// bucket of the first query may also count `_seq_no`s from `end` on.
pub(crate) fn first_query(end: u64, sums: bool, limits: &Limits) -> HistogramQuery {
    let interval = next_power_of_two(end.div_ceil(limits.first_buckets));
    HistogramQuery {
        scope: Scope::Prefix {
            buckets: end.div_ceil(interval),
        },
        interval,
        sums,
    }
}

/// The ranges in which a histogram of the index differs from the `_seq_no`s of the replica.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) ranges: Vec<Range<u64>>,
    /// The width of the buckets in the histogram that was compared with the replica.
    pub(super) interval: u64,
    /// The first `_seq_no` after the last bucket of the first histogram.
    pub(super) end: u64,
    /// An upper bound for the number of documents that the index contains in `ranges`.
    pub(super) numbers: u64,
    /// A lower bound for the number of `_seq_no`s that differ in `ranges`.
    pub(super) distance: u64,
}

impl Found {
    /// Returns the scope and the bucket width of the next histogram of a reconciliation. The next
    /// histogram has narrower buckets, or lists the single `_seq_no`s in the ranges. Returns `None`
    /// if the response with the next histogram would be too large.
    pub(super) fn narrower(self, limits: &Limits) -> Option<(Scope, u64)> {
        let widths = self
            .ranges
            .iter()
            .map(|range| range.end.saturating_sub(range.start));
        let width = saturating_sum(widths);
        let whole = width.saturating_mul(2) > self.end;
        let covered = if whole { self.end } else { width };
        let listed = self.distance.saturating_mul(limits.listed_for_each);
        let listed = listed.saturating_add(limits.listed).min(limits.max_buckets);
        let interval = if self.numbers <= listed {
            1
        } else {
            cheapest_interval(width, self.distance)
                .min(self.interval / 2)
                .max(next_power_of_two(covered.div_ceil(limits.max_buckets)))
        };
        if interval == 1 || interval >= self.interval {
            return (self.numbers <= limits.max_buckets).then_some((Scope::Ranges(self.ranges), 1));
        }
        // The division of `end` by `interval` has no remainder, because `end` is a multiple of the
        // first interval, and therefore of each narrower interval.
        let buckets = self.end / interval;
        let scope = if whole {
            Scope::Prefix { buckets }
        } else {
            Scope::Ranges(self.ranges)
        };
        Some((scope, interval))
    }
}

/// Merges the buckets that begin at `starts` into at most `max_ranges` ranges. The caller must pass
/// `starts` in ascending order. If necessary, a merged range also covers the gaps between its
/// buckets.
pub(super) fn merged(
    starts: &(impl Iterator<Item = u64> + Clone),
    interval: u64,
    max_ranges: usize,
) -> Vec<Range<u64>> {
    let mut gap = 0;
    loop {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for start in starts.clone() {
            let end = start.saturating_add(interval);
            match ranges.last_mut() {
                Some(last) if start.saturating_sub(last.end) <= gap => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        if ranges.len() <= max_ranges.max(1) {
            return ranges;
        }
        gap = gap.saturating_mul(2).max(interval);
    }
}

/// Returns the lowest power of two that is not below `number`. For a `number` above 2^63, returns
/// 2^63, the highest power of two that a `u64` can contain.
fn next_power_of_two(number: u64) -> u64 {
    number.checked_next_power_of_two().unwrap_or(1 << 63)
}

/// Returns the bucket width with which the rest of a reconciliation needs the fewest bytes. The
/// rest of a reconciliation consists of one more histogram and a last response that lists single
/// `_seq_no`s. In a response, a bucket needs about three times as many bytes as a listed `_seq_no`.
fn cheapest_interval(width: u64, distance: u64) -> u64 {
    let square = width.saturating_mul(4) / distance.max(1);
    let interval = square.isqrt().max(1);
    1 << interval.ilog2()
}
