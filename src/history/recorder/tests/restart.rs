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
    // A second recorder starts when `b` was just recorded, but its view of the index does not
    // contain `b` yet.
    let mut rig = rig_over(Arc::clone(&rig.stream), now);
    rig.feed.observe(full(1), vec![one]);
    rig.run(10).await;
    assert_eq!(rig.stream.records().len(), 2);
}

/// Returns a clock that begins a few seconds after the records of the tests and moves with the
/// paused time of the test.
fn moving_clock() -> impl Fn() -> Timestamp + Send + Sync + 'static {
    let start = Instant::now();
    move || now() + start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_deletion_directly_before_the_start_of_a_recorder_is_recorded() {
    let mut rig = rig();
    let [kept, deleted] = [document("a", 0, 1, "Shape"), document("b", 1, 1, "Shape")];
    rig.feed.observe(full(1), vec![kept.clone(), deleted]);
    rig.run(1).await;
    let mut rig = rig_over(rig.stream, moving_clock());
    let observed = |max_seq_no| Observed {
        complete_until: Some(max_seq_no),
        ..full(max_seq_no)
    };
    rig.feed.observe(observed(2), vec![kept.clone()]);
    rig.run(10).await;
    assert_eq!(rig.stream.records().len(), 2);
    assert!(!rig.feed.needs_everything(), "the deletion is not certain");
    rig.run(50).await;
    assert!(rig.feed.needs_everything());
    rig.feed.observe(observed(3), vec![kept.clone()]);
    assert!(!rig.feed.needs_everything());
    rig.run(10).await;
    let records = rig.stream.records();
    let is_deletion = |record: &&crate::history::Record| record.kind == RecordKind::Deleted;
    let deletion = records.iter().find(is_deletion).unwrap();
    assert_eq!(deletion.directive, "b");
    // The document may have been deleted before the first observation.
    let range = (deletion.seq_no_after, deletion.seq_no_until);
    assert_eq!(range, (Some(1), Some(3)));
    rig.run(100).await;
    assert!(
        !rig.feed.needs_everything(),
        "nothing is uncertain any more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_recorded_document_that_becomes_visible_late_is_not_recorded_as_deleted() {
    let mut rig = rig();
    let [one, two] = [document("a", 0, 1, "Shape"), document("b", 1, 1, "Shape")];
    rig.feed.observe(full(1), vec![one.clone(), two.clone()]);
    rig.run(1).await;
    let mut rig = rig_over(rig.stream, moving_clock());
    rig.feed.observe(full(1), vec![one.clone()]);
    rig.run(10).await;
    rig.feed.observe(delta(1), vec![two.clone()]);
    rig.run(60).await;
    rig.feed.observe(full(1), vec![one, two]);
    rig.run(10).await;
    assert_eq!(rig.stream.records().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_forged_record_from_the_future_does_not_hide_a_deletion_for_long() {
    let rig = rig();
    let mut forged: crate::history::Record = serde_json::from_value(json!({
        "@timestamp": "2099-01-01T00:00:00Z", "kind": "created", "directive": "a",
        "document": {}, "index_uuid": "I", "history_uuid": "H", "primary_term": 1, "seq_no": 0,
        "recorded_at": "2099-01-01T00:00:00Z", "recorded_by": "mallory",
    }))
    .unwrap();
    forged.version = Some(1);
    let records = &rig.stream.records;
    records.lock().unwrap().insert("I.H.1.0".to_owned(), forged);
    let mut rig = rig_over(rig.stream, moving_clock());
    rig.feed.observe(full(1), Vec::new());
    rig.run(61).await;
    assert!(rig.feed.needs_everything());
    rig.feed.observe(full(1), Vec::new());
    rig.run(10).await;
    assert_eq!(rig.stream.records().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_deletions_before_the_start_are_recorded_once_the_history_can_be_read() {
    let mut rig = rig();
    let [kept, deleted] = [document("a", 0, 1, "Shape"), document("b", 1, 1, "Shape")];
    rig.feed.observe(full(1), vec![kept.clone(), deleted]);
    rig.run(1).await;
    rig.stream.set_outage(Some(503));
    let mut rig = rig_over(rig.stream, moving_clock());
    rig.feed.observe(full(2), vec![kept.clone()]);
    rig.run(10).await;
    rig.stream.set_outage(None);
    rig.run(120).await;
    assert!(rig.feed.needs_everything());
    rig.feed.observe(full(2), vec![kept]);
    rig.run(10).await;
    let kinds: Vec<RecordKind> = rig.kinds().into_iter().map(|(_, kind, _)| kind).collect();
    let created = RecordKind::Created;
    assert_eq!(kinds, [created, created, RecordKind::Deleted]);
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
