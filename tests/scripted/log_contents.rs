//! Tests that a store logs each change of a directive in one line, logs the rejection of a document
//! once for each version of the document, and logs no secret.

use opensearch_directives::{Credentials, DirectiveStore as _, OpenSearchDirectiveStore};
use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use test_support::{in_hours, stored};

use crate::captured_log::Log;

use super::{cluster, complete, config, good_server, hit, ok, respond, shape, start};

#[tokio::test]
async fn p6_a_rejection_is_logged_and_counted_once_in_a_revision_of_its_document() {
    let (log, _guard) = capture();
    let server = MockServer::start().await;
    let invalid = json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)});
    let documents = |valid, rejected| {
        ok(complete(&[
            hit("a", valid, shape()),
            hit("invalid", rejected, invalid.clone()),
        ]))
    };
    respond(&server, documents(0, 1)).await;
    let store = start(&server).await;
    for _ in 0..3 {
        store.refresh().await.unwrap();
    }
    let status = store.status();
    assert_eq!(store.load().len(), 1);
    assert_eq!(status.rejected[0].id(), "invalid");
    assert!(status.rejected[0].to_string().starts_with("tenant: 42"));
    assert_eq!(status.counters.rejections, 1);
    assert_eq!(log.lines_with("tenant: 42 is not a name"), 1);
    // The store publishes a new set after a change of the valid document, but must not log the
    // rejection of the unchanged invalid document again.
    respond(&server, documents(2, 1)).await;
    store.refresh().await.unwrap();
    assert_eq!(store.status().counters.publishes, 2);
    assert_eq!(store.status().counters.rejections, 1);
    assert_eq!(log.lines_with("tenant: 42 is not a name"), 1);
    // The store must log a second rejection after somebody has written the invalid document again,
    // even with the same fault.
    respond(&server, documents(2, 3)).await;
    store.refresh().await.unwrap();
    assert_eq!(store.status().counters.rejections, 2);
    assert_eq!(log.lines_with("tenant: 42 is not a name"), 2);
}

/// Collects the log of the current thread until the test drops the returned guard.
fn capture() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// Returns the stored document of a directive whose last author is `author`.
fn written_by(author: &str, level: &str) -> Value {
    stored(json!({
        "level": level,
        "tenant": "acme corp",
        "expires_at": "2100-01-01T00:00:00Z",
        "updated_by": author,
    }))
}

#[tokio::test]
async fn each_change_of_a_directive_is_one_line_with_its_author_and_number() {
    let (log, _guard) = capture();
    let server = MockServer::start().await;
    let mut expired = shape();
    expired["expires_at"] = "2020-01-01T00:00:00Z".into();
    expired["starts_at"] = "2019-01-01T00:00:00Z".into();
    let old = hit("old", 9, expired);
    let first = [
        hit("slow", 3, written_by("alice", "Shape")),
        hit("gone", 4, written_by("bob", "Shape")),
        hit("over", 5, written_by("bob", "Shape")),
        old.clone(),
    ];
    respond(&server, ok(complete(&first))).await;
    let store = start(&server).await;
    let tells = |parts: &[&str]| {
        let found = log.lines_with_all(parts);
        assert_eq!(found, 1, "{parts:?} in\n{}", log.text());
    };
    tells(&[
        "a directive was added",
        "id=\"slow\"",
        "level=\"Shape\"",
        "targets=tenant=acme corp",
        "by=\"alice\"",
        "seq_no=3",
    ]);
    assert_eq!(log.lines_with("id=\"old\""), 0, "it had expired before");
    store.refresh().await.unwrap();
    assert_eq!(log.lines_with("a directive was"), 3, "{}", log.text());

    let mut over = written_by("bob", "Shape");
    over["revoked"] = true.into();
    over["revoked_at"] = "2026-01-01T00:00:00Z".into();
    over["revoked_by"] = "carol".into();
    let second = [
        hit("slow", 11, written_by("dave", "ShapeTiming")),
        hit("over", 10, over),
        old,
    ];
    respond(&server, ok(complete(&second))).await;
    // The store accepts a deletion only after two reads with the same result, because the mock
    // server cannot confirm the deletion.
    store.refresh().await.unwrap_err();
    store.refresh().await.unwrap();
    tells(&["was changed", "by=\"dave\"", "seq_no=11", "changed=level"]);
    tells(&["was removed", "\"over\"", "\"carol\"", "=10", "\"revoked\""]);
    tells(&["was removed", "\"gone\"", "cause=\"deleted\""]);
    let changes = store.status().counters.changes;
    assert_eq!((changes.added, changes.changed, changes.removed), (3, 1, 2));
}

#[tokio::test]
async fn a_publish_logs_a_bounded_number_of_changes_and_counts_the_others() {
    let (log, _guard) = capture();
    let server = MockServer::start().await;
    let documents: Vec<Value> = (0..150)
        .map(|n| hit(&format!("d-{n}"), n, shape()))
        .collect();
    respond(&server, ok(complete(&documents))).await;
    let config = config(cluster(&server)).with_max_documents(1000);
    let store = OpenSearchDirectiveStore::start(config).await.unwrap();
    assert_eq!(log.lines_with("a directive was added"), 100);
    assert_eq!(log.lines_with("more=50"), 1);
    assert_eq!(store.status().counters.changes.added, 150);
}

/// Runs a store with the given credentials, and checks that neither the printed configuration, nor
/// the store, its status or its error, contains the secret.
async fn check_secret(credentials: Credentials, header: &str) {
    let server = good_server().await;
    let config = config(cluster(&server).with_credentials(credentials));
    let printed_config = format!("{config:?}");
    let store = OpenSearchDirectiveStore::start(config).await.unwrap();
    for request in server.received_requests().await.unwrap() {
        assert_eq!(request.headers["authorization"], header);
    }
    respond(&server, ResponseTemplate::new(401)).await;
    let error = store.refresh().await.unwrap_err();
    for printed in [
        printed_config,
        format!("{store:?}"),
        serde_json::to_string(&store.status()).unwrap(),
        format!("{error:?} {error}"),
    ] {
        assert!(
            !printed.contains("hunter2") && !printed.contains("aHVudGVy"),
            "{printed}"
        );
    }
}

#[tokio::test]
async fn credentials_are_sent_and_never_printed() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let basic = Credentials::Basic {
        username: "ann".to_owned(),
        password: "hunter2".into(),
    };
    check_secret(basic, "Basic YW5uOmh1bnRlcjI=").await;
    check_secret(Credentials::Bearer("hunter2".into()), "Bearer hunter2").await;
    let key = Credentials::ApiKey("id:hunter2".into());
    check_secret(key, "ApiKey aWQ6aHVudGVyMg==").await;
    for secret in ["hunter2", "YW5uOmh1", "aWQ6aHVu"] {
        assert_eq!(log.lines_with(secret), 0);
    }
    assert!(log.lines_with("the poll failed") > 0, "the log is empty");
}
