//! Tests that fifty refreshers follow 20,000 writes of eight concurrent writers. No refresher may
//! publish an older state after a newer one, and all refreshers must publish the last write.

use std::sync::Arc;
use std::time::Duration;

use opensearch_directives::{ClusterConfig, Config, DirectiveStore as _, OpenSearchDirectiveStore};

use test_support::cluster::shared_cluster;
use test_support::eventually::eventually;
use test_support::store_observer::StoreObserver;
use test_support::write_ledger::{Ledger, content};
use test_support::writers::Writer;

const OPERATIONS: usize = 20_000;
const WRITERS: usize = 8;
const IDS_OF_A_WRITER: usize = 50;
const STORES: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_fifty_refreshers_under_20000_writes_of_eight_writers() {
    let mut cluster = shared_cluster().await;
    let index = cluster.installed_index("storm").await;
    let ledger = Arc::new(Ledger::new(WRITERS * IDS_OF_A_WRITER));
    let urls = cluster.urls();
    let mut stores = Vec::new();
    for number in 0..STORES {
        let nodes = ClusterConfig::new(urls.iter().map(|url| url.parse().unwrap()))
            .with_index(&index)
            .with_request_timeout(Duration::from_secs(30));
        let config = Config::new(nodes)
            .with_interval(Duration::from_millis(100))
            .with_max_backoff(Duration::from_millis(500))
            .with_poll_timeout(Duration::from_secs(60))
            .with_instance(format!("store-{number}"));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        stores.push(Arc::new(store));
    }
    let observer = StoreObserver::of(&stores, &ledger);
    let writing: Vec<_> = (0..WRITERS)
        .map(|number| {
            let mut writer = Writer {
                urls: urls.clone(),
                index: index.clone(),
                ledger: Arc::clone(&ledger),
                ids: number * IDS_OF_A_WRITER..(number + 1) * IDS_OF_A_WRITER,
                random: fastrand::Rng::with_seed(number as u64),
            };
            tokio::spawn(async move { writer.write(OPERATIONS / WRITERS, 20).await })
        })
        .collect();
    for writer in writing {
        writer.await.unwrap();
    }
    let listing = cluster.listing(&index).await;
    for store in &stores {
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
    assert!(
        seen.sets > 2 * STORES as u64,
        "they followed: {}",
        seen.sets
    );
}
