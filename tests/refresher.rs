//! Tests what a store publishes and reports while it polls an index on a real node.

use std::time::Duration;

use opensearch_directives::admin::{Client, DirectivesApi};
use opensearch_directives::document::{Draft, Expiry};
use opensearch_directives::{
    Config, DiagLevel, DirectiveStore as _, OpenSearchDirectiveStore, Startup,
};
use serde_json::json;

use test_support::eventually::eventually;
use test_support::http::{self, bulk};
use test_support::node::{cluster, installed_index, shared_url, unique_index};
use test_support::{in_hours, stored};

/// Returns the configuration of a store that polls only when the test requests a poll.
fn config(url: &str, index: &str) -> Config {
    Config::new(cluster(url, index))
        .with_interval(Duration::from_secs(60 * 60))
        .with_poll_timeout(Duration::from_secs(2 * 60))
}

async fn start(url: &str, index: &str) -> OpenSearchDirectiveStore {
    OpenSearchDirectiveStore::start(config(url, index))
        .await
        .unwrap()
}

fn documents(index: &str, ids: std::ops::Range<usize>) -> String {
    let expires_at = in_hours(1);
    ids.map(|n| {
        let action =
            json!({"index": {"_index": index, "_id": format!("d-{n:06}"), "pipeline": "_none"}});
        let document =
            stored(json!({"level": "Shape", "tenant": format!("t-{n}"), "expires_at": expires_at}));
        format!("{action}\n{document}\n")
    })
    .collect()
}

#[tokio::test]
async fn p1_an_index_of_25000_documents_is_read_completely() {
    let url = shared_url();
    let index = installed_index(&url, "large").await;
    for begin in (0..25_000).step_by(5_000) {
        bulk(&url, documents(&index, begin..begin + 5_000)).await;
    }
    let store = start(&url, &index).await;
    let set = store.load();
    assert_eq!(set.len(), 25_000);
    let ids: Vec<String> = set
        .iter()
        .map(|directive| directive.id.to_owned())
        .collect();
    let expected: Vec<String> = (0..25_000).map(|n| format!("d-{n:06}")).collect();
    assert!(
        ids == expected,
        "each of them once, in the order of their ids"
    );
    // After each read, the store must have closed the point in time that it opened for this read.
    let (_, open) = http::get(&format!("{url}/{index}/_stats/search")).await;
    assert_eq!(open["_all"]["total"]["search"]["point_in_time_current"], 0);

    // The test reads an index with 10,000 documents, which is the maximum for one page of a read,
    // and then an index with one document less.
    for left in [10_000, 9_999] {
        let range = json!({"query": {"range": {"_seq_no": {"gte": left}}}});
        http::send(
            "POST",
            &format!("{url}/{index}/_delete_by_query?refresh=true"),
            Some(&range),
        )
        .await;
        store.refresh().await.unwrap();
        assert_eq!(store.load().len(), left);
    }
}

#[tokio::test]
async fn p1_more_documents_than_the_cap_are_not_read() {
    let url = shared_url();
    let index = installed_index(&url, "cap").await;
    bulk(&url, documents(&index, 0..101)).await;
    let error = OpenSearchDirectiveStore::start(config(&url, &index).with_max_documents(100))
        .await
        .unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        error.contains(
            "contains 101 documents that have not ended, more than `max_documents` (100)"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn p2_a_document_that_a_complete_read_lacks_is_deleted() {
    let url = shared_url();
    let index = installed_index(&url, "gone").await;
    bulk(&url, documents(&index, 0..3)).await;
    let store = start(&url, &index).await;
    let writer = DirectivesApi::new(Client::new(&cluster(&url, &index)).unwrap());
    writer.delete("d-000001").await.unwrap();
    store.refresh().await.unwrap();
    assert_eq!(store.load().len(), 2);
    writer.revoke("d-000002", None).await.unwrap();
    store.refresh().await.unwrap();
    let set = store.load();
    let ids: Vec<&str> = set.iter().map(|directive| directive.id).collect();
    assert_eq!(ids, ["d-000000"]);
}

#[tokio::test]
async fn p6_a_malformed_document_does_not_affect_100_valid_ones() {
    let url = shared_url();
    let index = installed_index(&url, "bad").await;
    let mut body = documents(&index, 0..100);
    let action = json!({"index": {"_index": index, "_id": "bad", "pipeline": "_none"}});
    let bad = json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)});
    body.push_str(&format!("{action}\n{bad}\n"));
    bulk(&url, body).await;
    let store = start(&url, &index).await;
    assert_eq!(store.load().len(), 100);
    let status = store.status();
    assert_eq!(status.rejected.len(), 1);
    assert_eq!(status.rejected[0].id(), "bad");
    assert!(
        status.rejected[0]
            .to_string()
            .starts_with("tenant: 42 is not a name")
    );
    assert_eq!(status.counters.rejections, 1);
    // The store must count the rejection of a document only once as long as the document does not
    // change, however often the store polls.
    store.refresh().await.unwrap();
    assert_eq!(store.status().counters.rejections, 1);
}

#[tokio::test]
async fn p5_polls_of_a_deleted_index_fail_until_it_exists_again() {
    let url = shared_url();
    let index = installed_index(&url, "deleted").await;
    bulk(&url, documents(&index, 0..2)).await;
    let store = start(&url, &index).await;
    let before = store.status();
    http::send("DELETE", &format!("{url}/{index}"), None).await;
    let error = store.refresh().await.unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
    assert_eq!(store.load().len(), 2);
    let status = store.status();
    assert!(
        status
            .last_error
            .unwrap()
            .contains("index_not_found_exception")
    );
    assert_eq!(
        (status.last_success, status.last_change),
        (before.last_success, before.last_change)
    );

    // The store must treat a re-created index as a new index, and not as a stale copy of the
    // deleted index, although both have the same number of documents.
    http::put(&format!("{url}/{index}"), &json!({})).await;
    bulk(&url, documents(&index, 7..9)).await;
    store.refresh().await.unwrap();
    let set = store.load();
    let ids: Vec<&str> = set.iter().map(|directive| directive.id).collect();
    assert_eq!(ids, ["d-000007", "d-000008"]);
    let status = store.status();
    assert_eq!(status.last_error, None);
    let (before, after) = (before.revision.unwrap(), status.revision.unwrap());
    assert_eq!(before.max_seq_no, after.max_seq_no);
    assert_ne!(before.uuid, after.uuid);
}

#[tokio::test]
async fn p7_an_unchanged_poll_publishes_nothing() {
    let url = shared_url();
    let index = installed_index(&url, "unchanged").await;
    bulk(&url, documents(&index, 0..2)).await;
    let store = start(&url, &index).await;
    let (set, before) = (store.load(), store.status());
    store.refresh().await.unwrap();
    let after = store.status();
    assert!(std::sync::Arc::ptr_eq(&set, &store.load()));
    assert_eq!(after.counters.publishes, 1);
    assert_eq!(after.counters.polls_succeeded, 2);
    assert_eq!(after.last_change, before.last_change);
    assert!(after.last_success > before.last_success);
}

#[tokio::test]
async fn p9_the_index_missing_at_the_start() {
    let url = shared_url();
    let index = unique_index("absent");
    let error = OpenSearchDirectiveStore::start(config(&url, &index))
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains(&format!("the index {index} does not exist")),
        "{cause}"
    );
    assert!(cause.contains("directives init"), "{cause}");

    let empty = config(&url, &index).with_startup(Startup::Empty);
    let store = OpenSearchDirectiveStore::start(empty).await.unwrap();
    assert!(store.load().is_empty());
    assert!(store.refresh().await.is_err());
    assert_eq!(store.status().revision, None);
    http::put(&format!("{url}/{index}"), &json!({})).await;
    store.refresh().await.unwrap();
    assert_eq!(store.status().revision.unwrap().documents, 0);
}

#[tokio::test]
async fn an_alias_of_one_index_is_followed_and_an_alias_of_two_is_refused() {
    let url = shared_url();
    let (one, two) = (
        installed_index(&url, "al-a").await,
        installed_index(&url, "al-b").await,
    );
    let alias = unique_index("alias");
    bulk(&url, documents(&one, 0..1)).await;
    bulk(&url, documents(&two, 1..3)).await;
    let aliases = async |actions: serde_json::Value| {
        let body = json!({ "actions": actions });
        let (status, _) = http::send("POST", &format!("{url}/_aliases"), Some(&body)).await;
        assert_eq!(status, 200);
    };
    aliases(json!([{"add": {"index": one, "alias": alias}}])).await;
    let store = start(&url, &alias).await;
    assert_eq!(store.load().len(), 1);
    aliases(json!([{"add": {"index": two, "alias": alias}}])).await;
    let error = store.refresh().await.unwrap_err().to_string();
    assert!(error.contains("refers to 2 indices"), "{error}");
    assert_eq!(store.load().len(), 1);
    aliases(json!([{"remove": {"index": one, "alias": alias}}])).await;
    store.refresh().await.unwrap();
    assert_eq!(store.load().len(), 2);
    assert_eq!(store.status().revision.unwrap().index, two);
}

#[tokio::test]
async fn an_applied_directive_is_found_by_the_next_poll() {
    let url = shared_url();
    let index = installed_index(&url, "writer").await;
    let store = OpenSearchDirectiveStore::start(
        config(&url, &index).with_interval(Duration::from_millis(50)),
    )
    .await
    .unwrap();
    let mut reader = store.reader();
    let writer = DirectivesApi::new(Client::new(&cluster(&url, &index)).unwrap());
    let draft = Draft::new(
        "a",
        DiagLevel::Shape,
        Expiry::After(Duration::from_secs(5 * 60)),
    );
    writer.apply(&[draft]).await.unwrap();
    eventually("it is read", async || reader.load().len(), |len| *len == 1).await;
    assert_eq!(store.load().len(), 1);
}
