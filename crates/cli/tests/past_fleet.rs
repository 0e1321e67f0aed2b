//! Tests on a real node that `history --at` names every instance, even if the fleet has more
//! instances than one search returns, and names only those instances as lacking a directive whose
//! reports show it.

use std::fmt::Write as _;

use opensearch_directives::{Clock as _, SystemClock};
use serde_json::json;

use crate::support::agent::Agent;
use crate::support::command::{apply_line, run};
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{shared_url, unique_index};

/// The number of instances in the fleet, which is more than OpenSearch returns for one search.
const INSTANCES: usize = 10_050;

#[tokio::test]
async fn each_of_ten_thousand_instances_is_named() {
    let (url, index) = (shared_url(), unique_index("past-fleet"));
    run(&url, &index, &["init", "--fleet", "--history"]).ok();
    apply_line(&url, &index, "slow --level Shape --tenant acme --ttl 1h");
    let record = run(&url, &index, &["history", "-o", "json"]).ok().json()[0].take();
    let now = SystemClock.now();
    let mut body = String::new();
    for number in 0..INSTANCES {
        let applied = record["seq_no"].as_u64().unwrap();
        // The test writes a record without an applied operation for the last instance, as an
        // instance writes it before it has read the index.
        let applied = (number + 1 < INSTANCES).then_some(applied);
        let transition = json!({
            "@timestamp": now, "instance": format!("proxy-{number:05}"), "kind": "library",
            "started": now, "index_uuid": applied.map(|_| record["index_uuid"].clone()),
            "applied_seq_no": applied, "digest": "d", "off": false, "rejected": 0, "left": false,
        });
        let _ = writeln!(body, "{{\"create\":{{}}}}\n{transition}");
    }
    let stream = format!("{url}/{index}-fleet-history");
    http::bulk(&stream, body).await;

    let instant = SystemClock.now().to_string();
    let at = |args: &[&str]| {
        run(
            &url,
            &index,
            &[&["history", "--at", &instant], args].concat(),
        )
    };
    let report = at(&["-o", "json"]).ok().json();
    assert_eq!(report["instances_problems"], json!([]));
    let instances = &report["directives"][0]["instances"];
    let applied = instances["applied"].as_array().unwrap();
    assert_eq!(applied.len(), INSTANCES - 1);
    assert_eq!(
        applied[INSTANCES - 2],
        format!("proxy-{:05}", INSTANCES - 2)
    );
    // The history must call the last instance `unknown`, because this instance may have read the
    // operation after it wrote its record.
    assert_eq!(instances["unknown"].as_array().unwrap().len(), 1);
    let table = at(&[]).ok().stdout;
    assert!(
        table.contains("applied on 10049 instances: proxy-00000, "),
        "{table}"
    );
    assert!(table.contains(" and 10029 more (-o json)"), "{table}");
}

#[tokio::test]
async fn a_directive_is_not_yet_on_an_instance_only_after_a_later_report_without_it() {
    let (url, index) = (shared_url(), unique_index("past-not-yet"));
    run(&url, &index, &["init", "--fleet", "--history"]).ok();
    // The highest number of this directive shows which later operations the agent has not read.
    apply_line(&url, &index, "kept --level Shape --tenant other --ttl 1h");
    // The agent reads the index only at its start, but continues to report: the name of the
    // instance selects a first pause of 48 minutes from the interval.
    let report = ["--report", "--report-interval", "2s", "--instance", "late"];
    let agent = Agent::start(&url, &index, &[&["--interval", "1h"], &report[..]].concat());
    let instances = async |tenant: &str, instant: &str| {
        let args = ["history", "--at", instant, "--tenant", tenant, "-o", "json"];
        run(&url, &index, &args).ok().json()["directives"][0]["instances"].take()
    };
    let now = async || instances("other", &SystemClock.now().to_string()).await;
    eventually("the history names it", now, |shown| {
        *shown == json!({ "applied": ["late"] })
    })
    .await;
    // A suspended agent sends no report.
    agent.suspend();
    apply_line(&url, &index, "slow --level Shape --tenant acme --ttl 1h");
    let instant = SystemClock.now().to_string();
    let at_instant = async || instances("acme", &instant).await;
    let unknown = json!({ "unknown": ["late"] });
    assert_eq!(at_instant().await, unknown);
    agent.signal("-CONT");
    let expected = json!({ "not_yet": ["late"] });
    eventually("a later report refutes it", at_instant, |shown| {
        *shown == expected
    })
    .await;
}
