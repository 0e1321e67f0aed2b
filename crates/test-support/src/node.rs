//! Starts a single real OpenSearch node, either for one test or for all tests of a process.

use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use opensearch_directives::ClusterConfig;
use opensearch_directives::admin::{Client, Installer};
use tempfile::TempDir;
use url::Url;

use super::node_launcher;

/// A single real OpenSearch node, which stops when this value is dropped. The node also stops when
/// the test process ends, because the node watches its standard input, which the end of the test
/// process closes.
#[derive(Debug)]
pub struct Node {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Node {
    /// Starts a node that no other test uses.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a node that no other test uses, with the given options of `scripts/opensearch`.
    pub fn start_with(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let (process, port) = node_launcher::start(directory.path(), 0, &options, &[]).ready();
        Self {
            process,
            port,
            directory,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills the node with SIGKILL, and keeps the node's data on the disk.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Kills the node if it runs, and starts it again at the same address and with the same data.
    pub fn restart(&mut self) {
        self.kill();
        (self.process, _) =
            node_launcher::start(self.directory.path(), self.port, &[], &[]).ready();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the address of the node that all tests share, from the environment variable
/// `OPENSEARCH_URL`. If this variable is not set, the first call of `shared_url` starts the shared
/// node.
pub fn shared_url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        if let Ok(url) = std::env::var("OPENSEARCH_URL") {
            return url.trim_end_matches('/').to_owned();
        }
        // The shared node is never dropped, but the node stops when the test process ends.
        Box::leak(Box::new(Node::start())).url()
    })
    .clone()
}

/// Returns an index name that no other test uses.
pub fn unique_index(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{number}", std::process::id())
}

/// Creates an index with a unique name on a node, as `directives init` does, and returns the name.
pub async fn installed_index(url: &str, prefix: &str) -> String {
    let index = unique_index(prefix);
    Installer::new(Client::new(&cluster(url, &index)).unwrap())
        .install()
        .await
        .unwrap();
    index
}

/// Returns the cluster configuration with which a test accesses an index. The configuration has
/// long time limits, because a busy machine may be slow to respond.
pub fn cluster(url: &str, index: &str) -> ClusterConfig {
    let url: Url = url.parse().unwrap();
    ClusterConfig::new([url])
        .with_index(index)
        .with_request_timeout(Duration::from_secs(30))
}
