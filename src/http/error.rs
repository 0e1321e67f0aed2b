//! The error for a request that got no usable response, with the node, the status and the cause.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A boxed cause.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// A request that got no usable response.
///
/// The text says what is wrong, for which request, on which node, and through which proxy.
/// It holds no secret.
pub struct RequestError(Box<Inner>);

struct Inner {
    operation: String,
    node: Option<String>,
    proxy: Option<String>,
    failure: RequestFailure,
}

/// What kind of failure a [`RequestError`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// The response was not complete within the time limit.
    Timeout,
    /// The node or the proxy accepted no connection, or the connection broke.
    Connection,
    /// The server's certificate was not accepted, or the handshake failed for another reason.
    Tls,
    /// The credentials could not be provided or cannot be sent.
    Credentials,
    /// The response was larger than the limit.
    TooLarge,
    /// The response's content encoding is not supported.
    Encoding,
    /// The response was a redirect, which is not followed.
    Redirect,
    /// The response's HTTP status was an error.
    Status,
    /// The status was a success, but the body was not the expected one.
    Malformed,
}

/// Why a request failed, with the details.
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
        /// What is wrong and what to do.
        advice: String,
        source: Cause,
    },
    #[error("there are no credentials to send")]
    Credentials(#[source] Cause),
    #[error("the response is larger than the limit of {limit} bytes; raise `max_response_bytes`")]
    TooLarge { limit: u64 },
    #[error(
        "the response is encoded as {0:?}, which is not supported; turn off the compression of \
         whatever is in front of the cluster"
    )]
    Encoding(String),
    #[error("the response redirects (status {status}), which is not followed, to {advice}")]
    Redirect {
        status: u16,
        /// The target of the redirect, and the setting to change.
        advice: String,
    },
    #[error("the response has status {status}{}", Reason(.exception.as_deref(), .reason))]
    Status {
        status: u16,
        /// OpenSearch's name of the problem, such as `index_not_found_exception`; `None` if
        /// the response is not OpenSearch's.
        exception: Option<String>,
        /// What the response says, shortened.
        reason: String,
        retry_after: Option<Duration>,
    },
    #[error("the response is not the expected JSON")]
    Malformed(#[source] Cause),
}

impl RequestFailure {
    fn kind(&self) -> RequestErrorKind {
        match self {
            Self::Timeout(_) => RequestErrorKind::Timeout,
            Self::NoConnection(_) | Self::Connection(_) => RequestErrorKind::Connection,
            Self::Tls { .. } => RequestErrorKind::Tls,
            Self::Credentials(_) => RequestErrorKind::Credentials,
            Self::Encoding(_) => RequestErrorKind::Encoding,
            Self::Redirect { .. } => RequestErrorKind::Redirect,
            Self::TooLarge { .. } => RequestErrorKind::TooLarge,
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

    /// Adds the address of the node.
    pub(crate) fn on_node(mut self, url: String) -> Self {
        self.0.node = Some(url);
        self
    }

    /// Adds the address of the proxy that the request went through.
    pub(crate) fn through_proxy(mut self, proxy: Option<String>) -> Self {
        self.0.proxy = proxy;
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> RequestErrorKind {
        self.0.failure.kind()
    }

    /// The request, as `METHOD /path`.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The address of the node that the request was last sent to, if it was sent.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// The HTTP status, if the response was an error response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.0.failure {
            RequestFailure::Status { status, .. } => Some(status),
            _ => None,
        }
    }

    /// OpenSearch's name of the problem, such as `index_not_found_exception`; `None` if the
    /// response was not OpenSearch's.
    #[must_use]
    pub fn exception(&self) -> Option<&str> {
        match &self.0.failure {
            RequestFailure::Status { exception, .. } => exception.as_deref(),
            _ => None,
        }
    }

    /// What the error response says, shortened.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.0.failure {
            RequestFailure::Status { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// How long the response asked to wait before the next request.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.failure {
            RequestFailure::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// Whether OpenSearch itself said that the index does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        self.exception() == Some("index_not_found_exception")
    }

    /// Whether the cluster could not be reached, was unavailable, or did not respond in time: the
    /// same request may succeed later.
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

    /// Whether the server does not know this request or its roles forbid it: another API may
    /// serve the same purpose.
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

/// An error and its causes on one line, as logs and the status print it. The errors of
/// this crate do not repeat their causes in their own text.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}
