//! Tests signed directives on a real node: which directives an agent with trusted keys applies, and
//! that write access to the index is not enough to make the agent record more.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::agent::Agent;
use crate::support::command::{Ran, directives, run};
use crate::support::http;
use crate::support::node::{installed_index, shared_url, unique_index};

/// An index, and a folder with the keys of its signers.
struct Site {
    url: String,
    index: String,
    folder: TempDir,
}

impl Site {
    async fn new(name: &str) -> Self {
        let url = shared_url();
        let index = installed_index(&url, name).await;
        Self {
            url,
            index,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn run(&self, args: &str) -> Ran {
        let args: Vec<String> = args
            .split_whitespace()
            .map(|word| self.word(word))
            .collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&self.url, &self.index, &args)
    }

    /// Replaces the name of a key file or a policy file with its path in the folder.
    fn word(&self, word: &str) -> String {
        let is_file = [".key", ".pub", ".json"]
            .iter()
            .any(|end| word.ends_with(end));
        if is_file {
            self.text(word)
        } else {
            word.to_owned()
        }
    }

    fn keygen(&self, name: &str) {
        let made = directives().args(["keygen", &self.text(name)]).output();
        assert!(made.unwrap().status.success());
    }

    fn agent(&self, args: &[&str]) -> Agent {
        let args: Vec<String> = args.iter().map(|word| self.word(word)).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Agent::start(&self.url, &self.index, &args)
    }

    /// Writes a document directly, without the ingest pipeline. Anybody with write access to the
    /// index can do this.
    async fn write(&self, id: &str, source: &Value) {
        let url = format!(
            "{}/{}/_doc/{id}?pipeline=_none&refresh=true",
            self.url, self.index
        );
        let (status, response) = http::put(&url, source).await;
        assert!(status < 300, "{response}");
    }

    async fn source(&self, id: &str) -> Value {
        let (_, found) = http::get(&format!("{}/{}/_doc/{id}", self.url, self.index)).await;
        found["_source"].clone()
    }
}

/// Waits until an agent rejects the directive, and returns the reason.
async fn rejected(agent: &Agent, id: &str) -> String {
    let reason = |status: &Value| {
        let all = status["rejected"].as_array().cloned().unwrap_or_default();
        let one = all.into_iter().find(|one| one["id"] == id);
        one.map(|one| one["reason"].as_str().unwrap().to_owned())
    };
    let status = agent
        .status_when(&format!("{id} is rejected"), |status| {
            reason(status).is_some()
        })
        .await;
    reason(&status).unwrap()
}

async fn applied(agent: &Agent, directives: u64, rejections: usize) -> Value {
    let what = format!("{directives} directives, {rejections} rejections");
    agent
        .status_when(&what, |status| {
            status["directives"] == directives
                && status["rejected"].as_array().map(Vec::len) == Some(rejections)
        })
        .await
}

const SHAPE: &str = "--level Shape --tenant acme --ttl 1h";

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

    // Each signed field is changed by a direct write to the index.
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
        // The changed expiry exceeds the agent's maximum, so the document is rejected before its
        // signature is checked.
        let expected = if field == "expires_at" {
            "expires_at: "
        } else {
            "signatures: alice did not sign this"
        };
        assert!(reason.starts_with(expected), "{field}: {reason}");
        site.write("one", &good).await;
        applied(&agent, 1, 1).await;
    }
    // The signature is not valid for a copy of the document under another id. A document without
    // its signature is rejected, too.
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
    // Fields without an effect on proxies, such as the reason, are not signed and may change.
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
    // If the same directive is applied again, nothing changes.
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
    // The signature stays valid after a change of a field that is not signed.
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
    // Somebody restores the signed document. An agent that has seen the revocation must reject this
    // document.
    site.write("one", &signed_source).await;
    let reason = rejected(&agent, "one").await;
    assert!(
        reason.starts_with("revoked: false, but this proxy saw"),
        "{reason}"
    );
}

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
    // The agent does not trust the next signer's key, so the signature does not count.
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
    // If the same signer signs the same content again, nothing changes. Without consent, the
    // command signs nothing.
    let again = site.run("sign wide --yes --sign-with bob.key").ok();
    assert!(
        again.stdout.starts_with("unchanged wide"),
        "{}",
        again.stdout
    );
    let unasked = site.run("sign narrow --sign-with alice.key");
    assert_eq!(unasked.code, 2);
    assert!(unasked.stderr.contains("Sign this?"), "{}", unasked.stderr);
    // If the policy file is invalid, the command fails at the start, and the error names the
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

#[tokio::test]
async fn keys_rotate_under_a_running_agent_and_a_copied_index_is_refused() {
    let site = Site::new("rotation").await;
    site.keygen("alice");
    site.run(&format!("apply one {SHAPE} --sign-with alice.key"))
        .ok();
    fs::copy(site.path("alice.pub"), site.path("trusted.pub")).unwrap();
    let agent = site.agent(&["--trusted-keys", "trusted.pub"]);
    applied(&agent, 1, 0).await;
    // The signer creates a second key. The agent trusts both keys.
    fs::create_dir(site.path("new")).unwrap();
    let made = directives()
        .args(["keygen", &site.text("new/alice")])
        .output()
        .unwrap();
    assert!(made.status.success());
    let (old, new) = (site.path("alice.pub"), site.path("new/alice.pub"));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    fs::write(site.path("trusted.pub"), read(&old) + &read(&new)).unwrap();
    agent.signal("-HUP");
    agent
        .status_when("two keys", |status| {
            status["trusted_keys"].as_array().map(Vec::len) == Some(2)
        })
        .await;
    site.run("sign one --yes --sign-with new/alice.key").ok();
    site.run(&format!("apply two {SHAPE} --sign-with alice.key"))
        .ok();
    applied(&agent, 2, 0).await;
    // The file of trusted keys now contains only the signer's new key.
    fs::write(site.path("trusted.pub"), read(&new)).unwrap();
    agent.signal("-HUP");
    let status = applied(&agent, 1, 1).await;
    let reason = rejected(&agent, "two").await;
    assert!(reason.starts_with("signatures: 0 of 1"), "{reason}");
    assert_eq!(status["counters"]["reads"]["corrections"], 0);
    assert_eq!(status["counters"]["credential_reloads"], 2);
    // If the reloaded file is invalid, the agent continues to use the earlier keys.
    fs::write(site.path("trusted.pub"), "alice").unwrap();
    agent.signal("-HUP");
    let failed = "a failed reload";
    agent
        .status_when(failed, |status| {
            status["counters"]["credential_reload_failures"] == 1
        })
        .await;
    applied(&agent, 1, 1).await;
    // A signature is not valid for a copy of the document in another index.
    let copy = unique_index("rotation-copy");
    let body = json!({"source": {"index": site.index}, "dest": {"index": copy}});
    let reindex = format!("{}/_reindex?refresh=true", site.url);
    let (status, response) = http::send("POST", &reindex, Some(&body)).await;
    assert_eq!(status, 200, "{response}");
    let copied = Agent::start(&site.url, &copy, &["--trusted-keys", new.to_str().unwrap()]);
    let reason = rejected(&copied, "one").await;
    assert!(
        reason.starts_with("signatures: alice did not sign this"),
        "{reason}"
    );
    applied(&copied, 0, 2).await;
}

#[tokio::test]
async fn unchanged_documents_are_verified_once_and_signatures_pass_through_a_chain() {
    let site = Site::new("signed-chain").await;
    site.keygen("alice");
    site.keygen("bob");
    let last_good = site.text("last-good");
    for id in ["one", "two", "three"] {
        site.run(&format!("apply {id} {SHAPE} --sign-with alice.key"))
            .ok();
    }
    // Each poll of this agent is a full read.
    let args = ["--trusted-keys", "alice.pub", "--reconcile-interval", "1ms"];
    let hub = site.agent(&[&args[..], &["--last-good", &last_good]].concat());
    applied(&hub, 3, 0).await;
    let status = hub
        .status_when("five full reads", |status| {
            status["counters"]["reads"]["full_reads"].as_u64() >= Some(5)
        })
        .await;
    assert_eq!(status["counters"]["signature_verifications"], 3);
    // An agent that polls this agent verifies the signatures with its own trusted keys.
    let client = |key: &str| {
        let key = site.text(key);
        let args = ["--upstream", "agent", "--trusted-keys", &key];
        Agent::start(&hub.url(""), &site.index, &args)
    };
    let same = client("alice.pub");
    let accepted = applied(&same, 3, 0).await;
    assert_eq!(accepted["digest"], status["digest"]);
    assert_eq!(accepted["counters"]["signature_verifications"], 3);
    applied(&client("bob.pub"), 0, 3).await;
    // The next agent cannot reach the cluster and starts with the last-good file. The agent also
    // verifies the signatures in the last-good file.
    hub.stop();
    let restored = |key: &str| {
        let key = site.text(key);
        let args = [
            "--startup",
            "last-good",
            "--last-good",
            &last_good,
            "--trusted-keys",
            &key,
        ];
        Agent::start("http://127.0.0.1:1", &site.index, &args)
    };
    applied(&restored("alice.pub"), 3, 0).await;
    applied(&restored("bob.pub"), 0, 3).await;
}

#[test]
fn a_key_is_created_once_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("alice");
    let keygen = || -> Ran {
        let made = directives().arg("keygen").arg(&base).output();
        made.unwrap().into()
    };
    let made = keygen().ok();
    assert!(
        made.stdout.contains("alice.key holds the private key"),
        "{}",
        made.stdout
    );
    let private = fs::read_to_string(base.with_extension("key")).unwrap();
    let seed = private.split_whitespace().nth(2).unwrap();
    assert!(!made.stdout.contains(seed));
    let again = keygen();
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(
        fs::read_to_string(base.with_extension("key")).unwrap(),
        private
    );
    for args in [
        &["agent", "--signatures", "required"][..],
        &["agent", "--trusted-keys", "a.pub", "--signatures", "strict"],
        &["verify"],
        &["sign", "one"],
        &[
            "apply",
            "one",
            "--level",
            "Shape",
            "--tenant",
            "a",
            "--sign-with",
            "missing.key",
        ],
    ] {
        let ran: Ran = directives().args(args).output().unwrap().into();
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
    }
}
