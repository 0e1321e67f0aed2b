//! Tests which events of the audit log match a record, and when the names in the record and in the
//! event contradict each other.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;

fn record(changes: &Value) -> Record {
    let mut record = json!({
        "@timestamp": "2026-11-27T14:03:00Z", "kind": "replaced", "directive": "slow-acme",
        "index_uuid": "I", "history_uuid": "H", "primary_term": 1, "seq_no": 7, "version": 3,
        "by": "alice", "recorded_at": "2026-11-27T14:03:01Z", "recorded_by": "test",
    });
    for (name, value) in changes.as_object().unwrap() {
        record[name] = value.clone();
    }
    serde_json::from_value(record).unwrap()
}

fn log(events: &[(&str, u64, bool, &str)]) -> AuditLog {
    let event = |(at, version, is_deletion, user): &(&str, u64, bool, &str)| Event {
        at: at.parse().unwrap(),
        version: *version,
        is_deletion: *is_deletion,
        user: (*user).to_owned(),
    };
    let events = events.iter().map(event).collect();
    AuditLog {
        events: HashMap::from([("slow-acme".to_owned(), events)]),
    }
}

const AT: &str = "2026-11-27T14:03:00.5Z";

#[test]
fn an_event_matches_by_document_version_and_time() {
    let log = log(&[(AT, 3, false, "mallory")]);
    assert_eq!(log.user_of(&record(&json!({}))), Some("mallory"));
    for other in [
        json!({ "directive": "other" }),
        json!({ "version": 4 }),
        json!({ "version": null }),
        json!({ "kind": "deleted" }),
        // Two records of another directive with the same id, which was created at a later or an
        // earlier time.
        json!({ "@timestamp": "2026-11-27T14:09:00Z", "recorded_at": "2026-11-27T14:09:00Z" }),
        json!({ "@timestamp": "2026-11-27T13:00:00Z", "recorded_at": "2026-11-27T13:00:01Z" }),
    ] {
        assert_eq!(log.user_of(&record(&other)), None, "{other}");
    }
    // A writer that bypasses the pipeline can choose an earlier time of the operation, but cannot
    // make `recorded_at` earlier.
    let earlier = record(&json!({ "@timestamp": "2026-11-27T12:00:00Z" }));
    assert_eq!(log.user_of(&earlier), Some("mallory"));
}

#[test]
fn events_with_different_users_name_nobody() {
    let same = log(&[(AT, 3, false, "bob"), (AT, 3, false, "bob")]);
    assert_eq!(same.user_of(&record(&json!({}))), Some("bob"));
    let different = log(&[(AT, 3, false, "bob"), (AT, 3, false, "eve")]);
    assert_eq!(different.user_of(&record(&json!({}))), None);
}

#[test]
fn a_deletion_without_a_version_matches_the_only_deletion_before_its_record() {
    let events = [(AT, 3, false, "bob"), (AT, 4, true, "eve")];
    let noticed = record(&json!({ "kind": "deleted", "version": null, "by": null }));
    assert_eq!(log(&events).user_of(&noticed), Some("eve"));
    assert_eq!(noticed.contradictions(Some("eve")), Vec::<String>::new());
}

#[test]
fn a_contradiction_needs_two_names() {
    let none: &[&str] = &[];
    let claim = "the writer claims to be alice, and the cluster authenticated mallory";
    let stated =
        "the record states that the cluster authenticated alice, and the audit log names mallory";
    for (changes, witness, found) in [
        (json!({}), None, none),
        (json!({}), Some("alice"), none),
        (json!({}), Some("mallory"), &[claim]),
        (json!({ "authenticated_by": "mallory" }), None, &[claim]),
        (json!({ "authenticated_by": "alice" }), None, none),
        (
            json!({ "authenticated_by": "alice" }),
            Some("mallory"),
            &[claim, stated],
        ),
        (json!({ "by": "unknown" }), Some("mallory"), none),
        (json!({ "by": null }), Some("mallory"), none),
    ] {
        assert_eq!(
            record(&changes).contradictions(witness),
            found,
            "{changes} {witness:?}"
        );
    }
}
