//! Tests which directives existed at an instant, how they ended, and what makes the result
//! uncertain.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use jiff::SignedDuration;

use super::*;
use crate::history::ledger::{IndexFacts, VisibleDocument};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn day(day: i8) -> Timestamp {
    format!("2026-11-{day:02}T12:00:00Z").parse().unwrap()
}

/// Returns the record of a directive that was created on the first day, with the given time to live
/// in days.
fn created(number: u64, directive: &str, ttl_days: i64) -> Record {
    let expires_at = day(1) + SignedDuration::from_hours(24 * ttl_days);
    serde_json::from_value(json!({
        "@timestamp": day(1), "kind": "created", "directive": directive, "changed": [],
        "document": {
            "targets": [], "level": "Shape", "sample_per_mille": 1000, "revoked": false,
            "starts_at": day(1), "created_at": day(1), "expires_at": expires_at,
        },
        "index_uuid": "I", "history_uuid": "H", "primary_term": 1, "seq_no": number, "version": 1,
        "recorded_at": day(1), "recorded_by": "test",
    }))
    .unwrap()
}

fn facts(max_seq_no: u64) -> IndexFacts {
    IndexFacts {
        uuid: "I".to_owned(),
        created_at: day(1),
        max_seq_no: Some(max_seq_no),
        documents: Vec::new(),
    }
}

#[test]
fn a_directive_beyond_the_longest_time_to_live_is_present_and_a_reason_for_doubt() {
    let records = [created(0, "long", 60), created(1, "short", 20)];
    let at = |instant, max_ttl| {
        let past = past(&records, Some(&facts(1)), instant, day(28), max_ttl);
        assert_eq!(past.set().len(), 2, "{:?}", past.directives);
        let ends = past.directives.iter().map(|one| one.end(|_, _| true));
        let is_long = matches!(
            ends.collect::<Vec<_>>()[..],
            [End::Pending(_), End::Expired(_)]
        );
        assert!(is_long, "{:?}", past.directives);
        past.doubts
    };
    let doubt = Doubt::BeyondMaxTtl {
        directive: "long".to_owned(),
        expires_at: day(1) + SignedDuration::from_hours(24 * 60),
    };
    assert_eq!(at(day(2), 30 * DAY), [doubt]);
    // The reconstruction is certain if the cluster's limit for the time to live was raised, or if
    // the expiry is within the limit.
    assert_eq!(at(day(2), 90 * DAY), []);
    assert_eq!(at(day(2), Duration::MAX), []);
    assert_eq!(at(day(20), 41 * DAY), []);
}

fn with(records: &[Record], max_seq_no: u64, instant: Timestamp) -> Past {
    past(
        records,
        Some(&facts(max_seq_no)),
        instant,
        day(28),
        Duration::MAX,
    )
}

/// Returns the record of a deletion that a recorder noticed on the given day.
fn noticed(directive: &str, (after, until): (u64, u64), noticed_on: i8) -> Record {
    serde_json::from_value(json!({
        "@timestamp": day(noticed_on), "kind": "deleted", "directive": directive,
        "index_uuid": "I", "history_uuid": "H", "seq_no_after": after, "seq_no_until": until,
        "recorded_at": day(noticed_on), "recorded_by": "test",
    }))
    .unwrap()
}

/// Returns the record of a write on the given day.
fn written_on(on: i8, number: u64, directive: &str) -> Record {
    let mut record = created(number, directive, 20);
    (record.timestamp, record.recorded_at) = (day(on), day(on));
    record
}

fn deletions(past: &Past) -> Vec<(Timestamp, Timestamp)> {
    let found = past.doubts.iter().filter_map(|doubt| match doubt {
        Doubt::Deletion { after, until, .. } => Some((*after, *until)),
        _ => None,
    });
    found.collect()
}

#[test]
fn between_the_bounds_of_a_noticed_deletion_nothing_is_certain() {
    let records = [
        created(0, "z", 20),
        written_on(3, 1, "q"),
        noticed("z", (1, 2), 9),
    ];
    let at = |instant| with(&records, 2, instant);
    // The deletion can only have the `_seq_no` 2, so it happened after operation 1, which happened
    // on the third day.
    assert_eq!((at(day(2)).set().len(), at(day(2)).doubts), (1, vec![]));
    for uncertain in [day(3), day(5), day(8)] {
        let past = at(uncertain);
        assert_eq!(past.set().len(), 2);
        assert_eq!(deletions(&past), [(day(3), day(9))], "{uncertain}");
    }
    let past = at(day(9));
    assert_eq!((past.set().len(), past.doubts), (1, vec![]));
}

#[test]
fn a_directive_that_had_expired_before_its_deletion_was_noticed_leaves_no_doubt() {
    let records = [created(0, "z", 2), noticed("z", (0, 1), 9)];
    let past = with(&records, 1, day(5));
    assert_eq!(past.doubts, []);
    let past = with(&records, 1, day(2));
    // The directive was deleted or expired; no record shows which of the two happened first.
    let ends: Vec<End> = past
        .directives
        .iter()
        .map(|one| one.end(|_, _| true))
        .collect();
    assert_eq!(ends, [End::Unrecorded(day(3))]);
}

#[test]
fn the_version_of_a_directive_contains_the_numbers_that_its_deletion_can_have() {
    let records = [
        created(3, "z", 20),
        written_on(3, 4, "q"),
        noticed("z", (3, 6), 9),
    ];
    let next = |instant| {
        let past = with(&records, 6, instant);
        let z = past
            .directives
            .iter()
            .find(|one| one.record.directive == "z");
        z.unwrap().version().unwrap().next.unwrap()
    };
    let operation = |may_have_happened| NextOperation {
        seq_nos: Some((5, 6)),
        may_have_happened,
    };
    assert_eq!(next(day(2)), operation(false));
    assert_eq!(next(day(5)), operation(true));
}

#[test]
fn while_a_deleted_index_is_not_created_again_an_expired_directive_ended_with_its_expiry() {
    let records = [created(0, "short", 2), created(1, "long", 40)];
    let past = past(&records, None, day(2), day(28), Duration::MAX);
    let ends: Vec<End> = past
        .directives
        .iter()
        .map(|one| one.end(|_, _| true))
        .collect();
    assert_eq!(ends, [End::IndexDeleted, End::Expired(day(3))]);
}

#[test]
fn the_end_of_a_directive_that_changed_without_a_record_is_not_known() {
    let records = [created(0, "gone", 40), created(1, "kept", 40)];
    let mut facts = facts(2);
    facts.documents = vec![VisibleDocument {
        directive: "kept".to_owned(),
        term: 1,
        number: 1,
        updated_at: Some(day(1)),
    }];
    let past = past(&records, Some(&facts), day(2), day(28), Duration::MAX);
    let ends: Vec<End> = past
        .directives
        .iter()
        .map(|one| one.end(|_, _| true))
        .collect();
    let kept_until = day(1) + SignedDuration::from_hours(24 * 40);
    assert_eq!(ends, [End::Unrecorded(day(28)), End::Pending(kept_until)]);
}
