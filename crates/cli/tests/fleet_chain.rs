//! Tests on a real node that an agent sends its reports through the agent that it polls. The
//! history of the fleet must name the polling agent and the polled agent.

use std::collections::BTreeSet;

use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::fleet::{reporting, state_of, status_when};
use crate::support::agent::Agent;
use crate::support::command::{apply_line, run};
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{shared_url, unique_index};

#[tokio::test]
async fn an_agent_behind_an_agent_reports_through_it_and_the_history_names_both() {
    let (url, index) = (shared_url(), unique_index("fleet-chain"));
    run(&url, &index, &["init", "--fleet", "--history"]).ok();
    // The number of this directive shows that a report was written before the next operations.
    apply_line(&url, &index, "kept --level Shape --tenant other --ttl 1h");
    let first = reporting(&url, &index, "first", "2s");
    let behind = |name: &str| {
        let args = ["--upstream", "agent", "--report", "--instance", name];
        Agent::start(&first.url(""), &index, &args)
    };
    let second = behind("second");
    let synced =
        |number: u64| move |status: &Value| status["summary"] == json!({ "synced": number });
    status_when(&url, &index, "both are synced", synced(2)).await;
    // A report is written before its record, and a search finds the record only after the next
    // refresh of the history.
    let until_recorded = async |query: Value| {
        let recorded = async || {
            let search = format!("{url}/{index}-fleet-history/_search?_source=instance");
            let (_, found) = http::send("POST", &search, Some(&json!({ "query": query }))).await;
            let hits = found["hits"]["hits"].as_array().unwrap().clone();
            let name = |hit: &Value| hit["_source"]["instance"].as_str().unwrap().to_owned();
            hits.iter().map(name).collect::<BTreeSet<String>>()
        };
        eventually("both are recorded", recorded, |names| names.len() == 2).await;
    };
    until_recorded(json!({ "match_all": {} })).await;
    let apply = [
        "apply", "slow", "--level", "Shape", "--tenant", "acme", "--ttl", "1h", "--reason", "r",
    ];
    run(&url, &index, &[&apply[..], &["--wait=60s"]].concat()).ok();
    assert_eq!(second.get("/v1/status").await.1["directives"], 2);
    let at = |instant: &str| {
        let args = ["history", "--at", instant, "--tenant", "acme", "-o", "json"];
        let report = run(&url, &index, &args).json();
        report["directives"][0]["instances"].clone()
    };
    let both = json!({ "applied": ["first", "second"] });
    let now = async || at(&SystemClock.now().to_string());
    // As soon as `apply --wait` returns, `status` and the history must also report that both agents
    // of the chain apply the operation.
    assert_eq!(now().await, both);
    let status = run(&url, &index, &["status", "-o", "json"]).ok().json();
    for instance in status["instances"].as_array().unwrap() {
        assert_eq!(instance["applied_seq_no"], status["assigned_seq_no"]);
    }
    // Each instance now knows that it has read every operation up to the number of the directive.
    // Without this number, a report after the deletion leaves open when the directive applied.
    let number = &status["assigned_seq_no"];
    until_recorded(json!({ "term": { "applied_seq_no": number } })).await;
    let applied = SystemClock.now().to_string();
    // No document contains the `_seq_no` of a deletion, so `delete --wait` compares the documents
    // of an instance with the index to find out whether the instance applies the deletion.
    run(&url, &index, &["delete", "slow", "--yes", "--wait=60s"]).ok();
    assert_eq!(second.get("/v1/status").await.1["directives"], 1);
    let status = run(&url, &index, &["status", "-o", "json"]).ok().json();
    assert_eq!(status["instances"][1]["via"], json!(["first"]));
    assert_eq!(at(&applied), both, "the past does not change");

    // The history must not report that a suspended agent applies an operation which the agent has
    // not read.
    second.suspend();
    run(&url, &index, &[&apply[..], &["--wait=1s"]].concat());
    status_when(&url, &index, "one is behind", |status| {
        state_of(status, "first") == "synced" && state_of(status, "second") == "behind"
    })
    .await;
    let expected = json!({ "applied": ["first"], "unknown": ["second"] });
    let is_on_one = |shown: &Value| *shown == expected;
    eventually("the history shows one", &now, is_on_one).await;
    let later = SystemClock.now().to_string();
    let table = run(
        &url,
        &index,
        &["history", "--at", &later, "--tenant", "acme"],
    )
    .stdout;
    assert!(
        table.contains("    not known for 1 instance: second"),
        "{table}"
    );
    second.signal("-CONT");
    second.stop();
    status_when(&url, &index, "the second one has left", |status| {
        state_of(status, "second") == "left"
    })
    .await;
}

#[tokio::test]
async fn an_agent_accepts_reports_only_if_it_reports_and_only_with_the_permission() {
    let (url, index) = (shared_url(), unique_index("fleet-refuses"));
    run(&url, &index, &["init", "--fleet"]).ok();
    let body = json!({ "now": SystemClock.now(), "reports": [] });
    let silent = Agent::start(&url, &index, &[]);
    let (status, problem) = http::send("POST", &silent.url("/v1/reports"), Some(&body)).await;
    assert_eq!(status, 404, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("--report"));

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, token: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, token).unwrap();
        path.display().to_string()
    };
    let (reader, proxy) = ("reader-0123456789", "proxy-0123456789ab");
    let (read, report) = (
        file("read", reader),
        file("report", &format!("{reader}\n{proxy}")),
    );
    let args = [
        "--report",
        "--read-token-file",
        &read,
        "--report-token-file",
        &report,
    ];
    let agent = Agent::start(&url, &index, &args);
    let client = reqwest::Client::new();
    let post = async |token: &str, body: String| {
        let request = client.post(agent.url("/v1/reports")).bearer_auth(token);
        let request = request.header("content-type", "application/json");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post("another-0123456789", body.to_string()).await, 401);
    assert_eq!(post(proxy, body.to_string()).await, 202);
    assert_eq!(post(proxy, "{}".to_owned()).await, 400);
    assert_eq!(post(proxy, " ".repeat((1 << 20) + 1)).await, 413);
    let snapshot = client
        .get(agent.url("/v1/snapshot"))
        .bearer_auth(proxy)
        .send();
    assert_eq!(snapshot.await.unwrap().status().as_u16(), 403);
}
