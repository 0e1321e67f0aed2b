//! Tests the task with which the adapter follows a store. The tests use virtual time, because
//! osproxy's clock reads tokio's paused clock.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use osproxy_observe::DirectiveStore as _;
use tokio::sync::watch;
use tokio::time::{Instant as TokioInstant, sleep};

use super::*;
use crate::OsproxyDirectiveStore;
use opensearch_directives::Subscription;
use opensearch_directives::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveStore, InMemoryDirectiveStore,
};

const BEGIN: i64 = 1_900_000_000_000_000_000;
const MILLI: i64 = 1_000_000;

#[derive(Debug)]
struct VirtualClock {
    begin: TokioInstant,
    ahead: AtomicI64,
    panics: AtomicBool,
}

impl VirtualClock {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begin: TokioInstant::now(),
            ahead: AtomicI64::new(BEGIN),
            panics: AtomicBool::new(false),
        })
    }

    fn today(&self) -> Timestamp {
        at(i64::try_from(self.unix_nanos()).unwrap())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        assert!(!self.panics.load(Ordering::Relaxed), "this clock panics");
        let manual = ManualClock::new();
        manual.advance(self.begin.elapsed());
        manual.now()
    }

    fn unix_nanos(&self) -> u64 {
        let passed = u64::try_from(self.begin.elapsed().as_nanos()).unwrap();
        passed.saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }
}

/// A store of this project, and the adapter that converts the store's sets for osproxy.
struct Both {
    ours: Arc<InMemoryDirectiveStore>,
    peers: OsproxyDirectiveStore,
    clock: Arc<VirtualClock>,
}

impl Both {
    async fn start(directives: Vec<DiagnosticsDirective>) -> Self {
        let clock = VirtualClock::new();
        let ours = Arc::new(InMemoryDirectiveStore::new());
        ours.publish(DirectiveSet::from_directives(directives));
        let peers = OsproxyDirectiveStore::start_over(ours.clone(), clock.clone()).await;
        Self { ours, peers, clock }
    }

    fn osproxy_level(&self) -> DiagLevel {
        ACME.peers(&self.peers.load(), self.clock.now()).level
    }

    fn own_level(&self) -> DiagLevel {
        ACME.ours(&self.ours.load(), self.clock.today()).level
    }
}

/// Returns the instant that is `count` milliseconds after the start of the test.
fn ms(count: i64) -> Timestamp {
    at(BEGIN + count * MILLI)
}

fn shape(expiry: i64) -> DiagnosticsDirective {
    DiagnosticsDirective::new("shape", DiagLevel::Shape, ms(expiry))
        .with_match(DirectiveMatch::all().for_tenant("acme"))
}

async fn advance(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn starts_and_expiries_are_followed_to_the_millisecond() {
    use DiagLevel::{Off, Shape, ShapeTiming};

    let directives = vec![
        shape(2_000).with_starts_at(ms(500)),
        DiagnosticsDirective::new("timing", DiagLevel::ShapeTiming, ms(1_300))
            .with_starts_at(ms(1_033)),
    ];
    let both = Both::start(directives).await;
    let mut seen = Vec::new();
    for _ in 0..2_100 {
        advance(1).await;
        // A directive may start up to a millisecond late, because the timer has a resolution of a
        // millisecond. A directive expires exactly on time.
        let before = ACME.ours(
            &both.ours.load(),
            both.clock.today() - Duration::from_millis(2),
        );
        assert!(
            [both.own_level(), before.level.min(both.own_level())].contains(&both.osproxy_level())
        );
        if seen.last() != Some(&both.osproxy_level()) {
            seen.push(both.osproxy_level());
        }
    }
    assert_eq!(seen, [Off, Shape, ShapeTiming, Shape, Off]);
    assert!(
        both.peers.load().is_empty(),
        "the expired directive is still in the set"
    );
}

#[tokio::test(start_paused = true)]
async fn a_publish_of_a_store_with_a_subscription_is_converted_immediately() {
    let clock = VirtualClock::new();
    let ours = Arc::new(InMemoryDirectiveStore::new());
    let publishes = watch::Sender::new(());
    let subscription = Some(Subscription::of(&publishes));
    let peers = OsproxyDirectiveStore::follow(ours.clone(), clock.clone(), subscription).await;
    assert!(peers.load().is_empty());
    for _ in 0..3 {
        // The task's pause after a conversion is shorter than fifty milliseconds.
        advance(50).await;
        ours.publish(DirectiveSet::from_directives(vec![shape(60_000)]));
        publishes.send_replace(());
        advance(1).await;
        assert_eq!(peers.load().len(), 1);
        advance(50).await;
        ours.publish(DirectiveSet::new());
        publishes.send_replace(());
        advance(1).await;
        assert!(
            peers.load().is_empty(),
            "the revoked directive is still in the set"
        );
    }
    // After the subscription has ended, the task checks the store at intervals and not in a busy
    // loop.
    drop(publishes);
    ours.publish(DirectiveSet::from_directives(vec![shape(60_000)]));
    advance(300).await;
    assert_eq!(peers.load().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_a_subscription_is_checked_four_times_a_second() {
    let both = Both::start(Vec::new()).await;
    advance(1_234).await;
    both.ours
        .publish(DirectiveSet::from_directives(vec![shape(60_000)]));
    advance(251).await;
    assert_eq!(both.osproxy_level(), DiagLevel::Shape);
    both.ours.publish(DirectiveSet::new());
    advance(262).await;
    assert_eq!(both.osproxy_level(), DiagLevel::Off);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_past_an_expiry_ends_the_directive_within_a_quarter_second() {
    let both = Both::start(vec![shape(60_000)]).await;
    advance(1_000).await;
    both.clock
        .ahead
        .fetch_add(59_500 * MILLI, Ordering::Relaxed);
    assert_eq!(both.own_level(), DiagLevel::Off);
    advance(251).await;
    assert_eq!(both.osproxy_level(), DiagLevel::Off);
}

#[tokio::test(start_paused = true)]
async fn expiries_move_with_a_clock_that_is_set() {
    let both = Both::start(vec![shape(10_000)]).await;
    // The wall clock is set back by five seconds, so the directive expires five seconds later.
    both.clock.ahead.fetch_sub(5_000 * MILLI, Ordering::Relaxed);
    advance(14_999).await;
    assert_eq!(
        (both.osproxy_level(), both.own_level()),
        (DiagLevel::Shape, DiagLevel::Shape)
    );
    advance(1).await;
    assert_eq!(
        (both.osproxy_level(), both.own_level()),
        (DiagLevel::Off, DiagLevel::Off)
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_no_directive_is_published_until_a_conversion_succeeds() {
    let both = Both::start(vec![shape(60_000)]).await;
    assert_eq!(both.osproxy_level(), DiagLevel::Shape);
    both.clock.panics.store(true, Ordering::Relaxed);
    advance(300).await;
    assert!(both.peers.load().is_empty());
    both.clock.panics.store(false, Ordering::Relaxed);
    advance(600).await;
    assert_eq!(both.osproxy_level(), DiagLevel::Shape);
}

#[tokio::test(start_paused = true)]
async fn no_directive_outlives_its_expiry_without_the_task() {
    let both = Both::start(vec![shape(1_000)]).await;
    // The adapter's task never runs again after it was aborted.
    both.peers.task.abort();
    advance(999).await;
    assert_eq!(both.osproxy_level(), DiagLevel::Shape);
    advance(1).await;
    assert_eq!(both.osproxy_level(), DiagLevel::Off);
    assert_eq!(both.peers.load().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p12_the_bound_on_the_age_of_the_set_moves_and_holds_without_the_task() {
    let both = Both::start(Vec::new()).await;
    let set = DirectiveSet::from_directives(vec![shape(60_000)]);
    set.withdraw_at(ms(5_000));
    both.ours.publish(set);
    for second in 1..20 {
        advance(1_000).await;
        assert_eq!(both.osproxy_level(), DiagLevel::Shape, "{second}");
        both.ours.load().withdraw_at(ms(5_000 + second * 1_000));
    }
    // The store's set reaches its age limit 24 seconds after the start of the test. The directives
    // in osproxy's set expire at second 22 or later, depending on the last conversion.
    both.peers.task.abort();
    advance(5_000).await;
    assert_eq!(
        (both.osproxy_level(), both.own_level()),
        (DiagLevel::Off, DiagLevel::Off)
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_the_adapter_ends_the_task() {
    let both = Both::start(vec![shape(1_000)]).await;
    let ours = Arc::downgrade(&both.ours);
    drop((both.peers, both.ours));
    advance(1).await;
    assert_eq!(ours.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_expiries_do_not_keep_the_task_busy() {
    // One of the generated directives expires every tenth of a millisecond.
    let directives = (0..10_000).map(|n| {
        DiagnosticsDirective::new(format!("{n}"), DiagLevel::Shape, at(BEGIN + n * MILLI / 10))
            .with_match(DirectiveMatch::all().for_tenant(format!("tenant-{n}")))
    });
    let both = Both::start(directives.collect()).await;
    let mut sets = 0;
    let mut last = both.peers.load();
    for _ in 0..1_000 {
        advance(1).await;
        let set = both.peers.load();
        sets += u32::from(!Arc::ptr_eq(&set, &last));
        last = set;
    }
    assert!((10..=100).contains(&sets), "{sets} publishes in a second");
}
