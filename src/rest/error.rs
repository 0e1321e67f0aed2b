//! Why the index, or another agent's snapshot of it, could not be read.

use std::fmt;
use std::time::Duration;

use super::incomplete::Incomplete;
use crate::agent_source::AgentError;
use crate::http::RequestError;
use opensearch_directives_core::document::Rejection;

/// Why the index could not be read completely.
///
/// [`kind`](Self::kind) tells what to do about it; [`source`](std::error::Error::source) leads
/// to the request or the response that failed.
#[derive(Debug)]
pub struct ReadError {
    /// The index or alias that was to be read.
    index: String,
    failure: Box<ReadFailure>,
}

/// The kinds of failed polls, as the metric `directives_poll_failures_total` counts them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PollErrorKind {
    /// A request got no usable response: the connection failed, the time limit passed, or the
    /// server refused it.
    Request,
    /// The index does not exist, or its name refers to no index or to several.
    NoIndex,
    /// A response was incomplete, or mixed several states of the index.
    Incomplete,
    /// The response was older than the published set, or may have been.
    Stale,
    /// The cluster counts documents that the role does not show.
    HiddenDocuments,
    /// The role hides or masks fields of the documents.
    HiddenFields,
    /// The index holds more documents than `max_documents`.
    TooManyDocuments,
    /// The poll as a whole took longer than `poll_timeout`.
    Deadline,
    /// The refresher panicked and continues.
    Panic,
}

/// The details of a [`ReadError`].
#[derive(Debug)]
pub(crate) enum ReadFailure {
    NoIndex(RequestError),
    Request(RequestError),
    Incomplete(Incomplete),
    /// The name is an alias of none or of several indices.
    NotOneIndex {
        indices: Vec<String>,
    },
    /// The response shows an older state than the one that was read before, and why.
    Stale(String),
    /// The response may show an older state, and the role does not permit to find out.
    Unconfirmed,
    /// The cluster state version was available before; the node may be cut off.
    VersionWithheld,
    HiddenDocuments {
        shown: u64,
        counted: u64,
    },
    /// A document is rejected because the role hides or masks its fields.
    HiddenFields {
        id: String,
        rejection: Rejection,
    },
    TooManyDocuments {
        documents: u64,
        max_documents: usize,
    },
    /// The snapshot of another agent is refused.
    Agent(AgentError),
}

impl ReadError {
    pub(crate) fn new(index: &str, failure: ReadFailure) -> Self {
        Self {
            index: index.to_owned(),
            failure: Box::new(failure),
        }
    }

    /// For a request that failed.
    pub(crate) fn of_request(index: &str, error: RequestError) -> Self {
        let failure = if error.is_index_not_found() {
            ReadFailure::NoIndex(error)
        } else {
            ReadFailure::Request(error)
        };
        Self::new(index, failure)
    }

    /// The kind of the failure.
    #[must_use]
    pub fn kind(&self) -> PollErrorKind {
        match self.failure.as_ref() {
            ReadFailure::Request(_) => PollErrorKind::Request,
            ReadFailure::NoIndex(_) | ReadFailure::NotOneIndex { .. } => PollErrorKind::NoIndex,
            ReadFailure::Incomplete(_) => PollErrorKind::Incomplete,
            ReadFailure::Stale(_) | ReadFailure::Unconfirmed | ReadFailure::VersionWithheld => {
                PollErrorKind::Stale
            }
            ReadFailure::HiddenDocuments { .. } => PollErrorKind::HiddenDocuments,
            ReadFailure::HiddenFields { .. } => PollErrorKind::HiddenFields,
            ReadFailure::TooManyDocuments { .. } => PollErrorKind::TooManyDocuments,
            ReadFailure::Agent(error) => error.kind(),
        }
    }

    /// The request that failed, if one did.
    #[must_use]
    pub fn request(&self) -> Option<&RequestError> {
        match self.failure.as_ref() {
            ReadFailure::NoIndex(error) | ReadFailure::Request(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the cluster said that the index does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        matches!(*self.failure, ReadFailure::NoIndex(_))
    }

    /// Whether the cluster could not be reached or did not respond in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.request().is_some_and(RequestError::is_unreachable)
    }

    #[cfg(test)]
    pub(crate) fn into_failure(self) -> ReadFailure {
        *self.failure
    }

    /// How long the response asked to wait before another attempt.
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
            ReadFailure::Incomplete(_) => write!(f, "the read of {index} is not complete"),
            ReadFailure::NotOneIndex { indices } => write!(
                f,
                "{index} stands for {} indices; make it the name or an alias of exactly one",
                indices.len()
            ),
            ReadFailure::Stale(what) => write!(
                f,
                "{index} shows an older state than the one that was read before: {what}"
            ),
            ReadFailure::Unconfirmed => write!(
                f,
                "{index} may show an older state than before, and the role does not permit to \
                 find out; it is accepted if it persists"
            ),
            ReadFailure::VersionWithheld => write!(
                f,
                "the cluster no longer returns the version of its state; {index} is read without \
                 it if that persists for a minute"
            ),
            ReadFailure::HiddenDocuments { shown, counted } => write!(
                f,
                "{index} shows {shown} of {counted} documents; does document-level security \
                 hide documents from this user? Give it a role that reads all of {index}"
            ),
            ReadFailure::HiddenFields { id, .. } => write!(
                f,
                "{index} does not show all fields of the document {id} to this user, because of \
                 field-level security or field masking; what was published stays published. Give \
                 the user a role that reads all fields of {index}"
            ),
            ReadFailure::TooManyDocuments {
                documents,
                max_documents,
            } => write!(
                f,
                "{index} holds {documents} documents, more than `max_documents` \
                 ({max_documents}); delete old ones or raise `max_documents`"
            ),
            ReadFailure::Agent(_) => write!(f, "the agent's snapshot of {index} is refused"),
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
            _ => None,
        }
    }
}
