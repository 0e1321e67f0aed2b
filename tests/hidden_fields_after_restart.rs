//! Tests that a restarted store notices that its role now hides a field which was visible when the
//! store wrote its last-good file.

use std::time::Duration;

use opensearch_directives::{Config, DirectiveStore as _, OpenSearchDirectiveStore, Startup};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use test_support::node::cluster;
use test_support::stored;

/// Makes a mock cluster return the given documents. The cluster permits the store only to search
/// the index and to read the settings of the index.
async fn serve(server: &MockServer, documents: &[(&str, u64, Value)]) {
    server.reset().await;
    let settings = json!({"directives": {"settings": {
        "index.uuid": "u", "index.number_of_shards": "1",
    }}});
    let hits: Vec<Value> = documents
        .iter()
        .map(|(id, seq_no, source)| json!({"_id": id, "_seq_no": seq_no, "_source": source}))
        .collect();
    let search = json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": hits.len(), "relation": "eq"}, "hits": hits},
    });
    let refusal = json!({
        "error": {"type": "security_exception", "reason": "no permissions"}, "status": 403,
    });
    let settings_path =
        "/directives/_settings/index.uuid,index.number_of_shards,index.refresh_interval";
    for (verb, at, status, body) in [
        ("GET", settings_path, 200, settings),
        ("POST", "/directives/_search", 200, search),
        ("GET", "/directives/_mapping", 403, refusal),
    ] {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(server)
            .await;
    }
}

fn directive(tenant: &str) -> Value {
    stored(json!({"level": "Shape", "tenant": tenant, "expires_at": "2100-01-01T00:00:00Z"}))
}

/// Returns a document as a search returns it if the role hides the field `tenant`.
fn without_tenant() -> Value {
    let mut document = directive("acme");
    document.as_object_mut().unwrap().remove("tenant");
    document
}

async fn start(server: &MockServer, folder: &TempDir) -> OpenSearchDirectiveStore {
    let config = Config::new(cluster(&server.uri(), "directives"))
        .with_interval(Duration::from_secs(3600))
        .with_max_ttl(Duration::from_secs(24 * 3600 * 36_500))
        .with_startup(Startup::LastGood)
        .with_last_good(folder.path().join("last-good"));
    OpenSearchDirectiveStore::start(config).await.unwrap()
}

fn ids(store: &OpenSearchDirectiveStore) -> Vec<String> {
    let set = store.load();
    set.iter()
        .map(|directive| directive.id.to_owned())
        .collect()
}

#[tokio::test]
async fn p11_after_a_restart_documents_whose_fields_are_hidden_by_then_stay_published() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    serve(
        &server,
        &[("a", 4, directive("acme")), ("b", 7, directive("globex"))],
    )
    .await;
    let store = start(&server, &folder).await;
    assert_eq!(ids(&store), ["a", "b"]);
    drop(store);

    serve(
        &server,
        &[("a", 4, without_tenant()), ("b", 7, directive("globex"))],
    )
    .await;
    let store = start(&server, &folder).await;
    assert_eq!(ids(&store), ["a", "b"], "the last good set");
    let error = store.status().last_error.unwrap();
    assert!(error.contains("field-level security"), "{error}");
}

#[tokio::test]
async fn p6_after_a_restart_a_document_that_was_written_since_affects_only_itself() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    serve(
        &server,
        &[("a", 4, directive("acme")), ("b", 7, directive("globex"))],
    )
    .await;
    drop(start(&server, &folder).await);

    // In this test, the role hides no field, but somebody has written the document `a` again
    // without a tenant and without the ingest pipeline. The store must reject only the document
    // `a`.
    serve(
        &server,
        &[("a", 8, without_tenant()), ("b", 7, directive("globex"))],
    )
    .await;
    let store = start(&server, &folder).await;
    assert_eq!(ids(&store), ["b"]);
    assert_eq!(store.status().rejected.len(), 1);
}
