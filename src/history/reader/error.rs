//! Defines the error of reading a history. The methods of the error tell a caller what failed, so
//! that the caller can decide how to react.

use std::error::Error;
use std::fmt;

use crate::admin::WriteError;
use crate::error::RequestErrorKind;
use crate::http::RequestError;
use crate::rest::Incomplete;

/// A history could not be read completely.
///
/// The error contains no records, because a part of a history would look like a history with gaps.
pub struct HistoryError(Box<Kind>);

#[derive(Debug, thiserror::Error)]
pub(super) enum Kind {
    #[error(
        "there is no history: the data stream {0} does not exist; create it with `directives init \
         --history`"
    )]
    NoStream(String),
    #[error("the history {stream} cannot be read")]
    Request {
        stream: String,
        source: RequestError,
    },
    #[error("the history {stream} was not read completely")]
    Incomplete { stream: String, source: Incomplete },
    #[error(
        "the history {stream} has {found} such records, and at most {limit} are read; name a \
         directive, or a shorter time"
    )]
    TooMany {
        stream: String,
        found: u64,
        limit: u64,
    },
    #[error(
        "the history {stream} hides records from this user: {found} of {stored} are visible; use a \
         role without document-level security"
    )]
    Hidden {
        stream: String,
        found: u64,
        stored: u64,
    },
    #[error("the name {0} does not refer to exactly one index with one shard")]
    NotOneIndex(String),
    #[error(
        "the statistics of the index {0} cannot be read ({1}); use a role that grants \
         indices:monitor/stats, such as directives_auditor"
    )]
    NoStatistics(String, String),
    #[error(
        "the index {0} changed during each of several reads, or the role hides documents from this \
         user; try again, with a role without document-level security"
    )]
    Moving(String),
    #[error(
        "the audit log {0} cannot be read, so the authors cannot be compared with it; \
         --no-audit-log leaves the comparison out"
    )]
    AuditLog(String, #[source] AuditLogProblem),
    #[error(transparent)]
    Index(WriteError),
}

/// The reason why an audit log cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::history) enum AuditLogProblem {
    #[error("no index has this name; name the indices of the security plugin's audit log")]
    Missing,
    #[error("the response is not complete")]
    Incomplete,
    #[error("{0} events are in the period of the records, which is too many; name a shorter time")]
    TooMany(u64),
    #[error(transparent)]
    Request(RequestError),
}

impl AuditLogProblem {
    pub(in crate::history) fn of(self, indices: &str) -> HistoryError {
        Kind::AuditLog(indices.to_owned(), self).into()
    }
}

impl HistoryError {
    /// Returns true if a response was larger than the client's size limit for responses, so that a
    /// search for fewer records may succeed.
    pub(super) fn is_response_too_large(&self) -> bool {
        match &*self.0 {
            Kind::Request { source, .. } => source.kind() == RequestErrorKind::TooLarge,
            _ => false,
        }
    }

    /// Returns true if the data stream of the history does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(*self.0, Kind::NoStream(_))
    }

    /// Returns true if no node of the cluster returned a usable response in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match &*self.0 {
            Kind::Request { source, .. } | Kind::AuditLog(_, AuditLogProblem::Request(source)) => {
                source.is_unreachable()
            }
            Kind::Index(error) => error.is_unreachable(),
            _ => false,
        }
    }

    /// Returns the cause if reading the index failed; `None` if reading the history failed.
    #[must_use]
    pub fn index_error(&self) -> Option<&WriteError> {
        match &*self.0 {
            Kind::Index(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for HistoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<Kind> for HistoryError {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<WriteError> for HistoryError {
    fn from(error: WriteError) -> Self {
        Kind::Index(error).into()
    }
}
