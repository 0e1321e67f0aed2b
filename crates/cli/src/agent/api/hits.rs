//! `GET /v1/hits`: returns how many requests each directive matched.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::status::Hits;

use super::expensive_responses::{hold_until_sent, run_sized};
use super::openapi::{Busy, Internal};
use super::problem::Problem;
use super::state::Agent;

/// How many requests each directive matched
///
/// The agent counts the matches in each of its evaluations, unless the request has the parameter
/// `uncounted`. The counts begin at zero when the agent starts. The list also contains the last
/// 1,000 directives that left the set. If a proxy reads the set from `/v1/directives` and evaluates
/// it itself, the agent does not count these evaluations.
#[utoipa::path(get, path = "/v1/hits", operation_id = "hits",
    responses((status = 200, description = "The counts", body = Hits), Internal, Busy))]
pub(super) async fn get(State(agent): State<Agent>) -> Result<Response, Problem> {
    let permit = agent.large_responses.permit().await?;
    let store = agent.store;
    let size = store.snapshot().set().len();
    // The store of an agent always counts matches, so `hits` never returns `None` here.
    let json = run_sized(size, move || {
        serde_json::to_vec(&store.hits().unwrap_or_default())
    });
    let body = hold_until_sent(permit, json.await??);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
