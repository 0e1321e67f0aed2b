//! `/healthz`, `/readyz` and `/v1/status`: report the state of the agent to health probes and to
//! operators.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::Status;
use opensearch_directives::status::Staleness;

use super::openapi::{InvalidField, NotReady};
use super::problem::Problem;
use super::query::single_flag;
use super::redact_errors::redact_users;
use super::state::Agent;

/// Whether the agent runs
#[utoipa::path(get, path = "/healthz",
    responses((status = 200, description = "It runs", body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the agent has a set to serve
///
/// The set may come from a read or from the last-good file. Without `fresh`, the age of the set
/// does not matter, so that a fleet stays in service while the cluster is unreachable. An agent
/// whose off file exists is also ready, because its decision is valid: no directive applies.
#[utoipa::path(get, path = "/readyz",
    params(("fresh" = Option<String>, Query, description = "Fail also if the set is stale", max_length = 0)),
    responses((status = 200, description = "The agent has a set", body = String), InvalidField, NotReady))]
pub(super) async fn readyz(
    State(agent): State<Agent>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let must_be_fresh = single_flag("fresh", query.as_deref())?;
    let not_ready =
        |detail: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    if agent.phase.is_draining() {
        return Ok(not_ready("the agent is shutting down".to_owned()));
    }
    let status = agent.store.status();
    if agent.only_records
        && let Some(error) = recording_error(&status)
    {
        return Ok(not_ready(format!(
            "the history accepts no records: {error}"
        )));
    }
    let age = status.age_seconds.unwrap_or_default();
    Ok(match status.staleness {
        Staleness::Fresh if status.off => {
            "ready, but off: the off file exists, so no directive applies\n".into_response()
        }
        Staleness::Fresh => "ready\n".into_response(),
        Staleness::Stale if must_be_fresh => not_ready(because(
            &status,
            &format!("the last complete read is {age:.1} s old"),
        )),
        Staleness::Stale => {
            format!("ready, but stale: the last complete read is {age:.1} s old\n").into_response()
        }
        _ => not_ready(because(&status, "there is no set to serve")),
    })
}

/// Returns the error of the last attempt to write records to the history, or `None` if this attempt
/// succeeded.
fn recording_error(status: &Status) -> Option<String> {
    let recorder = status.recorder.as_ref()?;
    recorder.last_error.as_deref().map(redact_users)
}

fn because(status: &Status, what: &str) -> String {
    match &status.last_error {
        Some(error) => format!("{what}; {}", redact_users(error)),
        None => what.to_owned(),
    }
}

/// The state of the polling and of the published set
#[utoipa::path(get, path = "/v1/status",
    responses((status = 200, description = "The status", body = Status)))]
pub(super) async fn status(State(agent): State<Agent>) -> Json<Status> {
    let mut status = agent.store.status();
    status.map_error_texts(redact_users);
    Json(status)
}
