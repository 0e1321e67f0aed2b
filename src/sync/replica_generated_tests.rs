//! Compares replicas with a map of documents, under generated operations.

use proptest::prelude::*;

use super::*;

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Kind::Valid),
        1 => Just(Kind::Revoked),
        1 => Just(Kind::Malformed),
    ]
}

/// Generates up to `most` operations on documents. Each generated operation writes or deletes one
/// document.
fn any_writes(most: usize) -> impl Strategy<Value = Vec<(u8, Option<Kind>)>> {
    let write = (
        0..12_u8,
        prop_oneof![5 => any_kind().prop_map(Some), 1 => Just(None)],
    );
    prop::collection::vec(write, 0..most)
}

fn write(documents: &mut Documents, next: &mut u64, writes: &[(u8, Option<Kind>)]) {
    for (id, kind) in writes {
        let id = format!("d-{id}");
        match kind {
            Some(kind) => drop(documents.insert(id, (*next, *kind))),
            None => drop(documents.remove(&id)),
        }
        *next += 1;
    }
}

proptest! {
    #[test]
    fn p1_applying_changes_equals_a_full_read(
        before in any_writes(20),
        after in any_writes(20),
        again in 0..20_u64,
    ) {
        let (mut documents, mut next) = (Documents::new(), 0);
        write(&mut documents, &mut next, &before);
        let old = replica(&documents);
        let cursor = next.saturating_sub(again);
        let deleted: Vec<&(u8, Option<Kind>)> =
            after.iter().filter(|(_, kind)| kind.is_none()).collect();
        write(&mut documents, &mut next, &after);
        let new = replica(&documents);

        let mut delta = ChangeSet::new(decoder());
        for (id, &(seq_no, kind)) in documents.iter().filter(|(_, (seq_no, _))| *seq_no >= cursor) {
            give(&mut delta, id, seq_no, kind);
        }
        let suspects = delta.regressions_from(&old);
        let applied = delta.apply_to(&old);
        if applied.is_none() {
            prop_assert!(!deleted.is_empty() || old.fingerprint() == new.fingerprint());
        }
        let applied = applied.unwrap_or_else(|| old.clone());
        prop_assert_eq!(suspects, old.regressions_in(&applied));
        // The fingerprints may differ after a deletion only, because a delta read does not return
        // deletions.
        if applied.fingerprint() == new.fingerprint() {
            assert_same(&applied, &new);
        } else {
            prop_assert!(!deleted.is_empty());
        }
    }

    #[test]
    fn p1_applying_changes_repeatedly_equals_a_full_read(
        first in prop::collection::vec((0..60_u8, any_kind()), 0..60),
        changes in prop::collection::vec(
            prop::collection::vec((0..60_u8, any_kind()), 1..4),
            0..30,
        ),
    ) {
        let (mut documents, mut next) = (Documents::new(), 0);
        let put = |writes: &[(u8, Kind)]| -> Vec<_> {
            writes.iter().map(|&(id, kind)| (id, Some(kind))).collect()
        };
        write(&mut documents, &mut next, &put(&first));
        let mut known = replica(&documents);
        for writes in &changes {
            let cursor = next;
            write(&mut documents, &mut next, &put(writes));
            let mut delta = ChangeSet::new(decoder());
            for (id, &(seq_no, kind)) in documents.iter().filter(|(_, (seq_no, _))| *seq_no >= cursor) {
                give(&mut delta, id, seq_no, kind);
            }
            known = delta.apply_to(&known).unwrap();
            assert_same(&known, &replica(&documents));
        }
    }

    /// A reconciliation reads all documents from a certain `_seq_no` on. Among the lower
    /// `_seq_no`s, the reconciliation finds the numbers that only the index has, and the numbers
    /// that only the replica has.
    #[test]
    fn p2_applying_differences_equals_a_full_read(
        before in any_writes(20),
        after in any_writes(20),
        from in 0..45_u64,
    ) {
        let (mut documents, mut next) = (Documents::new(), 0);
        write(&mut documents, &mut next, &before);
        let old = replica(&documents);
        let replaced: Vec<u64> = {
            let numbers: std::collections::BTreeSet<u64> = old.seq_nos().collect();
            numbers.range(from..).copied().collect()
        };
        write(&mut documents, &mut next, &after);
        let new = replica(&documents);

        let mut changes = ChangeSet::new(decoder());
        for (id, &(seq_no, kind)) in documents.iter().filter(|(_, (seq_no, _))| *seq_no >= from) {
            give(&mut changes, id, seq_no, kind);
        }
        let known = changes.seq_nos_after(&old, &replaced);
        prop_assert!(known.is_sorted());
        let server: Vec<u64> = documents.values().map(|(seq_no, _)| *seq_no).collect();
        let removed: Vec<u64> = known.iter().copied().filter(|n| !server.contains(n)).collect();
        for (id, &(seq_no, kind)) in documents.iter().filter(|(_, (n, _))| !known.contains(n)) {
            give(&mut changes, id, seq_no, kind);
        }
        changes.delete(&old, &replaced);
        changes.delete(&old, &removed);
        let deleted = old.seq_nos_by_id().any(|(id, _)| !documents.contains_key(id));
        prop_assert_eq!(changes.deletes(), deleted);
        let applied = changes.apply_to(&old).unwrap_or_else(|| old.clone());
        assert_same(&applied, &new);
    }

    #[test]
    fn p3_every_step_back_is_a_possible_regression_and_an_update_is_not(
        before in any_writes(20),
        after in any_writes(20),
    ) {
        let (mut documents, mut next) = (Documents::new(), 0);
        write(&mut documents, &mut next, &before);
        let old = replica(&documents);
        let was = documents.clone();
        write(&mut documents, &mut next, &after);
        let new = replica(&documents);

        let is_in_one = |id: &&String| was.contains_key(*id) != documents.contains_key(*id);
        let mut changed: Vec<&String> = was.keys().chain(documents.keys()).filter(is_in_one).collect();
        changed.sort_unstable();
        let forward = old.regressions_in(&new);
        prop_assert!(forward.iter().map(|suspect| &suspect.id).eq(changed));

        // Every difference of an older replica from a newer one is a possible regression.
        let back = new.regressions_in(&old);
        let differs = |id: &&String| was.get(*id).map(|d| d.0) != documents.get(*id).map(|d| d.0);
        let mut ids: Vec<&String> = was.keys().chain(documents.keys()).filter(differs).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert!(back.iter().map(|suspect| &suspect.id).eq(ids));
    }
}
