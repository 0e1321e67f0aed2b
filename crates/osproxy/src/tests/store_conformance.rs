//! Runs the conformance kit against this project's stores and against those of osproxy-observe, and
//! states which rules osproxy's stores break.

use std::sync::Arc;

use opensearch_directives::testing::{
    Kit, Rule, ScriptedSource, Subject, initial_directives, noon,
};
use opensearch_directives::{
    Config, DiagnosticsDirective, DirectiveStore, InMemoryDirectiveStore, OpenSearchDirectiveStore,
};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::clock_pair::ClockPair;

/// A store of this project, with a function that publishes into it.
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

    let (source, runtime) = (ScriptedSource::default(), runtime());
    let config = Config::for_source("scripted").with_interval(Duration::from_hours(1));
    let (store, refresher) = OpenSearchDirectiveStore::build_from(config, source.clone()).unwrap();
    runtime.spawn(refresher.run());
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

/// A store of osproxy-observe, with a function that publishes into it.
struct Peer<S, P> {
    store: S,
    publish: P,
    /// The clocks with which the kit's instants are converted to instants of osproxy.
    clocks: ClockPair,
}

impl<S, P> Peer<S, P> {
    fn new(store: S, publish: P) -> Self {
        Self {
            store,
            publish,
            clocks: clocks(),
        }
    }
}

/// Reads both clocks one hour before [`noon`], the instant of the kit's first evaluations.
fn clocks() -> ClockPair {
    let clock = TestClock::default();
    let hour = SignedDuration::from_hours(1);
    clock.jump(i64::try_from((noon() - hour).as_nanosecond()).unwrap());
    ClockPair::read(&clock)
}

fn converted(directives: &[DiagnosticsDirective], clocks: &ClockPair) -> peer::DirectiveSet {
    let directives = directives.iter().map(DiagnosticsDirective::as_ref);
    let converted = directives.map(|ours| convert_types::directive(ours, clocks).unwrap());
    peer::DirectiveSet::from_directives(converted.collect())
}

impl<S, P> Subject for Peer<S, P>
where
    S: peer::DirectiveStore,
    P: Fn(&S, peer::DirectiveSet) -> bool + Sync,
{
    type Set = Arc<peer::DirectiveSet>;

    fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool {
        (self.publish)(&self.store, converted(&directives, &self.clocks))
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

#[test]
fn the_stores_of_osproxy_know_no_start_and_sample_requests_without_an_id() {
    let kit = Kit::default();
    let expected = [Rule::StartAtRead, Rule::NoIdNoSample];

    let set = Arc::new(converted(&initial_directives(), &clocks()));
    let report = kit.check(&Peer::new(set, |_: &Arc<peer::DirectiveSet>, _| false));
    assert_eq!(report.broken(), expected, "a static set\n{report}");

    let store = peer::InMemoryDirectiveStore::new();
    let publish = |store: &peer::InMemoryDirectiveStore, set| {
        store.publish(set);
        true
    };
    let report = kit.check(&Peer::new(store, publish));
    assert_eq!(
        report.broken(),
        expected,
        "InMemoryDirectiveStore\n{report}"
    );
}
