//! Creates the index and the secrets of the soak test, and starts its two agents. The first agent
//! is the hub, which polls the node, and the second is the client, which polls the hub.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::agent::Agent;
use crate::support::command::directives;
use crate::support::eventually::eventually;
use crate::support::node::installed_index;

/// The index of the soak test, and a folder with the secrets of the agents and of the signers.
pub(crate) struct Site {
    pub(crate) node: String,
    pub(crate) index: String,
    pub(crate) http: Client,
    folder: TempDir,
    /// How often the soak test has replaced all secrets. Each secret contains the number of the
    /// rotation, so that it differs from all earlier secrets.
    rotations: AtomicU64,
}

impl Site {
    pub(crate) async fn new(node: &str) -> Self {
        let site = Self {
            node: node.to_owned(),
            index: installed_index(node, "soak").await,
            http: Client::builder()
                .timeout(Duration::from_secs(10))
                .build()
                .unwrap(),
            folder: tempfile::tempdir().unwrap(),
            rotations: AtomicU64::new(0),
        };
        for name in ["alice", "bob"] {
            let made = directives().arg("keygen").arg(site.path(name)).output();
            assert!(made.unwrap().status.success());
        }
        site.write_secrets();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Returns the token that both agents accept until the next rotation of the secrets.
    pub(crate) fn token(&self) -> String {
        token(self.rotations.load(Ordering::SeqCst))
    }

    /// Writes the files with all secrets of the test. The token file also contains the next token,
    /// so that an agent already accepts this token before it reloads the file after a rotation.
    fn write_secrets(&self) {
        let round = self.rotations.load(Ordering::SeqCst);
        let tokens = format!("{}\n{}\n", token(round), token(round + 1));
        fs::write(self.path("tokens"), tokens).unwrap();
        fs::write(self.path("client-token"), token(round)).unwrap();
        fs::write(self.path("password"), format!("password-{round}")).unwrap();
        let keys =
            ["alice.pub", "bob.pub"].map(|name| fs::read_to_string(self.path(name)).unwrap());
        let trusted = if round.is_multiple_of(2) {
            keys.concat()
        } else {
            keys[0].clone()
        };
        fs::write(self.path("trusted"), trusted).unwrap();
    }

    /// Replaces all secrets of the soak test, and sends SIGHUP to the agents so that they reload
    /// their files.
    pub(crate) fn rotate_secrets(&self, agents: &[&Agent]) {
        self.rotations.fetch_add(1, Ordering::SeqCst);
        self.write_secrets();
        for agent in agents {
            agent.signal("-HUP");
        }
    }

    /// Starts the hub, the agent of the soak test that polls the node.
    pub(crate) fn hub(&self, url: &str) -> Agent {
        let (password, last_good) = (self.text("password"), self.text("last-good"));
        let login = ["--username", "soak", "--password-file", &password];
        let file = ["--last-good", &last_good, "--startup", "last-good-or-empty"];
        self.agent(url, &[&login[..], &file].concat())
    }

    /// Starts the client, the agent of the soak test that polls the hub.
    pub(crate) fn client(&self, hub: &str) -> Agent {
        let token = self.text("client-token");
        let upstream = ["--upstream", "agent", "--bearer-token-file", &token];
        self.agent(hub, &[&upstream[..], &["--startup", "empty"]].concat())
    }

    fn agent(&self, url: &str, args: &[&str]) -> Agent {
        let (tokens, trusted) = (self.text("tokens"), self.text("trusted"));
        let shared = [
            "--read-token-file",
            &tokens,
            "--evaluate-token-file",
            &tokens,
            "--refresh-token-file",
            &tokens,
            "--trusted-keys",
            &trusted,
            "--signatures",
            "optional",
            "--interval",
            "200ms",
            "--max-backoff",
            "1s",
            "--reconcile-interval",
            "30s",
        ];
        Agent::start(url, &self.index, &[&shared[..], args].concat())
    }

    /// Returns an agent's response to `/v1/status`, or `Null` if the agent does not respond.
    pub(crate) async fn status(&self, agent: &Agent) -> Value {
        let request = self.http.get(agent.url("/v1/status"));
        match request.bearer_auth(self.token()).send().await {
            Ok(response) => response.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    /// Waits until the hub and the client have published the same directives.
    pub(crate) async fn until_equal(&self, hub: &Agent, client: &Agent) {
        eventually(
            "both agents have the same directives",
            async || (self.status(hub).await, self.status(client).await),
            |(hub, client)| {
                hub["last_error"].is_null()
                    && client["last_error"].is_null()
                    && hub["digest"].is_string()
                    && hub["digest"] == client["digest"]
            },
        )
        .await;
    }
}

fn token(round: u64) -> String {
    format!("token-of-the-soak-test-{round:06}")
}
