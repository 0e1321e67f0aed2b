//! Finds the `_seq_no`s in which the replica and the index differ. The server returns only how many
//! `_seq_no`s of the index are in each bucket of a histogram. All functions in this file are pure:
//! they send no requests. `histogram_plan.rs` selects the buckets of the histograms.
//!
//! This method of comparing two sets is known as range-based set reconciliation. The first
//! histogram of a reconciliation has a few wide buckets. Later histograms divide only the buckets
//! in which the index and the replica differ. The last response lists the single `_seq_no`s in the
//! ranges that differ. The numbers of requests and bytes grow with the number of differences, and
//! only logarithmically with the number of documents.
//!
//! If the replica contains all `_seq_no`s of the index, equal counts prove that the replica and the
//! index have the same `_seq_no`s in a bucket. If the index may contain `_seq_no`s that the replica
//! lacks, the sums of the buckets are also compared. Two differences in one bucket can cancel each
//! other out in the count and in the sum, so the caller must compare the fingerprints at the end.

use std::ops::Range;

use super::histogram_plan::{Found, Limits, merged};
use crate::rest::{Bucket, HistogramQuery, Scope, saturating_sum};

/// With more differences than this, a full read is no slower than a reconciliation, provided that
/// more than a quarter of the `_seq_no`s differ.
const MANY_DIFFERENCES: u64 = 64;

/// The `_seq_no`s that only the replica or only the index contains. The `_seq_no`s in `removed` and
/// in `added` are in ascending order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Difference {
    /// The `_seq_no`s of the replica that the index no longer contains.
    pub(crate) removed: Vec<u64>,
    /// The `_seq_no`s of the index that the replica lacks.
    pub(crate) added: Vec<u64>,
}

/// What the caller of a reconciliation must do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The caller must send the next query of this reconciliation to the server.
    Query(Reconciliation),
    Done(Difference),
    /// The replica and the index differ so much that a full read is faster.
    TooDifferent,
    /// Two consecutive responses report different numbers of documents for the same ranges.
    Inconsistent,
}

/// A reconciliation that waits for the response to its last query.
#[derive(Debug)]
pub(crate) struct Reconciliation {
    /// The `_seq_no`s of the replica, in ascending order.
    known: Vec<u64>,
    limits: Limits,
    /// The reconciliation compares only `_seq_no`s below this number.
    end: u64,
    query: HistogramQuery,
    /// The number of documents in the scope of the query, according to the previous response.
    /// `None` if the query asks only for the single `_seq_no`s that the sums have revealed.
    expected: Option<u64>,
    /// True if all later queries also request the sums of the `_seq_no`s.
    keeps_sums: bool,
    omissions: Omissions,
}

/// The checks that a test can switch off, to prove that the tests notice a missing check.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Omissions {
    /// True if the reconciliation ends before the server lists single `_seq_no`s.
    pub(crate) levels: bool,
    /// True if the reconciliation does not compare the total of a response with the previous
    /// response.
    pub(crate) totals: bool,
}

/// A bucket in which the `_seq_no`s of the index differ from those of the replica.
#[derive(Clone, Copy, Debug)]
struct Differing {
    start: u64,
    known: u64,
    counted: u64,
    /// The sum of the replica's `_seq_no`s in this bucket minus the sum of the index's `_seq_no`s.
    /// If the index lacks exactly one of the replica's `_seq_no`s in the bucket, the difference of
    /// the sums is the missing `_seq_no`.
    lacks: Option<u64>,
}

impl Reconciliation {
    /// Creates a reconciliation that waits for the response to its first query. `known` contains
    /// the `_seq_no`s of the replica in ascending order. `documents` is the number of documents in
    /// the index. Beyond the scope of the first query, the replica and the index must already have
    /// the same `_seq_no`s.
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

    /// Sets whether all queries request the sums of the `_seq_no`s, and not only the first query.
    pub(crate) fn keeping_sums(mut self, keeps_sums: bool) -> Self {
        self.keeps_sums = keeps_sums;
        self
    }

    pub(crate) fn query(&self) -> &HistogramQuery {
        &self.query
    }

    /// Compares the buckets of a response with the replica's `_seq_no`s, and returns what the
    /// caller must do next. The caller must pass the buckets of the response in ascending order.
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

    /// Returns the next query, which divides the buckets that differ or lists the `_seq_no`s in
    /// them. Returns `None` if the response to the next query would be too large.
    fn next_query(&self, differing: &[Differing], distance: u64) -> Option<HistogramQuery> {
        let starts = differing.iter().map(|bucket| bucket.start);
        let ranges = merged(&starts, self.query.interval, self.limits.max_ranges);
        // `numbers` is an upper bound for the number of documents that the index contains in the
        // ranges.
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

    /// If the index lacks exactly one `_seq_no` in each bucket that differs, the difference of the
    /// sums is the missing `_seq_no` of the bucket. Returns the query for the missing `_seq_no`s
    /// that the sums reveal, so that the server confirms that the index lacks them. The server must
    /// confirm each missing `_seq_no`, because several differences in one bucket can have the same
    /// sum.
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

    /// Returns how many documents the index contains in the scope of the next query. The scope of
    /// the next query contains all buckets that differ.
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

    /// Returns the `_seq_no`s of the replica that are in `range`.
    fn known_in(&self, range: &Range<u64>) -> &[u64] {
        let from = self.known.partition_point(|number| *number < range.start);
        let to = self.known.partition_point(|number| *number < range.end);
        self.known.get(from..to).unwrap_or_default()
    }

    /// Returns the buckets in which the replica's `_seq_no`s differ from the counts and sums in the
    /// response.
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

    /// Counts the replica's `_seq_no`s in the buckets of the query.
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
                    // A sum that saturates differs from every decoded sum of a response, because
                    // decoded sums are below 2^49.
                    sum: saturating_sum(numbers.iter().copied()),
                });
            }
        }
        buckets
    }

    /// Guesses which `_seq_no`s the index lacks in each bucket that differs, instead of asking the
    /// server. A test calls this function to check that wrong guesses are detected.
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
    /// Returns a lower bound for the number of `_seq_no`s that differ in this bucket.
    fn distance(&self) -> u64 {
        self.known.abs_diff(self.counted).max(1)
    }
}

/// Returns the `_seq_no`s that only the replica or only the index contains. Each bucket must stand
/// for exactly one `_seq_no`.
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
