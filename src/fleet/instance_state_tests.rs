//! Tests the state of an instance for each relation between its report and the index.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

const NOON: &str = "2030-01-01T12:00:00Z";

/// Returns the report of an instance that has read the documents with the `_seq_no`s 3, 5 and 9,
/// and applies every operation up to 9.
fn report() -> InstanceReport {
    serde_json::from_value(json!({
        "instance": "proxy-1", "version": "1", "kind": "library", "index": "directives",
        "index_uuid": "u", "applied_seq_no": 9, "documents": 3, "max_seq_no": 9, "sum_seq_no": 17,
        "digest": "d", "directives": 3, "revoked": 0, "off": false, "rejected": 0,
        "staleness": "fresh", "started": NOON, "reported_at": NOON, "heartbeat_seconds": 60.0,
        "left": false, "a_field_of_a_later_version": 1,
    }))
    .unwrap()
}

fn position(assigned: Option<u64>, numbers: &[u64]) -> IndexPosition {
    IndexPosition {
        index_uuid: "u".to_owned(),
        assigned_seq_no: assigned,
        max_seq_no: numbers.iter().max().copied(),
        documents: numbers.len() as u64,
        sum_seq_no: Some(numbers.iter().sum()),
    }
}

fn fleet(position: IndexPosition) -> Fleet {
    Fleet {
        reports: Vec::new(),
        unreadable: Vec::new(),
        omitted: 0,
        position,
        now: NOON.parse::<Timestamp>().unwrap(),
    }
}

fn state_after(seconds: i64, report: &InstanceReport, position: IndexPosition) -> InstanceState {
    let mut fleet = fleet(position);
    fleet.now += SignedDuration::from_secs(seconds);
    fleet.state(report)
}

fn state(report: &InstanceReport, position: IndexPosition) -> InstanceState {
    state_after(0, report, position)
}

const BEHIND: fn(u64) -> InstanceState = |operations| InstanceState::Behind {
    operations: Some(operations),
};

#[test]
fn an_instance_is_synced_only_if_it_applies_every_operation() {
    let report = report();
    assert_eq!(
        state(&report, position(Some(9), &[3, 5, 9])),
        InstanceState::Synced
    );
    assert_eq!(state(&report, position(Some(11), &[3, 5, 11])), BEHIND(2));
    // The `_seq_no` 10 belongs to a deletion, so no document has it.
    assert_eq!(state(&report, position(Some(10), &[3, 9])), BEHIND(1));
    // The instance may not apply the operation 10, which is not visible yet, although the instance
    // has read the same documents as the index contains.
    assert_eq!(state(&report, position(Some(10), &[3, 5, 9])), BEHIND(1));
    let mut other = report.clone();
    other.index_uuid = Some("another".to_owned());
    let unknown = InstanceState::Behind { operations: None };
    assert_eq!(state(&other, position(Some(9), &[3, 5, 9])), unknown);
    let mut rejecting = report.clone();
    rejecting.rejected = 2;
    assert_eq!(
        state(&rejecting, position(Some(9), &[3, 5, 9])),
        InstanceState::Rejecting
    );
    assert_eq!(
        state(&rejecting, position(Some(11), &[3, 5, 11])),
        BEHIND(2)
    );
}

#[test]
fn the_applied_operation_and_the_operations_behind_add_up_to_the_state_of_the_index() {
    let mut report = report();
    report.applied_seq_no = Some(4);
    // The instance has read the document with the `_seq_no` 9, but perhaps not all operations from
    // 5 to 8.
    let behind = position(Some(11), &[3, 5, 11]);
    assert_eq!(state(&report, behind.clone()), BEHIND(7));
    assert_eq!(fleet(behind).applied_seq_no(&report), Some(4));
    // The instance has read the same documents as the index contains, which proves that it applies
    // operation 9, although it reports only operation 4.
    let synced = position(Some(9), &[3, 5, 9]);
    assert_eq!(state(&report, synced.clone()), InstanceState::Synced);
    assert_eq!(fleet(synced).applied_seq_no(&report), Some(9));
}

#[test]
fn the_documents_decide_if_the_assigned_number_is_not_known() {
    let mut report = report();
    report.applied_seq_no = None;
    assert_eq!(
        state(&report, position(Some(9), &[3, 5, 9])),
        InstanceState::Synced
    );
    assert_eq!(
        state(&report, position(None, &[3, 5, 9])),
        InstanceState::Synced
    );
    let same_maximum = InstanceState::Behind { operations: None };
    assert_eq!(
        state(&report, position(None, &[3, 9])),
        same_maximum,
        "a deletion"
    );
    assert_eq!(state(&report, position(None, &[3, 5, 12])), BEHIND(3));
}

#[test]
fn an_instance_without_reports_is_silent_after_three_heartbeats() {
    let report = report();
    let synced = || position(Some(9), &[3, 5, 9]);
    assert_eq!(state_after(185, &report, synced()), InstanceState::Synced);
    let since = Duration::from_secs(186);
    assert_eq!(
        state_after(186, &report, synced()),
        InstanceState::Silent { since }
    );
    let day = 86_400;
    for heartbeat in [-1.0, 1e300] {
        let mut odd = report.clone();
        odd.heartbeat_seconds = heartbeat;
        let state = state_after(4 * day, &odd, synced());
        assert_eq!(state.as_str(), "silent", "a heartbeat of {heartbeat} s");
    }
    let mut left = report.clone();
    left.left = true;
    assert_eq!(state_after(86_400, &left, synced()), InstanceState::Left);
    assert!(!InstanceState::Left.is_live() && !InstanceState::Silent { since }.is_live());
}
