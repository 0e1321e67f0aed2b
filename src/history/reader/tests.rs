//! Tests, with scripted responses, that the reader returns an error if it cannot read the whole
//! history.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

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

/// A transport that returns the records of a stream page by page, and refuses responses beyond a
/// limit.
#[derive(Debug)]
struct Paged {
    records: Vec<Value>,
    limit: usize,
}

impl Transport for Paged {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let search: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let skipped = search["search_after"][0]
            .as_u64()
            .map_or(0, |last| last + 1);
        let size = search["size"].as_u64().unwrap();
        let hits = self.records.iter().enumerate();
        let hits = hits.skip(usize::try_from(skipped).unwrap());
        let hits = hits.take(usize::try_from(size).unwrap());
        let hit = |(number, record): (usize, &Value)| {
            let includes = search["_source"].get("includes").is_some();
            let source = if includes { json!({}) } else { record.clone() };
            json!({ "_id": format!("r{number}"), "_seq_no": number, "_source": source, "sort": [number] })
        };
        let body = json!({
            "timed_out": false,
            "_shards": { "total": 1, "successful": 1, "failed": 0 },
            "hits": {
                "total": { "value": self.records.len(), "relation": "eq" },
                "hits": hits.map(hit).collect::<Vec<Value>>(),
            },
        });
        let body = body.to_string();
        let response = if body.len() > self.limit {
            let limit = self.limit as u64;
            Err(RequestFailure::TooLarge { limit })
        } else {
            Ok(Response {
                status: 200,
                retry_after: None,
                content_type: Some("application/json".to_owned()),
                body: body.into(),
            })
        };
        Box::pin(std::future::ready(response))
    }
}

fn record(seq_no: u64) -> Value {
    json!({
        "@timestamp": "2026-11-27T14:03:00Z", "kind": "created", "directive": "d",
        "index_uuid": "I", "history_uuid": "H", "primary_term": 1, "seq_no": seq_no,
        "recorded_at": "2026-11-27T14:03:01Z", "recorded_by": "test",
    })
}

/// If one large record made the read fail, each person who may append records could make the
/// history unreadable forever.
#[tokio::test]
async fn a_record_that_cannot_be_decoded_hides_no_other_record() {
    let mut records: Vec<Value> = (0..3_000).map(record).collect();
    records[7] = json!({ "@timestamp": "2026-11-27T14:03:00Z", "kind": "\u{1b}[2J" });
    records[1_500]["reason"] = "x".repeat(2_000_000).into();
    let transport = Paged {
        records,
        limit: 1_000_000,
    };
    let config = ClusterConfig::new(["http://127.0.0.1:9200".parse().unwrap()]);
    let history = History::new(Client::over(Arc::new(transport), &config));
    let found = history.records(&RecordFilter::default()).await.unwrap();
    assert_eq!((found.records.len(), found.read), (2_998, 3_000));
    let numbers: Vec<Option<u64>> = found.records.iter().map(|one| one.seq_no).collect();
    let expected = (0..3_000).filter(|number| ![7, 1_500].contains(number));
    assert_eq!(numbers, expected.map(Some).collect::<Vec<_>>());
    let [forged, large] = &found.unreadable[..] else {
        panic!("{:?}", found.unreadable);
    };
    assert_eq!((forged.id.as_str(), large.id.as_str()), ("r7", "r1500"));
    assert!(forged.problem.contains("\\u{1b}[2J"), "{}", forged.problem);
    assert!(large.problem.contains("larger"), "{}", large.problem);
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
