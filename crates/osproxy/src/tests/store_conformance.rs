//! Runs the conformance kit on this project's stores, on osproxy-observe's stores and on the
//! adapter. The tests also check which rules the stores of osproxy-observe and the adapter break.

use std::sync::Arc;

use opensearch_directives::testing::{
    Kit, Rule, ScriptedSource, Subject, initial_directives, noon,
};
use opensearch_directives::{
    Config, DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveStore,
    InMemoryDirectiveStore, OpenSearchDirectiveStore,
};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::OsproxyDirectiveStore;
use crate::clock_pair::ClockPair;

/// A store of this project, and the function with which the kit publishes sets into the store.
struct Ours<S, P> {
    store: S,
    publish: P,
}

impl<S, P> Subject for Ours<S, P>
where
    S: DirectiveStore,
    P: Fn(&S, Vec<DiagnosticsDirective>) -> bool + Sync,
{
    type Set = Arc<DirectiveSet>;

    fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool {
        (self.publish)(&self.store, directives)
    }

    fn load(&self) -> Self::Set {
        self.store.load()
    }

    fn evaluate(
        &self,
        set: &Self::Set,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        set.evaluate(attrs, now, request_id)
    }
}

fn allocations(work: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn the_stores_of_this_project_conform() {
    let kit = Kit::default().with_allocation_counter(allocations);

    let report = kit.check(&Ours {
        store: Arc::new(DirectiveSet::from_directives(initial_directives())),
        publish: |_: &Arc<DirectiveSet>, _| false,
    });
    assert!(report.conforms(), "a static set\n{report}");

    let report = kit.check(&Ours {
        store: InMemoryDirectiveStore::new(),
        publish: |store: &InMemoryDirectiveStore, directives| {
            store.publish(DirectiveSet::from_directives(directives));
            true
        },
    });
    assert!(report.conforms(), "InMemoryDirectiveStore\n{report}");

    let runtime = runtime();
    let (store, source) = scripted_store(&runtime);
    let report = kit.check(&Ours {
        store,
        publish: |store: &OpenSearchDirectiveStore, directives| {
            source.set(directives);
            runtime.block_on(store.refresh()).unwrap();
            true
        },
    });
    assert!(report.conforms(), "OpenSearchDirectiveStore\n{report}");
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// Starts a store that polls a scripted source, and returns both. The poll interval is very long,
/// so that the store polls only when the test requests a refresh.
fn scripted_store(runtime: &Runtime) -> (OpenSearchDirectiveStore, ScriptedSource) {
    let source = ScriptedSource::default();
    let config = Config::for_source("scripted").with_interval(Duration::from_hours(1));
    let (store, refresher) = OpenSearchDirectiveStore::build_from(config, source.clone()).unwrap();
    runtime.spawn(refresher.run());
    (store, source)
}

/// A store of osproxy-observe, and the function with which the kit publishes sets into the store.
struct Peer<S, P> {
    store: S,
    publish: P,
    /// Converts the kit's instants to instants of osproxy's monotonic clock.
    clocks: ClockPair,
}

/// Returns a stopped clock that shows the time one hour before [`noon`], the instant of the kit's
/// first evaluations.
fn clock() -> TestClock {
    let clock = TestClock::default();
    let hour = SignedDuration::from_hours(1);
    clock.jump(i64::try_from((noon() - hour).as_nanosecond()).unwrap());
    clock
}

fn converted(directives: &[DiagnosticsDirective], clocks: &ClockPair) -> peer::DirectiveSet {
    let directives = directives.iter().map(DiagnosticsDirective::as_ref);
    let converted = directives.map(|ours| convert_types::directive(ours, clocks).unwrap());
    peer::DirectiveSet::from_directives(converted.collect())
}

impl<S, P> Subject for Peer<S, P>
where
    S: peer::DirectiveStore,
    P: Fn(&S, Vec<DiagnosticsDirective>) -> bool + Sync,
{
    type Set = Arc<peer::DirectiveSet>;

    fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool {
        (self.publish)(&self.store, directives)
    }

    fn load(&self) -> Self::Set {
        self.store.load()
    }

    fn evaluate(
        &self,
        set: &Self::Set,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        let request = Request {
            tenant: attrs.tenant,
            index: attrs.index,
            principal: attrs.principal,
            endpoint: attrs.endpoint,
            id: request_id,
        };
        request.peers(set, self.clocks.instant_of(now))
    }
}

/// The rules of the conformance kit that every store breaks if it returns osproxy's sets.
const BROKEN: [Rule; 2] = [Rule::StartAtRead, Rule::NoIdNoSample];

#[test]
fn the_stores_of_osproxy_know_no_start_and_sample_requests_without_an_id() {
    let kit = Kit::default();
    let clocks = ClockPair::read(&clock());
    let report = kit.check(&Peer {
        store: Arc::new(converted(&initial_directives(), &clocks)),
        publish: |_: &Arc<peer::DirectiveSet>, _| false,
        clocks,
    });
    assert_eq!(report.broken(), BROKEN, "a static set\n{report}");

    let report = kit.check(&Peer {
        store: peer::InMemoryDirectiveStore::new(),
        publish: |store: &peer::InMemoryDirectiveStore, directives: Vec<_>| {
            store.publish(converted(&directives, &clocks));
            true
        },
        clocks,
    });
    assert_eq!(report.broken(), BROKEN, "InMemoryDirectiveStore\n{report}");
}

/// The adapter decides by its own clock, and not by the time of an evaluation, whether a directive
/// has started. The adapter's clock is stopped in this test. With a stopped clock, a scheduled
/// directive never applies in the adapter, even if the kit evaluates requests for a time after its
/// start.
#[test]
fn the_adapter_breaks_only_the_rules_of_the_set_of_osproxy() {
    let (runtime, clock) = (runtime(), Arc::new(clock()));
    let (store, source) = scripted_store(&runtime);
    let store = Arc::new(store);
    let osproxys_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let start = OsproxyDirectiveStore::start(Arc::clone(&store), osproxys_clock);
    let adapter = runtime.block_on(start);

    let clocks = ClockPair::read(&*clock);
    let published = AtomicI64::new(0);
    let publish = |adapter: &OsproxyDirectiveStore, mut directives: Vec<_>| {
        // An additional directive with a new id shows when the adapter has converted the published
        // set.
        let marker = published.fetch_add(1, Ordering::Relaxed).to_string();
        let only_marker = DirectiveMatch::all().for_tenant(marker.clone());
        let directive = DiagnosticsDirective::new("marker", DiagLevel::Shape, Timestamp::MAX);
        directives.push(directive.with_match(only_marker));
        source.set(directives);
        runtime.block_on(store.refresh()).unwrap();
        let request = Request {
            tenant: Some(&marker),
            ..ACME
        };
        let now = clocks.instant_of(noon());
        let converted = async {
            while request.peers(&peer::DirectiveStore::load(adapter), now) == Decision::default() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let limit = Duration::from_mins(1);
        let converted = async { tokio::time::timeout(limit, converted).await };
        runtime.block_on(converted).expect("never converted");
        true
    };
    // The test publishes few sets, because the adapter pauses for 10 ms after each publish.
    let kit = Kit::default().with_publishes(50);
    let report = kit.check(&Peer {
        store: adapter,
        publish,
        clocks,
    });
    assert_eq!(report.broken(), BROKEN, "OsproxyDirectiveStore\n{report}");
}
