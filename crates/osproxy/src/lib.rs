//! The directives of a store for a real osproxy, as its own trait wants them.
//!
//! ```text
//! our store ── load ──▶ live ── convert ──▶ ArcSwap ── load() ──▶ osproxy's pipeline
//!             follower: at a publish, a start, an expiry, a jump of the clock
//! ```
//!
//! The peer knows no start, and holds an expiry against a monotonic clock that has no
//! date. So somebody must convert, again and again: the follower, a task. Nothing
//! depends on it being in time, except that it takes something new a little later:
//! each directive goes with its expiry, which the peer checks itself.

mod clocks;
mod convert;
mod follower;
mod live;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use osproxy_core::Clock;
use osproxy_observe as peer;
use tokio::task::JoinHandle;

use follower::Follower;
use opensearch_directives::DirectiveStore;
use opensearch_directives::OpenSearchDirectiveStore;
use opensearch_directives::Subscription;

/// Gives osproxy the directives of a store of this crate: it is an
/// [`osproxy_observe::DirectiveStore`], for `Pipeline::with_directive_store`.
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
/// - The peer's set is the whole of one published set as it was at one instant: a
///   request that loads once sees no mixture.
/// - It decides as [`DirectiveSet::evaluate`](opensearch_directives::DirectiveSet::evaluate) does. It
///   leaves out what cannot change a decision: directives that have not started, have
///   expired, or are superfluous beside another. So it is not for introspection; for
///   that there is the store.
/// - **Nothing outlives its expiry**, however late or dead the task is: each directive
///   carries its own, to the nanosecond, by the clock pair of osproxy as it was read at
///   the conversion; and what time passes during that reading makes it earlier.
/// - `load` takes no lock, does no I/O and does not allocate. All threads share one
///   reference count, as in osproxy's own stores.
///
/// # Sampling
///
/// osproxy evaluates the directives itself. A request **without an id** is therefore in
/// osproxy's samples from 38 per mille on, where this crate's `evaluate` has it in none.
///
/// # Staleness
///
/// The store's own, and in addition: a publish of an [`OpenSearchDirectiveStore`] is
/// followed as soon as the task runs, one of another store within 250 ms, and a start
/// when it comes, to the millisecond of the timer. Many directives are converted away
/// from the runtime's threads; a pause of at least 10 ms, or four times as long as that
/// took, follows, in which a publish waits.
///
/// # Clocks
///
/// The peer holds expiries against a clock that does not move with the time of day. When
/// the time of day is **set forward**, or the machine wakes from suspension, a directive
/// may outlive its absolute expiry by at most as much as it was set forward, and for at
/// most 250 ms (and the conversion): then the task sees that the two clocks came apart by
/// more than a millisecond and converts anew. When it is set back, expiries move with it
/// in the same time, as they do for `evaluate`. If the task does not run, the distance
/// of the clocks stays what it was.
///
/// Dropping it ends the task.
pub struct OsproxyDirectiveStore {
    current: Arc<ArcSwap<peer::DirectiveSet>>,
    task: JoinHandle<()>,
}

impl OsproxyDirectiveStore {
    /// Follows a store that polls an index. Returns when its current set is there.
    ///
    /// `clock` is the pipeline's: [`osproxy_core::SystemClock`] unless it was given
    /// another. Instants of one clock mean nothing to another.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    pub async fn start(store: Arc<OpenSearchDirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        let publishes = store.subscribe();
        Self::follow(store, clock, Some(publishes)).await
    }

    /// Follows any other store, such as an [`InMemoryDirectiveStore`]. A publish is
    /// seen within 250 ms.
    ///
    /// [`InMemoryDirectiveStore`]: crate::InMemoryDirectiveStore
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
        follower.look().await;
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

/// Shows how many directives osproxy has.
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
