//! Tests what a recorder does if the data stream of the history is deleted and created again.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_idle_recorder_reports_that_the_stream_was_deleted() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.run(1).await;
    rig.stream.delete();
    rig.run(31).await;
    let error = rig.status().last_error.unwrap();
    assert!(error.contains("init --history"), "{error}");
    assert_eq!(*rig.stream.bulks.lock().unwrap(), 1, "nothing was sent");
    rig.stream.create();
    rig.run(31).await;
    assert_eq!(rig.status().last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_new_stream_gets_records_of_all_present_documents() {
    for is_noticed in [false, true] {
        let mut rig = rig();
        let documents = vec![document("a", 0, 1, "Shape"), document("b", 1, 1, "Shape")];
        rig.feed.observe(full(1), documents.clone());
        rig.run(1).await;
        rig.stream.delete();
        if is_noticed {
            rig.run(31).await;
        }
        rig.stream.create();
        assert!(!rig.feed.needs_everything());
        rig.run(31).await;
        // The recorder still needs a complete observation after it has received a delta read.
        rig.feed
            .observe(delta(2), vec![document("c", 2, 1, "Shape")]);
        rig.run(1).await;
        assert!(rig.feed.needs_everything(), "noticed: {is_noticed}");
        rig.feed.observe(full(1), documents);
        rig.run(10).await;
        assert_eq!(rig.kinds().len(), 2, "noticed: {is_noticed}");
        assert!(!rig.feed.needs_everything());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stays_is_not_recorded_anew() {
    let mut rig = rig();
    rig.feed
        .observe(full(0), vec![document("a", 0, 1, "Shape")]);
    rig.run(1_000).await;
    assert!(!rig.feed.needs_everything());
    assert_eq!(*rig.stream.bulks.lock().unwrap(), 1);
}
