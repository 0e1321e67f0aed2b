//! Tests refreshers whose role loses a privilege while they run, or never had the privilege.

use std::time::Duration;

use crate::promise_checks::ObservedRefresher;
use crate::schedule_runner::{poll, refresher, runtime};
use crate::simulated_transport::Wire;
use crate::world_parameters::Quirks;
use crate::world_without_random_events::{two_nodes, with_shard, write};

/// A duration that is longer than the interval between periodic reconciles.
const RECONCILE: Duration = Duration::from_hours(1);

/// Returns a simulated world in which every shard copy contains the document `a`, and a refresher
/// that has published this document. Returns `None` if the world with this seed is not suitable.
async fn follower(seed: u64) -> Option<(Wire, ObservedRefresher)> {
    let wire = two_nodes(seed)?;
    let mut watched = refresher(&wire, 0, None);
    write(&wire, "a", |shard| shard.deliver_all(|_| true));
    wire.world().settle();
    poll(&wire, &mut watched, 0).await.ok()?;
    let has_a = wire.world().shows("a") && watched.has_all(&wire.world());
    has_a.then_some((wire, watched))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a closure written at the call"
)]
fn in_each_world(run: impl AsyncFn(&Wire, &mut ObservedRefresher)) {
    let runtime = runtime();
    let mut worlds = 0;
    for seed in 1..=100 {
        runtime.block_on(async {
            if let Some((wire, mut watched)) = follower(seed).await {
                worlds += 1;
                run(&wire, &mut watched).await;
            }
        });
    }
    assert!(worlds > 10, "{worlds}");
}

#[test]
fn p11_documents_that_become_hidden_do_not_count_as_deleted() {
    in_each_world(async |wire, watched| {
        let published = watched.published().revision().cloned();
        wire.world().quirks.hidden = Some("a");
        tokio::time::advance(RECONCILE).await;
        poll(wire, watched, 0).await.unwrap();
        assert!(watched.misses_documents());
        assert_eq!(watched.published().revision().cloned(), published);
    });
}

#[test]
fn p11_a_first_read_with_hidden_documents_publishes_nothing() {
    in_each_world(async |wire, _| {
        wire.world().quirks.hidden = Some("a");
        let mut watched = refresher(wire, 1, None);
        poll(wire, &mut watched, 1).await.unwrap();
        assert!(watched.misses_documents());
        assert_eq!(watched.published().revision(), None);
    });
}

/// Deletes a document on a server with the given quirk, and checks that four polls publish the
/// deletion.
fn a_deletion_is_published(set_quirk: fn(&mut Quirks)) {
    in_each_world(async |wire, watched| {
        set_quirk(&mut wire.world().quirks);
        with_shard(wire, |shard| {
            shard.write("a", None);
            shard.deliver_all(|_| true);
        });
        wire.world().settle();
        for _ in 0..4 {
            tokio::time::advance(Duration::from_secs(2)).await;
            poll(wire, watched, 0).await.unwrap();
        }
        assert!(watched.has_all(&wire.world()));
    });
}

#[test]
fn p13_a_deletion_is_published_even_if_mget_is_not_permitted() {
    a_deletion_is_published(|quirks| quirks.no_items = true);
}

/// The server refuses a histogram with status 503 if the histogram has more buckets than
/// `search.max_buckets` permits. The status 503 does not tell a refresher that the same request
/// will fail again.
#[test]
fn p13_a_deletion_is_published_even_if_the_server_permits_few_buckets() {
    a_deletion_is_published(|quirks| quirks.max_buckets = Some(0));
}

/// In this test, more documents change than one response can contain. The status must not contain a
/// note about the many changes, because their number is no property of the server.
#[test]
fn p13_many_changes_do_not_end_the_reconciliations() {
    in_each_world(async |wire, _| {
        wire.world().shape.page = 2;
        let mut watched = refresher(wire, 0, None);
        let change_three = || {
            for id in ["b", "c", "d"] {
                write(wire, id, |shard| shard.deliver_all(|_| true));
            }
        };
        change_three();
        wire.world().settle();
        poll(wire, &mut watched, 0).await.unwrap();
        change_three();
        with_shard(wire, |shard| {
            shard.write("a", None);
            shard.deliver_all(|_| true);
        });
        wire.world().settle();
        for _ in 0..4 {
            tokio::time::advance(Duration::from_secs(2)).await;
            poll(wire, &mut watched, 0).await.unwrap();
            assert_eq!(watched.notes(), Vec::<String>::new());
        }
        assert!(watched.has_all(&wire.world()));
    });
}

#[test]
fn p13_statistics_are_requested_again_seconds_after_a_refusal() {
    in_each_world(async |wire, watched| {
        wire.world().quirks.no_stats = true;
        poll(wire, watched, 0).await.unwrap();
        assert!(!watched.has_statistics());
        wire.world().quirks.no_stats = false;
        tokio::time::advance(Duration::from_secs(10)).await;
        poll(wire, watched, 0).await.unwrap();
        assert!(watched.has_statistics());
    });
}
