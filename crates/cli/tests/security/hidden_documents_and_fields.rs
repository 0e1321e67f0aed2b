//! Tests roles that hide documents or fields from an agent, either at its start or later. The
//! agent's polls must fail with an error that names the reason, and the agent's published set must
//! not change.

use serde_json::{Value, json};

use crate::secured_cluster::{
    agent, apply, error_of, installed_index, put_role, role_for, user_with,
};
use crate::support::agent::Agent;

/// Applies an active directive for one tenant and a revoked directive for another tenant to the
/// index.
fn fill(index: &str) {
    let narrow = [
        "--tenant",
        "acme",
        "--sample-per-mille",
        "1000",
        "--capture",
    ];
    apply(index, "narrow", &narrow);
    apply(index, "revoked", &["--index", "secret"]);
    crate::secured_cluster::admin_runs(index, &["revoke", "revoked"]).ok();
}

/// Builds the role `reader` with the additional restriction `value` under the key `key`, such as a
/// list of hidden fields.
fn restricted(index: &str, key: &str, value: Value) -> Value {
    let mut role = role_for("reader", index);
    role["index_permissions"][0][key] = value;
    role
}

/// Lets the agent evaluate a search of a tenant, and returns the level in the agent's decision.
async fn level(agent: &Agent, tenant: &str) -> String {
    let question = json!({ "tenant": tenant, "index": "orders", "principal": "p",
        "endpoint": "Search", "request_id": "r" });
    agent.evaluate(&question).await["level"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Restricts the role of a running agent, and checks that the agent's polls fail with the expected
/// reason until the test removes the restriction.
async fn hide_under_a_running_agent(prefix: &str, key: &str, value: Value, expected: &str) {
    let index = installed_index(prefix).await;
    fill(&index);
    let user = user_with(&role_for("reader", &index)).await;
    let agent = agent(&user, &index);
    agent
        .status_when("it is published", |status| status["directives"] == 1)
        .await;
    assert_eq!(level(&agent, "acme").await, "Shape");
    put_role(&user, &restricted(&index, key, value)).await;
    // The test changes the index, because the agent's polls of an unchanged index read no documents
    // until the next reconcile.
    apply(&index, "later", &["--tenant", "initech"]);
    let status = agent
        .status_when("a poll says why it fails", |status| {
            error_of(status).contains(expected)
        })
        .await;
    assert_eq!(status["directives"], 1, "{status:#}");
    assert_eq!(level(&agent, "acme").await, "Shape");
    assert_eq!(level(&agent, "globex").await, "Off");
    // The agent's polls must succeed again after the test has removed the restriction of the role.
    put_role(&user, &role_for("reader", &index)).await;
    agent
        .status_when("it recovers", |status| status["directives"] == 2)
        .await;
}

/// Starts an agent with a restricted role, and checks that the agent publishes nothing and reports
/// the reason `expected`.
async fn hide_before_the_start(prefix: &str, key: &str, value: Value, expected: &str) {
    let index = installed_index(prefix).await;
    fill(&index);
    let user = user_with(&restricted(&index, key, value)).await;
    let agent = agent(&user, &index);
    let status = agent
        .status_when("a poll says why it fails", |status| {
            error_of(status).contains(expected)
        })
        .await;
    assert_eq!(status["revision"], Value::Null, "{status:#}");
    assert_eq!(level(&agent, "globex").await, "Off");
}

const FIELD_LEVEL: &str = "field-level security";
const DOCUMENT_LEVEL: &str = "document-level security";

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn hidden_fields_fail_the_polls_of_a_running_agent() {
    for (prefix, key, fields) in [
        ("fls-tenant", "fls", json!(["~tenant"])),
        ("fls-revoked", "fls", json!(["~revoked", "~revoked_at"])),
        ("fls-only", "fls", json!(["level", "expires_at", "capture"])),
        ("fls-masked", "masked_fields", json!(["tenant"])),
    ] {
        hide_under_a_running_agent(prefix, key, fields, FIELD_LEVEL).await;
    }
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn hidden_fields_fail_the_first_read() {
    for (prefix, fields) in [
        ("fls-first", json!(["~tenant"])),
        ("fls-targets", json!(["~targets"])),
        ("fls-sample", json!(["~sample_per_mille", "~revoked_at"])),
    ] {
        hide_before_the_start(prefix, "fls", fields, FIELD_LEVEL).await;
    }
}

/// Starts an agent with a role that hides or masks fields and does not permit the agent to read the
/// mapping. Checks that the agent rejects the documents, and that each rejection states the reason
/// `expected`.
async fn reject_at_the_start(prefix: &str, key: &str, value: Value, expected: &str) {
    let index = installed_index(prefix).await;
    fill(&index);
    let mut role = restricted(&index, key, value);
    let actions = &mut role["index_permissions"][0]["allowed_actions"];
    let actions = actions.as_array_mut().unwrap();
    actions.retain(|action| action != "indices:admin/mappings/get");
    let agent = agent(&user_with(&role).await, &index);
    let status = agent
        .status_when("it has polled", |status| {
            status["last_error"].is_string() || status["last_success"].is_string()
        })
        .await;
    let rejected = status["rejected"].to_string();
    assert!(rejected.contains(expected), "{status:#}");
    assert_eq!(status["directives"], 0, "{status:#}");
    for tenant in ["acme", "globex"] {
        assert_eq!(level(&agent, tenant).await, "Off", "{tenant}");
    }
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn without_the_mapping_documents_with_hidden_fields_are_rejected() {
    reject_at_the_start("fls-rejected", "fls", json!(["~tenant"]), FIELD_LEVEL).await;
}

/// The agent must reject a document with a masked target, so that field masking never makes a
/// directive match more requests.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn documents_with_masked_fields_are_rejected() {
    let masked = json!(["tenant"]);
    reject_at_the_start("masked", "masked_fields", masked, "field masking").await;
}

/// A revoked directive must stay revoked for an agent whose role hides `revoked_at`, because the
/// field `revoked` also shows the revocation.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn a_hidden_time_of_revocation_brings_no_directive_back() {
    let index = installed_index("fls-revoked-at").await;
    fill(&index);
    let role = restricted(&index, "fls", json!(["~revoked_at"]));
    let agent = agent(&user_with(&role).await, &index);
    let status = agent
        .status_when("it is published", |status| status["revision"].is_object())
        .await;
    assert_eq!(status["directives"], 1, "{status:#}");
    assert_eq!(status["rejected"], json!([]), "{status:#}");
    assert_eq!(level(&agent, "acme").await, "Shape");
    assert_eq!(level(&agent, "globex").await, "Off");
}

/// Returns a query as JSON in a string that restricts a role to the documents of one tenant.
fn only_of(tenant: &str) -> Value {
    json!({ "term": { "tenant": tenant } }).to_string().into()
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn hidden_documents_fail_the_polls_of_a_running_agent() {
    for (prefix, tenant) in [("dls-all", "nobody"), ("dls-some", "acme")] {
        hide_under_a_running_agent(prefix, "dls", only_of(tenant), DOCUMENT_LEVEL).await;
    }
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn hidden_documents_fail_the_first_read() {
    hide_before_the_start("dls-first", "dls", only_of("nobody"), DOCUMENT_LEVEL).await;
}
