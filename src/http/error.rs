//! Why a request to the cluster gave nothing usable.

use std::fmt;
use std::time::Duration;

/// A request that gave nothing usable: what was asked, of whom, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}{}", Node(.node.as_deref()))]
#[non_exhaustive]
pub struct RequestError {
    /// The request, as `METHOD /path`.
    pub operation: String,
    /// The node that was asked last.
    pub node: Option<String>,
    /// Why it failed.
    #[source]
    pub kind: RequestErrorKind,
}

struct Node<'a>(Option<&'a str>);

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(node) => write!(f, " on {node}"),
            None => Ok(()),
        }
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// No whole answer in time.
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
    /// The node took no connection in time.
    #[error("no connection within {0:?}")]
    NoConnection(Duration),
    /// The node could not be asked, or the connection broke.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer was larger than the cap.
    #[error("the answer is larger than the cap of {limit} bytes; raise `max_answer_bytes`")]
    TooLarge {
        /// The cap.
        limit: u64,
    },
    /// The cluster, or something before it, refused.
    #[error("answered {status}{}", Reason(.exception.as_deref(), .reason))]
    Status {
        /// The HTTP status.
        status: u16,
        /// OpenSearch's name of the problem, such as `index_not_found_exception`; `None`
        /// if the answer was not OpenSearch's.
        exception: Option<String>,
        /// What the answer said, shortened.
        reason: String,
        /// How long the answer asked to wait before another try.
        retry_after: Option<Duration>,
    },
    /// Status 200, but not the answer that was asked for.
    #[error("answered 200 with what is not the expected JSON")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    /// The HTTP status, if there was an answer that refused.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            RequestErrorKind::Status { status, .. } => Some(status),
            _ => None,
        }
    }

    /// OpenSearch's name of the problem, if it said one.
    #[must_use]
    pub fn exception(&self) -> Option<&str> {
        match &self.kind {
            RequestErrorKind::Status { exception, .. } => exception.as_deref(),
            _ => None,
        }
    }

    /// Whether OpenSearch itself said that the index does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        self.exception() == Some("index_not_found_exception")
    }

    /// Whether the server or its rules know no such request: another way may do.
    pub(crate) fn is_unsupported(&self) -> bool {
        match self.status() {
            Some(403 | 405 | 501) => true,
            Some(400 | 404) => !self
                .exception()
                .is_some_and(|exception| exception.starts_with("index_")),
            _ => false,
        }
    }

    /// How long the answer asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            RequestErrorKind::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

/// An error and its causes on one line, as logs and the status print it. The errors of
/// this crate do not repeat their causes in their own text.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
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
