//! Tests that each verb that writes adds a record to the history. If the command cannot record a
//! write, the write must succeed and the command must print a warning.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::{block, records, with_history};
use crate::support::command::{Ran, run, words};
use crate::support::forwarding_proxy::{pass, serve};
use crate::support::node::{installed_index, shared_url};
use crate::support::{http, instant};

/// Returns the values of the fields `names` in each record.
fn fields(records: &[(String, Value)], names: &[&str]) -> Vec<Vec<Value>> {
    let of = |record: &Value| names.iter().map(|name| record[name].clone()).collect();
    records.iter().map(|(_, record)| of(record)).collect()
}

#[tokio::test]
async fn p14_each_verb_leaves_a_record_of_its_operation() {
    let url = shared_url();
    let index = with_history(&url, "verbs");
    let run = |text: &str| -> Ran {
        let ran = run(&url, &index, &words(text)).ok();
        assert_eq!(ran.stderr, "", "{text}");
        ran
    };
    let apply = "apply one --tenant acme --ttl 1h --ticket INC-1 --yes --author";
    run(&format!("{apply} alice --level Shape --reason slow"));
    run(&format!("{apply} alice --level Shape --reason slow"));
    run(&format!(
        "{apply} bob --level ShapeTiming --reason slow --replace"
    ));
    run("extend one --by 1h --author carol");
    run("edit one --set sample_per_mille=100 --author dave");
    run("revoke one --reason found --author bob");
    run(&format!(
        "{apply} alice --level ShapeTiming --reason again --replace --reactivate"
    ));
    let stored = http::get(&format!("{url}/{index}/_doc/one")).await.1;
    run("delete one --yes --reason obsolete --author carol");

    let records = records(&url, &index).await;
    let expected = [
        ("created", 0, 1, json!("alice"), json!("slow")),
        ("widened", 1, 2, json!("bob"), json!("slow")),
        ("extended", 2, 3, json!("carol"), json!("slow")),
        ("narrowed", 3, 4, json!("dave"), json!("slow")),
        ("revoked", 4, 5, json!("bob"), json!("found")),
        ("reactivated", 5, 6, json!("alice"), json!("again")),
        ("deleted", 6, 7, json!("carol"), json!("obsolete")),
    ]
    .map(|(kind, seq_no, version, by, reason)| {
        vec![json!(kind), json!(seq_no), json!(version), by, reason]
    });
    let names = ["kind", "seq_no", "version", "by", "reason"];
    assert_eq!(fields(&records, &names), expected);

    // Each record contains the identity of the operation, the document after the operation, and the
    // names of the changed fields.
    let (id, reactivated) = &records[5];
    assert_eq!(reactivated["document"], stored["_source"]);
    assert_eq!(
        instant(&reactivated["@timestamp"]),
        instant(&stored["_source"]["updated_at"])
    );
    assert_eq!(reactivated["ticket"], "INC-1");
    let settings = http::get(&format!("{url}/{index}/_settings?flat_settings=true")).await;
    let uuid = &settings.1[&index]["settings"]["index.uuid"];
    assert_eq!(reactivated["index_uuid"], *uuid);
    let history = reactivated["history_uuid"].as_str().unwrap();
    assert_eq!(*id, format!("{}.{history}.1.5", uuid.as_str().unwrap()));
    let recorder = reactivated["recorded_by"].as_str().unwrap();
    assert!(recorder.starts_with("command "), "{recorder}");
    let changed = fields(&records, &["changed"]);
    assert_eq!(changed[0], [json!([])]);
    assert_eq!(changed[1], [json!(["expires_at", "level"])]);
    assert_eq!(changed[3], [json!(["sample_per_mille"])]);
    assert!(records[6].1.get("document").is_none());
}

#[tokio::test]
async fn a_prune_and_a_write_of_many_directives_are_recorded() {
    let url = shared_url();
    let index = with_history(&url, "many");
    let expired = (0..3).map(|number| {
        format!(r#"{{"id":"d{number}","level":"Shape","tenant":"acme","ttl_secs":1,"reason":"r"}}"#)
    });
    let lines: Vec<String> = expired.collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    let path = file.path().to_str().unwrap();
    let ran = run(&url, &index, &["apply", "-f", path, "-o", "json"]).ok();
    let history = &ran.json()["history"];
    assert_eq!(history["recorded"], 3, "{history}");
    assert_eq!(history["unrecorded"], json!([]));
    let ended = async || {
        let args = words("prune --ended-before 1ms --yes --reason retention -o json");
        run(&url, &index, &args).ok().json()["history"]["recorded"].clone()
    };
    let pruned = crate::support::eventually::eventually("they expire", ended, |count| {
        count.as_u64() == Some(3)
    });
    pruned.await;
    let records = records(&url, &index).await;
    let kinds: Vec<&str> = records
        .iter()
        .map(|(_, record)| record["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..3], ["created"; 3]);
    assert_eq!(kinds[3..], ["deleted"; 3]);
    assert_eq!(records[5].1["reason"], "retention");
}

#[tokio::test]
async fn p14_a_write_that_cannot_be_recorded_succeeds_with_a_warning() {
    let url = shared_url();
    let index = with_history(&url, "blocked");
    block(&url, &index, true).await;
    let ran = run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme"),
    )
    .ok();
    assert!(ran.stdout.starts_with("created one "), "{}", ran.stdout);
    for part in ["warning: 1 of the writes", "one: ", "blocked"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let ran = run(&url, &index, &words("revoke one -o json")).ok();
    let unrecorded = &ran.json()["history"]["unrecorded"];
    assert_eq!(unrecorded[0]["id"], "one", "{unrecorded}");
    block(&url, &index, false).await;
    assert_eq!(records(&url, &index).await, []);
}

#[tokio::test]
async fn an_index_without_a_history_gets_none_by_a_write() {
    let url = shared_url();
    let index = installed_index(&url, "plain").await;
    let ran = run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme -o json"),
    );
    let ran = ran.ok();
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.json().get("history"), None);
    let (status, _) = http::get(&format!("{url}/{index}-history")).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_is_not_called_unrecorded() {
    let node = shared_url();
    let index = installed_index(&node, "unwritten").await;
    // The proxy lets two requests of the command fail, the write of the directive and the check
    // whether the index has a history.
    let forward = {
        let node = node.clone();
        async move |request: Request| {
            let path = request.uri().path().to_owned();
            if path.ends_with("/_bulk") || path.starts_with("/_data_stream") {
                return (StatusCode::BAD_GATEWAY, "<html>502</html>").into_response();
            }
            pass(&node, request).await
        }
    };
    let url = serve(Router::new().fallback(forward)).await;
    let args = words("apply one --level Shape --tenant acme");
    let ran = tokio::task::block_in_place(|| run(&url, &index, &args));
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    assert!(!ran.stderr.contains("not recorded"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("were written"), "{}", ran.stderr);
}
