//! `POST /v1/refresh`: triggers a poll, and returns the state that is published after the poll.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use opensearch_directives::error::chain;
use opensearch_directives::status::Revision;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::PollFailed;
use super::problem::Problem;
use super::redact_errors::redact_users;
use super::state::Agent;

/// The published state after the poll.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refreshed {
    #[schema(required)]
    revision: Option<Revision>,
    #[schema(pattern = "^[0-9a-f]{32}$")]
    digest: String,
}

/// Poll now
///
/// The agent responds at the end of a poll that began after the request arrived. Requests that
/// arrive during a poll share the next poll.
#[utoipa::path(post, path = "/v1/refresh", operation_id = "refresh",
    responses((status = 200, description = "The poll succeeded", body = Refreshed), PollFailed))]
pub(super) async fn post(State(agent): State<Agent>) -> Result<Json<Refreshed>, Problem> {
    agent.store.refresh().await.map_err(|error| {
        let detail = redact_users(&chain(&error));
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let status = agent.store.status();
    Ok(Json(Refreshed {
        revision: status.revision,
        digest: status.digest.to_string(),
    }))
}
