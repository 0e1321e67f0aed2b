//! Tests responses that a real node does not return on demand, from a scripted server.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opensearch_directives::error::chain;
use opensearch_directives::status::NodeStatus;
use opensearch_directives::{
    Clock, ClusterConfig, Config, Credentials, DirectiveStore as _, OpenSearchDirectiveStore,
    Startup, Status, SystemClock,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing_subscriber::fmt::MakeWriter;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use test_support::eventually::eventually;
use test_support::hanging_connect::takes_no_connections;
use test_support::{in_hours, stored};

const SETTINGS: &str =
    "/directives/_settings/index.uuid,index.number_of_shards,index.refresh_interval";
const SEARCH: &str = "/directives/_search";

fn settings(indices: &[&str]) -> ResponseTemplate {
    let one = json!({"settings": {"index.uuid": "u-1", "index.number_of_shards": "1"}});
    let answer: Value = indices
        .iter()
        .map(|name| ((*name).to_owned(), one.clone()))
        .collect();
    ResponseTemplate::new(200).set_body_json(answer)
}

fn hit(id: &str, seq_no: u64, source: Value) -> Value {
    json!({"_index": "directives", "_id": id, "_seq_no": seq_no, "_source": source})
}

fn shape() -> Value {
    stored(json!({"level": "Shape", "expires_at": "2100-01-01T00:00:00Z"}))
}

fn complete(hits: &[Value]) -> Value {
    json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": hits.len(), "relation": "eq"}, "hits": hits},
    })
}

fn good() -> Value {
    complete(&[hit("a", 0, shape()), hit("b", 1, shape())])
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

async fn answer(server: &MockServer, search: ResponseTemplate) {
    answer_both(server, settings(&["directives"]), search).await;
}

async fn answer_both(server: &MockServer, settings: ResponseTemplate, search: ResponseTemplate) {
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

fn cluster(server: &MockServer) -> ClusterConfig {
    ClusterConfig::new([server.uri().parse().unwrap()])
        .with_request_timeout(Duration::from_secs(10))
        .with_max_response_bytes(100_000)
}

/// Returns settings with which a store polls only on request.
fn config(cluster: ClusterConfig) -> Config {
    Config::new(cluster)
        .with_interval(Duration::from_hours(1))
        .with_max_ttl(Duration::from_hours(24 * 36_500))
        .with_max_documents(10)
}

/// Returns the state that a failed poll must not change.
fn served(store: &OpenSearchDirectiveStore) -> (Vec<String>, Status) {
    let ids = store
        .load()
        .iter()
        .map(|directive| directive.id.to_owned())
        .collect();
    (ids, store.status())
}

#[tokio::test]
async fn p5_whatever_goes_wrong_the_published_set_stays_and_the_status_names_it() {
    let exception = |status: u16, name: &str| {
        ResponseTemplate::new(status).set_body_json(
            json!({"error": {"type": name, "reason": format!("because of {name}")}, "status": status}),
        )
    };
    let with = |pointer: &str, value: Value| {
        let mut body = good();
        *body.pointer_mut(pointer).unwrap() = value;
        ok(body)
    };
    let html = "<html><body>Bad gateway at lb-7</body></html>";
    let truncated = good().to_string();
    let truncated = &truncated[..truncated.len() - 20];
    let many: Vec<Value> = (0..11).map(|n| hit(&n.to_string(), n, shape())).collect();
    let cases = [
        (
            "timed out",
            with("/timed_out", json!(true)),
            "timed out on the server",
        ),
        (
            "failed shards",
            with("/_shards/failed", json!(1)),
            "1 of 1 shards failed",
        ),
        (
            "unsuccessful shards",
            with("/_shards/successful", json!(0)),
            "1 of 1 shards failed",
        ),
        (
            "zero shards",
            with(
                "/_shards",
                json!({"total": 0, "successful": 0, "failed": 0}),
            ),
            "zero shards",
        ),
        (
            "fewer hits",
            with("/hits/total/value", json!(3)),
            "contains 2 of 3 documents",
        ),
        (
            "more hits",
            with("/hits/total/value", json!(1)),
            "contains 2 of 1 documents",
        ),
        (
            "a lower bound",
            with("/hits/total/relation", json!("gte")),
            "only a lower bound",
        ),
        ("an empty answer", ok(json!({})), "lacks timed_out"),
        (
            "twice",
            ok(complete(&[hit("a", 0, shape()), hit("a", 1, shape())])),
            "contains a document twice",
        ),
        (
            "truncated",
            ResponseTemplate::new(200).set_body_raw(truncated, "application/json"),
            "not the expected JSON",
        ),
        (
            "HTML as 200",
            ResponseTemplate::new(200).set_body_raw(html, "text/html"),
            "not the expected JSON",
        ),
        (
            "HTML as 502",
            ResponseTemplate::new(502).set_body_raw(html, "text/html"),
            "502: not from OpenSearch (text/html): <html><body>Bad gateway at lb-7",
        ),
        (
            "401",
            exception(401, "security_exception"),
            "401 security_exception: because of",
        ),
        (
            "403",
            exception(403, "security_exception"),
            "403 security_exception: because of",
        ),
        (
            "404",
            exception(404, "index_not_found_exception"),
            "does not exist",
        ),
        (
            "429",
            exception(429, "circuit_breaking_exception").insert_header("retry-after", "7"),
            "429 circuit_breaking_exception",
        ),
        (
            "500",
            ResponseTemplate::new(500).set_body_string(""),
            "status 500",
        ),
        (
            "503",
            exception(503, "cluster_block_exception"),
            "503 cluster_block_exception",
        ),
        (
            "too large",
            ok(json!({"x": "y".repeat(200_000)})),
            "larger than the limit of 100000 bytes",
        ),
        (
            "too many",
            ok(complete(&many)),
            "contains 11 documents, more than `max_documents` (10)",
        ),
    ];
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    let store = OpenSearchDirectiveStore::start(config(cluster(&server)))
        .await
        .unwrap();
    let (before, status_before) = served(&store);
    assert_eq!(before, ["a", "b"]);
    for (name, wrong, says) in cases {
        answer(&server, wrong).await;
        let error = store.refresh().await.unwrap_err();
        assert!(error.poll_error().is_some(), "{name}");
        let (ids, status) = served(&store);
        assert_eq!(ids, before, "{name}");
        assert_eq!(status.digest, status_before.digest, "{name}");
        assert_eq!(status.revision, status_before.revision, "{name}");
        assert_eq!(status.last_change, status_before.last_change, "{name}");
        let said = status.last_error.unwrap();
        assert!(said.contains(says), "{name}: {said}");
        // The next poll succeeds as soon as the fault has ended.
        answer(&server, ok(good())).await;
        store.refresh().await.unwrap();
        let (ids, status) = served(&store);
        assert_eq!((ids, status.last_error), (before.clone(), None), "{name}");
        assert_eq!(status.counters.publishes, 1, "{name}");
    }
}

#[tokio::test]
async fn p1_the_name_must_stand_for_exactly_one_index() {
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    let store = OpenSearchDirectiveStore::start(config(cluster(&server)))
        .await
        .unwrap();
    for (indices, says) in [(vec![], "0 indices"), (vec!["one", "two"], "2 indices")] {
        answer_both(&server, settings(&indices), ok(good())).await;
        store.refresh().await.unwrap_err();
        let said = store.status().last_error.unwrap();
        assert!(said.contains(says), "{said}");
        assert_eq!(store.load().len(), 2);
    }
}

#[tokio::test]
async fn p1_pages_that_disagree_are_not_one_read() {
    let server = MockServer::start().await;
    let page = |total: u64, first: u64, count: u64, sorted: bool| {
        let hits: Vec<Value> = (first..first + count)
            .map(|n| {
                let mut hit = hit(&n.to_string(), n, shape());
                if sorted {
                    hit["sort"] = json!([n]);
                }
                hit
            })
            .collect();
        let mut body = complete(&hits);
        body["hits"]["total"]["value"] = total.into();
        body["pit_id"] = "p".into();
        body
    };
    for (name, first, second, says) in [
        (
            "the total changes",
            page(10_002, 0, 1, true),
            page(10_001, 1, 1, true),
            "from 10002 to 10001",
        ),
        (
            "a page is empty",
            page(10_002, 0, 1, true),
            page(10_002, 1, 0, true),
            "contains 1 of 10002 documents",
        ),
        (
            "no way on",
            page(10_002, 0, 1, false),
            page(10_002, 1, 1, false),
            "lacks sort",
        ),
    ] {
        answer(&server, ok(page(10_002, 0, 0, true))).await;
        Mock::given(method("POST"))
            .and(path("/directives/_search/point_in_time"))
            .respond_with(ok(json!({"pit_id": "p"})))
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path("/_search"))
            .respond_with(ok(first))
            .up_to_n_times(1)
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path("/_search"))
            .respond_with(ok(second))
            .mount(&server)
            .await;
        // The point in time must be closed in every case.
        Mock::given(method("DELETE"))
            .and(path("/_search/point_in_time"))
            .respond_with(ok(json!({})))
            .expect(1)
            .mount(&server)
            .await;
        let config = config(cluster(&server)).with_max_documents(100_000);
        let error = OpenSearchDirectiveStore::start(config).await.unwrap_err();
        let said = chain(&error);
        assert!(said.contains(says), "{name}: {said}");
        server.verify().await;
    }
}

#[tokio::test]
async fn p5_a_hang_is_a_failed_poll() {
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    let short = cluster(&server).with_request_timeout(Duration::from_millis(200));
    let store = OpenSearchDirectiveStore::start(config(short))
        .await
        .unwrap();
    answer(&server, ok(good()).set_delay(Duration::from_mins(10))).await;
    store.refresh().await.unwrap_err();
    let said = store.status().last_error.unwrap();
    assert!(said.contains("no complete response within 200ms"), "{said}");
    assert_eq!(store.load().len(), 2);
    answer(&server, ok(good())).await;
    store.refresh().await.unwrap();
}

#[tokio::test]
async fn p6_a_refused_document_is_in_the_log_once_a_revision_a_counter_and_the_status() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = MockServer::start().await;
    let bad = json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)});
    answer(
        &server,
        ok(complete(&[
            hit("a", 0, shape()),
            hit("bad", 1, bad.clone()),
        ])),
    )
    .await;
    let store = OpenSearchDirectiveStore::start(config(cluster(&server)))
        .await
        .unwrap();
    for _ in 0..3 {
        store.refresh().await.unwrap();
    }
    let status = store.status();
    assert_eq!(store.load().len(), 1);
    assert_eq!(status.rejected[0].id(), "bad");
    assert!(status.rejected[0].to_string().starts_with("tenant: 42"));
    assert_eq!(status.counters.rejections, 1);
    assert_eq!(log.lines_with("tenant: 42 is not a name"), 1);
    // A new revision is logged again.
    answer(
        &server,
        ok(complete(&[hit("a", 2, shape()), hit("bad", 1, bad)])),
    )
    .await;
    store.refresh().await.unwrap();
    assert_eq!(store.status().counters.rejections, 2);
    assert_eq!(log.lines_with("tenant: 42 is not a name"), 2);
}

#[tokio::test]
async fn p7_set_revision_and_rejections_change_together() {
    let server = MockServer::start().await;
    let state = |n: u64| {
        let hits: Vec<Value> = (0..n)
            .map(|k| hit(&format!("d{k}"), n * 10 + k, shape()))
            .chain((0..n).map(|k| hit(&format!("x{k}"), n * 10 + 5 + k, json!({}))))
            .collect();
        ok(complete(&hits))
    };
    answer(&server, state(1)).await;
    let store = Arc::new(
        OpenSearchDirectiveStore::start(config(cluster(&server)))
            .await
            .unwrap(),
    );
    let watching = tokio::task::spawn_blocking({
        let store = Arc::downgrade(&store);
        move || {
            let mut seen = 0_u64;
            while let Some(store) = store.upgrade() {
                let status = store.status();
                let n = status.directives as u64;
                assert_eq!(status.rejected.len() as u64, n);
                assert_eq!(status.revision.unwrap().documents, 2 * n);
                seen += 1;
            }
            seen
        }
    });
    for round in 0..20 {
        answer(&server, state(1 + round % 4)).await;
        // This server confirms nothing, so a possible step back must be observed twice.
        if store.refresh().await.is_err() {
            store.refresh().await.unwrap();
        }
    }
    store.shutdown().await;
    drop(store);
    assert!(watching.await.unwrap() > 0);
}

#[tokio::test]
async fn p9_start_says_why_it_failed() {
    let server = MockServer::start().await;
    for (name, wrong, says) in [
        (
            "401",
            ResponseTemplate::new(401).set_body_string("Unauthorized"),
            "status 401: set a user and password, a token, an API key or a client certificate \
             (Unauthorized)",
        ),
        ("403", ResponseTemplate::new(403), "status 403"),
        (
            "a timed-out search",
            ok(json!({"timed_out": true})),
            "timed out on the server",
        ),
    ] {
        answer(&server, wrong).await;
        let error = OpenSearchDirectiveStore::start(config(cluster(&server)))
            .await
            .unwrap_err();
        assert!(error.poll_error().is_some(), "{name}");
        assert!(chain(&error).contains(says), "{name}: {}", chain(&error));
    }
    // Connections to this port are refused, because nothing listens on it.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = ClusterConfig::new([format!("http://{nobody}").parse().unwrap()]);
    let error = OpenSearchDirectiveStore::start(config(nobody.clone()))
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains("the connection failed"),
        "{}",
        chain(&error)
    );
    let empty = config(nobody).with_startup(Startup::Empty);
    let store = OpenSearchDirectiveStore::start(empty).await.unwrap();
    assert!(store.load().is_empty());
    let wrong = config(cluster(&server).with_index("a*"));
    let error = OpenSearchDirectiveStore::start(wrong).await.unwrap_err();
    assert!(error.config_error().is_some());
    assert!(chain(&error).contains("index \"a*\""), "{}", chain(&error));
}

#[tokio::test]
async fn p10_after_shutdown_and_drop_no_task_is_left() {
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    // The store has one reference to the clock, and its task has others.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let start = async || {
        let config = config(cluster(&server)).with_clock(Arc::clone(&clock));
        OpenSearchDirectiveStore::start(config).await.unwrap()
    };
    let store = start().await;
    assert!(Arc::strong_count(&clock) > 2);
    store.shutdown().await;
    assert_eq!(Arc::strong_count(&clock), 2);
    assert!(store.refresh().await.unwrap_err().is_stopped());
    assert_eq!(store.load().len(), 2, "what is published stays");
    store.shutdown().await;
    drop(store);
    assert_eq!(Arc::strong_count(&clock), 1);

    // The store is dropped during a poll.
    let store = start().await;
    answer(&server, ok(good()).set_delay(Duration::from_mins(10))).await;
    tokio::select! {
        _ = store.refresh() => panic!("it cannot have ended"),
        () = eventually_polling(&store) => {}
    }
    let set = store.load();
    drop(store);
    eventually(
        "the task ends",
        async || Arc::strong_count(&clock),
        |count| *count == 1,
    )
    .await;
    assert_eq!(set.len(), 2);
}

async fn eventually_polling(store: &OpenSearchDirectiveStore) {
    let attempts = store.status().last_attempt;
    eventually(
        "it polls",
        async || store.status().last_attempt,
        |now| *now != attempts,
    )
    .await;
}

#[tokio::test]
async fn p8_callers_of_refresh_share_polls() {
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    let store = OpenSearchDirectiveStore::start(config(cluster(&server)))
        .await
        .unwrap();
    answer(&server, ok(good()).set_delay(Duration::from_millis(50))).await;
    let results = futures_util::future::join_all((0..50).map(|_| store.refresh())).await;
    assert!(results.iter().all(Result::is_ok));
    let searches = server.received_requests().await.unwrap();
    let searches = searches
        .iter()
        .filter(|request| request.url.path() == SEARCH)
        .count();
    assert!(
        (1..=3).contains(&searches),
        "{searches} polls for 50 callers at once"
    );
}

#[tokio::test]
async fn a_node_that_is_down_costs_no_poll_while_another_answers() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    let ill = MockServer::start().await;
    Mock::given(path_regex(".*"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&ill)
        .await;
    // The name of an instance decides which node it polls first; some of these names select each
    // node.
    for instance in 0..20 {
        let urls = [format!("http://{nobody}"), ill.uri(), server.uri()];
        let cluster = ClusterConfig::new(urls.map(|url| url.parse().unwrap()));
        let config = config(cluster).with_instance(format!("proxy-{instance}"));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        for _ in 0..3 {
            store.refresh().await.unwrap();
        }
        let status = store.status();
        assert_eq!(status.counters.polls_failed, 0);
        assert_eq!(status.nodes[2].status, NodeStatus::Alive);
    }
    // The node that responded also receives the next requests.
    let asked = ill.received_requests().await.unwrap().len();
    assert!((1..=20).contains(&asked), "{asked}");
}

#[tokio::test]
async fn p8_a_node_that_takes_no_connection_does_not_use_up_the_poll() {
    let (hole, _held) = takes_no_connections().await;
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    let mut dead = 0;
    for instance in 0..10 {
        let urls = [hole.clone(), server.uri()];
        let cluster = ClusterConfig::new(urls.map(|url| url.parse().unwrap()))
            .with_connect_timeout(Duration::from_millis(100))
            .with_request_timeout(Duration::from_hours(1));
        let config = config(cluster)
            .with_instance(format!("proxy-{instance}"))
            .with_poll_timeout(Duration::from_secs(20));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        let status = store.status();
        assert_eq!(status.counters.polls_failed, 0);
        assert_eq!(status.nodes[1].status, NodeStatus::Alive);
        dead += u32::from(status.nodes[0].status == NodeStatus::Dead);
    }
    assert!((1..10).contains(&dead), "{dead} began with it");
}

#[tokio::test]
async fn p8_a_node_that_used_up_a_poll_is_not_the_first_to_be_asked_again() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = silent.accept().await {
            held.push(connection);
        }
    });
    let server = MockServer::start().await;
    answer(&server, ok(good())).await;
    let mut failed = 0;
    for instance in 0..5 {
        let urls = [url.clone(), server.uri()];
        let cluster = ClusterConfig::new(urls.map(|url| url.parse().unwrap()))
            .with_request_timeout(Duration::from_hours(1));
        let config = config(cluster)
            .with_instance(format!("proxy-{instance}"))
            .with_startup(Startup::Empty)
            .with_poll_timeout(Duration::from_secs(3));
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        if store.refresh().await.is_err() {
            store.refresh().await.unwrap();
        }
        let polls_failed = store.status().counters.polls_failed;
        assert!(polls_failed <= 1);
        failed += polls_failed;
    }
    assert!((1..5).contains(&failed), "{failed} began with it");
    silent.abort();
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_refused_before_it_is_read() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .read_buf(&mut Vec::with_capacity(8192))
            .await
            .unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // The rest of the body never arrives, so the reader has to wait.
        std::future::pending::<()>().await;
    });
    let cluster =
        ClusterConfig::new([url.parse().unwrap()]).with_request_timeout(Duration::from_mins(10));
    let config = config(cluster).with_poll_timeout(Duration::from_mins(10));
    let error = OpenSearchDirectiveStore::start(config).await.unwrap_err();
    let said = chain(&error);
    assert!(
        said.contains("larger than the limit of 58720256 bytes"),
        "{said}"
    );
    server.abort();
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for (credentials, expected) in [
        (
            Credentials::Basic {
                username: "ann".to_owned(),
                password: "hunter2".into(),
            },
            "Basic YW5uOmh1bnRlcjI=",
        ),
        (Credentials::Bearer("hunter2".into()), "Bearer hunter2"),
        (
            Credentials::ApiKey("id:hunter2".into()),
            "ApiKey aWQ6aHVudGVyMg==",
        ),
    ] {
        let server = MockServer::start().await;
        answer(&server, ok(good())).await;
        let config = config(cluster(&server).with_credentials(credentials));
        let shown = format!("{config:?}");
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        for request in server.received_requests().await.unwrap() {
            assert_eq!(request.headers["authorization"], expected);
        }
        answer(&server, ResponseTemplate::new(401)).await;
        let error = store.refresh().await.unwrap_err();
        let status = serde_json::to_string(&store.status()).unwrap();
        for shown in [
            shown,
            format!("{store:?}"),
            status,
            format!("{error:?} {error}"),
        ] {
            assert!(
                !shown.contains("hunter2") && !shown.contains("aHVudGVy"),
                "{shown}"
            );
        }
    }
    for secret in ["hunter2", "YW5uOmh1", "aWQ6aHVu"] {
        assert_eq!(log.lines_with(secret), 0);
    }
    assert!(log.lines_with("the poll failed") > 0, "the log is seen");
}

/// A writer that collects the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines_with(&self, text: &str) -> usize {
        let log = self.0.lock().unwrap();
        String::from_utf8_lossy(&log)
            .lines()
            .filter(|line| line.contains(text))
            .count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}
