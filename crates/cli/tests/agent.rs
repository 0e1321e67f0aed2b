//! The agent, on a real node.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::command::{directives, run};
use crate::support::eventually::eventually;
use crate::support::node::{Node, installed_index, shared_url, unique_index};
use crate::support::{http, in_hours};

fn question(tenant: &str) -> Value {
    json!({"tenant": tenant, "index": "orders", "principal": "svc", "endpoint": "Search", "request_id": "r-1"})
}

fn apply(url: &str, index: &str, id: &str, args: &[&str]) {
    run(
        url,
        index,
        &[&["apply", id, "--level", "Shape"], args].concat(),
    )
    .ok();
}

#[tokio::test]
async fn a_directive_takes_effect_and_ends_at_its_expiry() {
    let url = shared_url();
    let index = installed_index(&url, "effect").await;
    let agent = Agent::start(&url, &index, &[]);
    assert_eq!(agent.evaluate(&question("acme")).await["level"], "Off");
    apply(
        &url,
        &index,
        "short",
        &["--tenant", "acme", "--ring-buffer", "--ttl", "5s"],
    );
    let decision = eventually(
        "it applies",
        async || agent.evaluate(&question("acme")).await,
        |decision| decision["level"] == "Shape",
    )
    .await;
    assert_eq!(
        decision,
        json!({"level": "Shape", "ring_buffer": true, "capture": false, "directives": ["short"]})
    );
    // The same for whoever reads no bodies.
    let answer = reqwest::Client::new()
        .post(agent.url("/v1/evaluate"))
        .json(&question("acme"))
        .send()
        .await
        .unwrap();
    for (name, value) in [
        ("level", "Shape"),
        ("ring-buffer", "true"),
        ("capture", "false"),
    ] {
        assert_eq!(answer.headers()[format!("directives-{name}")], value);
    }
    assert_eq!(agent.evaluate(&question("globex")).await["level"], "Off");
    eventually(
        "it expires",
        async || agent.evaluate(&question("acme")).await,
        |decision| decision["level"] == "Off",
    )
    .await;
    let (_, listed) = agent.get("/v1/directives").await;
    assert_eq!(listed["directives"][0]["expired"], true);
}

#[tokio::test]
async fn revoked_deleted_and_rejected_directives_are_not_served() {
    let url = shared_url();
    let index = installed_index(&url, "served").await;
    for id in ["kept", "revoked", "deleted"] {
        apply(&url, &index, id, &["--ttl", "10m"]);
    }
    let bad = json!({"level": "Shape", "tenant": ["a"], "expires_at": "2100-01-01T00:00:00Z"});
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &bad,
    )
    .await;
    let agent = Agent::start(&url, &index, &[]);
    assert_eq!(agent.get("/v1/status").await.1["directives"], 3);
    run(&url, &index, &["revoke", "revoked"]).ok();
    run(&url, &index, &["delete", "deleted"]).ok();
    let status = agent
        .status_when("one is left", |status| status["directives"] == 1)
        .await;
    assert_eq!(status["rejected"][0]["id"], "bad");
    assert!(
        status["rejected"][0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("tenant: ")
    );
    let (_, listed) = agent.get("/v1/directives").await;
    let directive = &listed["directives"][0];
    assert_eq!(listed["directives"].as_array().unwrap().len(), 1);
    for (field, value) in [
        ("id", json!("kept")),
        ("level", json!("Shape")),
        ("sample_per_mille", json!(1000)),
        ("ring_buffer", json!(false)),
        ("capture", json!(false)),
        ("expired", json!(false)),
    ] {
        assert_eq!(directive[field], value, "{field}");
    }
    assert!(directive["expires_at"].is_string());
    for absent in ["tenant", "index", "principal", "endpoint", "starts_at"] {
        assert!(directive.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn two_agents_of_the_same_directives_have_the_same_digest() {
    let url = shared_url();
    let (one, two) = (
        installed_index(&url, "digest-a").await,
        installed_index(&url, "digest-b").await,
    );
    let expiry = ["--expires-at", &in_hours(1)];
    apply(&url, &one, "a", &expiry);
    apply(&url, &one, "b", &expiry);
    apply(&url, &two, "b", &expiry);
    apply(
        &url,
        &two,
        "a",
        &[&expiry, ["--tenant", "other"].as_slice()].concat(),
    );
    let (first, second) = (Agent::start(&url, &one, &[]), Agent::start(&url, &two, &[]));
    let digest = async |agent: &Agent| agent.get("/v1/status").await.1["digest"].clone();
    assert_ne!(digest(&first).await, digest(&second).await);
    apply(&url, &two, "a", &expiry);
    let expected = digest(&first).await;
    let status = second
        .status_when("the digests agree", |status| status["digest"] == expected)
        .await;
    assert_ne!(
        status["revision"],
        first.get("/v1/status").await.1["revision"]
    );
}

#[tokio::test]
async fn the_status_has_every_field() {
    let url = shared_url();
    let index = installed_index(&url, "status").await;
    apply(&url, &index, "a", &["--ttl", "10m"]);
    let agent = Agent::start(&url, &index, &["--instance", "proxy-7"]);
    let (code, status) = agent.get("/v1/status").await;
    assert_eq!(code, 200);
    assert_eq!(status["instance"], "proxy-7");
    assert_eq!(status["index"], *index);
    assert!(status["revision"].is_object());
    assert_eq!(status["rejected"], json!([]));
    assert_eq!(status["last_error"], Value::Null);
    assert!(status["age_seconds"].is_number());
    for time in ["last_attempt", "last_success", "last_change"] {
        let time: Result<jiff::Timestamp, _> = status[time].as_str().unwrap().parse();
        time.unwrap();
    }
    let metrics = reqwest::get(agent.url("/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        "directives_published 1.0",
        "directives_staleness{state=\"fresh\"} 1",
        "directives_documents_by_state{state=\"active\"} 1",
        "directives_poll_failures_total{reason=\"stale\"} 0",
        "directives_probe{by=\"statistics\"} 1",
        "directives_delta_reads_enabled 1",
        concat!(
            "directives_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(
        reqwest::get(agent.url("/healthz")).await.unwrap().status(),
        200
    );
    assert_eq!(
        reqwest::get(agent.url("/readyz")).await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn a_bad_question_is_answered_with_the_field_that_is_wrong() {
    let url = shared_url();
    let index = installed_index(&url, "question").await;
    let agent = Agent::start(&url, &index, &[]);
    let with = |field: &str, value: Value| {
        let mut question = question("acme");
        question[field] = value;
        question
    };
    let without = |field: &str| {
        let mut question = question("acme");
        question.as_object_mut().unwrap().remove(field);
        question
    };
    for (field, question) in [
        ("tenant", with("tenant", json!(42))),
        ("tenant", with("tenant", Value::Null)),
        ("index", with("index", json!(["a"]))),
        ("index", without("index")),
        ("principal", without("principal")),
        ("endpoint", with("endpoint", json!("search"))),
        ("endpoint", without("endpoint")),
        ("request_id", with("request_id", json!(1))),
        ("request_id", without("request_id")),
        ("tennant", with("tennant", json!("acme"))),
        ("body", json!([])),
    ] {
        let (status, problem) =
            http::send("POST", &agent.url("/v1/evaluate"), Some(&question)).await;
        assert_eq!(status, 400, "{question}");
        assert_eq!(problem["field"], field, "{question}");
        assert!(
            problem["detail"].as_str().unwrap().starts_with(field),
            "{problem}"
        );
    }
    let twice = r#"{"tenant":"a","tenant":"b","index":"i","principal":"p","endpoint":"Search","request_id":"r"}"#;
    let answer = reqwest::Client::new()
        .post(agent.url("/v1/evaluate"))
        .body(twice)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("tenant: it is there twice")
    );
    // A tenant that is not known yet is left out.
    let (status, _) =
        http::send("POST", &agent.url("/v1/evaluate"), Some(&without("tenant"))).await;
    assert_eq!(status, 200);
    assert_eq!(agent.get("/nothing").await.0, 404);
    assert_eq!(agent.get("/v1/evaluate").await.0, 405);
    let huge = with("index", json!("x".repeat(100_000)));
    assert_eq!(
        http::send("POST", &agent.url("/v1/evaluate"), Some(&huge))
            .await
            .0,
        413
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_cleanly_whoever_is_connected() {
    let url = shared_url();
    let index = installed_index(&url, "signal").await;
    for signal in ["-TERM", "-INT"] {
        let mut agent = Agent::start(&url, &index, &[]);
        // Somebody is connected and idle, and somebody is in the middle of a request.
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
fn p9_without_a_cluster_or_an_index_it_ends_and_says_why() {
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
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        said.contains(&format!("the index {missing} does not exist")),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_killed_agent_leaves_a_whole_last_good_set_and_nothing_else() {
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

    // The next one serves it, with no cluster to be had.
    let next = Agent::start("http://127.0.0.1:1", &index, &last_good);
    let after = next.get("/v1/status").await.1;
    for field in ["digest", "revision", "directives"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    // It is as old as what was published, whatever was read unchanged since.
    assert_eq!(after["last_success"], before["last_change"]);
    assert!(
        after["last_error"]
            .as_str()
            .unwrap()
            .contains("connection failed")
    );
    assert_eq!(next.evaluate(&question("acme")).await["level"], "Shape");

    // Of another index it is refused.
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
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains(&format!("is of the index {index}, not other")),
        "{said}"
    );
}

#[tokio::test]
async fn p9_started_empty_it_is_not_ready_until_the_first_read() {
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
            .starts_with("no complete read yet"),
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
async fn p5_a_node_that_stops_and_comes_back() {
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
    assert_eq!(agent.evaluate(&question("acme")).await["level"], "Shape");
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
    assert_eq!(agent.get("/readyz").await.0, 503);
    assert_eq!(agent.get("/healthz").await.0, 200);
    // The last good set goes on to serve.
    assert_eq!(agent.evaluate(&question("acme")).await["level"], "Shape");
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
