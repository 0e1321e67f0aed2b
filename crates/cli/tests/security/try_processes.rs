//! Runs an agent or a recorder as a given user, and reports whether the role of this user permits
//! everything that the process does.

use serde_json::{Value, json};

use crate::secured_cluster::{
    PASSWORD, admin, agent, agent_with, apply, connection, error_of, node,
};
use crate::support::agent::Agent;
use crate::support::eventually::eventually;

/// Texts by which the test recognizes in an error message that the cluster refused a request.
const REFUSALS: [&str; 2] = ["403", "no permissions"];

fn is_refusal(text: &str) -> bool {
    REFUSALS.iter().any(|refusal| text.contains(refusal))
}

async fn delete(index: &str, id: &str) {
    let path = format!("/{index}/_doc/{id}?refresh=true");
    admin("DELETE", &path, None).await;
}

/// Returns `yes` if an agent of the user can publish directives, notice a deletion and measure the
/// clock skew.
pub(crate) async fn polls(user: &str, index: &str) -> &'static str {
    apply(index, "passing", &[]);
    let agent = agent(user, index);
    let is_refused = |status: &Value| error_of(status).contains("403");
    let status = agent
        .status_when("it has polled", |status| {
            status["last_success"].is_string() || is_refused(status)
        })
        .await;
    if is_refused(&status) {
        return "no";
    }
    let published = status["directives"].as_u64().unwrap();
    delete(index, "passing").await;
    let status = agent
        .status_when("it sees the deletion", |status| {
            status["directives"].as_u64() == Some(published - 1)
        })
        .await;
    if status["reading"]["notes"] == json!([]) {
        "yes"
    } else {
        "in part"
    }
}

/// Returns whether an agent of the user can record the history, including a deletion that another
/// tool made.
pub(crate) async fn agent_records(user: &str, index: &str) -> &'static str {
    apply(index, "passing", &[]);
    let agent = agent_with(user, index, &["--record-history"]);
    let is_refused = |status: &Value| {
        let errors = [&status["last_error"], &status["recorder"]["last_error"]];
        let mut errors = errors.iter().filter_map(|error| error.as_str());
        errors.any(is_refusal)
    };
    let count = |status: &Value| {
        let count = |name: &str| status["recorder"][name].as_u64().unwrap_or_default();
        count("recorded") + count("already_recorded")
    };
    let status = agent
        .status_when("it has recorded the directives", |status| {
            count(status) > 0 && status["recorder"]["pending"] == 0 || is_refused(status)
        })
        .await;
    if is_refused(&status) {
        return "no";
    }
    let before = count(&status);
    delete(index, "passing").await;
    let status = agent
        .status_when("it has recorded the deletion", |status| {
            count(status) > before || is_refused(status)
        })
        .await;
    if is_refused(&status) { "no" } else { "yes" }
}

/// Returns whether `directives record` can record the directives as the user, including a deletion
/// that another tool made.
pub(crate) async fn service_records(user: &str, index: &str) -> &'static str {
    apply(index, "passing", &[]);
    let [flag, ca] = connection();
    let args = [&flag, &ca, "--username", user, "--request-timeout", "10s"];
    let password = [("DIRECTIVES_PASSWORD", PASSWORD)];
    let recorder = Agent::recorder_with(&node().url(), index, &args, &password);
    let Some(before) = recorded_beyond(&recorder, 0).await else {
        return "no";
    };
    delete(index, "passing").await;
    match recorded_beyond(&recorder, before).await {
        Some(_) => "yes",
        None => "no",
    }
}

/// Waits until a recorder has recorded more than `before` operations and its queue is empty.
/// Returns the number of recorded operations, or `None` if the cluster refuses the recorder's
/// requests.
async fn recorded_beyond(recorder: &Agent, before: u64) -> Option<u64> {
    let text = async |path: &str| {
        let response = reqwest::get(recorder.url(path)).await.unwrap();
        response.text().await.unwrap()
    };
    let observe = async || (text("/readyz").await, text("/metrics").await);
    let (readiness, metrics) =
        eventually("it records or is refused", observe, |(ready, metrics)| {
            let is_done =
                operations(metrics) > before && sum(metrics, "directives_history_pending ") == 0;
            is_refusal(ready) || is_done
        })
        .await;
    (!is_refusal(&readiness)).then(|| operations(&metrics))
}

/// Returns the number of operations that a recorder has recorded itself or has found in the
/// history, from the recorder's metrics.
fn operations(metrics: &str) -> u64 {
    ["recorded", "already_recorded"]
        .iter()
        .map(|result| {
            let series = format!("directives_history_operations_total{{result=\"{result}\"}} ");
            sum(metrics, &series)
        })
        .sum()
}

fn sum(metrics: &str, series: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| line.strip_prefix(series));
    let whole = values.map(|value| value.split('.').next().unwrap());
    whole.map(|value| value.parse::<u64>().unwrap()).sum()
}
