//! Tests that differences turn one snapshot into the next one, and that a reader refuses
//! differences that do not fit its snapshot.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::document::reject_signatures;
use crate::document::{RejectionReason, Signature};
use crate::snapshot::{SnapshotChanges, SnapshotErrorKind, SnapshotParts};
use crate::{DiagLevel, DirectiveMatch};

const CAP: usize = 100;

fn now() -> Timestamp {
    "2030-01-01T12:00:00Z".parse().unwrap()
}

fn directive(id: &str, tenant: u8) -> DiagnosticsDirective {
    DiagnosticsDirective::new(id, DiagLevel::Shape, Timestamp::MAX)
        .with_match(DirectiveMatch::all().for_tenant(format!("tenant-{tenant}")))
}

/// Creates a snapshot with one directive for each entry of `model`. Each entry of `model` is the id
/// of a directive and the number of the tenant that it targets.
fn snapshot(model: &BTreeMap<String, u8>, seq_no: u64) -> Snapshot {
    let set: DirectiveSet = model.iter().map(|(id, n)| directive(id, *n)).collect();
    let mut revision = Revision::new("directives-1", "u");
    revision.max_seq_no = Some(seq_no);
    SnapshotParts {
        digest: set.digest(),
        set,
        revision: Some(revision),
        read_at: Some(now()),
        ..SnapshotParts::default()
    }
    .into()
}

fn model(ids: &[(&str, u8)]) -> BTreeMap<String, u8> {
    ids.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect()
}

fn received(snapshot: &Snapshot) -> DeltaBase {
    let json = snapshot.to_json().unwrap();
    let (_, base) = Snapshot::receive(json.get(), CAP, now(), |_, _| Ok(())).unwrap();
    base
}

fn delta(before: &Snapshot, after: &Snapshot) -> Box<RawValue> {
    let changes = after.changes_since(before, CAP).unwrap();
    after.delta_json(&changes).unwrap()
}

fn apply(base: &DeltaBase, json: &str) -> Result<(Snapshot, DeltaBase), SnapshotError> {
    base.apply(json, CAP, now(), |_, _| Ok(()))
}

fn kind(base: &DeltaBase, json: &str) -> SnapshotErrorKind {
    apply(base, json).unwrap_err().kind()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 128 }))]

    #[test]
    fn differences_lead_from_each_snapshot_to_each_later_one(
        states in prop::collection::vec(prop::collection::btree_map("[a-f]", 0..3_u8, 0..6), 2..6),
    ) {
        let snapshots: Vec<Snapshot> =
            states.iter().zip(0..).map(|(state, n)| snapshot(state, n)).collect();
        let (first, last) = (&snapshots[0], &snapshots[snapshots.len() - 1]);
        let mut base = received(first);
        let mut sum = SnapshotChanges::default();
        for pair in snapshots.windows(2) {
            let (next, next_base) = apply(&base, delta(&pair[0], &pair[1]).get()).unwrap();
            prop_assert!(next.is_same_as(&pair[1]));
            prop_assert_eq!(next.content_tag(), pair[1].content_tag());
            prop_assert!(next.set.iter().eq(pair[1].set.iter()));
            base = next_base;
            sum.extend(&pair[1].changes_since(&pair[0], CAP).unwrap());
        }
        // The combined differences also list the directives that were first added and later
        // removed.
        let all = last.delta_json(&sum).unwrap();
        let (whole, _) = apply(&received(first), all.get()).unwrap();
        prop_assert!(whole.is_same_as(last));
    }
}

#[test]
fn p1_differences_that_do_not_fit_are_refused() {
    let before = snapshot(&model(&[("a", 1), ("b", 1), ("c", 1)]), 3);
    let after = snapshot(&model(&[("a", 2), ("c", 1), ("d", 1)]), 6);
    let (base, good) = (received(&before), delta(&before, &after));
    let good = good.get();
    assert!(apply(&base, good).unwrap().0.is_same_as(&after));
    for (from, to, expected) in [
        ("tenant-2", "tenant-3", SnapshotErrorKind::WrongDigest),
        (
            "\"tenant\":\"tenant-2\",",
            "",
            SnapshotErrorKind::WrongDirective,
        ),
        ("[\"b\"]", "[]", SnapshotErrorKind::WrongDigest),
        ("[\"b\"]", "[\"c\"]", SnapshotErrorKind::WrongDigest),
        (
            "[\"b\"]",
            "[\"b\",\"b\"]",
            SnapshotErrorKind::WrongDirective,
        ),
        (
            "[\"b\"]",
            "[\"b\",\"a\"]",
            SnapshotErrorKind::WrongDirective,
        ),
        ("[\"b\"]", "[\"x\"]", SnapshotErrorKind::WrongDigest),
        (
            "\"uuid\":\"u\"",
            "\"uuid\":\"v\"",
            SnapshotErrorKind::WrongDelta,
        ),
        (
            "\"removed\"",
            "\"deleted\"",
            SnapshotErrorKind::NotASnapshot,
        ),
        (
            "\"revoked\":false",
            "\"revoked\":true",
            SnapshotErrorKind::WrongDirective,
        ),
        (",\"revoked\":0}", "}", SnapshotErrorKind::NotASnapshot),
    ] {
        assert!(good.contains(from), "{from} is not in {good}");
        let changed = good.replacen(from, to, 1);
        assert_eq!(kind(&base, &changed), expected, "{from} -> {to}");
    }
    // A reader that starts from another state refuses the same differences.
    let other = received(&snapshot(&model(&[("a", 1), ("b", 1), ("c", 2)]), 3));
    assert_eq!(kind(&other, good), SnapshotErrorKind::WrongDigest);
    let error = base.apply(good, 2, now(), |_, _| Ok(())).unwrap_err();
    assert_eq!(error.kind(), SnapshotErrorKind::TooManyDirectives);
}

#[test]
fn a_directive_that_this_reader_refuses_stays_refused_until_it_changes() {
    let before = snapshot(&model(&[("a", 1), ("b", 1)]), 2);
    let json = before.to_json().unwrap();
    // This reader refuses the directive `b` as long as `b` targets `tenant-1`.
    let check = |document: &DocumentRef<'_>, _: &str| match document.directive().tenant {
        Some("tenant-1") if document.directive().id == "b" => {
            Err(reject_signatures("b", "tenant-1", RejectionReason::Missing))
        }
        _ => Ok(()),
    };
    let (first, base) = Snapshot::receive(json.get(), CAP, now(), check).unwrap();
    assert_eq!((first.set.len(), first.rejections.len()), (1, 1));

    let other = snapshot(&model(&[("a", 2), ("b", 1)]), 3);
    let (next, base) = base
        .apply(delta(&before, &other).get(), CAP, now(), check)
        .unwrap();
    assert_eq!((next.set.len(), next.rejections.len()), (1, 1));
    assert_eq!(next.digest, next.set.digest());

    let accepted = snapshot(&model(&[("a", 2), ("b", 2)]), 4);
    let (next, base) = base
        .apply(delta(&other, &accepted).get(), CAP, now(), check)
        .unwrap();
    assert!(next.is_same_as(&accepted));

    // The reader checks a directive in the differences in the same way as a directive of a whole
    // snapshot.
    let (refused, base) = base
        .apply(delta(&accepted, &other).get(), CAP, now(), check)
        .unwrap();
    assert_eq!((refused.set.len(), refused.rejections.len()), (1, 1));
    assert_eq!(refused.digest, refused.set.digest());

    let removed = snapshot(&model(&[("a", 2)]), 5);
    let (next, _) = base
        .apply(delta(&other, &removed).get(), CAP, now(), check)
        .unwrap();
    assert!(next.is_same_as(&removed));
}

#[test]
fn changed_signatures_and_rejections_are_differences() {
    let signed_by = |signer: &str| {
        let signature = format!("{signer}:{}:{}", "0".repeat(16), "0".repeat(128));
        let signatures: Box<[Signature]> = Box::new([signature.parse().unwrap()]);
        Arc::new(SignatureTable::from([("b".into(), signatures)]))
    };
    let model = model(&[("a", 1), ("b", 1)]);
    let unsigned = snapshot(&model, 2);
    let rejection = reject_signatures("c", "tenant-1", RejectionReason::Missing);
    let states = [
        Snapshot {
            signatures: signed_by("alice"),
            ..snapshot(&model, 3)
        },
        Snapshot {
            signatures: signed_by("bob"),
            ..snapshot(&model, 4)
        },
        snapshot(&model, 5).with_rejections(vec![rejection]),
        snapshot(&model, 6),
    ];
    let (mut before, mut base) = (&unsigned, received(&unsigned));
    for after in &states {
        let (next, next_base) = apply(&base, delta(before, after).get()).unwrap();
        assert_eq!(next.content_tag(), after.content_tag());
        assert!(next.is_same_as(after));
        (before, base) = (after, next_base);
    }
}

#[test]
fn snapshots_without_a_common_index_or_with_many_changes_have_no_differences() {
    let before = snapshot(&model(&[("a", 1)]), 1);
    let mut other = snapshot(&model(&[("a", 1)]), 1);
    if let Some(revision) = &mut other.revision {
        revision.uuid = "v".to_owned();
    }
    assert!(other.changes_since(&before, CAP).is_none());
    assert!(before.changes_since(&Snapshot::default(), CAP).is_none());
    let three = snapshot(&model(&[("a", 2), ("b", 1), ("c", 1)]), 4);
    assert!(three.changes_since(&before, 2).is_none());
    assert_eq!(three.changes_since(&before, 3).unwrap().ids.len(), 3);
}
