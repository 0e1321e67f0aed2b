//! Starts a cluster of three real OpenSearch nodes, each of which a test can kill, pause and
//! restart.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use super::eventually::eventually;
use super::node;
use super::node_launcher::{self, Starting};

const NODES: usize = 3;
/// The time limit of each request that [`Cluster`] sends to a node.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Settings with which the cluster removes a stopped node within seconds instead of half a minute.
const SETTINGS: [&str; 4] = [
    "cluster.fault_detection.follower_check.timeout=3s",
    "cluster.fault_detection.follower_check.retry_count=2",
    "cluster.fault_detection.leader_check.timeout=3s",
    "cluster.fault_detection.leader_check.retry_count=2",
];

/// A cluster of three OpenSearch nodes, which stop when the `Cluster` is dropped, or at the latest
/// when the test process ends.
pub struct Cluster {
    name: String,
    members: Vec<Member>,
    directory: TempDir,
    client: reqwest::Client,
}

struct Member {
    port: u16,
    transport_port: u16,
    /// The process of the node, or `None` while the node is killed.
    process: Option<Child>,
}

/// The numbers, from 0 to 2, of the nodes that have a role in the cluster or for one index. One
/// node can have several roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Roles {
    /// The number of the node that is the elected cluster manager.
    pub manager: usize,
    /// The number of the node that holds the primary of the index.
    pub primary: usize,
    /// The number of the node that holds the replica of the index.
    pub replica: usize,
}

impl Roles {
    /// Returns the number of the node that holds neither the primary nor the replica of the index.
    pub fn bystander(&self) -> usize {
        NODES - self.primary - self.replica
    }
}

/// Returns the cluster that all tests share, as soon as no other test uses the cluster, all its
/// nodes run, and the cluster is healthy.
pub async fn shared_cluster() -> MutexGuard<'static, Cluster> {
    static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| Mutex::new(Cluster::start()));
    let mut cluster = cluster.lock().await;
    cluster.heal().await;
    cluster
}

impl Cluster {
    fn start() -> Self {
        let ports = free_ports::<{ 2 * NODES }>();
        let mut cluster = Self {
            name: node::unique_index("cluster"),
            members: ports
                .chunks(2)
                .map(|ports| Member {
                    port: ports[0],
                    transport_port: ports[1],
                    process: None,
                })
                .collect(),
            directory: tempfile::tempdir().unwrap(),
            // The client keeps no idle connection for the next test, because each test has its own
            // tokio runtime, and a connection ends with the runtime that opened it.
            client: reqwest::Client::builder()
                .timeout(TIMEOUT)
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
        };
        cluster.revive();
        cluster
    }

    pub fn url(&self, node: usize) -> String {
        format!("http://127.0.0.1:{}", self.members[node].port)
    }

    pub fn urls(&self) -> Vec<String> {
        (0..NODES).map(|node| self.url(node)).collect()
    }

    /// Kills a node with SIGKILL, and keeps the node's data on the disk.
    pub fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.members[node].process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Suspends a node with `SIGSTOP` until the returned guard is dropped.
    pub fn pause(&self, node: usize) -> Paused {
        let process = self.members[node].process.as_ref().unwrap();
        Paused::new(process.id())
    }

    /// Restarts all killed nodes with the data that they had before they were killed.
    pub fn revive(&mut self) {
        let starting: Vec<(usize, Starting)> = (0..NODES)
            .filter(|&node| self.members[node].process.is_none())
            .map(|node| (node, self.launch(node)))
            .collect();
        for (node, starting) in starting {
            let (process, _) = starting.ready();
            self.members[node].process = Some(process);
        }
    }

    /// Restarts all killed nodes, and waits until the cluster has allocated each copy of each
    /// index.
    pub async fn heal(&mut self) {
        self.revive();
        let query = "wait_for_nodes=3&wait_for_status=green&timeout=5s";
        eventually(
            "all nodes and copies are available",
            async || {
                let health = format!("/_cluster/health?{query}");
                self.try_request("GET", &health, None).await
            },
            |health| {
                health
                    .as_ref()
                    .is_some_and(|health| health["timed_out"] == false)
            },
        )
        .await;
    }

    /// Creates an index as `directives init` does, and waits until all shard copies of the index
    /// are started.
    pub async fn installed_index(&mut self, prefix: &str) -> String {
        let index = node::installed_index(&self.url(0), prefix).await;
        self.heal().await;
        index
    }

    /// Waits until the primary and the replica of the index are started, and returns which node has
    /// which role.
    pub async fn roles(&self, index: &str) -> Roles {
        let shards = format!("/_cat/shards/{index}?format=json");
        let shards = eventually(
            "each copy is on a node",
            async || self.request("GET", &shards, None).await,
            |shards| {
                shards.as_array().is_some_and(|shards| {
                    shards.len() == 2 && shards.iter().all(|shard| shard["state"] == "STARTED")
                })
            },
        )
        .await;
        let node_of = |role: &str| {
            let shard = shards.as_array().unwrap().iter();
            let shard = shard.clone().find(|shard| shard["prirep"] == role).unwrap();
            node_position(&shard["node"])
        };
        let managers = self.request("GET", "/_cat/cluster_manager?format=json", None);
        Roles {
            manager: node_position(&managers.await[0]["node"]),
            primary: node_of("p"),
            replica: node_of("r"),
        }
    }

    /// Makes the cluster move the copies of the index away from the node `node`, and returns which
    /// node then has which role.
    pub async fn exclude(&self, index: &str, node: usize) -> Roles {
        let setting = json!({ "index.routing.allocation.exclude._name": name(node) });
        self.request("PUT", &format!("/{index}/_settings"), Some(&setting))
            .await;
        eventually(
            "the copies have moved",
            async || self.roles(index).await,
            |roles| roles.bystander() == node,
        )
        .await
    }

    /// Refreshes the index, and returns the id and the tenant of each of its documents.
    pub async fn listing(&self, index: &str) -> Vec<(String, String)> {
        self.request("POST", &format!("/{index}/_refresh"), None)
            .await;
        let search = format!("/{index}/_search?size=10000&preference=_primary");
        super::write_ledger::listing(&self.request("GET", &search, None).await)
    }

    /// Sends a request to one node after another until a node serves it, and returns the JSON of
    /// the response.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        eventually(
            "a node responds",
            async || self.try_request(method, path, body).await,
            Option::is_some,
        )
        .await
        .unwrap()
    }

    async fn try_request(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
        for node in 0..NODES {
            let url = format!("{}{path}", self.url(node));
            let mut request = self.client.request(method.parse().unwrap(), url);
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Ok(response) = request.send().await
                && (response.status().is_success() || response.status().as_u16() == 408)
                && let Ok(response) = response.json().await
            {
                return Some(response);
            }
        }
        None
    }

    fn launch(&self, node: usize) -> Starting {
        let member = &self.members[node];
        let with_commas = |of: &dyn Fn(usize) -> String| {
            let all: Vec<String> = (0..NODES).map(of).collect();
            all.join(",")
        };
        let transport = |node: usize| format!("127.0.0.1:{}", self.members[node].transport_port);
        let mut options = vec![
            "--cluster".to_owned(),
            self.name.clone(),
            "--node".to_owned(),
            name(node),
            "--transport-port".to_owned(),
            member.transport_port.to_string(),
            "--seeds".to_owned(),
            with_commas(&transport),
            "--managers".to_owned(),
            with_commas(&name),
        ];
        for setting in SETTINGS {
            options.extend(["--setting".to_owned(), setting.to_owned()]);
        }
        node_launcher::start(
            &self.directory.path().join(name(node)),
            member.port,
            &options,
            // The variable `OPENSEARCH_SOURCE` is `maven`, because `scripts/opensearch` supports
            // several nodes only with this source. Each node gets a small heap, so that three nodes
            // fit into memory at the same time.
            &[("OPENSEARCH_SOURCE", "maven"), ("OPENSEARCH_HEAP", "256m")],
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 0..NODES {
            self.kill(node);
        }
    }
}

/// A guard that keeps a node suspended until the guard is dropped. A helper process resumes the
/// node if the test process ends, because a suspended node cannot detect this end.
pub struct Paused {
    helper: Child,
}

impl Paused {
    fn new(process: u32) -> Self {
        // The script waits until all threads of the node are stopped, because some threads still
        // run for a while after SIGSTOP on a busy machine.
        let script = format!(
            "kill -STOP {process}; \
             while [ -n \"$(grep -Ls '^State:.T' /proc/{process}/task/*/status)\" ]; do sleep 0.01; done; \
             echo stopped; read line; kill -CONT {process}"
        );
        let mut helper = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 7];
        std::io::Read::read_exact(helper.stdout.as_mut().unwrap(), &mut said).unwrap();
        Self { helper }
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(mut input) = self.helper.stdin.take() {
            let _ = input.write_all(b"\n");
        }
        let _ = self.helper.wait();
    }
}

fn name(node: usize) -> String {
    format!("node-{node}")
}

fn node_position(name: &Value) -> usize {
    let name = name.as_str().unwrap();
    name.strip_prefix("node-").unwrap().parse().unwrap()
}

/// Returns `N` different ports on which no process listens.
fn free_ports<const N: usize>() -> [u16; N] {
    // The function keeps all listeners open at the same time, so that their ports differ.
    let listeners = std::array::from_fn::<_, N, _>(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
