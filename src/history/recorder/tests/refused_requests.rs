//! Tests what a recorder does if the server refuses a whole bulk request, and not only a single
//! record.

use super::*;

/// Returns documents that each have the given number of bytes.
fn documents(sizes: &[usize]) -> Vec<SeenDocument> {
    let documents = sizes.iter().zip(0..);
    let documents = documents.map(|(size, number)| {
        let mut document = document(&format!("d{number:03}"), number, 1, "Shape");
        let mut source: serde_json::Value = serde_json::from_str(&document.source).unwrap();
        source["reason"] = "x".repeat(*size).into();
        document.source = source.to_string().into();
        document
    });
    documents.collect()
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_proxy_finds_too_large_is_lost_and_the_others_are_recorded() {
    let mut rig = rig();
    *rig.stream.max_body.lock().unwrap() = Some(100_000);
    let mut sizes = [10; 200];
    sizes[70] = 150_000;
    rig.feed.observe(full(199), documents(&sizes));
    rig.run(1).await;
    let recorded: Vec<Option<u64>> = rig.kinds().into_iter().map(|(_, _, at)| at).collect();
    let expected = (0..200).filter(|number| *number != 70);
    assert_eq!(recorded, expected.map(Some).collect::<Vec<_>>());
    let status = rig.status();
    assert_eq!((status.recorded, status.lost, status.pending), (199, 1, 0));
    assert_eq!(status.last_error, None);
}

#[tokio::test(start_paused = true)]
async fn batches_that_a_proxy_finds_too_large_are_sent_in_smaller_parts() {
    let mut rig = rig();
    *rig.stream.max_body.lock().unwrap() = Some(20_000);
    rig.feed.observe(full(799), documents(&[5_000; 800]));
    rig.run(1).await;
    let status = rig.status();
    assert_eq!((status.recorded, status.lost, status.pending), (800, 0, 0));
    // A body of 20,000 bytes contains at most three records of 5,000 bytes.
    let bulks = *rig.stream.bulks.lock().unwrap();
    assert!((267..=1_000).contains(&bulks), "{bulks} requests");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_recorder_sends_smaller_parts_too() {
    let mut rig = rig();
    *rig.stream.max_body.lock().unwrap() = Some(20_000);
    rig.feed.observe(full(39), documents(&[5_000; 40]));
    rig.recorder.finish().await;
    let status = rig.status();
    assert_eq!((status.recorded, status.pending), (40, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_honoured_up_to_the_longest_pause() {
    for (retry_after, seconds) in [(25, 25), (3600, 30)] {
        let mut rig = rig();
        rig.stream.set_outage(Some(429));
        *rig.stream.retry_after.lock().unwrap() = Some(Duration::from_secs(retry_after));
        rig.feed.observe(full(0), documents(&[10]));
        rig.run(seconds - 1).await;
        assert_eq!(*rig.stream.bulks.lock().unwrap(), 1, "{retry_after}");
        rig.run(2).await;
        assert_eq!(*rig.stream.bulks.lock().unwrap(), 2, "{retry_after}");
    }
}
