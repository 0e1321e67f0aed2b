//! Tests the ledger with hand-written lists of entries.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn second(number: u64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + i64::try_from(number).unwrap()).unwrap()
}

fn entry(number: u64, directive: &str, version: u64) -> Entry {
    Entry {
        index_uuid: "u".to_owned(),
        number: Number::Exact { term: 1, number },
        version: Some(version),
        directive: directive.to_owned(),
        at: second(number),
        deletes: false,
    }
}

fn facts(max: u64, documents: &[(&str, u64)]) -> IndexFacts {
    let documents = documents.iter().map(|(directive, number)| VisibleDocument {
        directive: (*directive).to_owned(),
        term: 1,
        number: *number,
        updated_at: None,
    });
    IndexFacts {
        uuid: "u".to_owned(),
        created_at: second(0),
        max_seq_no: Some(max),
        documents: documents.collect(),
    }
}

fn ledger(entries: &[Entry], facts: &IndexFacts) -> IndexLedger {
    account(entries, Some(facts)).pop().unwrap()
}

#[test]
fn a_gap_names_its_neighbours_and_the_directives_that_it_can_concern() {
    let entries = [entry(0, "a", 1), entry(1, "b", 1), entry(4, "a", 3)];
    let ledger = ledger(&entries, &facts(5, &[("a", 4), ("c", 5)]));
    let [first, last] = &ledger.gaps[..] else {
        panic!("{ledger:#?}")
    };
    assert_eq!((first.first, first.last), (2, Some(3)));
    assert_eq!(first.previous.as_ref().unwrap().directive, "b");
    assert_eq!(first.next.as_ref().unwrap().number, 4);
    let versions = Evidence::Versions {
        directive: "a".to_owned(),
        operations: 1,
        with_deletion: false,
    };
    let vanished = Evidence::Vanished {
        directive: "b".to_owned(),
    };
    assert_eq!(first.evidence, [versions, vanished.clone()]);
    let visible = Evidence::Visible {
        directive: "c".to_owned(),
        number: 5,
    };
    assert_eq!((last.first, last.last), (5, Some(5)));
    assert_eq!(last.evidence, [vanished, visible]);
}

#[test]
fn a_noticed_deletion_accounts_for_a_number_only_if_no_other_number_is_missing() {
    let noticed = |after, until| Entry {
        at: second(9),
        ..noticed("a", after, until)
    };
    let entries = [entry(0, "a", 1), entry(2, "b", 1), noticed(0, 2)];
    let complete = ledger(&entries, &facts(2, &[("b", 2)]));
    assert!(complete.is_complete(), "{complete:#?}");
    assert_eq!(complete.deletions_by_absence, 1);

    let entries = [entry(0, "a", 1), entry(3, "b", 1), noticed(0, 3)];
    let doubtful = ledger(&entries, &facts(3, &[("b", 3)]));
    assert_eq!(
        (doubtful.gaps[0].first, doubtful.gaps[0].last),
        (1, Some(2))
    );
    assert!(
        matches!(&doubtful.gaps[0].evidence[..], [Evidence::Deletion { .. }]),
        "{doubtful:#?}"
    );

    // The next list contains the deletion of `a` with its `_seq_no`, as the `directives` command
    // records it.
    let numbered = Entry {
        deletes: true,
        ..entry(2, "a", 2)
    };
    let entries = [
        entry(0, "a", 1),
        entry(1, "c", 1),
        numbered,
        entry(4, "b", 1),
        noticed(1, 4),
        Entry {
            directive: "c".to_owned(),
            ..noticed(1, 4)
        },
    ];
    let both = ledger(&entries, &facts(4, &[("b", 4)]));
    assert!(both.is_complete(), "{both:#?}");
    assert_eq!(both.deletions_by_absence, 1);
}

/// Returns a deletion that a recorder noticed without its `_seq_no`.
fn noticed(directive: &str, after: u64, until: u64) -> Entry {
    Entry {
        number: Number::Within { after, until },
        version: None,
        deletes: true,
        at: second(until),
        ..entry(0, directive, 1)
    }
}

#[test]
fn deletions_with_overlapping_ranges_account_for_their_numbers_together() {
    let entries = [
        entry(0, "a", 1),
        entry(1, "b", 1),
        entry(4, "c", 1),
        noticed("a", 0, 4),
        noticed("b", 1, 4),
    ];
    let both = ledger(&entries, &facts(4, &[("c", 4)]));
    assert!(both.is_complete(), "{both:#?}");
    assert_eq!((both.recorded, both.deletions_by_absence), (5, 2));

    // One more `_seq_no` is missing, but it is outside the ranges of the noticed deletions.
    let entries = [
        entry(0, "a", 1),
        entry(2, "b", 1),
        entry(4, "c", 1),
        noticed("a", 0, 4),
        noticed("b", 2, 4),
    ];
    let with_another = ledger(&entries, &facts(5, &[("c", 4)]));
    let gaps: Vec<_> = with_another.gaps.iter().map(|gap| gap.first).collect();
    assert_eq!(gaps, [5], "{with_another:#?}");
    let entries = [
        entry(0, "a", 1),
        entry(3, "b", 1),
        entry(5, "c", 1),
        noticed("a", 0, 5),
        noticed("b", 3, 5),
    ];
    let one_too_many = ledger(&entries, &facts(5, &[("c", 5)]));
    // `_seq_no` 4 certainly belongs to the deletion of `b`; the deletion of `a` has the `_seq_no` 1
    // or 2.
    let [gap] = &one_too_many.gaps[..] else {
        panic!("{one_too_many:#?}")
    };
    assert_eq!((gap.first, gap.last), (1, Some(2)));
    let deletions = (
        one_too_many.deletions_by_absence,
        one_too_many.deletions_in_gaps,
    );
    assert_eq!((one_too_many.recorded, deletions), (4, (1, 1)));
}

#[test]
fn the_gaps_outside_the_range_of_a_deletion_cannot_concern_it() {
    let entries = [
        entry(0, "a", 1),
        entry(1, "b", 1),
        entry(2, "d", 1),
        entry(5, "c", 1),
        entry(7, "c", 2),
        noticed("a", 2, 5),
    ];
    let is_deletion = |gap: &Gap| {
        let mut evidence = gap.evidence.iter();
        evidence.any(|one| matches!(one, Evidence::Deletion { .. }))
    };
    let current = ledger(&entries, &facts(8, &[("d", 2), ("c", 7)]));
    let concerned: Vec<_> = current
        .gaps
        .iter()
        .map(|gap| (gap.first, is_deletion(gap)))
        .collect();
    assert_eq!(
        concerned,
        [(3, true), (6, false), (8, false)],
        "{current:#?}"
    );
    // The last gap may concern the directive `b`, of which no deletion is recorded.
    let names: Vec<_> = current.gaps[2]
        .evidence
        .iter()
        .map(Evidence::directive)
        .collect();
    assert_eq!(names, ["b"]);
    let former = account(&entries, None).pop().unwrap();
    let last = former.gaps.last().unwrap();
    assert_eq!(
        (last.first, last.last, &last.evidence[..]),
        (8, None, &[][..])
    );
}

#[test]
fn forged_ranges_cannot_make_the_ledger_enumerate_numbers() {
    let far = 1 << 36;
    let mut entries = vec![entry(0, "a", 1), entry(far, "b", 1), noticed("a", 0, far)];
    entries.extend((0..5_000).map(|one| noticed(&format!("d{one}"), one, far - one)));
    let ledger = ledger(&entries, &facts(far, &[("b", far)]));
    assert_eq!((ledger.gaps.len(), ledger.deletions_by_absence), (1, 0));
}

#[test]
fn a_number_that_a_failover_lost_is_reported() {
    let later = |number, directive, version| Entry {
        number: Number::Exact { term: 2, number },
        ..entry(number, directive, version)
    };
    let entries = [entry(0, "a", 1), entry(1, "a", 2), later(1, "b", 1)];
    let complete = ledger(&entries, &facts(1, &[("a", 0)]));
    assert_eq!(complete.term_changes[0].lost, Some((1, 1)));
    assert!(complete.gaps.is_empty(), "{complete:#?}");

    // The primary term of the document shows that the `_seq_no` was assigned again, but nobody
    // recorded the later operation.
    let mut facts = facts(1, &[("a", 0), ("c", 1)]);
    facts.documents[1].term = 2;
    let reassigned = ledger(&entries[..2], &facts);
    assert_eq!(
        (reassigned.gaps[0].first, reassigned.gaps[0].last),
        (1, Some(1))
    );
}

#[test]
fn a_restored_index_takes_over_the_records_of_its_predecessor() {
    let of = |uuid: &str, entry: Entry| Entry {
        index_uuid: uuid.to_owned(),
        ..entry
    };
    let entries = [
        of("old", entry(0, "a", 1)),
        of("old", entry(1, "a", 2)),
        of("old", entry(2, "b", 1)),
        of("u", entry(1, "a", 2)),
        of("u", entry(2, "b", 1)),
        of(
            "u",
            Entry {
                at: second(9),
                ..entry(3, "c", 1)
            },
        ),
    ];
    let mut facts = facts(3, &[("a", 1), ("b", 2), ("c", 3)]);
    facts.created_at = second(5);
    let restored = ledger(&entries, &facts);
    assert_eq!(restored.inherited.as_ref().unwrap().up_to, 2);
    assert!(restored.is_complete(), "{restored:#?}");
}

#[test]
fn operations_that_the_index_lost_are_reported() {
    let entries = [entry(0, "a", 1), entry(1, "b", 1), entry(2, "c", 1)];
    let ledger = ledger(&entries, &facts(0, &[("a", 0)]));
    assert_eq!(ledger.lost, Some((1, 2)));
}

#[test]
fn an_index_that_no_longer_exists_has_an_open_end() {
    let old = Entry {
        index_uuid: "old".to_owned(),
        ..entry(0, "a", 1)
    };
    let ledgers = account(&[old], Some(&facts(0, &[])));
    assert_eq!(ledgers.len(), 2);
    assert!(!ledgers[0].is_current && ledgers[1].is_current);
    assert_eq!(
        (ledgers[0].gaps[0].first, ledgers[0].gaps[0].last),
        (1, None)
    );
}
