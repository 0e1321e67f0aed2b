//! Runs the `directives` binary for tests, as a single command, on a terminal, or as an agent in
//! the background.

pub(crate) mod agent;
pub(crate) mod command;
pub(crate) mod forwarding_proxy;
pub(crate) mod golden_file;
#[cfg(unix)]
pub(crate) mod terminal;

pub(crate) use test_support::{eventually, http, in_hours, node, stored};

/// Parses the instant in a field of a document. Tests compare instants instead of texts, because
/// the ingest pipeline and the command write the same instant with different numbers of digits.
pub(crate) fn instant(field: &serde_json::Value) -> jiff::Timestamp {
    field.as_str().unwrap().parse().unwrap()
}
