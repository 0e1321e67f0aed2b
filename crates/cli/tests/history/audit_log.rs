//! Tests that `directives history` compares its records with the audit log of the security plugin.
//! Some of these tests write events in the plugin's format to a real node, and others use a mock
//! server that refuses to search the audit log. `tests/security/audit_log.rs` tests the comparison
//! with the plugin itself.

use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::recorded_index::Recorded;
use crate::support::command::run;
use crate::support::http;

const LOG: &str = "security-auditlog";

/// Returns the event that the security plugin would write to its audit log for the operation of a
/// record.
fn event(index: &str, record: &Value, user: &str) -> Value {
    let operation = match record["kind"].as_str().unwrap() {
        "deleted" => "DELETE",
        "created" => "CREATE",
        _ => "UPDATE",
    };
    json!({
        "@timestamp": record["@timestamp"], "audit_category": "COMPLIANCE_DOC_WRITE",
        "audit_compliance_operation": operation,
        "audit_compliance_doc_version": record["version"],
        "audit_request_effective_user": user, "audit_trace_doc_id": record["directive"],
        "audit_trace_indices": [index], "audit_trace_resolved_indices": [index],
        "audit_trace_shard_id": 0, "audit_format_version": 4,
    })
}

/// Writes an event into the audit log `INDEX-log` for each record, which names the given user as
/// the writer.
pub(super) async fn append_events(recorded: &Recorded, users: &[(&Value, &str)]) {
    let events = users.iter();
    let events = events.map(|(record, user)| event(&recorded.index, record, user));
    append(recorded, &events.collect::<Vec<_>>()).await;
}

/// Writes events into the audit log of this test, and returns the name of the audit log's index.
async fn append(recorded: &Recorded, events: &[Value]) -> String {
    let log = format!("{}-log", recorded.index);
    let lines = events.iter();
    let lines = lines.map(|event| format!("{{\"create\":{{}}}}\n{event}\n"));
    http::bulk(&format!("{}/{log}", recorded.url), lines.collect()).await;
    log
}

/// Returns the values of the field `field` in all records of the command's JSON output.
fn column(records: &Value, field: &str) -> Vec<Value> {
    let records = records.as_array().unwrap().iter();
    records.map(|record| record[field].clone()).collect()
}

#[tokio::test]
async fn the_authenticated_user_of_each_record_is_shown_and_contradictions_are_marked() {
    let recorded = Recorded::new("witnessed", true).await;
    let operations = [
        recorded.write("a", "acme").await,
        recorded.write("a", "acme").await,
        recorded.write("a", "acme").await,
        recorded.delete("a").await,
    ];
    let mut records: Vec<_> = operations.iter().map(|one| recorded.record(one)).collect();
    // The writer of the third record falsely states that the cluster authenticated `alice`.
    records[2].1["authenticated_by"] = "alice".into();
    recorded.append(&records).await;
    // The audit log of this test lacks the event of the second write. The audit log also contains
    // two events that match no record, one for another index and one for another version of a
    // document.
    let mut events: Vec<Value> = [(0, "alice"), (2, "mallory"), (3, "eve")]
        .into_iter()
        .map(|(number, user)| event(&recorded.index, &records[number].1, user))
        .collect();
    events.push(event("another", &records[1].1, "mallory"));
    let mut other_version = records[1].1.clone();
    other_version["version"] = 17.into();
    events.push(event(&recorded.index, &other_version, "mallory"));
    let log = append(&recorded, &events).await;

    let ran = recorded.history(&["-o", "json", "--audit-log", &log]).ok();
    let told = ran.json();
    let users = [json!("alice"), Value::Null, json!("mallory"), json!("eve")];
    assert_eq!(column(&told, "authenticated_by"), users);
    let witnessed = [true, false, true, true].map(Value::from);
    assert_eq!(column(&told, "witnessed"), witnessed);
    let claim =
        |user: &str| format!("the writer claims to be alice, and the cluster authenticated {user}");
    let stated =
        "the record states that the cluster authenticated alice, and the audit log names mallory";
    let contradictions = [
        Value::Null,
        Value::Null,
        json!([claim("mallory"), stated]),
        json!([claim("eve")]),
    ];
    assert_eq!(column(&told, "contradictions"), contradictions);
    assert!(
        ran.stderr.contains("names the user of 3 of 4 operations"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("in 2 of 4 operations"),
        "{}",
        ran.stderr
    );

    let table = recorded.history(&["--audit-log", &log]).ok().stdout;
    let marked = "alice (CONTRADICTED: authenticated as mallory)";
    assert_eq!(table.matches(marked).count(), 1, "{table}");
    assert_eq!(table.matches("CONTRADICTED").count(), 2, "{table}");
    let csv = recorded
        .history(&["-o", "csv", "--audit-log", &log])
        .ok()
        .stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",witnessed,contradictions"), "{csv}");
    assert!(lines[1].ends_with(",true,"), "{csv}");
    assert!(lines[2].ends_with(",false,"), "{csv}");
    let both = format!("{}; {stated}", claim("mallory"));
    assert!(lines[3].contains(&both), "{csv}");

    // `history --by` must also find the operations of a user who falsely stated another author.
    for (by, versions) in [
        ("mallory", vec![3]),
        ("eve", vec![4]),
        ("alice", vec![1, 2, 3, 4]),
    ] {
        let found = recorded.history(&["-o", "json", "--audit-log", &log, "--by", by]);
        assert_eq!(
            column(&found.ok().json(), "version"),
            json!(versions).as_array().unwrap()[..],
            "{by}"
        );
    }
    // Without the audit log, `history --by` can search only for the names in the records.
    let told = recorded
        .history(&["-o", "json", "--by", "mallory"])
        .ok()
        .json();
    assert_eq!(told, json!([]));
}

/// Starts a mock server with a history of one record, which responds to a search in the audit log
/// with the response `log`.
async fn served(log: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    let record = json!({
        "@timestamp": "2026-11-27T14:03:00Z", "kind": "created", "directive": "a",
        "index_uuid": "I", "history_uuid": "H", "primary_term": 1, "seq_no": 0, "version": 1,
        "by": "alice", "recorded_at": "2026-11-27T14:03:00Z", "recorded_by": "test",
    });
    let hit = json!({"_id": "1", "_seq_no": 0, "_source": record, "sort": [1]});
    let history = json!({
        "timed_out": false, "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": 1, "relation": "eq"}, "hits": [hit]},
    });
    Mock::given(method("POST"))
        .and(path("/directives-history/_search"))
        .respond_with(ResponseTemplate::new(200).set_body_json(history))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path_regex(format!("^/{LOG}.*/_search$")))
        .respond_with(log)
        .mount(&server)
        .await;
    server
}

async fn history(server: &MockServer, args: &[&str]) -> crate::support::command::Ran {
    let (url, args) = (server.uri(), [&["history", "-o", "json"], args].concat());
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let run = move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&url, "directives", &args)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn log(total: u64, failed: u64, hits: &Value) -> ResponseTemplate {
    let count = hits.as_array().unwrap().len();
    ResponseTemplate::new(200).set_body_json(json!({
        "timed_out": false, "_shards": {"total": total, "failed": failed},
        "hits": {"total": {"value": count}, "hits": hits},
    }))
}

#[tokio::test]
async fn an_audit_log_that_cannot_be_read_witnesses_nothing() {
    let error = json!({"type": "security_exception", "reason": "no permissions"});
    let refused = ResponseTemplate::new(403).set_body_json(json!({"error": error, "status": 403}));
    for (name, response, says) in [
        ("refused", refused, "no permissions"),
        ("missing", log(0, 0, &json!([])), "no index has this name"),
    ] {
        let server = served(response).await;
        let ran = history(&server, &[]).await.ok();
        assert_eq!(ran.json()[0].get("witnessed"), None, "{name}");
        assert_eq!(ran.stderr, "", "{name}");
        // If `--audit-log` names an audit log that the command cannot read, the command must fail.
        let ran = history(&server, &["--audit-log", LOG]).await;
        assert_eq!(ran.code, 11, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{name}: {}", ran.stderr);
    }
    // If an audit log exists and the command can read only a part of it, the command must fail even
    // without `--audit-log`.
    for (name, response, code) in [
        ("incomplete", log(2, 1, &json!([])), 11),
        ("busy", ResponseTemplate::new(503), 4),
    ] {
        let ran = history(&served(response).await, &[]).await;
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("the audit log security-auditlog-*"),
            "{}",
            ran.stderr
        );
    }
}

#[tokio::test]
async fn the_records_are_read_once_for_the_operations_of_a_user() {
    let record = json!({"@timestamp": "2026-11-27T14:03:00.2Z", "kind": "created",
        "directive": "a", "version": 1});
    let hit = json!({"_source": event("directives", &record, "mallory"), "sort": [1]});
    let forbidden = ResponseTemplate::new(403)
        .set_body_json(json!({"error": {"type": "security_exception"}, "status": 403}));
    for (audit_log, args, author) in [
        (
            log(1, 0, &json!([hit])),
            &["--by", "mallory"][..],
            json!("mallory"),
        ),
        (
            log(1, 0, &json!([hit])),
            &["--by", "alice"],
            json!("mallory"),
        ),
        (forbidden.clone(), &["--by", "alice"], Value::Null),
        (forbidden, &["--by", "alice", "--no-audit-log"], Value::Null),
    ] {
        let server = served(audit_log).await;
        let found = history(&server, args).await.ok().json();
        assert_eq!(column(&found, "authenticated_by"), [author], "{args:?}");
        let requests = server.received_requests().await.unwrap();
        let reads = |prefix: &str| {
            let paths = requests.iter().map(|request| request.url.path());
            paths.filter(|path| path.starts_with(prefix)).count()
        };
        assert_eq!(reads("/directives-history/_search"), 1, "{args:?}");
        assert_eq!(reads("/security-") == 0, args.contains(&"--no-audit-log"));
    }
}

#[tokio::test]
async fn the_audit_log_with_the_default_name_is_read_without_a_flag() {
    let wrong = json!({"_source": {"audit_category": "COMPLIANCE_DOC_WRITE"}, "sort": [1]});
    let record = json!({"@timestamp": "2026-11-27T14:03:00.2Z", "kind": "created",
        "directive": "a", "version": 1});
    let right = json!({"_source": event("directives", &record, "mallory"), "sort": [2]});
    let other = json!({"_source": event("directives-2", &record, "eve"), "sort": [3]});
    let server = served(log(1, 0, &json!([wrong, right, other]))).await;
    let ran = history(&server, &[]).await.ok();
    assert_eq!(ran.json()[0]["authenticated_by"], "mallory");
    assert_eq!(ran.json()[0]["witnessed"], true);
    assert!(
        ran.stderr.contains("warning: in 1 of 1 operations"),
        "{}",
        ran.stderr
    );
    let requests = server.received_requests().await.unwrap();
    let search = requests
        .iter()
        .find(|one| one.url.path().starts_with("/security-"));
    let body: Value = serde_json::from_slice(&search.unwrap().body).unwrap();
    let period = json!({"gte": "2026-11-27T13:58:00Z", "lte": "2026-11-27T14:08:00Z"});
    assert_eq!(
        body["query"]["bool"]["filter"][2]["range"]["@timestamp"], period,
        "{body}"
    );
}
