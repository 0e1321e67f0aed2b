//! The errors of a store: the start failed, a poll failed, or a refresh was not possible.
//!
//! The fields of an error are private. A caller decides by `kind()` and the `is_…()` methods how to
//! react to an error. [`source()`](std::error::Error::source) returns the cause of an error. The
//! text of an error does not repeat the text of its cause. [`chain`] formats an error with all its
//! causes.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::status::{PollFailures, RefresherState};

pub use crate::http::{ConfigError, ConfigErrorKind, RequestError, RequestErrorKind, chain};
pub use crate::last_good_format::{LastGoodError, LastGoodErrorKind};
pub use crate::rest::{PollErrorKind, ReadError};
pub use opensearch_directives_core::{
    BuildError, SnapshotError, SnapshotErrorKind, UnknownDiagLevel, UnknownEndpointKind,
};

/// The error of a failed poll. A failed poll does not change the published set.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct PollError(Arc<PollFailure>);

#[derive(Debug, thiserror::Error)]
enum PollFailure {
    #[error(transparent)]
    Read(ReadError),
    #[error("the poll took longer than {0:?} (`poll_timeout`)")]
    Deadline(Duration),
    #[error("the refresher panicked: {0}")]
    Panic(String),
}

impl PollError {
    pub(crate) fn deadline(poll_timeout: Duration) -> Self {
        Self(Arc::new(PollFailure::Deadline(poll_timeout)))
    }

    pub(crate) fn panic(text: String) -> Self {
        Self(Arc::new(PollFailure::Panic(text)))
    }

    /// Returns why the poll failed, as a value that a program can compare.
    #[must_use]
    pub fn kind(&self) -> PollErrorKind {
        match &*self.0 {
            PollFailure::Read(error) => error.kind(),
            PollFailure::Deadline(_) => PollErrorKind::Deadline,
            PollFailure::Panic(_) => PollErrorKind::Panic,
        }
    }

    /// Returns the [`ReadError`], if the poll failed because the index could not be read.
    #[must_use]
    pub fn read_error(&self) -> Option<&ReadError> {
        match &*self.0 {
            PollFailure::Read(error) => Some(error),
            PollFailure::Deadline(_) | PollFailure::Panic(_) => None,
        }
    }

    /// Returns true if the cluster could not be reached or did not respond in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match &*self.0 {
            PollFailure::Read(error) => error.is_unreachable(),
            PollFailure::Deadline(_) => true,
            PollFailure::Panic(_) => false,
        }
    }

    /// Returns true if the cluster reported that the index does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        self.read_error().is_some_and(ReadError::is_index_not_found)
    }

    /// Returns the pause that the server requested before the next attempt, with the header
    /// `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.read_error().and_then(ReadError::retry_after)
    }

    /// Increments the counter in `failures` of polls that failed for the same reason as this poll.
    pub(crate) fn count_in(&self, failures: &mut PollFailures) {
        let counter = match self.kind() {
            PollErrorKind::Request => &mut failures.request,
            PollErrorKind::NoIndex => &mut failures.no_index,
            PollErrorKind::Incomplete
            | PollErrorKind::HiddenDocuments
            | PollErrorKind::HiddenFields => &mut failures.incomplete,
            PollErrorKind::Stale => &mut failures.stale,
            PollErrorKind::TooManyDocuments => &mut failures.too_many_documents,
            PollErrorKind::Deadline => &mut failures.deadline,
            PollErrorKind::Panic => &mut failures.panic,
        };
        *counter += 1;
    }
}

impl From<ReadError> for PollError {
    fn from(error: ReadError) -> Self {
        Self(Arc::new(PollFailure::Read(error)))
    }
}

/// The reason why a store could not be started.
#[derive(Debug)]
pub struct StartError(StartFailure);

#[derive(Debug)]
enum StartFailure {
    /// A setting is invalid, so the store was not started and has sent no request.
    Config(ConfigError),
    /// The first read of the index failed, so the store was not started.
    FirstRead(PollError),
    /// The first read failed, and the last-good file could not be read either.
    LastGood {
        poll: PollError,
        file: LastGoodError,
    },
    /// The store published no snapshot within the given time.
    NotReady {
        within: Duration,
        refresher: RefresherState,
        poll: Option<PollError>,
    },
}

impl StartError {
    pub(crate) fn first_read(error: PollError) -> Self {
        Self(StartFailure::FirstRead(error))
    }

    pub(crate) fn last_good(poll: PollError, file: LastGoodError) -> Self {
        Self(StartFailure::LastGood { poll, file })
    }

    pub(crate) fn not_ready(
        within: Duration,
        refresher: RefresherState,
        poll: Option<PollError>,
    ) -> Self {
        Self(StartFailure::NotReady {
            within,
            refresher,
            poll,
        })
    }

    /// Returns the error of the invalid setting, if an invalid setting prevented the start.
    #[must_use]
    pub fn config_error(&self) -> Option<&ConfigError> {
        match &self.0 {
            StartFailure::Config(error) => Some(error),
            _ => None,
        }
    }

    /// Returns the error of the last poll before the store gave up its start, if that poll failed.
    #[must_use]
    pub fn poll_error(&self) -> Option<&PollError> {
        match &self.0 {
            StartFailure::Config(_) => None,
            StartFailure::FirstRead(poll) | StartFailure::LastGood { poll, .. } => Some(poll),
            StartFailure::NotReady { poll, .. } => poll.as_ref(),
        }
    }

    /// Returns true if the cluster could not be reached or did not respond in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.poll_error().is_some_and(PollError::is_unreachable)
    }

    /// Returns true if the cluster reported that the index does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        self.poll_error().is_some_and(PollError::is_index_not_found)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            StartFailure::Config(_) => f.write_str("the configuration is invalid"),
            StartFailure::FirstRead(_) => f.write_str("the first read of the directives failed"),
            // `source()` can return only one cause, which is the error of the last-good file, so
            // this text contains the error of the read.
            StartFailure::LastGood { poll, .. } => write!(
                f,
                "the first read of the directives failed ({}), and there is no last good set",
                chain(poll)
            ),
            StartFailure::NotReady {
                within, refresher, ..
            } => match refresher {
                RefresherState::NotStarted => write!(
                    f,
                    "there was no complete read within {within:?}, because the refresher was not run"
                ),
                RefresherState::Stopped => {
                    f.write_str("the refresher ended before the first complete read")
                }
                _ => write!(f, "there was no complete read within {within:?}"),
            },
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            StartFailure::Config(error) => Some(error),
            StartFailure::FirstRead(error) => Some(error),
            StartFailure::LastGood { file, .. } => Some(file),
            StartFailure::NotReady { poll, .. } => poll.as_ref().map(|poll| poll as _),
        }
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self(StartFailure::Config(error))
    }
}

/// The error of [`refresh`](crate::OpenSearchDirectiveStore::refresh): the poll failed, or the
/// refresher has ended or did not respond.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct RefreshError(RefreshFailure);

#[derive(Clone, Debug, thiserror::Error)]
enum RefreshFailure {
    #[error(transparent)]
    Poll(PollError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(
        "the refresher did not respond within {0:?}; its runtime does not run, or the process was forked"
    )]
    NoResponse(Duration),
}

impl RefreshError {
    pub(crate) fn no_response(limit: Duration) -> Self {
        Self(RefreshFailure::NoResponse(limit))
    }

    /// Returns the error of the poll that `refresh` requested, if that poll failed. Returns `None`
    /// if the refresher had stopped or did not respond.
    #[must_use]
    pub fn poll_error(&self) -> Option<&PollError> {
        match &self.0 {
            RefreshFailure::Poll(error) => Some(error),
            RefreshFailure::Stopped(_) | RefreshFailure::NoResponse(_) => None,
        }
    }

    /// Returns true if `refresh` failed because the refresher has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.0, RefreshFailure::Stopped(_))
    }

    /// Returns true if `refresh` failed because the refresher did not respond in time, since its
    /// runtime does not run.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(self.0, RefreshFailure::NoResponse(_))
    }

    /// Returns true if the cluster could not be reached or did not respond in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.poll_error().is_some_and(PollError::is_unreachable)
    }
}

impl From<PollError> for RefreshError {
    fn from(error: PollError) -> Self {
        Self(RefreshFailure::Poll(error))
    }
}

impl From<Stopped> for RefreshError {
    fn from(stopped: Stopped) -> Self {
        Self(RefreshFailure::Stopped(stopped))
    }
}

/// The refresher has ended, because the store was shut down or the runtime ended. The store of an
/// ended refresher will publish no further set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the refresher of the store has ended")]
pub struct Stopped;
