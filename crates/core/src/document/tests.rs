//! The promises of the codec: one module for decoding, encoding, drafts, imports and types.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::type_complexity,
    reason = "tests"
)]

mod decode;
mod draft;
mod draft_file;
mod encode;
mod generators;
mod hidden_or_masked_fields;
mod never_widens;
mod osproxy;
mod types;

use std::time::Duration;

use jiff::Timestamp;

use super::targets_check::TARGET_FIELDS;
use super::{DecodeLimits, Document, Rejection};
use crate::{DiagLevel, DiagnosticsDirective};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// Noon, and an hour at most.
fn limits() -> DecodeLimits {
    DecodeLimits {
        now: at("2030-01-01T12:00:00Z"),
        max_ttl: HOUR,
    }
}

/// The document of [`stored_json`] without further fields, under the id "d".
fn plain() -> Document {
    Document::new(DiagnosticsDirective::new(
        "d",
        DiagLevel::Shape,
        at("2030-01-01T12:15:00Z"),
    ))
}

/// The explicit fields of a plain stored document.
const STORED: [(&str, &str); 6] = [
    ("targets", "[]"),
    ("level", "\"Shape\""),
    ("sample_per_mille", "1000"),
    ("starts_at", "\"1970-01-01T00:00:00Z\""),
    ("expires_at", "\"2030-01-01T12:15:00Z\""),
    ("revoked", "false"),
];

/// A plain stored document with these fields before the others. A field that is given replaces
/// the plain one, and `targets` names the targets that are given.
fn stored_json(fields: &str) -> String {
    let given = |name: &str| fields.contains(&format!("\"{name}\":"));
    let targets: Vec<String> = TARGET_FIELDS
        .iter()
        .filter(|name| given(name))
        .map(|name| format!("\"{name}\""))
        .collect();
    let targets = format!("[{}]", targets.join(","));
    let rest: Vec<String> = STORED
        .iter()
        .filter(|(name, _)| !given(name))
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
