//! Tests that a running store uses the new secret after an operator has replaced a password, a
//! token or a key.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opensearch_directives::error::{ConfigErrorKind, chain};
use opensearch_directives::{
    ClusterConfig, Config, Credentials, OpenSearchDirectiveStore, Secret, StartError,
};
use serde_json::json;
use wiremock::matchers::{any, header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Makes a mock server respond like an empty index to requests with the given `Authorization`
/// header, and with status 401 to all other requests.
async fn accept(server: &MockServer, authorization: &str) {
    server.reset().await;
    let settings = json!({"directives": {"settings": {
        "index.uuid": "u", "index.number_of_shards": "1"}}});
    let search = json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": 0, "relation": "eq"}},
    });
    for (verb, body) in [("GET", settings), ("POST", search)] {
        Mock::given(method(verb))
            .and(header("authorization", authorization))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(server)
            .await;
    }
    Mock::given(any())
        .respond_with(ResponseTemplate::new(401).set_body_string("Unauthorized"))
        .with_priority(10)
        .mount(server)
        .await;
}

async fn start(
    server: &MockServer,
    credentials: Credentials,
) -> Result<OpenSearchDirectiveStore, StartError> {
    let cluster = ClusterConfig::new([server.uri().parse().unwrap()]).with_credentials(credentials);
    let config = Config::new(cluster).with_interval(Duration::from_secs(60 * 60));
    OpenSearchDirectiveStore::start(config).await
}

/// Returns how many reloads of credentials have succeeded, and how many have failed.
fn reloads(store: &OpenSearchDirectiveStore) -> (u64, u64) {
    let counters = store.status().counters;
    (
        counters.credential_reloads,
        counters.credential_reload_failures,
    )
}

#[tokio::test]
async fn a_file_that_changed_is_read_after_a_401_in_the_same_poll() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let basic = |file: &Path| Credentials::Basic {
        username: "ann".to_owned(),
        password: Secret::file(file),
    };
    for (credentials, old, new) in [
        (
            basic(&file),
            ("old", "Basic YW5uOm9sZA=="),
            ("new", "Basic YW5uOm5ldw=="),
        ),
        (
            Credentials::Bearer(Secret::file(&file)),
            ("old", "Bearer old"),
            ("new", "Bearer new"),
        ),
        (
            Credentials::ApiKey(Secret::file(&file)),
            ("i:old", "ApiKey aTpvbGQ="),
            ("i:new", "ApiKey aTpuZXc="),
        ),
    ] {
        let server = MockServer::start().await;
        accept(&server, old.1).await;
        // The store must ignore white space at the beginning and at the end of a credential file.
        fs::write(&file, format!("\n {}\r\n", old.0)).unwrap();
        let store = start(&server, credentials).await.unwrap();
        assert_eq!(reloads(&store), (0, 0));
        fs::write(&file, new.0).unwrap();
        accept(&server, new.1).await;
        store.refresh().await.unwrap();
        assert_eq!(store.status().counters.polls_failed, 0);
        assert_eq!(reloads(&store), (1, 0));
    }
}

#[tokio::test]
async fn a_file_that_changed_is_read_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "old").unwrap();
    let server = MockServer::start().await;
    accept(&server, "Bearer old").await;
    let store = start(&server, Credentials::Bearer(Secret::file(&file)))
        .await
        .unwrap();
    fs::write(&file, "new").unwrap();
    store.refresh().await.unwrap();
    assert_eq!(reloads(&store), (0, 0));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    accept(&server, "Bearer new").await;
    store.refresh().await.unwrap();
    assert_eq!(reloads(&store), (1, 0));
    // Requests that are sent during the check for changed credentials may use the old ones.
    let requests = server.received_requests().await.unwrap();
    let last = requests.last().unwrap();
    assert_eq!(last.headers["authorization"], "Bearer new");
}

#[tokio::test]
async fn a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "good").unwrap();
    let server = MockServer::start().await;
    accept(&server, "Bearer good").await;
    let store = start(&server, Credentials::Bearer(Secret::file(&file)))
        .await
        .unwrap();
    let minute = async || {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(60)).await;
        tokio::time::resume();
    };
    let breakings: [fn(&Path); 4] = [
        |file| fs::write(file, " \n").unwrap(),
        |file| fs::write(file, "two\nlines").unwrap(),
        |file| fs::write(file, [0xff, 0xfe]).unwrap(),
        |file| fs::remove_file(file).unwrap(),
    ];
    for (done, breaking) in breakings.into_iter().enumerate() {
        breaking(&file);
        minute().await;
        store.refresh().await.unwrap();
        assert_eq!(reloads(&store), (0, done as u64 + 1));
    }
    fs::write(&file, "good").unwrap();
    minute().await;
    store.refresh().await.unwrap();
    assert_eq!(reloads(&store), (0, 4));
}

#[tokio::test]
async fn a_provider_is_called_before_the_first_request_and_after_a_401() {
    let server = MockServer::start().await;
    accept(&server, "Bearer token-0").await;
    let calls = Arc::new(AtomicUsize::new(0));
    // The test itself sets the next result of the credentials provider. The result must not depend
    // on the number of calls, because the refresher polls again on its own after a failed poll.
    let token = Arc::new(Mutex::new(Some("token-0")));
    let credentials = Credentials::provider({
        let (calls, token) = (calls.clone(), token.clone());
        move || {
            calls.fetch_add(1, Ordering::SeqCst);
            let token = *token.lock().unwrap();
            async move {
                token
                    .map(|token| Credentials::Bearer(token.to_owned().into()))
                    .ok_or_else(|| "the vault is sealed".into())
            }
        }
    });
    let store = start(&server, credentials).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(reloads(&store), (0, 0));
    *token.lock().unwrap() = Some("token-1");
    accept(&server, "Bearer token-1").await;
    store.refresh().await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(reloads(&store), (1, 0));
    accept(&server, "Bearer token-3").await;
    // The poll must fail if the credentials provider fails, and if the provider returns a token
    // that the server refuses.
    for answer in [None, Some("token-2")] {
        *token.lock().unwrap() = answer;
        let error = store.refresh().await.unwrap_err();
        assert!(chain(&error).contains("status 401"), "{}", chain(&error));
        assert!(reloads(&store).1 >= 1);
    }
    *token.lock().unwrap() = Some("token-3");
    store.refresh().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_fails_at_first_is_named_in_the_error() {
    let server = MockServer::start().await;
    let sealed = Credentials::provider(|| async { Err("the vault is sealed".into()) });
    let error = start(&server, sealed).await.unwrap_err();
    let said = chain(&error);
    assert!(said.contains("the vault is sealed"), "{said}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn credentials_that_cannot_be_sent_are_refused_and_not_repeated() {
    let server = MockServer::start().await;
    for credentials in [
        Credentials::Basic {
            username: String::new(),
            password: "hunter2".into(),
        },
        Credentials::Bearer("hunter2\nhunter2".into()),
        Credentials::Bearer(" ".into()),
        Credentials::ApiKey("hunter2".into()),
        Credentials::Bearer(Secret::file("no such file")),
    ] {
        let error = start(&server, credentials).await.unwrap_err();
        let kind = error.config_error().unwrap().kind();
        assert_eq!(kind, ConfigErrorKind::Credentials, "{error:?}");
        assert!(!format!("{error:?}{}", chain(&error)).contains("hunter2"));
    }
}
