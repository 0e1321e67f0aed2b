//! Tests that only the owner of the agent's Unix socket can connect to it. Also tests that an agent
//! can start although a killed agent has left its socket file behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::command::directives;
use crate::support::node::{installed_index, shared_url};

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_serves_only_its_owner_in_addition_to_tcp() {
    let url = shared_url();
    let index = installed_index(&url, "unix").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let listen = format!("unix:{}", path.display());
    let mut agent = Agent::start(&url, &index, &["--listen", &listen]);
    let client = reqwest::Client::builder()
        .unix_socket(path.as_path())
        .build()
        .unwrap();
    let status = async || -> Value {
        let response = client.get("http://agent/v1/status").send().await.unwrap();
        response.json().await.unwrap()
    };
    assert_eq!(status().await["index"], *index);
    assert_eq!(agent.get("/healthz").await.0, 200, "by TCP, too");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // A second agent must fail to start if a running agent uses the same socket path.
    let other = directives()
        .args(["agent", "--listen", &listen, "--url", &url])
        .args(["--directives-index", &index])
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        printed.contains("another agent uses this path"),
        "{printed}"
    );
    assert_eq!(status().await["index"], *index);

    // A killed agent leaves its socket file behind, and another agent must start with the same
    // socket path nevertheless.
    agent.signal("-KILL");
    tokio::task::block_in_place(|| agent.wait());
    assert!(path.exists());
    let args = ["--listen", &listen, "--socket-mode", "660"];
    let mut next = Agent::start(&url, &index, &args);
    assert_eq!(status().await["index"], *index);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    next.signal("-TERM");
    assert!(tokio::task::block_in_place(|| next.wait()).success());
    assert!(!path.exists());
}
