//! Entry points that the fuzz targets call. Each entry point parses a part of an HTTP request in
//! the same way as the agent's handlers.

use axum::http::{HeaderName, HeaderValue, Request};
use opensearch_directives::RequestAttrs;

use super::evaluate::parse_batch;
use super::ext_authz;
use super::problem::Problem;
use super::query::parameters;
use super::request_to_evaluate::EvaluateRequest;

/// The attributes that the agent extracts from a valid request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// The tenant; `None` if the request names no tenant.
    pub tenant: Option<String>,
    /// The names of the indices, exactly as the path of the request contains them.
    pub index: String,
    /// The name of the principal who sent the request.
    pub principal: String,
    /// The name of the class of endpoints to which the request belongs, such as `Search`.
    pub endpoint: &'static str,
    /// The id of the request, which decides whether the request is in the sample of a directive.
    pub request_id: String,
}

impl Attributes {
    fn of(attrs: &RequestAttrs<'_>, request_id: &str) -> Self {
        Self {
            tenant: attrs.tenant.map(str::to_owned),
            index: attrs.index.to_owned(),
            principal: attrs.principal.to_owned(),
            endpoint: attrs.endpoint.as_str(),
            request_id: request_id.to_owned(),
        }
    }

    fn of_body(request: &EvaluateRequest) -> Self {
        Self::of(&request.attrs(), request.request_id())
    }
}

fn message(problem: &Problem) -> String {
    problem.detail().to_owned()
}

/// Parses the body of a request to `POST /v1/evaluate`, and returns the attributes that the body
/// states.
///
/// # Errors
/// Returns the agent's error message if the agent would refuse the body.
pub fn evaluate_body(body: &[u8]) -> Result<Attributes, String> {
    let request = EvaluateRequest::parse(body).map_err(|problem| message(&problem))?;
    Ok(Attributes::of_body(&request))
}

/// Parses the body of a request to `POST /v1/evaluate/batch`, and returns the attributes of each
/// request in the batch.
///
/// # Errors
/// Returns the agent's error message if the agent would refuse the body.
pub fn batch_body(body: &[u8]) -> Result<Vec<Attributes>, String> {
    let requests = parse_batch(body).map_err(|problem| message(&problem))?;
    Ok(requests.iter().map(Attributes::of_body).collect())
}

/// Parses the headers of a proxy's authorization check, and returns the attributes of the client's
/// request. Each line of the input is a header, with a name, a colon and a value. The function
/// skips the lines that no HTTP server would accept.
///
/// # Errors
/// Returns the agent's error message if the agent would refuse the headers.
pub fn evaluate_headers(lines: &[u8]) -> Result<Attributes, String> {
    let (mut check, ()) = Request::new(()).into_parts();
    let headers = &mut check.headers;
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    let extracted = ext_authz::extract(&check).map_err(|problem| message(&problem))?;
    Ok(Attributes::of(
        extracted.attrs(),
        extracted.request_id().as_str(),
    ))
}

/// Parses the query string of a request to `GET /v1/directives`, and returns its parameters `wait`
/// and `known`.
///
/// # Errors
/// Returns the agent's error message if the agent would refuse the query string.
pub fn query(text: &str) -> Result<[Option<String>; 2], String> {
    parameters(["wait", "known"], Some(text)).map_err(|problem| message(&problem))
}
