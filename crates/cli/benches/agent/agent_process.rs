//! Starts a `directives agent` process for the benchmarks and sends requests to it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use test_support::measure::benchmark_cluster::INDEX;
use test_support::measure::process::Process;

/// A running process of `directives agent`, which is killed when this value is dropped.
pub struct Agent {
    process: Child,
    url: String,
    http: reqwest::Client,
}

impl Agent {
    /// Starts an agent on a free port, which polls the cluster or the agent at the address
    /// `upstream`.
    pub fn start(upstream: &str, interval: Duration, args: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_directives"))
            .args(["agent", "--listen", "127.0.0.1:0", "--log", "error"])
            .args(["--url", upstream, "--directives-index", INDEX])
            .args(["--interval", &format!("{}ms", interval.as_millis())])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ");
        Self {
            url: url.expect("it listens").to_owned(),
            process,
            http: reqwest::Client::new(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn process(&self) -> Process {
        Process::of(self.process.id())
    }

    /// Returns the time at which the agent last published a changed set, by the clock of this
    /// machine.
    pub async fn last_change(&self) -> Timestamp {
        let status = self.status().await;
        let at = status["last_change"].as_str().expect("it has published");
        at.parse().expect("a time")
    }

    pub async fn waiting_clients(&self) -> usize {
        let metrics = self.get("/metrics").await;
        let waiting = metrics
            .lines()
            .find_map(|line| line.strip_prefix("directives_agent_waiting_clients "));
        waiting.and_then(|n| n.parse().ok()).expect("the metric")
    }

    /// Starts a task that long-polls the published set of the agent, and sends each response with a
    /// changed set to the channel `responses`.
    pub fn follow(&self, responses: mpsc::UnboundedSender<Response>) -> JoinHandle<()> {
        let (http, url) = (self.http.clone(), format!("{}/v1/directives", self.url));
        tokio::spawn(async move {
            let mut seen = None;
            loop {
                let mut request = http.get(format!("{url}?wait=60s"));
                if let Some(seen) = &seen {
                    request = request.header("if-none-match", seen);
                }
                // If a request fails because the agent has ended, the task also ends and closes the
                // channel, so that the receiver of the channel notices the end of the agent.
                let Ok(response) = request.send().await else {
                    return;
                };
                if response.status() == 304 {
                    continue;
                }
                assert_eq!(response.status(), 200);
                seen = Some(response.headers()["etag"].clone());
                let listing = response.text().await.expect("the whole response");
                let response = Response {
                    at: Instant::now(),
                    time: Timestamp::now(),
                    listing,
                };
                if responses.send(response).is_err() {
                    return;
                }
            }
        })
    }

    /// Starts a task that long-polls the snapshot of the agent, as an agent behind a hub does. The
    /// task begins with the snapshot that `tag` identifies, and sends each response with a changed
    /// snapshot to the channel `responses`.
    pub fn follow_snapshot(
        &self,
        mut tag: String,
        responses: mpsc::UnboundedSender<Response>,
    ) -> JoinHandle<()> {
        let (http, url) = (self.http.clone(), format!("{}/v1/snapshot", self.url));
        tokio::spawn(async move {
            loop {
                let request = http.get(format!("{url}?since={tag}&wait=60s"));
                let Ok(response) = request.send().await else {
                    return;
                };
                assert_eq!(response.status(), 200);
                let listing = response.text().await.expect("the whole response");
                let (at, time) = (Instant::now(), Timestamp::now());
                let before = std::mem::replace(&mut tag, tag_of(&listing));
                if tag == before {
                    continue;
                }
                if responses.send(Response { at, time, listing }).is_err() {
                    return;
                }
            }
        })
    }

    /// Returns the tag of the agent's current snapshot, and the size of the whole snapshot in
    /// bytes.
    pub async fn snapshot(&self) -> (String, usize) {
        let response = self.get("/v1/snapshot").await;
        (tag_of(&response), response.len())
    }

    pub async fn status(&self) -> Value {
        serde_json::from_str(&self.get("/v1/status").await).expect("JSON")
    }

    async fn get(&self, path: &str) -> String {
        let response = self.http.get(format!("{}{path}", self.url)).send().await;
        let response = response.expect("a response");
        response.text().await.expect("the whole response")
    }
}

fn tag_of(response: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Tagged {
        tag: String,
    }
    let tagged: Tagged = serde_json::from_str(response).expect("JSON");
    tagged.tag
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An agent's response to a long-polling client, and the instant at which the client had received
/// the whole response.
pub struct Response {
    pub at: Instant,
    pub time: Timestamp,
    pub listing: String,
}
