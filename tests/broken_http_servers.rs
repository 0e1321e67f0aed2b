//! Tests a store whose server or load balancer misbehaves, for example with redirects, closed
//! connections, maintenance pages or endless responses.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use opensearch_directives::error::chain;
use opensearch_directives::status::NodeStatus;
use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore, Startup};
use serde_json::json;
use test_support::eventually::eventually;
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::raw_server::{RawServer, Reply, ok};

fn cluster(urls: &[&str]) -> ClusterConfig {
    ClusterConfig::new(urls.iter().map(|url| url.parse().unwrap()))
        .with_request_timeout(Duration::from_secs(20))
        .with_max_response_bytes(1 << 20)
}

/// Returns the configuration of a store that polls only when the test requests a poll.
fn config(cluster: ClusterConfig) -> Config {
    Config::new(cluster)
        .with_interval(Duration::from_secs(60 * 60))
        .with_poll_timeout(Duration::from_secs(60))
}

/// Starts a store that must fail to start because of its server, and returns the text of the error.
async fn refused(url: &str) -> String {
    let error = OpenSearchDirectiveStore::start(config(cluster(&[url])))
        .await
        .unwrap_err();
    chain(&error)
}

async fn mount(server: &MockServer, search: ResponseTemplate) {
    server.reset().await;
    let settings = json!({"directives": {"settings": {
        "index.uuid": "u", "index.number_of_shards": "1"}}});
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(settings))
        .mount(server)
        .await;
    Mock::given(method("POST"))
        .respond_with(search)
        .mount(server)
        .await;
}

fn empty() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": 0, "relation": "eq"}},
    }))
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_error_names_the_setting() {
    let target = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        let target = target.uri().replace("http://", "http://ann:hunter2@");
        let server = RawServer::start(move |received| {
            let path = received.text.split_whitespace().nth(1).unwrap();
            let path = path.split('?').next().unwrap();
            let location = format!("{target}/base{path}?token=hunter2");
            Reply::Bytes(
                format!("HTTP/1.1 {status} R\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
                    .into_bytes(),
            )
        })
        .await;
        let said = refused(&server.url).await;
        assert!(said.contains("which is not followed"), "{said}");
        assert!(said.contains(&status.to_string()), "{said}");
        assert!(said.contains("/base"), "{said}");
        assert!(said.contains("set the URL to http://127.0.0.1"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert!(target.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_closed_while_a_request_is_written_fails_no_poll() {
    let server = RawServer::start(|received| match received.before {
        0 => ok("", received.empty_index().as_bytes()),
        _ => Reply::Close,
    })
    .await;
    let store = OpenSearchDirectiveStore::start(config(cluster(&[&server.url])))
        .await
        .unwrap();
    for _ in 0..3 {
        store.refresh().await.unwrap();
    }
    assert_eq!(store.status().counters.polls_failed, 0);
    assert_eq!(store.status().nodes[0].failures, 0);
}

#[tokio::test]
async fn a_request_is_repeated_at_most_once() {
    let server = RawServer::start(|_| Reply::Close).await;
    let said = refused(&server.url).await;
    assert!(said.contains("the connection failed"), "{said}");
    assert_eq!(server.connections(), 2);
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_single_node_that_refuses_fails_no_poll_and_is_not_preferred() {
    for status in [401, 403, 429, 500, 502, 503] {
        for refuses_everything in [false, true] {
            let (bad, good) = (MockServer::start().await, MockServer::start().await);
            mount(&good, empty()).await;
            mount(&bad, ResponseTemplate::new(status)).await;
            if refuses_everything {
                bad.reset().await;
                let refuse = Mock::given(any()).respond_with(ResponseTemplate::new(status));
                refuse.mount(&bad).await;
            }
            let mut began_with_it = 0;
            for instance in 0..6 {
                let config = config(cluster(&[&bad.uri(), &good.uri()]))
                    .with_instance(format!("proxy-{instance}"));
                let store = OpenSearchDirectiveStore::start(config).await.unwrap();
                let before = bad.received_requests().await.unwrap().len();
                began_with_it += usize::from(before > 0);
                for _ in 0..3 {
                    store.refresh().await.unwrap();
                }
                assert_eq!(store.status().counters.polls_failed, 0, "{status}");
                let after = bad.received_requests().await.unwrap().len();
                assert_eq!(after, before, "{status}: it is left alone");
            }
            assert!(began_with_it > 0, "{status}");
        }
    }
}

#[tokio::test]
async fn a_refusal_by_every_node_is_the_refusal_of_the_cluster() {
    let (one, other) = (MockServer::start().await, MockServer::start().await);
    for server in [&one, &other] {
        mount(server, ResponseTemplate::new(403)).await;
    }
    let config = config(cluster(&[&one.uri(), &other.uri()])).with_startup(Startup::Empty);
    let store = OpenSearchDirectiveStore::start(config).await.unwrap();
    for _ in 0..3 {
        let error = store.refresh().await.unwrap_err();
        let said = chain(&error);
        assert!(said.contains("status 403"), "{said}");
        for node in store.status().nodes {
            assert_eq!(node.status, NodeStatus::Alive);
        }
    }
}

#[tokio::test]
async fn retry_after_is_bounded_by_max_backoff_and_may_be_a_date() {
    let date = "Fri, 27 Nov 2026 10:00:00 GMT";
    let soon = "Fri, 27 Nov 2026 10:00:20 GMT";
    for (retry_after, at_least, at_most) in [
        ("3600", 25.0, 25.0),
        (soon, 20.0, 20.0),
        ("Sat, 28 Nov 2026 10:00:00 GMT", 25.0, 25.0),
        ("whenever", 0.0, 3.0),
    ] {
        let server = RawServer::start(move |_| {
            Reply::Bytes(
                format!(
                    "HTTP/1.1 503 M\r\ndate: {date}\r\nretry-after: {retry_after}\r\n\
                     content-length: 0\r\n\r\n"
                )
                .into_bytes(),
            )
        })
        .await;
        let config = config(cluster(&[&server.url]))
            .with_interval(Duration::from_secs(1))
            .with_max_backoff(Duration::from_secs(25))
            .with_startup(Startup::Empty);
        let store = OpenSearchDirectiveStore::start(config).await.unwrap();
        store.refresh().await.unwrap_err();
        let pause = async || store.status().next_poll_in_seconds;
        eventually(
            &format!("{retry_after}: a pause from {at_least} to {at_most} s"),
            pause,
            |pause| (at_least..=at_most).contains(pause),
        )
        .await;
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_response_is_bounded_while_it_arrives_and_while_it_is_decompressed() {
    // The server sends a small response body in gzip format, which decompresses to 1 GiB.
    let bomb = gzip(&vec![b' '; 16 << 20]).repeat(64);
    let gzipped = RawServer::start(move |_| ok("content-encoding: gzip\r\n", &bomb)).await;
    let endless = RawServer::start(|_| {
        Reply::Endless(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
            vec![b' '; 1 << 16],
        )
    })
    .await;
    let chunked = RawServer::start(|_| {
        let mut chunk = b"10000\r\n".to_vec();
        chunk.resize(chunk.len() + 0x10000, b' ');
        chunk.extend(b"\r\n");
        Reply::Endless(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            chunk,
        )
    })
    .await;
    let announced = RawServer::start(|_| {
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec())
    })
    .await;
    for server in [gzipped, endless, chunked, announced] {
        let said = refused(&server.url).await;
        assert!(
            said.contains("larger than the limit of 1048576 bytes"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn an_endless_error_response_is_reported_with_its_status() {
    let server = RawServer::start(|_| {
        Reply::Endless(
            "HTTP/1.1 403 F\r\ncontent-type: text/html\r\n\r\n",
            vec![b'x'; 1 << 16],
        )
    })
    .await;
    let said = refused(&server.url).await;
    assert!(
        said.contains("status 403: not from OpenSearch (text/html)"),
        "{said}"
    );
    assert!(said.len() < 1000, "{said}");
}

#[tokio::test]
async fn endless_headers_fail_the_request() {
    let server = RawServer::start(|_| {
        Reply::Endless(
            "HTTP/1.1 200 OK\r\n",
            b"x-filler: aaaaaaaaaaaaaaaaaaaaaaaa\r\n".to_vec(),
        )
    })
    .await;
    let said = refused(&server.url).await;
    assert!(said.contains("the connection failed"), "{said}");
}

#[tokio::test]
async fn gzip_is_decoded_and_another_encoding_is_refused_by_name() {
    let server = RawServer::start(|received| {
        let body = gzip(received.empty_index().as_bytes());
        ok("content-encoding: gzip\r\n", &body)
    })
    .await;
    OpenSearchDirectiveStore::start(config(cluster(&[&server.url])))
        .await
        .unwrap();
    assert!(server.received()[0].contains("accept-encoding: identity"));

    for encoding in ["br", "zstd", "deflate", "gzip, br"] {
        let server = RawServer::start(move |_| {
            ok(&format!("content-encoding: {encoding}\r\n"), b"\x1b\x00")
        })
        .await;
        let said = refused(&server.url).await;
        assert!(
            said.contains(&format!("content encoding {encoding:?}")),
            "{said}"
        );
    }
    let broken = RawServer::start(|_| ok("content-encoding: gzip\r\n", b"no gzip")).await;
    let said = refused(&broken.url).await;
    assert!(said.contains("not the expected JSON"), "{said}");
}

#[tokio::test]
async fn deeply_nested_json_fails_the_poll() {
    let server = RawServer::start(|_| ok("", "{\"timed_out\":".repeat(50_000).as_bytes())).await;
    let said = refused(&server.url).await;
    assert!(said.contains("not the expected JSON"), "{said}");
}
