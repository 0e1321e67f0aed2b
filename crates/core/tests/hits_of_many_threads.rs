//! Counts the matches of more than 1,024 directives on more than 64 threads, so that some threads
//! share a row of counters. The test is a program of its own, because the threads of other tests in
//! the same program would already use the separate rows of counters.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Barrier;
use std::thread;

use jiff::Timestamp;
use opensearch_directives_core::internal::HitCounters;
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, EndpointKind, RequestAttrs,
};

const DIRECTIVES: usize = 3_000;
const THREADS: u64 = 100;
const TIMES: u64 = 2_000_000;

fn request(set: &DirectiveSet, tenant: &str, times: u64) {
    let attrs = RequestAttrs::new("orders", "svc", EndpointKind::Search).with_tenant(tenant);
    for _ in 0..times {
        let _ = set.evaluate(&attrs, Timestamp::UNIX_EPOCH, "r");
    }
}

#[test]
fn threads_and_directives_without_counters_of_their_own_are_counted() {
    let ids: Vec<String> = (0..DIRECTIVES).map(|n| n.to_string()).collect();
    let set: DirectiveSet = (ids.iter())
        .map(|id| {
            DiagnosticsDirective::new(id, DiagLevel::Shape, Timestamp::MAX)
                .with_match(DirectiveMatch::all().for_tenant(id))
        })
        .collect();
    let counters = HitCounters::default();
    let set = counters.attach(&set, Timestamp::UNIX_EPOCH);
    for _ in 0..THREADS / 2 {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| ids.iter().for_each(|id| request(&set, id, 1)));
            }
        });
    }
    let hits = counters.hits(false, Timestamp::UNIX_EPOCH);
    assert_eq!(hits.directives.len(), DIRECTIVES);
    for directive in &hits.directives {
        assert_eq!(directive.matched, THREADS, "{}", directive.id);
    }
    assert_eq!(hits.matched, THREADS * DIRECTIVES as u64);

    // In this part of the test, two threads count matches of the same directive at the same time.
    let begin = Barrier::new(2);
    for id in [&ids[0], &ids[DIRECTIVES - 1]] {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    begin.wait();
                    request(&set, id, TIMES);
                });
            }
        });
        let hits = counters.hits(false, Timestamp::UNIX_EPOCH).directives;
        let matched = hits.iter().find(|hits| hits.id == *id).unwrap().matched;
        assert_eq!(matched, THREADS + 2 * TIMES, "{id}");
    }
}
