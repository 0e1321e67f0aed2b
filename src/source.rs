//! The source of a store's snapshots. This library contains two: an index, and another agent. An
//! application can implement [`SnapshotSource`] for its own, and build the store with
//! [`build_from`](crate::OpenSearchDirectiveStore::build_from).
//!
//! The refresher does the rest for every source: it waits with jitter and backoff, limits the time
//! of a poll, survives a panic, publishes in one swap, and keeps the status and the last-good file.
//! `examples/file_source.rs` reads a file.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

pub use crate::rest::ReadError;
use crate::status::{PollStrategy, ReadCounters};
use crate::sync::Origins;
use opensearch_directives_core::Snapshot;

/// The future of a poll, as `Box::pin(async { … })` creates it.
pub type PollFuture<'a> = Pin<Box<dyn Future<Output = Result<Polled, ReadError>> + Send + 'a>>;

/// A source of snapshots that the refresher polls.
pub trait SnapshotSource: Send + Sync + fmt::Debug {
    /// Finds out whether there is a snapshot that is newer than the published one.
    ///
    /// Return only a snapshot that was read completely. The future may be dropped at any point,
    /// because a poll has a deadline. The source then releases all resources that it holds on the
    /// server.
    fn poll<'a>(&'a mut self, published: PublishedState<'a>) -> PollFuture<'a>;

    /// Remembers the snapshot of the last-good file before the first poll, so that the source can
    /// compare its first read with it. By default, nothing is remembered.
    fn recall(&mut self, last_good: &Snapshot) {
        let _ = last_good;
    }

    /// Returns the counts of the polls so far, and their strategy. By default, nothing is counted.
    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}

/// The published state at the start of a poll.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PublishedState<'a> {
    /// The published snapshot.
    pub snapshot: &'a Snapshot,
    /// The generation of this source from which the snapshot was created. `None` if the snapshot
    /// has another origin, or the set was emptied: the poll must then return a snapshot.
    pub generation: Option<u64>,
    /// The time since the source was read for this snapshot.
    pub age: Option<Duration>,
    /// The time by the clock of the store.
    pub now: Timestamp,
}

/// The outcome of a successful poll.
#[derive(Debug)]
#[non_exhaustive]
pub struct Polled {
    /// The source's current generation. Equal generations have equal content.
    pub generation: u64,
    /// The current snapshot; `None` if it is the published snapshot.
    pub snapshot: Option<Snapshot>,
    /// The time at which the source was read, by the local clock.
    pub read_at: Timestamp,
    /// The time since the source was read. It is zero unless the source has its content from
    /// elsewhere.
    pub age: Duration,
    /// The operations that wrote the documents; `None` if the source does not know them.
    pub(crate) origins: Option<Origins>,
}

impl Polled {
    /// Creates the outcome of a poll that read a new snapshot just now.
    #[must_use]
    pub fn changed(generation: u64, snapshot: Snapshot, read_at: Timestamp) -> Self {
        Self {
            generation,
            snapshot: Some(snapshot),
            read_at,
            age: Duration::ZERO,
            origins: None,
        }
    }

    /// Creates the outcome of a poll that found the published snapshot unchanged just now.
    #[must_use]
    pub fn unchanged(generation: u64, read_at: Timestamp) -> Self {
        Self {
            generation,
            snapshot: None,
            read_at,
            age: Duration::ZERO,
            origins: None,
        }
    }
}

/// The counts of a source's polls so far, and their strategy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceReport {
    /// The number of polls of each kind.
    pub counters: ReadCounters,
    /// The requests that the polls use.
    pub strategy: PollStrategy,
    /// The seconds by which the local clock is ahead of the source's; `None` if they were not
    /// measured.
    pub clock_skew: Option<f64>,
    /// The number of documents that count against `max_documents`; `None` if the source does not
    /// count them, or before the first complete read.
    pub unfinished: Option<usize>,
    /// The conditions that an operator should correct soon.
    pub warnings: Vec<String>,
}
