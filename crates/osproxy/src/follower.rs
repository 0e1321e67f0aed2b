//! The task: sees that what the peer has is what the store has, as of now.

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

use super::clocks::Reading;
use super::live::Live;
use opensearch_directives::Subscription;
use opensearch_directives::internal::{off_the_runtime, weight_of};
use opensearch_directives::{DirectiveSet, DirectiveStore};

/// How often it looks at least: at the clocks, and at a store that does not tell of its
/// publishes.
pub(super) const LOOK: Duration = Duration::from_millis(250);
/// By how much the two clocks may come apart before all expiries are converted anew.
pub(super) const DRIFT: Duration = Duration::from_millis(1);
/// The least pause between two publishes.
const PAUSE: Duration = Duration::from_millis(10);
/// A publish is followed by a pause of so many times its length: starts and expiries may
/// be many, and the cores are the requests'.
const REST: u32 = 4;

pub(super) struct Follower {
    pub(super) store: Arc<dyn DirectiveStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) current: Arc<ArcSwap<peer::DirectiveSet>>,
    shown: Option<Shown>,
    /// What was replaced last. Requests load and let go within microseconds; so by the
    /// next look nobody has it, and it is freed here and not by a request.
    replaced: Option<Arc<peer::DirectiveSet>>,
    next_look: Instant,
}

/// What is published, and until when it holds.
struct Shown {
    set: DirectiveSet,
    at: Reading,
    next_change: Option<Timestamp>,
}

impl Shown {
    fn holds(&self, set: &DirectiveSet, now: &Reading) -> bool {
        self.set.is_handle_of(set)
            && self.next_change.is_none_or(|next| now.wall() < next)
            && now.drift_since(&self.at) <= DRIFT
    }
}

impl Follower {
    pub(super) fn new(store: Arc<dyn DirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            current: Arc::default(),
            shown: None,
            replaced: None,
            next_look: Instant::now(),
        }
    }

    /// For ever: waits until there may be something to do, and looks.
    pub(super) async fn run(mut self, mut publishes: Option<Subscription>) {
        loop {
            tokio::select! {
                () = told(&mut publishes) => {}
                () = sleep_until(self.next_look) => {}
            }
            let began = Instant::now();
            if self.look().await {
                sleep(PAUSE.max(began.elapsed() * REST)).await;
            }
        }
    }

    /// Publishes if what is published no longer holds, surviving a panic; tells
    /// whether it did.
    pub(super) async fn look(&mut self) -> bool {
        // The clock and the store may be the application's code.
        let updated = AssertUnwindSafe(self.update()).catch_unwind().await;
        updated.unwrap_or_else(|_| {
            error!("a panic while the directives were converted; osproxy has none for now");
            self.shown = None;
            // Rather none than some that may have been revoked.
            self.replaced = Some(self.current.swap(Arc::default()));
            true
        })
    }

    async fn update(&mut self) -> bool {
        self.next_look = Instant::now() + LOOK;
        let replaced = self.replaced.take();
        let set = self.store.load().as_ref().clone();
        let now = Reading::take(&*self.clock);
        if let Some(shown) = &self.shown
            && shown.holds(&set, &now)
        {
            let next_change = shown.next_change;
            self.look_at(next_change, &now);
            if replaced.is_some() {
                off_the_runtime(usize::MAX, move || drop(replaced)).await;
            }
            return false;
        }
        let weight = weight_of(set.len());
        let (current, of) = (Arc::clone(&self.current), set.clone());
        let (next_change, replaced) = off_the_runtime(weight, move || {
            drop(replaced);
            let live = Live::of(&of, &now);
            let (directives, of) = (live.directives.len(), of.len());
            let next = peer::DirectiveSet::from_directives(live.directives);
            let before = current.swap(Arc::new(next));
            debug!(directives, of, "published to osproxy");
            (live.next_change, before)
        })
        .await;
        self.look_at(next_change, &now);
        self.replaced = Some(replaced);
        self.shown = Some(Shown {
            set,
            at: now,
            next_change,
        });
        true
    }

    /// Looks again when the next directive starts or expires, if that is sooner.
    fn look_at(&mut self, next_change: Option<Timestamp>, now: &Reading) {
        if let Some(next) = next_change {
            let until = now.until(next).clamp(Duration::from_millis(1), LOOK);
            self.next_look = self.next_look.min(Instant::now() + until);
        }
    }
}

/// Completes when the store tells of a publish.
async fn told(publishes: &mut Option<Subscription>) {
    if let Some(subscription) = publishes
        && subscription.changed().await.is_ok()
    {
        return;
    }
    // It tells of none, or is gone and will publish no more.
    std::future::pending::<()>().await;
}
