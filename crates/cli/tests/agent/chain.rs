//! Tests chains of agents, in which an agent polls another agent instead of an index.

use serde_json::{Value, json};

use super::evaluate_request;
use crate::support::agent::Agent;
use crate::support::command::{apply_line, directives, run};
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{Node, installed_index, shared_url, unique_index};

const AGENT: [&str; 2] = ["--upstream", "agent"];

async fn status(agent: &Agent) -> Value {
    agent.get("/v1/status").await.1
}

fn polls_succeeded(status: &Value) -> u64 {
    status["counters"]["polls_succeeded"].as_u64().unwrap()
}

#[tokio::test]
async fn all_agents_of_a_chain_have_the_same_set_revision_and_digest() {
    let url = shared_url();
    let index = installed_index(&url, "chain").await;
    apply_line(
        &url,
        &index,
        "whole --level ShapeTiming --tenant acme --index orders --principal svc --endpoint Search \
         --sample-per-mille 1000 --ring-buffer --capture --starts-at 2020-01-01T00:00:00Z --ttl 1h",
    );
    apply_line(&url, &index, "ended --level Shape --ttl 1h");
    run(&url, &index, &["revoke", "ended"]).ok();
    let bad = json!({"level": "Shape", "tenant": ["a"], "expires_at": "2100-01-01T00:00:00Z"});
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &bad,
    )
    .await;
    let first = Agent::start(&url, &index, &[]);
    let second = Agent::start(&first.url(""), &index, &AGENT);
    let third = Agent::start(&second.url(""), &index, &AGENT);
    let same = async || {
        let (first, third) = (status(&first).await, status(&third).await);
        for field in [
            "digest",
            "revision",
            "rejected",
            "revoked",
            "directives",
            "index",
        ] {
            assert_eq!(third[field], first[field], "{field}");
        }
        assert_eq!(third["rejected"].as_array().unwrap().len(), 1);
        assert!(third["revoked"].as_u64() >= Some(1), "{third:#}");
        assert!(third["age_seconds"].as_f64().unwrap() >= 0.0);
        assert_eq!(third["staleness"], "fresh");
    };
    same().await;
    let (_, listed) = first.get("/v1/directives").await;
    assert_eq!(third.get("/v1/directives").await.1, listed);
    let decision = third.evaluate(&evaluate_request("acme")).await;
    assert_eq!(
        decision,
        json!({"level": "ShapeTiming", "ring_buffer": true, "capture": true, "directives": ["whole"]})
    );

    // If an agent polls another agent whose snapshot has not changed, the response contains only
    // the tag of the snapshot.
    let (_, whole) = second.get("/v1/snapshot").await;
    assert_eq!(whole["snapshot"]["digest"], status(&second).await["digest"]);
    let tag = whole["tag"].as_str().unwrap();
    let (_, known) = second.get(&format!("/v1/snapshot?known={tag}")).await;
    assert_eq!(
        (&known["tag"], &known["snapshot"]),
        (&whole["tag"], &Value::Null)
    );
    let before = status(&third).await;
    let after = third
        .status_when("it has polled", |status| {
            polls_succeeded(status) >= polls_succeeded(&before) + 3
        })
        .await;
    let (after, before) = (&after["counters"], &before["counters"]);
    assert_eq!(after["publishes"], before["publishes"]);
    let (after, before) = (&after["reads"], &before["reads"]);
    assert_eq!(after["full_reads"], before["full_reads"]);
    assert!(after["unchanged"].as_u64() > before["unchanged"].as_u64());

    // A new directive and its later revocation must both reach the last agent of the chain.
    apply_line(&url, &index, "new --level Shape --ttl 1h");
    third
        .status_when("the new one is there", |status| status["directives"] == 2)
        .await;
    same().await;
    run(&url, &index, &["revoke", "new"]).ok();
    third
        .status_when("it has gone", |status| status["directives"] == 1)
        .await;
    same().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn age_grows_along_the_chain_during_an_outage() {
    let url = shared_url();
    let index = installed_index(&url, "chain-age").await;
    apply_line(&url, &index, "kept --level Shape --ttl 1h");
    let stale = ["--stale-after", "1s", "--max-backoff", "200ms"];
    let mut first = Agent::start(&url, &index, &stale);
    let follower = [AGENT.as_slice(), stale.as_slice()].concat();
    let second = Agent::start(&first.url(""), &index, &follower);
    let third = Agent::start(&second.url(""), &index, &follower);
    let address = first.address().to_owned();
    first.signal("-KILL");
    tokio::task::block_in_place(|| first.wait());

    // The third agent becomes stale although its polls succeed, because the age of its snapshot is
    // the time since the first agent read the index.
    let behind = third
        .status_when("it is stale", |status| status["staleness"] == "stale")
        .await;
    let behind = third
        .status_when("it polls on", |status| {
            polls_succeeded(status) >= polls_succeeded(&behind) + 3
        })
        .await;
    assert_eq!(behind["last_error"], Value::Null, "{behind:#}");
    assert_eq!(behind["staleness"], "stale", "{behind:#}");
    assert_eq!(third.get("/readyz?fresh").await.0, 503);
    assert_eq!(third.get("/readyz").await.0, 200);
    let before = status(&second).await;
    assert!(
        before["last_error"]
            .as_str()
            .unwrap()
            .contains("connection failed"),
        "{before:#}"
    );
    let after = status(&third).await;
    assert!(
        after["age_seconds"].as_f64() >= before["age_seconds"].as_f64(),
        "{after:#} {before:#}"
    );
    // The last agent of the chain must still serve its last set while it is stale.
    assert_eq!(
        third.evaluate(&evaluate_request("acme")).await["level"],
        "Shape"
    );

    let back = [["--listen", &address].as_slice(), &stale].concat();
    let _first = Agent::start(&url, &index, &back);
    for agent in [&second, &third] {
        agent
            .status_when("it is fresh again", |status| status["staleness"] == "fresh")
            .await;
    }
    apply_line(&url, &index, "new --level Shape --ttl 1h");
    third
        .status_when("it follows again", |status| status["directives"] == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_serves_its_last_set_during_outages_and_then_catches_up() {
    let mut node = Node::start();
    let url = node.url();
    let index = installed_index(&url, "chain-outage").await;
    apply_line(&url, &index, "kept --level Shape --tenant acme --ttl 1h");
    let patient: Vec<&str> = "--stale-after 3s --max-backoff 200ms --request-timeout 10s"
        .split_whitespace()
        .collect();
    let follower = [AGENT.as_slice(), &patient].concat();
    let first = Agent::start(&url, &index, &patient);
    let mut second = Agent::start(&first.url(""), &index, &follower);
    let third = Agent::start(&second.url(""), &index, &follower);
    let before = status(&third).await;
    let listed = third.get("/v1/directives").await.1;
    let until = async |staleness: &str| {
        for agent in [&first, &second, &third] {
            let is_so = |status: &Value| status["staleness"] == staleness;
            agent.status_when(staleness, is_so).await;
        }
    };
    let serves_the_same = async || {
        let now = status(&third).await;
        for field in ["digest", "revision", "directives", "rejected"] {
            assert_eq!(now[field], before[field], "{field}");
        }
        assert_eq!(third.get("/v1/directives").await.1, listed);
        assert_eq!(
            third.evaluate(&evaluate_request("acme")).await["level"],
            "Shape"
        );
    };

    node.kill();
    until("stale").await;
    let mut age = 0.0;
    // The test checks the agents from the first to the last, because each agent computes the age of
    // its snapshot from the age that the previous agent reported.
    for (agent, fails) in [(&first, true), (&second, false), (&third, false)] {
        assert_eq!(agent.get("/readyz?fresh").await.0, 503);
        let status = status(agent).await;
        assert_eq!(status["last_error"].is_string(), fails, "{status:#}");
        let older = status["age_seconds"].as_f64().unwrap();
        assert!(older >= age, "{older} after {age}");
        age = older;
    }
    serves_the_same().await;
    tokio::task::block_in_place(|| node.restart());
    until("fresh").await;
    let ready = async || third.get("/readyz?fresh").await.0;
    eventually("it is fresh", ready, |code| *code == 200).await;
    serves_the_same().await;

    // When the test kills the second of three agents, the third agent becomes stale, but the first
    // agent stays fresh.
    let address = second.address().to_owned();
    second.signal("-KILL");
    tokio::task::block_in_place(|| second.wait());
    apply_line(&url, &index, "meanwhile --level ShapeTiming --ttl 1h");
    let ahead = first
        .status_when("the first has it", |status| {
            status["directives"] == 2 && status["staleness"] == "fresh"
        })
        .await;
    let behind = third
        .status_when("the third is stale", |status| {
            status["staleness"] == "stale"
        })
        .await;
    assert!(behind["last_error"].is_string(), "{behind:#}");
    serves_the_same().await;
    let back = [["--listen", &address].as_slice(), &follower].concat();
    let _second = Agent::start(&first.url(""), &index, &back);
    let caught_up = third
        .status_when("it has caught up", |status| {
            status["directives"] == 2 && status["staleness"] == "fresh"
        })
        .await;
    assert_eq!(caught_up["digest"], ahead["digest"]);
    assert_eq!(caught_up["revision"], ahead["revision"]);
}

#[tokio::test]
async fn an_agent_without_a_read_or_of_another_index_is_not_followed() {
    let url = shared_url();
    let start = |agent: &Agent, index: &str| {
        let ended = directives()
            .args(["agent", "--listen", "127.0.0.1:0", "--upstream", "agent"])
            .args(["--url", &agent.url(""), "--directives-index", index])
            .output()
            .unwrap();
        assert!(!ended.status.success());
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let nowhere = unique_index("chain-dark");
    let dark = Agent::start(&url, &nowhere, &["--startup", "empty"]);
    let printed = start(&dark, &nowhere);
    assert!(
        printed.contains("there was no complete read yet"),
        "{printed}"
    );

    let index = installed_index(&url, "chain-index").await;
    let agent = Agent::start(&url, &index, &[]);
    let printed = start(&agent, "other");
    assert!(
        printed.contains(&format!(
            "the agent polls the index {index}; configure that"
        )),
        "{printed}"
    );

    // The agent must fail to start if `--upstream agent` is given with the address of a cluster.
    // The agent must also fail to start if the address of an agent is given without `--upstream
    // agent`.
    let ended = directives()
        .args(["agent", "--listen", "127.0.0.1:0", "--upstream", "agent"])
        .args(["--url", &url, "--directives-index", &index])
        .output()
        .unwrap();
    assert!(!ended.status.success());
    let ended = directives()
        .args(["agent", "--listen", "127.0.0.1:0"])
        .args(["--url", &agent.url(""), "--directives-index", &index])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(printed.contains("this path does not exist"), "{printed}");
}

#[tokio::test]
async fn a_follower_of_an_agent_starts_from_a_last_good_file() {
    let url = shared_url();
    let index = installed_index(&url, "chain-file").await;
    apply_line(&url, &index, "kept --level Shape --ttl 1h");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last-good");
    let args = [
        "--upstream",
        "agent",
        "--startup",
        "last-good",
        "--last-good",
        file.to_str().unwrap(),
    ];
    let first = Agent::start(&url, &index, &[]);
    let digest = status(&first).await["digest"].clone();
    let second = Agent::start(&first.url(""), &index, &args);
    eventually("it is written", async || file.exists(), |exists| *exists).await;
    drop((first, second));
    let next = Agent::start("http://127.0.0.1:1", &index, &args);
    assert_eq!(status(&next).await["digest"], digest);
}
