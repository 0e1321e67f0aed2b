//! Tests a signature policy that requires two signers for some directives.

use std::fs;

use super::{SHAPE, Site, applied, rejected};

#[tokio::test]
async fn two_signers_for_what_a_policy_names() {
    let site = Site::new("two-keys").await;
    for name in ["alice", "bob", "mallory"] {
        site.keygen(name);
    }
    let policy = r#"{"rules": [{"signers": 1},
        {"for": ["capture", "everything", "above Shape"], "signers": 2, "of": ["alice", "bob"]}]}"#;
    fs::write(site.path("policy.json"), policy).unwrap();
    let all = [site.text("alice.pub"), site.text("bob.pub")].join(",");
    let agent = site.agent(&[
        "--trusted-keys",
        &all,
        "--signatures",
        "policy",
        "policy.json",
    ]);
    let wide = "--level ShapeTiming --tenant acme --ttl 1h";
    site.run(&format!("apply wide {wide} --sign-with alice.key"))
        .ok();
    site.run(&format!("apply narrow {SHAPE} --sign-with bob.key"))
        .ok();
    applied(&agent, 1, 1).await;
    let reason = rejected(&agent, "wide").await;
    assert!(
        reason.starts_with("signatures: 1 of 2 required signers"),
        "{reason}"
    );
    // The signature of mallory must not count as one of the two required signatures, because
    // mallory's key is not trusted.
    site.run("sign wide --yes --sign-with mallory.key").ok();
    let verify = format!("verify --trusted-keys {all} --signatures policy policy.json");
    let verified = site.run(&verify);
    assert_eq!(verified.code, 1);
    for text in [
        "accepted narrow: signed by bob",
        "rejected wide: signatures: 1 of 2",
        "; the key of mallory is not trusted",
    ] {
        assert!(verified.stdout.contains(text), "{}", verified.stdout);
    }
    site.run("sign wide --yes --sign-with bob.key").ok();
    applied(&agent, 2, 0).await;
    site.run(&verify).ok();
    // If the same signer signs the same content again, the document must not change. `sign` must
    // not sign a directive without the user's consent.
    let again = site.run("sign wide --yes --sign-with bob.key").ok();
    assert!(
        again.stdout.starts_with("unchanged wide"),
        "{}",
        again.stdout
    );
    let unasked = site.run("sign narrow --sign-with alice.key");
    assert_eq!(unasked.code, 2);
    assert!(unasked.stderr.contains("Sign this?"), "{}", unasked.stderr);
    // With an invalid policy file, the command must fail at once with an error that names the
    // position in the file.
    fs::write(site.path("policy.json"), "{\"rules\": [{\"signers\": 0}]}").unwrap();
    let wrong = site.run(&verify);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("rules[0].signers"),
        "{}",
        wrong.stderr
    );
}
