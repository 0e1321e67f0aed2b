//! A patched set against one that is built from scratch of the same directives.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSetBuilder, EndpointKind,
    RequestAttrs,
};

/// A few, so that directives share them; one is an id too, one is none at all.
const TEXTS: [&str; 5] = ["a", "acme", "directive-07", "", "a-text-of-some-length"];
const ENDPOINTS: [EndpointKind; 2] = [EndpointKind::Search, EndpointKind::IngestDoc];
/// In seconds; of each kind of instant that a record keeps in its own way.
const INSTANTS: [i64; 4] = [-377_705_023_201, 10, 20, 253_402_207_200];

/// What differs between two directives of the same id.
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

/// Directives that come in the place of those of the same id, or only take these out.
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
        let (place, takes) = match set.place_of(id) {
            Ok(place) => (place, true),
            Err(place) => (place, false),
        };
        edits.push(Edit {
            place,
            takes,
            puts: directive.as_ref().map(DiagnosticsDirective::as_ref),
        });
        match directive {
            Some(directive) => drop(model.insert(id.clone(), directive.clone())),
            None => drop(model.remove(id)),
        }
    }
    set.patched(&edits)
}

fn built(model: &Model) -> DirectiveSet {
    model.values().cloned().collect()
}

/// Whether a patched set is in all that counts as one that was built.
fn assert_same(patched: &DirectiveSet, built: &DirectiveSet) {
    assert!(patched.iter().eq(built.iter()), "{patched:?} {built:?}");
    assert_eq!(patched.digest(), built.digest());
    let mut texts = TEXTS.map(Some).to_vec();
    texts.push(Some("none-has-this"));
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
    // Each text and combination of targets that is alive is there once.
    assert_eq!(
        patched.index.table.iter().count(),
        built.index.table.iter().count()
    );
    assert_eq!(patched.index.groups.len(), built.index.groups.len());
    assert_eq!(patched.index.entries.len(), built.index.entries.len());
    let more = patched.texts.end() - built.texts.end() + size_of_val(&*patched.targets)
        - size_of_val(&*built.targets);
    assert!(
        more <= patched.stale,
        "{more} of {} are stale",
        patched.stale
    );
    assert!(patched.stale <= patched.texts.end() / STALE_PART);
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

fn for_tenant(n: usize, tenant: &str) -> DiagnosticsDirective {
    DiagnosticsDirective::new(format!("d-{n:04}"), DiagLevel::Shape, Timestamp::MAX)
        .with_match(DirectiveMatch::all().for_tenant(tenant))
}

/// A thousand changes, of which most are patches and some have everything packed anew.
#[test]
fn what_is_taken_out_is_not_kept_for_ever() {
    let mut model: Model = (0..200)
        .map(|n| for_tenant(n, &format!("tenant-{n:04}")))
        .map(|directive| (directive.id.clone(), directive))
        .collect();
    let mut set = built(&model);
    let size = |set: &DirectiveSet| set.compiled.as_ref().unwrap().texts.end();
    let stale = |set: &DirectiveSet| set.compiled.as_ref().unwrap().stale;
    let least = size(&set);
    let (mut patched, mut repacked) = (0, 0);
    for n in 0..1_000 {
        let before = stale(&set);
        let changed = for_tenant(n * 7 % 200, &format!("changed-{n:04}"));
        set = apply(&mut model, &set, &[(changed.id.clone(), Some(changed))]);
        if stale(&set) > before {
            patched += 1;
        } else {
            repacked += 1;
        }
        assert!(size(&set) * (STALE_PART - 1) <= (least + 200) * STALE_PART);
    }
    assert!(set.iter().eq(built(&model).iter()));
    assert!(
        repacked > 10 && patched > 10 * repacked,
        "{patched} and {repacked}"
    );
}

#[test]
fn what_had_no_room_is_in_the_patched_set_too() {
    let mut builder = DirectiveSetBuilder::default().with_text_limit(100);
    let mut model = Model::new();
    for n in 0..20 {
        let directive = for_tenant(n, "t");
        builder.push(directive.as_ref());
        model.insert(directive.id.clone(), directive);
    }
    let mut set = builder.build();
    for n in [0, 19] {
        let has_room = set.compiled.as_ref().unwrap().beside.overflow.is_empty();
        assert_eq!(has_room, n != 0);
        let changed = for_tenant(n, "u");
        set = apply(&mut model, &set, &[(changed.id.clone(), Some(changed))]);
        assert_same(&set, &built(&model));
    }
}
