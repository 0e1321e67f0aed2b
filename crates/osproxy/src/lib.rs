#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clock_pair;
mod convert_types;
mod follow_store;
mod select_decisive;

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

/// An [`osproxy_observe::DirectiveStore`] with the directives of a store of this project, for
/// `Pipeline::with_directive_store`.
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
/// - osproxy's set is converted from one published set for one instant: a request that loads once
///   never sees a mixture of two publishes.
/// - osproxy decides as [`DirectiveSet::evaluate`](opensearch_directives::DirectiveSet::evaluate)
///   does. Its set omits directives that cannot change a decision, because they have not started,
///   have expired, or are superfluous beside another. For introspection, use the store.
/// - **No directive outlives its expiry**, even if the task is late or has ended: each directive
///   carries its expiry, to the nanosecond, by the clocks of osproxy as they were read at the
///   conversion. Time that passes between the two clock reads makes the expiry earlier. The bound
///   `clear_after` of the store holds in the same way.
/// - `load` takes no lock, does no I/O and does not allocate. All threads share one
///   reference count, as in osproxy's own stores.
///
/// # Sampling
///
/// osproxy evaluates the directives itself. A request **without an id** is therefore in osproxy's
/// samples from 38 per mille on, whereas `evaluate` of this project includes it in none.
///
/// # Staleness
///
/// In addition to the store's own staleness: a publish of an [`OpenSearchDirectiveStore`] is
/// converted as soon as the task runs, a publish of another store within 250 ms, and a start takes
/// effect with the timer's resolution of a millisecond. A large set is converted on a blocking
/// thread. After each conversion the task pauses for 10 ms or four times the duration of the
/// conversion, whichever is longer, and a publish waits for the end of the pause.
///
/// # Clocks
///
/// osproxy compares expiries with a monotonic clock, which does not follow the wall clock. If the
/// wall clock is **set forward**, or the machine resumes from suspension, a directive may outlive
/// its absolute expiry until the next check, at most 250 ms plus the duration of the conversion
/// (and any pause before it). The task then detects that the clocks have drifted apart by more than
/// a millisecond, and converts all expiries again. If the wall clock is set back, expiries move
/// with it in the same way, as they do for `evaluate`. If the task does not run, expiries keep the
/// relation of the clocks at the last conversion.
///
/// Dropping the store ends the task.
pub struct OsproxyDirectiveStore {
    current: Arc<ArcSwap<peer::DirectiveSet>>,
    task: JoinHandle<()>,
}

impl OsproxyDirectiveStore {
    /// Follows a store that polls an index. Returns when its current set is converted.
    ///
    /// `clock` must be the clock of the pipeline, which is [`osproxy_core::SystemClock`] by default:
    /// the instants of two clocks are not comparable.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    pub async fn start(store: Arc<OpenSearchDirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        let publishes = store.subscribe();
        Self::follow(store, clock, Some(publishes)).await
    }

    /// Follows any other store, such as an
    /// [`InMemoryDirectiveStore`](opensearch_directives::InMemoryDirectiveStore). A publish is
    /// converted within 250 ms.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
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

/// Shows the number of osproxy's directives.
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
