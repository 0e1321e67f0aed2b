//! Converts the directive set of a store for osproxy, in a task that follows the store. The task
//! converts the set after each publish, when a directive starts or expires, and when somebody sets
//! the wall clock.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use osproxy_core::Clock;
use osproxy_observe as peer;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error};

use super::clock_pair::ClockPair;
use super::decisive_directives::DecisiveDirectives;
use opensearch_directives::Subscription;
use opensearch_directives::internal::{off_the_runtime, weight_of};
use opensearch_directives::{DirectiveSet, DirectiveStore};

/// The longest interval between two checks of the task. Each check compares the wall clock with
/// osproxy's monotonic clock. If the store has no subscriptions, each check also looks for a newly
/// published set.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// The task converts all expiries again if the wall clock and osproxy's monotonic clock have
/// drifted apart by more than this duration.
pub(super) const MAX_DRIFT: Duration = Duration::from_millis(1);
/// The shortest pause of the task after it has passed a set to osproxy.
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// The pause after each conversion, as a multiple of the duration of the conversion. With a factor
/// of four, the task uses at most a fifth of a processor core, even if many directives start or
/// expire within a short time.
const PAUSE_FACTOR: u32 = 4;

pub(super) struct Follower {
    pub(super) store: Arc<dyn DirectiveStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) current: Arc<ArcSwap<peer::DirectiveSet>>,
    published: Option<Published>,
    /// The set of osproxy that the task has most recently replaced. The task keeps the replaced set
    /// until its next check, so that the task and not a request frees the memory of the set. At the
    /// next check, usually no request uses the replaced set any more.
    replaced: Option<Arc<peer::DirectiveSet>>,
    next_check: Instant,
}

/// The most recently converted set, and the time until which the conversion is valid.
struct Published {
    set: DirectiveSet,
    at: ClockPair,
    next_change: Option<Timestamp>,
}

impl Published {
    fn is_current(&self, set: &DirectiveSet, now: &ClockPair) -> bool {
        self.set.is_handle_of(set)
            && self.next_change.is_none_or(|next| now.wall() < next)
            && now.drift_since(&self.at) <= MAX_DRIFT
    }
}

impl Follower {
    pub(super) fn new(store: Arc<dyn DirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            current: Arc::default(),
            published: None,
            replaced: None,
            next_check: Instant::now(),
        }
    }

    /// Calls `check` after each publish of the store and at each scheduled time, until the task is
    /// aborted.
    pub(super) async fn run(mut self, mut publishes: Option<Subscription>) {
        loop {
            tokio::select! {
                () = store_published(&mut publishes) => {}
                () = sleep_until(self.next_check) => {}
            }
            let began = Instant::now();
            if self.check().await {
                sleep(MIN_PAUSE.max(began.elapsed() * PAUSE_FACTOR)).await;
            }
        }
    }

    /// Converts the store's set and passes it to osproxy, unless the last conversion is still
    /// valid. The method returns true if osproxy has received a new set. The method catches a panic
    /// of the clock or of the store.
    pub(super) async fn check(&mut self) -> bool {
        // The clock and the store may belong to the application, so they can panic.
        let updated = AssertUnwindSafe(self.update()).catch_unwind().await;
        updated.unwrap_or_else(|_| {
            error!("converting the directives panicked; osproxy has no directives until a conversion succeeds");
            self.published = None;
            // After a panic, osproxy receives an empty set, because the directives in its current
            // set may have been revoked since the last conversion.
            self.replaced = Some(self.current.swap(Arc::default()));
            true
        })
    }

    async fn update(&mut self) -> bool {
        self.next_check = Instant::now() + CHECK_INTERVAL;
        let replaced = self.replaced.take();
        let set = self.store.load().as_ref().clone();
        let now = ClockPair::read(&*self.clock);
        if let Some(published) = &self.published
            && published.is_current(&set, &now)
        {
            let next_change = published.next_change;
            self.schedule_check(next_change, &now);
            if replaced.is_some() {
                off_the_runtime(usize::MAX, move || drop(replaced)).await;
            }
            return false;
        }
        let weight = weight_of(set.len());
        let (current, of) = (Arc::clone(&self.current), set.clone());
        let (next_change, replaced) = off_the_runtime(weight, move || {
            drop(replaced);
            let decisive = DecisiveDirectives::of(&of, &now);
            let (directives, of) = (decisive.directives.len(), of.len());
            let next = peer::DirectiveSet::from_directives(decisive.directives);
            let before = current.swap(Arc::new(next));
            debug!(directives, of, "published to osproxy");
            (decisive.next_change, before)
        })
        .await;
        self.schedule_check(next_change, &now);
        self.replaced = Some(replaced);
        self.published = Some(Published {
            set,
            at: now,
            next_change,
        });
        true
    }

    /// Schedules a check at the next start or expiry of a directive, unless an earlier check is
    /// already scheduled.
    fn schedule_check(&mut self, next_change: Option<Timestamp>, now: &ClockPair) {
        if let Some(next) = next_change {
            let until = now
                .until(next)
                .clamp(Duration::from_millis(1), CHECK_INTERVAL);
            self.next_check = self.next_check.min(Instant::now() + until);
        }
    }
}

/// Waits until the store has published a set. If the store has no subscriptions or was dropped, the
/// function never returns, and the task finds a new set only in its periodic checks.
async fn store_published(publishes: &mut Option<Subscription>) {
    if let Some(subscription) = publishes
        && subscription.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
