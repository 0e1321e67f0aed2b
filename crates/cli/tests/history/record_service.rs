//! Tests `directives record`. The recorder must wait until the index and its history exist, and
//! must write the same records as an agent. The recorder must write its queued records before it
//! ends. After a restart, the recorder must record the operations that it has missed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{block, numbers, put, recorded, records, with_history};
use crate::support::agent::Agent;
use crate::support::command::{directives, run};
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{shared_url, unique_index};

/// Sends a GET request to the health listener of a recorder, and returns the status and the text of
/// the response.
async fn get(recorder: &Agent, path: &str) -> (u16, String) {
    let response = reqwest::get(recorder.url(path)).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn readiness(recorder: &Agent, status: u16, part: &str) {
    eventually(
        part,
        async || get(recorder, "/readyz").await,
        |(found, text)| *found == status && text.contains(part),
    )
    .await;
}

/// Waits until the recorder's metrics contain a line that begins with `line`.
async fn metric(recorder: &Agent, line: &str) {
    eventually(
        line,
        async || get(recorder, "/metrics").await.1,
        |text| text.lines().any(|one| one.starts_with(line)),
    )
    .await;
}

#[tokio::test]
async fn a_recorder_waits_for_the_index_and_for_the_history_and_then_records() {
    let url = shared_url();
    let index = unique_index("service");
    let recorder = Agent::recorder(&url, &index);
    // `/readyz` must respond with status 503 while neither the index nor its history exists.
    readiness(&recorder, 503, "").await;
    assert_eq!(get(&recorder, "/healthz").await, (200, "ok\n".to_owned()));
    run(&url, &index, &["init"]).ok();
    put(&url, &index, "a", "Shape").await;
    readiness(&recorder, 503, "init --history").await;
    assert_eq!(http::get(&format!("{url}/{index}-history")).await.0, 404);
    run(&url, &index, &["init", "--history"]).ok();
    readiness(&recorder, 200, "ready").await;
    let all = recorded(&url, &index, 1).await;
    assert_eq!(numbers(&all), [Some(0)]);
    let by = all[0].1["recorded_by"].as_str().unwrap();
    assert!(by.starts_with("recorder "), "{by}");
    metric(
        &recorder,
        "directives_history_operations_total{result=\"recorded\"} 1",
    )
    .await;
    for path in ["/v1/directives", "/v1/status"] {
        assert_eq!(
            get(&recorder, path).await.0,
            404,
            "a recorder serves no {path}"
        );
    }
}

#[tokio::test]
async fn a_recorder_that_is_terminated_sends_its_queue_first() {
    let url = shared_url();
    let index = with_history(&url, "terminated");
    let mut recorder = Agent::recorder(&url, &index);
    put(&url, &index, "a", "Shape").await;
    recorded(&url, &index, 1).await;
    block(&url, &index, true).await;
    put(&url, &index, "b", "Shape").await;
    metric(&recorder, "directives_history_pending 1").await;
    readiness(&recorder, 503, "accepts no records").await;
    block(&url, &index, false).await;
    recorder.signal("-TERM");
    let status = recorder.wait();
    assert!(status.success(), "{status}");
    let all = records(&url, &index).await;
    assert_eq!(numbers(&all), [Some(0), Some(1)]);
}

#[tokio::test]
async fn a_recorder_that_was_killed_catches_up_after_its_restart() {
    let url = shared_url();
    let index = with_history(&url, "restarted");
    let recorder = Agent::recorder(&url, &index);
    for id in ["a", "b", "c"] {
        put(&url, &index, id, "Shape").await;
    }
    recorded(&url, &index, 3).await;
    // The test kills the recorder with SIGKILL by dropping the recorder's handle.
    drop(recorder);
    put(&url, &index, "a", "ShapeTiming").await;
    put(&url, &index, "b", "ShapeTiming").await;
    put(&url, &index, "b", "Off").await;
    let at = format!("{url}/{index}/_doc/c?refresh=true");
    assert_eq!(http::send("DELETE", &at, None).await.0, 200);
    put(&url, &index, "d", "Shape").await;
    let recorder = Agent::recorder(&url, &index);
    let expected = [0, 1, 2, 3, 5, 7].map(Some);
    eventually(
        "the present documents are recorded",
        async || numbers(&records(&url, &index).await),
        // The record of the deletion of `c` must have no `_seq_no`, because the recorder notices
        // only that the document `c` is missing.
        |numbers| numbers.iter().filter(|one| one.is_some()).eq(&expected),
    )
    .await;
    // The recorder must count one operation as unseen, because a version of `b` was written and
    // replaced while no recorder ran.
    let unseen = "directives_history_operations_total{result=\"unseen\"} 1";
    metric(&recorder, unseen).await;
    // `history verify` must report the replaced version of `b` and the deletion of `c`.
    let verified = run(
        &url,
        &index,
        &["history", "verify", "--wait", "1ms", "-o", "json"],
    );
    assert_eq!(verified.code, 9, "{}", verified.stdout);
    let gaps = verified.json()["indices"][0]["gaps"].clone();
    let numbers: Vec<&Value> = gaps
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| &gap["first"])
        .collect();
    assert_eq!(numbers, [4, 6], "{gaps:#}");
    let concerns = |gap: usize| gaps[gap]["evidence"][0]["directive"].clone();
    assert_eq!(
        (concerns(0), concerns(1)),
        (json!("b"), json!("c")),
        "{gaps:#}"
    );
}

/// This test takes more than a minute, because the recorder waits for a minute before it records
/// that a missing document was deleted. A document may be missing from a search only because no
/// refresh has made it visible yet, so the recorder does not record a deletion at once.
#[tokio::test]
async fn a_deletion_directly_before_the_start_of_a_recorder_is_recorded() {
    let url = shared_url();
    let index = with_history(&url, "recent");
    for id in ["a", "b"] {
        let apply = ["apply", id, "--level", "Shape", "--tenant", "acme"];
        run(&url, &index, &apply).ok();
    }
    let at = format!("{url}/{index}/_doc/a?refresh=true");
    assert_eq!(http::send("DELETE", &at, None).await.0, 200);
    let _recorder = Agent::recorder(&url, &index);
    let all = recorded(&url, &index, 3).await;
    assert_eq!(numbers(&all), [Some(0), Some(1), None]);
    assert_eq!(all[2].1["kind"], "deleted");
    assert_eq!(all[2].1["directive"], "a");
    let verified = run(&url, &index, &["history", "verify"]).ok();
    let sentence = verified.stdout.lines().last().unwrap();
    assert!(
        sentence.contains("is recorded (3 operations)"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_recorder_reports_a_deleted_history_and_records_everything_into_a_new_one() {
    let url = shared_url();
    let index = with_history(&url, "recreated");
    let recorder = Agent::recorder(&url, &index);
    for id in ["a", "b"] {
        put(&url, &index, id, "Shape").await;
    }
    recorded(&url, &index, 2).await;
    readiness(&recorder, 200, "ready").await;
    let stream = format!("{url}/_data_stream/{index}-history");
    assert_eq!(http::send("DELETE", &stream, None).await.0, 200);
    // A recorder without operations to record checks every 30 seconds whether the data stream of
    // the history exists.
    readiness(&recorder, 503, "init --history").await;
    run(&url, &index, &["init", "--history"]).ok();
    readiness(&recorder, 200, "ready").await;
    let all = recorded(&url, &index, 2).await;
    assert_eq!(numbers(&all), [Some(0), Some(1)]);
}

#[tokio::test]
async fn a_recorder_refuses_credentials_that_it_cannot_renew() {
    let args = [
        "record",
        "--url",
        "http://127.0.0.1:9",
        "--credential-command",
        "echo x",
    ];
    let ran = directives().args(args).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let limit = Duration::from_secs(5);
    let ended = tokio::time::timeout(limit, async {
        let mut recorder = Agent::recorder("http://127.0.0.1:9", "directives");
        recorder.signal("-TERM");
        assert!(recorder.wait().success());
    });
    ended.await.unwrap();
}
