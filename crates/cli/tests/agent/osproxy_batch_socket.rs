//! Tests that osproxy accepts the agent's format, that batches equal single requests, and that Unix
//! sockets admit only their owner.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use osproxy_core::ManualClock;
use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::command::{self, directives, run};
use crate::support::node::{installed_index, shared_url};
use crate::support::{http, in_hours};

fn apply(url: &str, index: &str, args: &str) {
    let args: Vec<&str> = args.split_whitespace().collect();
    command::apply(url, index, &args);
}

fn evaluate_request(tenant: &str, request_id: &str) -> Value {
    json!({"tenant": tenant, "index": "orders", "principal": "svc", "endpoint": "Search", "request_id": request_id})
}

#[tokio::test]
async fn osproxy_accepts_its_format_from_the_agent() {
    let url = shared_url();
    let index = installed_index(&url, "osproxy").await;
    let (soon, later) = (in_hours(1), in_hours(2));
    let whole = "--tenant acme --index orders --principal svc --endpoint Search \
                 --sample-per-mille 10 --ring-buffer --capture";
    apply(
        &url,
        &index,
        &format!("whole --level ShapeRewriteDiff {whole} --ttl 10m"),
    );
    apply(&url, &index, "plain --level Shape --ttl 1h");
    apply(
        &url,
        &index,
        &format!("scheduled --level Shape --starts-at {soon} --expires-at {later}"),
    );
    let agent = Agent::start(&url, &index, &[]);
    let response = reqwest::get(agent.url("/v1/osproxy")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let blob = response.bytes().await.unwrap();

    let clock = ManualClock::new();
    let theirs = osproxy_observe::decode_directive_set(&blob, &clock).unwrap();
    let now = osproxy_core::Clock::now(&clock);
    let mut theirs = theirs.introspect(now)["directives"].take();
    let ours = agent.get("/v1/directives").await.1["directives"].take();
    let mut ours: Vec<Value> = ours.as_array().unwrap().clone();
    ours.retain(|one| one["id"] != "scheduled");
    for one in ours.iter_mut().chain(theirs.as_array_mut().unwrap()) {
        // osproxy stores an expiry on its monotonic clock.
        one.as_object_mut().unwrap().remove("expires_at");
    }
    assert_eq!(theirs, json!(ours));
    let listed: Value = serde_json::from_slice(&blob).unwrap();
    for (number, most) in [(0, 3600), (1, 600)] {
        let ttl = listed["directives"][number]["ttl_secs"].as_u64().unwrap();
        assert!(
            ttl > 0 && ttl < most,
            "a part of a second has passed: {ttl}"
        );
    }

    // `directives apply` can also import this format.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &blob).unwrap();
    let other = installed_index(&url, "osproxy-import").await;
    run(
        &url,
        &other,
        &[
            "apply",
            "-f",
            file.path().to_str().unwrap(),
            "--everything",
            "--yes",
            "--reason",
            "import",
        ],
    )
    .ok();
    let listed = run(&url, &other, &["list", "-o", "json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test]
async fn a_batch_has_the_decisions_of_single_requests() {
    let url = shared_url();
    let index = installed_index(&url, "batch").await;
    apply(&url, &index, "a --level Shape --tenant acme --ttl 1h");
    apply(
        &url,
        &index,
        "b --level ShapeTiming --sample-per-mille 500 --ttl 1h",
    );
    let agent = Agent::start(&url, &index, &[]);
    let requests: Vec<Value> = (0..40)
        .map(|n| evaluate_request(["acme", "globex"][n % 2], &format!("r-{n}")))
        .collect();
    let send =
        async |body: Value| http::send("POST", &agent.url("/v1/evaluate/batch"), Some(&body)).await;
    let (status, response) = send(json!({"requests": requests})).await;
    assert_eq!(status, 200, "{response}");
    let decisions = response["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), requests.len());
    for (request, decision) in requests.iter().zip(decisions) {
        assert_eq!(&agent.evaluate(request).await, decision, "{request}");
    }
    let levels: std::collections::BTreeSet<&str> = decisions
        .iter()
        .map(|decision| decision["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels.len(), 3, "Off, Shape and ShapeTiming");

    let many = vec![evaluate_request("acme", "r"); 257];
    let mut wrong_tenant = evaluate_request("acme", "r");
    wrong_tenant["tenant"] = json!(42);
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "body"),
        (json!({"requests": [], "more": 1}), "body"),
        (json!({"requests": many}), "requests"),
        (
            json!({"requests": [evaluate_request("a", "r"), 7]}),
            "requests[1]",
        ),
        (json!({"requests": [wrong_tenant]}), "requests[0].tenant"),
    ] {
        let (status, problem) = send(body).await;
        assert_eq!(
            (status, &problem["field"]),
            (400, &json!(field)),
            "{problem}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_serves_only_its_owner_in_addition_to_tcp() {
    let url = shared_url();
    let index = installed_index(&url, "unix").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let listen = format!("unix:{}", path.display());
    let mut agent = Agent::start(&url, &index, &["--listen", &listen]);
    let client = reqwest::Client::builder()
        .unix_socket(path.as_path())
        .build()
        .unwrap();
    let status = async || -> Value {
        let response = client.get("http://agent/v1/status").send().await.unwrap();
        response.json().await.unwrap()
    };
    assert_eq!(status().await["index"], *index);
    assert_eq!(agent.get("/healthz").await.0, 200, "by TCP, too");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // A second agent cannot use the same path.
    let other = directives()
        .args(["agent", "--listen", &listen, "--url", &url])
        .args(["--directives-index", &index])
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        printed.contains("another agent uses this path"),
        "{printed}"
    );
    assert_eq!(status().await["index"], *index);

    // A killed agent does not remove its file. The file does not prevent the next start.
    agent.signal("-KILL");
    tokio::task::block_in_place(|| agent.wait());
    assert!(path.exists());
    let args = ["--listen", &listen, "--socket-mode", "660"];
    let mut next = Agent::start(&url, &index, &args);
    assert_eq!(status().await["index"], *index);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    next.signal("-TERM");
    assert!(tokio::task::block_in_place(|| next.wait()).success());
    assert!(!path.exists());
}
