//! The task that converts a store's set for osproxy. The task converts the set after each publish,
//! whenever a directive starts or expires, and when the wall clock is set.

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

/// The longest interval between two checks. A check compares the wall clock with osproxy's
/// monotonic clock. If the store has no subscriptions, a check also finds out whether the store has
/// published a new set.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// If the wall clock and osproxy's monotonic clock drift apart by more than this duration, the task
/// converts all expiries again.
pub(super) const MAX_DRIFT: Duration = Duration::from_millis(1);
/// The shortest pause of the task after it has published a set to osproxy.
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// The pause after a publish, as a multiple of the duration of the conversion. With the factor
/// four, the task uses at most a fifth of a processor core, even if many directives start or expire
/// in a short time.
const PAUSE_FACTOR: u32 = 4;

pub(super) struct Follower {
    pub(super) store: Arc<dyn DirectiveStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) current: Arc<ArcSwap<peer::DirectiveSet>>,
    published: Option<Published>,
    /// The set of osproxy that was replaced last. The task keeps the replaced set until the next
    /// check. At the next check, no request uses the replaced set any more, so the task frees its
    /// memory, and no request is delayed.
    replaced: Option<Arc<peer::DirectiveSet>>,
    next_check: Instant,
}

/// The set that was converted last, and the time until which the conversion is valid.
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

    /// Calls `check` after each publish of the store and at each scheduled time, forever.
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

    /// Converts and publishes the set if the last conversion is no longer valid. Returns true if a
    /// set was published. If the clock or the store panics, the function catches the panic.
    pub(super) async fn check(&mut self) -> bool {
        // The clock and the store may be code of the application, so they can panic.
        let updated = AssertUnwindSafe(self.update()).catch_unwind().await;
        updated.unwrap_or_else(|_| {
            error!("converting the directives panicked; osproxy has no directives until a conversion succeeds");
            self.published = None;
            // After a panic, the task publishes an empty set, because the directives that it
            // published last may have been revoked since then.
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

    /// Schedules a check at the next start or expiry, unless an earlier check is already scheduled.
    fn schedule_check(&mut self, next_change: Option<Timestamp>, now: &ClockPair) {
        if let Some(next) = next_change {
            let until = now
                .until(next)
                .clamp(Duration::from_millis(1), CHECK_INTERVAL);
            self.next_check = self.next_check.min(Instant::now() + until);
        }
    }
}

/// Waits for the next publish of the store. If the store offers no subscriptions or was dropped,
/// `store_published` never returns, and the task notices a new set only in its periodic checks.
async fn store_published(publishes: &mut Option<Subscription>) {
    if let Some(subscription) = publishes
        && subscription.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
