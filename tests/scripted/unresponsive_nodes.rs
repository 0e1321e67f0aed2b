//! Tests stores in clusters in which one node refuses connections, hangs, or returns errors.
//!
//! The instance name determines at which position in its list of nodes a store begins. All stores
//! of these tests have the same name, so the tests rotate the list of nodes to let each store begin
//! with a different node.

use std::time::Duration;

use opensearch_directives::status::{NodeState, NodeStatus};
use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore};
use wiremock::matchers::path_regex;
use wiremock::{Mock, MockServer, ResponseTemplate};

use test_support::hanging_connect::takes_no_connections;

use super::{good_server, refusing_url};

/// Returns one cluster configuration for each rotation of the list of node addresses.
fn rotations<const N: usize>(urls: &[String; N]) -> [ClusterConfig; N] {
    std::array::from_fn(|first| {
        let mut urls = urls.clone();
        urls.rotate_left(first);
        ClusterConfig::new(urls.map(|url| url.parse().unwrap()))
    })
}

/// Returns a configuration with the same instance name for all stores of these tests.
fn config(cluster: ClusterConfig) -> Config {
    super::config(cluster).with_instance("proxy-1")
}

/// Returns the state of the node with the given URL from the status of the store.
fn node(store: &OpenSearchDirectiveStore, url: &str) -> NodeState {
    let url: url::Url = url.parse().unwrap();
    let mut nodes = store.status().nodes.into_iter();
    nodes.find(|node| node.url == url).unwrap()
}

#[tokio::test]
async fn a_node_that_is_down_fails_no_poll_if_another_node_responds() {
    let server = good_server().await;
    let faulty = MockServer::start().await;
    Mock::given(path_regex(".*"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&faulty)
        .await;
    for cluster in rotations(&[refusing_url(), faulty.uri(), server.uri()]) {
        let store = OpenSearchDirectiveStore::start(config(cluster))
            .await
            .unwrap();
        for _ in 0..3 {
            store.refresh().await.unwrap();
        }
        assert_eq!(store.status().counters.polls_failed, 0);
        assert_eq!(node(&store, &server.uri()).status, NodeStatus::Alive);
    }
    // The faulty node must receive two requests, because two of the three stores try this node
    // before the good node. A store tries the faulty node only once, because it sends its later
    // requests to the node that responded.
    assert_eq!(faulty.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn p8_a_node_that_accepts_no_connection_does_not_use_up_the_time_of_a_poll() {
    let (hanging, _held) = takes_no_connections().await;
    let server = good_server().await;
    let mut dead = 0;
    for cluster in rotations(&[hanging.clone(), server.uri()]) {
        let cluster = cluster
            .with_connect_timeout(Duration::from_millis(100))
            .with_request_timeout(Duration::from_secs(60 * 60));
        let config = config(cluster).with_poll_timeout(Duration::from_secs(60 * 60));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        assert_eq!(store.status().counters.polls_failed, 0);
        assert_eq!(node(&store, &server.uri()).status, NodeStatus::Alive);
        dead += u32::from(node(&store, &hanging).status == NodeStatus::Dead);
    }
    assert_eq!(dead, 1, "each node must be tried first once");
}
