//! Helpers for the tests of an application that embeds the library. The helpers are a clock that
//! advances only on request, a source that returns scripted snapshots, an initial status, and the
//! conformance kit for stores.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use opensearch_directives_core::{DiagnosticsDirective, DirectiveSet, Revision, Snapshot};

use crate::Config;
use crate::clock::Clock;
use crate::source::{PollFuture, Polled, PublishedState, ReadError, SnapshotSource};
use crate::status::Status;
use crate::store::OpenSearchDirectiveStore;

pub use opensearch_directives_core::testing::*;

/// A clock whose time changes only if a test sets or advances it. All clones of a clock show the
/// same time.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use opensearch_directives::testing::ManualClock;
/// use opensearch_directives::{Clock as _, Config};
///
/// let clock = ManualClock::new("2030-01-01T12:00:00Z".parse()?);
/// let config = Config::for_source("a test").with_clock(Arc::new(clock.clone()));
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(config.clock.now(), "2030-01-01T12:01:00Z".parse()?);
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// Creates a clock whose time is the given instant.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Sets the clock to the given instant, which may be before or after its current time.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.0) = now;
    }

    /// Moves the clock forward by the given time, at most to the last representable instant.
    pub fn advance(&self, time: Duration) {
        let mut now = lock(&self.0);
        *now = now.saturating_add(time).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }
}

/// Returns the status of a store whose refresher has not run yet. The fields of the status are
/// public, so a test can set the fields that it needs.
///
/// ```
/// use opensearch_directives::status::Staleness;
///
/// let mut status = opensearch_directives::testing::status();
/// status.staleness = Staleness::Stale;
/// status.age_seconds = Some(60.0);
/// assert!(status.last_error.is_none());
/// ```
///
/// # Panics
/// This function never panics, although it calls a function that can panic for other arguments.
#[must_use]
#[expect(clippy::expect_used, reason = "the default settings are valid")]
pub fn status() -> Status {
    let config = Config::for_source("directives").with_instance("test");
    let (store, _refresher) =
        OpenSearchDirectiveStore::build_from(config, ScriptedSource::default())
            .expect("the default settings are valid");
    store.status()
}

/// A source that returns the directives or the error that a test has set. All clones of a
/// `ScriptedSource` share one script.
///
/// ```
/// use std::time::Duration;
/// use opensearch_directives::testing::ScriptedSource;
/// use opensearch_directives::{
///     Config, DiagLevel, DiagnosticsDirective, DirectiveStore as _, OpenSearchDirectiveStore,
/// };
/// use jiff::Timestamp;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = ScriptedSource::default();
/// let config = Config::for_source("a test");
/// let (store, refresher) = OpenSearchDirectiveStore::build_from(config, source.clone())?;
/// tokio::spawn(refresher.run());
/// store.ready(Duration::from_secs(10)).await?;
///
/// source.set(vec![DiagnosticsDirective::new("all", DiagLevel::Shape, Timestamp::MAX)]);
/// store.refresh().await?;
/// assert_eq!(store.load().len(), 1);
///
/// source.fail("the cluster is down");
/// assert!(store.refresh().await.is_err());
/// assert_eq!(store.load().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScriptedSource(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    generation: u64,
    directives: Vec<DiagnosticsDirective>,
    failure: Failure,
}

#[derive(Clone, Debug, Default)]
enum Failure {
    #[default]
    None,
    Error(String),
    Hang,
}

impl ScriptedSource {
    /// Makes the following polls succeed and return the given directives.
    pub fn set(&self, directives: Vec<DiagnosticsDirective>) {
        let mut script = lock(&self.0);
        script.generation += 1;
        script.directives = directives;
        script.failure = Failure::None;
    }

    /// Makes the following polls fail with the given reason.
    pub fn fail(&self, reason: impl Into<String>) {
        lock(&self.0).failure = Failure::Error(reason.into());
    }

    /// Makes the following polls hang. A hanging poll ends when it exceeds its time limit.
    pub fn hang(&self) {
        lock(&self.0).failure = Failure::Hang;
    }
}

impl SnapshotSource for ScriptedSource {
    fn poll<'a>(&'a mut self, published: PublishedState<'a>) -> PollFuture<'a> {
        let script = lock(&self.0);
        let failure = script.failure.clone();
        let generation = script.generation;
        let polled = if published.generation == Some(generation) {
            Polled::unchanged(generation, published.now)
        } else {
            let set = DirectiveSet::from_directives(script.directives.clone());
            let mut revision = Revision::new("scripted", "scripted");
            revision.documents = script.directives.len() as u64;
            revision.sum_seq_no = generation;
            let snapshot = Snapshot::new(set, revision, published.now);
            Polled::changed(generation, snapshot, published.now)
        };
        drop(script);
        Box::pin(async move {
            match failure {
                Failure::None => Ok(polled),
                Failure::Error(reason) => Err(ReadError::of_source("the scripted source", reason)),
                Failure::Hang => std::future::pending().await,
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
