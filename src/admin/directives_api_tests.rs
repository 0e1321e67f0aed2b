//! Tests which stored documents count as revoked.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use opensearch_directives_core::document::is_revoked;

/// Returns a stored document with the given fields in addition to the required ones.
fn document(fields: &Value) -> Value {
    let mut document = json!({
        "targets": [], "level": "Shape", "sample_per_mille": 1000,
        "starts_at": "2030-01-01T12:00:00Z", "expires_at": "2030-01-01T12:20:00Z",
    });
    let fields = fields.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(fields);
    document
}

fn stored(source: &Value) -> Stored {
    let source = serde_json::value::to_raw_value(source).unwrap();
    let limits = DecodeLimits {
        now: "2030-01-01T12:00:00Z".parse().unwrap(),
        max_ttl: Duration::from_secs(3600),
    };
    Stored::new("d", &source, None, &limits)
}

#[test]
fn revoke_and_a_reader_agree_on_which_documents_are_revoked() {
    let at = "2030-01-01T12:05:00Z";
    for (fields, expected) in [
        (json!({}), false),
        (json!({ "revoked": false }), false),
        (json!({ "revoked": true }), true),
        (json!({ "revoked_at": at }), true),
        (json!({ "revoked": false, "revoked_at": at }), true),
        (json!({ "revoked": "no", "revoked_at": at }), true),
        (json!({ "revoked": "no" }), false),
        (json!({ "revoked": null, "revoked_at": null }), false),
        (json!({ "revoked_at": "yesterday" }), false),
    ] {
        let document = document(&fields);
        assert_eq!(is_revoked(&document.to_string()), expected, "{document}");
        assert_eq!(stored(&document).is_revoked(), expected, "{document}");
    }
}
