//! Tests the log of a store: each rejection appears once in a revision, and no secret appears.

use opensearch_directives::{Credentials, DirectiveStore as _, OpenSearchDirectiveStore};
use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};

use test_support::in_hours;

use crate::captured_log::Log;

use super::{cluster, complete, config, good_server, hit, ok, respond, shape, start};

#[tokio::test]
async fn p6_a_rejection_is_logged_and_counted_once_in_a_revision() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = MockServer::start().await;
    let invalid = json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)});
    let documents = |seq_no| {
        ok(complete(&[
            hit("a", seq_no, shape()),
            hit("invalid", 1, invalid.clone()),
        ]))
    };
    respond(&server, documents(0)).await;
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
    // A new revision is logged again.
    respond(&server, documents(2)).await;
    store.refresh().await.unwrap();
    assert_eq!(store.status().counters.rejections, 2);
    assert_eq!(log.lines_with("tenant: 42 is not a name"), 2);
}

/// Sends requests with these credentials, and asserts that no output contains the secret.
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
