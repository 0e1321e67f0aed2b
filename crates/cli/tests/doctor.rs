//! Tests that `doctor` finds problems that a real test node does not have, with the scripted
//! responses of a mock cluster.

use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::command::{Ran, directives, run};

/// Starts a mock cluster that has no security plugin, and in which `doctor` finds no problem.
async fn healthy() -> MockServer {
    let server = MockServer::start().await;
    respond(&server, "GET", "/", info()).await;
    respond(
        &server,
        "GET",
        "/directives/_settings",
        settings("1", "1s", "1", "false"),
    )
    .await;
    respond(
        &server,
        "GET",
        "/_cluster/health/directives",
        health("green", 0),
    )
    .await;
    respond(
        &server,
        "GET",
        "/_cluster/settings",
        json!({"persistent": {}}),
    )
    .await;
    respond(
        &server,
        "GET",
        "/_snapshot",
        json!({"backup": {"type": "fs"}}),
    )
    .await;
    respond(
        &server,
        "GET",
        "/_snapshot/backup/_all",
        snapshots(hours_ago(1)),
    )
    .await;
    respond(&server, "GET", "/directives/_stats/docs", stats(2)).await;
    respond(&server, "GET", "/directives/_mapping", mapping(&[])).await;
    respond(&server, "POST", "/directives/_search", found(2)).await;
    server
}

/// Adds a response to the mock cluster. If several responses match a request, the mock cluster
/// sends the response that the test added first.
async fn respond(server: &MockServer, verb: &str, at: &str, body: Value) {
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(server)
        .await;
}

/// Starts a mock cluster in which the responses in `problems` replace those of a healthy cluster.
async fn with(problems: &[(&str, &str, Value)]) -> MockServer {
    let server = healthy().await;
    for (verb, at, body) in problems {
        Mock::given(method(*verb))
            .and(path(*at))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .with_priority(1)
            .mount(&server)
            .await;
    }
    server
}

fn hours_ago(hours: i64) -> i64 {
    let now = SystemClock.now();
    (now - jiff::SignedDuration::from_hours(hours)).as_millisecond()
}

fn info() -> Value {
    json!({"cluster_name": "prod", "version": {"number": "3.8.0", "distribution": "opensearch"}})
}

fn settings(shards: &str, refresh: &str, replicas: &str, expand: &str) -> Value {
    json!({"directives": {"settings": {
        "index.number_of_shards": shards,
        "index.refresh_interval": refresh,
        "index.number_of_replicas": replicas,
        "index.auto_expand_replicas": expand,
    }}})
}

fn health(status: &str, unassigned: u32) -> Value {
    json!({"status": status, "unassigned_shards": unassigned, "number_of_data_nodes": 3})
}

fn snapshots(end: i64) -> Value {
    json!({"snapshots": [
        {"indices": ["directives"], "state": "SUCCESS", "end_time_in_millis": end},
        {"indices": ["directives"], "state": "FAILED", "end_time_in_millis": hours_ago(0)},
        {"indices": ["other"], "state": "SUCCESS", "end_time_in_millis": hours_ago(0)},
    ]})
}

fn stats(documents: u64) -> Value {
    json!({"_all": {"primaries": {"docs": {"count": documents}}}})
}

fn found(documents: u64) -> Value {
    json!({"timed_out": false, "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": documents, "relation": "eq"}, "hits": []}})
}

/// Returns the mapping of the index without the given fields, which the user's role hides.
fn mapping(hidden: &[&str]) -> Value {
    let template: Value =
        serde_json::from_str(include_str!("../../../mappings/index-template.json")).unwrap();
    let mut mappings = template["template"]["mappings"].clone();
    for field in hidden {
        mappings["properties"]
            .as_object_mut()
            .unwrap()
            .remove(*field);
    }
    json!({"directives": {"mappings": mappings}})
}

fn doctor(server: &MockServer, args: &[&str]) -> Ran {
    run(&server.uri(), "directives", &[&["doctor"], args].concat())
}

#[tokio::test]
async fn doctor_reports_a_healthy_index_as_ok() {
    let printed = doctor(&healthy().await, &[]).stdout;
    for line in [
        "ok      cluster: opensearch 3.8.0 (prod), directives at ",
        "ok      index: has one primary shard",
        "ok      index: is refreshed every 1s",
        "ok      index: all shards are assigned",
        "ok      zones: the cluster does not balance copies over zones",
        "ok      snapshots: the newest is 1h old",
        "ok      hidden: the role hides no document",
        "ok      hidden: the role hides no field",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
}

#[tokio::test]
async fn doctor_names_each_problem_with_its_remedy_and_fails_for_a_failure() {
    let awareness = json!({"persistent": {
        "cluster.routing.allocation.awareness.balance": "true",
        "cluster.routing.allocation.awareness.attributes": "zone",
        "cluster.routing.allocation.awareness.force.zone.values": ["a", "b", "c"],
    }});
    let get = "GET";
    let cases = [
        (
            get,
            "/directives/_settings",
            settings("3", "1s", "1", "false"),
            "warning index: has 3 primary shards",
        ),
        (
            get,
            "/directives/_settings",
            settings("1", "-1", "1", "false"),
            "warning index: does not refresh by itself",
        ),
        (
            get,
            "/_cluster/health/directives",
            health("yellow", 1),
            "warning index: 1 shard is not assigned; remedy: GET _cluster/allocation/explain",
        ),
        (
            get,
            "/_cluster/health/directives",
            health("red", 2),
            "failure index: the primary shard is not assigned",
        ),
        (
            get,
            "/_cluster/settings",
            awareness,
            "warning zones: the number of copies is not a fixed multiple of the 3 zones; remedy: directives init --replicas 2",
        ),
        (
            get,
            "/_snapshot",
            json!({}),
            "warning snapshots: there is no snapshot repository",
        ),
        (
            get,
            "/_snapshot/backup/_all",
            json!({"snapshots": []}),
            "warning snapshots: no snapshot contains the index",
        ),
        (
            get,
            "/_snapshot/backup/_all",
            snapshots(hours_ago(24 * 20)),
            "warning snapshots: the newest is 20d old",
        ),
        (
            get,
            "/directives/_stats/docs",
            stats(5),
            "failure hidden: a search finds 2 of 5 documents, so document-level security hides the others; remedy: remove dls",
        ),
        (
            get,
            "/directives/_mapping",
            mapping(&["tenant"]),
            "failure hidden: field-level security hides tenant",
        ),
        (
            get,
            "/_plugins/_security/api/ssl/certs",
            json!({"http_certificates_list": [
                {"subject_dn": "CN=node-1", "not_after": "2001-01-01T00:00:00Z"},
            ]}),
            "failure certificates: CN=node-1 expired ",
        ),
    ];
    for (verb, at, body, expected) in cases {
        let server = with(&[(verb, at, body)]).await;
        let ran = doctor(&server, &[]);
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
        let report = doctor(&server, &["-o", "json"]);
        let checks = report.json()["checks"].take();
        let fails = checks
            .as_array()
            .unwrap()
            .iter()
            .any(|check| check["health"] == "failure");
        assert_eq!(
            (ran.code, report.code),
            (i32::from(fails), i32::from(fails))
        );
        for check in checks.as_array().unwrap() {
            assert_eq!(check["health"] == "ok", check["fix"].is_null(), "{check}");
        }
    }
}

#[tokio::test]
async fn doctor_reports_a_missing_permission_with_the_roles_that_contain_it() {
    let server = healthy().await;
    let forbidden =
        json!({"error": {"type": "security_exception", "reason": "no permissions"}, "status": 403});
    for refused in [
        "^/_ingest/pipeline/.*/_simulate$",
        "^/_snapshot",
        "^/_cluster/",
    ] {
        Mock::given(path_regex(refused))
            .respond_with(ResponseTemplate::new(403).set_body_json(&forbidden))
            .with_priority(1)
            .mount(&server)
            .await;
    }
    for (name, kind) in [
        ("index", "version_conflict_engine_exception"),
        ("update", "document_missing_exception"),
        ("delete", "security_exception"),
    ] {
        let item = json!({name: {"status": 403, "error": {"type": kind}}});
        let response = ResponseTemplate::new(200).set_body_json(json!({"items": [item]}));
        Mock::given(path("/_bulk"))
            .and(body_string_contains(format!("{{\"{name}\":")))
            .respond_with(response)
            .mount(&server)
            .await;
    }
    let missing =
        json!({"docs": [{"_id": "directives-doctor", "error": {"type": "security_exception"}}]});
    respond(&server, "POST", "/_mget", missing).await;
    let printed = doctor(&server, &[]).stdout;
    for line in [
        "the user may list directives and poll them;",
        "apply, extend and edit directives; revoke directives",
        "failure permissions: the user may not read directives by id (indices:data/read/mget*); remedy: map the user to one of the roles directives_reader,",
        "warning permissions: the user may not validate drafts by the pipeline",
        "warning permissions: the user may not delete directives (indices:data/write/delete); remedy: map the user to one of the roles directives_operator, which",
        "warning snapshots: not checked: ",
        "warning zones: not checked: ",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
}

#[tokio::test]
async fn doctor_reports_certificates_in_files_before_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let now = SystemClock.now();
    let server = healthy().await;
    for (hours, expected) in [
        (24 * 90, "ok      certificates: "),
        (24 * 10, "warning certificates: "),
        (-24, "failure certificates: "),
    ] {
        let end = (now + jiff::SignedDuration::from_hours(hours))
            .to_zoned_datetime(jiff::tz::TimeZone::UTC);
        let (year, month, day) = (end.year(), end.month(), end.day());
        parameters.not_after =
            rcgen::date_time_ymd(year.into(), month.unsigned_abs(), day.unsigned_abs());
        let key = rcgen::KeyPair::generate().unwrap();
        let file = folder.path().join(format!("{hours}.pem"));
        std::fs::write(&file, parameters.self_signed(&key).unwrap().pem()).unwrap();
        let ran: Ran = directives()
            .args(["doctor", "--url", &server.uri(), "--ca-certificate"])
            .arg(&file)
            .output()
            .unwrap()
            .into();
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
    let ran: Ran = directives()
        .args([
            "doctor",
            "--url",
            &server.uri(),
            "--ca-certificate",
            "/nonexistent",
        ])
        .output()
        .unwrap()
        .into();
    assert_ne!(ran.code, 0);
}
