//! Tests how a store behaves while the network delays, truncates or withholds the responses of a
//! node.

use std::sync::Arc;
use std::time::Duration;

use opensearch_directives::status::NodeStatus;
use opensearch_directives::{ClusterConfig, DirectiveStore as _};

use super::{ids, on_demand, write};
use test_support::eventually::eventually;
use test_support::node::{installed_index, shared_url};
use test_support::proxy::{Fault, Proxy};

/// The time limit for each request that a store sends in these tests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

const CUT: Fault = Fault::Cut(40);
const RESET: Fault = Fault::Reset(40);
const DELAY: Fault = Fault::Delay(Duration::from_secs(30));
/// A fault that delays each byte of a response, so that the whole response takes longer than
/// [`REQUEST_TIMEOUT`].
const DRIP: Fault = Fault::Drip(Duration::from_millis(300));

fn through(proxies: &[&Proxy], index: &str) -> ClusterConfig {
    ClusterConfig::new(proxies.iter().map(|proxy| proxy.url().parse().unwrap()))
        .with_index(index)
        .with_request_timeout(REQUEST_TIMEOUT)
}

/// Injects a fault into the network to the only node that the store polls. Checks that the store's
/// polls fail during the fault, that its published set stays in use, and that its polls succeed
/// again after the fault.
async fn costs_polls_only(prefix: &str, fault: Fault, reason: &str) {
    let url = shared_url();
    let index = installed_index(&url, prefix).await;
    write(&url, &index, "a").await;
    let proxy = Proxy::before(&url).await;
    let store = on_demand(through(&[&proxy], &index)).await;
    let (set, before) = (store.load(), store.status());

    proxy.set(fault);
    write(&url, &index, "b").await;
    for failures in 1..=2 {
        let error = store.refresh().await.unwrap_err();
        assert!(Arc::ptr_eq(&set, &store.load()), "the set stays: {error}");
        let status = store.status();
        let error = status.last_error.unwrap();
        assert!(error.contains(reason), "{error}");
        assert!(error.contains(&proxy.url()), "{error}");
        assert_eq!(status.revision, before.revision);
        assert_eq!(status.last_success, before.last_success);
        assert_eq!(status.consecutive_failures, failures);
        assert_eq!(status.counters.failures.request, u64::from(failures));
        assert_eq!(status.nodes[0].status, NodeStatus::Dead);
    }

    proxy.set(Fault::None);
    eventually(
        "it is over",
        async || store.refresh().await.is_ok(),
        |&ok| ok,
    )
    .await;
    assert_eq!(ids(&store), ["a", "b"]);
    let status = store.status();
    assert_eq!((status.last_error, status.consecutive_failures), (None, 0));
    assert_eq!(status.nodes[0].status, NodeStatus::Alive);
}

/// Injects a fault into the network to one of two addresses of a store. Checks that no poll of the
/// store fails, because the store sends its requests to the address without the fault.
async fn costs_nothing(prefix: &str, fault: Fault) {
    let url = shared_url();
    let index = installed_index(&url, prefix).await;
    write(&url, &index, "a").await;
    let proxies = [Proxy::before(&url).await, Proxy::before(&url).await];
    let store = on_demand(through(&[&proxies[0], &proxies[1]], &index)).await;
    let polled = usize::from(proxies[0].forwarded() == 0);
    proxies[polled].set(fault);
    write(&url, &index, "b").await;
    store.refresh().await.unwrap();
    assert_eq!(ids(&store), ["a", "b"]);
    let status = store.status();
    assert_eq!(status.counters.polls_failed, 0);
    assert_eq!(status.nodes[polled].status, NodeStatus::Dead);
    assert_eq!(status.nodes[1 - polled].status, NodeStatus::Alive);
}

#[tokio::test]
async fn p5_a_connection_that_is_closed_during_a_response() {
    costs_polls_only("cut", CUT, "the connection failed").await;
    costs_nothing("cut-two", CUT).await;
}

#[tokio::test]
async fn p5_a_connection_that_is_reset_during_a_response() {
    costs_polls_only("reset", RESET, "the connection failed").await;
    costs_nothing("reset-two", RESET).await;
}

#[tokio::test]
async fn p5_a_response_that_arrives_too_late() {
    costs_polls_only("delay", DELAY, "no complete response within 4s").await;
    costs_nothing("delay-two", DELAY).await;
}

#[tokio::test]
async fn p5_an_answer_that_drips() {
    costs_polls_only("drip", DRIP, "no complete response within 4s").await;
    costs_nothing("drip-two", DRIP).await;
}

#[tokio::test]
async fn p5_a_response_that_never_arrives() {
    costs_polls_only("hole", Fault::BlackHole, "no complete response within 4s").await;
    costs_nothing("hole-two", Fault::BlackHole).await;
}

#[tokio::test]
async fn a_response_within_the_time_limit_is_accepted() {
    let url = shared_url();
    let index = installed_index(&url, "late").await;
    let proxy = Proxy::before(&url).await;
    let store = on_demand(through(&[&proxy], &index)).await;
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    write(&url, &index, "a").await;
    store.refresh().await.unwrap();
    assert_eq!(ids(&store), ["a"]);
}
