//! Tests what the history of the fleet shows about an instance at an instant.

#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::Value;

use super::*;
use crate::http::scripted_transport::{complete_search, json_response, scripted_client};
use crate::http::{Request, Response};

fn at(minute: i64) -> Timestamp {
    let noon: Timestamp = "2030-01-01T12:00:00Z".parse().unwrap();
    noon + SignedDuration::from_mins(minute)
}

fn transition(minute: i64, applied: Option<u64>) -> Transition {
    serde_json::from_value(json!({
        "@timestamp": at(minute), "instance": "proxy-1", "kind": "agent", "started": at(-600),
        "index_uuid": "u", "applied_seq_no": applied, "max_seq_no": applied, "digest": "d",
        "off": false, "rejected": 0, "left": false,
    }))
    .unwrap()
}

const SLOW: PastVersion<'_> = PastVersion {
    index_uuid: "u",
    directive: "slow",
    seq_no: 9,
    next: None,
};

fn past(before: Transition, after: Option<Transition>) -> PastInstance {
    PastInstance {
        before,
        after,
        instant: at(0),
        silent_after: default_silence(),
    }
}

fn state(before: Transition, after: Option<Transition>) -> PastState {
    past(before, after).state(SLOW)
}

/// Returns the last report of the instance to which the records of [`transition`] belong.
fn report(minute: i64, applied: u64) -> InstanceReport {
    serde_json::from_value(json!({
        "instance": "proxy-1", "version": "1", "kind": "agent", "index": "directives",
        "index_uuid": "u", "applied_seq_no": applied, "documents": 3, "max_seq_no": applied,
        "sum_seq_no": 17, "digest": "d", "directives": 3, "revoked": 0, "off": false,
        "rejected": 0, "staleness": "fresh", "started": at(-600), "reported_at": at(minute),
        "heartbeat_seconds": 60.0, "left": false,
    }))
    .unwrap()
}

/// Responds to each search in the history of the fleet with the given records.
fn respond(records: &[Value], request: &Request) -> Response {
    if request.path.starts_with("/_data_stream/") {
        let stream = json!({ "name": "directives-fleet-history" });
        return json_response(200, &json!({ "data_streams": [stream] }));
    }
    if !request.path.contains("-history") {
        return json_response(200, &complete_search(0));
    }
    let buckets = records.iter().enumerate().map(|(number, record)| {
        let hit = json!({ "_id": format!("r{number}"), "_source": record });
        let key = json!({ "instance": record["instance"] });
        json!({ "key": key, "first": { "hits": { "hits": [hit] } } })
    });
    let mut body = complete_search(records.len());
    body["aggregations"] = json!({ "instances": { "buckets": buckets.collect::<Vec<_>>() } });
    json_response(200, &body)
}

#[tokio::test]
async fn a_record_of_an_instance_that_cannot_be_decoded_hides_no_other_instance() {
    let good = serde_json::to_value(transition(-2, Some(9))).unwrap();
    let forged = json!({ "@timestamp": at(-5), "instance": "proxy-2", "kind": "\u{1b}[2J" });
    let records = [forged, good];
    let client = scripted_client(move |request| Ok(respond(&records, request)));
    let api = DirectivesApi::new(client);
    let past = api.fleet_at(at(0)).await.unwrap().unwrap();
    assert_eq!(past.instances.len(), 1);
    assert_eq!(past.instances[0].state(SLOW), PastState::Applied);
    // Both searches, before and after the instant, return the record that cannot be decoded.
    assert_eq!(past.unreadable.len(), 2);
    let unreadable = &past.unreadable[0];
    assert_eq!(unreadable.id, "r0");
    assert!(unreadable.problem.contains("\\u{1b}[2J"), "{unreadable:?}");
}

#[test]
fn only_what_the_records_show_counts_as_applied_and_only_what_they_refute_as_not_yet() {
    let later = |applied| {
        let mut after = transition(30, applied);
        after.from_reported_at = Some(at(1));
        Some(after)
    };
    let nine = || transition(-2, Some(9));
    assert_eq!(state(nine(), None), PastState::Applied);
    assert_eq!(state(nine(), later(Some(12))), PastState::Applied);
    // The last known state does not show what the instance applied afterwards.
    let eight = || transition(-2, Some(8));
    assert_eq!(state(eight(), None), PastState::Unknown);
    // A report after the instant still shows the state from before the instant.
    assert_eq!(state(eight(), later(Some(9))), PastState::NotYet);
    // The state changed between two reports, and nothing shows whether this happened before or
    // after the instant.
    let mut between = transition(30, Some(9));
    between.from_reported_at = Some(at(-1));
    assert_eq!(state(eight(), Some(between)), PastState::Unknown);
    // Neither the state before nor the state after the instant contains the operation, so the
    // instance lacked it at the instant, too.
    assert_eq!(
        state(eight(), Some(transition(30, Some(8)))),
        PastState::NotYet
    );
    assert_eq!(state(transition(-2, None), None), PastState::Unknown);
    let change = |change: fn(&mut Transition)| {
        let mut before = nine();
        change(&mut before);
        state(before, later(Some(12)))
    };
    let off = change(|before| before.off = true);
    assert_eq!(off, PastState::Off);
    let rejected = change(|before| {
        before.rejected = 1;
        before.rejected_ids = vec!["slow".to_owned()];
    });
    assert_eq!(rejected, PastState::Rejected);
    let many = change(|before| before.rejected = 21);
    assert_eq!(many, PastState::Unknown);
    let other = change(|before| before.index_uuid = Some("v".to_owned()));
    assert_eq!(other, PastState::NotYet);
}

/// A report with a later number must not hide the record that shows the number at the instant.
#[test]
fn a_report_replaces_a_record_only_if_it_is_nearer_to_the_instant() {
    let with_report = |before, after, last: InstanceReport| {
        PastInstance::new(before, after, Some(&last), at(0)).state(SLOW)
    };
    let eight = |minute| transition(minute, Some(8));
    // Of two later states, the earlier one still lacks the operation.
    let refuted = with_report(eight(-30), Some(eight(5)), report(20, 9));
    assert_eq!(refuted, PastState::NotYet);
    let shown = with_report(eight(-30), Some(transition(30, Some(9))), report(5, 8));
    assert_eq!(shown, PastState::NotYet);
    // Of two earlier states, the later one contains the operation.
    let nearer = with_report(eight(-30), None, report(-1, 9));
    assert_eq!(nearer, PastState::Applied);
    let farther = with_report(transition(-1, Some(9)), None, report(-30, 8));
    assert_eq!(farther, PastState::Applied);
}

#[test]
fn above_the_low_water_mark_only_the_highest_read_number_shows_whether_an_operation_was_read() {
    let read = |applied, highest| {
        let mut before = transition(-2, applied);
        before.max_seq_no = highest;
        let mut after = before.clone();
        after.timestamp = at(30);
        state(before, Some(after))
    };
    assert_eq!(read(Some(7), Some(9)), PastState::Applied);
    assert_eq!(read(Some(7), Some(8)), PastState::NotYet);
    // The instance may lack operation 9, although it has read operation 10.
    assert_eq!(read(Some(7), Some(10)), PastState::Unknown);
    assert_eq!(read(Some(9), Some(10)), PastState::Applied);
    assert_eq!(read(None, Some(9)), PastState::Applied);
}

#[test]
fn an_instance_that_may_have_read_the_end_of_a_version_does_not_count_as_applying_it() {
    let ended = |seq_nos| {
        let next = NextOperation {
            seq_nos: Some(seq_nos),
            may_have_happened: false,
        };
        let version = PastVersion {
            next: Some(next),
            ..SLOW
        };
        past(transition(-2, Some(11)), None).state(version)
    };
    assert_eq!(ended((12, 14)), PastState::Applied);
    assert_eq!(ended((11, 14)), PastState::Unknown);
    assert_eq!(ended((10, 11)), PastState::NoLonger);
    assert_eq!(ended((11, 11)), PastState::NoLonger);
}

#[test]
fn a_deletion_that_may_have_happened_leaves_it_open_whether_an_instance_still_applied() {
    let may_have_ended = |after| {
        let next = NextOperation {
            seq_nos: Some((10, 11)),
            may_have_happened: true,
        };
        let version = PastVersion {
            next: Some(next),
            ..SLOW
        };
        past(transition(-2, Some(9)), after).state(version)
    };
    assert_eq!(may_have_ended(None), PastState::Unknown);
    let mut after = transition(30, Some(11));
    assert_eq!(may_have_ended(Some(after.clone())), PastState::Unknown);
    // The instance still reported after the instant that it had not read the deletion.
    after.from_reported_at = Some(at(1));
    assert_eq!(may_have_ended(Some(after)), PastState::Applied);
}

#[test]
fn an_instance_that_no_longer_reported_is_not_known() {
    // An instance that is killed writes no last record.
    let nine = |minute| transition(minute, Some(9));
    assert_eq!(state(nine(-10), None), PastState::Unknown);
    assert_eq!(state(transition(-10, Some(8)), None), PastState::Unknown);
    let running = state(nine(-90), Some(transition(30, Some(12))));
    assert_eq!(running, PastState::Applied);
    let mut restarted = transition(30, Some(12));
    restarted.started = at(20);
    assert_eq!(state(nine(-90), Some(restarted)), PastState::Unknown);
    // The last report shows how long the instance ran.
    let reported = |minute, applied| {
        let report = report(minute, applied);
        let past = PastInstance::new(transition(-50, Some(8)), None, Some(&report), at(0));
        past.state(SLOW)
    };
    assert_eq!(reported(5, 9), PastState::Unknown);
    assert_eq!(reported(5, 8), PastState::NotYet);
    assert_eq!(reported(-2, 9), PastState::Applied);
    assert_eq!(reported(-10, 9), PastState::Unknown);
    assert_eq!(reported(-10, 8), PastState::Unknown);
}
