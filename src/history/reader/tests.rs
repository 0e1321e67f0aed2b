//! Tests, with scripted responses, that the reader returns an error if it cannot read the whole
//! history.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::error::chain;
use crate::http::scripted_transport::{json_response, page_of, scripted_client};

async fn error(status: u16, response: Value) -> HistoryError {
    let client = scripted_client(move |_| Ok(json_response(status, &response)));
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
    let client = scripted_client(move |request| page_of(&records, 1_000_000, request));
    let history = History::new(client);
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
