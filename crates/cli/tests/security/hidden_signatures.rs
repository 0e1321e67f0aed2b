//! Tests a role that hides or masks the field `signatures` from an agent that requires signatures.
//! The agent's published set must not change, and the error in the agent's status must name the
//! restriction of the role.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::secured_cluster::{
    agent_with, apply, error_of, installed_index, put_role, role_for, user_with,
};
use crate::support::agent::Agent;
use crate::support::command::directives;

/// An index with one signed directive, and the key of its signer.
struct Signed {
    index: String,
    folder: TempDir,
}

impl Signed {
    async fn new(prefix: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("alice");
        let made = directives().arg("keygen").arg(base).output().unwrap();
        assert!(made.status.success());
        let signed = Self {
            index: installed_index(prefix).await,
            folder,
        };
        signed.apply("first");
        signed
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn apply(&self, id: &str) {
        apply(&self.index, id, &["--sign-with", &self.file("alice.key")]);
    }

    fn agent(&self, user: &str) -> Agent {
        let key = self.file("alice.pub");
        agent_with(user, &self.index, &["--trusted-keys", &key])
    }

    /// Returns the role `reader` with a restriction that hides or masks the field `signatures`.
    fn restricted(&self, key: &str) -> Value {
        let mut role = role_for("reader", &self.index);
        let field = if key == "fls" {
            "~signatures"
        } else {
            "signatures"
        };
        role["index_permissions"][0][key] = json!([field]);
        role
    }
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn hidden_or_masked_signatures_fail_the_polls_of_a_running_agent() {
    for (prefix, key) in [("signed-fls", "fls"), ("signed-masked", "masked_fields")] {
        let signed = Signed::new(prefix).await;
        let user = user_with(&role_for("reader", &signed.index)).await;
        let agent = signed.agent(&user);
        agent
            .status_when("it is published", |status| status["directives"] == 1)
            .await;
        put_role(&user, &signed.restricted(key)).await;
        // The test changes the index, because the agent's polls of an unchanged index read no
        // documents.
        signed.apply("second");
        let status = agent
            .status_when("a poll says why it fails", |status| {
                error_of(status).contains("field-level security or field masking")
            })
            .await;
        assert_eq!(status["directives"], 1, "{key}: {status:#}");
        put_role(&user, &role_for("reader", &signed.index)).await;
        agent
            .status_when("it recovers", |status| status["directives"] == 2)
            .await;
    }
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn hidden_or_masked_signatures_apply_nothing_at_the_first_read() {
    let hidden = Signed::new("signed-fls-first").await;
    let user = user_with(&hidden.restricted("fls")).await;
    let agent = hidden.agent(&user);
    let status = agent
        .status_when("a poll says why it fails", |status| {
            error_of(status).contains("field-level security")
        })
        .await;
    assert_eq!(status["revision"], Value::Null, "{status:#}");

    // The agent must reject each document with masked signatures, because the mapping does not show
    // the agent that a field is masked.
    let masked = Signed::new("signed-masked-first").await;
    let user = user_with(&masked.restricted("masked_fields")).await;
    let agent = masked.agent(&user);
    let status = agent
        .status_when("it has polled", |status| {
            status["last_error"].is_string() || status["last_success"].is_string()
        })
        .await;
    assert_eq!(status["directives"], 0, "{status:#}");
    let rejected = status["rejected"].to_string();
    assert!(rejected.contains("field masking"), "{status:#}");
}
