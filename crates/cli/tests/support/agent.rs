//! Starts a `directives agent` or a `directives record` process for a test, and stops it when the
//! test ends.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

use super::command::directives;
use super::eventually::{blocking_until, eventually};
use super::http;

/// A running process of an agent or a recorder, which is killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    process: Child,
    url: String,
    health_url: Option<String>,
    log: Option<JoinHandle<String>>,
}

impl Agent {
    /// Starts an agent on a free port, with the additional arguments `args`.
    pub(crate) fn start(url: &str, index: &str, args: &[&str]) -> Self {
        Self::start_with(url, index, args, &[])
    }

    /// Starts an agent like [`start`](Self::start), with the environment variables in `variables`.
    pub(crate) fn start_with(
        url: &str,
        index: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let is_set = args.contains(&"--interval");
        let interval: &[&str] = if is_set {
            &[]
        } else {
            &["--interval", "100ms"]
        };
        let mut command = directives();
        command
            .args(["agent", "--listen", "127.0.0.1:0"])
            .args(interval)
            .args(args)
            .args(["--url", url, "--directives-index", index])
            .envs(variables.iter().copied());
        Self::spawn(&mut command, args, "listening on ")
    }

    /// Starts `directives record`, and returns an `Agent` whose URL is that of the recorder's
    /// health listener.
    pub(crate) fn recorder(url: &str, index: &str) -> Self {
        Self::recorder_with(url, index, &[], &[])
    }

    /// Starts a recorder like [`recorder`](Self::recorder), with additional arguments and
    /// environment variables.
    pub(crate) fn recorder_with(
        url: &str,
        index: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = directives();
        command
            .args(["record", "--health-listen", "127.0.0.1:0"])
            .args(["--interval", "100ms"])
            .args(args)
            .args(["--url", url, "--directives-index", index])
            .envs(variables.iter().copied());
        Self::spawn(&mut command, &[], "health on ")
    }

    /// Starts a process of an agent or a recorder, and reads the URL of the process from the first
    /// line of its standard output. The first line of the output must consist of `prefix` and the
    /// URL.
    fn spawn(command: &mut Command, args: &[&str], prefix: &str) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let url = next_line(&mut stdout, prefix);
        let has_health = args.contains(&"--health-listen");
        // The agent prints one line for each address of its API, and then a line for the health
        // listener, if the arguments request one.
        let health_url = args
            .iter()
            .filter(|_| has_health)
            .find_map(|_| next_line(&mut stdout, "health on "));
        // A thread reads the agent's log continuously, because a full pipe would block the agent,
        // and a closed pipe would end the agent.
        let mut stderr = process.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let Some(url) = url else {
            panic!("the process did not start: {}", log.join().unwrap());
        };
        Self {
            process,
            url,
            health_url,
            log: Some(log),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Returns the URL of a path on the agent's separate health listener.
    pub(crate) fn health_url(&self, path: &str) -> String {
        format!("{}{path}", self.health_url.as_deref().unwrap())
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        http::get(&self.url(path)).await
    }

    /// Returns the agent's metrics in Prometheus's text format.
    pub(crate) async fn metrics(&self) -> String {
        let response = reqwest::get(self.url("/metrics")).await.unwrap();
        response.text().await.unwrap()
    }

    pub(crate) async fn evaluate(&self, request: &Value) -> Value {
        let (status, decision) = http::send("POST", &self.url("/v1/evaluate"), Some(request)).await;
        assert_eq!(status, 200, "{decision}");
        decision
    }

    /// Waits until the response of `/v1/status` satisfies a condition, and returns this response.
    pub(crate) async fn status_when(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually(what, async || self.get("/v1/status").await.1, is_it).await
    }

    /// Sends a signal, such as `-TERM`, to the process of the agent.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Stops the agent with SIGTERM, waits until its process ends, and returns its log.
    pub(crate) fn stop(mut self) -> String {
        self.signal("-TERM");
        self.wait();
        self.log.take().unwrap().join().unwrap()
    }

    /// Stops the agent's process with SIGSTOP, and waits until all threads of the process have
    /// stopped.
    pub(crate) fn suspend(&self) {
        self.signal("-STOP");
        let tasks = format!("/proc/{}/task", self.process_id());
        let is_running = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status"));
            status.is_ok_and(|status| !status.contains("\nState:\tT"))
        };
        blocking_until("every thread has stopped", || {
            !std::fs::read_dir(&tasks).unwrap().flatten().any(is_running)
        });
    }

    /// Waits until the agent's process ends, and returns its exit status.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.process.wait().unwrap()
    }
}

/// Reads the next line of a process's output, and returns the text after the prefix. Returns `None`
/// if the line of output does not begin with the prefix.
fn next_line(stdout: &mut impl BufRead, prefix: &str) -> Option<String> {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    line.trim().strip_prefix(prefix).map(str::to_owned)
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
