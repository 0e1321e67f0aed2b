//! Tests how many requests and documents a poll of a real node needs, and which polling strategy
//! the store selects.

use std::time::Duration;

use opensearch_directives::status::ProbeMethod;
use opensearch_directives::{Config, DirectiveStore as _, OpenSearchDirectiveStore, Status};
use serde_json::{Value, json};

use test_support::eventually::eventually;
use test_support::http::{self, bulk};
use test_support::node::{cluster, installed_index, shared_url};
use test_support::{in_hours, stored};

/// The largest number of bytes that a poll of an unchanged index may receive.
const UNCHANGED_BYTES: u64 = 300;

/// Starts a store that polls only when the test requests a poll.
async fn start(url: &str, index: &str) -> OpenSearchDirectiveStore {
    let config = Config::new(cluster(url, index))
        .with_interval(Duration::from_secs(60 * 60))
        .with_poll_timeout(Duration::from_secs(2 * 60));
    OpenSearchDirectiveStore::start(config).await.unwrap()
}

/// Polls until the store has converged with the primary.
async fn settle(store: &OpenSearchDirectiveStore) {
    let before = store.status().counters.reads.unchanged;
    eventually(
        "the view settles",
        async || {
            store.refresh().await.unwrap();
            store.status().counters.reads.unchanged
        },
        |unchanged| *unchanged > before + 1,
    )
    .await;
}

/// Polls once, and returns the number of sent requests and the number of received bytes.
async fn cost(store: &OpenSearchDirectiveStore) -> (u64, u64) {
    let before = store.status().counters;
    store.refresh().await.unwrap();
    let after = store.status().counters;
    (
        after.requests - before.requests,
        after.bytes_received - before.bytes_received,
    )
}

async fn put(url: &str, index: &str, id: &str, tenant: &str) {
    let document = stored(json!({"level": "Shape", "tenant": tenant, "expires_at": in_hours(1)}));
    let url = format!("{url}/{index}/_doc/{id}?refresh=true");
    http::send("PUT", &url, Some(&document)).await;
}

fn tenants(store: &OpenSearchDirectiveStore) -> Vec<String> {
    let set = store.load();
    let tenant = |directive: opensearch_directives::DirectiveRef<'_>| {
        directive.tenant.unwrap_or_default().to_owned()
    };
    set.iter().map(tenant).collect()
}

#[tokio::test]
async fn an_unchanged_poll_is_one_small_request_for_any_index() {
    let url = shared_url();
    let index = installed_index(&url, "unchanged").await;
    let store = start(&url, &index).await;
    for documents in [0, 1, 5_000] {
        let lines: String = (0..documents)
            .map(|n| {
                let action = json!({"index": {"_index": index, "_id": format!("d-{n}")}});
                let document = json!({"level": "Shape", "expires_at": in_hours(1)});
                format!("{action}\n{document}\n")
            })
            .collect();
        if documents > 0 {
            bulk(&url, lines).await;
        }
        settle(&store).await;
        assert_eq!(store.load().len(), documents);
        let (requests, bytes) = cost(&store).await;
        println!("{documents} documents: {requests} request, {bytes} bytes");
        assert_eq!(requests, 1);
        assert!(bytes <= UNCHANGED_BYTES, "{bytes} bytes");
    }
    let status = store.status();
    assert_eq!(status.reading.probe, ProbeMethod::Statistics);
    assert!(status.reading.notes.is_empty(), "{:?}", status.reading);
    assert_eq!(status.counters.reads.corrections, 0);
}

#[tokio::test]
async fn a_delta_read_reads_only_the_change_and_a_deletion_is_detected() {
    let url = shared_url();
    let index = installed_index(&url, "delta").await;
    for n in 0..20 {
        put(&url, &index, &format!("d-{n:02}"), &format!("t-{n}")).await;
    }
    let store = start(&url, &index).await;
    settle(&store).await;
    let full_reads = |status: &Status| status.counters.reads.full_reads;
    let before = full_reads(&store.status());

    put(&url, &index, "d-05", "changed").await;
    put(&url, &index, "d-99", "new").await;
    store.refresh().await.unwrap();
    let mut expected: Vec<String> = (0..20).map(|n| format!("t-{n}")).collect();
    expected[5] = "changed".to_owned();
    expected.push("new".to_owned());
    assert_eq!(tenants(&store), expected);
    settle(&store).await;
    let status = store.status();
    assert_eq!(full_reads(&status), before, "only the changes were read");
    assert!(status.counters.reads.delta_reads >= 1);
    let revision = status.revision.unwrap();
    assert_eq!(revision.documents, 21);
    assert!(revision.updated_at.is_some());

    // A search returns no deleted documents, so the poll must detect the deletion by the
    // aggregations over all documents.
    let document = format!("{url}/{index}/_doc/d-00?refresh=true");
    http::send("DELETE", &document, None).await;
    store.refresh().await.unwrap();
    assert_eq!(tenants(&store), expected[1..]);
    assert_eq!(full_reads(&store.status()), before + 1);
    settle(&store).await;
    assert_eq!(cost(&store).await.0, 1);
}

/// A write becomes visible only after a refresh, so the polls before the refresh cannot see it.
#[tokio::test]
async fn p1_a_document_that_becomes_visible_later_is_not_missed() {
    let url = shared_url();
    let index = installed_index(&url, "later").await;
    let settings = format!("{url}/{index}/_settings");
    let interval = |interval: &str| json!({"index": {"refresh_interval": interval}});
    http::send("PUT", &settings, Some(&interval("-1"))).await;
    put(&url, &index, "a", "one").await;
    let store = start(&url, &index).await;
    let document = json!({"level": "Shape", "tenant": "two", "expires_at": in_hours(1)});
    let path = format!("{url}/{index}/_doc/a");
    http::send("PUT", &path, Some(&document)).await;
    for _ in 0..3 {
        store.refresh().await.unwrap();
        assert_eq!(tenants(&store), ["one"]);
    }
    http::send("POST", &format!("{url}/{index}/_refresh"), None).await;
    store.refresh().await.unwrap();
    assert_eq!(tenants(&store), ["two"]);
    assert_eq!(
        store.status().counters.reads.unchanged,
        0,
        "it never settles"
    );
}

#[tokio::test]
async fn an_index_of_several_shards_is_read_whole_and_the_status_says_so() {
    let url = shared_url();
    let index = test_support::node::unique_index("shards");
    let body: Value = json!({
        "settings": {"number_of_shards": 3, "number_of_replicas": 0, "refresh_interval": "1s"},
        "mappings": {"properties": {"updated_at": {"type": "date"}}},
    });
    http::send("PUT", &format!("{url}/{index}"), Some(&body)).await;
    for n in 0..30 {
        put(&url, &index, &format!("d-{n:02}"), &format!("t-{n}")).await;
    }
    let store = start(&url, &index).await;
    settle(&store).await;
    put(&url, &index, "d-07", "changed").await;
    store.refresh().await.unwrap();
    let mut expected: Vec<String> = (0..30).map(|n| format!("t-{n}")).collect();
    expected[7] = "changed".to_owned();
    assert_eq!(tenants(&store), expected);
    let reading = store.status().reading;
    assert!(!reading.delta);
    assert_eq!(reading.notes.len(), 1, "{reading:?}");
    assert!(reading.notes[0].contains("several shards"), "{reading:?}");
    settle(&store).await;
    assert_eq!(
        cost(&store).await.0,
        1,
        "unchanged, it is one request all the same"
    );
}

#[tokio::test]
async fn the_clock_is_compared_with_the_clusters_clock() {
    let url = shared_url();
    let index = installed_index(&url, "skew").await;
    let store = start(&url, &index).await;
    let skew = store.status().clock_skew_seconds.unwrap();
    // The test and the node use the clock of the same machine.
    assert!(skew.abs() < 60.0, "{skew}");
}
