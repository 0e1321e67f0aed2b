//! The task that reports the state of one instance to the fleet's index.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::index_name;
use super::instance_report::{Identity, InstanceKind, InstanceReport};
use super::instance_state::LONGEST_HEARTBEAT;
use super::write::{ReportError, ReportWriter};
use crate::error::ConfigError;
use crate::http::{Client, ClusterConfig, chain};
use crate::poll_pauses::Backoff;
use crate::refresher::{Progress, ReportKey, Shared, Subscription, seed_of};
use crate::store::OpenSearchDirectiveStore;

/// The default interval between two heartbeats.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest interval between two heartbeats.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest pause between two reports.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause after a report that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// The jitter of the heartbeat, in percent.
const JITTER_PERCENT: u32 = 20;
/// The time limit of the last report. An application that ends waits for this report.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause between two deletions of old reports.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Reports to the [fleet](crate::fleet) which directives a store applies, until the store ends.
///
/// The reporter runs in a separate task, so a report never delays a poll. If the instance may not
/// report, or if the index of the fleet does not exist, the reporter logs one warning and tries
/// again later.
///
/// ```no_run
/// # use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore};
/// # use opensearch_directives::fleet::Reporter;
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = ClusterConfig::new(["http://127.0.0.1:9200".parse()?]);
/// let config = Config::new(cluster.clone()).with_instance("proxy-7");
/// let store = OpenSearchDirectiveStore::start(config).await?;
/// let reporting = tokio::spawn(Reporter::new(&store, &cluster)?.run());
/// // At the end, the reporter marks the instance as left, which takes at most four seconds.
/// store.shutdown().await;
/// reporting.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a reporter does nothing unless it is run"]
pub struct Reporter {
    shared: Arc<Shared>,
    /// The subscription ends with the store.
    subscription: Subscription,
    /// Every poll notifies this receiver.
    polled: watch::Receiver<Progress>,
    identity: Identity,
    writer: ReportWriter,
    random: fastrand::Rng,
    /// The content of the last report that was written.
    reported: Option<ReportKey>,
    last_error: Option<String>,
    cleanup_at: Instant,
}

impl Reporter {
    /// The intervals that [`with_interval`](Self::with_interval) accepts: from one second to one day.
    pub const INTERVALS: RangeInclusive<Duration> = SHORTEST_INTERVAL..=LONGEST_HEARTBEAT;

    /// Creates a reporter for a store. The reports are written into the fleet's index of the given
    /// cluster; `cluster.index` is the name of the polled index. The reporter does not keep the
    /// store alive.
    ///
    /// # Errors
    /// [`ConfigError`] if a setting of the cluster is invalid, or a file cannot be read.
    pub fn new(
        store: &OpenSearchDirectiveStore,
        cluster: &ClusterConfig,
    ) -> Result<Self, ConfigError> {
        let mut cluster = cluster.clone();
        cluster.index = index_name(&cluster.index);
        store.shared.instance().clone_into(&mut cluster.instance);
        Ok(Self::over(store, Client::new(&cluster)?))
    }

    /// Creates a reporter that writes with the given client. The client's index must be the fleet's
    /// index.
    pub(super) fn over(store: &OpenSearchDirectiveStore, client: Client) -> Self {
        let shared = Arc::clone(&store.shared);
        Self {
            subscription: shared.subscription.anew(),
            polled: shared.polled(),
            identity: Identity {
                host: None,
                kind: InstanceKind::Library,
                started: shared.now(),
                heartbeat: DEFAULT_INTERVAL,
            },
            writer: ReportWriter::new(client),
            random: fastrand::Rng::with_seed(seed_of(shared.instance())),
            reported: None,
            last_error: None,
            cleanup_at: Instant::now(),
            shared,
        }
    }

    /// Sets the longest time between two reports. A shorter interval than one second counts as one
    /// second, and a longer one than a day counts as one day. The default is one minute. An instance
    /// that has not reported for three intervals counts as silent.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.identity.heartbeat = interval.clamp(SHORTEST_INTERVAL, LONGEST_HEARTBEAT);
        self
    }

    /// Sets the program that contains the instance. The default is
    /// [`Library`](InstanceKind::Library).
    pub fn with_kind(mut self, kind: InstanceKind) -> Self {
        self.identity.kind = kind;
        self
    }

    /// Sets the name of the host.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.identity.host = Some(host.into());
        self
    }

    /// Reports until the store is shut down or dropped, and then reports that the instance has left.
    pub async fn run(mut self) {
        let interval = self.identity.heartbeat;
        let mut retries = Backoff::new(
            RETRY_PAUSE.min(interval),
            interval,
            seed_of(self.shared.instance()),
        );
        // No report is written before `not_before`, and the next heartbeat is due at
        // `heartbeat_at`.
        let mut not_before = Instant::now();
        let mut heartbeat_at = not_before;
        loop {
            let has_news = self.reported != Some(self.shared.report_key());
            let due = if has_news { not_before } else { heartbeat_at };
            tokio::select! {
                changed = self.subscription.changed() => if changed.is_err() { break },
                // Even a poll that publishes nothing can find out that the set already contains
                // further operations.
                Ok(()) = self.polled.changed(), if !has_news => {}
                () = sleep_until(due) => {
                    let end = until_end(self.subscription.clone());
                    let result = tokio::select! {
                        result = self.report(false) => result,
                        () = end => break,
                    };
                    let pause = match &result {
                        Ok(()) => SHORTEST_PAUSE,
                        Err(error) => retries.failed(error.retry_after()),
                    };
                    not_before = Instant::now() + pause;
                    heartbeat_at = not_before;
                    if result.is_ok() {
                        retries.succeeded();
                        heartbeat_at += self.pause_of_heartbeat().saturating_sub(pause);
                    }
                }
            }
        }
        // The last report has a time limit, because the application waits for the end of the
        // reporter.
        let farewell = timeout(FAREWELL_TIMEOUT, self.report(true));
        if farewell.await.is_err() {
            debug!("the report that the instance has left was not written in time");
        }
    }

    /// Writes a report now.
    async fn report(&mut self, left: bool) -> Result<(), ReportError> {
        let key = self.shared.report_key();
        let shared = &self.shared;
        let (hits, now) = (shared.hits(), shared.now());
        let report = InstanceReport::new(shared.status(), hits, &self.identity, now, left);
        let result = self.writer.write(&report).await;
        self.shared.count_report(result.is_ok());
        match &result {
            Ok(()) => {
                self.reported = Some(key);
                if self.last_error.take().is_some() {
                    info!("the instance reports again");
                }
                if !left && Instant::now() >= self.cleanup_at {
                    self.clean_up().await;
                }
            }
            Err(error) => self.note_failure(error),
        }
        result
    }

    /// Logs a failure. An error that stays the same is logged as a warning only once.
    fn note_failure(&mut self, error: &ReportError) {
        let text = chain(error);
        if self.last_error.as_ref() == Some(&text) {
            debug!(error = text, "the report failed again");
        } else {
            warn!(
                error = text,
                "the instance cannot report to the fleet; the polls go on"
            );
            self.last_error = Some(text);
        }
    }

    async fn clean_up(&mut self) {
        self.cleanup_at = Instant::now() + CLEANUP_INTERVAL;
        if let Err(error) = self.writer.delete_old().await {
            debug!(error = chain(&error), "old reports were not deleted");
        }
    }

    /// Returns the pause before the next heartbeat. The pause is at most the configured interval.
    /// The jitter spreads the heartbeats of instances that started at the same time.
    fn pause_of_heartbeat(&mut self) -> Duration {
        let percent = self.random.u32(100 - JITTER_PERCENT..=100);
        self.identity.heartbeat * percent / 100
    }
}

/// Completes one second after the end of the store, so that a pending report can still arrive
/// before the last one. A report that hangs for longer does not delay the end.
async fn until_end(mut subscription: Subscription) {
    while subscription.changed().await.is_ok() {}
    tokio::time::sleep(FAREWELL_TIMEOUT / 3).await;
}

#[cfg(test)]
#[path = "reporter_tests.rs"]
mod tests;
