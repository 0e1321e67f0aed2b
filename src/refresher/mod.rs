//! The polling loop, which waits, polls and publishes until the store is dropped.
//!
//! A failed poll changes only the status. A snapshot is published in one swap, and only if it
//! differs from the published one.

mod last_good_persistence;
mod liveness;
mod poll;
mod publish;
mod shared_state;
mod subscription;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::error;

use crate::agent_source::AgentSource;
use crate::clock::Clock;
use crate::config::{Config, Upstream};
use crate::error::PollError;
use crate::http::Client;
use crate::last_good_atomic_write::LastGoodFile;
use crate::poll_pauses::Backoff;
use crate::safeguard_switches::Safeguards;
use crate::snapshot_source::SnapshotSource;
use crate::sync::IndexSynchronizer;

pub(crate) use liveness::GRACE;
use liveness::Liveness;
use poll::panic_text;
pub use shared_state::Shared;
use subscription::Outlet;
pub use subscription::Subscription;

/// A caller that waits for the result of the next poll.
pub(crate) type Waiter = oneshot::Sender<Result<(), Arc<PollError>>>;

/// Polls a source and publishes its snapshots.
#[derive(Debug)]
pub struct Refresher {
    shared: Arc<Shared>,
    outlet: Outlet,
    source: Box<dyn SnapshotSource>,
    /// The generation of the source whose snapshot is published.
    published_generation: Option<u64>,
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    poll_timeout: Duration,
    clear_after: Option<Duration>,
    last_good: Option<Arc<LastGoodFile>>,
}

impl Refresher {
    /// Creates a refresher for the source that the configuration selects.
    pub(crate) fn new(config: &Config, client: Client) -> Self {
        let source: Box<dyn SnapshotSource> = match config.upstream {
            Upstream::Index => {
                let seed = seed_of(&config.instance);
                Box::new(IndexSynchronizer::new(config, client.clone(), seed))
            }
            Upstream::Agent => Box::new(AgentSource::new(config, client.clone())),
        };
        Self::over(config, client, source)
    }

    /// Creates a refresher of the index with another page size and without some safeguards, for
    /// tests that must detect the missing safeguards.
    #[doc(hidden)]
    #[must_use]
    pub fn with_tuning(
        config: &Config,
        client: Client,
        page_size: usize,
        safeguards: Safeguards,
    ) -> Self {
        let seed = seed_of(&config.instance);
        let source = IndexSynchronizer::new(config, client.clone(), seed);
        let source = source.with_tuning(page_size, safeguards);
        Self::over(config, client, Box::new(source))
    }

    /// Creates a refresher for any source.
    pub(crate) fn over(config: &Config, client: Client, source: Box<dyn SnapshotSource>) -> Self {
        let (outlet, published, subscription) = Outlet::new();
        Self {
            shared: Arc::new(Shared::new(config, client, published, subscription)),
            outlet,
            source,
            published_generation: None,
            clock: Arc::clone(&config.clock),
            backoff: Backoff::new(
                config.interval,
                config.max_backoff,
                seed_of(&config.instance),
            ),
            poll_timeout: config.poll_timeout,
            clear_after: config.clear_after,
            last_good: config
                .last_good
                .clone()
                .map(LastGoodFile::new)
                .map(Arc::new),
        }
    }

    /// Returns the state that this refresher shares with its store.
    #[doc(hidden)]
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the pause before the first poll of a loop whose first read is done.
    pub(crate) fn phase(&mut self) -> Duration {
        self.backoff.phase()
    }

    /// Returns the pause after a poll. `failure` is the error of the poll, if it failed.
    #[doc(hidden)]
    pub fn pause_after(&mut self, failure: Option<&PollError>) -> Duration {
        match failure {
            None => self.backoff.succeeded(),
            Some(error) => self.backoff.failed(error.retry_after()),
        }
    }
}

/// Computes a seed from the name of the instance, so that the instance polls at the same phase
/// after a restart.
fn seed_of(instance: &str) -> u64 {
    instance
        .bytes()
        .fold(0, |seed: u64, byte| seed.rotate_left(7) ^ u64::from(byte))
}

/// A refresher and the callers that wait for its polls.
#[derive(Debug)]
pub(crate) struct PollLoop {
    refresher: Refresher,
    /// The signal of the store: it becomes `true` at a shutdown, and closes when the store is
    /// dropped.
    stop: watch::Receiver<bool>,
    // This field is the last one, so the channel closes after all other fields are dropped.
    waiting: mpsc::Receiver<Waiter>,
}

impl PollLoop {
    pub(crate) fn new(
        refresher: Refresher,
        stop: watch::Receiver<bool>,
        waiting: mpsc::Receiver<Waiter>,
    ) -> Self {
        Self {
            refresher,
            stop,
            waiting,
        }
    }

    /// Polls until the store is dropped. The first poll begins after `pause`. When the store is
    /// dropped, the loop ends even during a poll.
    pub(crate) async fn run(mut self, pause: Duration) {
        let mut stop = self.stop.clone();
        // A poll catches its own panics. A panic outside of a poll, for example in a runtime
        // without a timer, would occur again immediately, so it ends the loop.
        let polls = AssertUnwindSafe(self.poll_forever(pause)).catch_unwind();
        let panic = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            ended = polls => ended.err(),
        };
        if let Some(panic) = panic {
            let error = PollError::panic(panic_text(panic.as_ref()));
            self.refresher.record_failure(&error);
        }
    }

    /// All callers that are waiting when a poll begins share its result.
    async fn poll_forever(&mut self, mut pause: Duration) {
        while let Some(waiters) = self.wait(pause).await {
            let result = self.refresher.poll().await.map_err(Arc::new);
            let failure = result.as_ref().err().map(AsRef::as_ref);
            pause = self.refresher.pause_after(failure);
            for waiter in waiters {
                // The caller may no longer wait; its result is then dropped.
                let _ = waiter.send(result.clone());
            }
        }
    }

    /// Waits until the next poll and returns the callers that wait for it. Returns `None` when the
    /// store was dropped. If the set becomes too old in the meantime, it is emptied.
    async fn wait(&mut self, pause: Duration) -> Option<Vec<Waiter>> {
        self.refresher.shared.update(|progress| {
            progress.next_poll_in = pause;
            progress.liveness = Liveness::due_within(pause);
        });
        let mut waiters = Vec::new();
        let pause = tokio::time::sleep(pause);
        tokio::pin!(pause);
        loop {
            let clear_at = self.refresher.clear_at();
            tokio::select! {
                () = &mut pause => break,
                () = until(clear_at) => self.refresher.clear(),
                waiter = self.waiting.recv() => {
                    waiters.push(waiter?);
                    break;
                }
            }
        }
        while let Ok(waiter) = self.waiting.try_recv() {
            waiters.push(waiter);
        }
        Some(waiters)
    }
}

/// Reports the end of the loop for every reason. For example, a runtime that is dropped drops its
/// tasks.
impl Drop for PollLoop {
    fn drop(&mut self) {
        let is_expected = self.stop.has_changed().is_err() || *self.stop.borrow();
        if !is_expected {
            error!("the refresher ended although its store is in use; it publishes no more sets");
        }
        self.refresher
            .shared
            .update(|progress| progress.liveness = Liveness::Ended);
    }
}

/// Completes at this instant. With `None`, it never completes.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
