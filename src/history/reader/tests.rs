//! Tests with scripted responses that reading a history fails if it cannot be read completely.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::*;
use crate::error::chain;
use crate::http::{ClusterConfig, Request, RequestFailure, Response, Transport};

/// A transport that returns the same response to each request.
#[derive(Debug)]
struct Always(u16, Value);

impl Transport for Always {
    fn send<'a>(
        &'a self,
        _node: usize,
        _request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let response = Response {
            status: self.0,
            retry_after: None,
            content_type: Some("application/json".to_owned()),
            body: self.1.to_string().into(),
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}

async fn error(status: u16, response: Value) -> HistoryError {
    let config = ClusterConfig::new(["http://127.0.0.1:9200".parse().unwrap()]);
    let client = Client::over(Arc::new(Always(status, response)), &config);
    let history = History::new(client).with_max_records(3);
    history.records(&RecordFilter::default()).await.unwrap_err()
}

fn response(total: u64, failed: u64, source: &Value) -> Value {
    json!({
        "timed_out": false,
        "_shards": { "total": 2, "successful": 2 - failed, "failed": failed },
        "hits": {
            "total": { "value": total, "relation": "eq" },
            "hits": [{ "_id": "r", "_seq_no": 0, "_source": source, "sort": [1] }],
        },
    })
}

#[tokio::test]
async fn a_history_that_is_not_read_completely_is_an_error() {
    let record = json!({
        "@timestamp": "2026-11-27T14:03:00Z", "kind": "created", "directive": "d",
        "index_uuid": "I", "history_uuid": "H", "primary_term": 1, "seq_no": 0,
        "recorded_at": "2026-11-27T14:03:01Z", "recorded_by": "test",
    });
    for (found, says) in [
        (response(1, 1, &record), "1 of 2 shards failed"),
        (response(2, 0, &record), "the response contains 1 of 2"),
        (response(4, 0, &record), "at most 3 are read"),
        (
            response(1, 0, &json!({ "kind": "changed" })),
            "the record r of the history",
        ),
        (json!({ "hits": {} }), "the response lacks timed_out"),
    ] {
        let error = error(200, found).await;
        assert!(chain(&error).contains(says), "{says}: {}", chain(&error));
        assert!(!error.is_missing() && !error.is_unreachable());
    }
    let missing = json!({
        "status": 404,
        "error": { "type": "index_not_found_exception", "reason": "no such index" },
    });
    assert!(error(404, missing).await.is_missing());
    let forbidden =
        json!({ "status": 403, "error": { "type": "security_exception", "reason": "no" } });
    let error = error(403, forbidden).await;
    assert!(
        chain(&error).contains("cannot be read"),
        "{}",
        chain(&error)
    );
}
