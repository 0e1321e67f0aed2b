//! Tests a role under which the cluster responds to an `_mget` request with status 200, but with a
//! `security_exception` in place of each document.

use serde_json::Value;

use crate::secured_cluster::{
    admin_runs, agent, apply, applying, installed_index, role_for, run, user_with,
};

/// Returns the role `role` without the permission that an `_mget` request needs on each shard.
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

/// `apply` must not treat a document as absent if the user's role does not permit the command to
/// read it. If `apply` wrote the document as a new one, the document's `created_by` would be lost.
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

/// An agent that cannot read documents with `_mget` must still notice a deletion, and the agent's
/// status must name the missing permission.
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
