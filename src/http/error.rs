//! The error for an HTTP request that received no usable response. A `RequestError` contains the
//! node, the HTTP status and the cause.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use opensearch_directives_core::internal::{visible, visible_beginning};

/// A boxed error of any type that is the cause of another error.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// The error for an HTTP request that received no usable response.
///
/// The message of a `RequestError` names the fault, the request, the node and the proxy. The error
/// message never contains a secret.
pub struct RequestError(Box<Inner>);

struct Inner {
    operation: String,
    node: Option<String>,
    proxy: Option<String>,
    failure: RequestFailure,
}

/// The kind of failure that a [`RequestError`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// The response to a request was not complete within the time limit.
    Timeout,
    /// The node or the proxy accepted no connection, or the connection was interrupted.
    Connection,
    /// The client does not accept the server's certificate, or the TLS handshake failed for another
    /// reason.
    Tls,
    /// The client has no usable credentials, because they cannot be read or a header cannot contain
    /// them.
    Credentials,
    /// The response was larger than the configured size limit.
    TooLarge,
    /// The client does not support the content encoding of the response.
    Encoding,
    /// The response was a redirect, which the client does not follow.
    Redirect,
    /// The HTTP status of the response says that the request failed.
    Status,
    /// The HTTP status was 2xx, but the body did not have the expected format.
    Malformed,
}

/// The reason why an HTTP request failed, with the details that the error message contains.
#[derive(Debug, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "internal: public only to the crates of this project"
)]
pub enum RequestFailure {
    #[error("no complete response within {0:?}")]
    Timeout(Duration),
    #[error("no connection within {0:?}")]
    NoConnection(Duration),
    #[error("the connection failed")]
    Connection(#[source] Cause),
    #[error("{advice}")]
    Tls {
        /// A text that describes the TLS fault and its remedy.
        advice: String,
        source: Cause,
    },
    #[error("there are no credentials to send")]
    Credentials(#[source] Cause),
    #[error("the response is larger than the limit of {limit} bytes; raise `max_response_bytes`")]
    TooLarge { limit: u64 },
    #[error(
        "the response is larger than the limit of {0} bytes for a request with a small response"
    )]
    UnexpectedlyLarge(u64),
    #[error(
        "the response has the content encoding {0:?}, which is not supported; switch off \
         compression in the proxy or load balancer in front of the cluster"
    )]
    Encoding(String),
    #[error("the response redirects (status {status}), which is not followed, to {advice}")]
    Redirect {
        status: u16,
        /// The target of the redirect, and the URL that the operator should configure instead.
        advice: String,
    },
    #[error("the response has status {status}{}", Reason(.exception.as_deref(), .reason))]
    Status {
        status: u16,
        /// The type of the exception in the error response, such as `index_not_found_exception`;
        /// `None` if OpenSearch did not send the response.
        exception: Option<String>,
        /// The reason that the error response contains, shortened for an error message.
        reason: String,
        retry_after: Option<Duration>,
    },
    #[error("the response is not the expected JSON")]
    Malformed(#[source] Cause),
}

impl RequestFailure {
    /// Returns true if the client could not connect to the node, or if the connection was
    /// interrupted.
    pub(super) fn is_of_connection(&self) -> bool {
        let kind = self.kind();
        matches!(kind, RequestErrorKind::Connection | RequestErrorKind::Tls)
    }

    fn kind(&self) -> RequestErrorKind {
        match self {
            Self::Timeout(_) => RequestErrorKind::Timeout,
            Self::NoConnection(_) | Self::Connection(_) => RequestErrorKind::Connection,
            Self::Tls { .. } => RequestErrorKind::Tls,
            Self::Credentials(_) => RequestErrorKind::Credentials,
            Self::Encoding(_) => RequestErrorKind::Encoding,
            Self::Redirect { .. } => RequestErrorKind::Redirect,
            Self::TooLarge { .. } | Self::UnexpectedlyLarge(_) => RequestErrorKind::TooLarge,
            Self::Status { .. } => RequestErrorKind::Status,
            Self::Malformed(_) => RequestErrorKind::Malformed,
        }
    }
}

struct Reason<'a>(Option<&'a str>, &'a str);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (None, "") => Ok(()),
            (None, reason) => write!(f, ": {reason}"),
            (Some(exception), reason) => write!(f, " {exception}: {reason}"),
        }
    }
}

impl RequestError {
    pub(crate) fn new(operation: String, failure: RequestFailure) -> Self {
        Self(Box::new(Inner {
            operation,
            node: None,
            proxy: None,
            failure,
        }))
    }

    /// Sets the address of the node to which the request was sent.
    pub(crate) fn on_node(mut self, url: String) -> Self {
        self.0.node = Some(url);
        self
    }

    /// Sets the address of the proxy through which the request was sent.
    pub(crate) fn through_proxy(mut self, proxy: Option<String>) -> Self {
        self.0.proxy = proxy;
        self
    }

    /// Returns which kind of failure prevented a usable response.
    #[must_use]
    pub fn kind(&self) -> RequestErrorKind {
        self.0.failure.kind()
    }

    /// Returns the method and the path of the request, as `METHOD /path`.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// Returns the address of the last node to which the request was sent.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// Returns the HTTP status of the error response; `None` if the client received no error
    /// response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.0.failure {
            RequestFailure::Status { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Returns the type of the exception in the error response, such as
    /// `index_not_found_exception`; `None` if OpenSearch did not send the response.
    #[must_use]
    pub fn exception(&self) -> Option<&str> {
        match &self.0.failure {
            RequestFailure::Status { exception, .. } => exception.as_deref(),
            _ => None,
        }
    }

    /// Returns the reason that the error response contains, shortened for an error message.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.0.failure {
            RequestFailure::Status { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Returns how long the server wants the client to wait before the next request
    /// (`Retry-After`).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.failure {
            RequestFailure::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// Returns true if OpenSearch itself reported that the index does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        self.exception() == Some("index_not_found_exception")
    }

    /// Returns true if the cluster was unreachable or unavailable, or did not respond in time. A
    /// request that failed because the cluster was unreachable may succeed later.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self.kind() {
            RequestErrorKind::Timeout | RequestErrorKind::Connection | RequestErrorKind::Tls => {
                true
            }
            RequestErrorKind::Status => self.status().is_some_and(|status| status >= 500),
            _ => false,
        }
    }

    /// Returns true if the server does not support the request, or if the role of the client does
    /// not permit the request. A caller whose request is refused for such a reason may use another
    /// API of OpenSearch.
    pub(crate) fn is_unsupported(&self) -> bool {
        match self.status() {
            Some(403 | 405 | 501) => true,
            Some(400 | 404) => !self
                .exception()
                .is_some_and(|exception| exception.starts_with("index_")),
            _ => false,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation,
            node,
            proxy,
            failure,
        } = &*self.0;
        write!(f, "{failure} ({operation}")?;
        if let Some(node) = node {
            write!(f, " on {node}")?;
        }
        if let Some(proxy) = proxy {
            write!(f, " through the proxy {proxy}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestError")
            .field("operation", &self.0.operation)
            .field("node", &self.0.node)
            .field("failure", &self.0.failure)
            .finish_non_exhaustive()
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.failure.source()
    }
}

/// The maximum number of characters of one cause in the output of [`chain`].
const CAUSE_CHARS: usize = 1_000;

/// Formats an error and its causes on one line, for logs and for the status. The function appends
/// each cause, because the error messages of this crate do not repeat their causes.
///
/// The function escapes invisible characters and terminal control characters, because an error
/// message may quote text that a cluster or another agent sent. A cause may quote such text as a
/// whole, so each cause is shortened and its line feeds are escaped. Only the error itself keeps
/// its line feeds, with which it lists several problems.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut line = visible(&error.to_string(), true);
    let mut source = error.source();
    while let Some(cause) = source {
        let text = visible_beginning(&cause.to_string(), CAUSE_CHARS);
        // A cause with which the message already ends is left out, because the error messages of
        // some libraries repeat their causes.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_response_can_neither_begin_a_line_of_the_log_nor_fill_the_log() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Expected {}
        for name in ["a\nERROR forged".to_owned(), "x\n".repeat(100_000)] {
            let body = serde_json::json!({ name: 1 }).to_string();
            let error = serde_json::from_str::<Expected>(&body).unwrap_err();
            let failure = RequestFailure::Malformed(error.into());
            let text = chain(&RequestError::new("GET /".to_owned(), failure));
            assert!(!text.contains('\n') && text.len() < 8_000, "{text}");
            assert!(text.contains("unknown field"), "{text}");
        }
    }
}
