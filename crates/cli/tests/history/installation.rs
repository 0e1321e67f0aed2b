//! Tests that `init --history` creates an append-only data stream with a retention period, and
//! refuses an existing data stream that permits edits.

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{records, with_history};
use crate::support::command::run;
use crate::support::http;
use crate::support::node::{shared_url, unique_index};

#[tokio::test]
async fn the_history_refuses_every_edit_and_deletion_of_a_record() {
    let url = shared_url();
    let index = with_history(&url, "append");
    run(
        &url,
        &index,
        &["apply", "one", "--level", "Shape", "--tenant", "acme"],
    )
    .ok();
    let before = records(&url, &index).await;
    let (_, found) = http::get(&format!(
        "{url}/{index}-history/_search?seq_no_primary_term=true"
    ))
    .await;
    let hit = &found["hits"]["hits"][0];
    let (backing, id) = (
        hit["_index"].as_str().unwrap(),
        hit["_id"].as_str().unwrap(),
    );
    let version = format!(
        "if_seq_no={}&if_primary_term={}",
        hit["_seq_no"], hit["_primary_term"]
    );
    let other = json!({ "@timestamp": "2030-01-01T00:00:00Z", "by": "mallory" });
    let script = json!({ "script": "ctx._source.by = 'mallory'" });
    for (verb, at, body) in [
        (
            "PUT",
            format!("{backing}/_doc/{id}?{version}"),
            Some(&other),
        ),
        ("PUT", format!("{backing}/_doc/{id}"), Some(&other)),
        ("POST", format!("{backing}/_update/{id}"), Some(&script)),
        ("DELETE", format!("{backing}/_doc/{id}?{version}"), None),
        (
            "POST",
            format!("{index}-history/_update_by_query"),
            Some(&script),
        ),
        (
            "POST",
            format!("{index}-history/_delete_by_query?q=*"),
            None,
        ),
        ("PUT", format!("{index}-history/_create/{id}"), Some(&other)),
    ] {
        let (status, response) = http::send(verb, &format!("{url}/{at}"), body).await;
        assert!(
            matches!(status, 400 | 409),
            "{verb} {at}: {status} {response}"
        );
    }
    let off = json!({ "index.append_only.enabled": false });
    let (status, _) = http::put(&format!("{url}/{backing}/_settings"), &off).await;
    assert_eq!(status, 400);
    let unknown = json!({ "@timestamp": "2030-01-01T00:00:00Z", "surprise": 1 });
    let at = format!("{url}/{index}-history/_doc?op_type=create");
    assert_eq!(http::send("POST", &at, Some(&unknown)).await.0, 400);
    assert_eq!(records(&url, &index).await, before);
}

#[tokio::test]
async fn init_repeats_keeps_and_verifies_the_history() {
    let url = shared_url();
    let index = unique_index("repeat");
    let lines = |args: &[&str]| -> Vec<String> {
        let ran = run(&url, &index, &[&["init", "--history"], args].concat()).ok();
        let lines = ran.stdout.lines().filter(|line| line.contains("history"));
        lines
            .map(|line| {
                line.split_whitespace()
                    .take(3)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    };
    let planned = lines(&["--dry-run"]);
    assert!(
        planned.contains(&"create the history".to_owned()),
        "{planned:?}"
    );
    assert_eq!(http::get(&format!("{url}/{index}-history")).await.0, 404);
    assert_eq!(
        lines(&[]),
        ["create history template", "create history stream"]
    );
    assert_eq!(lines(&[]), ["keep history template", "keep history stream"]);
    let doctor = run(&url, &index, &["doctor"]);
    let text = format!("history: {index}-history is append-only");
    assert!(doctor.stdout.contains(&text), "{}", doctor.stdout);
    assert!(
        doctor.stdout.contains("no Index State Management"),
        "{}",
        doctor.stdout
    );
}

#[tokio::test]
async fn init_changes_the_template_of_an_existing_history_and_keeps_its_values() {
    let url = shared_url();
    let index = with_history(&url, "template");
    let installed = async || {
        let at = format!("{url}/_index_template/{index}-history");
        let (_, found) = http::get(&at).await;
        let template = &found["index_templates"][0]["index_template"];
        let replicas = &template["template"]["settings"]["index"]["number_of_replicas"];
        (template["priority"].clone(), replicas.clone())
    };
    assert_eq!(installed().await, (json!(500), Value::Null));
    for (args, step) in [
        (
            &["--template-priority", "700", "--replicas", "0"][..],
            "update history template",
        ),
        (&[], "keep history template"),
    ] {
        let ran = run(&url, &index, &[&["init", "--history"], args].concat()).ok();
        let found = ran.stdout.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().take(3).collect();
            words.join(" ") == step
        });
        assert!(found, "{step}: {}", ran.stdout);
        assert_eq!(installed().await, (json!(700), json!("0")), "{args:?}");
    }
}

#[tokio::test]
async fn a_stream_that_permits_edits_is_refused() {
    let url = shared_url();
    let index = unique_index("editable");
    let theirs = json!({
        "index_patterns": [format!("{index}-*")], "data_stream": {}, "priority": 900,
        "template": { "settings": { "index.number_of_shards": 1 } },
    });
    let template = format!("{url}/_index_template/{index}-theirs");
    assert_eq!(http::put(&template, &theirs).await.0, 200);
    let ran = run(&url, &index, &["init", "--history"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for part in ["index.append_only.enabled", "higher priority"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    // `init` must also refuse an ordinary index that has the name of the data stream. The test
    // deletes the data stream before its templates, because OpenSearch does not delete a template
    // that a data stream uses.
    for at in [
        format!("_data_stream/{index}-history"),
        format!("_index_template/{index}-theirs"),
        format!("_index_template/{index}-history"),
    ] {
        let (status, response) = http::send("DELETE", &format!("{url}/{at}"), None).await;
        assert_eq!(status, 200, "{at}: {response}");
    }
    http::put(&format!("{url}/{index}-history"), &json!({})).await;
    let ran = run(&url, &index, &["init", "--history"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("an ordinary index"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_retention_needs_index_state_management() {
    let url = shared_url();
    let index = unique_index("retention");
    let ran = run(&url, &index, &["init", "--history", "--retention", "400d"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    for part in ["no Index State Management", "_rollover"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(http::get(&format!("{url}/{index}-history")).await.0, 404);
    let usage = run(&url, &index, &["init", "--retention", "400d"]);
    assert_eq!(usage.code, 2, "{}", usage.stderr);
}

/// Tests the requests that install the retention policy, with a mock server, because the nodes of
/// the tests have no Index State Management.
#[tokio::test]
async fn the_policy_is_created_before_the_stream_and_attached_to_an_existing_one() {
    let missing = MockServer::start().await;
    let retention = ["init", "--dry-run", "--history", "--retention", "400d"];
    respond(
        &missing,
        "/_plugins/_ism/policies/directives-history",
        404,
        json!({
            "error": { "type": "status_exception", "reason": "Policy not found" }, "status": 404,
        }),
    )
    .await;
    let plan = run(&missing.uri(), "directives", &retention).ok().stdout;
    let policy = plan
        .find("PUT /_plugins/_ism/policies/directives-history")
        .unwrap();
    let stream = plan.find("PUT /_data_stream/directives-history").unwrap();
    assert!(policy < stream, "{plan}");
    assert!(plan.contains("\"min_rollover_age\": \"400d\""), "{plan}");
    assert!(!plan.contains("_ism/add"), "{plan}");

    // The mock server responds that one backing index of the data stream has version 7 of the
    // policy, and that the other backing index has no policy.
    let existing = MockServer::start().await;
    let index = json!({
        "settings": { "index.append_only.enabled": "true", "index.number_of_shards": "1" },
        "mappings": { "dynamic": "strict" },
    });
    let (one, two) = (
        ".ds-directives-history-000001",
        ".ds-directives-history-000002",
    );
    respond(
        &existing,
        "/directives-history",
        200,
        json!({ one: index, two: index }),
    )
    .await;
    let explained = json!({
        one: { "policy_id": "directives-history", "policy_seq_no": 7, "policy_primary_term": 2 },
        two: { "policy_id": null },
        "total_managed_indices": 1,
    });
    respond(
        &existing,
        "/_plugins/_ism/explain/directives-history",
        200,
        explained,
    )
    .await;
    let (change, add) = (
        format!("POST /_plugins/_ism/change_policy/{one}"),
        format!("POST /_plugins/_ism/add/{two}"),
    );
    for (installed_age, seq_no, is_changed) in
        [("90d", 7, true), ("400d", 7, false), ("400d", 9, true)]
    {
        let transitions = json!([{ "conditions": { "min_rollover_age": installed_age } }]);
        let policy = json!({
            "_seq_no": seq_no, "_primary_term": 2,
            "policy": { "states": [{ "transitions": transitions }] },
        });
        let policy = ResponseTemplate::new(200).set_body_json(policy);
        let at = path("/_plugins/_ism/policies/directives-history");
        let _policy = Mock::given(at)
            .respond_with(policy)
            .mount_as_scoped(&existing)
            .await;
        let plan = run(&existing.uri(), "directives", &retention).ok().stdout;
        let put = "PUT /_plugins/_ism/policies/directives-history?if_seq_no=7&if_primary_term=2";
        assert_eq!(plan.contains(put), installed_age == "90d", "{plan}");
        assert_eq!(plan.contains(&change), is_changed, "{seq_no}: {plan}");
        assert!(plan.contains(&add), "{plan}");
        assert!(plan.contains("keep the history stream"), "{plan}");
    }
}

async fn respond(server: &MockServer, at: &str, status: u16, body: Value) {
    Mock::given(method("GET"))
        .and(path(at))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}
