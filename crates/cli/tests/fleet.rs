//! Tests on a real node that agents report which operations they apply. Also tests that `status`,
//! `wait` and `--wait` name the instances that have not yet applied every operation.

use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::command::run;
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{shared_url, unique_index};

/// Starts an agent that writes reports. `directives status` shows an agent as silent when the
/// agent's last report is older than three report intervals plus five seconds.
pub(crate) fn reporting(url: &str, index: &str, name: &str, interval: &str) -> Agent {
    let args = [
        "--report",
        "--report-interval",
        interval,
        "--instance",
        name,
    ];
    Agent::start(url, index, &args)
}

/// Waits until the output of `directives status` satisfies a condition, and returns the output.
pub(crate) async fn status_when(
    url: &str,
    index: &str,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    let status = async || run(url, index, &["status", "-o", "json"]).ok().json();
    eventually(what, status, holds).await
}

pub(crate) fn state_of<'a>(status: &'a Value, instance: &str) -> &'a Value {
    let instances = status["instances"].as_array().unwrap();
    let found = instances.iter().find(|one| one["instance"] == instance);
    found.map_or(&Value::Null, |one| &one["state"])
}

#[tokio::test]
async fn wait_returns_when_every_agent_has_the_operation_and_names_those_that_have_not() {
    let (url, index) = (shared_url(), unique_index("fleet"));
    run(&url, &index, &["init", "--fleet"]).ok();
    let first = reporting(&url, &index, "first", "1s");
    // The second agent has a long report interval, so that `status` does not show it as silent too
    // early on a busy machine, that is, before the test has run the commands after the agent's end.
    let second = reporting(&url, &index, "second", "10s");
    status_when(&url, &index, "both are synced", |status| {
        status["summary"] == json!({ "synced": 2 }) && status["converged"] == true
    })
    .await;

    // Both agents must apply the new directive when `apply --wait` returns.
    let applied = run(
        &url,
        &index,
        &[
            "apply",
            "slow",
            "--level",
            "Shape",
            "--tenant",
            "acme",
            "--ttl",
            "1h",
            "--reason",
            "r",
            "--wait=60s",
        ],
    )
    .ok();
    assert!(
        applied
            .stderr
            .contains("2 of 2 live instances apply operation 0"),
        "{}",
        applied.stderr
    );
    for agent in [&first, &second] {
        assert_eq!(agent.get("/v1/status").await.1["directives"], 1);
    }
    // `delete --wait` must wait until the agents have applied the deletion. The agents cannot read
    // the `_seq_no` of a deletion from a document, because the document no longer exists.
    run(&url, &index, &["delete", "slow", "--yes", "--wait=60s"]).ok();
    for agent in [&first, &second] {
        assert_eq!(agent.get("/v1/status").await.1["directives"], 0);
    }

    // A killed agent cannot report that it has left the fleet, so `wait` must wait for this agent
    // until its last report is so old that it counts as silent.
    second.signal("-KILL");
    let apply = [
        "apply", "fast", "--level", "Shape", "--tenant", "acme", "--ttl", "1h", "--reason", "r",
    ];
    run(&url, &index, &apply).ok();
    let waited = run(&url, &index, &["wait", "--converged", "--timeout", "3s"]);
    assert_eq!(waited.code, 8, "{}{}", waited.stdout, waited.stderr);
    assert!(
        waited.stdout.starts_with("1 of 2 live instances applies"),
        "{}",
        waited.stdout
    );
    assert!(
        waited.stdout.contains("\n  second: behind by 1, reported"),
        "{}",
        waited.stdout
    );
    run(
        &url,
        &index,
        &["wait", "--converged", "50%", "--timeout", "30s"],
    )
    .ok();

    // On a busy machine, `status` may also show the first agent as silent for a while, so the test
    // waits until `status` shows it as synced.
    status_when(&url, &index, "only the killed agent is silent", |status| {
        state_of(status, "second") == "silent" && state_of(status, "first") == "synced"
    })
    .await;
    let waited = run(&url, &index, &["wait", "--converged", "-o", "json"])
        .ok()
        .json();
    assert_eq!(waited["live"], 1);
    assert_eq!(waited["silent"][0]["instance"], "second");

    // An agent that ends after a signal must report that it has left the fleet.
    first.stop();
    status_when(&url, &index, "the stopped agent has left", |status| {
        state_of(status, "first") == "left"
    })
    .await;
    let waited = run(&url, &index, &["wait", "--converged"]);
    assert_eq!(waited.code, 8);
    assert!(
        waited.stdout.starts_with("no live instance reports"),
        "{}",
        waited.stdout
    );
}

#[tokio::test]
async fn a_rejected_document_is_reported_with_its_reason() {
    let (url, index) = (shared_url(), unique_index("fleet-rejects"));
    run(&url, &index, &["init", "--fleet"]).ok();
    let agent = reporting(&url, &index, "strict", "1s");
    let path = format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true");
    http::put(&path, &json!({ "level": "Shape", "tenant": "acme" })).await;
    let status = status_when(&url, &index, "it rejects", |status| {
        state_of(status, "strict") == "rejecting"
    })
    .await;
    let rejection = &status["instances"][0]["rejections"][0];
    assert_eq!(rejection["id"], "bad");
    let reason = rejection["reason"].as_str().unwrap();
    let text = run(&url, &index, &["status"]).ok().stdout;
    assert!(
        text.contains(&format!("strict rejects bad: {reason}")),
        "{text}"
    );
    let metrics = agent.metrics().await;
    assert!(
        !metrics.contains("directives_fleet_reports_total{result=\"success\"} 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_agent_without_the_index_of_the_fleet_warns_once_and_creates_none() {
    let (url, index) = (shared_url(), unique_index("no-fleet"));
    run(&url, &index, &["init"]).ok();
    let agent = reporting(&url, &index, "lonely", "1s");
    let failed = |status: &Value| status["counters"]["reports_failed"].as_u64() >= Some(3);
    let status = agent.status_when("it has tried three times", failed).await;
    assert_eq!(status["last_error"], Value::Null);
    let log = agent.stop();
    let warning = format!("the index {index}-fleet does not exist");
    let warned = log.lines().filter(|line| line.contains(&warning)).count();
    assert_eq!(warned, 1, "{log}");
    let (found, _) = http::get(&format!("{url}/{index}-fleet")).await;
    assert_eq!(found, 404);
    let status = run(&url, &index, &["status"]);
    assert_eq!(status.code, 3);
    assert!(
        status.stderr.contains("directives init --fleet"),
        "{}",
        status.stderr
    );
}

#[tokio::test]
async fn waiting_without_the_index_of_the_fleet_writes_nothing() {
    let (url, index) = (shared_url(), unique_index("unreported"));
    run(&url, &index, &["init"]).ok();
    let apply = [
        "apply", "slow", "--level", "Shape", "--tenant", "acme", "--ttl", "1h", "--reason", "r",
        "--wait",
    ];
    let ran = run(&url, &index, &apply);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let listed = run(&url, &index, &["list", "-o", "name"]).ok().stdout;
    assert_eq!(listed, "");
}

#[tokio::test]
async fn every_report_is_read_and_an_unreadable_one_counts_as_not_converged() {
    let (url, index) = (shared_url(), unique_index("fleet-pages"));
    run(&url, &index, &["init", "--fleet"]).ok();
    let (_, found) = http::get(&format!("{url}/{index}/_stats/docs")).await;
    let uuid = &found["indices"][&index]["uuid"];
    let now = SystemClock.now().to_string();
    // The test writes 450 reports, because the command must read them in more than one page.
    let bulk: String = (0..450)
        .map(|number| {
            let report = json!({
                "instance": format!("proxy-{number:03}"), "version": "1", "kind": "agent",
                "index": index, "index_uuid": uuid, "documents": 0, "sum_seq_no": 0, "digest": "d",
                "directives": 0, "revoked": 0, "off": false, "rejected": 0, "staleness": "fresh",
                "started": now, "reported_at": now, "heartbeat_seconds": 600, "left": false,
            });
            let action = json!({ "index": { "_id": report["instance"] } });
            format!("{action}\n{report}\n")
        })
        .collect();
    let path = format!("{url}/{index}-fleet/_bulk?refresh=true");
    let written = reqwest::Client::new()
        .post(&path)
        .header("content-type", "application/x-ndjson")
        .body(bulk)
        .send();
    let written: Value = written.await.unwrap().json().await.unwrap();
    assert_eq!(written["errors"], false, "{written}");
    let status = run(&url, &index, &["status", "-o", "json"]).ok().json();
    assert_eq!(status["instances"].as_array().unwrap().len(), 450);
    assert_eq!(status["converged"], true);
    assert_eq!(status["omitted"], 0);

    let odd = json!({ "instance": "odd", "reported_at": now, "documents": -1 });
    let path = format!("{url}/{index}-fleet/_doc/odd?refresh=true");
    http::put(&path, &odd).await;
    let status = run(&url, &index, &["status", "-o", "json"]).ok().json();
    assert_eq!(status["instances"].as_array().unwrap().len(), 450);
    assert_eq!(status["unreadable"][0]["instance"], "odd");
    assert_eq!(status["converged"], false);
    assert_eq!(status["summary"]["unreadable"], 1);
    let waited = run(&url, &index, &["wait", "--converged", "--timeout", "1s"]);
    assert_eq!(waited.code, 8, "{}", waited.stdout);
    assert!(
        waited.stdout.starts_with("450 of 451 live instances apply"),
        "{}",
        waited.stdout
    );
    assert!(
        waited.stdout.contains("odd: its report is unreadable"),
        "{}",
        waited.stdout
    );
    let waited = run(&url, &index, &["wait", "--converged", "99%"]);
    assert_eq!(waited.code, 0, "{}", waited.stdout);
}
