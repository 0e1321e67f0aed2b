//! Tests that no role permits a user to change or remove a record of the history with any API of
//! OpenSearch. Also tests that the history is still intact after requests of users with each role
//! to change or remove a record.

use serde_json::{Value, json};
use test_support::secured_node::{ADMIN, ADMIN_PASSWORD};

use crate::secured_cluster::{PASSWORD, ROLES, admin, admin_runs, role_for, send_as, user_with};
use crate::support::node::unique_index;

/// Returns the method, the path and the body of requests that would edit, delete or replace the
/// record with the given id.
fn attacks(stream: &str, backing: &str, id: &str) -> Vec<(&'static str, String, Value)> {
    let edited = json!({ "@timestamp": "2030-01-01T00:00:00Z", "kind": "created" });
    let bulk = |action: &str, index: &str, document: Option<Value>| {
        let mut lines = json!({ action: { "_index": index, "_id": id } }).to_string();
        lines.push('\n');
        if let Some(document) = document {
            lines.push_str(&document.to_string());
            lines.push('\n');
        }
        Value::from(lines)
    };
    let partial = json!({ "doc": { "by": "nobody" } });
    let all = json!({ "query": { "match_all": {} } });
    let off = json!({ "index.append_only.enabled": false });
    let mut attacks = vec![
        ("DELETE", format!("/_data_stream/{stream}"), Value::Null),
        ("DELETE", format!("/{backing}"), Value::Null),
        ("PUT", format!("/{backing}/_settings"), off.clone()),
        ("POST", format!("/{backing}/_close"), Value::Null),
        (
            "POST",
            format!("/{backing}/_clone/{stream}-clone"),
            json!({ "settings": off }),
        ),
        ("POST", format!("/{stream}/_delete_by_query"), all.clone()),
        ("POST", format!("/{stream}/_update_by_query"), all),
        ("DELETE", format!("/_index_template/{stream}"), Value::Null),
    ];
    for index in [stream, backing] {
        attacks.extend([
            ("PUT", format!("/{index}/_doc/{id}"), edited.clone()),
            (
                "PUT",
                format!("/{index}/_doc/{id}?op_type=create"),
                edited.clone(),
            ),
            ("POST", format!("/{index}/_update/{id}"), partial.clone()),
            ("DELETE", format!("/{index}/_doc/{id}"), Value::Null),
            (
                "POST",
                "/_bulk".to_owned(),
                bulk("index", index, Some(edited.clone())),
            ),
            (
                "POST",
                "/_bulk".to_owned(),
                bulk("update", index, Some(partial.clone())),
            ),
            ("POST", "/_bulk".to_owned(), bulk("delete", index, None)),
        ]);
    }
    attacks
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn no_role_can_change_or_remove_a_record_of_the_history() {
    let index = unique_index("append-only");
    admin_runs(&index, &["init", "--history"]).ok();
    let apply = ["apply", "one", "--level", "Shape", "--tenant", "acme"];
    admin_runs(&index, &[&apply[..], &["--reason", "test"]].concat()).ok();
    let stream = format!("{index}-history");
    let search = format!("/{stream}/_search?seq_no_primary_term=true");
    let hits = async || admin("POST", &search, Some(&json!({}))).await["hits"]["hits"].take();
    let before = hits().await;
    assert_eq!(before.as_array().unwrap().len(), 1, "{before:#}");
    let (backing, id) = (&before[0]["_index"], &before[0]["_id"]);
    let (backing, id) = (backing.as_str().unwrap(), id.as_str().unwrap());
    for role in ROLES {
        let user = user_with(&role_for(role, &index)).await;
        for (method, path, body) in attacks(&stream, backing, id) {
            let body = Some(&body).filter(|body| !body.is_null());
            let (status, response) = send_as((&user, PASSWORD), method, &path, body).await;
            let is_refused = status >= 400 || response["errors"] == true;
            assert!(is_refused, "{role}: {method} {path} {body:?}: {response:#}");
        }
    }
    // Even the administrator, who may write to the history's data stream, must not be able to edit
    // or delete a record.
    for (method, path, body) in attacks(&stream, backing, id) {
        let edits = path.contains("/_doc/") || path.contains("_update") || path.contains("_bulk");
        if edits {
            let body = Some(&body).filter(|body| !body.is_null());
            let login = (ADMIN, ADMIN_PASSWORD);
            let (status, response) = send_as(login, method, &path, body).await;
            let is_refused = status >= 400 || response["errors"] == true;
            assert!(is_refused, "{method} {path} {body:?}: {response:#}");
        }
    }
    assert_eq!(hits().await, before);
    let verified = admin_runs(&index, &["history", "verify", "--wait", "1ms"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}
