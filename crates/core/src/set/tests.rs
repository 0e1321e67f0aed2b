//! Unit tests of the compiled directive set: its directives and their states, superfluous
//! directives, the reported directives, and sample rates.

#![allow(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;

use super::lookup_table::chain;
use super::*;
use crate::{DiagLevel, DirectiveMatch, EndpointKind};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn directive(id: &str, level: DiagLevel, expires: i64) -> DiagnosticsDirective {
    DiagnosticsDirective::new(id, level, at(expires))
}

fn acme() -> RequestAttrs<'static> {
    RequestAttrs {
        tenant: Some("acme"),
        index: "orders",
        principal: "svc",
        endpoint: EndpointKind::Search,
    }
}

fn ids(set: &DirectiveSet) -> Vec<&str> {
    set.iter().map(|directive| directive.id).collect()
}

#[test]
fn an_empty_set_holds_no_memory_and_is_off() {
    for set in [
        DirectiveSet::new(),
        DirectiveSet::from_directives(Vec::new()),
        DirectiveSetBuilder::with_capacity(100).build().unwrap(),
    ] {
        assert!(set.is_empty() && set.compiled.is_none());
        assert_eq!(set.len(), 0);
        assert_eq!(set.evaluate(&acme(), at(0), ""), Decision::default());
        assert_eq!(set.iter().count(), 0);
    }
}

#[test]
fn directives_are_counted_by_their_state_at_an_instant() {
    let mut later = directive("c", DiagLevel::Shape, 30);
    later.starts_at = Some(at(20));
    let set = DirectiveSet::from_directives(vec![
        directive("a", DiagLevel::Shape, 10),
        directive("b", DiagLevel::Shape, 20),
        later,
    ]);
    for (second, scheduled, active, expired) in [
        (0, 1, 2, 0),
        (9, 1, 2, 0),
        (10, 1, 1, 1),
        (20, 0, 1, 2),
        (30, 0, 0, 3),
    ] {
        let expected = DirectiveStates {
            scheduled,
            active,
            expired,
        };
        assert_eq!(set.states(at(second)), expected, "at {second}");
    }
}

#[test]
fn pushed_directives_are_listed_unchanged_and_in_their_order() {
    let far = [Timestamp::MIN, Timestamp::MAX, at(0)];
    let directives: Vec<DiagnosticsDirective> = (0..64_u16)
        .map(|n| {
            let mut match_ = DirectiveMatch::all();
            if n & 1 != 0 {
                match_ = match_.for_tenant("same");
            }
            if n & 2 != 0 {
                match_ = match_.for_index("");
            }
            if n & 4 != 0 {
                match_ = match_.for_principal("same");
            }
            if n & 8 != 0 {
                match_ = match_.for_endpoint(EndpointKind::ALL[usize::from(n) % 12]);
            }
            let mut directive = DiagnosticsDirective::new(
                format!("d-{}", n / 2),
                DiagLevel::ALL[usize::from(n) % 4],
                far[usize::from(n) % 3],
            )
            .with_match(match_)
            .with_sample_per_mille(n * 1023)
            .with_ring_buffer(n % 3 == 0)
            .with_capture(n % 5 == 0);
            if n % 7 == 0 {
                directive = directive.with_starts_at(far[usize::from(n) % 2]);
            }
            directive
        })
        .collect();
    let set = DirectiveSet::from_directives(directives.clone());
    assert_eq!(set.len(), 64);
    assert_eq!(
        set.iter()
            .map(DirectiveRef::to_directive)
            .collect::<Vec<_>>(),
        directives
    );
    assert!(format!("{set:?}").contains("d-31"));
}

#[test]
fn a_repeated_id_is_two_directives() {
    let set = DirectiveSet::from_directives(vec![
        directive("twice", DiagLevel::Shape, 10),
        directive("twice", DiagLevel::ShapeTiming, 5),
    ]);
    assert_eq!(ids(&set), ["twice", "twice"]);
    assert_eq!(set.introspect(at(7))["directives"][0]["expired"], false);
    assert_eq!(set.introspect(at(7))["directives"][1]["expired"], true);
    assert_eq!(
        set.evaluate(&acme(), at(4), "").level,
        DiagLevel::ShapeTiming
    );
    assert_eq!(set.evaluate(&acme(), at(5), "").level, DiagLevel::Shape);
}

#[test]
fn a_key_found_by_its_hash_is_compared_string_by_string() {
    let for_acme = DirectiveMatch::all().for_tenant("acme");
    let set = DirectiveSet::from_directives(vec![
        directive("one", DiagLevel::Shape, 10).with_match(for_acme.clone()),
        directive("two", DiagLevel::Shape, 10).with_match(for_acme.for_index("orders")),
    ]);
    let directives = &set.compiled.as_ref().unwrap().directives;
    let shape_of = |index: u32| directives.key(directives.records[index as usize].key).0;
    let others = ["acmf", "acmee", ""].map(|tenant| RequestAttrs {
        tenant: Some(tenant),
        ..acme()
    });
    for index in [0, 1] {
        assert!(directives.is_key(index, shape_of(index), &acme()));
        for attrs in others {
            assert!(!directives.is_key(index, shape_of(index), &attrs));
        }
    }
    // A key with an additional target is different from the key without this target.
    assert!(!directives.is_key(0, shape_of(1), &acme()));
    assert!(!directives.is_key(1, shape_of(0), &acme()));
}

#[test]
fn superfluous_directives_are_listed_but_not_evaluated() {
    let mut directives = vec![
        directive("off", DiagLevel::Off, 100),
        directive("never-sampled", DiagLevel::Shape, 100).with_sample_per_mille(0),
    ];
    for n in 0..1_000_u16 {
        directives.push(
            directive("some", DiagLevel::Shape, i64::from(n)).with_sample_per_mille(1 + n % 3),
        );
    }
    let set = DirectiveSet::from_directives(directives);
    assert_eq!(set.len(), 1_002);
    let compiled = set.compiled.as_ref().unwrap();
    let first = compiled.table.wildcards;
    let (superfluous, decisive): (Vec<_>, Vec<_>) = chain(&compiled.directives, first.unwrap())
        .partition(|&index| compiled.directives.records[index].is_superfluous);
    // At most four directives are decisive: one without effects, and at most three with effects.
    // The directives with effects have sample rates from one to three per mille, and each has a
    // higher rate than those that expire later.
    assert!(decisive.len() <= 4, "{}", decisive.len());
    // All directives have the same key, but the table omits the directive whose sample rate is
    // zero.
    assert_eq!(decisive.len() + superfluous.len(), 1_001);
}

#[test]
fn every_directive_that_applies_is_reported_once() {
    let directives: Vec<_> = (0..200_u16)
        .map(|n| {
            let mut match_ = DirectiveMatch::all();
            if n % 2 == 0 {
                match_ = match_.for_tenant(["acme", "other"][usize::from(n % 4) / 2]);
            }
            if n % 3 == 0 {
                match_ = match_.for_index("orders");
            }
            directive(
                &format!("d-{n:03}"),
                DiagLevel::ALL[usize::from(n) % 4],
                n.into(),
            )
            .with_match(match_)
            .with_starts_at(at(i64::from(n % 17)))
            .with_sample_per_mille(n * 10)
        })
        .collect();
    let set = DirectiveSet::from_directives(directives);
    for second in [0, 5, 50, 199, 200] {
        for request_id in ["", "a", "b", "c"] {
            let mut reported = Vec::new();
            let decision = set.evaluate_with(&acme(), at(second), request_id, |directive| {
                reported.push(directive.id);
            });
            reported.sort_unstable();
            let scanned: Vec<&str> = set
                .iter()
                .filter(|directive| directive.applies(&acme(), at(second), request_id))
                .map(|directive| directive.id)
                .collect();
            assert_eq!(reported, scanned);
            assert_eq!(decision, set.evaluate(&acme(), at(second), request_id));
            let explanation = set.explain(&acme(), at(second), request_id);
            assert_eq!(explanation.directives, scanned);
            assert_eq!(explanation.decision, decision);
        }
    }
}

#[test]
fn the_sample_rate_is_used_only_if_it_can_change_the_decision() {
    // The directive `half` has the same effects as `all`, but a lower sample rate and a later
    // expiry. As long as `all` has not expired, the sample rate of `half` cannot change the
    // decision. Once `all` has expired, the sample rate of `half` decides.
    let set = DirectiveSet::from_directives(vec![
        directive("all", DiagLevel::Shape, 10),
        directive("half", DiagLevel::Shape, 20).with_sample_per_mille(500),
    ]);
    for n in 0..100 {
        let request_id = format!("r-{n}");
        let sampled = crate::model::sampling::is_sampled(500, &request_id);
        assert_eq!(
            set.evaluate(&acme(), at(9), &request_id).level,
            DiagLevel::Shape
        );
        assert_eq!(
            set.evaluate(&acme(), at(10), &request_id).level == DiagLevel::Shape,
            sampled
        );
    }
}
