//! Lets a benchmark fill an index of its cluster with directives, write and delete single
//! directives, and read the processor time of the cluster.

use std::time::Duration;

use opensearch_directives::ClusterConfig;
use opensearch_directives::admin::{Client, Installer};
use serde_json::{Value, json};
use url::Url;

pub const INDEX: &str = "directives-bench";
/// The maximum number of documents that a benchmark writes with one bulk request.
const CHUNK: usize = 5_000;

pub struct Cluster {
    url: Url,
    http: reqwest::Client,
}

impl Cluster {
    pub fn from_environment() -> Self {
        let url = std::env::var("OPENSEARCH_URL").expect("OPENSEARCH_URL");
        Self {
            url: url.parse().expect("OPENSEARCH_URL is an address"),
            http: reqwest::Client::new(),
        }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn config(&self) -> ClusterConfig {
        ClusterConfig::new([self.url.clone()])
            .with_index(INDEX)
            .with_request_timeout(Duration::from_mins(1))
    }

    /// Creates the index of the benchmark with `directives` directives, each with a different
    /// tenant as its target.
    pub async fn fill(&self, directives: usize) {
        self.send("DELETE", INDEX, None).await;
        let client = Client::new(&self.config()).expect("a client");
        Installer::new(client).install().await.expect("an index");
        for begin in (0..directives).step_by(CHUNK) {
            let lines: String = (begin..directives.min(begin + CHUNK))
                .map(|n| {
                    let id = format!("d-{n:06}");
                    let action = json!({ "index": { "_id": id, "pipeline": "_none" } });
                    format!("{action}\n{}\n", document(&format!("tenant-{n:06}")))
                })
                .collect();
            self.send("POST", &format!("{INDEX}/_bulk"), Some(lines))
                .await;
        }
        self.send("POST", &format!("{INDEX}/_refresh"), None).await;
    }

    /// Deletes the index or the data stream at the path `path`, if it exists.
    pub async fn delete_index(&self, path: &str) {
        self.send("DELETE", path, None).await;
    }

    /// Writes one directive, and returns as soon as searches can find the directive.
    pub async fn write(&self, id: &str, tenant: &str) {
        let path = format!("{INDEX}/_doc/{id}?refresh=true");
        self.send("PUT", &path, Some(document(tenant).to_string()))
            .await;
    }

    /// Deletes the directives with the given numbers, and returns as soon as no search finds a
    /// deleted directive any more.
    pub async fn delete(&self, directives: &[usize]) {
        let delete = |n| format!("{}\n", json!({ "delete": { "_id": format!("d-{n:06}") } }));
        let lines: String = directives.iter().map(delete).collect();
        let path = format!("{INDEX}/_bulk?refresh=true");
        self.send("POST", &path, Some(lines)).await;
    }

    /// Returns the processor time that the nodes of the cluster have used since their start. A node
    /// updates its processor time once a second, so the function first waits for longer than a
    /// second.
    pub async fn cpu_time(&self) -> Duration {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let stats = self.send("GET", "_nodes/stats/process", None).await;
        let nodes = stats["nodes"].as_object().expect("nodes");
        let millis = nodes
            .values()
            .filter_map(|node| node["process"]["cpu"]["total_in_millis"].as_u64());
        Duration::from_millis(millis.sum())
    }

    async fn send(&self, method: &str, path: &str, body: Option<String>) -> Value {
        let method = method.parse().expect("a method");
        let url = self.url.join(path).expect("a path");
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let response = request.send().await.expect("a response");
        let response: Value = response.json().await.expect("JSON");
        assert_ne!(response["errors"], true, "{response:#}");
        response
    }
}

fn document(tenant: &str) -> Value {
    let now = jiff::Timestamp::now();
    crate::stored(json!({
        "level": "Shape",
        "tenant": tenant,
        "sample_per_mille": 1000,
        "ring_buffer": false,
        "capture": false,
        "expires_at": now + jiff::SignedDuration::from_hours(24),
        "reason": "slow searches of this tenant",
        "created_at": now,
        "updated_at": now,
        "updated_by": "ann",
    }))
}
