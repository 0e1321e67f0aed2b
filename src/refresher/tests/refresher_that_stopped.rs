//! Tests that the status reports a refresher that no longer runs. These tests also check that the
//! age limit of the directive set is in force even if the refresher no longer runs.

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::error::RefreshError;
use crate::status::RefresherState;

/// Creates a tokio runtime with one thread and a paused clock.
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// Advances the paused clock of a tokio runtime without running its tasks.
fn advance(runtime: &Runtime, time: Duration) {
    let _context = runtime.enter();
    let _ = tokio::time::advance(time).now_or_never();
}

/// Calls `refresh` on another tokio runtime, and returns the error.
fn refresh(store: &OpenSearchDirectiveStore) -> RefreshError {
    runtime().block_on(store.refresh()).unwrap_err()
}

/// Returns true if the directives of the scripted index apply at the time `after_noon` after 12:00.
/// Without an age limit of the set, the directives of the scripted index apply from 12:10 to 12:20.
fn applies(store: &OpenSearchDirectiveStore, after_noon: Duration) -> bool {
    let attrs = RequestAttrs::new("orders", "svc", EndpointKind::Search);
    let now = Noon.now() + after_noon;
    store.load().evaluate(&attrs, now, "r").level == crate::DiagLevel::Shape
}

#[test]
fn p12_a_runtime_that_is_dropped_is_seen_and_the_bound_on_the_age_holds() {
    let runtime = runtime();
    let bounded = config().with_clear_after(SECOND * 900);
    let (_fake, store) = runtime.block_on(start_with(&bounded, Order::Good(1)));
    assert_eq!(store.status().refresher, RefresherState::Running);
    drop(runtime);
    assert_eq!(store.status().refresher, RefresherState::Stopped);
    assert!(refresh(&store).is_stopped());
    assert_eq!(store.load().len(), 1, "the last good set stays");
    assert!(applies(&store, SECOND * 899));
    assert!(!applies(&store, SECOND * 900));
}

#[test]
fn p12_a_runtime_that_nobody_drives_is_seen_and_a_refresh_returns() {
    let runtime = runtime();
    let bounded = config().with_clear_after(SECOND * 900);
    let (_fake, store) = runtime.block_on(start_with(&bounded, Order::Good(1)));
    let status = || {
        let _context = runtime.enter();
        store.status()
    };
    advance(&runtime, GRACE);
    assert_eq!(status().refresher, RefresherState::Running);
    advance(&runtime, INTERVAL);
    let RefresherState::Overdue { since } = status().refresher else {
        panic!("{:?}", status().refresher);
    };
    // The first poll of the loop was due at a random time within the first interval, so the
    // refresher has been overdue for less than an interval.
    assert!(since <= Noon.now() && since > Noon.now() - INTERVAL);
    let error = refresh(&store);
    assert!(error.is_timed_out(), "{error}");

    let before = status();
    assert_eq!((before.staleness, before.directives), (Staleness::Fresh, 1));
    advance(&runtime, SECOND * 900);
    let after = status();
    assert_eq!((after.staleness, after.directives), (Staleness::Dark, 0));
    assert_eq!(after.revision, None);
    {
        let _context = runtime.enter();
        assert_eq!(store.states().scheduled, 0);
        assert!(store.snapshot().set().is_empty());
    }
    assert!(!applies(&store, SECOND * 900));

    // The refresher continues when its runtime runs again.
    runtime.block_on(async { tokio::time::sleep(INTERVAL * 2).await });
    let _context = runtime.enter();
    assert_eq!(store.status().refresher, RefresherState::Running);
    assert!(applies(&store, SECOND * 899));
}

#[test]
fn p12_a_runtime_without_a_timer_is_seen_with_the_reason() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let empty = config().with_startup(crate::Startup::Empty);
    let store = runtime.block_on(async {
        let (_fake, store) = start_with(&empty, Order::Good(1)).await;
        store
            .shared
            .subscription
            .anew()
            .changed()
            .await
            .unwrap_err();
        store
    });
    let status = store.status();
    assert_eq!(status.refresher, RefresherState::Stopped);
    let error = status.last_error.unwrap();
    assert!(error.contains("timers are disabled"), "{error}");
    assert!(runtime.block_on(store.refresh()).unwrap_err().is_stopped());
}

#[test]
fn p12_a_shutdown_of_a_store_whose_runtime_nobody_drives_returns() {
    let undriven = runtime();
    let (_fake, store) = undriven.block_on(start(Order::Good(1)));
    runtime().block_on(store.shutdown());
    assert_eq!(store.load().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p12_a_refresher_that_polls_slowly_or_in_vain_is_running() {
    let (fake, store) = start(Order::Good(1)).await;
    for order in [Order::Hang, Order::Refuse(503, None), Order::Panic] {
        fake.set(order);
        for _ in 0..600 {
            tokio::time::sleep(SECOND).await;
            assert!(store.status().refresher.is_running(), "{order:?}");
        }
    }
    store.shutdown().await;
    assert_eq!(store.status().refresher, RefresherState::Stopped);
    assert!(store.refresh().await.unwrap_err().is_stopped());
}

#[tokio::test(start_paused = true)]
async fn p5_the_bound_on_the_age_moves_with_each_complete_read() {
    let bounded = config().with_clear_after(SECOND * 900);
    let clock = Arc::new(SetClock::default());
    let bounded = bounded.with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let (_fake, store) = start_with(&bounded, Order::Good(1)).await;
    assert!(!applies(&store, SECOND * 1000));
    clock.0.store(600, std::sync::atomic::Ordering::Relaxed);
    store.refresh().await.unwrap();
    assert_eq!(store.status().counters.publishes, 1, "nothing changed");
    assert!(applies(&store, SECOND * 1000));
}

/// A clock that a test sets to a number of seconds after noon.
#[derive(Debug, Default)]
struct SetClock(std::sync::atomic::AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let seconds = self.0.load(std::sync::atomic::Ordering::Relaxed);
        Noon.now() + SignedDuration::from_secs(seconds)
    }
}
