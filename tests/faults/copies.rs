//! Tests that a store never publishes an older state after a newer one, even if it reads from
//! several copies of a shard and one of these copies has not been refreshed.

use serde_json::json;

use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore};

use super::{ids, must, on_demand, write};
use test_support::cluster::shared_cluster;
use test_support::eventually::eventually;
use test_support::node::{cluster, installed_index, shared_url};

/// The value of `index.refresh_interval` that disables the periodic refresh, so that only the test
/// refreshes the copies of a shard.
const NOT_BY_ITSELF: &str = "-1";

#[tokio::test]
async fn p3_deletions_are_followed_even_if_the_id_is_written_again_repeatedly() {
    let url = shared_url();
    let index = installed_index(&url, "written-again").await;
    let refresh = json!({ "index.refresh_interval": NOT_BY_ITSELF });
    must("PUT", &format!("{url}/{index}/_settings"), Some(&refresh)).await;
    write(&url, &index, "a").await;
    let store = on_demand(cluster(&url, &index)).await;
    let a = format!("{url}/{index}/_doc/a");
    let mut followed = false;
    for round in 0..5 {
        must("DELETE", &format!("{a}?refresh=true"), None).await;
        write(&url, &index, &format!("b-{round}")).await;
        // The test writes `a` again without a refresh, so searches do not find this write until the
        // next refresh.
        let directive = json!({"level": "Shape", "tenant": "a", "ttl_secs": 3600});
        must("PUT", &a, Some(&directive)).await;
        if store.refresh().await.is_ok() {
            followed = true;
            assert!(!ids(&store).contains(&"a".to_owned()));
        }
    }
    assert!(followed, "{:?}", store.status().last_error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_a_deletion_on_one_copy_is_not_undone_by_another_copy() {
    let mut cluster = shared_cluster().await;
    let index = cluster.installed_index("come-back").await;
    let settings = format!("/{index}/_settings");
    let refresh = json!({ "index.refresh_interval": NOT_BY_ITSELF });
    cluster.request("PUT", &settings, Some(&refresh)).await;
    write(&cluster.url(0), &index, "a").await;
    let mut stores = Vec::new();
    for number in 0..8 {
        let urls = cluster.urls();
        let nodes = ClusterConfig::new(urls.iter().map(|url| url.parse().unwrap()));
        let config = Config::new(nodes.with_index(&index))
            .with_interval(std::time::Duration::from_secs(60 * 60))
            .with_instance(format!("store-{number}"));
        stores.push(OpenSearchDirectiveStore::start(config).await.unwrap());
    }
    write(&cluster.url(0), &index, "b").await;
    for store in &stores {
        store.refresh().await.unwrap();
        assert_eq!(ids(store), ["a", "b"]);
    }
    let b = format!("/{index}/_doc/b");
    cluster.request("DELETE", &b, None).await;
    // The test refreshes only the replica, so that searches on the primary still find the deleted
    // document.
    let on_replica = format!("/{index}/_doc/a?realtime=false&refresh=true&preference=_replica");
    cluster.request("GET", &on_replica, None).await;
    for store in &stores {
        store.refresh().await.unwrap();
    }
    stores.retain(|store| ids(store) == ["a"]);
    assert!(!stores.is_empty(), "none reads the replica");

    // The test removes the replica, so the stores must read from the primary. A search on the
    // primary returns an older view than the replica returned, because the primary has not been
    // refreshed.
    let alone = json!({"index.auto_expand_replicas": "false", "index.number_of_replicas": 0});
    cluster.request("PUT", &settings, Some(&alone)).await;
    for store in &stores {
        for _ in 0..5 {
            // A poll of the primary may fail, but the store must not publish the primary's older
            // view.
            let _ = store.refresh().await;
            assert_eq!(ids(store), ["a"], "b is back: {:?}", store.status());
        }
    }
    cluster
        .request("POST", &format!("/{index}/_refresh"), None)
        .await;
    for store in &stores {
        eventually(
            "it polls again",
            async || store.refresh().await.is_ok(),
            |&ok| ok,
        )
        .await;
        assert_eq!(ids(store), ["a"]);
    }
}
