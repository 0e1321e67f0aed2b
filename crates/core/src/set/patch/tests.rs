//! Property test: a patched set equals a set that is newly built from the same directives.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind, RequestAttrs};

/// The strings in the targets of the generated directives. Only a few different strings are
/// generated, so that several directives have the same string. One of the generated strings is also
/// an id, and one is empty.
const TEXTS: [&str; 5] = ["a", "acme", "directive-07", "", "a-text-of-some-length"];
const ENDPOINTS: [EndpointKind; 2] = [EndpointKind::Search, EndpointKind::IngestDoc];
/// The earliest and the latest possible instant, and two instants between them, in seconds since
/// 1970.
const INSTANTS: [i64; 4] = [-377_705_023_201, 10, 20, 253_402_207_200];

/// The fields that can differ between two generated directives with the same id.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    texts: [Option<usize>; 3],
    endpoint: Option<usize>,
    level: usize,
    sample_per_mille: u16,
    starts_at: Option<usize>,
    expires_at: usize,
}

type Model = BTreeMap<String, DiagnosticsDirective>;

fn instant(n: usize) -> Timestamp {
    Timestamp::from_second(INSTANTS[n]).unwrap()
}

fn id(n: u8) -> String {
    format!("directive-{n:02}")
}

fn directive(n: u8, drawn: Drawn) -> DiagnosticsDirective {
    let text = |n: usize| drawn.texts[n].map(|text| TEXTS[text].to_owned());
    let match_ = DirectiveMatch {
        tenant: text(0),
        index: text(1),
        principal: text(2),
        endpoint: drawn.endpoint.map(|n| ENDPOINTS[n]),
    };
    let directive = DiagnosticsDirective::new(
        id(n),
        DiagLevel::ALL[drawn.level],
        instant(drawn.expires_at),
    )
    .with_match(match_)
    .with_sample_per_mille(drawn.sample_per_mille);
    match drawn.starts_at {
        Some(n) => directive.with_starts_at(instant(n)),
        None => directive,
    }
}

fn any_directive() -> impl Strategy<Value = Drawn> {
    let text = || prop::option::weighted(0.4, 0..TEXTS.len());
    (
        [text(), text(), text()],
        prop::option::weighted(0.2, 0..ENDPOINTS.len()),
        0..4_usize,
        prop_oneof![3 => Just(1000), 1 => Just(0), 2 => Just(500)],
        prop::option::weighted(0.2, 0..INSTANTS.len()),
        0..INSTANTS.len(),
    )
        .prop_map(
            |(texts, endpoint, level, sample_per_mille, starts_at, expires_at)| Drawn {
                texts,
                endpoint,
                level,
                sample_per_mille,
                starts_at,
                expires_at,
            },
        )
}

/// Generates a change for each of several ids. The change `Some` inserts or replaces the directive
/// with the id, and `None` removes it.
fn any_changes(most: usize) -> impl Strategy<Value = BTreeMap<u8, Option<Drawn>>> {
    let change = prop_oneof![4 => any_directive().prop_map(Some), 1 => Just(None)];
    prop::collection::btree_map(0..80_u8, change, 0..most)
}

fn apply(
    model: &mut Model,
    set: &DirectiveSet,
    changes: &[(String, Option<DiagnosticsDirective>)],
) -> DirectiveSet {
    let mut edits = Vec::new();
    for (id, directive) in changes {
        let (position, removes) = match set.position_of(id) {
            Ok(position) => (position, true),
            Err(position) => (position, false),
        };
        edits.push(Edit {
            position,
            removes,
            inserts: directive.as_ref().map(DiagnosticsDirective::as_ref),
        });
        match directive {
            Some(directive) => drop(model.insert(id.clone(), directive.clone())),
            None => drop(model.remove(id)),
        }
    }
    set.patched(&edits).unwrap()
}

fn built(model: &Model) -> DirectiveSet {
    model.values().cloned().collect()
}

/// Asserts that a patched and a newly built set contain the same directives, make the same
/// decisions and need the same space for their strings.
fn assert_same(patched: &DirectiveSet, built: &DirectiveSet) {
    assert!(patched.iter().eq(built.iter()), "{patched:?} {built:?}");
    assert_eq!(patched.digest(), built.digest());
    let mut texts = TEXTS.map(Some).to_vec();
    texts.push(Some("no-directive-has-this"));
    for (n, &tenant) in texts.iter().chain(&[None]).enumerate() {
        for (m, index) in texts.iter().flatten().enumerate() {
            let attrs = RequestAttrs {
                tenant,
                index,
                principal: texts[(n * 3 + m) % texts.len()].unwrap(),
                endpoint: ENDPOINTS[(n + m) % 2],
            };
            for second in INSTANTS {
                for second in [second - 1, second] {
                    let Ok(now) = Timestamp::from_second(second) else {
                        continue;
                    };
                    let request = format!("{n}-{m}");
                    assert_eq!(
                        patched.evaluate(&attrs, now, &request),
                        built.evaluate(&attrs, now, &request),
                        "{attrs:?} at {now}"
                    );
                }
            }
        }
    }
    let (Some(patched), Some(built)) = (&patched.compiled, &built.compiled) else {
        assert!(patched.is_empty() && built.is_empty());
        return;
    };
    assert_eq!(patched.directives.bytes(), built.directives.bytes());
}

#[test]
fn a_superfluous_directive_decides_again_once_the_better_one_is_removed() {
    let shape = |n, second| {
        let expires_at = Timestamp::from_second(second).unwrap();
        DiagnosticsDirective::new(id(n), DiagLevel::Shape, expires_at)
    };
    let set = DirectiveSet::from_directives(vec![shape(0, 10), shape(1, 20)]);
    let removal = Edit {
        position: 1,
        removes: true,
        inserts: None,
    };
    let patched = set.patched(&[removal]).unwrap();
    let attrs = RequestAttrs::default();
    let level = patched.evaluate(&attrs, Timestamp::UNIX_EPOCH, "").level;
    assert_eq!(level, DiagLevel::Shape);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

    #[test]
    fn a_patched_set_is_the_same_as_one_built_from_scratch(
        first in any_changes(80),
        patches in prop::collection::vec(any_changes(5), 0..12),
    ) {
        let named = |changes: &BTreeMap<u8, Option<Drawn>>| -> Vec<_> {
            let changes = changes.iter();
            changes.map(|(&n, drawn)| (id(n), drawn.map(|drawn| directive(n, drawn)))).collect()
        };
        let mut model = Model::new();
        let mut set = apply(&mut model, &DirectiveSet::new(), &named(&first));
        assert_same(&set, &built(&model));
        for changes in &patches {
            set = apply(&mut model, &set, &named(changes));
            assert_same(&set, &built(&model));
        }
    }
}
