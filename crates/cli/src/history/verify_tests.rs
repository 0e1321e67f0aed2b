//! Tests the report of `history verify` and its last sentence with records that recorders, writers
//! and forgers can append.

#![allow(clippy::unwrap_used, reason = "tests")]

use opensearch_directives::fuzzing::history_records;
use serde_json::{Value, json};

use super::*;

/// Returns the record of an operation with the given number on the index `I`.
fn record(number: u64, directive: &str, changes: &Value) -> Value {
    let mut record = json!({
        "@timestamp": "2026-11-27T14:03:00Z", "kind": "created", "directive": directive,
        "document": { "level": "Shape" }, "changed": [], "version": 1, "index_uuid": "I",
        "history_uuid": "H", "primary_term": 1, "seq_no": number,
        "recorded_at": "2026-11-27T14:03:01Z", "recorded_by": "test",
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            record.as_object_mut().unwrap().remove(name);
        } else {
            record[name.as_str()] = value.clone();
        }
    }
    record
}

/// Returns the record of a directive that no longer exists in the index.
fn former(number: u64, directive: &str) -> Value {
    record(number, directive, &json!({ "document": null }))
}

/// Returns the record of a deletion that a recorder noticed without learning its `_seq_no`.
fn noticed(directive: &str, after: u64, until: u64) -> Value {
    let deletion = json!({
        "kind": "deleted", "document": null, "version": null, "primary_term": null, "seq_no": null,
        "seq_no_after": after, "seq_no_until": until, "@timestamp": "2026-11-27T14:09:00Z",
    });
    record(0, directive, &deletion)
}

/// Returns the report on an index whose last `_seq_no` is that of the last record.
fn report_of(records: &[Value]) -> String {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let mut found = history_records(&lines.join("\n")).verification;
    found.indices.retain(|ledger| ledger.is_current);
    report(&found, &Authors::of(&[])).join("\n")
}

#[test]
fn the_sentence_counts_the_deletions_whose_numbers_are_not_known() {
    let records = [
        former(0, "a"),
        noticed("a", 0, 2),
        record(2, "b", &json!({})),
    ];
    let report = report_of(&records);
    for text in [
        "3 operations are recorded; numbers 0 to 2 were assigned",
        "1 of them is a deletion that is recorded without its number",
        "is recorded (3 operations)",
    ] {
        assert!(report.contains(text), "{text}: {report}");
    }
    let records = [
        former(0, "a"),
        former(1, "c"),
        noticed("a", 1, 4),
        noticed("c", 1, 4),
        record(4, "b", &json!({})),
    ];
    let report = report_of(&records);
    for text in [
        "2 of them are deletions that are recorded without their numbers",
        "is recorded (5 operations)",
    ] {
        assert!(report.contains(text), "{text}: {report}");
    }
}

#[test]
fn the_numbers_of_the_sentence_add_up_if_a_deletion_may_have_a_number_of_a_gap() {
    let records = [
        former(0, "a"),
        noticed("a", 0, 3),
        record(3, "b", &json!({})),
    ];
    let report = report_of(&records);
    for text in [
        "2 operations are recorded; numbers 0 to 3 were assigned",
        "1 further deletion is recorded without its number",
        "2 operations are recorded, and 2 assigned numbers have no record (one can belong to a \
         deletion that is recorded without its number)",
    ] {
        assert!(report.contains(text), "{text}: {report}");
    }
}

#[test]
fn a_junk_record_does_not_make_the_sentence_worthless() {
    let junk = json!({ "kind": "junk" });
    let report = report_of(&[junk.clone(), record(0, "a", &json!({}))]);
    let sentence = report.lines().last().unwrap();
    for text in [
        "every operation on directives",
        "is recorded (1 operation)",
        "is append-only, and no record was changed",
        "1 record cannot be read, because it is forged or appended by a later version",
    ] {
        assert!(sentence.contains(text), "{text}: {sentence}");
    }
    // A record that cannot be decoded does not hide a gap.
    let report = report_of(&[junk.clone(), junk, record(1, "a", &json!({}))]);
    let sentence = report.lines().last().unwrap();
    for text in [
        "1 assigned number has no record",
        "2 records cannot be read",
    ] {
        assert!(sentence.contains(text), "{text}: {sentence}");
    }
}

#[test]
fn a_forged_record_makes_only_the_number_that_it_claims_uncertain() {
    let report = report_of(&[
        former(0, "b"),
        record(0, "a", &json!({})),
        record(1, "c", &json!({})),
    ]);
    let sentence = report.lines().last().unwrap();
    for text in [
        "is recorded (2 operations)",
        "records disagree about 1 number, so they do not prove what happened with it",
    ] {
        assert!(sentence.contains(text), "{text}: {sentence}");
    }
}
