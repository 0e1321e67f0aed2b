#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clock_pair;
mod convert_types;
mod decisive_directives;
mod follow_store;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use osproxy_core::Clock;
use osproxy_observe as peer;
use tokio::task::JoinHandle;

use follow_store::Follower;
use opensearch_directives::DirectiveStore;
use opensearch_directives::OpenSearchDirectiveStore;
use opensearch_directives::Subscription;

/// An adapter that implements [`osproxy_observe::DirectiveStore`]. Pass the adapter to
/// `Pipeline::with_directive_store`, so that osproxy applies the directives of a store of this
/// project.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use opensearch_directives::{Config, OpenSearchDirectiveStore};
/// use opensearch_directives_osproxy::OsproxyDirectiveStore;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::for_url("http://127.0.0.1:9200".parse()?);
/// let store = Arc::new(OpenSearchDirectiveStore::start(config).await?);
/// let clock = Arc::new(osproxy_core::SystemClock);
/// let directives: Arc<dyn osproxy_observe::DirectiveStore> =
///     Arc::new(OsproxyDirectiveStore::start(Arc::clone(&store), clock).await);
/// // Pipeline::new(router, sink).with_directive_store(directives)
/// # Ok(())
/// # }
/// ```
///
/// # Guarantees
///
/// - Each set that osproxy loads contains the directives of exactly one published set. If a request
///   loads the set only once, it never uses parts of two published sets.
/// - osproxy makes the same decisions as
///   [`DirectiveSet::evaluate`](opensearch_directives::DirectiveSet::evaluate). osproxy's set
///   contains only the directives that can change a decision. osproxy's set contains neither
///   scheduled nor expired directives, nor directives that another directive makes superfluous. To
///   list all directives, use the store of this project.
/// - **No directive outlives its expiry**, even if the task is late or has ended. Each directive in
///   osproxy's set contains its expiry, converted to osproxy's monotonic clock with nanosecond
///   precision. For this conversion, the adapter reads the wall clock and the monotonic clock. The
///   time between the two reads makes the converted expiry earlier, never later. The adapter
///   enforces the limit `clear_after` of the store like an expiry.
/// - `load` takes no lock, performs no I/O and does not allocate. Like the stores that osproxy
///   provides, the adapter has one reference count that all threads share.
///
/// # Sampling
///
/// osproxy evaluates the directives itself, so a request **without an id** is in every sample of 38
/// per mille or more. If `evaluate` of this project evaluates a request without an id, the request
/// is in no sample below 1000 per mille.
///
/// # Staleness
///
/// osproxy uses a new set later than the store publishes it, because the adapter first converts the
/// set. The adapter converts a set of an [`OpenSearchDirectiveStore`] as soon as its task runs
/// after the publish. If another store publishes a set, the adapter converts this set within 250
/// ms. A directive can start up to a millisecond late, because the timer has a resolution of a
/// millisecond. A large set is converted on a blocking thread.
///
/// After each conversion the task pauses for 10 ms or four times the duration of the conversion,
/// whichever is longer. If the store publishes a set during the pause, the task converts this set
/// after the pause.
///
/// # Clocks
///
/// osproxy compares expiries with a monotonic clock, which does not follow the wall clock. If the
/// wall clock is **set forward**, or the machine resumes from suspension, a directive may apply
/// after its absolute expiry until the next check. A directive that should have expired ends at
/// most 250 ms late, plus the pause that may precede the check, plus the duration of the
/// conversion. The next check detects that the clocks have drifted apart by more than a
/// millisecond, and converts all expiries again.
///
/// If the wall clock is set back, the next check also converts all expiries again. After the wall
/// clock is set back, the directives apply for a longer time, as they do for `evaluate`. If the
/// task does not run, no expiry in osproxy's set changes.
///
/// Dropping the adapter ends the task that converts the sets.
pub struct OsproxyDirectiveStore {
    current: Arc<ArcSwap<peer::DirectiveSet>>,
    task: JoinHandle<()>,
}

impl OsproxyDirectiveStore {
    /// Creates an adapter that follows a store that polls an index. `start` returns as soon as the
    /// store's current set is converted.
    ///
    /// `clock` must be the clock of the pipeline, because the instants of two clocks are not
    /// comparable. The default clock of a pipeline is [`osproxy_core::SystemClock`].
    ///
    /// # Panics
    /// Panics if the caller does not run in a tokio runtime, or if the runtime's timer is not
    /// enabled.
    pub async fn start(store: Arc<OpenSearchDirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        let publishes = store.subscribe();
        Self::follow(store, clock, Some(publishes)).await
    }

    /// Creates an adapter that follows a store without subscriptions, such as an
    /// [`InMemoryDirectiveStore`](opensearch_directives::InMemoryDirectiveStore). The adapter
    /// converts each set within 250 ms after the store has published it.
    ///
    /// # Panics
    /// Panics if the caller does not run in a tokio runtime, or if the runtime's timer is not
    /// enabled.
    pub async fn start_over(store: Arc<dyn DirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        Self::follow(store, clock, None).await
    }

    async fn follow(
        store: Arc<dyn DirectiveStore>,
        clock: Arc<dyn Clock>,
        publishes: Option<Subscription>,
    ) -> Self {
        let mut follower = Follower::new(store, clock);
        let current = Arc::clone(&follower.current);
        follower.check().await;
        Self {
            current,
            task: tokio::spawn(follower.run(publishes)),
        }
    }
}

impl peer::DirectiveStore for OsproxyDirectiveStore {
    #[inline]
    fn load(&self) -> Arc<peer::DirectiveSet> {
        self.current.load_full()
    }
}

/// Formats the adapter as the number of directives in osproxy's set.
impl fmt::Debug for OsproxyDirectiveStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OsproxyDirectiveStore")
            .field("directives", &self.current.load().len())
            .finish_non_exhaustive()
    }
}

impl Drop for OsproxyDirectiveStore {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
