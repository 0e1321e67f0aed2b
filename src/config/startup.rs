//! Defines what a store does if its first read of the index fails.

use std::time::Duration;

/// What a store does if it cannot read the index at the start.
///
/// [`LastGoodOrEmpty`](Self::LastGoodOrEmpty) is recommended for a proxy, because a proxy must
/// serve its traffic even if the cluster is unavailable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Startup {
    /// The start of the store fails if the index cannot be read.
    /// [`start`](crate::OpenSearchDirectiveStore::start) returns after a complete read, or returns
    /// the error of the read.
    Require {
        /// The store repeats a failed first read until this duration has passed. The first attempt
        /// may take longer than this duration, so the default of zero means one attempt.
        within: Duration,
    },
    /// If the first read fails, the store starts with the set of the last-good file and continues
    /// to poll. The start fails if neither the index nor the last-good file can be read.
    LastGood,
    /// If the first read fails, the store starts with the set of the last-good file, or with an
    /// empty set if the last-good file cannot be read either, and continues to poll. The start
    /// succeeds even if neither the index nor the last-good file can be read.
    LastGoodOrEmpty,
    /// The store starts with an empty set, without waiting for the first read, and continues to
    /// poll.
    Empty,
}

impl Startup {
    /// Returns the same startup policy with a single attempt to read the index, because the
    /// refresher retries a failed first read in its own loop.
    pub(crate) fn once(self) -> Self {
        match self {
            Self::Require { .. } => Self::default(),
            other => other,
        }
    }

    /// Returns true if this startup policy lets a store start with the set of the last-good file.
    pub(super) fn restores(self) -> bool {
        matches!(self, Self::LastGood | Self::LastGoodOrEmpty)
    }
}

/// Returns [`Startup::Require`] with a single attempt to read the index.
impl Default for Startup {
    fn default() -> Self {
        Self::Require {
            within: Duration::ZERO,
        }
    }
}
