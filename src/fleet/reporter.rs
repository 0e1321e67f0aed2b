//! The task that reports the state of one instance. The task also writes the reports of all
//! instances that report through this instance.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::append_transitions::TransitionLog;
use super::destination::Destination;
use super::index_name;
use super::instance_report::{Identity, InstanceKind};
use super::instance_state::LONGEST_HEARTBEAT;
use super::outbox::Outbox;
use super::relay::Relay;
use super::write::IndexWriter;
use crate::error::ConfigError;
use crate::http::{Client, ClusterConfig};
use crate::poll_pauses::Backoff;
use crate::refresher::{Progress, ReportKey, Shared, Subscription, seed_of};
use crate::store::OpenSearchDirectiveStore;

/// The default interval between two heartbeats.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest interval between two heartbeats.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest pause between two reports.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause after a report that could not be written.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// The jitter of the pause between two heartbeats, in percent of the interval.
const JITTER_PERCENT: u32 = 20;
/// The time limit for sending the last report of an instance. This time limit is short, because an
/// application that ends waits for the last report.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause between two requests that delete old reports.
pub(super) const CLEANUP_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Reports which directives a store applies to the [fleet](crate::fleet), until the store ends.
///
/// The reporter runs in a separate task, so a report never delays a poll. If the role does not
/// permit reports, or if the index of the fleet does not exist, the reporter logs one warning and
/// tries again later.
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
    pub(super) shared: Arc<Shared>,
    /// The subscription to the publishes of the store, which ends with the store.
    pub(super) subscription: Subscription,
    /// Each poll of the store notifies this receiver.
    pub(super) polled: watch::Receiver<Progress>,
    pub(super) identity: Identity,
    pub(super) destination: Destination,
    /// The reports of the instances that report through this instance.
    pub(super) outbox: Arc<Outbox>,
    /// The transitions of all reporting instances; `None` if an agent records the transitions.
    pub(super) transitions: Option<TransitionLog>,
    pub(super) random: fastrand::Rng,
    /// The key of the last report that the instance has written about itself. If the key of the
    /// current state differs from it, the instance has something new to report.
    pub(super) reported: Option<ReportKey>,
    pub(super) last_error: Option<String>,
    pub(super) cleanup_at: Instant,
}

impl Reporter {
    /// The intervals that [`with_interval`](Self::with_interval) accepts: from one second to one
    /// day.
    pub const INTERVALS: RangeInclusive<Duration> = SHORTEST_INTERVAL..=LONGEST_HEARTBEAT;

    /// Creates a reporter for a store. The reporter writes the reports into the fleet's index of
    /// the given cluster. `cluster.index` is the name of the polled index. The reporter does not
    /// keep the store alive.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if a setting of the cluster is invalid, or if a file cannot be
    /// read.
    pub fn new(
        store: &OpenSearchDirectiveStore,
        cluster: &ClusterConfig,
    ) -> Result<Self, ConfigError> {
        let mut cluster = cluster.clone();
        cluster.index = index_name(&cluster.index);
        Ok(Self::over(store, client_for(store, cluster)?))
    }

    /// Creates a reporter for a store that polls an agent ([`Upstream::Agent`](crate::Upstream)).
    /// The reporter sends its reports to the agent, and the agent writes them into the fleet's
    /// index. `agent` contains the addresses and the credentials of the agent. The agent must
    /// itself report to the fleet.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if a setting of `agent` is invalid, or if a file cannot be read.
    pub fn through_agent(
        store: &OpenSearchDirectiveStore,
        agent: &ClusterConfig,
    ) -> Result<Self, ConfigError> {
        let client = client_for(store, agent.clone())?;
        Ok(Self::to(store, Destination::Agent(client)))
    }

    /// Creates a reporter that writes with the given client. The client's index must be the fleet's
    /// index.
    pub(super) fn over(store: &OpenSearchDirectiveStore, client: Client) -> Self {
        Self::to(store, Destination::Index(IndexWriter::new(client)))
    }

    pub(super) fn to(store: &OpenSearchDirectiveStore, destination: Destination) -> Self {
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
            transitions: match &destination {
                Destination::Index(index) => Some(TransitionLog::new(index.client().clone())),
                Destination::Agent(_) => None,
            },
            destination,
            outbox: Arc::default(),
            random: fastrand::Rng::with_seed(seed_of(shared.instance())),
            reported: None,
            last_error: None,
            cleanup_at: Instant::now(),
            shared,
        }
    }

    /// Sets the longest time between two reports. An interval of less than one second counts as one
    /// second, and an interval of more than one day counts as one day. The default interval is one
    /// minute. If an instance has not reported for three intervals, it counts as silent.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.identity.heartbeat = interval.clamp(SHORTEST_INTERVAL, LONGEST_HEARTBEAT);
        self
    }

    /// Sets the kind of program that contains the instance, as the reports state it. The default
    /// kind of program is [`Library`](InstanceKind::Library).
    pub fn with_kind(mut self, kind: InstanceKind) -> Self {
        self.identity.kind = kind;
        self
    }

    /// Sets the host name that the reports of the instance contain.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.identity.host = Some(host.into());
        self
    }

    /// Returns a handle that accepts the reports of other instances, so that this reporter writes
    /// these reports.
    #[must_use]
    pub fn relay(&self) -> Relay {
        Relay::new(Arc::clone(&self.shared), Arc::clone(&self.outbox))
    }

    /// Reports until the store is shut down or dropped, and then reports that the instance was shut
    /// down.
    pub async fn run(mut self) {
        let interval = self.identity.heartbeat;
        let mut retries = Backoff::new(
            RETRY_PAUSE.min(interval),
            interval,
            seed_of(self.shared.instance()),
        );
        // The loop writes no report before `not_before`. The next heartbeat is due at
        // `heartbeat_at`.
        let mut not_before = Instant::now();
        let mut heartbeat_at = not_before;
        let outbox = Arc::clone(&self.outbox);
        loop {
            let has_news = self.reported != Some(self.shared.report_key());
            let has_pending = outbox.has_pending();
            let due = if has_news || has_pending {
                not_before
            } else {
                heartbeat_at.max(not_before)
            };
            tokio::select! {
                changed = self.subscription.changed() => if changed.is_err() { break },
                // A poll that publishes nothing may still find out that the published set already
                // contains the results of further operations.
                Ok(()) = self.polled.changed(), if !has_news => {}
                () = outbox.added(), if !has_pending => {}
                () = sleep_until(due) => {
                    let with_own = has_news || Instant::now() >= heartbeat_at;
                    let end = until_end(self.subscription.clone());
                    let result = tokio::select! {
                        result = self.report(with_own, false) => result,
                        () = end => break,
                    };
                    let pause = match &result {
                        Ok(()) => SHORTEST_PAUSE,
                        Err(error) => retries.failed(error.retry_after()),
                    };
                    not_before = Instant::now() + pause;
                    if result.is_ok() {
                        retries.succeeded();
                        if with_own {
                            heartbeat_at = Instant::now() + self.pause_of_heartbeat();
                        }
                    }
                }
            }
        }
        // The last report has a time limit, because the application may wait until the reporter has
        // ended.
        let farewell = timeout(FAREWELL_TIMEOUT, self.report(true, true));
        if farewell.await.is_err() {
            debug!("the report that the instance has left was not written in time");
        }
    }

    /// Returns the pause before the next heartbeat. The pause is at most the configured interval.
    /// If instances started at the same time, the jitter of the pause spreads their heartbeats over
    /// time.
    fn pause_of_heartbeat(&mut self) -> Duration {
        let percent = self.random.u32(100 - JITTER_PERCENT..=100);
        self.identity.heartbeat * percent / 100
    }
}

/// Returns the current time according to the instance's clock. If the clock skew is known, the
/// returned time is corrected by the skew.
pub(super) fn corrected_now(shared: &Shared) -> Timestamp {
    let (now, skew) = (
        shared.now(),
        shared.clock_skew_seconds().unwrap_or_default(),
    );
    let skew = SignedDuration::try_from_secs_f64(skew).unwrap_or_default();
    now.saturating_sub(skew).unwrap_or(now)
}

fn client_for(
    store: &OpenSearchDirectiveStore,
    mut cluster: ClusterConfig,
) -> Result<Client, ConfigError> {
    store.shared.instance().clone_into(&mut cluster.instance);
    Client::new(&cluster)
}

/// Completes one second after the end of the store. During this second, a report that is being sent
/// can still arrive. A report that takes longer than one second is abandoned, so that it does not
/// delay the last report.
async fn until_end(mut subscription: Subscription) {
    while subscription.changed().await.is_ok() {}
    tokio::time::sleep(FAREWELL_TIMEOUT / 3).await;
}

#[cfg(test)]
#[path = "reporter_tests.rs"]
pub(super) mod tests;
