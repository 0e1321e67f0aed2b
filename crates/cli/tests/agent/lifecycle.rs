//! Tests how the agent starts and stops, and what it serves while the cluster is unavailable.

use std::io::Write as _;

use serde_json::Value;

use super::{apply, evaluate_request};
use crate::support::agent::Agent;
use crate::support::command::{directives, run};
use crate::support::eventually::eventually;
use crate::support::instant;
use crate::support::node::{Node, installed_index, shared_url, unique_index};

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_agent_cleanly_while_clients_are_connected() {
    let url = shared_url();
    let index = installed_index(&url, "signal").await;
    for signal in ["-TERM", "-INT"] {
        let mut agent = Agent::start(&url, &index, &[]);
        // One client has an idle connection when the agent receives the signal, and another client
        // has sent only the first half of a request.
        let client = reqwest::Client::new();
        client.get(agent.url("/healthz")).send().await.unwrap();
        let mut busy = std::net::TcpStream::connect(agent.address()).unwrap();
        busy.write_all(b"POST /v1/evaluate HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
            .unwrap();
        agent.signal(signal);
        let ended = tokio::task::block_in_place(|| agent.wait());
        assert!(ended.success(), "{signal}: {ended}");
    }
}

#[test]
fn p9_without_a_cluster_or_an_index_the_agent_ends_with_the_reason() {
    let start = |url: &str, index: &str| {
        directives()
            .args([
                "agent",
                "--listen",
                "127.0.0.1:0",
                "--url",
                url,
                "--directives-index",
                index,
            ])
            .output()
            .unwrap()
    };
    let ended = start("http://127.0.0.1:1", "directives");
    assert_eq!(ended.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("the connection failed"));
    let missing = unique_index("nowhere");
    let ended = start(&shared_url(), &missing);
    assert_eq!(ended.status.code(), Some(3));
    let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        printed.contains(&format!("the index {missing} does not exist")),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_killed_agent_leaves_only_a_complete_last_good_file() {
    let url = shared_url();
    let index = installed_index(&url, "killed").await;
    apply(&url, &index, "kept", &["--tenant", "acme", "--ttl", "1h"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last-good");
    let last_good = [
        "--startup",
        "last-good",
        "--last-good",
        file.to_str().unwrap(),
    ];
    let mut agent = Agent::start(&url, &index, &last_good);
    let before = agent.get("/v1/status").await.1;
    eventually("it is written", async || file.exists(), |exists| *exists).await;
    agent.signal("-KILL");
    tokio::task::block_in_place(|| agent.wait());
    assert!(std::net::TcpStream::connect(agent.address()).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // An agent that starts while the cluster is unreachable must serve the set from the last-good
    // file.
    let next = Agent::start("http://127.0.0.1:1", &index, &last_good);
    let after = next.get("/v1/status").await.1;
    for field in ["digest", "revision", "directives"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(next.get("/readyz").await.0, 200);
    // The age of a set from the last-good file is the time since an agent published the set, even
    // if later polls have confirmed the set.
    assert!(instant(&after["last_success"]) <= instant(&before["last_change"]));
    assert!(
        after["last_error"]
            .as_str()
            .unwrap()
            .contains("connection failed")
    );
    assert_eq!(
        next.evaluate(&evaluate_request("acme")).await["level"],
        "Shape"
    );

    // An agent must refuse a last-good file that contains the set of another index.
    let refused = directives()
        .args([
            "agent",
            "--listen",
            "127.0.0.1:0",
            "--url",
            "http://127.0.0.1:1",
        ])
        .args(["--directives-index", "other"])
        .args(last_good)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(4));
    let printed = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        printed.contains(&format!("belongs to the index {index}, not other")),
        "{printed}"
    );
}

#[tokio::test]
async fn a_last_good_file_that_cannot_be_written_is_reported_at_the_start() {
    let args = ["--startup", "empty", "--last-good", "/proc/last-good"];
    let agent = Agent::start("http://127.0.0.1:1", "any", &args);
    let status = agent.get("/v1/status").await.1;
    let error = status["last_good_error"].as_str().unwrap();
    assert!(
        error.starts_with("cannot create files in /proc: "),
        "{error}"
    );
    let metrics = agent.metrics().await;
    assert!(
        metrics.contains("directives_last_good_failing 1"),
        "{metrics}"
    );
    let log = agent.stop();
    assert!(
        log.contains("the last-good file cannot be written"),
        "{log}"
    );
}

#[tokio::test]
async fn p9_after_an_empty_start_the_agent_is_ready_from_the_first_read_on() {
    let url = shared_url();
    let index = unique_index("late");
    let agent = Agent::start(
        &url,
        &index,
        &["--startup", "empty", "--max-backoff", "200ms"],
    );
    assert_eq!(agent.get("/healthz").await.0, 200);
    let status = agent
        .status_when("it has tried", |status| status["last_error"].is_string())
        .await;
    assert_eq!(
        (&status["revision"], &status["last_success"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        status["last_error"]
            .as_str()
            .unwrap()
            .contains("does not exist")
    );
    let (code, problem) = agent.get("/readyz").await;
    assert_eq!(code, 503);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .starts_with("there is no set to serve"),
        "{problem}"
    );
    run(&url, &index, &["init"]).ok();
    eventually(
        "ready",
        async || agent.get("/readyz").await.0,
        |code| *code == 200,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_the_last_good_set_stays_while_a_node_is_stopped() {
    let mut node = tokio::task::block_in_place(Node::start);
    let url = node.url();
    let index = installed_index(&url, "outage").await;
    apply(&url, &index, "long", &["--ttl", "1h"]);
    let agent = Agent::start(
        &url,
        &index,
        &[
            "--stale-after",
            "1s",
            "--max-backoff",
            "200ms",
            "--request-timeout",
            "10s",
        ],
    );
    assert_eq!(
        agent.evaluate(&evaluate_request("acme")).await["level"],
        "Shape"
    );
    node.kill();
    let status = agent
        .status_when("it is stale", |status| status["staleness"] == "stale")
        .await;
    assert!(
        status["last_error"]
            .as_str()
            .unwrap()
            .contains("connection failed"),
        "{status:#}"
    );
    // A stale agent stays ready, because the load balancer would remove all agents during an outage
    // of the cluster if stale agents were not ready.
    let (code, problem) = agent.get("/readyz?fresh").await;
    assert_eq!(code, 503, "{problem}");
    let ready = reqwest::get(agent.url("/readyz")).await.unwrap();
    assert_eq!(ready.status(), 200);
    assert!(ready.text().await.unwrap().starts_with("ready, but stale"));
    assert_eq!(agent.get("/healthz").await.0, 200);
    // During the outage of the cluster, the agent must still serve the last good set.
    assert_eq!(
        agent.evaluate(&evaluate_request("acme")).await["level"],
        "Shape"
    );
    tokio::task::block_in_place(|| node.restart());
    agent
        .status_when("it recovers", |status| status["last_error"].is_null())
        .await;
    apply(&url, &index, "new", &["--ttl", "1h"]);
    agent
        .status_when("it polls again", |status| status["directives"] == 2)
        .await;
    assert_eq!(agent.get("/readyz").await.0, 200);
}
