//! `/v1/ext_authz/...`: evaluates a request for the authorization check of a proxy, such as Envoy's
//! ext_authz. The check repeats the method and the path of the client's request and sends no body.
//!
//! If an authorization check is refused, the proxy rejects the client's request. This path
//! therefore refuses no check: if the headers are invalid, the decision is that no directive
//! applies, and `Directives-Error` contains the reason. A refusal by the access checks becomes a
//! server error, which a proxy can be configured to ignore.

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

/// Converts client errors of this path to server errors.
pub(super) async fn never_refuse(request: Request, next: Next) -> Response {
    let is_check = request.uri().path().starts_with(PREFIX);
    let mut response = next.run(request).await;
    if is_check && response.status().is_client_error() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
