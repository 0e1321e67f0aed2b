//! The handle of a store that polls an index. An application uses the handle to start the polling,
//! to load the published set, and to read the status.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{Config, Startup};
use crate::error::{ConfigError, RefreshError, StartError, Stopped};
use crate::http::{Client, NoTransport};
use crate::metric_samples::hits;
use crate::refresher::{GRACE, Poller, Refresher, Shared, Subscription, Waiter};
use crate::signatures::Verifier;
use crate::source::SnapshotSource;
use crate::status::{Sample, Status};
use crate::time_limit::within;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::{DirectiveSet, DirectiveStates, DirectiveStore, Hits, Reader};

/// The length of the queue for callers of `refresh`. If the queue is full, further callers of
/// `refresh` wait until the queue has room.
const QUEUED_WAITERS: usize = 64;

/// A store that polls an index and publishes the directives in it.
///
/// The store is a cache of the index and may be stale. Normally, the age of the published set is at
/// most the poll interval. During an outage, the published set ages until the cluster can be read
/// again. [`status`](Self::status) reports the age of the set. Each directive starts and expires on
/// time, regardless of the set's age: an evaluation compares the directive's times with the instant
/// that the caller passes to `evaluate`.
///
/// The store publishes only complete reads, each in one swap. A poll that fails does not change the
/// published set. Dropping the store or calling [`shutdown`](Self::shutdown) ends its
/// [`Refresher`]. A set that the application has loaded before the end of the store stays valid.
#[derive(Debug)]
pub struct OpenSearchDirectiveStore {
    pub(crate) shared: Arc<Shared>,
    waiting: mpsc::Sender<Waiter>,
    /// The channel through which the store stops the refresher: the store sends `true` or closes
    /// the channel.
    stop: watch::Sender<bool>,
    refresh_limit: Duration,
}

impl OpenSearchDirectiveStore {
    /// Builds a store and its refresher. The function `build` needs no runtime and does not use the
    /// network.
    ///
    /// The store is empty until the application runs the refresher, in a task or on a thread. While
    /// the refresher runs, the application can wait for the first set:
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use opensearch_directives::{Config, OpenSearchDirectiveStore};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::for_url("http://127.0.0.1:9200".parse()?);
    /// let (store, refresher) = OpenSearchDirectiveStore::build(config)?;
    /// tokio::spawn(refresher.run());
    /// store.ready(Duration::from_secs(10)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if a setting is invalid, or if a file cannot be read.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as `start`, and so that a later version can keep the configuration"
    )]
    pub fn build(config: Config) -> Result<(Self, Refresher), ConfigError> {
        config.check()?;
        let mut cluster = config.cluster.clone();
        cluster.instance.clone_from(&config.instance);
        let client = Client::new(&cluster)?;
        let verifier = Arc::new(Verifier::new(&config)?);
        let poller = Poller::new(&config, client, verifier);
        Ok(Self::build_over(&config, poller))
    }

    /// Builds a store and its refresher over a [source](crate::source) other than an index. Create
    /// the configuration with [`Config::for_source`]. A store over another source than an index
    /// ignores the cluster settings in the configuration.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if a setting is invalid.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as `start`, and so that a later version can keep the configuration"
    )]
    pub fn build_from(
        config: Config,
        source: impl SnapshotSource + 'static,
    ) -> Result<(Self, Refresher), ConfigError> {
        config.check_polling()?;
        #[cfg(feature = "signatures")]
        if config.signatures.is_some() {
            return Err(ConfigError::setting(
                "signatures",
                "signatures are verified only for an index or an agent; remove this setting",
            ));
        }
        if config.record_history {
            return Err(ConfigError::setting(
                "record_history",
                "only the operations on an index can be recorded; remove this setting",
            ));
        }
        let client = Client::over(Arc::new(NoTransport), &config.cluster);
        let verifier = Arc::default();
        let poller = Poller::over(&config, client, verifier, Box::new(source));
        Ok(Self::build_over(&config, poller))
    }

    pub(crate) fn build_over(config: &Config, poller: Poller) -> (Self, Refresher) {
        let (waiting, waiters) = mpsc::channel(QUEUED_WAITERS);
        let (stop, stopped) = watch::channel(false);
        let store = Self {
            shared: Arc::clone(poller.shared()),
            waiting,
            stop,
            // A caller of `refresh` may have to wait for the current poll and the next poll.
            refresh_limit: (config.poll_timeout.saturating_mul(2)).saturating_add(GRACE),
        };
        (store, Refresher::new(poller, stopped, waiters))
    }

    /// Builds a store, reads the index according to the policy [`Config::startup`], and spawns the
    /// refresher on the current tokio runtime.
    ///
    /// With [`Startup::Require`], the function returns after the first complete read. With
    /// [`Startup::LastGood`] and [`Startup::LastGoodOrEmpty`], the function returns after the first
    /// read. If the first read fails, the store starts with the set that the startup policy names.
    /// With [`Startup::Empty`], the function returns an empty store at once, and the first poll
    /// also begins at once.
    ///
    /// # Errors
    /// Returns a [`StartError`] if a setting is invalid, or if the first read fails although the
    /// policy requires its success.
    ///
    /// # Panics
    /// Panics if the caller does not run in a tokio runtime, or if the runtime's timer or I/O
    /// driver is not enabled.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let startup = config.startup;
        Self::begin(Self::build(config)?, startup).await
    }

    pub(crate) async fn begin(
        (store, mut refresher): (Self, Refresher),
        startup: Startup,
    ) -> Result<Self, StartError> {
        match refresher.poller().begin(startup).await {
            Ok(pause) => {
                tokio::spawn(refresher.run_after(Some(pause)));
                Ok(store)
            }
            Err(error) => {
                // The store is dropped before the refresher, so that the refresher does not report
                // an unexpected end.
                drop(store);
                Err(error)
            }
        }
    }

    /// Starts a store that sends its requests through the given client, for tests.
    #[cfg(test)]
    pub(crate) async fn start_over(config: &Config, client: Client) -> Result<Self, StartError> {
        let built = Self::build_over(config, Poller::new(config, client, Arc::default()));
        Self::begin(built, config.startup).await
    }

    /// Waits until the store has published a snapshot of the index, after a complete read or from
    /// the last-good file. Once a store is ready, it stays ready. `ready` works on every executor.
    ///
    /// # Errors
    /// Returns a [`StartError`] if no snapshot was published in time, or if the refresher has
    /// ended. The `StartError` contains the error of the last poll, if the last poll failed.
    pub async fn ready(&self, within: Duration) -> Result<(), StartError> {
        self.shared.ready(within).await
    }

    /// Returns the published revision, its age, and the results of the polls.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Counts how many published directives are scheduled, how many are active, and how many have
    /// expired. `states` reads all directives, so call it for metrics and not on the request path.
    #[must_use]
    pub fn states(&self) -> DirectiveStates {
        self.shared.states()
    }

    /// Returns how many requests each directive matched in this process. Returns `None` if the
    /// configuration does not set [`count_hits`](Config::count_hits).
    ///
    /// [`evaluate`](DirectiveSet::evaluate) and [`evaluate_with`](DirectiveSet::evaluate_with)
    /// count the matches on every set that the store returns, on any thread and with any clone of
    /// the set. No count is lost when a new set is published. The result also contains the 1,000
    /// directives that left the set last.
    ///
    /// `hits` reads all counters, so it is intended for operators and not for the request path.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use opensearch_directives::OpenSearchDirectiveStore;
    /// # use opensearch_directives::{Clock as _, SystemClock};
    /// /// The directives that have matched nothing for five minutes.
    /// fn without_effect(store: &OpenSearchDirectiveStore) -> Vec<String> {
    ///     let begin = SystemClock.now() - Duration::from_secs(300);
    ///     let hits = store.hits().unwrap_or_default().directives.into_iter();
    ///     hits.filter(|hits| hits.published && hits.counted_since < begin)
    ///         .filter(|hits| hits.last_matched.is_none_or(|last| last < begin))
    ///         .map(|hits| hits.id)
    ///         .collect()
    /// }
    /// ```
    #[must_use]
    pub fn hits(&self) -> Option<Hits> {
        self.shared.hits()
    }

    /// Returns the status as plain samples, for a metrics library of any kind. Like
    /// [`states`](Self::states), `samples` reads all directives.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = self.status().samples_with(self.states());
        if let Some(totals) = self.shared.hit_totals() {
            samples.extend(hits::totals(&totals));
        }
        samples
    }

    /// Polls immediately, and returns when the poll has ended. If several callers arrive during a
    /// poll, all of them share the next poll. If the refresher does not run, `refresh` returns an
    /// error after twice [`Config::poll_timeout`] plus five seconds.
    ///
    /// # Errors
    /// Returns a [`RefreshError`] if the poll failed, or if the refresher has ended or did not
    /// respond in time. The published set stays in use if the method returns an error.
    pub async fn refresh(&self) -> Result<(), RefreshError> {
        let (done, result) = oneshot::channel();
        let polled = async {
            self.waiting.send(done).await.map_err(|_| Stopped)?;
            result.await.map_err(|_| Stopped)
        };
        match within(self.refresh_limit, polled).await {
            Some(polled) => polled?.map_err(RefreshError::from),
            None => Err(RefreshError::no_response(self.refresh_limit)),
        }
    }

    /// Returns the published snapshot: the set, the revision, the rejections and the time of one
    /// read. Use `snapshot` in code that forwards the snapshot or reports its content. The request
    /// path should use [`load`](DirectiveStore::load) instead, because `load` avoids contention
    /// between threads.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// Returns the snapshot of the last complete read, even if the off file hides its directives.
    ///
    /// Use `kept_snapshot` in code that sends the snapshot to other instances, because each
    /// instance has its own off file. Code that decides about a request must use
    /// [`load`](DirectiveStore::load), [`reader`](Self::reader) or [`snapshot`](Self::snapshot)
    /// instead.
    #[must_use]
    pub fn kept_snapshot(&self) -> Arc<Snapshot> {
        self.shared.kept_snapshot()
    }

    /// Returns the [kept snapshot](Self::kept_snapshot) and its epoch: how often the set was
    /// emptied before. Within an epoch, a snapshot is never older than its predecessor.
    #[doc(hidden)]
    #[must_use]
    pub fn kept_snapshot_in_epoch(&self) -> (Arc<Snapshot>, u64) {
        self.shared.kept_snapshot_in_epoch()
    }

    /// Returns the time since the published set was read or found unchanged; `None` before the
    /// first complete read. A snapshot that the caller loads after this call is not older than the
    /// returned age.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.shared.age()
    }

    /// Returns the name of the index or alias that the store polls. If the store has another
    /// source, returns the name of this source.
    #[must_use]
    pub fn index(&self) -> &str {
        self.shared.index()
    }

    /// Creates a subscription to the publishes of this store. The subscription is notified of each
    /// later publish until the store ends.
    ///
    /// ```no_run
    /// # use opensearch_directives::{DirectiveStore as _, OpenSearchDirectiveStore};
    /// # async fn follow(store: OpenSearchDirectiveStore) {
    /// let mut subscription = store.subscribe();
    /// loop {
    ///     println!("{} directives", store.load().len());
    ///     if subscription.changed().await.is_err() {
    ///         break;
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// Subscribe before the first load, so that the subscription also reports a publish between
    /// `subscribe` and `load`.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.shared.subscription.anew()
    }

    /// Creates a read handle with which a single worker loads the published set.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.shared.published.reader()
    }

    /// Makes the store reload its credentials, certificates, trusted keys and signature policies
    /// before the next request. The store reads the new values from their files and from the
    /// application's credentials provider. Without a call of `reload_credentials`, the store looks
    /// for new values once a minute.
    pub fn reload_credentials(&self) {
        self.shared.reload_credentials();
    }

    /// Ends the polling, without waiting for the end of a running poll, and returns when the
    /// refresher has ended. If the refresher's runtime does not run, `shutdown` returns after five
    /// seconds. After the shutdown, the published set stays available.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        // The channel closes when the refresher drops the receiver, which is its last step.
        within(GRACE, self.waiting.closed()).await;
    }
}

impl DirectiveStore for OpenSearchDirectiveStore {
    fn load(&self) -> Arc<DirectiveSet> {
        self.shared.published.load()
    }
}
