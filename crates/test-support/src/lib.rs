//! What the integration tests and the benchmarks share: real OpenSearch nodes, network
//! proxies that break connections, writers with a ledger, and waiting on conditions.

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
    reason = "private to the tests"
)]

pub mod black_hole;
pub mod cluster;
pub mod eventually;
pub mod http;
pub mod launch;
pub mod ledger;
pub mod measure;
pub mod node;
pub mod proxy;
pub mod secured;
pub mod witness;
pub mod writers;

/// An instant so many hours from now, RFC 3339.
pub fn in_hours(hours: i64) -> String {
    let now = opensearch_directives::Clock::now(&opensearch_directives::SystemClock);
    (now + jiff::SignedDuration::from_hours(hours)).to_string()
}
