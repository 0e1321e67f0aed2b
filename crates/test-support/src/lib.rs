//! Helpers for the integration tests and benchmarks, such as real OpenSearch nodes, network proxies
//! that inject faults, writers that record their writes, and functions that wait for a condition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]
#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::needless_pass_by_value,
    clippy::format_collect,
    clippy::disallowed_methods,
    reason = "private to the tests"
)]

pub mod cluster;
pub mod eventually;
pub mod hanging_connect;
pub mod http;
pub mod measure;
pub mod node;
pub mod node_launcher;
pub mod proxy;
pub mod secured_node;
pub mod store_observer;
pub mod write_ledger;
pub mod writers;

/// Adds the same fields to a document as the ingest pipeline, for tests that write a document
/// without the pipeline. The function does not change fields that the document already contains.
pub fn stored(mut document: serde_json::Value) -> serde_json::Value {
    let fields = document.as_object_mut().unwrap();
    let targets: Vec<&str> = ["tenant", "index", "principal", "endpoint"]
        .into_iter()
        .filter(|name| fields.contains_key(*name))
        .collect();
    let start = fields.get("created_at").cloned();
    let revoked = fields.contains_key("revoked_at");
    for (name, value) in [
        ("targets", targets.into()),
        ("sample_per_mille", 1000.into()),
        ("starts_at", start.unwrap_or("1970-01-01T00:00:00Z".into())),
        ("revoked", revoked.into()),
    ] {
        fields.entry(name).or_insert(value);
    }
    document
}

/// Returns the instant `hours` hours from now, in RFC 3339 format.
pub fn in_hours(hours: i64) -> String {
    let now = opensearch_directives::Clock::now(&opensearch_directives::SystemClock);
    (now + jiff::SignedDuration::from_hours(hours)).to_string()
}
