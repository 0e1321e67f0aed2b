//! Finds the difference between two sets of `_seq_no`s: the known numbers, and the numbers of the
//! server. The server returns only how many of its numbers are in each bucket. All functions are
//! pure. `histogram_plan.rs` selects the buckets.
//!
//! The method is range-based set reconciliation. The first histogram has a few wide buckets. Only
//! the buckets that differ are divided into narrower buckets. At the end, the server lists the
//! single numbers of the ranges that differ. The number of requests and bytes grows with the number
//! of differences, and only logarithmically with the number of documents.
//!
//! If the server's numbers are a subset of the known numbers, equal counts prove that a bucket
//! contains the same numbers on both sides. If the server's numbers are not a subset of the known
//! numbers, the sums of the buckets are also compared. Even if the sums are equal, two differences
//! in one bucket can cancel each other out, so the caller must compare the fingerprints at the end.

use std::ops::Range;

use super::histogram_plan::{Found, Limits, merged};
use crate::rest::{Bucket, HistogramQuery, Scope, saturating_sum};

/// If there are more differences than this, and more than a quarter of the numbers differ, a full
/// read is no slower than a reconciliation.
const MANY_DIFFERENCES: u64 = 64;

/// The numbers that are in only one of the two sets. The lists `removed` and `added` are in
/// ascending order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Difference {
    /// The known numbers that the server does not have.
    pub(crate) removed: Vec<u64>,
    /// The numbers of the server that are not known.
    pub(crate) added: Vec<u64>,
}

/// The next step of a reconciliation.
#[derive(Debug)]
pub(crate) enum Step {
    /// The caller must send the query of this reconciliation to the server.
    Query(Reconciliation),
    Done(Difference),
    /// The known numbers and the server's numbers differ so much that a full read is faster.
    TooDifferent,
    /// Two consecutive responses report different numbers of documents.
    Inconsistent,
}

/// A reconciliation that waits for the response to its query.
#[derive(Debug)]
pub(crate) struct Reconciliation {
    /// The known numbers, in ascending order.
    known: Vec<u64>,
    limits: Limits,
    /// Only `_seq_no`s below this number are compared.
    end: u64,
    query: HistogramQuery,
    /// The number of documents that the server has in the scope of the query, according to the
    /// previous response. `None` if the query lists single numbers that the sums have revealed.
    expected: Option<u64>,
    /// Whether all later queries also request the sums.
    keeps_sums: bool,
    omissions: Omissions,
}

/// The checks that a test can switch off, to prove that the tests notice if a check is missing.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Omissions {
    /// Whether the reconciliation ends before the server lists single numbers.
    pub(crate) levels: bool,
    /// Whether a response may contradict the previous response without an error.
    pub(crate) totals: bool,
}

/// A bucket in which the server's numbers differ from the known numbers.
#[derive(Clone, Copy, Debug)]
struct Differing {
    start: u64,
    known: u64,
    counted: u64,
    /// The sum of the known numbers minus the sum of the server's numbers. If the server lacks
    /// exactly one known number of the bucket, this difference is the missing number.
    lacks: Option<u64>,
}

impl Reconciliation {
    /// Creates a reconciliation that waits for the response to the first query. The known numbers
    /// must be in ascending order. `documents` is the number of documents on the server. Beyond the
    /// scope of the first query, the known numbers must already equal the server's numbers.
    pub(crate) fn new(
        known: Vec<u64>,
        documents: u64,
        query: HistogramQuery,
        limits: Limits,
        omissions: Omissions,
    ) -> Self {
        let end = query.end();
        let beyond = known.len() - known.partition_point(|number| *number < end);
        Self {
            known,
            limits,
            end,
            query,
            expected: Some(documents.saturating_sub(beyond as u64)),
            keeps_sums: false,
            omissions,
        }
    }

    /// Sets whether all queries request the sums, not only the first one.
    pub(crate) fn keeping_sums(mut self, keeps_sums: bool) -> Self {
        self.keeps_sums = keeps_sums;
        self
    }

    pub(crate) fn query(&self) -> &HistogramQuery {
        &self.query
    }

    /// Compares the buckets of the response with the known numbers, and returns the next step. The
    /// caller must pass the buckets in ascending order.
    pub(crate) fn advance(mut self, counted: &[Bucket]) -> Step {
        let total = saturating_sum(counted.iter().map(|bucket| bucket.count));
        let is_expected = self.expected.is_none_or(|expected| expected == total);
        if !is_expected && !self.omissions.totals {
            return Step::Inconsistent;
        }
        let differing = self.differing(counted);
        if differing.is_empty() || self.query.interval == 1 {
            return Step::Done(numbers_that_differ(&differing));
        }
        if self.omissions.levels {
            return Step::Done(self.guess(&differing));
        }
        if let Some(query) = self.located_by_sums(&differing) {
            self.expected = None;
            self.query = query;
            return Step::Query(self);
        }
        let distance = saturating_sum(differing.iter().map(Differing::distance));
        if distance > MANY_DIFFERENCES && distance > self.known.len() as u64 / 4 {
            return Step::TooDifferent;
        }
        match self.next_query(&differing, distance) {
            Some(query) => {
                self.expected = Some(self.expected_in(&query, &differing));
                self.query = query;
                Step::Query(self)
            }
            None => Step::TooDifferent,
        }
    }

    /// Returns the next query, which divides the buckets that differ or lists their numbers.
    /// Returns `None` if the response to the next query would be too large.
    fn next_query(&self, differing: &[Differing], distance: u64) -> Option<HistogramQuery> {
        let starts = differing.iter().map(|bucket| bucket.start);
        let ranges = merged(&starts, self.query.interval, self.limits.max_ranges);
        // `numbers` is an upper bound for the numbers that the server has in the ranges.
        let known = ranges.iter().map(|range| self.known_in(range).len() as u64);
        let numbers = saturating_sum(known).saturating_add(distance);
        let found = Found {
            ranges,
            interval: self.query.interval,
            end: self.end,
            numbers,
            distance,
        };
        let (scope, interval) = found.narrower(&self.limits)?;
        Some(HistogramQuery {
            scope,
            interval,
            sums: self.keeps_sums,
        })
    }

    /// If the server lacks exactly one number in each bucket that differs, each missing number is
    /// the difference of the sums. Returns the query that lists the missing numbers that the sums
    /// reveal, so that the server confirms that it lacks them. The confirmation by the server is
    /// necessary, because several differences in one bucket can have the same sum.
    fn located_by_sums(&self, differing: &[Differing]) -> Option<HistogramQuery> {
        if differing.len() > self.limits.max_ranges.min(self.known.len()) {
            return None;
        }
        let locate = |bucket: &Differing| {
            let number = bucket.lacks?;
            (self.query.sums && bucket.counted.checked_add(1) == Some(bucket.known))
                .then(|| self.known.binary_search(&number).ok())
                .flatten()
                .map(|_| number..number.saturating_add(1))
        };
        let ranges: Option<Vec<Range<u64>>> = differing.iter().map(locate).collect();
        Some(HistogramQuery {
            scope: Scope::Ranges(ranges?),
            interval: 1,
            sums: self.keeps_sums,
        })
    }

    /// Returns how many documents the server has in the scope of the next query. The scope of the
    /// next query contains all buckets that differ.
    fn expected_in(&self, query: &HistogramQuery, differing: &[Differing]) -> u64 {
        let prefix = 0..self.end;
        let ranges = match &query.scope {
            Scope::Prefix { .. } => std::slice::from_ref(&prefix),
            Scope::Ranges(ranges) => ranges.as_slice(),
        };
        let known: u64 = ranges
            .iter()
            .map(|range| self.known_in(range).len() as u64)
            .sum();
        let differs = saturating_sum(differing.iter().map(|bucket| bucket.known));
        let counted = saturating_sum(differing.iter().map(|bucket| bucket.counted));
        known.saturating_sub(differs).saturating_add(counted)
    }

    /// Returns the known numbers in a range.
    fn known_in(&self, range: &Range<u64>) -> &[u64] {
        let from = self.known.partition_point(|number| *number < range.start);
        let to = self.known.partition_point(|number| *number < range.end);
        self.known.get(from..to).unwrap_or_default()
    }

    /// Returns the buckets in which the known numbers differ from the server's counts and sums.
    fn differing(&self, counted: &[Bucket]) -> Vec<Differing> {
        let known = self.buckets_of_known();
        let (mut known, mut counted) = (known.iter().peekable(), counted.iter().peekable());
        let mut differing = Vec::new();
        while let Some(start) = match (known.peek(), counted.peek()) {
            (Some(one), Some(other)) => Some(one.start.min(other.start)),
            (one, other) => one.or(other).map(|bucket| bucket.start),
        } {
            let one = known.next_if(|bucket| bucket.start == start);
            let other = counted.next_if(|bucket| bucket.start == start);
            let count = |bucket: Option<&Bucket>| bucket.map_or(0, |bucket| bucket.count);
            let same_sums = match (one, other) {
                (Some(one), Some(other)) => self.sums_agree(one, other),
                _ => true,
            };
            if count(one) != count(other) || !same_sums {
                let sum = |bucket: Option<&Bucket>| bucket.map_or(0, |bucket| bucket.sum);
                differing.push(Differing {
                    start,
                    known: count(one),
                    counted: count(other),
                    lacks: sum(one).checked_sub(sum(other)),
                });
            }
        }
        differing
    }

    fn sums_agree(&self, one: &Bucket, other: &Bucket) -> bool {
        !self.query.sums || self.query.interval == 1 || one.sum == other.sum
    }

    /// Counts the known numbers in the buckets of the query.
    fn buckets_of_known(&self) -> Vec<Bucket> {
        let interval = self.query.interval;
        let prefix = 0..self.end;
        let ranges = match &self.query.scope {
            Scope::Prefix { .. } => std::slice::from_ref(&prefix),
            Scope::Ranges(ranges) => ranges.as_slice(),
        };
        let mut buckets: Vec<Bucket> = Vec::new();
        for range in ranges {
            let of_bucket = |a: &u64, b: &u64| a / interval == b / interval;
            for numbers in self.known_in(range).chunk_by(of_bucket) {
                let first = numbers.first().copied().unwrap_or_default();
                buckets.push(Bucket {
                    start: first - first % interval,
                    count: numbers.len() as u64,
                    // A saturated sum differs from every sum that a server returns, because the
                    // server's sums are below 2^49.
                    sum: saturating_sum(numbers.iter().copied()),
                });
            }
        }
        buckets
    }

    /// Guesses which numbers of a bucket are missing. A test uses this function to check that wrong
    /// guesses are detected.
    fn guess(&self, differing: &[Differing]) -> Difference {
        let mut difference = Difference::default();
        for bucket in differing {
            let range = bucket.start..bucket.start.saturating_add(self.query.interval);
            let gone = bucket.known.saturating_sub(bucket.counted);
            let numbers = self.known_in(&range).iter().copied();
            let gone = usize::try_from(gone).unwrap_or(usize::MAX);
            difference.removed.extend(numbers.take(gone));
        }
        difference
    }
}

impl Differing {
    /// Returns a lower bound for the number of differences in this bucket.
    fn distance(&self) -> u64 {
        self.known.abs_diff(self.counted).max(1)
    }
}

/// Returns the numbers that only the known set or only the server has. Each bucket must stand for
/// exactly one number.
fn numbers_that_differ(buckets: &[Differing]) -> Difference {
    let mut difference = Difference::default();
    for bucket in buckets {
        if bucket.counted == 0 {
            difference.removed.push(bucket.start);
        } else if bucket.known == 0 {
            difference.added.push(bucket.start);
        }
    }
    difference
}

#[cfg(test)]
#[path = "seq_no_reconciliation_tests.rs"]
mod tests;
