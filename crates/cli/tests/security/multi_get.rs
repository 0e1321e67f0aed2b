//! Tests a role that permits `_mget` as a request, but does not permit reading any document with
//! `_mget`. The cluster then responds to `_mget` with status 200, and with a `security_exception`
//! for each document.

use serde_json::Value;

use crate::secured_cluster::{
    admin_runs, agent, apply, applying, installed_index, role_for, run, user_with,
};

/// Returns the role without the permission that `_mget` needs on each shard.
fn without_multi_get(role: &str, index: &str) -> Value {
    let mut role = role_for(role, index);
    let mut removed = 0;
    for permissions in role["index_permissions"].as_array_mut().unwrap() {
        let actions = permissions["allowed_actions"].as_array_mut().unwrap();
        let before = actions.len();
        actions.retain(|action| action != "indices:data/read/mget*");
        removed += before - actions.len();
    }
    assert_eq!(removed, 1, "only the index of directives needs it");
    role
}

/// If the role does not permit reading a document, the command must not treat this document as
/// absent. If the command wrote the document as a new one, the existing `created_by` would be lost.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn apply_fails_and_loses_nothing_if_it_may_not_read_the_replaced_document() {
    let index = installed_index("mget-apply").await;
    apply(&index, "a", &["--author", "alice"]);
    let user = user_with(&without_multi_get("operator", &index)).await;
    let again = [&applying("a")[..], &["--author", "bob"]].concat();
    let ran = run(&user, &index, &again);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("indices:data/read/mget"),
        "{}",
        ran.stderr
    );
    let get = ["get", "a", "--output", "json"];
    let stored = admin_runs(&index, &get).ok().json();
    assert!(stored.to_string().contains("alice"), "{stored:#}");
    assert!(!stored.to_string().contains("bob"), "{stored:#}");
}

/// The agent must notice a deletion although it cannot use `_mget`, and its status must name the
/// missing permission.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_agent_sees_a_deletion_although_it_may_not_read_documents_by_id() {
    let index = installed_index("mget-agent").await;
    apply(&index, "a", &[]);
    apply(&index, "b", &[]);
    let user = user_with(&without_multi_get("reader", &index)).await;
    let agent = agent(&user, &index);
    let directives = |status: &Value| status["directives"].as_u64();
    agent
        .status_when("both are published", |s| directives(s) == Some(2))
        .await;
    crate::secured_cluster::admin("DELETE", &format!("/{index}/_doc/a?refresh=true"), None).await;
    let status = agent
        .status_when("one is gone", |s| directives(s) == Some(1))
        .await;
    assert!(status.to_string().contains("_mget"), "{status:#}");
}
