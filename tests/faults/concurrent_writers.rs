//! Tests that fifty refreshers follow eight concurrent writers. No refresher may publish an older
//! state after a newer one, every refresher must publish the last write, and deletions must not
//! cause full reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opensearch_directives::{ClusterConfig, Config, DirectiveStore as _, OpenSearchDirectiveStore};

use test_support::cluster::{Cluster, shared_cluster};
use test_support::eventually::eventually;
use test_support::store_observer::{Observations, StoreObserver};
use test_support::write_ledger::{Ledger, content};
use test_support::writers::{FEW_DELETIONS, Writer};

const OPERATIONS: usize = 20_000;
const WRITERS: usize = 8;
const STORES: usize = 50;

async fn start_stores(
    cluster: &Cluster,
    index: &str,
    interval: Duration,
) -> Vec<Arc<OpenSearchDirectiveStore>> {
    let mut stores = Vec::new();
    for number in 0..STORES {
        let nodes = ClusterConfig::new(cluster.urls().iter().map(|url| url.parse().unwrap()))
            .with_index(index)
            .with_request_timeout(Duration::from_secs(30));
        let config = Config::new(nodes)
            .with_interval(interval)
            .with_max_backoff(Duration::from_millis(500))
            .with_poll_timeout(Duration::from_secs(60))
            .with_instance(format!("store-{number}"));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        stores.push(Arc::new(store));
    }
    stores
}

fn writers(
    cluster: &Cluster,
    index: &str,
    ledger: &Arc<Ledger>,
    ids: usize,
    deletions_percent: u32,
) -> Vec<Writer> {
    (0..WRITERS)
        .map(|number| Writer {
            urls: cluster.urls(),
            index: index.to_owned(),
            ledger: Arc::clone(ledger),
            ids: number * ids / WRITERS..(number + 1) * ids / WRITERS,
            deletions_percent,
            random: fastrand::Rng::with_seed(number as u64),
        })
        .collect()
}

/// Waits until each store has published exactly the content of the index, and then stops the
/// observer of the stores.
async fn all_show_the_index(
    cluster: &Cluster,
    index: &str,
    stores: &[Arc<OpenSearchDirectiveStore>],
    observer: StoreObserver,
) -> Observations {
    let listing = cluster.listing(index).await;
    for store in stores {
        eventually(
            "it shows exactly what the index holds",
            async || content(&store.load()),
            |content| *content == listing,
        )
        .await;
    }
    let seen = observer.end();
    println!("{} documents, {} sets seen", listing.len(), seen.sets);
    for store in stores.iter().step_by(10) {
        let counters = store.status().counters;
        println!("{:?} {:?}", counters.reads, counters.failures);
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_fifty_refreshers_under_20000_writes_of_eight_writers() {
    let mut cluster = shared_cluster().await;
    let index = cluster.installed_index("storm").await;
    let ids = 400;
    let ledger = Arc::new(Ledger::new(ids));
    let stores = start_stores(&cluster, &index, Duration::from_millis(100)).await;
    let observer = StoreObserver::of(&stores, &ledger);
    let writing: Vec<_> = writers(&cluster, &index, &ledger, ids, FEW_DELETIONS)
        .into_iter()
        .map(|mut writer| tokio::spawn(async move { writer.write(OPERATIONS / WRITERS, 20).await }))
        .collect();
    for writer in writing {
        writer.await.unwrap();
    }
    let seen = all_show_the_index(&cluster, &index, &stores, observer).await;
    assert!(
        seen.sets > 2 * STORES as u64,
        "they followed: {}",
        seen.sets
    );
}

/// Half of the operations of this test are deletions, so many writes create a document with an id
/// that was deleted before. The test kills the primary's node once and restarts it with its data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_deletions_and_re_creations_under_kill_9_cost_no_full_read_of_their_own() {
    let mut cluster = shared_cluster().await;
    let index = cluster.installed_index("deletions").await;
    // The index must have many more documents than changes between two polls, because a full read
    // of a small index would be faster than a reconcile.
    let ids = 1_600;
    let ledger = Arc::new(Ledger::new(ids));
    for mut writer in writers(&cluster, &index, &ledger, ids, 0) {
        writer.write(ids / WRITERS, ids / WRITERS).await;
    }
    let stores = start_stores(&cluster, &index, Duration::from_millis(200)).await;
    let observer = StoreObserver::of(&stores, &ledger);
    let is_enough = Arc::new(AtomicBool::new(false));
    let writing: Vec<_> = writers(&cluster, &index, &ledger, ids, 50)
        .into_iter()
        .map(|mut writer| {
            let is_enough = Arc::clone(&is_enough);
            tokio::spawn(async move {
                writer.write(200, 10).await;
                while !is_enough.load(Ordering::Acquire) {
                    writer.write(10, 10).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                // Each writer writes again after the fault has ended, so that the last writes
                // happen on a healthy cluster.
                writer.write(100, 10).await;
            })
        })
        .collect();
    let before = cluster.roles(&index).await;
    cluster.kill(before.primary);
    cluster.heal().await;
    assert_eq!(cluster.roles(&index).await.primary, before.replica);
    is_enough.store(true, Ordering::Release);
    for writer in writing {
        writer.await.unwrap();
    }
    all_show_the_index(&cluster, &index, &stores, observer).await;
    // A store needs one full read at its start, one after the failover, and one at the new
    // primary's first write, because the new primary may have assigned `_seq_no`s again. A store
    // that polled while the shard had no primary needs a fourth full read, but a deletion may not
    // cause a full read.
    let reads = stores.iter().map(|store| store.status().counters.reads);
    let reads: Vec<_> = reads.collect();
    let most = reads.iter().map(|reads| reads.full_reads).max();
    println!("at most {most:?} full reads for each store");
    assert!(most <= Some(4), "{reads:?}");
    assert!(reads.iter().any(|reads| reads.reconciles > 0), "{reads:?}");
}
