//! Why a store did not start, and why a poll changed nothing.

use std::time::Duration;

use crate::status::PollFailures;

pub use crate::http::{ConfigError, ConfigErrorKind, RequestError, RequestErrorKind, chain};
pub use crate::last_good::LastGoodError;
pub use crate::rest::{Incomplete, ReadError, UpstreamError};
pub use opensearch_directives_core::{
    RepeatedId, SnapshotError, UnknownDiagLevel, UnknownEndpointKind,
};

/// Why a poll changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// The index could not be read completely.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The poll as a whole took too long.
    #[error("the poll took longer than {0:?} in all (`poll_timeout`)")]
    Deadline(Duration),
    /// The refresher has a bug; it goes on.
    #[error("the refresher panicked: {0}")]
    Panicked(String),
}

impl PollError {
    /// How long the cluster asked to wait before another try.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Read(ReadError::Request { source, .. } | ReadError::NoIndex { source, .. }) => {
                source.retry_after()
            }
            _ => None,
        }
    }

    /// Counts it.
    pub(crate) fn count_in(&self, failures: &mut PollFailures) {
        let counter = match self {
            Self::Read(error) => match error {
                ReadError::Request { .. } => &mut failures.request,
                ReadError::NoIndex { .. } | ReadError::NotOneIndex { .. } => &mut failures.no_index,
                ReadError::Incomplete { .. } => &mut failures.incomplete,
                ReadError::Stale { .. }
                | ReadError::Unconfirmed { .. }
                | ReadError::Untold { .. } => &mut failures.stale,
                ReadError::TooManyDocuments { .. } => &mut failures.too_many_documents,
                ReadError::Upstream { source, .. } => match source {
                    UpstreamError::Older | UpstreamError::TooOld { .. } => &mut failures.stale,
                    UpstreamError::Snapshot(SnapshotError::TooManyDirectives { .. }) => {
                        &mut failures.too_many_documents
                    }
                    UpstreamError::OtherIndex(_) => &mut failures.no_index,
                    _ => &mut failures.incomplete,
                },
            },
            Self::Deadline(_) => &mut failures.deadline,
            Self::Panicked(_) => &mut failures.panic,
        };
        *counter += 1;
    }
}

/// Why a store did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work; nothing was sent.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// There was no first complete read.
    #[error("no first read of the directives")]
    FirstRead(#[source] PollError),
    /// There was no first complete read, and no last-good file to begin with.
    #[error("no first read of the directives ({}), and no last good set", chain(.poll))]
    LastGood {
        /// Why there was no read.
        poll: PollError,
        /// Why the file is not used.
        #[source]
        file: LastGoodError,
    },
}

/// Why [`refresh`](crate::OpenSearchDirectiveStore::refresh) did not read the index.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The poll changed nothing.
    #[error(transparent)]
    Poll(std::sync::Arc<PollError>),
    /// The store was shut down.
    #[error("the store was shut down")]
    Stopped,
}

/// The store was shut down or dropped: nothing more will be published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the store was shut down")]
pub struct Stopped;
