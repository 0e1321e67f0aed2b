//! The public handle of a polled index: start, load, refresh, status and shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{Config, Startup};
use crate::error::{RefreshError, StartError, Stopped};
use crate::http::Client;
use crate::refresher::{GRACE, PollLoop, Refresher, Shared, Subscription, Waiter};
use crate::status::Status;
use crate::time_limit::within;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::{DirectiveSet, DirectiveStates, DirectiveStore, Reader};

/// How many callers of `refresh` may queue; further ones wait until the queue has room.
const QUEUED_WAITERS: usize = 64;

/// A store that polls an index and publishes the directives in it.
///
/// It is a cache of the index and may be stale: normally by the interval, and during an outage for
/// as long as the cluster cannot be read. [`status`](Self::status) reports the age. Regardless of
/// the age, each directive starts and expires at its own times, compared with the instant that the
/// caller passes to `evaluate`.
///
/// Only complete reads are published, each in one swap; a poll that fails changes
/// nothing. Dropping the store ends its task, and so does [`shutdown`](Self::shutdown);
/// sets that were loaded stay valid.
#[derive(Debug)]
pub struct OpenSearchDirectiveStore {
    pub(crate) shared: Arc<Shared>,
    waiting: mpsc::Sender<Waiter>,
    /// Tells the refresher to end, by `true` or by being dropped.
    stop: watch::Sender<bool>,
    refresh_limit: Duration,
}

impl OpenSearchDirectiveStore {
    /// Starts polling on the current tokio runtime.
    ///
    /// With [`Startup::Require`] it returns after the first complete read. With
    /// [`Startup::LastGood`] it returns after the first read, or with the set of the
    /// last-good file. With [`Startup::Empty`] it returns at once with an empty set, and
    /// the first poll begins at once.
    ///
    /// # Errors
    /// [`StartError`] says which setting cannot work, or why there was no first read.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.check()?;
        let mut cluster = config.cluster.clone();
        cluster.instance.clone_from(&config.instance);
        Self::start_over(&config, Client::new(&cluster)?).await
    }

    pub(crate) async fn start_over(config: &Config, client: Client) -> Result<Self, StartError> {
        let mut refresher = Refresher::new(config, client);
        refresher.check_last_good().await;
        let shared = Arc::clone(refresher.shared());
        let pause = match config.startup {
            Startup::Require => {
                refresher.poll().await.map_err(StartError::first_read)?;
                refresher.phase()
            }
            Startup::LastGood => {
                if let Err(poll) = refresher.poll().await
                    && let Err(file) = refresher.restore().await
                {
                    return Err(StartError::last_good(poll, file));
                }
                refresher.phase()
            }
            Startup::Empty => Duration::ZERO,
        };
        let (waiting, waiters) = mpsc::channel(QUEUED_WAITERS);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(PollLoop::new(refresher, stopped, waiters).run(pause));
        Ok(Self {
            shared,
            waiting,
            stop,
            // The poll that runs, and the one after it.
            refresh_limit: (config.poll_timeout.saturating_mul(2)).saturating_add(GRACE),
        })
    }

    /// The state of the store: what is published, its age, and how the polling goes.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// How many of the published directives are scheduled, active and expired. This visits all of
    /// them: it is meant for metrics, not for the request path.
    #[must_use]
    pub fn states(&self) -> DirectiveStates {
        self.shared.states()
    }

    /// Polls now, and returns when that poll has ended. Callers that arrive while a poll runs
    /// share the next one. It also returns if the refresher does not run: after twice
    /// [`Config::poll_timeout`] and five seconds.
    ///
    /// # Errors
    /// [`RefreshError`] if the poll failed (the published set stays), if the refresher has ended,
    /// or if it did not respond in time.
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

    /// The published snapshot: the set with the revision, the rejections and the time of the
    /// same read. It is meant for code that passes it on or reports on it; the request path uses
    /// [`load`](DirectiveStore::load), for which threads do not contend.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// Notifies of each publish from now on, until the store ends.
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
    /// Subscribe before you load, as here, so that a publish in between is notified.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.shared.subscription.anew()
    }

    /// A reader for a worker that owns its loop.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.shared.published.reader()
    }

    /// Has files of secrets and certificates, and the application's credentials provider, read
    /// again before the next request, instead of within a minute.
    pub fn reload_credentials(&self) {
        self.shared.reload_credentials();
    }

    /// Ends the polling, also in the middle of a poll, and returns when the refresher has
    /// ended, or after five seconds if nothing runs it. The published set stays.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        // The loop drops its receiver last.
        within(GRACE, self.waiting.closed()).await;
    }
}

impl DirectiveStore for OpenSearchDirectiveStore {
    fn load(&self) -> Arc<DirectiveSet> {
        self.shared.published.load()
    }
}
