//! Tests that the decoder, the encoder, drafts and import files do what their documentation
//! promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::type_complexity,
    reason = "tests"
)]

mod decode_rejections;
mod decode_times;
mod draft;
mod draft_file;
mod encode;
mod generators;
mod hidden_or_masked_fields;
mod never_widens;
mod osproxy;
mod signatures;
mod types;

use std::time::Duration;

use jiff::Timestamp;

use super::hidden_targets_check::TARGET_FIELDS;
use super::{DecodeLimits, Document, Rejection};
use crate::{DiagLevel, DiagnosticsDirective};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// Returns limits with noon as the current instant and one hour as the longest time to live.
fn limits() -> DecodeLimits {
    DecodeLimits {
        now: at("2030-01-01T12:00:00Z"),
        max_ttl: HOUR,
    }
}

/// Returns the document with the id "d" that the decoder creates from [`stored_json`] without
/// additional fields.
fn plain() -> Document {
    Document::new(DiagnosticsDirective::new(
        "d",
        DiagLevel::Shape,
        at("2030-01-01T12:15:00Z"),
    ))
}

/// The required fields of a stored document, with the values that the tests use by default.
const STORED: [(&str, &str); 6] = [
    ("targets", "[]"),
    ("level", "\"Shape\""),
    ("sample_per_mille", "1000"),
    ("starts_at", "\"1970-01-01T00:00:00Z\""),
    ("expires_at", "\"2030-01-01T12:15:00Z\""),
    ("revoked", "false"),
];

/// Returns the JSON of a stored document with the given fields, and with the fields of [`STORED`]
/// that are not given. The list `targets` in the JSON names the given target fields.
fn stored_json(fields: &str) -> String {
    let is_set = |name: &str| fields.contains(&format!("\"{name}\":"));
    let targets: Vec<String> = TARGET_FIELDS
        .iter()
        .filter(|name| is_set(name))
        .map(|name| format!("\"{name}\""))
        .collect();
    let targets = format!("[{}]", targets.join(","));
    let rest: Vec<String> = STORED
        .iter()
        .filter(|(name, _)| !is_set(name))
        .map(|&(name, value)| match name {
            "targets" => format!("\"targets\":{targets}"),
            _ => format!("\"{name}\":{value}"),
        })
        .collect();
    format!("{{{fields}{}}}", rest.join(","))
}

fn decode(source: &str) -> Result<Document, Rejection> {
    super::decode("d", source, &limits()).map(|document| document.to_document())
}
