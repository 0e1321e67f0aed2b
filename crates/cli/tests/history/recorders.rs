//! Tests that agents with `--record-history` record each operation exactly once, even after an
//! outage of the history.

use jiff::{SignedDuration, Timestamp};
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{block, numbers, put, recorded, records, with_history};
use crate::support::agent::Agent;
use crate::support::command::run;
use crate::support::http;
use crate::support::node::shared_url;

#[tokio::test]
async fn two_recorders_and_the_command_record_each_operation_once() {
    let url = shared_url();
    let index = with_history(&url, "recorders");
    put(&url, &index, "old", "Shape").await;
    let names = ["one", "two"];
    let agents =
        names.map(|name| Agent::start(&url, &index, &["--record-history", "--instance", name]));
    recorded(&url, &index, 1).await;
    put(&url, &index, "a", "Shape").await;
    recorded(&url, &index, 2).await;
    put(&url, &index, "a", "ShapeTiming").await;
    recorded(&url, &index, 3).await;
    run(&url, &index, &["revoke", "a", "--author", "bob"]).ok();
    let all = recorded(&url, &index, 4).await;
    assert_eq!(numbers(&all), [Some(0), Some(1), Some(2), Some(3)]);
    let kinds: Vec<&Value> = all.iter().map(|(_, record)| &record["kind"]).collect();
    assert_eq!(kinds, ["created", "created", "widened", "revoked"]);
    assert_eq!(all[2].1["by"], "eve");
    // Each recorder must count every one of the four operations as recorded, as already recorded,
    // or as unseen. A recorder counts an operation as unseen if a later operation replaced the
    // document between two polls of the recorder.
    for agent in &agents {
        let status = agent
            .status_when("all operations are accounted for", |status| {
                let count = |name: &str| status["recorder"][name].as_u64().unwrap_or_default();
                let handled = ["recorded", "already_recorded", "unseen"].map(count);
                handled.iter().sum::<u64>() == 4 && count("pending") == 0
            })
            .await;
        assert_eq!(status["recorder"]["lost"], 0);
    }
    let (_, metrics) = agents[0].get("/metrics").await;
    assert_eq!(metrics, Value::Null, "the metrics are not JSON");
    let text = agents[0].metrics().await;
    for name in [
        "directives_history_operations_total{result=\"recorded\"}",
        "directives_history_pending 0",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert_eq!(records(&url, &index).await.len(), 4);
}

#[tokio::test]
async fn a_deletion_past_the_command_is_recorded_within_a_range() {
    let url = shared_url();
    let index = with_history(&url, "absence");
    let agent = Agent::start(&url, &index, &["--record-history"]);
    put(&url, &index, "a", "Shape").await;
    put(&url, &index, "b", "Shape").await;
    recorded(&url, &index, 2).await;
    // The test waits until the agent has converged, so that the agent knows up to which `_seq_no`
    // it has read every operation.
    let is_known = |status: &Value| status["applied_seq_no"] == 1;
    agent.status_when("the agent has converged", is_known).await;
    http::send(
        "DELETE",
        &format!("{url}/{index}/_doc/a?refresh=true"),
        None,
    )
    .await;
    let deleted_by = SystemClock.now();
    let all = recorded(&url, &index, 3).await;
    let (id, deleted) = &all[2];
    assert_eq!(deleted["kind"], "deleted");
    assert_eq!(deleted["directive"], "a");
    assert_eq!(deleted.get("seq_no"), None);
    assert!(deleted["seq_no_after"].as_u64() <= Some(1), "{deleted}");
    assert_eq!(deleted["seq_no_until"], 2);
    assert!(id.ends_with(".1.0.deleted"), "{id}");
    shows_the_range_of_time(&url, &index, deleted, deleted_by);
    // The recorder must not add a second record of a deletion that the command has already recorded
    // with its `_seq_no`.
    run(&url, &index, &["delete", "b", "--yes", "--author", "bob"]).ok();
    let all = recorded(&url, &index, 4).await;
    assert_eq!(numbers(&all), [Some(0), Some(1), Some(3), None]);
}

/// Checks that `directives history` reports between which two times the directive `a` was deleted.
/// For an instant at which the directive `a` may already have been deleted, `history --at` must
/// report that it is not certain whether the directive applied.
fn shows_the_range_of_time(url: &str, index: &str, deleted: &Value, deleted_by: Timestamp) {
    let time = |field: &str| {
        deleted[field]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    let (after, noticed) = (time("deleted_after"), time("@timestamp"));
    assert!(after < deleted_by && after < noticed, "{deleted}");
    let history = |args: &[&str]| run(url, index, &[&["history"], args].concat());
    let operations = history(&["a"]).ok().stdout;
    assert!(operations.contains("  deleted between "), "{operations}");
    let at = |instant: Timestamp, args: &[&str]| {
        history(&[&["--at", &instant.to_string(), "--tenant", "acme"], args].concat())
    };
    let before = at(after - SignedDuration::from_millis(1), &[]);
    assert_eq!(before.code, 0, "{before:?}");
    let end = "ended by: deleted between ";
    assert!(before.stdout.contains(end), "{before:?}");
    assert!(
        before.stdout.contains(", noticed by recorder "),
        "{before:?}"
    );
    let between = after + noticed.duration_since(after) / 2;
    let uncertain = at(between, &[]);
    let doubt = "not certain: whether a still applied; it was deleted between ";
    assert!(
        uncertain.code == 9 && uncertain.stdout.contains(doubt),
        "{uncertain:?}"
    );
    let csv = at(between, &["-o", "csv"]);
    assert!(
        csv.stdout.contains(doubt) && csv.stderr.contains(doubt),
        "{csv:?}"
    );
    let json = at(between, &["-o", "json"]).json();
    assert_eq!(json["doubts"][0]["doubt"], "deletion", "{json:#}");
    let since = at(noticed, &["-o", "json"]);
    assert_eq!(
        (
            since.code,
            since.json()["directives"].as_array().unwrap().len()
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn what_happens_while_the_history_is_blocked_is_recorded_afterwards() {
    let url = shared_url();
    let index = with_history(&url, "outage");
    let agent = Agent::start(&url, &index, &["--record-history"]);
    put(&url, &index, "a", "Shape").await;
    recorded(&url, &index, 1).await;
    block(&url, &index, true).await;
    for level in ["ShapeTiming", "Off", "Shape"] {
        let before = agent.get("/v1/status").await.1["recorder"]["pending"].as_u64();
        put(&url, &index, "a", level).await;
        agent
            .status_when("the operation is queued", |status| {
                status["recorder"]["pending"].as_u64() > before
            })
            .await;
    }
    let status = agent
        .status_when("the failure is reported", |status| {
            status["recorder"]["last_error"].is_string()
        })
        .await;
    // The outage of the history must not make the agent's polls fail.
    assert_eq!(status["consecutive_failures"], 0);
    assert_eq!(status["last_error"], Value::Null);
    block(&url, &index, false).await;
    let all = recorded(&url, &index, 4).await;
    assert_eq!(numbers(&all), [Some(0), Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn a_recorder_waits_for_the_history_and_creates_no_ordinary_index() {
    let url = shared_url();
    let index = crate::support::node::installed_index(&url, "later").await;
    let agent = Agent::start(&url, &index, &["--record-history"]);
    put(&url, &index, "a", "Shape").await;
    agent
        .status_when("the missing stream is reported", |status| {
            let error = status["recorder"]["last_error"].as_str();
            error.is_some_and(|error| error.contains("init --history"))
                && status["recorder"]["pending"] == 1
        })
        .await;
    assert_eq!(http::get(&format!("{url}/{index}-history")).await.0, 404);
    run(&url, &index, &["init", "--history"]).ok();
    recorded(&url, &index, 1).await;
}

#[tokio::test]
async fn a_document_that_the_mapping_refuses_is_recorded_whole() {
    let url = shared_url();
    let index = crate::support::node::unique_index("odd");
    // The test creates the index without the project's index template, as an operator may do by
    // mistake.
    let loose = json!({ "mappings": { "dynamic": true } });
    http::put(&format!("{url}/{index}"), &loose).await;
    let document = json!({ "revoked": "perhaps", "level": { "name": "Shape" } });
    http::put(&format!("{url}/{index}/_doc/odd?refresh=true"), &document).await;
    let made = crate::support::node::unique_index("odd-made");
    run(&url, &made, &["init", "--history"]).ok();
    let (_, ours) = http::get(&format!("{url}/_index_template/{made}-history")).await;
    let mut ours = ours["index_templates"][0]["index_template"].clone();
    ours["index_patterns"] = json!([format!("{index}-history")]);
    http::put(&format!("{url}/_index_template/{index}-history"), &ours).await;
    let (status, response) =
        http::send("PUT", &format!("{url}/_data_stream/{index}-history"), None).await;
    assert_eq!(status, 200, "{response:#}");
    let _agent = Agent::start(&url, &index, &["--record-history"]);
    let all = recorded(&url, &index, 1).await;
    assert_eq!(all[0].1["kind"], "rejected");
    assert_eq!(all[0].1["document"], json!({ "unindexed": document }));
}
