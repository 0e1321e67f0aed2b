//! Tests how stores behave during faults of a real cluster, which affect its nodes, its index, the
//! copies of a shard or the network.

mod concurrent_writers;
mod copies;
mod index;
mod network;
mod nodes;

use std::time::Duration;

use opensearch_directives::{ClusterConfig, Config, DirectiveStore as _, OpenSearchDirectiveStore};
use serde_json::{Value, json};

use test_support::http;

/// Starts a store that polls only when the test requests a poll.
async fn on_demand(cluster: ClusterConfig) -> OpenSearchDirectiveStore {
    let config = Config::new(cluster)
        .with_interval(Duration::from_secs(60 * 60))
        .with_max_backoff(Duration::from_secs(60 * 60))
        .with_poll_timeout(Duration::from_secs(2 * 60));
    OpenSearchDirectiveStore::start(config).await.unwrap()
}

/// Returns the ids of the published directives, in the order of the set.
fn ids(store: &OpenSearchDirectiveStore) -> Vec<String> {
    let set = store.load();
    set.iter()
        .map(|directive| directive.id.to_owned())
        .collect()
}

/// Writes a directive whose tenant equals its id, and refreshes the index so that searches find the
/// directive.
async fn write(url: &str, index: &str, id: &str) {
    let directive = json!({"level": "Shape", "tenant": id, "ttl_secs": 3600});
    let path = format!("{url}/{index}/_doc/{id}?refresh=true");
    let (status, answer) = http::put(&path, &directive).await;
    assert!(matches!(status, 200 | 201), "{answer:#}");
}

/// Sends a request and returns the JSON body of its response. Panics if the status of the response
/// is an error.
async fn must(method: &str, url: &str, body: Option<&Value>) -> Value {
    let (status, answer) = http::send(method, url, body).await;
    assert!((200..300).contains(&status), "{method} {url}: {answer:#}");
    answer
}
