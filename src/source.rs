//! Defines the trait [`SnapshotSource`], through which a source provides a store with snapshots.
//! This library implements two sources: an index, and another agent. An application can implement
//! [`SnapshotSource`] for another source, and build a store over this source with
//! [`build_from`](crate::OpenSearchDirectiveStore::build_from).
//!
//! For every source, the refresher waits between polls with jitter and backoff, limits the duration
//! of each poll, survives a panic of the source, publishes in one swap, and keeps the status and
//! the last-good file up to date. `examples/file_source.rs` is an example of a source that reads a
//! file.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use crate::history::RecorderStatus;
pub use crate::rest::ReadError;
use crate::status::{PollStrategy, ReadCounters};
use crate::sync::Origins;
use opensearch_directives_core::Snapshot;

/// The future that [`SnapshotSource::poll`] returns. `Box::pin(async { … })` creates a
/// `PollFuture`.
pub type PollFuture<'a> = Pin<Box<dyn Future<Output = Result<Polled, ReadError>> + Send + 'a>>;

/// The future that [`SnapshotSource::pause`] returns, and that completes when the source learns of
/// a change.
pub type PauseFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of snapshots that the refresher polls.
pub trait SnapshotSource: Send + Sync + fmt::Debug {
    /// Finds out whether the source has a newer snapshot than the published snapshot.
    ///
    /// An implementation must return only snapshots that it has read completely. The refresher
    /// drops the returned future if the poll exceeds its deadline. When the future of a poll is
    /// dropped, the source must release all resources that it holds on the server.
    fn poll<'a>(&'a mut self, published: PublishedState<'a>) -> PollFuture<'a>;

    /// Passes the snapshot of the last-good file to the source before the first poll, so that the
    /// source can compare its first read with this snapshot. The default implementation ignores the
    /// snapshot.
    fn recall(&mut self, last_good: &Snapshot) {
        let _ = last_good;
    }

    /// Returns a future that completes as soon as the source learns of a change, so that the next
    /// poll begins earlier. The future of the default implementation never completes.
    ///
    /// `generation` is the [generation](PublishedState::generation) of the published snapshot. The
    /// refresher first waits for the shortest pause between two polls, and then waits for the
    /// returned future for at most `pause`. The refresher drops the returned future if a caller
    /// requests a poll. After a failed poll, the refresher does not call the method `pause`, so
    /// that the whole pause passes.
    fn pause(&mut self, generation: Option<u64>, pause: Duration) -> PauseFuture {
        let _ = (generation, pause);
        Box::pin(std::future::pending())
    }

    /// Returns how many polls of each kind the source has made so far, and the polling strategy.
    /// The default implementation reports zero polls.
    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}

/// The published state that the refresher passes to a source at the start of a poll.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PublishedState<'a> {
    /// The snapshot that is published when the poll begins.
    pub snapshot: &'a Snapshot,
    /// The source's generation number of the published snapshot. If `generation` is `None`, the
    /// published snapshot does not come from this source, or the set was emptied. A poll whose
    /// `generation` is `None` must return a snapshot.
    pub generation: Option<u64>,
    /// The time since the source was last read completely or found unchanged.
    pub age: Option<Duration>,
    /// The current time, according to the store's clock.
    pub now: Timestamp,
}

/// The outcome of a successful poll.
#[derive(Debug)]
#[non_exhaustive]
pub struct Polled {
    /// The number of the generation to which the source's current snapshot belongs. Snapshots with
    /// the same generation number have the same content.
    pub generation: u64,
    /// The current snapshot of the source; `None` if this snapshot is already published.
    pub snapshot: Option<Snapshot>,
    /// The time at which the read of the source began, according to the local clock.
    pub read_at: Timestamp,
    /// The time since the source began to read the content of the snapshot from its origin, such as
    /// an index. If the source reads a copy of the content, such as the snapshot of an agent, the
    /// age counts from the read of the origin. An age that is too low lets a set apply for longer
    /// than [`clear_after`](crate::Config::clear_after).
    pub age: Duration,
    /// The operations that wrote the documents of the snapshot; `None` if the source does not know
    /// these operations.
    pub(crate) origins: Option<Origins>,
}

impl Polled {
    /// Creates the outcome of a poll that read a new snapshot just now, so that its age is zero. A
    /// source whose reads take long must set the field `age`.
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

    /// Creates the outcome of a poll that found the published snapshot unchanged just now, so that
    /// its age is zero. A source whose polls take long must set the field `age`.
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

/// How many polls of each kind a source has made so far, and the polling strategy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceReport {
    /// The number of polls of each kind, such as delta reads and full reads.
    pub counters: ReadCounters,
    /// The polling strategy: the kinds of requests that the polls send.
    pub strategy: PollStrategy,
    /// The seconds by which the local clock is ahead of the source's clock; `None` if the source
    /// did not measure the difference.
    pub clock_skew: Option<f64>,
    /// The number of documents that count against `max_documents`; `None` before the first complete
    /// read, or if the source does not count documents.
    pub unfinished: Option<usize>,
    /// The source has read every operation up to this `_seq_no`; `None` if the source does not know
    /// the number.
    pub applied_seq_no: Option<u64>,
    /// Warnings about conditions that an operator should correct soon.
    pub warnings: Vec<String>,
    /// The counts of the history's recorder; `None` if there is no recorder.
    pub recorder: Option<RecorderStatus>,
}
