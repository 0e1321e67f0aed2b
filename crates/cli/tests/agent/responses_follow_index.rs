//! Tests that the agent's responses match the content of the index: the effects, the expiry, the
//! rejections and the digest.

use serde_json::{Value, json};

use super::{apply, evaluate_request};
use crate::support::agent::Agent;
use crate::support::command::run;
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn a_directive_takes_effect_and_ends_at_its_expiry() {
    let url = shared_url();
    let index = installed_index(&url, "effect").await;
    let agent = Agent::start(&url, &index, &[]);
    assert_eq!(
        agent.evaluate(&evaluate_request("acme")).await["level"],
        "Off"
    );
    apply(
        &url,
        &index,
        "short",
        &["--tenant", "acme", "--ring-buffer", "--ttl", "5s"],
    );
    let decision = eventually(
        "it applies",
        async || agent.evaluate(&evaluate_request("acme")).await,
        |decision| decision["level"] == "Shape",
    )
    .await;
    assert_eq!(
        decision,
        json!({"level": "Shape", "ring_buffer": true, "capture": false, "directives": ["short"]})
    );
    // The agent also sends the decision in the headers of the response, because some proxies cannot
    // read the response's body.
    let response = reqwest::Client::new()
        .post(agent.url("/v1/evaluate"))
        .json(&evaluate_request("acme"))
        .send()
        .await
        .unwrap();
    for (name, value) in [
        ("level", "Shape"),
        ("ring-buffer", "true"),
        ("capture", "false"),
    ] {
        assert_eq!(response.headers()[format!("directives-{name}")], value);
    }
    assert_eq!(
        agent.evaluate(&evaluate_request("globex")).await["level"],
        "Off"
    );
    eventually(
        "it expires",
        async || agent.evaluate(&evaluate_request("acme")).await,
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
    let metrics = agent.metrics().await;
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
async fn an_invalid_request_is_refused_with_the_invalid_field() {
    let url = shared_url();
    let index = installed_index(&url, "request").await;
    let agent = Agent::start(&url, &index, &[]);
    let with = |field: &str, value: Value| {
        let mut request = evaluate_request("acme");
        request[field] = value;
        request
    };
    let without = |field: &str| {
        let mut request = evaluate_request("acme");
        request.as_object_mut().unwrap().remove(field);
        request
    };
    for (field, request) in [
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
            http::send("POST", &agent.url("/v1/evaluate"), Some(&request)).await;
        assert_eq!(status, 400, "{request}");
        assert_eq!(problem["field"], field, "{request}");
        assert!(
            problem["detail"].as_str().unwrap().starts_with(field),
            "{problem}"
        );
    }
    let twice = r#"{"tenant":"a","tenant":"b","index":"i","principal":"p","endpoint":"Search","request_id":"r"}"#;
    let response = reqwest::Client::new()
        .post(agent.url("/v1/evaluate"))
        .body(twice)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("tenant: it is repeated")
    );
    // A client that does not know the tenant of a request omits the field `tenant`.
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
