//! Tests `--off-file`: as long as the named file exists, the agent applies no directive.

use serde_json::json;

use super::evaluate_request;
use crate::support::agent::Agent;
use crate::support::command;
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{Node, unique_index};

/// Returns the value of the agent's metric `name`, which must have no labels.
async fn metric(agent: &Agent, name: &str) -> String {
    let text = agent.metrics().await;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

#[tokio::test]
async fn the_off_file_turns_one_agent_off_even_while_the_cluster_is_unreachable() {
    let mut node = Node::start();
    let (url, index) = (node.url(), unique_index("off"));
    command::run(&url, &index, &["init"]).ok();
    command::apply(&url, &index, &["one", "--level", "Shape", "--ttl", "1h"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("off");
    let hub = Agent::start(
        &url,
        &index,
        &[
            "--off-file",
            file.to_str().unwrap(),
            "--request-timeout",
            "10s",
        ],
    );
    let follower = Agent::start(&hub.url(""), &index, &["--upstream", "agent"]);
    let request = evaluate_request("acme");
    assert_eq!(hub.evaluate(&request).await["level"], "Shape");
    assert_eq!(metric(&hub, "directives_off").await, "0.0");
    let waiting = {
        let known = hub.get("/v1/directives").await.1["tag"].take();
        let url = hub.url(&format!(
            "/v1/directives?wait=30s&known={}",
            known.as_str().unwrap()
        ));
        tokio::spawn(async move { http::get(&url).await })
    };

    node.kill();
    std::fs::write(&file, "").unwrap();
    hub.status_when("it is off", |status| status["off"] == true)
        .await;
    assert_eq!(hub.evaluate(&request).await["level"], "Off");
    assert_eq!(hub.get("/v1/directives").await.1["directives"], json!([]));
    assert_eq!(hub.get("/v1/osproxy").await.1["directives"], json!([]));
    assert_eq!(metric(&hub, "directives_off").await, "1.0");
    // A client that was waiting for a change when the test created the off file must receive the
    // empty set.
    assert_eq!(waiting.await.unwrap().1["directives"], json!([]));
    let ready = reqwest::get(hub.url("/readyz")).await.unwrap();
    assert_eq!(ready.status(), 200, "a proxy must stay in service");
    // The off file must affect only the agent whose `--off-file` names it. An agent that polls
    // another agent with an off file must keep its set, and its polls must succeed.
    follower
        .status_when("it has polled again", |status| {
            status["counters"]["polls_succeeded"].as_u64() > Some(2)
        })
        .await;
    assert_eq!(follower.evaluate(&request).await["level"], "Shape");

    std::fs::remove_file(&file).unwrap();
    eventually(
        "the directive applies again without the cluster",
        async || hub.evaluate(&request).await,
        |decision| decision["level"] == "Shape",
    )
    .await;
    let log = hub.stop();
    for line in ["the off file exists", "the off file was removed"] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
}
