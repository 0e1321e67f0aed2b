//! Tests polls during a failover. The polled node may hold the new primary, or a former primary
//! that does not know that it lost its role.

use std::time::Duration;

use crate::cluster::CutOff;
use crate::promise_checks::{Broken, ObservedRefresher};
use crate::schedule_runner::{poll, refresher, runtime};
use crate::shard::Copy;
use crate::simulated_transport::Wire;
use crate::world_without_random_events::{hand_over, two_nodes, with_shard, write};
use opensearch_directives::internal::Safeguard;

/// The number of simulated worlds that a test tries. A test skips a world in which the refresher
/// does not poll node 0.
const WORLDS: u64 = 500;

/// Returns a refresher that polls node 0, which holds the primary. The refresher has already
/// published the view of node 0. Returns `None` if the refresher polls another node in the world of
/// this seed.
async fn follower_of_node_0(
    seed: u64,
    left_out: Option<Safeguard>,
) -> Option<(Wire, ObservedRefresher)> {
    let wire = two_nodes(seed)?;
    // The number of a refresher decides which node the refresher polls first.
    let mut watched = refresher(&wire, usize::try_from(seed % 4).unwrap(), left_out);
    write(&wire, "a", |shard| {
        shard.deliver_all(|_| true);
        shard.copies[shard.primary].refresh();
    });
    poll(&wire, &mut watched, 0).await.ok()?;
    let shows = with_shard(&wire, |shard| shard.primary().visible.len()) as u64;
    let documents = watched.published().revision()?.documents;
    (with_shard(&wire, |shard| shard.primary().node) == 0 && documents == shows)
        .then_some((wire, watched))
}

fn all<T>(run: impl AsyncFn(u64) -> Option<T>) -> Vec<T> {
    let runtime = runtime();
    let done: Vec<T> = (1..=WORLDS)
        .filter_map(|seed| runtime.block_on(run(seed)))
        .collect();
    assert!(done.len() > 10, "{} worlds", done.len());
    done
}

/// Checks that five polls within 25 seconds publish the content of the index.
async fn catches_up(wire: &Wire, watched: &mut ObservedRefresher) {
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(5)).await;
        poll(wire, watched, 0).await.unwrap();
    }
    assert!(watched.has_all(&wire.world()));
}

/// Makes the refresher poll a former primary. Node 1 becomes the holder of the primary and is then
/// cut off. Node 0 becomes the holder of the primary again, and then the document `a` is deleted on
/// node 0. After the deletion, the refresher can reach only node 1, which still contains the
/// deleted document `a`.
async fn ask_who_was_the_primary(
    seed: u64,
    left_out: Option<Safeguard>,
) -> Option<Result<(), Broken>> {
    let (wire, mut watched) = follower_of_node_0(seed, left_out).await?;
    hand_over(&wire);
    {
        let mut world = wire.world();
        let cut_off = CutOff::now(&world.cluster.current, true);
        world.cluster.nodes[1].cut_off = Some(cut_off);
        world.cluster.notice();
    }
    with_shard(&wire, |shard| {
        shard.write("a", None);
        shard.deliver_all(|copy| copy.in_sync);
        shard.copies[shard.primary].refresh();
    });
    let before = watched.published().revision().cloned();
    poll(&wire, &mut watched, 0).await.ok()?;
    if watched.published().revision() == before.as_ref() {
        return None;
    }
    wire.world().cluster.nodes[0].up = false;
    Some(poll(&wire, &mut watched, 0).await)
}

#[test]
fn p3_a_former_primary_that_is_cut_off_causes_no_step_back() {
    let results = all(async |seed| ask_who_was_the_primary(seed, None).await);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[test]
fn a_refresher_that_does_not_confirm_after_a_read_is_detected() {
    let results =
        all(async |seed| ask_who_was_the_primary(seed, Some(Safeguard::ConfirmAfterRead)).await);
    let broken = results.iter().filter_map(|result| result.as_ref().err());
    let promises: Vec<_> = broken.map(|broken| broken.promise).collect();
    assert!(promises.contains(&"P3"), "{results:?}");
}

/// The copy on node 1 becomes the primary although this copy has not been refreshed since the last
/// write. The servers do not permit `_mget`, so the refresher cannot read the last write in real
/// time.
#[test]
fn p3_a_new_primary_before_its_refresh_causes_no_step_back() {
    all(async |seed| {
        let wire = two_nodes(seed)?;
        with_shard(&wire, |shard| shard.copies[1].lags = true);
        wire.world().quirks.no_gets = true;
        let mut watched = refresher(&wire, usize::try_from(seed % 4).unwrap(), None);
        write(&wire, "a", |shard| {
            shard.deliver_all(|_| true);
            shard.copies[0].refresh();
        });
        poll(&wire, &mut watched, 0).await.ok()?;
        let published = watched.published().revision().cloned()?;
        let shows = with_shard(&wire, |shard| shard.copies[0].visible.len()) as u64;
        let behind = with_shard(&wire, |shard| shard.copies[1].visible.len()) as u64;
        if published.documents != shows || behind == shows {
            return None;
        }
        {
            let mut world = wire.world();
            world.cluster.nodes[0].up = false;
            world.cluster.notice();
        }
        for _ in 0..3 {
            poll(&wire, &mut watched, 0).await.unwrap();
            assert_eq!(watched.published().revision(), Some(&published));
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        with_shard(&wire, |shard| shard.copies[1].refresh());
        write(&wire, "b", |shard| {
            shard.deliver_all(|copy| copy.in_sync);
            shard.copies[1].refresh();
        });
        catches_up(&wire, &mut watched).await;
        Some(())
    });
}

/// The cluster returned the version of its cluster state in an earlier poll, and now refuses the
/// request for this version. For a minute after the cluster has refused to return its version, the
/// refresher must assume that the polled node is cut off.
#[test]
fn p3_a_failover_is_not_accepted_at_once_if_the_version_is_withheld() {
    all(async |seed| {
        let (wire, mut watched) = follower_of_node_0(seed, None).await?;
        let published = watched.published().revision().cloned();
        wire.world().quirks.no_cluster_state = true;
        hand_over(&wire);
        write(&wire, "b", |shard| shard.deliver_all(|_| true));
        wire.world().settle();
        for _ in 0..5 {
            poll(&wire, &mut watched, 0).await.unwrap();
            assert_eq!(watched.published().revision().cloned(), published);
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        catches_up(&wire, &mut watched).await;
        Some(())
    });
}

/// In this test, the writes continue without a pause after a failover. Before each poll, the
/// primary changes documents that searches return, but no search returns the changed versions yet.
#[test]
fn p13_a_new_primary_is_followed_although_the_writes_never_pause() {
    all(async |seed| {
        let (wire, mut watched) = follower_of_node_0(seed, None).await?;
        // The refresher reads a write that only the primary has applied.
        write(&wire, "c", |shard| shard.copies[shard.primary].refresh());
        poll(&wire, &mut watched, 0).await.ok()?;
        with_shard(&wire, |shard| shard.deliver_all(|_| true));
        hand_over(&wire);
        let mut published = Vec::new();
        for _ in 0..6 {
            write(&wire, "b", |shard| {
                shard.write("a", None);
                shard.deliver_all(|_| true);
                shard.copies.iter_mut().for_each(Copy::refresh);
            });
            write(&wire, "a", |shard| {
                shard.write("b", None);
                shard.deliver_all(|_| true);
            });
            poll(&wire, &mut watched, 0).await.unwrap();
            published.push(watched.published().revision().cloned());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // From the third poll on, each poll publishes what the last refresh made visible.
        published.drain(..2);
        published.dedup();
        assert_eq!(published.len(), 4, "{published:?}");
        Some(())
    });
}

/// A new primary causes one full read, and the first write on this primary causes no further full
/// read. Only the next periodic reconcile is a full read again, because the primary term is new.
#[test]
fn the_first_write_of_a_new_primary_costs_no_full_read() {
    all(async |seed| {
        let (wire, mut watched) = follower_of_node_0(seed, None).await?;
        hand_over(&wire);
        poll(&wire, &mut watched, 0).await.unwrap();
        write(&wire, "b", |shard| {
            shard.deliver_all(|_| true);
            shard.copies.iter_mut().for_each(Copy::refresh);
        });
        poll(&wire, &mut watched, 0).await.unwrap();
        assert!(watched.has_all(&wire.world()));
        if !watched.published().rejections().is_empty() {
            // If a document is rejected, the role may hide its fields, so the refresher makes an
            // additional full read and the test skips the world.
            return None;
        }
        assert_eq!(watched.counters().reads.full_reads, 2);
        // The periodic reconcile reads all documents, because the primary term is new since the
        // last full read.
        tokio::time::advance(Duration::from_hours(24)).await;
        poll(&wire, &mut watched, 0).await.unwrap();
        assert_eq!(watched.counters().reads.full_reads, 3);
        Some(())
    });
}
