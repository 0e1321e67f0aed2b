//! Converts an HTTP error response into a `RequestFailure`. The error response may come from
//! OpenSearch or from a proxy in front of OpenSearch.

use opensearch_directives_core::internal::visible_beginning;
use serde::Deserialize;

use super::error::RequestFailure;
use super::transport::Response;

/// The maximum number of characters of a response that an error message quotes.
const REASON_CHARS: usize = 300;
/// The maximum number of characters of the type of an exception. All types of OpenSearch are
/// shorter.
const TYPE_CHARS: usize = 100;
/// The maximum number of characters of the reason for which one action of a request was refused.
/// The reasons of the ingest pipeline are longer than others, because they say what to do.
const ACTION_REASON_CHARS: usize = 1_000;

/// An exception that an error response of OpenSearch contains.
#[derive(Debug, Deserialize)]
pub(crate) struct Exception {
    r#type: String,
    reason: Option<String>,
    caused_by: Option<Box<Exception>>,
}

impl Exception {
    /// Returns true if the exception has the type `name`, such as `index_not_found_exception`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.r#type == name
    }

    /// Returns the reason of the innermost exception, which caused all the others. The reason is
    /// shortened and its invisible characters are escaped.
    pub(crate) fn root_reason(&self) -> String {
        let mut exception = self;
        while let Some(cause) = &exception.caused_by {
            exception = cause;
        }
        let reason = exception.reason.as_deref().unwrap_or_default();
        visible_beginning(reason, ACTION_REASON_CHARS)
    }
}

/// Converts an HTTP error response into a `RequestFailure` that quotes the reason in the response.
/// `to_check` says what an operator should check after a response of status 401.
pub(super) fn failure(response: &Response, to_check: &str) -> RequestFailure {
    #[derive(Deserialize)]
    struct Refusal {
        error: Problem,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Problem {
        Exception(Exception),
        Text(String),
    }

    let (exception, reason) = match serde_json::from_slice(&response.body) {
        Ok(Refusal {
            error: Problem::Exception(exception),
        }) => (
            Some(visible_beginning(&exception.r#type, TYPE_CHARS)),
            exception.root_reason(),
        ),
        Ok(Refusal {
            error: Problem::Text(text),
        }) => (None, text),
        // With status 401, OpenSearch's security plugin sends plain text instead of JSON.
        Err(_) if response.status == 401 => (None, text(response)),
        Err(_) => (None, foreign(response)),
    };
    let mut reason = visible_beginning(&reason, REASON_CHARS);
    if response.status == 401 {
        reason = match (&exception, reason.as_str()) {
            (_, "") => to_check.to_owned(),
            (Some(_), reason) => format!("{reason}; {to_check}"),
            (None, reason) => format!("{to_check} ({reason})"),
        };
    }
    RequestFailure::Status {
        status: response.status,
        exception,
        reason,
        retry_after: response.retry_after,
    }
}

/// Returns the reason of an error response that OpenSearch did not send: the `detail` of an agent's
/// error, or the beginning of another server's error page.
fn foreign(response: &Response) -> String {
    #[derive(Deserialize)]
    struct ProblemDocument {
        detail: String,
    }

    let content_type = response.content_type.as_deref();
    let content_type = content_type.unwrap_or("no content type");
    if content_type.starts_with("application/problem+json")
        && let Ok(ProblemDocument { detail }) = serde_json::from_slice(&response.body)
    {
        return detail;
    }
    format!("not from OpenSearch ({content_type}): {}", text(response))
}

/// Returns the beginning of the body of an error response, as text on one line.
fn text(response: &Response) -> String {
    let beginning = &response.body[..response.body.len().min(8 * REASON_CHARS)];
    let text = String::from_utf8_lossy(beginning);
    let words: Vec<&str> = text.split_whitespace().take(60).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, content_type: &str, body: &'static str) -> String {
        let response = Response {
            status,
            retry_after: None,
            content_type: Some(content_type.to_owned()),
            body: body.into(),
        };
        failure(&response, "check user and password").to_string()
    }

    #[test]
    fn a_401_in_plain_text_says_what_to_check() {
        assert_eq!(
            said(401, "text/plain", "Unauthorized\n"),
            "the response has status 401: check user and password (Unauthorized)"
        );
        assert_eq!(
            said(401, "text/plain", ""),
            "the response has status 401: check user and password"
        );
    }

    #[test]
    fn a_page_that_is_not_from_opensearch_is_named_as_such() {
        assert_eq!(
            said(403, "text/html", "<h1>Blocked\n by lb-7</h1>"),
            "the response has status 403: not from OpenSearch (text/html): <h1>Blocked by lb-7</h1>"
        );
    }

    #[test]
    fn a_reason_cannot_control_a_terminal() {
        let body = "{\"error\":{\"type\":\"x\",\"reason\":\"a\\u001b[2J\\n\u{202e}b\"}}";
        assert_eq!(
            said(400, "application/json", body),
            "the response has status 400 x: a\\u{1b}[2J\\u{a}\\u{202e}b"
        );
    }

    #[test]
    fn the_type_and_the_reason_of_an_exception_are_one_short_line() {
        let long = "\\n".repeat(100_000);
        for body in [
            format!(r#"{{"error":{{"type":"{long}","reason":"{long}"}}}}"#),
            format!(r#"{{"error":"{long}"}}"#),
        ] {
            let text = said(400, "application/json", Box::leak(body.into_boxed_str()));
            assert!(!text.contains('\n') && text.len() < 4_000, "{text}");
        }
    }

    #[test]
    fn the_reason_of_a_refused_action_is_one_short_line() {
        let exception = Exception {
            r#type: "x".to_owned(),
            reason: Some("a\n".repeat(100_000)),
            caused_by: None,
        };
        let reason = exception.root_reason();
        assert!(!reason.contains('\n') && reason.len() < 8_000, "{reason}");
    }

    #[test]
    fn a_deeply_nested_body_is_treated_as_text() {
        let body: &'static str = Box::leak("{\"error\":".repeat(100_000).into_boxed_str());
        assert!(said(400, "application/json", body).contains("not from OpenSearch"));
    }
}
