//! Tests that the registry keeps the counts of a directive for a while after it has left the set,
//! and reuses its counters later.

use super::super::registry::MAX_DEPARTED;
use super::*;

fn published(counters: &HitCounters) -> Vec<(String, bool, u64)> {
    let hits = counters.hits(false, START).directives.into_iter();
    hits.map(|hits| (hits.id, hits.published, hits.matched))
        .collect()
}

#[test]
fn a_directive_that_left_the_set_keeps_its_counts_and_continues_when_it_returns() {
    let counters = HitCounters::default();
    let first = counters.attach(&set_of(&["a", "b", "c"]), START);
    request(&first, "a", 1);
    request(&first, "b", 2);
    let second = counters.attach(&set_of(&["b", "d"]), after(10));
    // A request that began before the second publish still uses the first set.
    request(&first, "a", 10);
    request(&first, "b", 20);
    request(&second, "b", 100);
    let expected = |a, b, is_published| {
        [
            ("a", is_published, a),
            ("b", true, b),
            ("c", is_published, 0),
            ("d", !is_published, 0),
        ]
        .map(|(id, published, matched)| (id.to_owned(), published, matched))
    };
    assert_eq!(published(&counters), expected(11, 122, false));
    let third = counters.attach(&set_of(&["a", "b", "c"]), after(20));
    request(&third, "a", 1000);
    assert_eq!(published(&counters), expected(1011, 122, true));
    let since: Vec<_> = (counters.hits(false, START).directives.into_iter())
        .map(|hits| hits.counted_since)
        .collect();
    assert_eq!(since, [START, START, START, after(10)]);
}

#[test]
fn a_hidden_set_is_not_published_and_keeps_its_counts() {
    let counters = HitCounters::default();
    let set = counters.attach(&set_of(&["a"]), START);
    request(&set, "a", 1);
    let hits = counters.hits(true, START);
    assert!(!hits.directives[0].published);
    assert_eq!(hits.matched, 1);
    // Attaching the counters to the current set a second time changes nothing.
    let again = counters.attach(&set, after(10));
    request(&again, "a", 1);
    assert_eq!(published(&counters), [("a".to_owned(), true, 2)]);
    assert!(again.is_handle_of(&set));
}

#[test]
fn two_directives_with_the_same_id_share_their_counts() {
    let counters = HitCounters::default();
    let set = counters.attach(&set_of(&["b", "a", "b"]), START);
    request(&set, "b", 1);
    assert_eq!(counts(&counters, "b"), (2, 2));
    let next = counters.attach(&set_of(&["b"]), START);
    request(&next, "b", 1);
    assert_eq!(counts(&counters, "b"), (3, 3));
    let _ = counters.attach(&set_of(&[]), START);
    assert_eq!(counters.hits(false, START).directives.len(), 2);
    assert_eq!(counts(&counters, "b"), (3, 3));
}

/// Attaches the counters to the given number of sets in turn, each with 100 new directives. The
/// function evaluates one matching request for each new directive.
fn churn(counters: &HitCounters, name: &str, sets: usize) {
    for number in 0..sets {
        let ids: Vec<String> = (0..100).map(|n| format!("{name}-{number}-{n}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let set = counters.attach(&set_of(&ids), START);
        for id in &ids {
            request(&set, id, 1);
        }
        let hits = counters.hits(false, START);
        assert!(hits.directives.len() <= MAX_DEPARTED + 100);
        let published = hits.directives.iter().filter(|hits| hits.published);
        assert!(
            published.clone().all(|hits| hits.matched == 1),
            "{name} {number}"
        );
        assert_eq!(published.count(), 100);
    }
}

#[test]
fn the_counts_of_departed_directives_are_bounded_and_their_totals_stay() {
    let counters = HitCounters::default();
    churn(&counters, "first", 50);
    let in_memory = counters.slots_in_memory();
    assert!(in_memory <= MAX_DEPARTED + 300, "{in_memory}");
    churn(&counters, "second", 50);
    assert_eq!(counters.slots_in_memory(), in_memory);
    let hits = counters.hits(false, START);
    assert_eq!((hits.matched, hits.sampled), (10_000, 10_000));
    assert_eq!(hits.directives.len() as u64 + hits.forgotten, 10_000);
    // Lets more than [`MAX_DEPARTED`] directives leave the set at once.
    let many: Vec<String> = (0..3 * MAX_DEPARTED).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let set = counters.attach(&set_of(&many), START);
    for id in &many {
        request(&set, id, 1);
    }
    drop(set);
    let _ = counters.attach(&set_of(&["last"]), START);
    let hits = counters.hits(false, START);
    assert_eq!(hits.directives.len(), MAX_DEPARTED + 1);
    assert_eq!(hits.matched, 13_000);
}

#[test]
fn counters_are_not_reused_while_a_request_uses_them() {
    let counters = HitCounters::default();
    let held = counters.attach(&set_of(&["held"]), START);
    churn(&counters, "first", 20);
    // The registry has forgotten the directive `held`, but a request still uses a set that contains
    // it. A match with the old set must still count in the slot of `held`.
    request(&held, "held", 50);
    assert_eq!(counts(&counters, "held"), (0, 0));
    let others = counters.hits(false, START).directives;
    assert!(others.iter().all(|hits| hits.matched == 1), "{others:?}");
    churn(&counters, "second", 20);
    assert_eq!(totals(&counters), (4050, 4050));
    drop(held);
    churn(&counters, "third", 20);
    assert_eq!(totals(&counters), (6050, 6050));
}
