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

/// Adapts a store of this project to osproxy's trait [`osproxy_observe::DirectiveStore`]. Pass the
/// adapter to `Pipeline::with_directive_store`, so that osproxy applies the directives of the
/// store.
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
/// - Each set that osproxy loads contains the directives of exactly one published set. A request
///   that loads the set only once never mixes parts of two published sets.
/// - osproxy makes the same decisions as
///   [`DirectiveSet::evaluate`](opensearch_directives::DirectiveSet::evaluate). The set of osproxy
///   contains only the directives that can change a decision. Scheduled, expired and superfluous
///   directives are not in osproxy's set. To list all directives, use this project's store instead
///   of osproxy's set.
/// - **No directive applies after its expiry**, even if the adapter's task is late or has ended.
///   Each directive in osproxy's set contains its expiry, converted to osproxy's monotonic clock to
///   the nanosecond. To convert an expiry, the adapter reads the monotonic clock and then the wall
///   clock. The time between the two clock reads can only make a converted expiry earlier. The
///   adapter enforces the store's limit `clear_after` in the same way as an expiry.
/// - `load` takes no lock, performs no I/O and does not allocate. All threads share the adapter's
///   only reference count, as with osproxy's own stores.
///
/// # Sampling
///
/// osproxy evaluates the directives itself, and puts a request **without an id** into every sample
/// of 38 per mille or more. `evaluate` of this project, however, puts a request without an id into
/// no sample below 1000 per mille.
///
/// # Staleness
///
/// osproxy uses a new set some time after the store has published it, because the adapter must
/// first convert the set. If an [`OpenSearchDirectiveStore`] publishes a set, the adapter converts
/// it as soon as the adapter's task runs. If another store publishes a set, the adapter converts it
/// within 250 ms. A directive can start up to a millisecond late, because the timer has a
/// resolution of a millisecond. The adapter converts a large set on a blocking thread.
///
/// After each conversion, the adapter's task pauses for 10 ms or four times the duration of the
/// conversion, whichever is longer. A set that the store publishes during the pause is converted
/// after the pause.
///
/// # Clocks
///
/// osproxy compares expiries with a monotonic clock, which does not follow the wall clock. If
/// somebody **sets the wall clock forward**, or the machine resumes from suspension, a directive
/// may apply after its expiry until the adapter's next check. After the wall clock is set forward,
/// an expired directive ends at most 250 ms late, plus a pause before the check and the duration of
/// the conversion. If a check finds that the wall clock and the monotonic clock have drifted apart
/// by more than a millisecond, the adapter converts all expiries again.
///
/// If somebody sets the wall clock back, the next check also converts all expiries again. After the
/// wall clock is set back, the directives apply for a longer time, both in osproxy and with
/// `evaluate`. The expiries in osproxy's set stay unchanged while the adapter's task does not run.
///
/// Dropping the adapter ends the task that converts the sets.
pub struct OsproxyDirectiveStore {
    current: Arc<ArcSwap<peer::DirectiveSet>>,
    task: JoinHandle<()>,
}

impl OsproxyDirectiveStore {
    /// Creates an adapter for a store that polls an index. `start` returns once the adapter has
    /// converted the store's current set.
    ///
    /// Pass the same clock as the pipeline uses, because the instants of two clocks cannot be
    /// compared. The default clock of a pipeline is osproxy's [`osproxy_core::SystemClock`].
    ///
    /// # Panics
    /// Panics outside a tokio runtime, or if the runtime's timer is not enabled.
    pub async fn start(store: Arc<OpenSearchDirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        let publishes = store.subscribe();
        Self::follow(store, clock, Some(publishes)).await
    }

    /// Creates an adapter for a store without subscriptions, such as an
    /// [`InMemoryDirectiveStore`](opensearch_directives::InMemoryDirectiveStore). The adapter
    /// converts each set within 250 ms after the store has published it.
    ///
    /// # Panics
    /// Panics outside a tokio runtime, or if the runtime's timer is not enabled.
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

/// Formats only the number of directives in osproxy's set.
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
