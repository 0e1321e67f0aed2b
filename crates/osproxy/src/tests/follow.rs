//! The task, in virtual time: osproxy's clock shows what tokio's paused one does.

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
        assert!(!self.panics.load(Ordering::Relaxed), "a clock that panics");
        let manual = ManualClock::new();
        manual.advance(self.begin.elapsed());
        manual.now()
    }

    fn unix_nanos(&self) -> u64 {
        let passed = u64::try_from(self.begin.elapsed().as_nanos()).unwrap();
        passed.saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }
}

/// A store of ours, and osproxy's over it.
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

    fn given(&self) -> DiagLevel {
        ACME.peers(&self.peers.load(), self.clock.now()).level
    }

    fn wanted(&self) -> DiagLevel {
        ACME.ours(&self.ours.load(), self.clock.today()).level
    }
}

/// So many milliseconds after the begin.
fn ms(count: i64) -> Timestamp {
    at(BEGIN + count * MILLI)
}

fn shape(expiry: i64) -> DiagnosticsDirective {
    DiagnosticsDirective::new("shape", DiagLevel::Shape, ms(expiry))
        .with_match(DirectiveMatch::all().for_tenant("acme"))
}

async fn pass(millis: u64) {
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
        pass(1).await;
        // The timer is a millisecond late at most; an expiry is not late at all.
        let before = ACME.ours(
            &both.ours.load(),
            both.clock.today() - Duration::from_millis(2),
        );
        assert!([both.wanted(), before.level.min(both.wanted())].contains(&both.given()));
        if seen.last() != Some(&both.given()) {
            seen.push(both.given());
        }
    }
    assert_eq!(seen, [Off, Shape, ShapeTiming, Shape, Off]);
    assert!(both.peers.load().is_empty(), "an expired one is taken out");
}

#[tokio::test(start_paused = true)]
async fn a_publish_is_followed_at_once_when_the_store_tells_of_it() {
    let clock = VirtualClock::new();
    let ours = Arc::new(InMemoryDirectiveStore::new());
    let tell = watch::Sender::new(());
    let told = Some(Subscription::of(&tell));
    let peers = OsproxyDirectiveStore::follow(ours.clone(), clock.clone(), told).await;
    assert!(peers.load().is_empty());
    for _ in 0..3 {
        // Longer than the pause after a publish.
        pass(50).await;
        ours.publish(DirectiveSet::from_directives(vec![shape(60_000)]));
        tell.send_replace(());
        pass(1).await;
        assert_eq!(peers.load().len(), 1);
        pass(50).await;
        ours.publish(DirectiveSet::new());
        tell.send_replace(());
        pass(1).await;
        assert!(peers.load().is_empty(), "a revoked one is gone");
    }
    // A store that is gone is looked at, and not in a hot loop.
    drop(tell);
    ours.publish(DirectiveSet::from_directives(vec![shape(60_000)]));
    pass(300).await;
    assert_eq!(peers.load().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_tell_is_looked_at_four_times_a_second() {
    let both = Both::start(Vec::new()).await;
    pass(1_234).await;
    both.ours
        .publish(DirectiveSet::from_directives(vec![shape(60_000)]));
    pass(251).await;
    assert_eq!(both.given(), DiagLevel::Shape);
    both.ours.publish(DirectiveSet::new());
    pass(262).await;
    assert_eq!(both.given(), DiagLevel::Off);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_ends_within_a_quarter_second_what_it_ended() {
    let both = Both::start(vec![shape(60_000)]).await;
    pass(1_000).await;
    both.clock
        .ahead
        .fetch_add(59_500 * MILLI, Ordering::Relaxed);
    assert_eq!(both.wanted(), DiagLevel::Off);
    pass(251).await;
    assert_eq!(both.given(), DiagLevel::Off);
}

#[tokio::test(start_paused = true)]
async fn expiries_move_with_a_clock_that_is_set() {
    let both = Both::start(vec![shape(10_000)]).await;
    // Set back by five seconds, so it lasts for five more.
    both.clock.ahead.fetch_sub(5_000 * MILLI, Ordering::Relaxed);
    pass(14_999).await;
    assert_eq!(
        (both.given(), both.wanted()),
        (DiagLevel::Shape, DiagLevel::Shape)
    );
    pass(1).await;
    assert_eq!(
        (both.given(), both.wanted()),
        (DiagLevel::Off, DiagLevel::Off)
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_nothing_published_and_is_survived() {
    let both = Both::start(vec![shape(60_000)]).await;
    assert_eq!(both.given(), DiagLevel::Shape);
    both.clock.panics.store(true, Ordering::Relaxed);
    pass(300).await;
    assert!(both.peers.load().is_empty());
    both.clock.panics.store(false, Ordering::Relaxed);
    pass(600).await;
    assert_eq!(both.given(), DiagLevel::Shape);
}

#[tokio::test(start_paused = true)]
async fn a_late_task_lets_nothing_outlive() {
    let both = Both::start(vec![shape(1_000)]).await;
    // It never runs again.
    both.peers.task.abort();
    pass(999).await;
    assert_eq!(both.given(), DiagLevel::Shape);
    pass(1).await;
    assert_eq!(both.given(), DiagLevel::Off);
    assert_eq!(both.peers.load().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_the_task() {
    let both = Both::start(vec![shape(1_000)]).await;
    let ours = Arc::downgrade(&both.ours);
    drop((both.peers, both.ours));
    pass(1).await;
    assert_eq!(ours.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_changes_do_not_keep_it_busy() {
    // One expires each tenth of a millisecond.
    let directives = (0..10_000).map(|n| {
        DiagnosticsDirective::new(format!("{n}"), DiagLevel::Shape, at(BEGIN + n * MILLI / 10))
            .with_match(DirectiveMatch::all().for_tenant(format!("tenant-{n}")))
    });
    let both = Both::start(directives.collect()).await;
    let mut sets = 0;
    let mut last = both.peers.load();
    for _ in 0..1_000 {
        pass(1).await;
        let set = both.peers.load();
        sets += u32::from(!Arc::ptr_eq(&set, &last));
        last = set;
    }
    assert!((10..=100).contains(&sets), "{sets} publishes in a second");
}
