//! The trait through which the refresher obtains snapshots: the index, another agent, or a test
//! implements it.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::rest::ReadError;
use crate::status::{PollStrategy, ReadCounters};
use opensearch_directives_core::Snapshot;

/// A source of snapshots that the refresher polls.
pub(crate) trait SnapshotSource: Send + Sync + fmt::Debug {
    /// Looks for something newer than what is published.
    ///
    /// May be dropped at any point, because a poll has a deadline. Whatever it holds on the
    /// server is released then.
    fn poll<'a>(
        &'a mut self,
        published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>>;

    /// What the polls have read so far, and how.
    fn report(&self) -> SourceReport;
}

/// What is published while a poll runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishedState<'a> {
    /// The published snapshot.
    pub(crate) snapshot: &'a Snapshot,
    /// Which generation of this source it is; `None` if it came from elsewhere, or was emptied.
    pub(crate) generation: Option<u64>,
    /// How long ago the index was read for it.
    pub(crate) age: Option<Duration>,
}

/// The outcome of a successful poll.
#[derive(Debug)]
pub(crate) struct Polled {
    /// The source's current generation. Equal generations have equal content.
    pub(crate) generation: u64,
    /// The current snapshot; `None` if it is the published one.
    pub(crate) snapshot: Option<Snapshot>,
    /// When the index was read for it, by the local clock.
    pub(crate) read_at: Timestamp,
    /// How long ago that was.
    pub(crate) age: Duration,
}

/// What a source has read so far, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceReport {
    /// The polls by what they had to read.
    pub(crate) counters: ReadCounters,
    /// How the polls read.
    pub(crate) strategy: PollStrategy,
    /// By how many seconds the local clock is ahead of the cluster's, if it was measured.
    pub(crate) clock_skew: Option<f64>,
}
