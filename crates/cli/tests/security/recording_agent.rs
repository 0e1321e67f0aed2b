//! Checks whether the role of a user permits an agent to record the history.

use serde_json::Value;

use crate::secured_cluster::{admin, agent_with, apply};

/// Runs an agent that records the history, including a deletion by another tool.
pub(crate) async fn records(user: &str, index: &str) -> &'static str {
    apply(index, "passing", &[]);
    let agent = agent_with(user, index, &["--record-history"]);
    let is_refused = |status: &Value| {
        let errors = [&status["last_error"], &status["recorder"]["last_error"]];
        let errors = errors.iter().filter_map(|error| error.as_str());
        let refusals = ["403", "no permissions"];
        errors
            .into_iter()
            .any(|error| refusals.iter().any(|refusal| error.contains(refusal)))
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
    let path = format!("/{index}/_doc/passing?refresh=true");
    admin("DELETE", &path, None).await;
    let status = agent
        .status_when("it has recorded the deletion", |status| {
            count(status) > before || is_refused(status)
        })
        .await;
    if is_refused(&status) { "no" } else { "yes" }
}
