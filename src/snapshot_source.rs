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
    /// Looks for a snapshot that is newer than the published one.
    ///
    /// The future may be dropped at any point, because a poll has a deadline. The source then
    /// releases all resources that it holds on the server.
    fn poll<'a>(
        &'a mut self,
        published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>>;

    /// The counts of the polls so far, and their strategy.
    fn report(&self) -> SourceReport;
}

/// The published snapshot as a poll finds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishedState<'a> {
    /// The published snapshot.
    pub(crate) snapshot: &'a Snapshot,
    /// The generation of this source that it comes from. `None` if it has another origin or was
    /// emptied.
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

/// The counts of a source's polls so far, and their strategy.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceReport {
    /// The polls by what they had to read.
    pub(crate) counters: ReadCounters,
    /// How the polls read.
    pub(crate) strategy: PollStrategy,
    /// By how many seconds the local clock is ahead of the cluster's, if it was measured.
    pub(crate) clock_skew: Option<f64>,
}
