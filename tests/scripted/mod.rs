//! Tests a store with the scripted responses of a mock server, which a test cannot make a real node
//! send.

mod concurrent_callers;
mod faulty_responses;
mod log_contents;
mod start_and_shutdown;
mod unresponsive_nodes;

use std::net::TcpListener;
use std::time::Duration;

use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use test_support::stored;

const SETTINGS: &str =
    "/directives/_settings/index.uuid,index.number_of_shards,index.refresh_interval";
const SEARCH: &str = "/directives/_search";

/// Returns a response of the settings API that contains the settings of the given indices.
fn settings(indices: &[&str]) -> ResponseTemplate {
    let one = json!({"settings": {"index.uuid": "u-1", "index.number_of_shards": "1"}});
    let body: Value = indices
        .iter()
        .map(|name| ((*name).to_owned(), one.clone()))
        .collect();
    ok(body)
}

fn hit(id: &str, seq_no: u64, source: Value) -> Value {
    json!({"_index": "directives", "_id": id, "_seq_no": seq_no, "_source": source})
}

fn shape() -> Value {
    stored(json!({"level": "Shape", "expires_at": "2100-01-01T00:00:00Z"}))
}

/// Returns a complete search response with the given hits.
fn complete(hits: &[Value]) -> Value {
    json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": hits.len(), "relation": "eq"}, "hits": hits},
    })
}

/// Returns a complete search response with two directives.
fn good() -> Value {
    complete(&[hit("a", 0, shape()), hit("b", 1, shape())])
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// Makes the mock server return the response `search` to every search.
async fn respond(server: &MockServer, search: ResponseTemplate) {
    respond_with_settings(server, settings(&["directives"]), search).await;
}

async fn respond_with_settings(
    server: &MockServer,
    settings: ResponseTemplate,
    search: ResponseTemplate,
) {
    server.reset().await;
    Mock::given(method("GET"))
        .and(path(SETTINGS))
        .respond_with(settings)
        .mount(server)
        .await;
    Mock::given(method("POST"))
        .and(path(SEARCH))
        .respond_with(search)
        .mount(server)
        .await;
}

/// Starts a mock server whose index contains two directives.
async fn good_server() -> MockServer {
    let server = MockServer::start().await;
    respond(&server, ok(good())).await;
    server
}

fn cluster(server: &MockServer) -> ClusterConfig {
    ClusterConfig::new([server.uri().parse().unwrap()])
        .with_request_timeout(Duration::from_secs(10))
        .with_max_response_bytes(100_000)
}

/// Returns the configuration of a store that polls only when the test requests a poll.
fn config(cluster: ClusterConfig) -> Config {
    Config::new(cluster)
        .with_interval(Duration::from_secs(60 * 60))
        .with_max_ttl(Duration::from_secs(24 * 36_500 * 60 * 60))
        .with_max_documents(10)
}

async fn start(server: &MockServer) -> OpenSearchDirectiveStore {
    OpenSearchDirectiveStore::start(config(cluster(server)))
        .await
        .unwrap()
}

/// Returns a URL with a port on which no process listens, so that connections are refused.
fn refusing_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
