//! Tests that an agent writes the reports of its clients and their transitions. The tests use
//! virtual time and a scripted index of the fleet.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::fleet::reporter::tests::{Fleet, Index, SECOND, store_with_reporter};

/// Returns the reports of clients whose clocks are an hour ahead. The clients have read the
/// documents of the scripted source after the first `max_seq_no` changes of this source.
fn reports(names: &[&str], max_seq_no: u64) -> Value {
    let now = SystemClock.now() + SignedDuration::from_hours(1);
    let report = |name: &&str| {
        json!({
            "instance": name, "version": "1", "kind": "library", "index": "directives",
            "index_uuid": "uuid", "documents": 0, "max_seq_no": max_seq_no, "sum_seq_no": 0,
            "digest": "d", "directives": 1, "revoked": 0, "off": false, "rejected": 0,
            "staleness": "fresh", "started": now, "reported_at": now, "heartbeat_seconds": 60.0,
            "left": false,
        })
    };
    json!({ "now": now, "reports": names.iter().map(report).collect::<Vec<_>>() })
}

fn accept(relay: &Relay, body: &Value) -> Result<usize, RelayError> {
    relay.accept(body.to_string().as_bytes())
}

#[tokio::test(start_paused = true)]
async fn an_agent_writes_the_reports_of_its_clients_with_its_own_and_records_transitions() {
    let fleet = Fleet::new(Index::Accepts);
    *fleet.history.lock().unwrap() = Some(Vec::new());
    let (source, store, reporter) = store_with_reporter(&fleet).await;
    let relay = reporter.relay();
    tokio::spawn(reporter.run());
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(accept(&relay, &reports(&["a", "b"], 0)).unwrap(), 2);
    tokio::time::sleep(SECOND * 2).await;
    let written = fleet.reports();
    let names: Vec<&str> = written
        .iter()
        .map(|(_, one)| one["instance"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["proxy-1", "a", "b"]);
    let client = &written[1].1;
    assert_eq!(client["via"], json!(["proxy-1"]));
    let reported_at: Timestamp = client["reported_at"].as_str().unwrap().parse().unwrap();
    let age = SystemClock.now().duration_since(reported_at);
    let minute = SignedDuration::from_mins(1);
    assert!(
        age.abs() < minute,
        "the clock of the client does not count: {age:?}"
    );

    // While the fleet's index is not available, the outbox keeps the last report of each client.
    fleet.set(Index::Forbidden);
    source.change();
    store.refresh().await.unwrap();
    accept(&relay, &reports(&["a"], 0)).unwrap();
    tokio::time::sleep(SECOND * 3).await;
    accept(&relay, &reports(&["a"], 1)).unwrap();
    tokio::time::sleep(SECOND * 120).await;
    assert_eq!(fleet.reports().len(), 3);
    fleet.set(Index::Accepts);
    tokio::time::sleep(SECOND * 120).await;
    let of_a = fleet
        .reports()
        .into_iter()
        .filter(|(_, one)| one["instance"] == "a");
    let read: Vec<Value> = of_a.map(|(_, one)| one["max_seq_no"].clone()).collect();
    assert_eq!(read, [0, 1], "an outdated report is not written");

    store.shutdown().await;
    tokio::time::sleep(SECOND * 10).await;
    let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in fleet.history.lock().unwrap().iter().flatten() {
        let name = record["instance"].as_str().unwrap().to_owned();
        records.entry(name).or_default().push(record.clone());
    }
    let own = &records["proxy-1"];
    assert_eq!(own.last().unwrap()["left"], true, "{own:#?}");
    assert_eq!(
        records["b"].len(),
        1,
        "its state did not change: {records:#?}"
    );
    assert_eq!(records["b"][0]["via"], json!(["proxy-1"]));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_no_client_sends_is_refused() {
    let fleet = Fleet::new(Index::Accepts);
    let (_source, _store, reporter) = store_with_reporter(&fleet).await;
    let relay = reporter.relay();
    let changed = |field: &str, value: Value| {
        let mut body = reports(&["a"], 0);
        body["reports"][0][field] = value;
        accept(&relay, &body)
    };
    let long = "x".repeat(600);
    let rejection = json!({ "id": "x", "reason": "y" });
    let hits =
        json!({ "id": "x", "count": 1, "matched": 1, "counted_since": "2030-01-01T00:00:00Z" });
    for (field, value) in [
        ("instance", json!("proxy-1")),
        ("instance", json!("")),
        ("instance", json!(long)),
        ("host", json!(long)),
        ("via", json!(["b", "proxy-1"])),
        ("via", json!(vec!["b"; 8])),
        ("heartbeat_seconds", json!(0)),
        ("heartbeat_seconds", json!(1e300)),
        ("applied_seq_no", json!(u64::MAX)),
        ("rejections", json!(vec![rejection; 21])),
        ("hits", json!(vec![hits.clone(); 101])),
        ("hits_omitted", json!(-1)),
        ("kind", json!("toaster")),
    ] {
        let error = changed(field, value.clone()).unwrap_err();
        assert!(!error.is_temporary(), "{field}: {error}");
    }
    assert!(relay.accept(b"[]").is_err());
    assert_eq!(changed("via", json!(["b"])).unwrap(), 1);
    assert_eq!(changed("hits", json!(vec![hits; 100])).unwrap(), 1);
}
