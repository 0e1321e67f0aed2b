//! Tests that the request path does not allocate, and that a set occupies at most 70 bytes per
//! directive.
//!
//! The tests count only the allocations of the measuring thread, so they may run in parallel.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use allocation_counter::{AllocationInfo, measure};
use jiff::Timestamp;
use opensearch_directives_core::internal::HitCounters;
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, DirectiveSetBuilder,
    DirectiveStore, EndpointKind, InMemoryDirectiveStore, RequestAttrs,
};
use osproxy_core::{Clock, ManualClock, PartitionId};
use osproxy_observe as peer;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const LATER: Timestamp = Timestamp::constant(1_900_000_000, 123_456_789);

/// Returns a directive set with which the tests run every part of the lookup. Some directives of
/// this set have the same targets, some have no target, some have a start, and some are sampled.
fn varied(directives: usize) -> DirectiveSet {
    (0..directives)
        .map(|n| {
            let mut match_ = DirectiveMatch::all();
            if n % 50 != 0 {
                match_ = match_.for_tenant(format!("tenant-{:06}", n % 700));
            }
            if n % 3 == 0 {
                match_ = match_.for_index("orders");
            }
            if n % 5 == 0 {
                match_ = match_.for_principal("a-principal-of-more-than-sixteen-bytes");
            }
            if n % 7 == 0 {
                match_ = match_.for_endpoint(EndpointKind::Search);
            }
            let mut directive = DiagnosticsDirective::new(
                format!("d-{n:06}"),
                DiagLevel::ALL[n % 4],
                Timestamp::MAX,
            )
            .with_match(match_)
            .with_sample_per_mille(if n % 2 == 0 { 500 } else { 1000 });
            if n % 11 == 0 {
                directive = directive.with_starts_at(NOW);
            }
            directive
        })
        .collect()
}

/// Returns a set in which each directive targets one tenant.
fn for_tenants(directives: usize) -> DirectiveSet {
    let tenants = tenants().into_iter().cycle().take(directives).enumerate();
    tenants
        .map(|(n, tenant)| {
            DiagnosticsDirective::new(format!("d-{n:06}"), DiagLevel::Shape, LATER)
                .with_match(DirectiveMatch::all().for_tenant(tenant))
                .with_sample_per_mille(if n % 5 == 4 { 500 } else { 1000 })
        })
        .collect()
}

/// Evaluates one request of each tenant at each instant, and returns how many decisions have a
/// level other than `Off`.
fn evaluate_all(set: &DirectiveSet, tenants: &[String], nows: &[Timestamp]) -> usize {
    let mut decided = 0;
    for tenant in tenants {
        let principal = "a-principal-of-more-than-sixteen-bytes";
        let attrs =
            RequestAttrs::new("orders", principal, EndpointKind::Search).with_tenant(tenant);
        for &now in nows {
            let decision = set.evaluate(&attrs, now, tenant);
            decided += usize::from(decision.level != DiagLevel::Off);
        }
    }
    decided
}

fn tenants() -> Vec<String> {
    (0..700).map(|n| format!("tenant-{n:06}")).collect()
}

#[test]
fn evaluate_does_not_allocate() {
    let tenants = tenants();
    for directives in [0, 1, 4, 10, 2_000] {
        let counters = HitCounters::default();
        let counting = |set: &DirectiveSet| counters.attach(set, NOW);
        let sets = [varied(directives), for_tenants(directives)];
        let [varied, for_tenants] = sets.each_ref().map(counting);
        for set in sets.into_iter().chain([varied, for_tenants]) {
            let mut decided = 0;
            let nows = [NOW, Timestamp::MIN, Timestamp::MAX];
            let allocated = measure(|| decided = evaluate_all(&set, &tenants, &nows));
            assert_eq!(
                allocated,
                AllocationInfo::default(),
                "{directives} directives"
            );
            let mut reported = 0;
            let allocated = measure(|| {
                let attrs = RequestAttrs::new("orders", "p", EndpointKind::Search)
                    .with_tenant("tenant-000001");
                set.evaluate_with(&attrs, NOW, "request-1", |_| reported += 1);
            });
            assert_eq!(allocated, AllocationInfo::default());
            assert!(reported > 0 || directives < 2_000);
            assert!(decided > 0 || directives <= 1);
        }
    }
}

#[test]
fn a_read_does_not_allocate_while_nothing_is_published() {
    let store: Arc<dyn DirectiveStore> =
        Arc::new(InMemoryDirectiveStore::new().with_directives(varied(100)));
    // The test does not measure the first load on a thread, because this load initialises
    // thread-local memory.
    drop(store.load());
    let allocated = measure(|| {
        for _ in 0..1_000 {
            assert_eq!(store.load().len(), 100);
        }
    });
    assert_eq!(allocated, AllocationInfo::default());

    let store = InMemoryDirectiveStore::new().with_directives(varied(100));
    let mut reader = store.reader();
    let allocated = measure(|| {
        for _ in 0..1_000 {
            assert_eq!(reader.load().len(), 100);
        }
    });
    assert_eq!(allocated, AllocationInfo::default());
}

#[test]
fn a_read_does_not_allocate_across_a_publish_from_another_thread() {
    let store = InMemoryDirectiveStore::new();
    let mut reader = store.reader();
    drop(store.load());
    let published = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=100 {
                store.publish(varied(n));
                published.fetch_add(1, Ordering::Release);
                // The publishing thread waits until the reading thread has loaded the set.
                while published.load(Ordering::Acquire) != 0 {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Release);
        });
        let mut seen = 0;
        let allocated = measure(|| {
            while !done.load(Ordering::Acquire) {
                if published.load(Ordering::Acquire) == 0 {
                    std::thread::yield_now();
                    continue;
                }
                let loaded = store.load().len();
                assert_eq!(reader.load().len(), loaded);
                assert!(loaded > seen, "the load returned an old set");
                seen = loaded;
                published.store(0, Ordering::Release);
            }
        });
        assert_eq!(seen, 100);
        // The test compares only the number of allocations, because the measuring thread may free
        // sets that the publishing thread has allocated.
        assert_eq!(allocated.count_total, 0, "{allocated:?}");
    });
}

const MANY: usize = 100_000;

fn tenant(n: usize) -> String {
    format!("tenant-{n:06}")
}

/// Calls `add` with 100,000 directives, each of which targets a different tenant.
fn one_for_each_tenant(mut add: impl FnMut(&DiagnosticsDirective)) {
    for n in 0..MANY {
        let directive =
            DiagnosticsDirective::new(format!("directive-{n:06}"), DiagLevel::Shape, LATER)
                .with_match(DirectiveMatch::all().for_tenant(tenant(n)));
        add(&directive);
    }
}

/// Divides a total number of bytes by the number of directives.
#[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
fn each(bytes: u64) -> f64 {
    bytes as f64 / MANY as f64
}

#[test]
fn a_directive_takes_at_most_seventy_bytes() {
    let mut set = DirectiveSet::new();
    let built = measure(|| {
        let mut builder = DirectiveSetBuilder::default();
        one_for_each_tenant(|directive| builder.push(directive.as_ref()));
        set = builder.build().unwrap();
    });
    assert_eq!(set.len(), MANY);

    let clock = ManualClock::new();
    clock.advance(std::time::Duration::from_secs(1));
    let mut peers = peer::DirectiveSet::new();
    let peer_built = measure(|| {
        let directives = (0..MANY)
            .map(|n| peer::DiagnosticsDirective {
                id: format!("directive-{n:06}"),
                match_: peer::DirectiveMatch::all()
                    .for_tenant(PartitionId::from(tenant(n).as_str())),
                level: peer::DiagLevel::Shape,
                sample_per_mille: 1000,
                expires_at: clock.now(),
                ring_buffer: false,
                capture: false,
            })
            .collect();
        peers = peer::DirectiveSet::from_directives(directives);
    });
    assert_eq!(peers.len(), MANY);

    println!(
        "bytes a directive: {:.1} (peer {:.1}); at most while built: {:.1} (peer {:.1})",
        each(built.bytes_current.unsigned_abs()),
        each(peer_built.bytes_current.unsigned_abs()),
        each(built.bytes_max),
        each(peer_built.bytes_max),
    );
    assert!(each(built.bytes_current.unsigned_abs()) <= 70.0);
    // Building a set needs more memory than the finished set, because the old and the new memory of
    // a growing table or arena exist at the same time.
    assert!(each(built.bytes_max) <= 1.5 * 70.0);
    drop(set);
}
