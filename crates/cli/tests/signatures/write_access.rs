//! Tests that a user who may write to the index cannot make an agent with trusted keys record more.

use serde_json::{Value, json};

use super::{SHAPE, Site, applied, rejected};

#[tokio::test]
async fn write_access_alone_raises_nothing() {
    let site = Site::new("signed").await;
    site.keygen("alice");
    site.run(&format!("apply one {SHAPE} --sign-with alice.key"))
        .ok();
    site.run(&format!("apply two {SHAPE}")).ok();
    let agent = site.agent(&["--trusted-keys", "alice.pub"]);
    applied(&agent, 1, 1).await;
    let reason = rejected(&agent, "two").await;
    assert!(
        reason.starts_with("signatures: 0 of 1 required signers"),
        "{reason}"
    );
    let status = agent.get("/v1/status").await.1;
    assert_eq!(status["trusted_keys"].as_array().unwrap().len(), 1);
    assert_eq!(status["counters"]["signature_verifications"], 1);

    // The test changes each signed field of a directive with a direct write, and the agent must
    // reject each changed document.
    let good = site.source("one").await;
    for (field, value) in [
        ("level", json!("ShapeTiming")),
        ("tenant", json!("umbrella")),
        ("sample_per_mille", json!(999)),
        ("capture", json!(true)),
        ("expires_at", json!("2100-01-01T00:00:00Z")),
        ("starts_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut changed = good.clone();
        changed[field] = value;
        site.write("one", &changed).await;
        let reason = rejected(&agent, "one").await;
        // The changed `expires_at` exceeds the agent's maximum, so the agent rejects this document
        // before it checks the signature.
        let expected = if field == "expires_at" {
            "expires_at: "
        } else {
            "signatures: alice did not sign this"
        };
        assert!(reason.starts_with(expected), "{field}: {reason}");
        site.write("one", &good).await;
        applied(&agent, 1, 1).await;
    }
    // The agent must reject a signed document that somebody copied to another id, and a document
    // whose signature somebody removed.
    site.write("copy", &good).await;
    let reason = rejected(&agent, "copy").await;
    assert!(
        reason.starts_with("signatures: alice did not sign this"),
        "{reason}"
    );
    let mut unsigned = good.clone();
    unsigned.as_object_mut().unwrap().remove("signatures");
    site.write("one", &unsigned).await;
    let reason = rejected(&agent, "one").await;
    assert!(reason.starts_with("signatures: 0 of 1"), "{reason}");
    site.write("one", &good).await;
    applied(&agent, 1, 2).await;
    // The agent must accept a document in which somebody changed only fields without an effect on
    // proxies, such as the reason, because the signature does not cover these fields.
    let mut reworded = good.clone();
    reworded["reason"] = json!("another");
    reworded["created_at"] = json!("2020-01-01T00:00:00Z");
    site.write("one", &reworded).await;
    applied(&agent, 1, 2).await;
    let log = agent.stop();
    assert!(log.contains("did not sign this"), "{log}");
}

#[tokio::test]
async fn a_directive_is_extended_and_edited_with_a_key_and_revoked_without() {
    let site = Site::new("signed-verbs").await;
    site.keygen("alice");
    site.run(&format!("apply one {SHAPE} --sign-with alice.key"))
        .ok();
    // A second `apply --sign-with` of the same directive must change nothing.
    let again = site
        .run(&format!("apply one {SHAPE} --sign-with alice.key"))
        .ok();
    assert!(
        again.stdout.starts_with("unchanged one"),
        "{}",
        again.stdout
    );
    let agent = site.agent(&["--trusted-keys", "alice.pub"]);
    applied(&agent, 1, 0).await;
    let extended = site.run("extend one --by 1h").ok();
    assert!(
        extended.stderr.contains("no longer signed"),
        "{}",
        extended.stderr
    );
    rejected(&agent, "one").await;
    site.run("extend one --by 1h --sign-with alice.key").ok();
    applied(&agent, 1, 0).await;
    // The signature of a directive must stay valid if `edit` changes only a field that the
    // signature does not cover.
    site.run("edit one --set reason=because").ok();
    site.run("verify --trusted-keys alice.pub").ok();
    site.run("edit one --set level=ShapeTiming --replace --yes --sign-with alice.key")
        .ok();
    let level = |status: &Value| status["digest"].clone();
    let before = level(&applied(&agent, 1, 0).await);
    site.run("edit one --set sample=50% --replace --yes").ok();
    rejected(&agent, "one").await;
    let signed = site.run("sign one --yes --sign-with alice.key").ok();
    assert!(
        signed.stdout.contains("signed by alice"),
        "{}",
        signed.stdout
    );
    let after = level(&applied(&agent, 1, 0).await);
    assert_ne!(before, after);
    let signed_source = site.source("one").await;
    site.run("revoke one").ok();
    applied(&agent, 0, 0).await;
    // If somebody restores the signed document of a revoked directive, an agent that has seen the
    // revocation must reject this document.
    site.write("one", &signed_source).await;
    let reason = rejected(&agent, "one").await;
    assert!(
        reason.starts_with("revoked: false, but this proxy has seen"),
        "{reason}"
    );
}
