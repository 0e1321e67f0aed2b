//! The loop: wait, poll, publish what changed. It never ends by itself.
//!
//! A poll that fails changes nothing but the status. What is published is published
//! in one swap, and only when it differs from what is published already.

mod progress;
mod publishing;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::agent_source::{Taken, UpstreamAgent};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config::{Config, Upstream};
use crate::error::PollError;
use crate::http::{Client, chain};
use crate::last_good::{self, LastGoodError};
use crate::rest::{ReadError, off_the_runtime};
use crate::sync::IndexSynchronizer;
use opensearch_directives_core::Snapshot;

use progress::ReadAge;
pub(crate) use progress::Shared;
use publishing::Outlet;
pub use publishing::Subscription;

/// How many rejections of one revision are logged; all are in the status.
const LOGGED_REJECTIONS: usize = 100;

/// Somebody who waits for a poll that begins after now.
pub(crate) type Waiter = oneshot::Sender<Result<(), Arc<PollError>>>;

/// Polls and publishes.
#[derive(Debug)]
pub(crate) struct Refresher {
    shared: Arc<Shared>,
    publisher: Outlet,
    reading: IndexSynchronizer,
    /// Which of its generations is published.
    published: u64,
    /// Read instead of the index.
    upstream: Option<UpstreamAgent>,
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    poll_timeout: Duration,
    clear_after: Option<Duration>,
    last_good: Option<PathBuf>,
}

impl Refresher {
    pub(crate) fn new(config: &Config, client: Client) -> Self {
        let (outlet, published, subscription) = Outlet::new();
        let shared = Arc::new(Shared::new(config, client, published, subscription));
        let upstream = (config.upstream == Upstream::Agent)
            .then(|| UpstreamAgent::new(config, shared.client.clone()));
        // Of its name alone, so that an instance keeps its phase when it restarts.
        let seed = config
            .instance
            .bytes()
            .fold(0, |seed: u64, byte| seed.rotate_left(7) ^ u64::from(byte));
        Self {
            reading: IndexSynchronizer::new(config, shared.client.clone(), seed),
            published: 0,
            shared,
            upstream,
            publisher: outlet,
            clock: Arc::clone(&config.clock),
            backoff: Backoff::new(config.interval, config.max_backoff, seed),
            poll_timeout: config.poll_timeout,
            clear_after: config.clear_after,
            last_good: config.last_good.clone(),
        }
    }

    /// Makes it a broken one, to see that it is caught.
    #[cfg(test)]
    fn with_flaw(mut self, flaw: crate::sync::Flaw) -> Self {
        self.reading.flaw = Some(flaw);
        self
    }

    /// Lets it read so many documents with one request.
    #[cfg(test)]
    fn with_pages_of(mut self, page: usize) -> Self {
        self.reading.source.read_pages_of(page);
        self
    }

    /// What this refresher shares with its store.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The pause before the first poll of a loop whose first read is done.
    pub(crate) fn phase(&mut self) -> Duration {
        self.backoff.phase()
    }

    /// Polls for ever, first after `next`, and at once when somebody waits. Everybody
    /// who began to wait before a poll begins shares that poll.
    pub(crate) async fn run(mut self, mut next: Duration, mut waiting: mpsc::Receiver<Waiter>) {
        loop {
            self.shared.progress().next_poll_in = next;
            let mut waiters = Vec::new();
            let pause = tokio::time::sleep(next);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    () = until(self.clear_at()) => self.clear(),
                    waiter = waiting.recv() => match waiter {
                        Some(waiter) => {
                            waiters.push(waiter);
                            break;
                        }
                        // The store is gone.
                        None => return,
                    },
                }
            }
            while let Ok(waiter) = waiting.try_recv() {
                waiters.push(waiter);
            }
            let result = self.poll().await.map_err(Arc::new);
            next = self.pause_after(result.as_ref().err().map(AsRef::as_ref));
            for waiter in waiters {
                // Who no longer waits does not matter.
                let _ = waiter.send(result.clone());
            }
        }
    }

    /// The pause between a poll, which may have failed, and the next.
    fn pause_after(&mut self, failure: Option<&PollError>) -> Duration {
        match failure {
            None => self.backoff.succeeded(),
            Some(error) => self.backoff.failed(error.retry_after()),
        }
    }

    /// When the published set has become too old, unless it was emptied already.
    fn clear_at(&self) -> Option<Instant> {
        let clear_after = self.clear_after?;
        self.shared.published.snapshot().revision().as_ref()?;
        let read_age = self.shared.progress().read_age?;
        read_age.reaches(clear_after)
    }

    /// Empties the set, surviving a panic.
    fn clear(&mut self) {
        let guarded = std::panic::catch_unwind(AssertUnwindSafe(|| self.publish_empty()));
        if let Err(panic) = guarded {
            self.failed(&PollError::Panicked(panic_text(panic.as_ref())));
        }
    }

    /// Publishes an empty set for the age of the one before.
    fn publish_empty(&mut self) {
        warn!(clear_after = ?self.clear_after, "the published directives are too old; emptying the set");
        self.publisher.publish(Snapshot::default());
        let now = self.clock.now();
        let mut progress = self.shared.progress();
        progress.last_change = Some(now);
        progress.counters.publishes += 1;
    }

    /// One poll: within its deadline, surviving a panic, and noted in the status.
    pub(crate) async fn poll(&mut self) -> Result<(), PollError> {
        let span = info_span!("poll", index = self.shared.client.index());
        let begin = Instant::now();
        // All of it: the clock and the subscriber of the log are the application's code.
        let guarded = AssertUnwindSafe(self.attempt()).catch_unwind();
        let result = match guarded.instrument(span.clone()).await {
            Ok(result) => result,
            Err(panic) => Err(PollError::Panicked(panic_text(panic.as_ref()))),
        };
        if result.is_err() {
            // Here, since a read that was cut off could not.
            let closed = AssertUnwindSafe(self.reading.close()).catch_unwind();
            let _ = closed.instrument(span.clone()).await;
        }
        if let Err(error) = &result {
            span.in_scope(|| self.failed(error));
        }
        let mut progress = self.shared.progress();
        progress.counters.poll_seconds += begin.elapsed();
        if self.upstream.is_none() {
            progress.counters.reads = self.reading.counters();
            progress.clock_skew = self.reading.clock_skew();
            progress.reading = self.reading.plan().clone();
        }
        drop(progress);
        result
    }

    async fn attempt(&mut self) -> Result<(), PollError> {
        let now = self.clock.now();
        self.shared.progress().last_attempt = Some(now);
        let taken = tokio::time::timeout(self.poll_timeout, self.read())
            .await
            .map_err(|_| PollError::Deadline(self.poll_timeout))?
            .map_err(PollError::Read)?;
        let now = self.clock.now();
        let changed = match taken {
            None => {
                let changed = self.publish(now);
                self.succeeded(now, Duration::ZERO);
                changed
            }
            Some(Taken {
                snapshot,
                read_at,
                age,
            }) => {
                self.shared.progress().count_taken(snapshot.is_some());
                let changed = snapshot.is_some_and(|snapshot| self.publish_new(snapshot, now));
                self.succeeded(read_at, age);
                changed
            }
        };
        // What could not be kept is tried again, also if nothing changed since.
        if changed || self.shared.progress().last_good_error.is_some() {
            self.keep().await;
        }
        Ok(())
    }

    /// Publishes the set of the last-good file.
    pub(crate) async fn restore(&mut self) -> Result<(), LastGoodError> {
        let Some(path) = self.last_good.clone() else {
            return Ok(());
        };
        let (index, now) = (self.shared.client.index().to_owned(), self.clock.now());
        let snapshot =
            off_the_runtime(usize::MAX, move || last_good::read(&path, &index, now)).await?;
        let read_at = snapshot.read_at();
        info!(
            directives = snapshot.set().len(),
            ?read_at,
            "serving the last good set"
        );
        self.publisher.publish(snapshot);
        let mut progress = self.shared.progress();
        progress.last_success = read_at;
        // Read in the future, by a clock that was set back since: as good as now.
        let age = read_at.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
        progress.read_age = Some(ReadAge::noted_now(age.unwrap_or_default()));
        Ok(())
    }

    /// Keeps what is published in the last-good file, if there is one.
    async fn keep(&self) {
        let Some(path) = self.last_good.clone() else {
            return;
        };
        let (index, snapshot) = (
            self.shared.client.index().to_owned(),
            self.shared.published.snapshot(),
        );
        let kept = off_the_runtime(usize::MAX, move || {
            last_good::write(&path, &index, &snapshot)
        });
        let error = kept.await.err().map(|error| error.to_string());
        if let Some(error) = &error {
            warn!(error, "cannot write the last-good file");
        }
        self.shared.progress().last_good_error = error;
    }

    /// Reads the index, or what another agent read of it.
    async fn read(&mut self) -> Result<Option<Taken>, ReadError> {
        let Some(upstream) = &self.upstream else {
            return self.reading.poll().await.map(|()| None);
        };
        let age = self.shared.progress().read_age.map(ReadAge::now);
        let published = self.shared.published.snapshot();
        upstream.read(&published, age).await.map(Some)
    }

    /// Publishes what is known, if it differs from what is published; tells whether it
    /// did.
    fn publish(&mut self, now: Timestamp) -> bool {
        let published = self.shared.published.snapshot();
        // Unless it was emptied for its age.
        if self.published == self.reading.generation() && published.revision().is_some() {
            return false;
        }
        let Some(snapshot) = self.reading.snapshot(now) else {
            return false;
        };
        let changed = self.publish_new(snapshot, now);
        self.published = self.reading.generation();
        changed
    }

    /// Publishes a snapshot, unless it is what is published; tells whether it did.
    fn publish_new(&mut self, snapshot: Snapshot, now: Timestamp) -> bool {
        if self.shared.published.snapshot().is_same_as(&snapshot) {
            return false;
        }
        announce(&snapshot);
        let rejections = snapshot.rejections().len() as u64;
        self.publisher.publish(snapshot);
        let mut progress = self.shared.progress();
        progress.last_change = Some(now);
        progress.counters.publishes += 1;
        progress.counters.rejections += rejections;
        true
    }

    /// Notes a poll that succeeded; of what was read from the index so long ago.
    fn succeeded(&self, read_at: Timestamp, age: Duration) {
        let mut progress = self.shared.progress();
        if progress.consecutive_failures > 0 {
            info!(
                failures = progress.consecutive_failures,
                "the polls succeed again"
            );
        }
        progress.last_success = Some(read_at);
        progress.read_age = Some(ReadAge::noted_now(age));
        progress.last_error = None;
        progress.consecutive_failures = 0;
        progress.counters.polls_succeeded += 1;
    }

    fn failed(&self, error: &PollError) {
        let text = chain(error);
        let mut progress = self.shared.progress();
        // Said once, not at each poll, while it stays the same.
        if progress.last_error.as_ref() == Some(&text) {
            debug!(error = text, "the poll failed again");
        } else {
            warn!(
                error = text,
                "the poll failed; the published directives stay"
            );
        }
        progress.last_error = Some(text);
        progress.consecutive_failures = progress.consecutive_failures.saturating_add(1);
        progress.counters.polls_failed += 1;
        error.count_in(&mut progress.counters.failures);
        if matches!(error, PollError::Panicked(_)) {
            progress.counters.panics += 1;
        }
    }
}

/// Completes at an instant, or never.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Logs what is about to be published: once a revision.
fn announce(snapshot: &Snapshot) {
    for rejection in snapshot.rejections().iter().take(LOGGED_REJECTIONS) {
        warn!(id = rejection.id, reason = %rejection, "a document is refused");
    }
    if let Some(more) = snapshot
        .rejections()
        .len()
        .checked_sub(LOGGED_REJECTIONS + 1)
    {
        warn!(
            more = more + 1,
            "further documents are refused; the status lists all"
        );
    }
    info!(
        directives = snapshot.set().len(),
        rejected = snapshot.rejections().len(),
        digest = %snapshot.digest(),
        "publishing a new set"
    );
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with no text".to_owned())
}

#[cfg(test)]
mod tests;
