//! Compares the hit counters with a simple count that checks every directive for each request. One
//! test counts the matches of random requests in random sets. Another test counts matches on eight
//! threads while a store publishes many sets. `scripts/test-races` also runs both tests under Miri.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::{DirectiveStore as _, InMemoryDirectiveStore};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// For each directive id, the number of matched requests, the number of sampled requests, and the
/// second of the last match.
type Counts = BTreeMap<String, (u64, u64, Option<i64>)>;

/// Compares one request with every directive of a set, and counts the request for each directive
/// that matches.
fn count_by_reading(
    counts: &mut Counts,
    set: &DirectiveSet,
    attrs: &RequestAttrs<'_>,
    now: Timestamp,
    request_id: &str,
) {
    for directive in set.iter() {
        let is_counted = directive.sample_per_mille > 0;
        if is_counted && directive.is_active(now) && directive.matches(attrs) {
            let (matched, sampled, last) = counts.entry(directive.id.to_owned()).or_default();
            *matched += 1;
            *sampled += u64::from(directive.applies(attrs, now, request_id));
            *last = (*last).max(Some(now.as_second()));
        }
    }
}

/// Asserts that the counts of all directives, and the sums of these counts, are as expected.
fn assert_same(counters: &HitCounters, expected: &Counts) {
    let hits = counters.hits(false, START);
    let counted: Counts = (hits.directives.iter())
        .filter(|hits| hits.matched > 0)
        .map(|hits| {
            let last = hits.last_matched.map(Timestamp::as_second);
            (hits.id.clone(), (hits.matched, hits.sampled, last))
        })
        .collect();
    assert_eq!(&counted, expected);
    let sum = |of: fn(&(u64, u64, Option<i64>)) -> u64| expected.values().map(of).sum::<u64>();
    assert_eq!(hits.matched, sum(|counts| counts.0));
    assert_eq!(hits.sampled, sum(|counts| counts.1));
    assert_eq!(totals(counters), (hits.matched, hits.sampled));
}

prop_compose! {
    fn directive()(
        id in 0..12_u8,
        targets in prop::array::uniform3(prop::option::of(0..NAMES.len())),
        endpoint in prop::option::of(0..2_usize),
        level in 0..4_usize,
        rate in prop::sample::select(vec![0, 1, 300, 500, 999, 1000, 2000]),
        start in prop::option::of(0..10_i64),
        end in 1..20_i64,
    ) -> DiagnosticsDirective {
        let mut match_ = DirectiveMatch::all();
        match_.tenant = targets[0].map(|name| NAMES[name].to_owned());
        match_.index = targets[1].map(|name| NAMES[name].to_owned());
        match_.principal = targets[2].map(|name| NAMES[name].to_owned());
        match_.endpoint = endpoint.map(|kind| EndpointKind::ALL[kind]);
        let mut directive = DiagnosticsDirective::new(id.to_string(), DiagLevel::ALL[level], after(end));
        directive.starts_at = start.map(after);
        directive.with_match(match_).with_sample_per_mille(rate)
    }
}

/// A generated request. The first fields of a generated request are the positions of its strings in
/// `NAMES`, whether it has a tenant, its endpoint, its time in seconds and the number in its id.
/// The last two fields of a generated request are how many publishes ago its set was loaded, and
/// whether the test evaluates it with `evaluate_with`.
type Request = ([usize; 3], bool, usize, i64, u16, usize, bool);

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let request = (
        prop::array::uniform3(0..NAMES.len()),
        any::<bool>(),
        0..3_usize,
        0..20_i64,
        0..50_u16,
        0..3_usize,
        any::<bool>(),
    );
    prop::collection::vec(request, 0..30)
}

fn evaluate(set: &DirectiveSet, counts: &mut Counts, request: Request) {
    let (names, has_tenant, endpoint, second, id, _, reports) = request;
    let [tenant, index, principal] = names.map(|name| NAMES[name]);
    let mut attrs = RequestAttrs::new(index, principal, EndpointKind::ALL[endpoint]);
    attrs.tenant = has_tenant.then_some(tenant);
    let (now, id) = (after(second), id.to_string());
    let decision = if reports {
        set.evaluate_with(&attrs, now, &id, |_| ())
    } else {
        set.evaluate(&attrs, now, &id)
    };
    // Counting the matches must not change the decision about the request.
    assert_eq!(decision, set.explain(&attrs, now, &id).decision);
    count_by_reading(counts, set, &attrs, now, &id);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 512 }))]

    #[test]
    fn random_sets_and_requests_are_counted_as_by_reading_each_directive(
        publishes in prop::collection::vec(
            (prop::collection::vec(directive(), 0..12), requests()), 1..8
        ),
    ) {
        let counters = HitCounters::default();
        let mut expected = Counts::new();
        let mut held: Vec<DirectiveSet> = Vec::new();
        for (directives, requests) in publishes {
            let set = DirectiveSet::from_directives(directives);
            held.insert(0, counters.attach(&set, START));
            held.truncate(3);
            for request in requests {
                // A running request may still use the previous set or the set before the previous
                // one.
                evaluate(&held[request.5.min(held.len() - 1)], &mut expected, request);
            }
            assert_same(&counters, &expected);
        }
    }
}

const THREADS: usize = 8;
const PUBLISHES: usize = if cfg!(miri) { 5 } else { 2_000 };

/// Returns the set that the test publishes in the publish with the given number. Each publish
/// removes some directives from the set, adds some again and changes others.
fn varying(publish: usize) -> DirectiveSet {
    let directives = NAMES.iter().enumerate().flat_map(|(number, name)| {
        let is_in = (publish >> number) & 1 == 0;
        let rate = if publish.is_multiple_of(3) { 1000 } else { 500 };
        let second =
            DiagnosticsDirective::new(format!("second-{name}"), DiagLevel::Shape, after(1000))
                .with_match(DirectiveMatch::all().for_tenant(*name))
                .with_sample_per_mille(rate);
        is_in.then(|| for_tenant(name)).into_iter().chain([second])
    });
    directives.collect()
}

#[test]
fn eight_threads_lose_no_count_while_sets_are_published() {
    let counters = HitCounters::default();
    let store = InMemoryDirectiveStore::new();
    let done = AtomicBool::new(false);
    let begin = Barrier::new(THREADS + 1);
    let work = |thread: usize| {
        let (mut counts, mut request) = (Counts::new(), thread);
        begin.wait();
        while !done.load(Ordering::Relaxed) || request < 100 {
            request += 1;
            let set = store.load();
            let (attrs, id) = (of_tenant(NAMES[request % 4]), request.to_string());
            let now = after(i64::try_from(request % 900).unwrap());
            let _ = set.evaluate(&attrs, now, &id);
            count_by_reading(&mut counts, &set, &attrs, now, &id);
        }
        counts
    };
    let mut expected = Counts::new();
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        begin.wait();
        let mut matched = 0;
        for publish in 0..PUBLISHES {
            store.publish(counters.attach(&varying(publish), START));
            // The sums of the counts must never decrease while other threads count matches.
            let total = totals(&counters).0;
            assert!(total >= matched);
            matched = total;
        }
        done.store(true, Ordering::Relaxed);
        for thread in threads {
            for (id, (matched, sampled, last)) in thread.join().unwrap() {
                let sum = expected.entry(id).or_default();
                *sum = (sum.0 + matched, sum.1 + sampled, sum.2.max(last));
            }
        }
    });
    assert!(expected.len() > 4, "no request matched");
    assert_same(&counters, &expected);
}
