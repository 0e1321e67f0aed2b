//! Tests the recorder when the index was created again, or when its identity is not known.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_created_or_restored_index_is_recorded_anew() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    let restored = Observed {
        history_uuid: Some("H2".to_owned()),
        ..full(0)
    };
    rig.feed
        .observe(restored, vec![document("a", 0, 1, "Shape")]);
    let created = Observed {
        index_uuid: "I2".to_owned(),
        ..full(0)
    };
    rig.feed
        .observe(created, vec![document("a", 0, 1, "Shape")]);
    rig.run(1).await;
    let ids: Vec<String> = {
        let records = rig.stream.records.lock().unwrap();
        records.keys().cloned().collect()
    };
    assert_eq!(ids, ["I.H.1.0", "I.H2.1.0", "I2.H.1.0"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_identity_of_the_index_nothing_is_recorded_but_counted() {
    let mut rig = rig();
    let unknown = Observed {
        history_uuid: None,
        ..full(0)
    };
    rig.feed
        .observe(unknown, vec![document("a", 0, 1, "Shape")]);
    rig.run(1).await;
    assert_eq!(rig.kinds(), []);
    assert_eq!(rig.status().unseen, 1);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_cannot_be_identified_is_counted_once() {
    let mut rig = rig();
    for history_uuid in [None, Some("H".to_owned())] {
        let anonymous = |observed: Observed| Observed {
            index_uuid: format!("of {history_uuid:?}"),
            history_uuid: history_uuid.clone(),
            ..observed
        };
        let document = |seq_no, version| SeenDocument {
            primary_term: None,
            ..document("a", seq_no, version, "Shape")
        };
        let before = rig.status().unseen;
        // The recorder sees the same document three times, and then a later version of it twice.
        for (observed, seq_no) in [
            (full(7), 7),
            (full(7), 7),
            (delta(7), 7),
            (delta(9), 9),
            (full(9), 9),
        ] {
            let seen = vec![document(seq_no, seq_no)];
            rig.feed.observe(anonymous(observed), seen);
            rig.run(1).await;
        }
        assert_eq!(rig.status().unseen - before, 2, "{history_uuid:?}");
    }
    assert_eq!(rig.kinds(), []);
}
