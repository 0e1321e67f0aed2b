//! What decoding, encoding and importing promise, one module for each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::type_complexity,
    reason = "tests"
)]

mod any;
mod anything;
mod decode;
mod draft;
mod encode;
mod import;
mod osproxy;
mod types;

use std::time::Duration;

use jiff::Timestamp;

use super::{DecodeLimits, Document, Rejection};
use crate::{DiagLevel, DiagnosticsDirective};

const HOUR: Duration = Duration::from_hours(1);

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

/// What `{"level":"Shape","expires_at":"2030-01-01T12:15:00Z"}` means, under the id "d".
fn plain() -> Document {
    Document::new(DiagnosticsDirective::new(
        "d",
        DiagLevel::Shape,
        at("2030-01-01T12:15:00Z"),
    ))
}

/// The plain document with these fields put before it.
fn plain_json(fields: &str) -> String {
    format!(r#"{{{fields}"level":"Shape","expires_at":"2030-01-01T12:15:00Z"}}"#)
}

fn decode(source: &str) -> Result<Document, Rejection> {
    super::decode("d", source, &limits()).map(|document| document.to_document())
}
