//! The error for a failed read of the index, of another agent's snapshot, or of a source of
//! snapshots that the application implements.

use std::fmt;
use std::time::Duration;

use super::incomplete::Incomplete;
use crate::agent_source::AgentError;
use crate::http::RequestError;
use opensearch_directives_core::document::Rejection;
use opensearch_directives_core::internal::visible;

/// The error of a poll that could not read the index, or another source of snapshots, completely.
///
/// [`kind`](Self::kind) returns the kind of the failure, which tells the caller how to react.
/// [`source`](std::error::Error::source) returns the cause of the failure: the error of the request
/// or of the response.
#[derive(Debug)]
pub struct ReadError {
    /// The configured name of the index or alias, or the name of the other source from which the
    /// store reads.
    index: String,
    failure: Box<ReadFailure>,
}

/// The reason why a poll failed. The metric `directives_poll_failures_total` counts the failed
/// polls by reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PollErrorKind {
    /// A request received no usable response: the connection failed, the time limit passed, or the
    /// server refused the request. Failures of a source that the application implements also have
    /// the kind `Request`.
    Request,
    /// The index does not exist, or the configured name refers to no index or to several indices.
    NoIndex,
    /// A response of the cluster was incomplete, or mixed several states of the index.
    Incomplete,
    /// A response of the cluster was older than the published directive set, or may have been
    /// older.
    Stale,
    /// The index contains documents that the role hides from this user.
    HiddenDocuments,
    /// The role hides or masks fields of the documents in the index, so the poll cannot read whole
    /// directives.
    HiddenFields,
    /// The index contains too many documents: more than `max_documents` directives that have not
    /// ended, or more than a fixed multiple of `max_documents` in total.
    TooManyDocuments,
    /// The whole poll took longer than `poll_timeout`.
    Deadline,
    /// The code that makes the poll panicked. After a panic in a poll, the refresher continues to
    /// run and makes the next poll.
    Panic,
}

/// The reason for a [`ReadError`], with the details for the error message.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    NoIndex(RequestError),
    Request(RequestError),
    Incomplete(Incomplete),
    /// The configured name of the index is an alias of no index, or of several indices.
    NotOneIndex {
        indices: Vec<String>,
    },
    /// The response shows an older state of the index than an earlier poll. The string in `Stale`
    /// says how the poll detected the older state.
    Stale(String),
    /// The response may show an older state of the index than an earlier poll, and no request that
    /// the role permits has confirmed the response.
    Unconfirmed,
    /// The node does not return the version of the cluster state, although a node has returned a
    /// version in an earlier poll. A node that does not return the version of the cluster state may
    /// be cut off from the cluster.
    VersionWithheld,
    HiddenDocuments {
        visible: u64,
        counted: u64,
    },
    /// A document is rejected because the role hides or masks some of its fields.
    HiddenFields {
        id: String,
        rejection: Rejection,
    },
    /// The index contains more than `max_documents` directives that have not ended.
    TooManyDocuments {
        documents: u64,
        max_documents: usize,
    },
    /// The index contains more documents than a store may keep in memory, including the documents
    /// of ended directives.
    TooManyStored {
        documents: u64,
        max_stored: usize,
    },
    /// The store has refused the snapshot that another agent sent.
    Agent(AgentError),
    /// A poll failed, and its source is implemented by the application.
    Source(Box<dyn std::error::Error + Send + Sync>),
}

impl ReadError {
    pub(crate) fn new(index: &str, failure: ReadFailure) -> Self {
        Self {
            index: index.to_owned(),
            failure: Box::new(failure),
        }
    }

    /// Creates the error for a failed poll of a [source](crate::source) that the application
    /// implements. `name` says what the source could not read, for example the name of a file.
    #[must_use]
    pub fn of_source(
        name: &str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(name, ReadFailure::Source(cause.into()))
    }

    /// Creates the error for a poll whose request to the cluster failed.
    pub(crate) fn of_request(index: &str, error: RequestError) -> Self {
        let failure = if error.is_index_not_found() {
            ReadFailure::NoIndex(error)
        } else {
            ReadFailure::Request(error)
        };
        Self::new(index, failure)
    }

    /// Returns which kind of failure made the poll fail.
    #[must_use]
    pub fn kind(&self) -> PollErrorKind {
        match self.failure.as_ref() {
            ReadFailure::Request(_) | ReadFailure::Source(_) => PollErrorKind::Request,
            ReadFailure::NoIndex(_) | ReadFailure::NotOneIndex { .. } => PollErrorKind::NoIndex,
            ReadFailure::Incomplete(_) => PollErrorKind::Incomplete,
            ReadFailure::Stale(_) | ReadFailure::Unconfirmed | ReadFailure::VersionWithheld => {
                PollErrorKind::Stale
            }
            ReadFailure::HiddenDocuments { .. } => PollErrorKind::HiddenDocuments,
            ReadFailure::HiddenFields { .. } => PollErrorKind::HiddenFields,
            ReadFailure::TooManyDocuments { .. } | ReadFailure::TooManyStored { .. } => {
                PollErrorKind::TooManyDocuments
            }
            ReadFailure::Agent(error) => error.kind(),
        }
    }

    /// Returns the error of the failed request; `None` if the poll failed for another reason.
    #[must_use]
    pub fn request(&self) -> Option<&RequestError> {
        match self.failure.as_ref() {
            ReadFailure::NoIndex(error) | ReadFailure::Request(error) => Some(error),
            _ => None,
        }
    }

    /// Returns true if the cluster reported that the index does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        matches!(*self.failure, ReadFailure::NoIndex(_))
    }

    /// Returns true if the cluster could not be reached or did not respond in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.request().is_some_and(RequestError::is_unreachable)
    }

    /// Returns true if another agent has sent differences that do not fit the current snapshot of
    /// this store.
    pub(crate) fn is_wrong_delta(&self) -> bool {
        matches!(*self.failure, ReadFailure::Agent(AgentError::Delta(_)))
    }

    #[cfg(test)]
    pub(crate) fn into_failure(self) -> ReadFailure {
        *self.failure
    }

    /// Returns how long the server wants the client to wait before the next request
    /// (`Retry-After`).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.request().and_then(RequestError::retry_after)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = &self.index;
        match self.failure.as_ref() {
            ReadFailure::NoIndex(_) => write!(
                f,
                "the index {index} does not exist; create it with `directives init`"
            ),
            ReadFailure::Request(_) => write!(f, "cannot read the index {index}"),
            ReadFailure::Source(_) => write!(f, "cannot read {index}"),
            ReadFailure::Incomplete(_) => {
                write!(f, "the response to the read of {index} is not complete")
            }
            ReadFailure::NotOneIndex { indices } => write!(
                f,
                "{index} refers to {} indices; make it the name or an alias of exactly one index",
                indices.len()
            ),
            ReadFailure::Stale(_) | ReadFailure::Unconfirmed | ReadFailure::VersionWithheld => {
                self.fmt_older_state(f)
            }
            ReadFailure::HiddenDocuments { visible, counted } => write!(
                f,
                "{index} returns {visible} of {counted} documents; does document-level security \
                 hide documents from this user? Give the user a role that can read all documents \
                 of {index}"
            ),
            ReadFailure::HiddenFields { id, .. } => write!(
                f,
                "{index} does not return all fields of the document {} to this user, because \
                 of field-level security or field masking; the published set stays in use. Give \
                 the user a role that can read all fields of {index}",
                visible(id, false)
            ),
            ReadFailure::TooManyDocuments {
                documents,
                max_documents,
            } => write!(
                f,
                "{index} contains {documents} documents that have not ended, more than \
                 `max_documents` ({max_documents}); revoke or delete some, or raise `max_documents`"
            ),
            ReadFailure::TooManyStored {
                documents,
                max_stored,
            } => write!(
                f,
                "{index} contains {documents} documents, ended ones included, more than a reader \
                 holds ({max_stored}, a multiple of `max_documents`); delete old ones with \
                 `directives prune --ended-before 90d`, or raise `max_documents`"
            ),
            ReadFailure::Agent(_) => write!(f, "the agent's snapshot of {index} is refused"),
        }
    }
}

impl ReadError {
    /// Writes the error message for a response that is older, or may be older, than an earlier
    /// response.
    fn fmt_older_state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = &self.index;
        match self.failure.as_ref() {
            ReadFailure::Stale(what) => write!(
                f,
                "{index} returned an older state than in an earlier poll: {what}"
            ),
            ReadFailure::Unconfirmed => write!(
                f,
                "{index} may have returned an older state than in an earlier poll, and the role \
                 does not permit the request that would show whether it did; the state is \
                 accepted if it persists"
            ),
            _ => write!(
                f,
                "the cluster no longer returns the version of its state; if this persists for a \
                 minute, {index} is read without this check"
            ),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.failure.as_ref() {
            ReadFailure::NoIndex(error) | ReadFailure::Request(error) => Some(error),
            ReadFailure::Incomplete(what) => Some(what),
            ReadFailure::HiddenFields { rejection, .. } => Some(rejection),
            ReadFailure::Agent(error) => Some(error),
            ReadFailure::Source(error) => Some(&**error),
            _ => None,
        }
    }
}
