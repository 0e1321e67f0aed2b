//! Tests the client of `examples/python` with a running agent. The Python client connects to the
//! agent directly, or through proxies that change its requests and the responses.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::command;
use crate::support::eventually::eventually;
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url};

/// A running process of the Python client, which is killed when this value is dropped.
struct Client {
    process: Child,
    stdin: ChildStdin,
    responses: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(agent: &str) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../examples/python/directives_client.py");
        let mut process = Command::new("python3")
            .arg(script)
            .arg(agent)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: process.stdin.take().unwrap(),
            responses: BufReader::new(process.stdout.take().unwrap()).lines(),
            process,
        }
    }

    fn evaluate(&mut self, request: &Value) -> Value {
        self.send(&request.to_string())
    }

    /// Returns the ids of the directives in the Python client's copy of the directive set.
    fn kept(&mut self) -> Vec<String> {
        let kept = self.send("")["kept"].take();
        let ids = kept.as_array().unwrap().iter();
        ids.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn send(&mut self, line: &str) -> Value {
        writeln!(self.stdin, "{line}").unwrap();
        serde_json::from_str(&self.responses.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn request(tenant: Option<&str>, number: usize) -> Value {
    let mut request = json!({"index": "orders", "principal": "svc", "endpoint": "Search",
                             "request_id": format!("r-{number}")});
    if let Some(tenant) = tenant {
        request["tenant"] = json!(tenant);
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_has_the_decisions_of_the_agent_and_continues_without_it() {
    let url = shared_url();
    let index = installed_index(&url, "python").await;
    let apply = |args: &str| {
        let args: Vec<&str> = args.split_whitespace().collect();
        command::apply(&url, &index, &args);
    };
    apply("all --level Shape --sample-per-mille 300 --capture --ttl 1h");
    apply("acme --level ShapeTiming --tenant acme --endpoint Search --ring-buffer --ttl 1h");
    let (soon, later) = (in_hours(1), in_hours(2));
    apply(&format!(
        "to-come --level ShapeRewriteDiff --starts-at {soon} --expires-at {later}"
    ));
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("agent.sock").display());
    let mut agent = Agent::start(&url, &index, &["--listen", &socket]);
    let mut by_tcp = Client::start(&agent.url(""));
    let mut by_unix = Client::start(&socket);

    let requests: Vec<Value> = (0..60)
        .map(|n| request([Some("acme"), Some("globex"), None][n % 3], n))
        .collect();
    let mut decisions = Vec::new();
    for request in &requests {
        let decision = agent.evaluate(request).await;
        let expected = json!({"decision": decision, "source": "agent"});
        assert_eq!(by_tcp.evaluate(request), expected);
        assert_eq!(by_unix.evaluate(request), expected);
        decisions.push(decision);
    }
    let wrong = by_tcp.evaluate(&json!({"tenant": 42}));
    assert!(wrong["error"].is_string(), "{wrong}");

    // Before the test kills the agent, it waits until the Python client has received the directive
    // `short`.
    apply("short --level ShapeRewriteDiff --principal svc --ttl 15s");
    for client in [&mut by_tcp, &mut by_unix] {
        eventually(
            "the client keeps the change",
            async || client.kept(),
            |kept| kept.contains(&"short".to_owned()),
        )
        .await;
    }
    agent.signal("-KILL");
    tokio::task::block_in_place(|| agent.wait());
    for client in [&mut by_tcp, &mut by_unix] {
        let kept = client.evaluate(&requests[0]);
        assert_eq!(kept["source"], "kept");
        assert_eq!(kept["decision"]["level"], "ShapeRewriteDiff");
    }
    eventually(
        "what was kept expires",
        async || by_unix.evaluate(&requests[0]),
        |kept| kept["decision"] == decisions[0],
    )
    .await;
    for (request, decision) in requests.iter().zip(&decisions) {
        let expected = json!({"decision": decision, "source": "kept"});
        assert_eq!(by_tcp.evaluate(request), expected, "{request}");
        assert_eq!(by_unix.evaluate(request), expected, "{request}");
    }
}

/// The ways in which a proxy changes the requests and responses between the Python client and the
/// agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meddling {
    DropsTags,
    WeakensTags,
    CompressesTags,
    EndsWaitsAfter(Duration),
}

/// A proxy in front of an agent, which counts the requests that clients send for the published set.
struct Proxy {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(agent: &Agent, meddling: Meddling) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let (counter, agent) = (Arc::clone(&requests), agent.url(""));
        let forward = async move |request: Request| {
            if request.uri().path() == "/v1/directives" {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            forward(&agent, request, meddling).await
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(forward)).await });
        Self { url, requests }
    }
}

async fn forward(agent: &str, request: Request, meddling: Meddling) -> Response {
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    headers.remove("host");
    if meddling == Meddling::DropsTags {
        headers.remove("if-none-match");
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let forwarded = reqwest::Client::new()
        .request(parts.method, format!("{agent}{}", parts.uri))
        .headers(headers)
        .body(body)
        .send();
    let response = match meddling {
        Meddling::EndsWaitsAfter(limit) => tokio::time::timeout(limit, forwarded).await,
        _ => Ok(forwarded.await),
    };
    let Ok(response) = response else {
        return (StatusCode::GATEWAY_TIMEOUT, "<html>504</html>").into_response();
    };
    let response = response.unwrap();
    let (status, mut headers) = (response.status(), response.headers().clone());
    if let Some(tag) = headers.remove("etag") {
        let tag = tag.to_str().unwrap();
        let changed = match meddling {
            Meddling::DropsTags => None,
            Meddling::CompressesTags => Some(format!("{}-gzip\"", tag.trim_end_matches('"'))),
            _ => Some(format!("W/{tag}")),
        };
        if let Some(changed) = changed {
            headers.insert("etag", changed.parse().unwrap());
        }
    }
    (status, headers, response.bytes().await.unwrap()).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_proxies_that_change_messages_the_client_follows_with_few_requests() {
    let url = shared_url();
    for meddling in [
        Meddling::DropsTags,
        Meddling::WeakensTags,
        Meddling::CompressesTags,
        Meddling::EndsWaitsAfter(Duration::from_secs(3)),
    ] {
        let index = installed_index(&url, "meddling").await;
        let agent = Agent::start(&url, &index, &[]);
        let proxy = Proxy::start(&agent, meddling).await;
        let began = tokio::time::Instant::now();
        let mut client = Client::start(&proxy.url);
        assert!(client.kept().is_empty());
        // The test waits for four seconds, so that a proxy with a short timeout ends at least one
        // long poll of the client.
        let wait = Duration::from_secs(4);
        tokio::time::sleep(wait).await;
        command::apply(&url, &index, &["new", "--level", "Shape", "--ttl", "1h"]);
        eventually(
            "the change arrives",
            async || client.kept(),
            |kept| kept == &["new"],
        )
        .await;
        let requests = proxy.requests.load(Ordering::SeqCst);
        // The Python client may send at most one request per second, and one additional request
        // after the change.
        let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
        assert!(requests <= most, "{meddling:?}: {requests} requests");
    }
}
