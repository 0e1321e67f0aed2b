//! Tests how stores behave while nodes of a cluster are killed, paused and restarted.

use std::sync::Arc;
use std::time::Duration;

use opensearch_directives::status::NodeStatus;
use opensearch_directives::{ClusterConfig, Config, DirectiveStore as _, OpenSearchDirectiveStore};

use super::{ids, on_demand, write};
use test_support::cluster::{Cluster, shared_cluster};
use test_support::eventually::eventually;
use test_support::proxy::Proxy;
use test_support::store_observer::StoreObserver;
use test_support::write_ledger::{Ledger, content};
use test_support::writers::{FEW_DELETIONS, Writer};

/// The time limit for each request that a store sends in these tests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
const STORES: usize = 6;
const IDS: usize = 40;

fn over(urls: &[String], index: &str) -> ClusterConfig {
    ClusterConfig::new(urls.iter().map(|url| url.parse().unwrap()))
        .with_index(index)
        .with_request_timeout(REQUEST_TIMEOUT)
}

/// Starts stores that poll ten times a second. Each store has a different instance name, so that
/// the stores begin with different nodes.
async fn stores(cluster: &Cluster, index: &str) -> Vec<Arc<OpenSearchDirectiveStore>> {
    let mut stores = Vec::new();
    for number in 0..STORES {
        let config = Config::new(over(&cluster.urls(), index))
            .with_interval(Duration::from_millis(100))
            .with_max_backoff(Duration::from_millis(500))
            .with_poll_timeout(Duration::from_secs(20))
            .with_instance(format!("store-{number}"));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        stores.push(Arc::new(store));
    }
    stores
}

/// Waits until every store has published the current content of the index.
async fn all_agree(cluster: &Cluster, index: &str, stores: &[Arc<OpenSearchDirectiveStore>]) {
    let listing = cluster.listing(index).await;
    for store in stores {
        eventually(
            "it shows what the index holds, and polls",
            async || (content(&store.load()), store.status().last_error),
            |(content, error)| *content == listing && error.is_none(),
        )
        .await;
    }
}

/// Writes directives continuously while `meanwhile` injects faults. Checks that all stores have
/// published all writes at the end, and that no store has published an older state after a newer
/// one.
async fn under_writes(
    cluster: &mut Cluster,
    prefix: &str,
    meanwhile: impl AsyncFnOnce(&mut Cluster, &str),
) {
    let index = cluster.installed_index(prefix).await;
    let ledger = Arc::new(Ledger::new(IDS));
    let stores = stores(cluster, &index).await;
    let observer = StoreObserver::of(&stores, &ledger);
    let mut writer = Writer {
        urls: cluster.urls(),
        index: index.clone(),
        ledger: Arc::clone(&ledger),
        ids: 0..IDS,
        deletions_percent: FEW_DELETIONS,
        random: fastrand::Rng::with_seed(5),
    };
    writer.write(200, 5).await;
    let (enough, mut is_enough) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        while is_enough.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            writer.write(5, 5).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The writer writes again after all faults have ended, so that the last writes happen on a
        // healthy cluster.
        writer.write(50, 5).await;
    });
    meanwhile(cluster, &index).await;
    enough.send(()).unwrap();
    writing.await.unwrap();
    all_agree(cluster, &index, &stores).await;
    let seen = observer.end();
    println!("{prefix}: {} sets seen", seen.sets);
    for store in &stores {
        let counters = store.status().counters;
        println!("{:?} {:?}", counters.reads, counters.failures);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_poll_succeeds_although_its_node_is_killed_or_paused() {
    let mut cluster = shared_cluster().await;
    let index = cluster.installed_index("polled").await;
    write(&cluster.url(0), &index, "a").await;
    // The test pauses and kills a node that has no copy of the index and is not the cluster
    // manager, so that the cluster works without this node.
    let manager = cluster.roles(&index).await.manager;
    let polled = (manager + 1) % 3;
    cluster.exclude(&index, polled).await;
    let mut proxies = Vec::new();
    for node in [polled, manager] {
        proxies.push(Proxy::before(&cluster.url(node)).await);
    }
    let urls: Vec<String> = proxies.iter().map(Proxy::url).collect();
    let mut number = 0;
    let store = loop {
        // The instance name decides which node a store polls first, so the test tries names until a
        // store begins with the node that the test will kill.
        let config = Config::new(over(&urls, &index))
            .with_interval(Duration::from_secs(60 * 60))
            .with_poll_timeout(Duration::from_secs(60))
            .with_instance(format!("store-{number}"));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        if proxies[0].forwarded() > 0 {
            break store;
        }
        number += 1;
    };
    let states = || store.status().nodes.into_iter().map(|node| node.status);

    let paused = cluster.pause(polled);
    write(&cluster.url(manager), &index, "b").await;
    store.refresh().await.unwrap();
    assert_eq!(ids(&store), ["a", "b"]);
    assert!(states().eq([NodeStatus::Dead, NodeStatus::Alive]));
    drop(paused);

    let again = on_demand(over(&urls[..1], &index)).await;
    cluster.kill(polled);
    write(&cluster.url(manager), &index, "c").await;
    store.refresh().await.unwrap();
    assert_eq!(ids(&store), ["a", "b", "c"]);
    assert_eq!(store.status().counters.polls_failed, 0);
    // A store that knows only the killed node must keep its set, and its polls must succeed again
    // after the node has restarted.
    again.refresh().await.unwrap_err();
    assert_eq!(ids(&again), ["a", "b"]);
    cluster.heal().await;
    eventually(
        "it is back",
        async || again.refresh().await.is_ok(),
        |&ok| ok,
    )
    .await;
    assert_eq!(ids(&again), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_a_killed_primary_causes_no_step_back() {
    let mut cluster = shared_cluster().await;
    under_writes(&mut cluster, "failover", async |cluster, index| {
        let before = cluster.roles(index).await;
        cluster.kill(before.primary);
        cluster.heal().await;
        let after = cluster.roles(index).await;
        assert_eq!(after.primary, before.replica);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_a_paused_primary_causes_no_step_back() {
    let mut cluster = shared_cluster().await;
    under_writes(&mut cluster, "stopped", async |cluster, index| {
        let before = cluster.roles(index).await;
        let paused = cluster.pause(before.primary);
        let shards = format!("/_cat/shards/{index}?format=json");
        eventually(
            "another copy is the primary",
            async || cluster.request("GET", &shards, None).await,
            |shards| {
                shards.as_array().unwrap().iter().any(|shard| {
                    shard["prirep"] == "p" && shard["node"] == format!("node-{}", before.replica)
                })
            },
        )
        .await;
        drop(paused);
        cluster.heal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_all_nodes_are_killed_and_restarted() {
    let mut cluster = shared_cluster().await;
    under_writes(&mut cluster, "all", async |cluster, index| {
        let store = on_demand(over(&cluster.urls(), index)).await;
        for node in 0..3 {
            cluster.kill(node);
        }
        let set = store.load();
        store.refresh().await.unwrap_err();
        assert!(Arc::ptr_eq(&set, &store.load()));
        let status = store.status();
        assert!(
            status
                .nodes
                .iter()
                .all(|node| node.status == NodeStatus::Dead)
        );
        assert_eq!(status.counters.failures.request, 1);
        cluster.heal().await;
        eventually(
            "it polls again",
            async || store.refresh().await.is_ok(),
            |&ok| ok,
        )
        .await;
    })
    .await;
}
