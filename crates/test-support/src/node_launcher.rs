//! Starts an OpenSearch node with `scripts/opensearch`, and waits until the node is ready to serve
//! requests.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const START: Duration = Duration::from_mins(3);

/// The process of a node that may not be ready to serve requests yet.
///
/// The node stops at the latest when the test process ends, because the node watches its standard
/// input, which the end of the test process closes.
pub struct Starting {
    process: Child,
    said: Arc<Mutex<Vec<String>>>,
    is_ready: mpsc::Receiver<u16>,
}

/// Starts a node on the port `port`, or on a free port if `port` is 0. The caller must start all
/// nodes of a cluster before it waits for one of them to become ready.
pub fn start(
    directory: &Path,
    port: u16,
    options: &[String],
    variables: &[(&str, &str)],
) -> Starting {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/opensearch");
    let mut process = Command::new(script)
        .args(["run", "--private", "--port", &port.to_string(), "--dir"])
        .arg(directory)
        .args(options)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let (ready, is_ready) = mpsc::channel();
    drain(process.stdout.take().unwrap(), &said, Some(ready));
    drain(process.stderr.take().unwrap(), &said, None);
    Starting {
        process,
        said,
        is_ready,
    }
}

impl Starting {
    /// Waits until the node is ready to serve requests, and returns the process of the node and the
    /// port on which the node listens.
    pub fn ready(mut self) -> (Child, u16) {
        let Ok(port) = self.is_ready.recv_timeout(START) else {
            let _ = self.process.kill();
            let said = self.said.lock().unwrap().join("\n");
            panic!("the node did not start:\n{said}");
        };
        (self.process, port)
    }
}

/// Starts a thread that reads the node's output and keeps the last lines of the output for an error
/// message. When the node is ready, the thread sends the node's port to the channel `ready`.
fn drain(
    output: impl Read + Send + 'static,
    said: &Arc<Mutex<Vec<String>>>,
    ready: Option<mpsc::Sender<u16>>,
) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let (Some(url), Some(ready)) = (line.strip_prefix("ready "), &ready) {
                let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
                let _ = ready.send(port.unwrap());
            }
            let mut said = said.lock().unwrap();
            if said.len() >= 200 {
                said.remove(0);
            }
            said.push(line);
        }
    });
}
