//! Tests what a record says about the document before the operation, if the recorder has not seen
//! the previous version of the document.

use super::*;

impl Rig {
    /// Returns the kind, the number of changed fields and the version of each record.
    fn changes(&self) -> Vec<(RecordKind, Option<usize>, Option<u64>)> {
        let mut records = self.stream.records();
        records.sort_by_key(|record| (record.seq_no.is_none(), record.seq_no));
        let of = |record: crate::history::Record| {
            let changed = record.changed.map(|fields| fields.len());
            (record.kind, changed, record.version)
        };
        records.into_iter().map(of).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_version_of_a_new_document_is_not_recorded_as_created() {
    let mut rig = rig();
    rig.feed.observe(full(0), Vec::new());
    rig.feed
        .observe(delta(5), vec![document("a", 5, 5, "Shape")]);
    rig.run(10).await;
    assert_eq!(rig.changes(), [(RecordKind::Replaced, None, Some(5))]);
    assert_eq!(rig.status().unseen, 4);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_created_after_its_deletion_is_recorded_as_created() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.feed.observe(full(1), Vec::new());
    // The deletion has version 2, so the document that is created again has version 3.
    rig.feed.observe(delta(2), vec![document("a", 2, 3, "Off")]);
    rig.run(10).await;
    let created = (RecordKind::Created, Some(0), Some(3));
    assert_eq!(rig.changes()[1], created);
    assert_eq!(rig.status().unseen, 0);
}

#[tokio::test(start_paused = true)]
async fn a_document_whose_versions_began_again_is_not_compared_with_the_former_one() {
    let mut rig = rig();
    rig.feed.observe(
        full(1),
        vec![document("a", 0, 4, "Shape"), document("b", 1, 4, "Shape")],
    );
    let again = [document("a", 5, 1, "Off"), document("b", 6, 2, "Off")];
    rig.feed.observe(delta(6), again.to_vec());
    rig.run(10).await;
    let created = (RecordKind::Created, Some(0), Some(1));
    let replaced = (RecordKind::Replaced, None, Some(2));
    assert_eq!(rig.changes()[2..], [created, replaced]);
    // The recorder did not see the deletions of both documents, and the first version of `b`.
    assert_eq!(rig.status().unseen, 3);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_the_previous_version_waits_for_the_record_of_the_writer() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.run(1).await;
    let inexact = document("a", 3, 4, "ShapeTiming");
    rig.feed
        .observe(delta(4), vec![inexact, document("b", 4, 1, "Shape")]);
    rig.run(1).await;
    // The record of `b` is sent at once, while the record of `a` waits.
    let numbers = |rig: &Rig| -> Vec<Option<u64>> {
        rig.kinds()
            .into_iter()
            .map(|(_, _, number)| number)
            .collect()
    };
    assert_eq!(numbers(&rig), [Some(0), Some(4)]);
    // While the record of `a` waits, the `directives` command adds its own record of the same
    // operation.
    let mut by_command = rig.stream.records()[0].clone();
    (by_command.seq_no, by_command.version) = (Some(3), Some(4));
    by_command.kind = RecordKind::Extended;
    let records = &rig.stream.records;
    let id = by_command.operation().unwrap().record_id();
    records.lock().unwrap().insert(id, by_command);
    rig.run(10).await;
    assert_eq!(numbers(&rig), [Some(0), Some(3), Some(4)]);
    assert_eq!(rig.changes()[1].0, RecordKind::Extended);
    assert_eq!(rig.status().already_recorded, 1);
}
