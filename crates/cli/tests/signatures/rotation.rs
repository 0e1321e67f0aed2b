//! Tests that an operator can replace the trusted keys while an agent runs. Also tests how often
//! the agent verifies signatures.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{SHAPE, Site, applied, rejected};
use crate::support::agent::Agent;
use crate::support::command::directives;
use crate::support::http;
use crate::support::node::unique_index;

#[tokio::test]
async fn keys_rotate_under_a_running_agent_and_a_copied_index_is_refused() {
    let site = Site::new("rotation").await;
    site.keygen("alice");
    site.run(&format!("apply one {SHAPE} --sign-with alice.key"))
        .ok();
    fs::copy(site.path("alice.pub"), site.path("trusted.pub")).unwrap();
    let agent = site.agent(&["--trusted-keys", "trusted.pub"]);
    applied(&agent, 1, 0).await;
    // The signer alice creates a second key, and the agent trusts alice's first key and her second
    // key.
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
    // The test replaces the agent's trusted keys, so that the agent trusts only the signer's second
    // key.
    fs::write(site.path("trusted.pub"), read(&new)).unwrap();
    agent.signal("-HUP");
    let status = applied(&agent, 1, 1).await;
    let reason = rejected(&agent, "two").await;
    assert!(reason.starts_with("signatures: 0 of 1"), "{reason}");
    assert_eq!(status["counters"]["reads"]["corrections"], 0);
    assert_eq!(status["counters"]["credential_reloads"], 2);
    // If the file of trusted keys is invalid when the agent reloads it, the agent must continue to
    // use the earlier keys.
    fs::write(site.path("trusted.pub"), "alice").unwrap();
    agent.signal("-HUP");
    let failed = "a failed reload";
    agent
        .status_when(failed, |status| {
            status["counters"]["credential_reload_failures"] == 1
        })
        .await;
    applied(&agent, 1, 1).await;
    // An agent must reject a signed document that somebody has copied to another index.
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
    // The hub gets a reconcile interval of 1 ms, so that it decodes documents again in each poll.
    let args = ["--trusted-keys", "alice.pub", "--reconcile-interval", "1ms"];
    let hub = site.agent(&[&args[..], &["--last-good", &last_good]].concat());
    applied(&hub, 3, 0).await;
    let status = hub
        .status_when("five reconciles", |status| {
            status["counters"]["reads"]["reconciles"].as_u64() >= Some(5)
        })
        .await;
    assert_eq!(status["counters"]["signature_verifications"], 3);
    // An agent that polls another agent must verify the signatures with its own trusted keys.
    let client = |key: &str| {
        let key = site.text(key);
        let args = [
            "--upstream",
            "agent",
            "--interval",
            "1s",
            "--trusted-keys",
            &key,
        ];
        Agent::start(&hub.url(""), &site.index, &args)
    };
    fs::copy(site.path("alice.pub"), site.path("same.pub")).unwrap();
    let same = client("same.pub");
    let accepted = applied(&same, 3, 0).await;
    assert_eq!(accepted["digest"], status["digest"]);
    assert_eq!(accepted["counters"]["signature_verifications"], 3);
    let other = client("bob.pub");
    applied(&other, 0, 3).await;
    // The agent must also verify the signatures in the differences that the hub sends after a
    // change.
    site.run(&format!("apply four {SHAPE} --sign-with alice.key"))
        .ok();
    let four = applied(&same, 4, 0).await;
    assert_eq!(four["counters"]["signature_verifications"], 4);
    let refused = applied(&other, 0, 4).await;
    for reads in [&four["counters"]["reads"], &refused["counters"]["reads"]] {
        assert_eq!(
            (&reads["full_reads"], &reads["delta_reads"]),
            (&json!(1), &json!(1))
        );
    }
    // After a change of its trusted keys, the agent must read and verify the whole snapshot again.
    fs::copy(site.path("bob.pub"), site.path("same.pub")).unwrap();
    same.signal("-HUP");
    let status = applied(&same, 0, 4).await;
    assert_eq!(status["counters"]["reads"]["full_reads"], 2);
    // The test waits for two further polls of the hub, because the hub writes the last-good file
    // only after the poll that published the set.
    let polls = |status: &Value| status["counters"]["polls_succeeded"].as_u64();
    let published = polls(&applied(&hub, 4, 0).await);
    hub.status_when("two more polls", |status| {
        polls(status) >= published.map(|polls| polls + 2)
    })
    .await;
    // An agent that cannot reach the cluster starts with the set in the last-good file, and must
    // verify the signatures in this file.
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
    applied(&restored("alice.pub"), 4, 0).await;
    applied(&restored("bob.pub"), 0, 4).await;
}
