//! Tests a store's limit for the number of documents that have not ended, and its limit for the
//! number of all documents. Also tests that a store warns if its limit for the time to live differs
//! from the limit of the ingest pipeline.

use std::time::Duration;

use opensearch_directives::error::PollErrorKind;
use opensearch_directives::{Config, DirectiveStore as _, OpenSearchDirectiveStore};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::captured_log::Log;
use test_support::http::bulk;
use test_support::node::{cluster, installed_index, shared_url};
use test_support::{in_hours, stored};

const MAX: usize = 10;
/// With this value of `max_documents`, the index may contain more documents than a delta read reads.
const MANY: usize = 30;

/// Returns the configuration of a store that polls only when the test requests a poll.
fn config(url: &str, index: &str) -> Config {
    Config::new(cluster(url, index))
        .with_interval(Duration::from_secs(3600))
        .with_poll_timeout(Duration::from_secs(120))
        .with_max_documents(MAX)
}

/// Returns the lines of a bulk request that writes `count` documents, which expire in `hours`
/// hours.
fn documents(index: &str, prefix: &str, count: usize, hours: i64) -> String {
    let expires_at = in_hours(hours);
    (0..count)
        .map(|n| {
            let id = format!("{prefix}-{n}");
            let action = json!({"index": {"_index": index, "_id": id, "pipeline": "_none"}});
            let document = stored(json!({"level": "Shape", "expires_at": expires_at}));
            format!("{action}\n{document}\n")
        })
        .collect()
}

fn kind_of(refused: &opensearch_directives::RefreshError) -> PollErrorKind {
    refused.poll_error().unwrap().kind()
}

#[tokio::test]
async fn documents_that_have_ended_do_not_count_against_the_bound() {
    let url = shared_url();
    let index = installed_index(&url, "ended").await;
    bulk(&url, documents(&index, "ended", 3 * MAX, -2)).await;
    bulk(&url, documents(&index, "active", MAX / 2, 1)).await;
    let store = OpenSearchDirectiveStore::start(config(&url, &index))
        .await
        .unwrap();
    let status = store.status();
    assert_eq!(status.directives, 3 * MAX + MAX / 2);
    assert_eq!(status.unfinished, Some(MAX / 2));
    assert_eq!(status.max_documents, MAX);
    assert_eq!(status.warnings, [""; 0]);

    // The store must also apply the limit for documents that have not ended when a delta read adds
    // documents.
    bulk(&url, documents(&index, "more", MAX / 2, 1)).await;
    store.refresh().await.unwrap();
    assert_eq!(store.status().unfinished, Some(MAX));
    bulk(&url, documents(&index, "much", 1, 1)).await;
    let refused = store.refresh().await.unwrap_err();
    assert_eq!(kind_of(&refused), PollErrorKind::TooManyDocuments);
    assert_eq!(store.load().len(), 4 * MAX, "the published set stays");
}

#[tokio::test]
async fn what_is_stored_in_all_has_a_bound_of_its_own() {
    let url = shared_url();
    let index = installed_index(&url, "stored").await;
    bulk(&url, documents(&index, "ended", 5 * MANY, -2)).await;
    let store = OpenSearchDirectiveStore::start(config(&url, &index).with_max_documents(MANY))
        .await
        .unwrap();
    let warnings = store.status().warnings;
    assert!(
        warnings[0].contains("`directives prune --ended-before 90d`"),
        "{warnings:?}"
    );
    bulk(&url, documents(&index, "more", 1, -2)).await;
    // The next poll makes a delta read, which reads only some of the documents, but the store must
    // count all of them. Documents that have ended count against the limit for all documents, but
    // not against the limit for documents that have not ended.
    let refused = store.refresh().await.unwrap_err();
    assert_eq!(kind_of(&refused), PollErrorKind::TooManyDocuments);
    let text = store.status().last_error.unwrap();
    assert!(
        text.contains("151 documents, ended ones included"),
        "{text}"
    );
}

#[tokio::test]
async fn the_warning_before_the_bound_is_logged_once() {
    let url = shared_url();
    let index = installed_index(&url, "warned").await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    bulk(&url, documents(&index, "a", 7, 1)).await;
    let store = OpenSearchDirectiveStore::start(config(&url, &index))
        .await
        .unwrap();
    assert_eq!(store.status().warnings, [""; 0]);
    for n in 0..3 {
        bulk(&url, documents(&index, &format!("b{n}"), 1, 1)).await;
        store.refresh().await.unwrap();
        let warnings = store.status().warnings;
        assert!(
            warnings[0].starts_with(&format!("{} documents have not ended", 8 + n)),
            "{warnings:?}"
        );
    }
    assert_eq!(log.lines_with("documents have not ended"), 1);
}

/// Starts a mock cluster whose ingest pipeline permits a time to live of at most `bound` seconds,
/// or that refuses to show its pipeline if `bound` is `None`.
async fn with_bound(bound: Option<u64>) -> MockServer {
    let server = MockServer::start().await;
    let settings = json!({"directives": {"settings": {
        "index.uuid": "u", "index.number_of_shards": "1",
    }}});
    let nothing = json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": 0, "relation": "eq"}},
    });
    let pipeline = match bound {
        Some(seconds) => ResponseTemplate::new(200).set_body_json(json!({"directives": {
            "processors": [{"script": {"params": {"max_ttl_secs": seconds}}}],
        }})),
        None => ResponseTemplate::new(403).set_body_json(json!({
            "error": {"type": "security_exception", "reason": "no permissions"}, "status": 403,
        })),
    };
    let settings_path =
        "/directives/_settings/index.uuid,index.number_of_shards,index.refresh_interval";
    let ok = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    for (verb, at, response) in [
        ("GET", settings_path, ok(settings)),
        ("POST", "/directives/_search", ok(nothing)),
        ("GET", "/_ingest/pipeline/directives", pipeline),
    ] {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(response)
            .mount(&server)
            .await;
    }
    server
}

#[tokio::test]
async fn a_pipeline_and_a_reader_that_disagree_about_the_longest_time_to_live_are_reported() {
    const DAY: u64 = 24 * 3600;
    for (bound, expected) in [
        (Some(90 * DAY), Some("raise `max_ttl` here")),
        (Some(7 * DAY), Some("lower `max_ttl` here")),
        (Some(30 * DAY), None),
        // The store must not warn about its limit for the time to live if its role does not permit
        // it to read the ingest pipeline.
        (None, None),
    ] {
        let server = with_bound(bound).await;
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let store = OpenSearchDirectiveStore::start(config(&server.uri(), "directives"))
            .await
            .unwrap();
        // The test requests two polls, because the store reads the ingest pipeline between two
        // polls.
        store.refresh().await.unwrap();
        store.refresh().await.unwrap();
        let warnings = store.status().warnings;
        match expected {
            Some(text) => assert!(warnings[0].contains(text), "{bound:?}: {warnings:?}"),
            None => assert_eq!(warnings, [""; 0], "{bound:?}"),
        }
        let logged = usize::from(expected.is_some());
        assert_eq!(log.lines_with("`max_ttl`"), logged, "{bound:?}");
    }
}
