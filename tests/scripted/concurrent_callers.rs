//! Tests a store while one thread reads the store's status during publishes, and while several
//! callers request a poll at the same time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{SEARCH, complete, good, good_server, hit, ok, respond, shape, start};

/// Returns a search response with `n` directives and `n` invalid documents.
fn directives_and_rejections(n: u64) -> ResponseTemplate {
    let directives = (0..n).map(|k| hit(&format!("d{k}"), n * 10 + k, shape()));
    let invalid = (0..n).map(|k| hit(&format!("x{k}"), n * 10 + 5 + k, json!({})));
    let hits: Vec<Value> = directives.chain(invalid).collect();
    ok(complete(&hits))
}

#[tokio::test]
async fn p7_set_revision_and_rejections_change_together() {
    let server = good_server().await;
    respond(&server, directives_and_rejections(1)).await;
    let store = Arc::new(start(&server).await);
    let reader = tokio::task::spawn_blocking({
        let store = Arc::downgrade(&store);
        move || {
            let mut reads = 0_u64;
            while let Some(store) = store.upgrade() {
                let status = store.status();
                let n = status.directives as u64;
                assert_eq!(status.rejected.len() as u64, n);
                assert_eq!(status.revision.unwrap().documents, 2 * n);
                reads += 1;
            }
            reads
        }
    });
    for round in 0..20 {
        respond(&server, directives_and_rejections(1 + round % 4)).await;
        // The test polls again after a failed poll, because the store accepts a possible step back
        // only after a second read has returned the same state. The mock server does not support
        // the requests with which the store could confirm the first read.
        if store.refresh().await.is_err() {
            store.refresh().await.unwrap();
        }
    }
    store.shutdown().await;
    drop(store);
    assert!(reader.await.unwrap() > 0);
}

#[tokio::test]
async fn p8_callers_of_refresh_share_polls() {
    let server = good_server().await;
    let store = start(&server).await;
    respond(&server, ok(good()).set_delay(Duration::from_millis(50))).await;
    let results = futures_util::future::join_all((0..50).map(|_| store.refresh())).await;
    assert!(results.iter().all(Result::is_ok));
    let requests = server.received_requests().await.unwrap();
    let searches = requests
        .iter()
        .filter(|request| request.url.path() == SEARCH)
        .count();
    assert!(
        (1..=3).contains(&searches),
        "{searches} polls for 50 concurrent callers"
    );
}
