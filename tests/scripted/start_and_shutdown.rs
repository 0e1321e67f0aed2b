//! Tests the errors that a store returns if it fails to start. Also tests that no task of a store
//! remains after the store is shut down or dropped.

use std::sync::Arc;
use std::time::Duration;

use opensearch_directives::error::chain;
use opensearch_directives::{
    Clock, ClusterConfig, Config, DirectiveStore as _, OpenSearchDirectiveStore, Startup,
    SystemClock,
};
use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};

use test_support::eventually::eventually;

use super::{cluster, config, good, good_server, ok, refusing_url, respond};

/// Checks that a store with the given configuration fails to start, and returns the text of its
/// error.
async fn start_error(config: Config) -> String {
    let error = OpenSearchDirectiveStore::start(config).await.unwrap_err();
    assert!(error.poll_error().is_some(), "{error:?}");
    chain(&error)
}

#[tokio::test]
async fn p9_a_failed_start_returns_the_reason() {
    let server = MockServer::start().await;
    for (name, faulty, expected) in [
        (
            "401",
            ResponseTemplate::new(401).set_body_string("Unauthorized"),
            "status 401: set a user and password, a token, an API key or a client certificate \
             (Unauthorized)",
        ),
        ("403", ResponseTemplate::new(403), "status 403"),
        (
            "a search that timed out",
            ok(json!({"timed_out": true})),
            "timed out on the server",
        ),
    ] {
        respond(&server, faulty).await;
        let text = start_error(config(cluster(&server))).await;
        assert!(text.contains(expected), "{name}: {text}");
    }
    let unreachable = ClusterConfig::new([refusing_url().parse().unwrap()]);
    let text = start_error(config(unreachable.clone())).await;
    assert!(text.contains("the connection failed"), "{text}");
    let empty = config(unreachable).with_startup(Startup::Empty);
    let store = OpenSearchDirectiveStore::start(empty).await.unwrap();
    assert!(store.load().is_empty());
}

#[tokio::test]
async fn p9_an_invalid_setting_fails_the_start_before_a_request() {
    let server = MockServer::start().await;
    let invalid = config(cluster(&server).with_index("a*"));
    let error = OpenSearchDirectiveStore::start(invalid).await.unwrap_err();
    assert!(error.config_error().is_some());
    assert!(chain(&error).contains("index \"a*\""), "{}", chain(&error));
    assert!(server.received_requests().await.unwrap().is_empty());
}

/// Starts a store that uses the given clock and polls the given server.
async fn start_with_clock(server: &MockServer, clock: &Arc<dyn Clock>) -> OpenSearchDirectiveStore {
    let config = config(cluster(server)).with_clock(Arc::clone(clock));
    OpenSearchDirectiveStore::start(config).await.unwrap()
}

#[tokio::test]
async fn p10_after_a_shutdown_no_task_remains() {
    let server = good_server().await;
    // The number of references to the clock shows whether the store's task still exists, because
    // the store and its task hold such references.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = start_with_clock(&server, &clock).await;
    assert!(Arc::strong_count(&clock) > 2);
    store.shutdown().await;
    assert_eq!(Arc::strong_count(&clock), 2);
    assert!(store.refresh().await.unwrap_err().is_stopped());
    assert_eq!(store.load().len(), 2, "the published set stays");
    store.shutdown().await;
    drop(store);
    assert_eq!(Arc::strong_count(&clock), 1);
}

#[tokio::test]
async fn p10_after_a_drop_during_a_poll_no_task_remains() {
    let server = good_server().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = start_with_clock(&server, &clock).await;
    respond(&server, ok(good()).set_delay(Duration::from_secs(10 * 60))).await;
    tokio::select! {
        _ = store.refresh() => panic!("the poll cannot have ended"),
        () = next_poll(&store) => {}
    }
    let set = store.load();
    drop(store);
    eventually(
        "the task ends",
        async || Arc::strong_count(&clock),
        |count| *count == 1,
    )
    .await;
    assert_eq!(set.len(), 2);
}

/// Waits until the store has begun its next poll.
async fn next_poll(store: &OpenSearchDirectiveStore) {
    let before = store.status().last_attempt;
    eventually(
        "a poll begins",
        async || store.status().last_attempt,
        |attempt| *attempt != before,
    )
    .await;
}
