//! Tests the agent's readiness endpoint, its separate health listener, its shutdown delay, and the
//! verb `directives probe`.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::command::{self, Ran, directives};
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

/// Starts an agent that cannot reach a cluster and therefore has no set.
fn without_cluster(args: &[&str]) -> Agent {
    let args = [&["--startup", "empty"], args].concat();
    Agent::start("http://127.0.0.1:1", "any", &args)
}

fn probe(args: &[&str]) -> Ran {
    directives()
        .arg("probe")
        .args(args)
        .output()
        .unwrap()
        .into()
}

#[tokio::test]
async fn the_health_listener_serves_health_and_metrics_only() {
    let agent = without_cluster(&["--health-listen", "0.0.0.0:0"]);
    let port = agent.health_url("").rsplit(':').next().unwrap().to_owned();
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let status = async |path: &str| reqwest::get(url(path)).await.unwrap().status().as_u16();
    assert_eq!(status("/healthz").await, 200);
    assert_eq!(status("/readyz").await, 503);
    assert_eq!(status("/metrics").await, 200);
    for path in [
        "/v1/status",
        "/v1/directives",
        "/v1/hits",
        "/v1/osproxy",
        "/v1/snapshot",
        "/openapi.json",
    ] {
        assert_eq!(status(path).await, 404, "{path}");
    }
    for path in ["/v1/evaluate", "/v1/refresh"] {
        assert_eq!(http::send("POST", &url(path), None).await.0, 404, "{path}");
    }
    // The health listener accepts every host name in the header `host`, because Prometheus may use
    // any name for the agent.
    let scraped = reqwest::Client::new()
        .get(url("/metrics"))
        .header("host", "directives-hub.prod:9981")
        .send()
        .await
        .unwrap();
    assert_eq!(scraped.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_reports_health_as_an_exit_code() {
    let url = shared_url();
    let index = installed_index(&url, "probe").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("agent.sock").display());
    let ready = Agent::start(&url, &index, &["--listen", &socket]);
    let empty = without_cluster(&[]);
    for address in [ready.address(), &socket] {
        assert_eq!(probe(&["--agent", address]).ok().stdout, "ok\n");
        assert_eq!(
            probe(&["--agent", address, "--ready"]).ok().stdout,
            "ready\n"
        );
        probe(&["--agent", address, "--ready", "--fresh"]).ok();
    }
    // An address in `--agent` that consists only of a port, such as `:9981`, refers to the local
    // host.
    let port = ready.address().rsplit(':').next().unwrap();
    probe(&["--agent", &format!(":{port}")]).ok();
    probe(&["--agent", &format!("localhost:{port}")]).ok();

    probe(&["--agent", empty.address()]).ok();
    let not_ready = probe(&["--agent", empty.address(), "--ready"]);
    assert_eq!(not_ready.code, 1);
    assert!(
        not_ready.stderr.contains("there is no set to serve"),
        "{}",
        not_ready.stderr
    );
    let unreachable = probe(&["--agent", "127.0.0.1:1"]);
    assert_eq!(unreachable.code, 4, "{}", unreachable.stderr);
    // `directives probe` must time out, because the test listens on the probed address and never
    // responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let timed_out = probe(&["--agent", &address, "--timeout", "200ms"]);
    assert_eq!(timed_out.code, 4, "{}", timed_out.stderr);
}

#[tokio::test]
async fn a_host_name_or_a_port_alone_is_an_address() {
    let agent = without_cluster(&["--listen", "localhost:0", "--health-listen", ":0"]);
    let port = agent.health_url("").rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost"] {
        let healthz = format!("http://{host}:{port}/healthz");
        assert_eq!(
            reqwest::get(&healthz).await.unwrap().status(),
            200,
            "{host}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_shutdown_delay_the_agent_serves_and_polls_but_is_not_ready() {
    let url = shared_url();
    let index = installed_index(&url, "drain").await;
    let mut agent = Agent::start(&url, &index, &["--shutdown-delay", "5m"]);
    assert_eq!(
        reqwest::get(agent.url("/readyz")).await.unwrap().status(),
        200
    );
    agent.signal("-TERM");
    let readyz = eventually(
        "it is not ready",
        async || agent.get("/readyz").await,
        |(code, _)| *code == 503,
    )
    .await;
    assert_eq!(readyz.1["detail"], "the agent is shutting down");
    assert_eq!(
        reqwest::get(agent.url("/healthz")).await.unwrap().status(),
        200
    );
    command::apply(&url, &index, &["late", "--level", "Shape", "--ttl", "1h"]);
    agent
        .status_when("it polls on", |status| status["directives"] == 1)
        .await;
    // A second SIGTERM during the shutdown delay must end the agent at once.
    agent.signal("-TERM");
    assert!(tokio::task::block_in_place(|| agent.wait()).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_ends_after_the_shutdown_delay() {
    let mut agent = without_cluster(&["--shutdown-delay", "200ms"]);
    agent.signal("-TERM");
    assert!(tokio::task::block_in_place(|| agent.wait()).success());
}

#[tokio::test]
async fn a_hangup_triggers_a_poll_and_does_not_end_the_agent() {
    let url = shared_url();
    let index = installed_index(&url, "hangup").await;
    let agent = Agent::start(&url, &index, &["--interval", "1h"]);
    command::apply(&url, &index, &["new", "--level", "Shape", "--ttl", "1h"]);
    agent.signal("-HUP");
    agent
        .status_when("it has polled", |status| status["directives"] == 1)
        .await;
}

#[tokio::test]
async fn a_refresh_triggers_a_poll() {
    let url = shared_url();
    let index = installed_index(&url, "refresh").await;
    let agent = Agent::start(&url, &index, &["--interval", "1h"]);
    command::apply(&url, &index, &["new", "--level", "Shape", "--ttl", "1h"]);
    let (code, refreshed) = http::send("POST", &agent.url("/v1/refresh"), None).await;
    assert_eq!(code, 200, "{refreshed}");
    let status: Value = agent.get("/v1/status").await.1;
    assert_eq!(status["directives"], 1);
    assert_eq!(refreshed["digest"], status["digest"]);
    assert_eq!(refreshed["revision"], status["revision"]);
}
