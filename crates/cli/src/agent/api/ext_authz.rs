//! `/v1/ext_authz/...`: responds to a proxy's authorization check with the decision for the
//! client's request. Proxies such as Envoy (ext_authz) and nginx (auth_request) send an
//! authorization check to the agent before they forward a client's request. The agent uses the
//! library's extractor to get the attributes of the client's request, so that a directive has the
//! same meaning in every proxy.
//!
//! The agent never refuses an authorization check, because the proxy would then reject the client's
//! request. If an authorization check does not state the client's request correctly, the agent
//! responds that no directive applies, with the reason in the header `Directives-Error`. If the
//! access checks refuse an authorization check, the agent responds with a server error instead of a
//! client error, because a proxy can be configured to ignore server errors.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::Decision;
use opensearch_directives::tower::{Extracted, RestExtractor};

use super::evaluate::decision_headers;
use super::problem::Problem;
use super::state::Agent;

pub(super) const PATHS: [&str; 2] = [PREFIX, "/v1/ext_authz/{*path}"];
const PREFIX: &str = "/v1/ext_authz/";
const TENANT: HeaderName = HeaderName::from_static("directives-tenant");
const PRINCIPAL: HeaderName = HeaderName::from_static("directives-principal");
const FORWARDED_METHOD: &str = "x-forwarded-method";
const FORWARDED_URI: &str = "x-forwarded-uri";
const ERROR: HeaderName = HeaderName::from_static("directives-error");

pub(super) async fn any(State(agent): State<Agent>, request: Request) -> Response {
    let (check, _) = request.into_parts();
    let request = match extract(&check) {
        Ok(request) => request,
        Err(problem) => {
            let error = HeaderValue::from_str(problem.detail())
                .unwrap_or(HeaderValue::from_static("a header is invalid"));
            let nothing = decision_headers(Decision::default());
            return (nothing, [(ERROR, error)]).into_response();
        }
    };
    let (attrs, id) = (request.attrs(), request.request_id());
    let set = agent.store.snapshot().set().clone();
    let decision = set.evaluate_indices_with(attrs, agent.clock.now(), id.as_str(), |_| {});
    decision_headers(decision).into_response()
}

/// Extracts the attributes of the client's request from the authorization check that a proxy sent.
pub(super) fn extract(check: &Parts) -> Result<Extracted<'_>, Problem> {
    let (method, path) = client_request(check)?;
    let extractor = RestExtractor::new()
        .with_tenant_header(TENANT)
        .with_principal_header(PRINCIPAL);
    Ok(extractor.extract_forwarded(method, path, &check.headers))
}

/// Returns the method and the path of the client's request, which the proxy's authorization check
/// contains. The proxy states the method and the path either in two headers, or as the method of
/// its authorization check and the part of the check's path behind the prefix. Proxies should send
/// the two headers, because OpenSearch accepts some paths that are not valid as a part of the
/// check's path.
fn client_request(check: &Parts) -> Result<(&str, &str), Problem> {
    let method = forwarded(check, FORWARDED_METHOD)?;
    let path = forwarded(check, FORWARDED_URI)?;
    let missing = |name: &str| {
        let problem = "it is missing; send the method and the path in headers, or neither";
        Problem::field(name, problem)
    };
    match (method, path) {
        (Some(method), Some(path)) => Ok((method, path)),
        (None, None) => {
            // The prefix of the check's path ends with the slash with which the client's path
            // begins.
            let path = check.uri.path().get(PREFIX.len() - 1..);
            Ok((check.method.as_str(), path.unwrap_or_default()))
        }
        (Some(_), None) => Err(missing(FORWARDED_URI)),
        (None, Some(_)) => Err(missing(FORWARDED_METHOD)),
    }
}

fn forwarded<'a>(check: &'a Parts, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = check.headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let problem = "it is repeated; send it once";
        return Err(Problem::field(name, problem));
    }
    std::str::from_utf8(value.as_bytes())
        .map(Some)
        .map_err(|_| Problem::field(name, "it is not UTF-8"))
}

/// If the response to an authorization check has the status of a client error, changes this status
/// to that of a server error.
pub(super) async fn never_refuse(request: Request, next: Next) -> Response {
    let is_check = request.uri().path().starts_with(PREFIX);
    let mut response = next.run(request).await;
    if is_check && response.status().is_client_error() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
