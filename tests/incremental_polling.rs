//! Tests how many requests and documents a poll of a real node needs, and how the store finds out
//! what has changed.

use std::time::Duration;

use opensearch_directives::status::ProbeMethod;
use opensearch_directives::{Config, DirectiveStore as _, OpenSearchDirectiveStore, Status};
use serde_json::{Value, json};

use test_support::eventually::eventually;
use test_support::http::{self, bulk};
use test_support::node::{cluster, installed_index, shared_url};
use test_support::{in_hours, stored};

/// The maximum number of bytes that a poll of an unchanged index may receive.
const UNCHANGED_BYTES: u64 = 300;

/// Starts a store that polls only when the test requests a poll.
async fn start(url: &str, index: &str) -> OpenSearchDirectiveStore {
    let config = Config::new(cluster(url, index))
        .with_interval(Duration::from_secs(60 * 60))
        .with_poll_timeout(Duration::from_secs(2 * 60));
    OpenSearchDirectiveStore::start(config).await.unwrap()
}

/// Polls until the store has converged, which means that it contains everything that the primary
/// has acknowledged.
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

/// Polls once, and returns how many requests this poll sent and how many bytes it received.
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

    // The store must find the deletion by a reconcile, because no search response contains a
    // deleted document.
    let document = format!("{url}/{index}/_doc/d-00?refresh=true");
    http::send("DELETE", &document, None).await;
    store.refresh().await.unwrap();
    assert_eq!(tenants(&store), expected[1..]);
    let status = store.status();
    assert_eq!(full_reads(&status), before, "{:?}", status.counters.reads);
    assert_eq!(status.counters.reads.reconciles, 1);
    settle(&store).await;
    assert_eq!(cost(&store).await.0, 1);
}

/// The number of documents in a large index, in which a reconcile needs three rounds of requests to
/// find a deletion.
const MANY: usize = 21_000;

fn lines(action: &str, index: &str, numbers: impl Iterator<Item = usize>) -> String {
    let expires_at = in_hours(1);
    numbers
        .map(|n| {
            let id = json!({"_index": index, "_id": format!("d-{n:05}"), "pipeline": "_none"});
            let document = json!({"level": "Shape", "tenant": "t", "expires_at": expires_at});
            match action {
                "delete" => format!("{}\n", json!({ "delete": id })),
                _ => format!("{}\n{}\n", json!({ "index": id }), stored(document)),
            }
        })
        .collect()
}

/// Returns the numbers in the ids of the published directives, such as 7 for the id `d-7`.
fn published(store: &OpenSearchDirectiveStore) -> Vec<usize> {
    let set = store.load();
    set.iter().map(|one| one.id[2..].parse().unwrap()).collect()
}

#[tokio::test]
async fn p2_deletions_among_many_documents_are_found_without_reading_the_others() {
    let url = shared_url();
    let index = installed_index(&url, "deletions").await;
    for begin in (0..MANY).step_by(7_000) {
        bulk(&url, lines("index", &index, begin..begin + 7_000)).await;
    }
    let store = start(&url, &index).await;
    settle(&store).await;
    let mut expected: Vec<usize> = (0..MANY).collect();
    let scattered: Vec<usize> = (0..MANY).filter(|n| n % 211 == 5).collect();
    let block: Vec<usize> = (9_000..11_000).collect();
    for (gone, bytes) in [(vec![4_711], 8_000), (scattered, 60_000), (block, 150_000)] {
        bulk(&url, lines("delete", &index, gone.iter().copied())).await;
        expected.retain(|n| gone.binary_search(n).is_err());
        let (requests, received) = cost(&store).await;
        println!(
            "{} deletions: {requests} requests, {received} bytes",
            gone.len()
        );
        assert_eq!(published(&store), expected);
        assert!(requests <= 9, "{requests} requests");
        assert!(received <= bytes, "{received} bytes");
        settle(&store).await;
    }
    // The test deletes one document and writes a new one, so that the unchanged number of documents
    // does not show the deletion to the store. If the number of documents has not changed, the
    // store tries a delta read first.
    bulk(&url, lines("delete", &index, std::iter::once(20_999))).await;
    bulk(&url, lines("index", &index, [3, 30_000].into_iter())).await;
    store.refresh().await.unwrap();
    expected.retain(|n| *n != 20_999);
    expected.push(30_000);
    assert_eq!(published(&store), expected);
    let reads = store.status().counters.reads;
    assert_eq!((reads.full_reads, reads.reconciles), (1, 4), "{reads:?}");
}

#[tokio::test]
async fn a_periodic_reconcile_of_an_unchanged_index_reads_no_documents() {
    let url = shared_url();
    let index = installed_index(&url, "periodic").await;
    bulk(&url, lines("index", &index, 0..3_000)).await;
    let config = Config::new(cluster(&url, &index))
        .with_interval(Duration::from_secs(60 * 60))
        .with_reconcile_interval(Duration::from_millis(1));
    let store = OpenSearchDirectiveStore::start(config).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let (requests, bytes) = cost(&store).await;
        println!("{requests} requests, {bytes} bytes");
        assert!(bytes <= 6_000, "{bytes} bytes");
    }
    let status = store.status();
    let reads = status.counters.reads;
    assert_eq!((reads.full_reads, reads.reconciles), (1, 5), "{reads:?}");
    assert_eq!(reads.corrections, 0);
    assert_eq!(status.counters.publishes, 1);
}

/// A store must publish a write that becomes visible to searches only several polls later, when the
/// test refreshes the index.
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
    // The measured clock skew must be small, because the test and the node use the clock of the
    // same machine.
    assert!(skew.abs() < 60.0, "{skew}");
}
