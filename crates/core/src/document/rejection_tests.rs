//! Tests that the message of a rejection contains no control characters and no invisible characters
//! from the document.

#![allow(clippy::unwrap_used, reason = "tests")]
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::document::{DecodeLimits, decode};

fn rejection(id: &str, source: &str) -> Rejection {
    let limits = DecodeLimits {
        now: Timestamp::UNIX_EPOCH,
        max_ttl: Duration::MAX,
    };
    decode(id, source, &limits).unwrap_err()
}

#[test]
fn a_rejection_contains_no_control_characters() {
    for source in [
        r#"{"\u001b[2J\u000alevel":1}"#,
        "{\"level\":\"a\u{202e}b\u{9b}2J\"}",
        "{\"level\":\"Shape\",\"tenant\":[\n1,\r\n2]}",
        "[\n\u{7f}\u{feff}",
    ] {
        let message = rejection("d", source).to_string();
        assert!(!message.contains(char::is_control), "{message:?}");
        assert!(!message.contains(['\u{202e}', '\u{feff}']), "{message:?}");
    }
}
