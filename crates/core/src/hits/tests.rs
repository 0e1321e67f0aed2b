//! Tests which matches the hit counters count, and with which handles to a set.

#![allow(clippy::unwrap_used, reason = "tests")]

mod against_trivial_count;
mod departed;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet};
use crate::{EndpointKind, RequestAttrs};

const START: Timestamp = Timestamp::constant(1_900_000_000, 0);

fn after(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// Returns a directive that targets the tenant whose name is the directive's id.
fn for_tenant(id: &str) -> DiagnosticsDirective {
    DiagnosticsDirective::new(id, DiagLevel::Shape, after(1000))
        .with_match(DirectiveMatch::all().for_tenant(id))
}

fn set_of(ids: &[&str]) -> DirectiveSet {
    ids.iter().map(|id| for_tenant(id)).collect()
}

fn of_tenant(tenant: &str) -> RequestAttrs<'_> {
    RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant(tenant)
}

/// Evaluates the given number of identical requests of one tenant.
fn request(set: &DirectiveSet, tenant: &str, times: usize) {
    for _ in 0..times {
        let _ = set.evaluate(&of_tenant(tenant), START, "request-1");
    }
}

/// Returns how many requests the directive with the given id matched, and how many of these
/// requests were in its sample.
fn counts(counters: &HitCounters, id: &str) -> (u64, u64) {
    let hits = counters.hits(false, START);
    let found = hits.directives.iter().find(|hits| hits.id == id);
    found.map_or((0, 0), |hits| (hits.matched, hits.sampled))
}

/// Returns the number of matches of all directives, and the number of matches in which the request
/// was in the sample.
fn totals(counters: &HitCounters) -> (u64, u64) {
    let totals = counters.totals(START);
    (totals.matched, totals.sampled)
}

#[test]
fn matched_and_sampled_requests_are_counted_apart() {
    let targets = DirectiveMatch::all().for_tenant("acme");
    let directive = |id: &str, rate| {
        DiagnosticsDirective::new(id, DiagLevel::Shape, after(1000))
            .with_match(targets.clone())
            .with_sample_per_mille(rate)
    };
    // The counters count the matches of the directive `few`, although the set could leave it out
    // because `all` has the same targets and effects.
    let set = DirectiveSet::from_directives(vec![directive("all", 1000), directive("few", 1)]);
    let counters = HitCounters::default();
    let set = counters.attach(&set, START);
    request(&set, "acme", 3);
    request(&set, "other", 5);
    let mut applied = Vec::new();
    set.evaluate_with(&of_tenant("acme"), START, "request-1", |directive| {
        applied.push(directive.id);
    });
    assert_eq!(applied, ["all"]);
    assert_eq!(counts(&counters, "all"), (4, 4));
    assert_eq!(counts(&counters, "few"), (4, 0));
    assert_eq!(totals(&counters), (8, 4));
}

#[test]
fn each_combination_of_targets_is_counted() {
    let everything = DiagnosticsDirective::new("everything", DiagLevel::Shape, after(1000));
    let of_index = DiagnosticsDirective::new("of-index", DiagLevel::Shape, after(1000))
        .with_match(DirectiveMatch::all().for_index("orders"));
    let set = DirectiveSet::from_directives(vec![everything, of_index, for_tenant("acme")]);
    let counters = HitCounters::default();
    let set = counters.attach(&set, START);
    request(&set, "acme", 2);
    request(&set, "other", 1);
    for (id, expected) in [("everything", 3), ("of-index", 3), ("acme", 2)] {
        assert_eq!(counts(&counters, id), (expected, expected), "{id}");
    }
}

#[test]
fn only_evaluations_with_a_counting_handle_are_counted() {
    let plain = set_of(&["acme"]);
    let (counters, others) = (HitCounters::default(), HitCounters::default());
    let counting = counters.attach(&plain, START);
    let in_other_store = others.attach(&plain, START);
    request(&plain, "acme", 1);
    assert_eq!(totals(&counters), (0, 0));
    request(&counting.clone(), "acme", 2);
    request(&in_other_store, "acme", 3);
    let explained = counting.explain(&of_tenant("acme"), START, "request-1");
    assert_eq!(explained.directives, ["acme"]);
    assert_eq!(totals(&counters), (2, 2));
    assert_eq!(totals(&others), (3, 3));
}

#[test]
fn a_directive_that_is_not_active_is_not_counted() {
    let scheduled = for_tenant("acme").with_starts_at(after(10));
    let counters = HitCounters::default();
    let set = counters.attach(&DirectiveSet::from_directives(vec![scheduled]), START);
    for (seconds, expected) in [(9, 0), (10, 1), (999, 2), (1000, 2)] {
        let _ = set.evaluate(&of_tenant("acme"), after(seconds), "r");
        assert_eq!(totals(&counters).0, expected, "after {seconds} s");
        let is_active = (10..1000).contains(&seconds);
        for (is_hidden, expected) in [(false, is_active), (true, false)] {
            let hits = counters.hits(is_hidden, after(seconds));
            assert_eq!(hits.directives[0].active, expected, "after {seconds} s");
        }
    }
    // A store with `clear_after` calls `withdraw_at`, so that no directive applies once the last
    // successful read is too old.
    set.withdraw_at(after(500));
    let _ = set.evaluate(&of_tenant("acme"), after(500), "r");
    assert_eq!(totals(&counters).0, 2);
    set.withdraw_at(after(600));
    let _ = set.evaluate(&of_tenant("acme"), after(500), "r");
    assert_eq!(totals(&counters).0, 3);
}

#[test]
fn the_last_match_is_the_latest_one_of_all_threads() {
    let counters = HitCounters::default();
    let set = counters.attach(&set_of(&["acme", "other"]), after(1));
    let last = |id: &str| {
        let hits = counters.hits(false, START);
        let found = hits.directives.into_iter().find(|hits| hits.id == id);
        found.unwrap()
    };
    assert_eq!(last("acme").last_matched, None);
    assert_eq!(last("acme").counted_since, after(1));
    let evaluate = |seconds| {
        let _ = set.evaluate(&of_tenant("acme"), after(seconds), "r");
    };
    evaluate(20);
    evaluate(10);
    assert_eq!(last("acme").last_matched, Some(after(20)));
    std::thread::scope(|scope| scope.spawn(|| evaluate(30)).join().unwrap());
    assert_eq!(last("acme").last_matched, Some(after(30)));
    evaluate(40);
    assert_eq!(last("acme").last_matched, Some(after(40)));
    assert_eq!(last("other").last_matched, None);
    assert_eq!(counters.totals(START).unmatched, 1);
    assert_eq!(counters.totals(after(1000)).unmatched, 0, "it has ended");
}

#[test]
fn a_request_to_several_indices_counts_once_for_each_directive() {
    let directive = |id: &str, match_| {
        DiagnosticsDirective::new(id, DiagLevel::Shape, after(1000)).with_match(match_)
    };
    let all = DirectiveMatch::all;
    let set = DirectiveSet::from_directives(vec![
        directive("any", all()),
        directive("tenant", all().for_tenant("acme")),
        directive("orders", all().for_index("orders")),
        directive("both", all().for_tenant("acme").for_index("items")),
        directive("other", all().for_index("others")),
    ]);
    let counters = HitCounters::default();
    let set = counters.attach(&set, START);
    let mut attrs = of_tenant("acme");
    attrs.index = "a,orders%2Citems,b";
    let mut applied = Vec::new();
    let decision = set.evaluate_indices_with(&attrs, START, "request-1", |directive| {
        applied.push(directive.id);
    });
    assert_eq!(decision.level, DiagLevel::Shape);
    applied.sort_unstable();
    assert_eq!(applied, ["any", "both", "orders", "tenant"]);
    for id in applied {
        assert_eq!(counts(&counters, id), (1, 1), "{id}");
    }
    assert_eq!(counts(&counters, "other"), (0, 0));
    let _ = set
        .uncounted()
        .evaluate_indices_with(&attrs, START, "request-1", |_| {});
    assert_eq!(totals(&counters), (4, 4));
}
