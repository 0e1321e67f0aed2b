//! Tests, with scripted responses, how a reader handles reports that no instance writes. Reports
//! that no instance writes must neither hide other reports nor take much memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::http::scripted_transport::{page_of, scripted_client};

fn report(number: usize) -> Value {
    let noon = "2030-01-01T12:00:00Z";
    json!({
        "instance": format!("proxy-{number}"), "version": "1", "kind": "agent", "index": "directives",
        "documents": 0, "sum_seq_no": 0, "digest": "d", "directives": 0, "revoked": 0, "off": false,
        "rejected": 0, "staleness": "fresh", "started": noon, "reported_at": noon,
        "heartbeat_seconds": 60, "left": false,
    })
}

#[tokio::test]
async fn a_report_that_no_instance_writes_hides_no_other_report() {
    let mut all: Vec<Value> = (0..450).map(report).collect();
    all[7]["staleness"] = "x".repeat(2_000_000).into();
    all[8]["host"] = "x".repeat(301).into();
    all[9]["via"] = json!(vec!["agent"; 9]);
    all[300]["documents"] = json!(-1);
    let client = scripted_client(move |request| page_of(&all, 1_000_000, request));
    let api = DirectivesApi::new(client);
    let found = api.reports(MAX_BYTES).await.unwrap();
    assert_eq!((found.readable.len(), found.omitted), (446, 0));
    let unreadable = found.unreadable.iter();
    let unreadable = unreadable.map(|one| (&*one.instance, &*one.reason));
    let [large, host, via, wrong] = unreadable.collect::<Vec<_>>()[..] else {
        panic!("{:?}", found.unreadable);
    };
    assert_eq!(large, ("r7", "it is larger than the limit of a response"));
    assert_eq!(host, ("r8", "the field host is out of bounds"));
    assert_eq!(via, ("r9", "the field via is out of bounds"));
    assert_eq!(wrong.0, "r300");
}

/// A hostile writer could take all memory of a reader with many small reports, so the total size of
/// all reports is bounded, too.
#[tokio::test]
async fn reports_beyond_the_bound_of_all_together_are_not_read() {
    let all: Vec<Value> = (0..1_000).map(report).collect();
    let client = scripted_client(move |request| page_of(&all, 1_000_000, request));
    let api = DirectivesApi::new(client);
    let one = report(100).to_string().len();
    let found = api.reports(300 * one).await.unwrap();
    // The reader checks the total size only after each page, so it reads 400 reports instead of
    // 300.
    assert_eq!((found.readable.len(), found.omitted), (400, 600));
}
