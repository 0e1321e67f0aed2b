//! Tests polls during which a node hangs or fails: another node must serve the next poll or the
//! repeated poll.

use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;
use crate::config::Startup;
use crate::http::{Request, RequestFailure, Response};

/// Returns the settings of a cluster with two nodes.
fn two_nodes() -> ClusterConfig {
    let urls = ["http://127.0.0.1:9200", "http://127.0.0.2:9200"];
    ClusterConfig::new(urls.map(|url| url.parse().unwrap()))
}

/// A transport to two nodes, of which one fails. The node that receives the first search resets the
/// connection for this search and all later requests.
#[derive(Debug)]
struct FailsAtASearch {
    responses: Arc<Fake>,
    failed: Mutex<Option<usize>>,
    /// The node and the URL path of each request, in the order of the requests.
    requests: Mutex<Vec<(usize, String)>>,
}

impl Transport for FailsAtASearch {
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let mut failed = self.failed.lock().unwrap();
        if failed.is_none() && request.path.ends_with("_search") {
            *failed = Some(node);
        }
        let path = request.path.clone();
        self.requests.lock().unwrap().push((node, path));
        if *failed == Some(node) {
            let reset = RequestFailure::Connection("reset".into());
            return Box::pin(std::future::ready(Err(reset)));
        }
        self.responses.send(node, request, timeout)
    }
}

#[tokio::test(start_paused = true)]
async fn p3_if_a_node_fails_during_a_poll_another_node_serves_the_whole_poll() {
    let transport = Arc::new(FailsAtASearch {
        responses: Fake::new(Order::Good(3)),
        failed: Mutex::default(),
        requests: Mutex::default(),
    });
    let client = Client::over(Arc::clone(&transport) as Arc<dyn Transport>, &two_nodes());
    let store = OpenSearchDirectiveStore::start_over(&config(), client)
        .await
        .unwrap();
    assert_eq!(store.load().len(), 3);
    assert_eq!(store.status().counters.polls_failed, 0);
    let requests = transport.requests.lock().unwrap().clone();
    let (first, _) = requests[0];
    let (before, after): (Vec<_>, Vec<_>) = requests.iter().partition(|(node, _)| *node == first);
    let paths = |of: &[&(usize, String)]| -> Vec<String> {
        of.iter().map(|(_, path)| path.clone()).collect()
    };
    let (before, after) = (paths(&before), paths(&after));
    assert_eq!(after[..before.len()], before, "the poll starts again");
    assert!(after.len() > before.len());
}

/// A transport to two nodes, of which one never responds.
#[derive(Debug)]
struct OneHangs {
    responses: Arc<Fake>,
    hanging: usize,
}

impl Transport for OneHangs {
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        if node == self.hanging {
            return Box::pin(std::future::pending());
        }
        self.responses.send(node, request, timeout)
    }
}

/// The test has two runs, and a different node hangs in each run. The store therefore tries the
/// hanging node first in one of the runs.
#[tokio::test(start_paused = true)]
async fn p8_a_node_that_used_up_the_time_of_a_poll_is_not_tried_first_again() {
    let mut config = config().with_startup(Startup::Empty);
    config.cluster = two_nodes().with_request_timeout(SECOND * 3_600);
    let mut failed = 0;
    for hanging in [0, 1] {
        let responses = Fake::new(Order::Good(1));
        let transport = Arc::new(OneHangs { responses, hanging });
        let client = Client::over(transport, &config.cluster);
        let store = OpenSearchDirectiveStore::start_over(&config, client)
            .await
            .unwrap();
        if store.refresh().await.is_err() {
            store.refresh().await.unwrap();
        }
        failed += store.status().counters.polls_failed;
    }
    assert_eq!(failed, 1, "each node must be tried first once");
}
