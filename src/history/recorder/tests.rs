//! Tests which records a recorder makes from observations, and what it does while the history
//! accepts no records.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fake_stream;
mod index_identity;
mod predecessors;
mod recreated_stream;
mod refused_requests;
mod restart;

use jiff::Timestamp;
use serde_json::json;

use super::observation_feed::Observed;
use super::*;
use crate::history::RecordKind;
use fake_stream::FakeStream;

/// A recorder under test, its feed and its data stream.
struct Rig {
    recorder: Recorder,
    feed: HistoryFeed,
    stream: Arc<FakeStream>,
}

fn now() -> Timestamp {
    "2026-11-27T14:01:00Z".parse().unwrap()
}

fn rig() -> Rig {
    rig_over(Arc::default(), now)
}

/// Creates a recorder with the given stream and clock.
fn rig_over(stream: Arc<FakeStream>, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Rig {
    let config = Config::for_url("http://127.0.0.1:9".parse().unwrap())
        .with_instance("one")
        .with_clock(Arc::new(clock));
    let client = Client::over(Arc::<FakeStream>::clone(&stream), &config.cluster);
    let (recorder, feed) = Recorder::new(&config, client, 1);
    Rig {
        recorder,
        feed,
        stream,
    }
}

fn document(id: &str, seq_no: u64, version: u64, level: &str) -> SeenDocument {
    let source = json!({
        "targets": ["tenant"], "tenant": "acme", "level": level, "sample_per_mille": 1000,
        "starts_at": "1970-01-01T00:00:00Z", "expires_at": "2026-12-10T16:00:00Z",
        "revoked": false, "updated_by": format!("writer-{seq_no}"),
        "updated_at": format!("2026-11-27T14:00:{seq_no:02}Z"),
    });
    SeenDocument {
        id: id.into(),
        seq_no,
        primary_term: Some(1),
        version: Some(version),
        source: source.to_string().into(),
    }
}

fn full(max_seq_no: u64) -> Observed {
    Observed {
        index_uuid: "I".to_owned(),
        history_uuid: Some("H".to_owned()),
        is_full: true,
        complete_until: None,
        not_assigned_at: None,
        max_seq_no: Some(max_seq_no),
    }
}

fn delta(max_seq_no: u64) -> Observed {
    Observed {
        is_full: false,
        ..full(max_seq_no)
    }
}

impl Rig {
    /// Runs the recorder for the given number of seconds.
    async fn run(&mut self, seconds: u64) {
        let limit = Duration::from_secs(seconds);
        let _ = timeout(limit, self.recorder.run()).await;
    }

    fn status(&self) -> RecorderStatus {
        self.feed.status()
    }

    fn kinds(&self) -> Vec<(String, RecordKind, Option<u64>)> {
        let mut records = self.stream.records();
        records.sort_by_key(|record| (record.seq_no.is_none(), record.seq_no));
        records
            .into_iter()
            .map(|record| (record.directive, record.kind, record.seq_no))
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn each_operation_that_the_polls_show_is_recorded_once() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.run(1).await;
    // Each poll reads the changed document again until the replica has converged.
    let changed = document("a", 1, 2, "ShapeTiming");
    rig.feed.observe(
        delta(2),
        vec![changed.clone(), document("b", 2, 1, "Shape")],
    );
    rig.feed.observe(delta(2), vec![changed]);
    rig.run(1).await;
    assert_eq!(
        rig.kinds(),
        [
            ("a".to_owned(), RecordKind::Created, Some(0)),
            ("a".to_owned(), RecordKind::Widened, Some(1)),
            ("b".to_owned(), RecordKind::Created, Some(2)),
        ]
    );
    let status = rig.status();
    assert_eq!((status.recorded, status.already_recorded), (3, 0));
    assert_eq!((status.pending, status.unseen, status.lost), (0, 0, 0));
    let record = &rig.stream.records()[1];
    assert_eq!(record.changed, Some(vec!["level".to_owned()]));
    assert_eq!(record.by.as_deref(), Some("writer-1"));
    assert_eq!(record.recorded_by, "recorder one");
}

#[tokio::test(start_paused = true)]
async fn a_version_between_two_polls_counts_as_unseen() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.feed
        .observe(delta(3), vec![document("a", 3, 4, "Shape")]);
    rig.run(10).await;
    assert_eq!(rig.status().unseen, 2);
    assert_eq!(rig.status().recorded, 2);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_recorded_without_a_number_and_within_a_range() {
    let mut rig = rig();
    let kept = document("b", 1, 1, "Shape");
    rig.feed
        .observe(full(1), vec![document("a", 0, 1, "Shape"), kept.clone()]);
    let after = Observed {
        complete_until: Some(1),
        not_assigned_at: Some(jiff::Timestamp::UNIX_EPOCH),
        ..full(2)
    };
    rig.feed.observe(after, vec![kept]);
    rig.run(1).await;
    assert_eq!(rig.kinds().len(), 2, "the deletion waits for the command");
    rig.run(10).await;
    let records = rig.stream.records();
    let deleted = records
        .iter()
        .find(|record| record.kind == RecordKind::Deleted)
        .unwrap();
    assert_eq!(deleted.directive, "a");
    assert_eq!((deleted.seq_no, deleted.primary_term), (None, None));
    assert_eq!(
        (deleted.seq_no_after, deleted.seq_no_until),
        (Some(1), Some(2))
    );
    let known = Some(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(
        deleted.deleted_after, known,
        "the time at which nothing was deleted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_the_command_recorded_is_not_recorded_again() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.run(1).await;
    let mut by_command = rig.stream.records()[0].clone();
    by_command.kind = RecordKind::Deleted;
    by_command.document = None;
    by_command.seq_no = Some(1);
    let records = &rig.stream.records;
    records
        .lock()
        .unwrap()
        .insert("command".to_owned(), by_command);
    rig.feed.observe(full(1), Vec::new());
    rig.run(10).await;
    assert_eq!(rig.kinds().len(), 2);
    assert_eq!(rig.status().already_recorded, 1);
}

#[tokio::test(start_paused = true)]
async fn what_happens_during_an_outage_is_recorded_afterwards() {
    let mut rig = rig();
    rig.stream.set_outage(Some(403));
    for seq_no in 0..20 {
        let observed = if seq_no == 0 { full(0) } else { delta(seq_no) };
        let changed = document("a", seq_no, seq_no + 1, "Shape");
        rig.feed.observe(observed, vec![changed]);
        rig.run(1).await;
    }
    assert_eq!(rig.kinds(), []);
    let status = rig.status();
    assert_eq!(status.pending, 20);
    assert!(status.failures > 2, "{status:?}");
    assert!(status.last_error.unwrap().contains("blocked"));
    let attempts = *rig.stream.bulks.lock().unwrap();
    assert!(attempts < 12, "the pauses grow: {attempts} attempts");
    rig.stream.set_outage(None);
    rig.run(31).await;
    assert_eq!(rig.kinds().len(), 20);
    let status = rig.status();
    assert_eq!((status.pending, status.lost), (0, 0));
    assert_eq!(status.last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_keeps_the_latest_version_and_counts_the_others() {
    let mut rig = rig();
    rig.stream.set_outage(Some(429));
    let many = (0..10_050).map(|number| document(&format!("d{number}"), number, 1, "Shape"));
    rig.feed.observe(full(10_049), many.collect());
    rig.run(1).await;
    // Ten of the fifty directives that did not fit into the queue now change a second time.
    let later: Vec<SeenDocument> = (10_000..10_010)
        .map(|number| document(&format!("d{number}"), number + 100, 2, "Off"))
        .collect();
    rig.feed.observe(delta(10_109), later);
    rig.run(1).await;
    assert_eq!(rig.status().pending, 10_050);
    assert_eq!(rig.status().lost, 10, "ten versions were replaced");
    rig.stream.set_outage(None);
    rig.run(60).await;
    assert_eq!(rig.stream.records().len(), 10_050);
    assert_eq!((rig.status().pending, rig.status().lost), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_does_not_keep_up_delays_no_poll_and_needs_a_full_read() {
    let mut rig = rig();
    for seq_no in 0..10 {
        let changed = document("a", seq_no, seq_no + 1, "Shape");
        rig.feed.observe(full(seq_no), vec![changed]);
    }
    assert_eq!(rig.status().missed_polls, 6);
    assert!(!rig.feed.needs_everything(), "there is no room yet");
    rig.run(1).await;
    assert!(rig.feed.needs_everything());
    rig.feed
        .observe(full(9), vec![document("a", 9, 10, "Shape")]);
    assert!(!rig.feed.needs_everything());
    rig.run(10).await;
    assert_eq!(rig.kinds().last().unwrap().2, Some(9));
    assert_eq!(rig.status().unseen, 5);
}

#[tokio::test(start_paused = true)]
async fn the_end_sends_what_is_in_the_queue() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.feed.observe(full(1), Vec::new());
    rig.recorder.finish().await;
    assert_eq!(rig.kinds().len(), 2);
    assert_eq!(rig.status().pending, 0);
}

#[tokio::test(start_paused = true)]
async fn p10_a_panic_at_the_end_of_a_recorder_is_caught_and_in_the_status() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    *rig.stream.panics.lock().unwrap() = true;
    rig.recorder.finish().await;
    let status = rig.status();
    assert_eq!(status.pending, 1);
    let error = status.last_error.unwrap();
    assert!(error.contains("the recorder panicked"), "{error}");
}
