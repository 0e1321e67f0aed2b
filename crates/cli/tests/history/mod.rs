//! Tests the history of an index on a real node. The tests check which records the command and the
//! recorders write, and what `directives history` reports from the records.

mod audit_log;
mod eight_writers;
mod installation;
mod played_month;
mod reading;
mod record_service;
mod recorded_index;
mod recorded_verbs;
mod recorders;
mod verified;

use serde_json::{Value, json};

use crate::support::command::run;
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::unique_index;

/// Creates an index with a history on the node at `url`, and returns the name of the index.
pub(super) fn with_history(url: &str, prefix: &str) -> String {
    let index = unique_index(prefix);
    run(url, &index, &["init", "--history"]).ok();
    index
}

/// Returns all records of the history with their ids, in the order of `_seq_no`, and records
/// without a `_seq_no` last.
pub(super) async fn records(url: &str, index: &str) -> Vec<(String, Value)> {
    let refresh = format!("{url}/{index}-history/_refresh");
    http::send("POST", &refresh, None).await;
    let search = json!({
        "size": 10_000,
        "sort": [{ "primary_term": "asc" }, { "seq_no": "asc" }],
    });
    let path = format!("{url}/{index}-history/_search");
    let (status, found) = http::send("POST", &path, Some(&search)).await;
    assert_eq!(status, 200, "{found:#}");
    let hits = found["hits"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| {
            let id = hit["_id"].as_str().unwrap().to_owned();
            (id, hit["_source"].clone())
        })
        .collect()
}

/// Makes the history refuse new records if `blocked` is true, and accept new records if `blocked`
/// is false.
pub(super) async fn block(url: &str, index: &str, blocked: bool) {
    let settings = json!({ "index.blocks.write": blocked });
    let path = format!("{url}/{index}-history/_settings");
    let (status, response) = http::put(&path, &settings).await;
    assert_eq!(status, 200, "{response:#}");
}

/// Writes a directive with a direct request to the index, without the command.
pub(super) async fn put(url: &str, index: &str, id: &str, level: &str) {
    let document =
        json!({ "level": level, "tenant": "acme", "ttl_secs": 600, "updated_by": "eve" });
    let at = format!("{url}/{index}/_doc/{id}?refresh=true");
    let (status, response) = http::put(&at, &document).await;
    assert!(matches!(status, 200 | 201), "{response:#}");
}

/// Waits until the history contains the given number of records, and returns the records.
pub(super) async fn recorded(url: &str, index: &str, count: usize) -> Vec<(String, Value)> {
    let what = format!("{count} records");
    eventually(
        &what,
        async || records(url, index).await,
        |all| all.len() == count,
    )
    .await
}

/// Returns the `_seq_no` of each record, or `None` for a record without a `_seq_no`.
pub(super) fn numbers(records: &[(String, Value)]) -> Vec<Option<u64>> {
    let records = records.iter();
    records
        .map(|(_, record)| record["seq_no"].as_u64())
        .collect()
}
