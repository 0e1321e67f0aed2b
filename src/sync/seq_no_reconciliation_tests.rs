//! Compares the result of a reconciliation with the real difference of two sets of `_seq_no`s.
//! These tests also check that a reconciliation needs only a limited number of queries and buckets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::histogram_plan::first_query;
use super::*;

/// A simulated server whose index contains the given `_seq_no`s. The server responds to queries and
/// counts them.
#[derive(Default)]
struct Server {
    numbers: BTreeSet<u64>,
    queries: usize,
    buckets: usize,
    /// True if the first query requests sums although the later queries do not.
    has_first_sums: bool,
}

impl Server {
    fn respond(&mut self, query: &HistogramQuery) -> Vec<Bucket> {
        self.queries += 1;
        let prefix = 0..query.end();
        let ranges = match &query.scope {
            Scope::Prefix { buckets } => {
                self.buckets += usize::try_from(*buckets).unwrap();
                std::slice::from_ref(&prefix)
            }
            Scope::Ranges(ranges) => ranges,
        };
        let mut response: Vec<Bucket> = Vec::new();
        for range in ranges {
            assert!(range.start < range.end);
            assert!(
                range.start.is_multiple_of(query.interval)
                    && range.end.is_multiple_of(query.interval)
            );
            for &number in self.numbers.range(range.clone()) {
                let start = number / query.interval * query.interval;
                match response.last_mut().filter(|last| last.start == start) {
                    Some(last) => {
                        last.count += 1;
                        last.sum += number;
                    }
                    None => response.push(Bucket {
                        start,
                        count: 1,
                        sum: number,
                    }),
                }
            }
        }
        self.buckets += response.len();
        response
    }

    /// Returns the difference that a reconciliation finds; `None` if the two sets of `_seq_no`s are
    /// too different.
    fn reconcile(
        &mut self,
        known: &BTreeSet<u64>,
        sums: bool,
        limits: Limits,
    ) -> Option<Difference> {
        let last = known.iter().chain(&self.numbers).max();
        let end = last.map_or(1, |last| last + 1);
        let query = first_query(end, sums || self.has_first_sums, &limits);
        let mut counted = self.respond(&query);
        let documents = self.numbers.len() as u64;
        let known = known.iter().copied().collect();
        let mut reconciliation =
            Reconciliation::new(known, documents, query, limits, Omissions::default())
                .keeping_sums(sums);
        loop {
            let interval = reconciliation.query().interval;
            match reconciliation.advance(&counted) {
                Step::Query(next) => {
                    assert!(next.query().interval < interval, "it descends");
                    if let Scope::Ranges(ranges) = &next.query().scope {
                        assert!(ranges.len() <= limits.max_ranges);
                        assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
                    }
                    counted = self.respond(next.query());
                    assert!(counted.len() as u64 <= limits.max_buckets);
                    reconciliation = next;
                }
                Step::Done(difference) => return Some(difference),
                Step::TooDifferent => return None,
                Step::Inconsistent => panic!("the responses are consistent"),
            }
        }
    }
}

fn server(numbers: impl IntoIterator<Item = u64>) -> Server {
    Server {
        numbers: numbers.into_iter().collect(),
        ..Server::default()
    }
}

fn difference(known: &BTreeSet<u64>, server: &BTreeSet<u64>) -> Difference {
    Difference {
        removed: known.difference(server).copied().collect(),
        added: server.difference(known).copied().collect(),
    }
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (1..70_u64, 0..40_u64, 0..4_u64, 1..6_usize).prop_map(
        |(first_buckets, listed, listed_for_each, max_ranges)| Limits {
            first_buckets,
            listed,
            listed_for_each,
            max_ranges,
            ..Limits::new(first_buckets)
        },
    )
}

fn any_numbers() -> impl Strategy<Value = BTreeSet<u64>> {
    prop_oneof![
        prop::collection::btree_set(0..300_u64, 0..120),
        prop::collection::btree_set(0..1_000_000_u64, 0..120),
    ]
}

proptest! {
    #[test]
    fn p2_counts_find_exactly_the_deletions(
        known in any_numbers(),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        has_first_sums in any::<bool>(),
        limits in any_limits(),
    ) {
        let mut left = known.clone();
        for index in gone {
            if let Some(number) = left.iter().nth(index.index(known.len().max(1))).copied() {
                left.remove(&number);
            }
        }
        let expected = difference(&known, &left);
        let mut server = Server { has_first_sums, ..server(left) };
        prop_assert_eq!(server.reconcile(&known, false, limits), Some(expected));
    }

    /// If the index contains `_seq_no`s that the replica lacks, two differences in one bucket can
    /// cancel each other out. Every difference that a reconciliation finds is right, even if it
    /// does not find all differences. A reconciliation has found all differences if the
    /// fingerprints are equal at the end, or if the sums show each bucket that differs.
    #[test]
    fn p2_no_number_is_removed_that_the_server_has(
        known in any_numbers(),
        numbers in any_numbers(),
        common in any_numbers(),
        sums in any::<bool>(),
        limits in any_limits(),
    ) {
        let known: BTreeSet<u64> = known.union(&common).copied().collect();
        let mut server = server(numbers.union(&common).copied());
        let expected = difference(&known, &server.numbers);
        if let Some(found) = server.reconcile(&known, sums, limits) {
            prop_assert!(found.removed.iter().all(|number| expected.removed.contains(number)));
            prop_assert!(found.added.iter().all(|number| expected.added.contains(number)));
        }
    }

    #[test]
    fn p2_sums_find_a_number_that_replaces_another(
        known in prop::collection::btree_set(0..100_000_u64, 1..200),
        other in 0..100_000_u64,
        index in any::<prop::sample::Index>(),
        limits in any_limits(),
    ) {
        let replaced = *known.iter().nth(index.index(known.len())).unwrap();
        let mut numbers = known.clone();
        numbers.remove(&replaced);
        numbers.insert(other);
        let expected = difference(&known, &numbers);
        let found = server(numbers).reconcile(&known, true, limits);
        prop_assert_eq!(found, Some(expected));
    }
}

/// Generates numbers up to the highest `u64`, as a faulty server could return them.
fn any_magnitude() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)]
}

proptest! {
    /// A faulty server can return any buckets. Whatever buckets a server returns, no sum of the
    /// reconciliation may overflow, and the reconciliation must end.
    #[test]
    fn any_response_ends_the_reconciliation(
        known in prop::collection::btree_set(any_magnitude(), 0..40),
        documents in any_magnitude(),
        starts in prop::collection::btree_set(any_magnitude(), 0..20),
        counts in prop::collection::vec(any_magnitude(), 20),
        sums in any::<bool>(),
        limits in any_limits(),
    ) {
        let end = known.last().map_or(0, |last| last.saturating_add(1));
        let query = first_query(end.max(1), sums, &limits);
        let known = known.into_iter().collect();
        // This test switches off the comparison of the totals, which would end the reconciliation
        // after the first response.
        let omissions = Omissions { totals: true, levels: false };
        let mut step = Step::Query(
            Reconciliation::new(known, documents, query, limits, omissions).keeping_sums(sums),
        );
        for _ in 0..70 {
            let Step::Query(next) = step else { return Ok(()) };
            let interval = next.query().interval;
            let buckets: BTreeSet<u64> = starts.iter().map(|start| start - start % interval).collect();
            let buckets = buckets.into_iter().zip(&counts);
            let buckets = buckets.map(|(start, &count)| Bucket { start, count, sum: count });
            step = next.advance(&buckets.collect::<Vec<_>>());
        }
        prop_assert!(!matches!(step, Step::Query(_)), "it descends at each step");
    }
}

/// Returns the `_seq_no`s of 100,000 documents after 30,000 updates of these documents. All
/// returned `_seq_no`s are below 130,000.
fn many() -> BTreeSet<u64> {
    (0..130_000).filter(|number| number % 13 > 2).collect()
}

#[test]
fn the_cost_depends_on_the_differences_and_not_on_the_documents() {
    let known = many();
    // Each row contains a number of deletions, and the maximum numbers of queries and buckets with
    // which a reconciliation may find them.
    for (deletions, queries, buckets) in
        [(0, 1, 140), (1, 2, 140), (10, 3, 1_200), (1_000, 3, 30_000)]
    {
        let mut left = known.clone();
        let mut random = fastrand::Rng::with_seed(7);
        while left.len() + deletions > known.len() {
            left.remove(&random.u64(..130_000));
        }
        let expected = difference(&known, &left);
        let mut server = Server {
            has_first_sums: true,
            ..server(left)
        };
        let found = server.reconcile(&known, false, Limits::new(64));
        println!(
            "{deletions} deletions: {} queries, {} buckets",
            server.queries, server.buckets
        );
        assert_eq!(found, Some(expected));
        assert!(server.queries <= queries, "{} queries", server.queries);
        assert!(server.buckets <= buckets, "{} buckets", server.buckets);
    }
}

#[test]
fn a_full_read_replaces_a_reconciliation_of_very_different_sets() {
    let known = many();
    let half = known.iter().copied().filter(|number| number % 2 == 0);
    assert_eq!(server(half).reconcile(&known, false, Limits::new(64)), None);
    // If the replica contains few `_seq_no`s, the server lists them all, even if all of them
    // differ.
    let few: BTreeSet<u64> = (0..50).collect();
    let removed = few.iter().copied().collect();
    let found = server([]).reconcile(&few, false, Limits::new(64)).unwrap();
    assert_eq!(
        found.removed,
        Vec::<u64>::from_iter::<BTreeSet<u64>>(removed)
    );
}

#[test]
fn p1_a_response_of_another_view_is_noticed() {
    let known = many();
    let documents = known.len() as u64 - 1;
    let mut left = server(known.iter().copied().filter(|number| *number != 4_711));
    let limits = Limits::new(64);
    let query = first_query(130_000, false, &limits);
    let counted = left.respond(&query);
    let new = || {
        let known = known.iter().copied().collect();
        Reconciliation::new(
            known,
            documents,
            query.clone(),
            limits,
            Omissions::default(),
        )
    };
    assert!(matches!(new().advance(&counted[1..]), Step::Inconsistent));
    let Step::Query(next) = new().advance(&counted) else {
        panic!("a bucket differs");
    };
    // The deletion of a second `_seq_no` in the same bucket makes the next response contradict the
    // previous response.
    left.numbers.remove(&4_712);
    let counted = left.respond(next.query());
    assert!(matches!(next.advance(&counted), Step::Inconsistent));
}

#[test]
fn a_contiguous_deletion_is_one_range() {
    let known = many();
    let left = known
        .iter()
        .copied()
        .filter(|number| !(40_000..44_000).contains(number));
    let mut server = server(left);
    let found = server.reconcile(&known, false, Limits::new(64)).unwrap();
    assert!(found.removed.len() > 3_000 && found.added.is_empty());
    assert!(server.queries <= 3, "{} queries", server.queries);
}
