//! The trait through which the refresher obtains snapshots. Its implementations read an index, read
//! another agent, or serve tests.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::rest::ReadError;
use crate::status::{PollStrategy, ReadCounters};
use opensearch_directives_core::Snapshot;

/// A source of snapshots that the refresher polls.
pub(crate) trait SnapshotSource: Send + Sync + fmt::Debug {
    /// Finds out whether there is a snapshot that is newer than the published one.
    ///
    /// The future may be dropped at any point, because a poll has a deadline. The source then
    /// releases all resources that it holds on the server.
    fn poll<'a>(
        &'a mut self,
        published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>>;

    /// Returns the counts of the polls so far, and their strategy.
    fn report(&self) -> SourceReport;
}

/// The published state at the start of a poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishedState<'a> {
    /// The published snapshot.
    pub(crate) snapshot: &'a Snapshot,
    /// The generation of this source from which the snapshot was created. `None` if the snapshot
    /// has another origin, or the set was emptied.
    pub(crate) generation: Option<u64>,
    /// The time since the index was read for this snapshot.
    pub(crate) age: Option<Duration>,
}

/// The outcome of a successful poll.
#[derive(Debug)]
pub(crate) struct Polled {
    /// The source's current generation. Equal generations have equal content.
    pub(crate) generation: u64,
    /// The current snapshot; `None` if it is the published snapshot.
    pub(crate) snapshot: Option<Snapshot>,
    /// The time at which the index was read, by the local clock.
    pub(crate) read_at: Timestamp,
    /// The time since the index was read.
    pub(crate) age: Duration,
}

/// The counts of a source's polls so far, and their strategy.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceReport {
    /// The number of polls of each kind.
    pub(crate) counters: ReadCounters,
    /// The requests that the polls use.
    pub(crate) strategy: PollStrategy,
    /// The seconds by which the local clock is ahead of the cluster's; `None` if they were not
    /// measured.
    pub(crate) clock_skew: Option<f64>,
}
