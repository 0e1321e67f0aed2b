#![allow(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;

use super::*;
use crate::{DirectiveMatch, EndpointKind};

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
        DirectiveSetBuilder::with_capacity(100).build(),
    ] {
        assert!(set.is_empty() && set.compiled.is_none());
        assert_eq!(set.len(), 0);
        assert_eq!(set.evaluate(&acme(), at(0), ""), Decision::default());
        assert_eq!(set.iter().count(), 0);
    }
}

#[test]
fn directives_are_counted_by_what_they_are_at_an_instant() {
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
fn what_was_pushed_comes_back_as_it_was_and_in_its_order() {
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
fn an_id_that_is_there_twice_is_two_directives() {
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
fn what_a_probe_finds_is_compared_as_text() {
    let for_acme = DirectiveMatch::all().for_tenant("acme");
    let set = DirectiveSet::from_directives(vec![
        directive("one", DiagLevel::Shape, 10).with_match(for_acme.clone()),
        directive("two", DiagLevel::Shape, 10).with_match(for_acme.for_index("orders")),
    ]);
    let compiled = set.compiled.as_ref().unwrap();
    let others = [
        RequestAttrs {
            tenant: Some("acmf"),
            ..acme()
        },
        RequestAttrs {
            tenant: Some("acmee"),
            ..acme()
        },
        RequestAttrs {
            tenant: Some(""),
            ..acme()
        },
    ];
    for record in &compiled.records {
        assert!(compiled.is_for(record, record.shape(), &acme()));
        for attrs in others {
            assert!(!compiled.is_for(record, record.shape(), &attrs));
        }
    }
    // The same text as another target, or with one more target, is another key.
    let [one, two] = &*compiled.records else {
        unreachable!("two were added")
    };
    assert!(!compiled.is_for(one, two.shape(), &acme()));
    assert!(!compiled.is_for(two, one.shape(), &acme()));
}

#[test]
fn directives_without_effect_are_listed_but_not_looked_at() {
    let mut directives = vec![
        directive("off", DiagLevel::Off, 100),
        directive("nobody", DiagLevel::Shape, 100).with_sample_per_mille(0),
    ];
    for n in 0..1_000_u16 {
        directives.push(
            directive("some", DiagLevel::Shape, i64::from(n)).with_sample_per_mille(1 + n % 3),
        );
    }
    let set = DirectiveSet::from_directives(directives);
    assert_eq!(set.len(), 1_002);
    let compiled = set.compiled.as_ref().unwrap();
    // Those of the last three seconds, each of a higher rate than the later ones.
    assert!(compiled.index.wildcards().len() <= 3);
}

#[test]
fn beyond_its_room_the_compact_form_is_continued_by_a_plain_one() {
    let directives: Vec<DiagnosticsDirective> = (0..20)
        .map(|n| {
            directive(&format!("d-{n}"), DiagLevel::ALL[n % 4], 10)
                .with_match(DirectiveMatch::all().for_tenant(format!("t-{}", n % 5)))
                .with_sample_per_mille(if n % 2 == 0 { 500 } else { 1000 })
        })
        .collect();
    let whole = DirectiveSet::from_directives(directives.clone());
    for limit in [0, 100, 200, 10_000] {
        let mut builder = DirectiveSetBuilder::default().with_text_limit(limit);
        for directive in &directives {
            builder.push(directive.as_ref());
        }
        let set = builder.build();
        assert_eq!(set.len(), 20);
        assert_eq!(ids(&set), ids(&whole), "limit {limit}");
        assert_eq!(set.digest(), whole.digest());
        for n in 0..200 {
            let tenant = format!("t-{}", n % 6);
            let attrs = RequestAttrs {
                tenant: Some(&tenant),
                ..acme()
            };
            let request_id = format!("r-{n}");
            for now in [at(9), at(10)] {
                assert_eq!(
                    set.evaluate(&attrs, now, &request_id),
                    whole.evaluate(&attrs, now, &request_id)
                );
            }
        }
    }
}

#[test]
fn the_sample_is_asked_only_where_it_can_change_the_decision() {
    // Sampled and unsampled of the same ask: the sampled one is superfluous while
    // the other lives, and decides after it.
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
