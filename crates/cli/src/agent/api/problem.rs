//! Builds error responses, whose bodies are problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use opensearch_directives::internal::visible_beginning;
use serde::Serialize;
use utoipa::ToSchema;

/// The maximum length of each text in a problem document, in characters.
const MAX_CHARACTERS: usize = 1_000;

/// A problem document (RFC 9457). Its texts may contain parts of the request or of a response of the
/// cluster, so they are shortened and their invisible characters are escaped when it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Problem {
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    detail: String,
    /// The invalid field of the request, such as `requests[3].tenant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// The number of seconds after which the client may try again.
    #[serde(skip)]
    retry_after: Option<u16>,
}

impl Problem {
    pub(in super::super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            retry_after: None,
        }
    }

    /// Creates the response to a request with an invalid field. The `detail` of the problem
    /// document begins with the name of the invalid field.
    pub(super) fn field(field: impl Into<String>, problem: &str) -> Self {
        let field = field.into();
        Self {
            field: Some(field.clone()),
            ..Self::new(StatusCode::BAD_REQUEST, format!("{field}: {problem}"))
        }
    }

    /// Adds the path of the enclosing part of the body, such as `requests[3]`, in front of the name
    /// of the invalid field.
    pub(super) fn within(self, part: &str) -> Self {
        let Some(field) = self.field else {
            return self;
        };
        let detail = self.detail.strip_prefix(&field).unwrap_or(&self.detail);
        let field = match field.as_str() {
            "body" => part.to_owned(),
            field => format!("{part}.{field}"),
        };
        Self {
            detail: format!("{field}{detail}"),
            field: Some(field),
            ..self
        }
    }

    /// Creates the response that the agent is temporarily overloaded (status 503). The response
    /// tells the client to try again after one second.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let shown = |text: &str| visible_beginning(text, MAX_CHARACTERS);
        let problem = Self {
            detail: shown(&self.detail),
            field: self.field.as_deref().map(shown),
            ..self
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Creates the response that the agent could not encode its own response as JSON.
impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_problem_controls_no_terminal_and_repeats_no_long_input() {
        let field = format!("\u{202e}{}", "x".repeat(60_000));
        let response = Problem::field(field, "it is \u{1b}[2J").into_response();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let problem: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
        for name in ["detail", "field"] {
            let text = problem[name].as_str().unwrap();
            assert!(text.starts_with("\\u{202e}xxx"), "{text}");
            assert!(text.chars().count() < 1_100, "{text}");
        }
        let response = Problem::busy("User [\u{1b}[2J]").into_response();
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        assert!(String::from_utf8_lossy(&body).contains("[\\\\u{1b}[2J]"));
    }
}
