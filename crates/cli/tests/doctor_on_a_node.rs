//! Tests `doctor` on a real node, before and after `directives init`.

use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::command::{Ran, run};
use crate::support::http;
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url, unique_index};

#[tokio::test]
async fn doctor_reports_each_part_and_fails_where_something_is_missing() {
    let url = shared_url();
    let index = installed_index(&url, "doctor").await;
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)}),
    )
    .await;
    let well = run(&url, &index, &["doctor"]).ok().stdout;
    for line in [
        "ok      cluster: ",
        "ok      installation: the index is up to date",
        "ok      clock: ",
        "warning documents: 1 malformed, such as bad; remedy: directives list",
    ] {
        assert!(well.contains(line), "{line}: {well}");
    }
    let missing = run(&url, &unique_index("nodoctor"), &["doctor", "-o", "json"]);
    assert_eq!(missing.code, 1);
    let checks = missing.json()["checks"].take();
    assert!(
        checks
            .as_array()
            .unwrap()
            .iter()
            .any(|check| { check["health"] == "failure" && check["fix"] == "directives init" }),
        "{checks}"
    );
    let nowhere = run("http://127.0.0.1:1", &index, &["doctor"]);
    assert_eq!(nowhere.code, 1);
    assert!(
        nowhere.stdout.starts_with("failure cluster: "),
        "{}",
        nowhere.stdout
    );
}

#[track_caller]
fn expect(ran: &Ran, lines: &[&str]) {
    for line in lines {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn doctor_names_the_command_that_mends_each_part_of_the_history_and_the_fleet() {
    let (url, index) = (shared_url(), unique_index("doctor-parts"));
    run(&url, &index, &["init"]).ok();
    let doctor = || run(&url, &index, &["doctor"]);
    let delete = async |path: String| {
        let (status, response) = http::send("DELETE", &format!("{url}/{path}"), None).await;
        assert_eq!(status, 200, "{response}");
    };
    let without = doctor().ok();
    expect(
        &without,
        &[
            "ok      history: the index has no history (`directives init --history` creates it)",
            "ok      fleet: instances report to no index (`directives init --fleet` creates it)",
        ],
    );
    let install = ["init", "--history", "--fleet"];
    run(&url, &index, &install).ok();
    let well = doctor().ok();
    let manual = "has no Index State Management, so";
    expect(
        &well,
        &[
            "ok      history: the history template is up to date",
            "ok      history: the history stream is up to date",
            &format!("ok      history: {index}-history is append-only"),
            "ok      history: no record was edited or deleted",
            &format!(
                "warning retention: the cluster {manual} {index}-history keeps all records; remedy: call POST /{index}-history/_rollover each month"
            ),
            "ok      fleet: the index is up to date",
            &format!("ok      fleet: {index}-fleet-history is append-only"),
            &format!("{manual} {index}-fleet-history keeps all records"),
            "ok      fleet: no live instance reports",
        ],
    );

    for (path, name, remedy) in [
        (
            format!("_data_stream/{index}-history"),
            "history stream",
            "history",
        ),
        (format!("{index}-fleet"), "index", "fleet"),
        (
            format!("_data_stream/{index}-fleet-history"),
            "history stream",
            "fleet",
        ),
    ] {
        delete(path.clone()).await;
        let broken = doctor();
        assert_eq!(broken.code, 1, "{path}");
        let failure = format!(
            "failure {remedy}: the {name} is missing (/{path}); remedy: directives init --{remedy}"
        );
        expect(&broken, &[&failure]);
        run(&url, &index, &install).ok();
        doctor().ok();
    }
}

#[tokio::test]
async fn doctor_finds_a_history_that_permits_edits_and_instances_that_the_fleet_does_not_record() {
    let (url, index) = (shared_url(), unique_index("doctor-records"));
    run(&url, &index, &["init", "--history", "--fleet"]).ok();
    let stream = format!("{index}-history");
    http::send("DELETE", &format!("{url}/_data_stream/{stream}"), None).await;
    let (_, found) = http::get(&format!("{url}/_index_template/{stream}")).await;
    let mut template = found["index_templates"][0]["index_template"].clone();
    template["template"]["settings"]["index"]["append_only"]["enabled"] = "false".into();
    http::put(&format!("{url}/_index_template/{stream}"), &template).await;
    http::send("PUT", &format!("{url}/_data_stream/{stream}"), None).await;
    let record: Value = json!({ "@timestamp": "2030-01-01T00:00:00Z" });
    http::bulk(
        &format!("{url}/{stream}"),
        format!("{{\"create\":{{\"_id\":\"a\"}}}}\n{record}\n"),
    )
    .await;
    let document = format!("{url}/.ds-{stream}-000001/_doc/a?refresh=true");
    assert_eq!(http::send("DELETE", &document, None).await.0, 200);
    let now = SystemClock.now();
    let started = now - jiff::SignedDuration::from_hours(1);
    let report = json!({
        "instance": "unrecorded", "version": "1", "kind": "agent", "index": index, "documents": 0,
        "sum_seq_no": 0, "digest": "d", "directives": 0, "revoked": 0, "off": false, "rejected": 0,
        "staleness": "fresh", "started": started, "reported_at": now, "heartbeat_seconds": 600,
        "left": false,
    });
    let path = format!("{url}/{index}-fleet/_doc/unrecorded?refresh=true");
    assert_eq!(http::put(&path, &report).await.0, 201);
    let broken = run(&url, &index, &["doctor"]);
    assert_eq!(broken.code, 1, "{}", broken.stdout);
    expect(
        &broken,
        &[
            "failure history: index.append_only.enabled of .ds-",
            "is not true, so its records can be edited; remedy: keep its records in a snapshot, delete it, and run `directives init --history`",
            "has 0 records after 2 operations, so a record was edited or deleted; remedy: run `directives history verify`",
            "warning fleet: the history does not name 1 of 1 live instances, such as unrecorded; remedy: map",
        ],
    );
}
