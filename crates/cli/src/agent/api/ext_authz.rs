//! `/v1/ext_authz/...`: responds to the authorization checks of proxies, such as Envoy's ext_authz,
//! with the decision for the client's request. A check has the method and the path of the client's
//! request, but no body.
//!
//! If the agent refused a check, the proxy would reject the client's request. The agent therefore
//! never refuses an authorization check. If the headers are invalid, the decision is that no
//! directive applies, and the header `Directives-Error` contains the reason. If the access checks
//! refuse a request, the agent responds with a server error instead of a client error, because a
//! proxy can be configured to ignore server errors.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::Decision;

use super::evaluate::decision_headers;
use super::evaluate_request::EvaluateRequest;
use super::expensive_responses::run_sized;
use super::problem::Problem;
use super::state::Agent;

pub(super) const PATHS: [&str; 2] = [PREFIX, "/v1/ext_authz/{*path}"];
const PREFIX: &str = "/v1/ext_authz/";
const ERROR: HeaderName = HeaderName::from_static("directives-error");

pub(super) async fn any(
    State(agent): State<Agent>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let request = match EvaluateRequest::from_headers(&headers) {
        Ok(request) => request,
        Err(problem) => {
            let error = HeaderValue::from_str(problem.detail())
                .unwrap_or(HeaderValue::from_static("a header is invalid"));
            let nothing = decision_headers(Decision::default());
            return Ok((nothing, [(ERROR, error)]).into_response());
        }
    };
    let clock = agent.clock;
    let set = agent.store.snapshot().set().clone();
    let decision = run_sized(set.len(), move || {
        set.evaluate(&request.attrs(), clock.now(), &request.request_id)
    });
    Ok(decision_headers(decision.await?).into_response())
}

/// If the response to a request on this path is a client error, changes its status to that of a
/// server error.
pub(super) async fn never_refuse(request: Request, next: Next) -> Response {
    let is_check = request.uri().path().starts_with(PREFIX);
    let mut response = next.run(request).await;
    if is_check && response.status().is_client_error() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
