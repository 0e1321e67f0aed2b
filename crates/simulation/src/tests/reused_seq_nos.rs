//! Tests that a refresher notices if two primaries have assigned the same `_seq_no` to two versions
//! of the same document.
//!
//! First, the refresher publishes a write that only the primary has applied. Then the other copy of
//! the shard becomes the primary and assigns the `_seq_no` of this write to another write of the
//! same document. Finally, the copy that was the primary at first becomes the primary again.
//! Neither the statistics nor the sum of the `_seq_no`s shows that a `_seq_no` was assigned twice.
//! Random schedules hardly ever contain the sequence of events that these tests produce.

use std::time::Duration;

use crate::promise_checks::{Broken, ObservedRefresher};
use crate::schedule_runner::{poll, refresher, runtime};
use crate::simulated_transport::Wire;
use crate::world_without_random_events::{hand_over, two_nodes, write};
use opensearch_directives::internal::Safeguard;

/// A time longer than the interval between reconciles.
const RECONCILE: Duration = Duration::from_hours(1);

/// Returns a refresher that has published a write whose `_seq_no` another primary has then assigned
/// to another write. Returns `None` if the world is unsuitable: it has only one node, or the
/// refresher does not read the primary.
async fn reuse(seed: u64, left_out: Option<Safeguard>) -> Option<(Wire, ObservedRefresher)> {
    let wire = two_nodes(seed)?;
    let mut watched = refresher(&wire, 0, left_out);
    poll(&wire, &mut watched, 0).await.ok()?;
    let before = watched.published().revision().cloned();
    write(&wire, "a", |shard| {
        let primary = shard.primary;
        shard.deliver(primary, |_| 0);
        shard.copies[primary].refresh();
    });
    poll(&wire, &mut watched, 0).await.ok()?;
    if watched.published().revision() == before.as_ref() {
        return None;
    }
    hand_over(&wire);
    write(&wire, "a", |shard| shard.deliver_all(|_| true));
    hand_over(&wire);
    Some((wire, watched))
}

/// Makes a further write, so that the next poll makes a delta read. Returns the result of the poll
/// that makes the delta read.
async fn run(seed: u64, left_out: Option<Safeguard>) -> Option<Result<(), Broken>> {
    let (wire, mut watched) = reuse(seed, left_out).await?;
    write(&wire, "b", |shard| shard.deliver_all(|_| true));
    wire.world().settle();
    Some(poll(&wire, &mut watched, 0).await)
}

/// Makes no further write, so that the next read is a periodic reconcile. The counts and the sums
/// of the buckets in this reconcile equal those of the replica. Returns true if the refresher has
/// published the content of the index after the reconcile.
async fn reconcile(seed: u64, left_out: Option<Safeguard>) -> Option<bool> {
    let (wire, mut watched) = reuse(seed, left_out).await?;
    wire.world().settle();
    tokio::time::advance(RECONCILE).await;
    poll(&wire, &mut watched, 0).await.unwrap();
    Some(watched.has_all(&wire.world()))
}

fn reconciled(left_out: Option<Safeguard>) -> Vec<bool> {
    let runtime = runtime();
    let results = (1..=100).filter_map(|seed| runtime.block_on(reconcile(seed, left_out)));
    results.collect()
}

fn results(left_out: Option<Safeguard>) -> Vec<Result<(), Broken>> {
    let runtime = runtime();
    let results = (1..=100).filter_map(|seed| runtime.block_on(run(seed, left_out)));
    results.collect()
}

#[test]
fn p1_a_reused_seq_no_does_not_count_as_the_same_version() {
    let results = results(None);
    assert!(results.len() > 10, "{}", results.len());
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[test]
fn p1_a_reconcile_does_not_take_a_reused_seq_no_for_the_same_version() {
    let results = reconciled(None);
    assert!(results.len() > 10, "{}", results.len());
    assert!(results.iter().all(|has_all| *has_all), "{results:?}");
}

#[test]
fn a_reconcile_that_trusts_counts_across_a_term_is_detected() {
    let results = reconciled(Some(Safeguard::ReconcileTerm));
    assert!(results.contains(&false), "{results:?}");
}

#[test]
fn a_refresher_that_misses_a_reused_seq_no_is_detected() {
    let results = results(Some(Safeguard::PrimaryTerm));
    let broken = results.iter().filter_map(|result| result.as_ref().err());
    let promises: Vec<_> = broken.map(|broken| broken.promise).collect();
    assert!(promises.contains(&"P1, P2, P6"), "{promises:?}");
}
