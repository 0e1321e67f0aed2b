//! Tests that a new recorder uses the existing records to detect the operations that happened while
//! no recorder ran.

use super::*;

impl Rig {
    /// Replaces the recorder by a new recorder for the same history, as after a restart. The clock
    /// of the new recorder is five minutes ahead.
    fn restart(self) -> Self {
        let now = || "2026-11-27T14:06:00Z".parse().unwrap();
        rig_over(self.stream, now)
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_starts_records_what_happened_since_the_last_record() {
    let mut rig = rig();
    let [kept, changed, deleted] = ["a", "b", "c"].map(|id| document(id, 0, 1, "Shape"));
    let at = |document: &SeenDocument, seq_no| SeenDocument {
        seq_no,
        ..document.clone()
    };
    let all = vec![at(&kept, 0), at(&changed, 1), at(&deleted, 2)];
    rig.feed.observe(full(2), all);
    rig.run(1).await;
    let mut rig = rig.restart();
    // While no recorder ran, two versions of `b` were replaced, `c` was deleted, and `d` was
    // written twice.
    let later = [
        document("b", 5, 4, "ShapeTiming"),
        document("d", 8, 2, "Shape"),
    ];
    let now = vec![at(&kept, 0), later[0].clone(), later[1].clone()];
    rig.feed.observe(full(8), now.clone());
    rig.run(10).await;
    let records = rig.stream.records();
    let last = |id: &str| {
        records
            .iter()
            .rfind(|record| record.directive == id)
            .unwrap()
    };
    assert_eq!(records.len(), 6);
    assert_eq!(last("b").kind, RecordKind::Widened);
    let deletion = records
        .iter()
        .find(|one| one.kind == RecordKind::Deleted)
        .unwrap();
    assert_eq!(deletion.directive, "c");
    let range = (deletion.seq_no_after, deletion.seq_no_until);
    assert_eq!(range, (Some(2), Some(8)));
    let status = rig.status();
    assert_eq!((status.recorded, status.already_recorded), (3, 1));
    assert_eq!((status.unseen, status.lost, status.pending), (2, 0, 0));
    // After another restart, the recorder must find no further operations.
    let mut rig = rig.restart();
    rig.feed.observe(full(8), now);
    rig.run(10).await;
    let status = rig.status();
    assert_eq!((status.recorded, status.already_recorded), (0, 3));
    assert_eq!(status.unseen, 0);
    assert_eq!(rig.stream.records().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn the_absence_of_a_document_that_was_just_recorded_is_no_deletion() {
    let mut rig = rig();
    let [one, two] = [document("a", 0, 1, "Shape"), document("b", 1, 1, "Shape")];
    rig.feed.observe(full(1), vec![one.clone(), two]);
    rig.run(1).await;
    // The second recorder starts at the same time, and its view of the index does not contain `b`
    // yet.
    let mut rig = rig_over(Arc::clone(&rig.stream), now);
    rig.feed.observe(full(1), vec![one]);
    rig.run(10).await;
    assert_eq!(rig.stream.records().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_cannot_be_read_at_the_start_delays_no_record() {
    let mut rig = rig();
    rig.stream.set_outage(Some(503));
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.run(1).await;
    assert_eq!(rig.status().pending, 1);
    rig.stream.set_outage(None);
    rig.run(31).await;
    assert_eq!(
        rig.kinds(),
        [("a".to_owned(), RecordKind::Created, Some(0))]
    );
}
