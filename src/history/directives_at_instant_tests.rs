//! Tests that a directive that exceeds the longest time to live is still listed, and causes a
//! doubt.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::history::ledger::IndexFacts;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn day(day: u8) -> Timestamp {
    format!("2026-11-{day:02}T12:00:00Z").parse().unwrap()
}

/// Returns the record of a directive that was created on the first day. The directive has the given
/// time to live, in days.
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
    // There is no doubt if the limit of the cluster was raised, or if the expiry is within the
    // limit.
    assert_eq!(at(day(2), 90 * DAY), []);
    assert_eq!(at(day(2), Duration::MAX), []);
    assert_eq!(at(day(20), 41 * DAY), []);
}
