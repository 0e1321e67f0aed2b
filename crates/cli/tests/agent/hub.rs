//! Tests a hub, which is an agent that other agents poll. The hub holds the requests of other
//! agents until its snapshot changes, sends the differences between snapshots, and limits the
//! number of waiting clients.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::agent::Agent;
use crate::support::command::{self, run, run_with};
use crate::support::eventually::eventually;
use crate::support::node::{installed_index, shared_url};

/// Flags with which an agent behind a hub waits ten minutes between two polls, longer than a test,
/// so that the agent receives changes only by long polls.
const PATIENT_FOLLOWER: [&str; 4] = ["--upstream", "agent", "--interval", "10m"];

/// The time for which the hub holds the request of a patient follower, or a request with `wait=60s`,
/// if there is no change.
const WHOLE_WAIT: Duration = Duration::from_mins(1);

fn apply(url: &str, index: &str, id: &str) {
    command::apply(url, index, &[id, "--level", "Shape", "--ttl", "1h"]);
}

async fn snapshot(agent: &Agent, query: &str) -> (u16, Value) {
    agent.get(&format!("/v1/snapshot{query}")).await
}

async fn tag(agent: &Agent) -> String {
    let (_, response) = snapshot(agent, "").await;
    response["tag"].as_str().unwrap().to_owned()
}

async fn waiting(agent: &Agent) -> usize {
    let metrics = reqwest::get(agent.url("/metrics")).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let waiting = metrics
        .lines()
        .find_map(|line| line.strip_prefix("directives_agent_waiting_clients "));
    waiting.unwrap().parse().unwrap()
}

async fn until_waiting(agent: &Agent, clients: usize) {
    let now = async || waiting(agent).await;
    eventually(&format!("{clients} wait"), now, |now| *now == clients).await;
}

/// Returns true if a response to a request with `wait=60s` was sent before the whole wait had
/// passed.
fn ended_early(response: &Value) -> bool {
    let waited = response["waited_seconds"].as_f64().unwrap();
    waited < WHOLE_WAIT.as_secs_f64()
}

/// Writes `count` directives with one run of `directives apply`.
fn fill(url: &str, index: &str, count: usize) {
    let draft = |n| {
        let (id, tenant) = (format!("d-{n:04}"), format!("tenant-{n:04}"));
        json!({"id": id, "level": "Shape", "tenant": tenant, "ttl_secs": 3600})
    };
    let drafts: Value = (0..count).map(draft).collect();
    let args = ["apply", "-f", "-", "--yes", "--reason", "test"];
    run_with(url, index, &args, &drafts.to_string()).ok();
}

#[tokio::test]
async fn a_change_passes_through_a_chain_by_long_polls_and_costs_each_client_little() {
    let url = shared_url();
    let index = installed_index(&url, "hub-push").await;
    fill(&url, &index, 300);
    let first = Agent::start(&url, &index, &[]);
    let begun = Instant::now();
    let second = Agent::start(&first.url(""), &index, &PATIENT_FOLLOWER);
    let third = Agent::start(&second.url(""), &index, &PATIENT_FOLLOWER);
    let whole = third.get("/v1/status").await.1["counters"]["bytes_received"].clone();
    assert!(whole.as_u64().unwrap() > 40_000, "{whole}");
    until_waiting(&second, 1).await;

    apply(&url, &index, "new");
    let has = |directives: usize| move |status: &Value| status["directives"] == directives;
    third.status_when("the new one is there", has(301)).await;
    // At the end of the whole wait, the response would contain the change, too.
    assert!(begun.elapsed() < WHOLE_WAIT, "{:?}", begun.elapsed());
    run(&url, &index, &["revoke", "new"]).ok();
    third.status_when("it has gone", has(300)).await;
    run(&url, &index, &["revoke", "d-0007"]).ok();
    let last = third.status_when("another one has gone", has(299)).await;

    let counters = &last["counters"];
    assert_eq!(counters["reads"]["full_reads"], 1, "{counters:#}");
    let received = counters["bytes_received"].as_u64().unwrap() - whole.as_u64().unwrap();
    assert!(received <= 3 * 4096, "{received} bytes for three changes");
    assert_eq!(last["reading"]["notes"], json!([]));
    let ahead = first.get("/v1/status").await.1;
    for field in ["digest", "revision", "rejected", "revoked"] {
        assert_eq!(last[field], ahead[field], "{field}");
    }
    let listing = async |agent: &Agent| agent.get("/v1/directives").await.1;
    assert_eq!(listing(&third).await, listing(&first).await);
}

#[tokio::test]
async fn a_snapshot_since_a_tag_contains_only_the_differences() {
    let url = shared_url();
    let index = installed_index(&url, "hub-since").await;
    apply(&url, &index, "a");
    apply(&url, &index, "b");
    let agent = Agent::start(&url, &index, &[]);
    let before = tag(&agent).await;
    let (_, same) = snapshot(&agent, &format!("?since={before}")).await;
    assert_eq!((&same["snapshot"], same.get("delta")), (&Value::Null, None));
    assert_eq!(same.get("waited_seconds"), None);
    let (_, waited) = snapshot(&agent, &format!("?since={before}&wait=20ms")).await;
    assert!(waited["waited_seconds"].as_f64() >= Some(0.02), "{waited}");
    assert_eq!(waited["tag"], before.as_str());

    apply(&url, &index, "c");
    run(&url, &index, &["revoke", "a"]).ok();
    agent
        .status_when("both are read", |status| {
            status["directives"] == 2 && status["revoked"] == 1
        })
        .await;
    let (_, later) = snapshot(&agent, &format!("?since={before}&wait=60s")).await;
    assert!(ended_early(&later), "{later}");
    assert_eq!(later["snapshot"], Value::Null);
    assert_eq!(later["delta"]["removed"], json!(["a"]));
    assert_eq!(later["delta"]["rejected"], Value::Null);
    let changed = later["delta"]["changed"].as_array().unwrap();
    assert_eq!((changed.len(), &changed[0]["id"]), (1, &Value::from("c")));
    let (_, whole) = snapshot(&agent, "").await;
    assert_eq!(later["delta"]["digest"], whole["snapshot"]["digest"]);
    assert_eq!(later["tag"], whole["tag"]);
    // If the parameter `since` contains the tag of a snapshot that the agent never had, the agent
    // must send its whole snapshot.
    let (_, unknown) = snapshot(&agent, &format!("?since={}", "0".repeat(32))).await;
    assert_eq!(unknown["snapshot"], whole["snapshot"]);
    assert_eq!(unknown.get("delta"), None);
    // The agent must send the whole snapshot to a client that sends the parameter `known` instead
    // of `since`, because such a client cannot apply differences.
    let (_, known) = snapshot(&agent, &format!("?known={before}")).await;
    assert_eq!(known["snapshot"], whole["snapshot"]);
    // If a request for the snapshot has both parameters `known` and `since`, the agent must use
    // `since`.
    let (_, both) = snapshot(&agent, &format!("?known=a&since={before}")).await;
    assert_eq!(both["delta"], later["delta"]);

    for wrong in ["?since=a&since=a", "?wait=61s", "?wait=1", "?after=a"] {
        let (status, problem) = snapshot(&agent, wrong).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
}

#[tokio::test]
async fn waiting_clients_are_bounded_and_a_follower_without_a_place_polls() {
    let url = shared_url();
    let index = installed_index(&url, "hub-full").await;
    apply(&url, &index, "a");
    let hub = Agent::start(&url, &index, &["--max-waiting", "1"]);
    let wait = format!("/v1/snapshot?since={}&wait=60s", tag(&hub).await);
    let address = hub.url(&wait);
    let first = tokio::spawn(async move { reqwest::get(address).await.unwrap() });
    until_waiting(&hub, 1).await;
    let refused = reqwest::get(hub.url(&wait)).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));

    let follower = Agent::start(&hub.url(""), &index, &["--upstream", "agent"]);
    let polls = follower
        .status_when("it polls", |status| {
            !status["reading"]["notes"].as_array().unwrap().is_empty()
        })
        .await;
    let note = polls["reading"]["notes"][0].as_str().unwrap();
    assert!(
        note.contains("without long polls") && note.contains("503"),
        "{note}"
    );
    assert_eq!(polls["last_error"], Value::Null);
    apply(&url, &index, "b");
    follower
        .status_when("it follows", |status| status["directives"] == 2)
        .await;
    let changed = first.await.unwrap();
    assert_eq!(changed.status(), 200);
    let changed = changed.json().await.unwrap();
    assert!(
        ended_early(&changed),
        "the change ended the wait: {changed}"
    );

    // When a waiting client disconnects, the hub must no longer count this client as waiting.
    let wait = format!("/v1/snapshot?since={}&wait=60s", tag(&hub).await);
    let address = hub.url(&wait);
    let leaving = tokio::spawn(async move { reqwest::get(address).await });
    until_waiting(&hub, 1).await;
    leaving.abort();
    until_waiting(&hub, 0).await;
}
