//! Fuzz targets, each of which passes arbitrary bytes to a parser of untrusted data, and panics if
//! the parser breaks one of its guarantees.
//!
//! `fuzz/` runs the fuzz targets with libFuzzer. `tests/corpus.rs` runs the fuzz targets with the
//! inputs of the stored corpus and with mutations of these inputs.

#![forbid(unsafe_code)]
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a target fails by panicking"
)]

mod agent_request;
mod command_line;
mod document;
mod draft;
mod history;
mod relayed_reports;
mod responses;
mod signature;
mod snapshot;

use std::time::Duration;

use jiff::Timestamp;
use opensearch_directives::document::DecodeLimits;

/// A function that passes the given bytes to a parser, and panics if the parser breaks one of its
/// guarantees.
pub type Target = fn(&[u8]);

/// All fuzz targets, each with the name of its folder in the corpus.
pub const TARGETS: [(&str, Target); 14] = [
    ("agent_request", agent_request::run),
    ("command_line", command_line::run),
    ("document", document::run),
    ("draft", draft::run),
    ("draft_file", draft::run_file),
    ("fleet_reports", history::run_reports),
    ("history_records", history::run_records),
    ("last_good_file", snapshot::run_last_good_file),
    ("relayed_reports", relayed_reports::run),
    ("search_response", responses::run_search),
    ("signature", signature::run),
    ("snapshot", snapshot::run),
    ("statistics_response", responses::run_statistics),
    ("yaml_file", draft::run_yaml_file),
];

/// Returns decode limits that permit every expiry, so that the fuzz targets do not depend on a
/// clock.
fn limits() -> DecodeLimits {
    DecodeLimits {
        now: Timestamp::UNIX_EPOCH,
        max_ttl: Duration::MAX,
    }
}

/// Checks that an error message is shorter than `limit` bytes. Also checks that the error message
/// contains no character that controls a terminal or begins a new line in a log.
fn check_message(text: &str, limit: usize) {
    let invisible = opensearch_directives::internal::is_invisible;
    assert!(!text.contains(invisible), "{text:?}");
    assert!(text.len() < limit, "{} bytes: {text:?}", text.len());
}
