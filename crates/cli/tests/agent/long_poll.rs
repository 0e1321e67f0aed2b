//! Tests conditional requests to `GET /v1/directives`, and clients that wait for a change.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::apply;
use crate::support::agent::Agent;
use crate::support::command::run;
use crate::support::eventually::eventually;
use crate::support::node::{installed_index, shared_url};
use crate::support::{http, in_hours};

/// The time after which the agent responds to a request with `wait=60s` even if the set has not
/// changed. Such a late response contains an earlier change, too, so a test that waits for a change
/// must end sooner.
const WHOLE_WAIT: Duration = Duration::from_mins(1);

/// Requests the directives with the tag `seen` in the header `If-None-Match`, as a client that
/// already has the content with this tag.
async fn get_unless(agent: &Agent, query: &str, seen: &str) -> Response {
    reqwest::Client::new()
        .get(agent.url(&format!("/v1/directives{query}")))
        .header("if-none-match", seen)
        .send()
        .await
        .unwrap()
}

fn tag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

async fn current_tag(agent: &Agent) -> String {
    tag(&reqwest::get(agent.url("/v1/directives")).await.unwrap())
}

async fn waiting(agent: &Agent) -> usize {
    let metrics = agent.metrics().await;
    let waiting = metrics
        .lines()
        .find_map(|line| line.strip_prefix("directives_agent_waiting_clients "));
    waiting.unwrap().parse().unwrap()
}

async fn until_waiting(agent: &Agent, clients: usize) {
    eventually(
        &format!("{clients} clients wait"),
        async || waiting(agent).await,
        |waiting| *waiting == clients,
    )
    .await;
}

#[tokio::test]
async fn a_tag_depends_only_on_the_content() {
    let url = shared_url();
    let index = installed_index(&url, "tag").await;
    apply(&url, &index, "a", &["--expires-at", &in_hours(1)]);
    let (one, two) = (
        Agent::start(&url, &index, &[]),
        Agent::start(&url, &index, &[]),
    );
    let seen = current_tag(&one).await;
    assert!(seen.starts_with('"'), "a strong one: {seen}");
    assert_eq!(current_tag(&two).await, seen);

    for same in [
        seen.clone(),
        "*".to_owned(),
        format!("W/{seen}"),
        format!("\"other\", {seen}"),
    ] {
        let response = get_unless(&one, "", &same).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{same}");
        assert_eq!(tag(&response), seen);
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert!(response.bytes().await.unwrap().is_empty());
    }
    let response = get_unless(&one, "", "\"other\"").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["content-type"], "application/json");

    apply(&url, &index, "b", &["--expires-at", &in_hours(1)]);
    let changed = eventually(
        "the tag changes",
        async || current_tag(&one).await,
        |tag| *tag != seen,
    )
    .await;
    run(&url, &index, &["delete", "b"]).ok();
    eventually(
        "the same content has the same tag again",
        async || current_tag(&one).await,
        |tag| *tag == seen,
    )
    .await;
    assert_ne!(changed, seen);
}

#[tokio::test]
async fn a_waiting_client_gets_the_change_at_once() {
    let url = shared_url();
    let index = installed_index(&url, "wait").await;
    let agent = Agent::start(&url, &index, &[]);
    let seen = current_tag(&agent).await;
    let begun = Instant::now();
    // If a request with `wait` has no tag or an outdated tag, the agent must send the set at once.
    assert_eq!(
        get_unless(&agent, "?wait=60s", "\"other\"").await.status(),
        200
    );
    let (status, _) = agent.get("/v1/directives?wait=60s").await;
    assert_eq!(status, 200);
    // If the set does not change while a request waits, the agent must respond when the time in the
    // parameter `wait` has passed.
    let response = get_unless(&agent, "?wait=50ms", &seen).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(tag(&response), seen);

    let change = async {
        until_waiting(&agent, 1).await;
        apply(&url, &index, "new", &["--ttl", "1h"]);
    };
    let (response, ()) = tokio::join!(get_unless(&agent, "?wait=60s", &seen), change);
    assert_eq!(response.status(), 200);
    assert_ne!(tag(&response), seen);
    let listed: Value = response.json().await.unwrap();
    assert_eq!(listed["directives"][0]["id"], "new");
    assert!(begun.elapsed() < WHOLE_WAIT, "{:?}", begun.elapsed());
    assert_eq!(waiting(&agent).await, 0);
}

#[tokio::test]
async fn an_expiry_completes_the_request_of_a_waiting_client() {
    let url = shared_url();
    let index = installed_index(&url, "wait-expiry").await;
    apply(&url, &index, "short", &["--ttl", "4s"]);
    let agent = Agent::start(&url, &index, &[]);
    let listed = reqwest::get(agent.url("/v1/directives")).await.unwrap();
    let seen = tag(&listed);
    let publishes = async || agent.get("/v1/status").await.1["counters"]["publishes"].clone();
    let before = publishes().await;
    let begun = Instant::now();
    let response = get_unless(&agent, "?wait=60s", &seen).await;
    assert!(begun.elapsed() < WHOLE_WAIT, "{:?}", begun.elapsed());
    assert_eq!(response.status(), 200);
    let listed: Value = response.json().await.unwrap();
    assert_eq!(listed["directives"][0]["expired"], true);
    assert_eq!(publishes().await, before, "by no publish");
}

#[tokio::test]
async fn one_publish_reaches_five_hundred_waiting_clients() {
    const CLIENTS: usize = 500;
    let url = shared_url();
    let index = installed_index(&url, "crowd").await;
    let agent = Agent::start(&url, &index, &[]);
    let seen = current_tag(&agent).await;
    let client = reqwest::Client::new();
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..CLIENTS {
        let request = client
            .get(agent.url("/v1/directives?wait=60s"))
            .header("if-none-match", &seen);
        clients.spawn(async move {
            let response = request.send().await.unwrap();
            let (status, tag) = (response.status(), tag(&response));
            (status, tag, response.text().await.unwrap())
        });
    }
    until_waiting(&agent, CLIENTS).await;
    let publishes = async || agent.get("/v1/status").await.1["counters"]["publishes"].as_u64();
    let before = publishes().await.unwrap();
    apply(&url, &index, "one", &["--ttl", "1h"]);
    let responses = clients.join_all().await;
    assert!(begun.elapsed() < WHOLE_WAIT, "{:?}", begun.elapsed());
    assert_eq!(publishes().await.unwrap(), before + 1);
    assert_eq!(responses.len(), CLIENTS);
    let first = &responses[0];
    assert_eq!(first.0, 200);
    assert!(first.2.contains("\"one\""), "{}", first.2);
    assert!(responses.iter().all(|response| response == first));
    until_waiting(&agent, 0).await;
}

#[tokio::test]
async fn a_client_beyond_the_limit_is_refused_and_the_others_keep_waiting() {
    let url = shared_url();
    let index = installed_index(&url, "too-many").await;
    let agent = Agent::start(&url, &index, &["--max-waiting", "1"]);
    let seen = current_tag(&agent).await;
    let begun = Instant::now();
    let first = async { get_unless(&agent, "?wait=60s", &seen).await.status() };
    let others = async {
        until_waiting(&agent, 1).await;
        let refused = get_unless(&agent, "?wait=60s", &seen).await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(
            refused.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Value = refused.json().await.unwrap();
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("--max-waiting"),
            "{problem}"
        );
        assert_eq!(get_unless(&agent, "", &seen).await.status(), 304);
        apply(&url, &index, "new", &["--ttl", "1h"]);
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first, 200);
    assert!(begun.elapsed() < WHOLE_WAIT, "{:?}", begun.elapsed());

    // When a waiting client disconnects, the agent must no longer count this client as waiting.
    let seen = current_tag(&agent).await;
    let gone = get_unless(&agent, "?wait=60s", &seen);
    tokio::select! {
        _ = gone => panic!("there was no change"),
        () = until_waiting(&agent, 1) => {}
    }
    until_waiting(&agent, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_completes_waiting_requests() {
    let url = shared_url();
    let index = installed_index(&url, "wait-signal").await;
    let mut agent = Agent::start(&url, &index, &[]);
    let seen = current_tag(&agent).await;
    let client = reqwest::Client::new();
    let request = client.get(agent.url("/v1/directives?wait=60s"));
    let response = tokio::spawn(request.header("if-none-match", &seen).send());
    let (_, published) = agent.get("/v1/snapshot").await;
    let tag = published["tag"].as_str().unwrap();
    let request = client.get(agent.url(&format!("/v1/snapshot?since={tag}&wait=60s")));
    let follower = tokio::spawn(request.send());
    until_waiting(&agent, 2).await;
    agent.signal("-TERM");
    let response = response.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    // A follower receives the unchanged tag, so it sees that the hub is not merely unreachable.
    let response = follower.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let unchanged: Value = response.json().await.unwrap();
    assert_eq!(unchanged["tag"], tag);
    assert!(tokio::task::block_in_place(|| agent.wait()).success());
}

#[tokio::test]
async fn an_invalid_wait_is_refused() {
    let url = shared_url();
    let index = installed_index(&url, "wait-wrong").await;
    let agent = Agent::start(&url, &index, &[]);
    for (query, field) in [
        ("wait=30", "wait"),
        ("wait=2m", "wait"),
        ("wait=1s&wait=2s", "wait"),
        ("wiat=30s", "wiat"),
    ] {
        let (status, problem) = http::get(&agent.url(&format!("/v1/directives?{query}"))).await;
        assert_eq!((status, &problem["field"]), (400, &field.into()), "{query}");
    }
}
