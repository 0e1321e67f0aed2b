//! Tests that osproxy can decode the response of `/v1/osproxy`.

use std::fs;

use osproxy_core::ManualClock;
use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::command::{apply_line, run};
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn osproxy_accepts_its_format_from_the_agent() {
    let url = shared_url();
    let index = installed_index(&url, "osproxy").await;
    let (soon, later) = (in_hours(1), in_hours(2));
    let whole = "--tenant acme --index orders --principal svc --endpoint Search \
                 --sample-per-mille 10 --ring-buffer --capture";
    apply_line(
        &url,
        &index,
        &format!("whole --level ShapeRewriteDiff {whole} --ttl 10m"),
    );
    apply_line(&url, &index, "plain --level Shape --ttl 1h");
    apply_line(
        &url,
        &index,
        &format!("scheduled --level Shape --starts-at {soon} --expires-at {later}"),
    );
    let agent = Agent::start(&url, &index, &[]);
    let response = reqwest::get(agent.url("/v1/osproxy")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let blob = response.bytes().await.unwrap();

    let clock = ManualClock::new();
    let theirs = osproxy_observe::decode_directive_set(&blob, &clock).unwrap();
    let now = osproxy_core::Clock::now(&clock);
    let mut theirs = theirs.introspect(now)["directives"].take();
    let ours = agent.get("/v1/directives").await.1["directives"].take();
    let mut ours: Vec<Value> = ours.as_array().unwrap().clone();
    ours.retain(|one| one["id"] != "scheduled");
    for one in ours.iter_mut().chain(theirs.as_array_mut().unwrap()) {
        // The test removes the expiry from each directive before the comparison, because osproxy
        // converts each expiry to an instant of its monotonic clock.
        one.as_object_mut().unwrap().remove("expires_at");
    }
    assert_eq!(theirs, json!(ours));
    let listed: Value = serde_json::from_slice(&blob).unwrap();
    for (number, most) in [(0, 3600), (1, 600)] {
        let ttl = listed["directives"][number]["ttl_secs"].as_u64().unwrap();
        assert!(
            ttl > 0 && ttl < most,
            "a part of a second has passed: {ttl}"
        );
    }

    // `directives apply` must accept a file of directives in osproxy's format.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &blob).unwrap();
    let other = installed_index(&url, "osproxy-import").await;
    run(
        &url,
        &other,
        &[
            "apply",
            "-f",
            file.path().to_str().unwrap(),
            "--everything",
            "--yes",
            "--reason",
            "import",
        ],
    )
    .ok();
    let listed = run(&url, &other, &["list", "-o", "json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
}
