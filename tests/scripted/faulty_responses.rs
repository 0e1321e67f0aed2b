//! Tests a store with each kind of faulty response. The store's poll must fail, its published set
//! must stay in use, and its status must name the fault.

use std::time::Duration;

use opensearch_directives::error::chain;
use opensearch_directives::{ClusterConfig, DirectiveStore as _, OpenSearchDirectiveStore, Status};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{
    SEARCH, SETTINGS, cluster, complete, config, good, good_server, hit, ok, respond,
    respond_with_settings, settings, shape, start,
};

/// The name of a fault, the response with this fault, and a part of the error text that the store
/// must report for it.
type Case = (&'static str, ResponseTemplate, &'static str);

/// Returns a search response that is correct except for the value at the JSON pointer `pointer`,
/// which is `value`.
fn with(pointer: &str, value: Value) -> ResponseTemplate {
    let mut body = good();
    *body.pointer_mut(pointer).unwrap() = value;
    ok(body)
}

#[rustfmt::skip]
fn incomplete_responses() -> Vec<Case> {
    let no_shards = json!({"total": 0, "successful": 0, "failed": 0});
    let repeated = complete(&[hit("a", 0, shape()), hit("a", 1, shape())]);
    vec![
        ("a time-out", with("/timed_out", json!(true)), "timed out on the server"),
        ("a failed shard", with("/_shards/failed", json!(1)), "1 of 1 shards failed"),
        ("an unsuccessful shard", with("/_shards/successful", json!(0)), "1 of 1 shards failed"),
        ("zero shards", with("/_shards", no_shards), "zero shards"),
        ("too few hits", with("/hits/total/value", json!(3)), "contains 2 of 3 documents"),
        ("too many hits", with("/hits/total/value", json!(1)), "contains 2 of 1 documents"),
        ("a lower bound", with("/hits/total/relation", json!("gte")), "only a lower bound"),
        ("an empty object", ok(json!({})), "lacks timed_out"),
        ("a repeated id", ok(repeated), "contains a document twice"),
    ]
}

fn unexpected_bodies() -> Vec<Case> {
    let html = "<html><body>Bad gateway at lb-7</body></html>";
    let page = |status| ResponseTemplate::new(status).set_body_raw(html, "text/html");
    let truncated = good().to_string();
    let truncated = &truncated[..truncated.len() - 20];
    let truncated = ResponseTemplate::new(200).set_body_raw(truncated, "application/json");
    let many: Vec<Value> = (0..11).map(|n| hit(&n.to_string(), n, shape())).collect();
    vec![
        ("truncated JSON", truncated, "not the expected JSON"),
        ("HTML as 200", page(200), "not the expected JSON"),
        (
            "HTML as 502",
            page(502),
            "502: not from OpenSearch (text/html): <html><body>Bad gateway at lb-7",
        ),
        (
            "too many bytes",
            ok(json!({"x": "y".repeat(200_000)})),
            "larger than the limit of 100000 bytes",
        ),
        (
            "too many documents",
            ok(complete(&many)),
            "contains 11 documents that have not ended, more than `max_documents` (10)",
        ),
    ]
}

#[rustfmt::skip]
fn error_statuses() -> Vec<Case> {
    let exception = |status: u16, name: &str| {
        ResponseTemplate::new(status).set_body_json(
            json!({"error": {"type": name, "reason": format!("because of {name}")}, "status": status}),
        )
    };
    let too_many = exception(429, "circuit_breaking_exception").insert_header("retry-after", "7");
    let empty = ResponseTemplate::new(500).set_body_string("");
    vec![
        ("401", exception(401, "security_exception"), "401 security_exception: because of"),
        ("403", exception(403, "security_exception"), "403 security_exception: because of"),
        ("404", exception(404, "index_not_found_exception"), "does not exist"),
        ("429", too_many, "429 circuit_breaking_exception"),
        ("500", empty, "status 500"),
        ("503", exception(503, "cluster_block_exception"), "503 cluster_block_exception"),
    ]
}

/// Returns the ids of the published directives and the status of the store, so that a test can
/// compare both before and after a failed poll.
fn state(store: &OpenSearchDirectiveStore) -> (Vec<String>, Status) {
    let set = store.load();
    let ids = set.iter().map(|directive| directive.id.to_owned());
    (ids.collect(), store.status())
}

/// Checks that a poll with a faulty response fails and does not change the published set, and that
/// the next poll with a correct response succeeds.
async fn check_fault(server: &MockServer, store: &OpenSearchDirectiveStore, case: Case) {
    let (name, faulty, expected) = case;
    let (ids_before, before) = state(store);
    respond(server, faulty).await;
    let error = store.refresh().await.unwrap_err();
    assert!(error.poll_error().is_some(), "{name}");
    let (ids, status) = state(store);
    assert_eq!(ids, ids_before, "{name}");
    assert_eq!(status.digest, before.digest, "{name}");
    assert_eq!(status.revision, before.revision, "{name}");
    assert_eq!(status.last_change, before.last_change, "{name}");
    let reported = status.last_error.unwrap();
    assert!(reported.contains(expected), "{name}: {reported}");
    // The store's next poll must succeed when the server sends correct responses again.
    respond(server, ok(good())).await;
    store.refresh().await.unwrap();
    let (ids, status) = state(store);
    assert_eq!((ids, status.last_error), (ids_before, None), "{name}");
    assert_eq!(status.counters.publishes, 1, "{name}");
}

#[tokio::test]
async fn p5_a_faulty_response_keeps_the_published_set_and_is_named_in_the_status() {
    let server = good_server().await;
    let store = start(&server).await;
    assert_eq!(state(&store).0, ["a", "b"]);
    for cases in [
        incomplete_responses(),
        unexpected_bodies(),
        error_statuses(),
    ] {
        for case in cases {
            check_fault(&server, &store, case).await;
        }
    }
}

#[tokio::test]
async fn p1_the_name_must_refer_to_exactly_one_index() {
    let server = good_server().await;
    let store = start(&server).await;
    for (indices, expected) in [(vec![], "0 indices"), (vec!["one", "two"], "2 indices")] {
        respond_with_settings(&server, settings(&indices), ok(good())).await;
        store.refresh().await.unwrap_err();
        let reported = store.status().last_error.unwrap();
        assert!(reported.contains(expected), "{reported}");
        assert_eq!(store.load().len(), 2);
    }
}

/// Returns one page of a read that needs several pages. If `sorted` is false, the page lacks the
/// sort values that a store needs to request the next page.
fn page(total: u64, first: u64, count: u64, sorted: bool) -> Value {
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
}

/// Makes the mock server return the pages `first` and `second`, and check that the store closes its
/// point in time.
async fn respond_with_pages(server: &MockServer, first: Value, second: Value) {
    respond(server, ok(page(10_002, 0, 0, true))).await;
    Mock::given(method("POST"))
        .and(path("/directives/_search/point_in_time"))
        .respond_with(ok(json!({"pit_id": "p"})))
        .mount(server)
        .await;
    let search = || Mock::given(method("POST")).and(path("/_search"));
    let first = search().respond_with(ok(first)).up_to_n_times(1);
    first.mount(server).await;
    search().respond_with(ok(second)).mount(server).await;
    Mock::given(method("DELETE"))
        .and(path("/_search/point_in_time"))
        .respond_with(ok(json!({})))
        .expect(1)
        .mount(server)
        .await;
}

#[tokio::test]
async fn p1_pages_that_disagree_are_not_one_read() {
    let server = MockServer::start().await;
    for (name, first, second, expected) in [
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
            "a page has no offset of the next page",
            page(10_002, 0, 1, false),
            page(10_002, 1, 1, false),
            "lacks sort",
        ),
    ] {
        respond_with_pages(&server, first, second).await;
        let config = config(cluster(&server)).with_max_documents(100_000);
        let error = OpenSearchDirectiveStore::start(config).await.unwrap_err();
        let text = chain(&error);
        assert!(text.contains(expected), "{name}: {text}");
        server.verify().await;
    }
}

/// Returns one page of a read without a point in time, with the same aggregations as every other
/// page. Equal aggregations show the store that the index did not change between two pages.
fn page_of_unchanged_index(total: u64, first: u64, count: u64) -> Value {
    let mut body = page(total, first, count, true);
    body["aggregations"] = json!({"all": {
        "seq": {"count": total, "max": total - 1, "sum": (0..total).sum::<u64>()},
        "updated": {"value": null},
    }});
    body
}

#[tokio::test]
async fn p1_at_the_limit_on_points_in_time_the_pages_are_compared_by_their_sums() {
    let server = MockServer::start().await;
    let limit = json!({"error": {"type": "rejected_execution_exception"}, "status": 429});
    Mock::given(method("GET"))
        .and(path(SETTINGS))
        .respond_with(settings(&["directives"]))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/directives/_search/point_in_time"))
        .respond_with(ResponseTemplate::new(429).set_body_json(limit))
        .expect(1..)
        .mount(&server)
        .await;
    let search = |request: &Request| {
        let request: Value = request.body_json().unwrap();
        ok(match (&request["size"], &request["search_after"]) {
            (size, _) if *size == 0 => page_of_unchanged_index(10_002, 0, 0),
            (_, Value::Null) => page_of_unchanged_index(10_002, 0, 10_000),
            _ => page_of_unchanged_index(10_002, 10_000, 2),
        })
    };
    Mock::given(method("POST"))
        .and(path(SEARCH))
        .respond_with(search)
        .mount(&server)
        .await;
    let cluster = cluster(&server).with_max_response_bytes(10_000_000);
    let config = config(cluster).with_max_documents(100_000);
    let store = OpenSearchDirectiveStore::start(config).await.unwrap();
    assert_eq!(store.load().len(), 10_002);
}

#[tokio::test]
async fn p5_a_response_after_the_time_limit_fails_the_poll() {
    let server = good_server().await;
    let short = cluster(&server).with_request_timeout(Duration::from_millis(200));
    let store = OpenSearchDirectiveStore::start(config(short))
        .await
        .unwrap();
    respond(&server, ok(good()).set_delay(Duration::from_secs(10 * 60))).await;
    store.refresh().await.unwrap_err();
    let reported = store.status().last_error.unwrap();
    assert!(
        reported.contains("no complete response within 200ms"),
        "{reported}"
    );
    assert_eq!(store.load().len(), 2);
    respond(&server, ok(good())).await;
    store.refresh().await.unwrap();
}

#[tokio::test]
async fn a_response_with_a_large_content_length_is_refused_before_it_is_read() {
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
        // The server never sends the body, so a store that tried to read the body would wait for it
        // until the time limit.
        std::future::pending::<()>().await;
    });
    let cluster = ClusterConfig::new([url.parse().unwrap()])
        .with_request_timeout(Duration::from_secs(10 * 60));
    let config = config(cluster).with_poll_timeout(Duration::from_secs(10 * 60));
    let error = OpenSearchDirectiveStore::start(config).await.unwrap_err();
    let text = chain(&error);
    // The error must name a limit of 1 MiB, because the store first requests the index statistics,
    // whose response is small.
    assert!(
        text.contains("larger than the limit of 1048576 bytes"),
        "{text}"
    );
    server.abort();
}
