//! Tests which kind `classify` returns for the documents before and after an operation.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

use std::time::Duration;

use serde_json::json;

use super::*;

fn limits() -> DecodeLimits {
    DecodeLimits {
        now: "2026-11-27T14:00:00Z".parse().unwrap(),
        max_ttl: Duration::from_secs(30 * 24 * 3600),
    }
}

/// Returns a stored document in which the fields of `changes` are replaced; the value `null`
/// removes a field.
fn document(changes: Value) -> String {
    let mut document = json!({
        "targets": ["tenant"],
        "tenant": "acme",
        "level": "ShapeTiming",
        "sample_per_mille": 100,
        "ring_buffer": false,
        "capture": false,
        "starts_at": "2026-11-27T13:00:00Z",
        "expires_at": "2026-11-27T15:00:00Z",
        "revoked": false,
        "reason": "slow",
        "created_at": "2026-11-27T13:00:00Z",
        "updated_at": "2026-11-27T13:00:00Z",
        "updated_by": "alice",
    });
    for (name, value) in changes.as_object().cloned().unwrap_or_default() {
        if value.is_null() {
            document.as_object_mut().unwrap().remove(&name);
        } else {
            document[name.as_str()] = value;
        }
    }
    document.to_string()
}

fn change(before: Before<'_>, after: &str) -> (RecordKind, Option<Vec<String>>) {
    let change = classify("slow-acme", before, Some(after), &limits());
    (change.kind, change.fields)
}

fn changed(after: Value) -> (RecordKind, Vec<String>) {
    let before = document(json!({}));
    let (kind, fields) = change(Before::Stored(&before), &document(after));
    (kind, fields.unwrap())
}

#[test]
fn each_direction_has_its_kind() {
    use RecordKind::{Extended, Narrowed, Replaced, Widened};
    let cases = [
        (json!({ "targets": [], "tenant": null }), Widened, "tenant"),
        (json!({ "level": "ShapeRewriteDiff" }), Widened, "level"),
        (
            json!({ "sample_per_mille": 101 }),
            Widened,
            "sample_per_mille",
        ),
        (json!({ "capture": true }), Widened, "capture"),
        (json!({ "ring_buffer": true }), Widened, "ring_buffer"),
        (
            json!({ "targets": ["tenant", "index"], "index": "orders" }),
            Narrowed,
            "index",
        ),
        (json!({ "level": "Shape" }), Narrowed, "level"),
        (
            json!({ "sample_per_mille": 99 }),
            Narrowed,
            "sample_per_mille",
        ),
        (
            json!({ "starts_at": "2026-11-27T14:30:00Z" }),
            Narrowed,
            "starts_at",
        ),
        (
            json!({ "expires_at": "2026-11-27T14:30:00Z" }),
            Narrowed,
            "expires_at",
        ),
        (
            json!({ "expires_at": "2026-11-27T16:00:00Z" }),
            Extended,
            "expires_at",
        ),
        (json!({ "tenant": "globex" }), Replaced, "tenant"),
        (json!({ "reason": "still slow" }), Replaced, "reason"),
        (json!({ "ticket": "INC-1" }), Replaced, "ticket"),
    ];
    for (after, kind, field) in cases {
        assert_eq!(
            changed(after.clone()),
            (kind, vec![field.to_owned()]),
            "{after}"
        );
    }
}

#[test]
fn the_effect_that_matters_most_decides() {
    let cases = [
        // A directive that now captures all tenants counts as widened, even if it ends earlier.
        (
            json!({ "targets": [], "tenant": null, "expires_at": "2026-11-27T14:10:00Z" }),
            RecordKind::Widened,
        ),
        (
            json!({ "tenant": "globex", "capture": true }),
            RecordKind::Widened,
        ),
        (
            json!({ "tenant": "globex", "expires_at": "2026-11-27T16:00:00Z" }),
            RecordKind::Replaced,
        ),
        (
            json!({ "level": "Shape", "expires_at": "2026-11-27T16:00:00Z" }),
            RecordKind::Extended,
        ),
    ];
    for (after, kind) in cases {
        assert_eq!(changed(after.clone()).0, kind, "{after}");
    }
}

#[test]
fn a_start_in_the_past_is_not_earlier_than_another_one() {
    // A `starts_at` later than `created_at` shows that the writer has set the start, and not the
    // pipeline by default.
    let early = json!({ "created_at": "2026-11-27T11:00:00Z" });
    let before = document(early.clone());
    let mut after = early;
    after["starts_at"] = "2026-11-27T12:00:00Z".into();
    let (kind, fields) = change(Before::Stored(&before), &document(after));
    assert_eq!(kind, RecordKind::Replaced);
    assert_eq!(fields.unwrap(), ["starts_at"]);
    let before = document(json!({ "starts_at": "2026-11-27T14:30:00Z" }));
    let (kind, _) = change(Before::Stored(&before), &document(json!({})));
    assert_eq!(kind, RecordKind::Widened, "it applies earlier");
}

#[test]
fn a_directive_is_created_revoked_reactivated_and_deleted() {
    let plain = document(json!({}));
    let revoked = document(json!({
        "revoked": true, "revoked_at": "2026-11-27T13:50:00Z", "revoked_by": "bob",
    }));
    assert_eq!(
        change(Before::Absent, &plain),
        (RecordKind::Created, Some(vec![]))
    );
    assert_eq!(
        change(Before::Stored(&plain), &revoked),
        (
            RecordKind::Revoked,
            Some(
                ["revoked", "revoked_at", "revoked_by"]
                    .map(str::to_owned)
                    .to_vec()
            )
        )
    );
    assert_eq!(
        change(Before::Stored(&revoked), &plain).0,
        RecordKind::Reactivated
    );
    assert_eq!(change(Before::Absent, &revoked).0, RecordKind::Revoked);
    let deleted = classify("slow-acme", Before::Stored(&plain), None, &limits());
    assert_eq!(deleted.kind, RecordKind::Deleted);
}

#[test]
fn a_directive_that_had_expired_is_reactivated() {
    let expired = document(json!({ "expires_at": "2026-11-27T13:30:00Z" }));
    let (kind, fields) = change(Before::Stored(&expired), &document(json!({})));
    assert_eq!(kind, RecordKind::Reactivated);
    assert_eq!(fields.unwrap(), ["expires_at"]);
}

#[test]
fn what_proxies_reject_is_rejected_with_the_reason() {
    let before = document(json!({}));
    let masked = document(json!({ "tenant": 42 }));
    let change = classify(
        "slow-acme",
        Before::Stored(&before),
        Some(&masked),
        &limits(),
    );
    assert_eq!(change.kind, RecordKind::Rejected);
    assert_eq!(change.fields.unwrap(), ["tenant"]);
    let reason = change.rejection.unwrap().to_string();
    assert!(reason.contains("tenant"), "{reason}");
    // An operation that corrects a malformed document does not have the kind `Widened`, because the
    // targets of the malformed document are not known.
    let (kind, _) = super::tests::change(Before::Stored(&masked), &before);
    assert_eq!(kind, RecordKind::Replaced);
}

#[test]
fn a_malformed_document_that_is_revoked_is_not_rejected() {
    let before = document(json!({ "tenant": 42 }));
    let after = document(json!({ "tenant": 42, "revoked": true }));
    assert_eq!(
        change(Before::Stored(&before), &after).0,
        RecordKind::Revoked
    );
    let (kind, _) = change(Before::Stored(&after), &document(json!({})));
    assert_eq!(kind, RecordKind::Reactivated);
}

#[test]
fn without_the_document_before_nothing_is_said_about_the_change() {
    let plain = document(json!({}));
    assert_eq!(
        change(Before::Unknown, &plain),
        (RecordKind::Replaced, None)
    );
    let revoked = document(json!({ "revoked": true }));
    assert_eq!(change(Before::Unknown, &revoked).0, RecordKind::Revoked);
}

#[test]
fn an_absent_field_that_means_false_has_not_changed_if_it_was_false() {
    let with = document(json!({}));
    let without = document(json!({ "capture": null, "ring_buffer": null }));
    for (before, after) in [(&with, &without), (&without, &with)] {
        let (_, fields) = change(Before::Stored(before), after);
        assert_eq!(fields, Some(Vec::new()));
    }
    let captures = document(json!({ "capture": true }));
    for (before, after) in [(&captures, &without), (&without, &captures)] {
        let (_, fields) = change(Before::Stored(before), after);
        assert_eq!(fields, Some(vec!["capture".to_owned()]));
    }
}

#[test]
fn the_fields_of_every_write_are_not_changes() {
    let (kind, fields) = changed(json!({
        "updated_at": "2026-11-27T14:00:00Z", "updated_by": "bob", "authenticated_as": "bob",
    }));
    assert_eq!((kind, fields), (RecordKind::Replaced, Vec::new()));
    // A change of `created_at` is reported, because no normal write changes it.
    let (_, fields) = changed(json!({ "created_at": "2026-11-27T12:59:59Z" }));
    assert_eq!(fields, ["created_at"]);
}

#[test]
fn the_names_of_the_kinds_are_their_stored_form() {
    for kind in RecordKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let error = "Created".parse::<RecordKind>().unwrap_err().to_string();
    assert!(error.contains("reactivated"), "{error}");
}
