//! Tests how a store behaves while its index is restored, deleted, replaced or blocked.

use std::sync::Arc;

use opensearch_directives::admin::{Client, DirectivesApi};
use opensearch_directives::document::{Draft, Expiry};
use opensearch_directives::error::chain as error_chain;
use opensearch_directives::{DiagLevel, DirectiveStore as _, OpenSearchDirectiveStore};
use serde_json::json;

use super::{ids, must, on_demand, write};
use test_support::eventually::eventually;
use test_support::http::{self, bulk};
use test_support::node::{cluster, installed_index, shared_url, unique_index};
use test_support::{in_hours, stored};

/// Checks that a poll of the store fails for the reason `reason`, and that the store's published
/// set stays unchanged.
async fn fails(store: &OpenSearchDirectiveStore, reason: &str) {
    let (set, before) = (store.load(), store.status());
    store.refresh().await.unwrap_err();
    assert!(Arc::ptr_eq(&set, &store.load()));
    let after = store.status();
    let error = after.last_error.unwrap();
    assert!(error.contains(reason), "{error}");
    assert_eq!(after.revision, before.revision);
    assert_eq!(after.last_success, before.last_success);
    assert_eq!(
        after.counters.polls_failed,
        before.counters.polls_failed + 1
    );
}

#[tokio::test]
async fn p5_polls_of_a_missing_index_fail_with_the_reason() {
    let url = shared_url();
    let index = installed_index(&url, "gone-for-long").await;
    write(&url, &index, "a").await;
    let store = on_demand(cluster(&url, &index)).await;
    must("DELETE", &format!("{url}/{index}"), None).await;
    for failures in 1..=5 {
        fails(&store, "does not exist; create it with `directives init`").await;
        assert_eq!(store.status().consecutive_failures, failures);
    }
    let counters = store.status().counters;
    assert_eq!(counters.failures.no_index, 5);
    // The store must not mark the node as failed if the cluster responds that the index does not
    // exist.
    assert_eq!(store.status().nodes[0].failures, 0);
}

#[tokio::test]
async fn p3_an_index_that_is_created_again_between_two_polls_is_another_index() {
    let url = shared_url();
    let index = installed_index(&url, "made-again").await;
    // A store can recognize the re-created index only by its uuid, because the documents have the
    // same `_seq_no`s and times as in the deleted index.
    let documents = |tenant: &str| -> String {
        let at = "2026-01-01T00:00:00Z";
        (0..3)
            .map(|n| {
                let action =
                    json!({"index": {"_index": index, "_id": format!("d-{n}"), "pipeline": "_none"}});
                let document = stored(json!({
                    "level": "Shape", "tenant": tenant, "updated_at": at, "expires_at": "2099-01-01T00:00:00Z",
                }));
                format!("{action}\n{document}\n")
            })
            .collect()
    };
    let tenants = |store: &OpenSearchDirectiveStore| -> Vec<String> {
        let set = store.load();
        set.iter()
            .map(|one| one.tenant.unwrap().to_owned())
            .collect()
    };
    bulk(&url, documents("before")).await;
    let config = opensearch_directives::Config::new(cluster(&url, &index))
        .with_interval(std::time::Duration::from_secs(60 * 60))
        .with_max_ttl(std::time::Duration::from_secs(100 * 366 * 24 * 60 * 60));
    let store = OpenSearchDirectiveStore::start(config).await.unwrap();
    assert_eq!(tenants(&store), ["before"; 3]);
    let before = store.status().revision.unwrap();
    must("DELETE", &format!("{url}/{index}"), None).await;
    must("PUT", &format!("{url}/{index}"), None).await;
    bulk(&url, documents("after")).await;
    store.refresh().await.unwrap();
    assert_eq!(tenants(&store), ["after"; 3]);
    let mut after = store.status().revision.unwrap();
    assert_ne!(after.uuid, before.uuid);
    after.uuid.clone_from(&before.uuid);
    assert_eq!(after, before, "nothing but the uuid tells them apart");
}

#[tokio::test]
async fn p5_polls_of_a_closed_index_fail_until_it_is_opened() {
    let url = shared_url();
    let index = installed_index(&url, "closed").await;
    write(&url, &index, "a").await;
    let store = on_demand(cluster(&url, &index)).await;
    must("POST", &format!("{url}/{index}/_close"), None).await;
    fails(&store, "index_closed_exception").await;
    fails(&store, "index_closed_exception").await;
    must("POST", &format!("{url}/{index}/_open"), None).await;
    write(&url, &index, "b").await;
    eventually(
        "it is read again",
        async || store.refresh().await.is_ok(),
        |&ok| ok,
    )
    .await;
    assert_eq!(ids(&store), ["a", "b"]);
    assert_eq!(store.status().last_error, None);
}

/// Takes a snapshot of an index with two directives, changes the index, and then restores the
/// snapshot. Before the restore, the test closes the index if `way` is `_close`, and deletes the
/// index otherwise.
async fn restored(prefix: &str, way: &str) {
    let url = shared_url();
    let index = installed_index(&url, prefix).await;
    let repository = format!("{url}/_snapshot/{}", unique_index(prefix));
    let location = json!({"type": "fs", "settings": {"location": unique_index(prefix)}});
    must("PUT", &repository, Some(&location)).await;
    write(&url, &index, "a").await;
    write(&url, &index, "b").await;
    let what = json!({"indices": index, "include_global_state": false});
    let snapshot = format!("{repository}/older");
    must(
        "PUT",
        &format!("{snapshot}?wait_for_completion=true"),
        Some(&what),
    )
    .await;
    must(
        "DELETE",
        &format!("{url}/{index}/_doc/a?refresh=true"),
        None,
    )
    .await;
    for id in ["b", "c", "d"] {
        write(&url, &index, id).await;
    }
    let store = on_demand(cluster(&url, &index)).await;
    assert_eq!(ids(&store), ["b", "c", "d"]);
    let before = store.status().revision.unwrap();

    must(
        if way == "_close" { "POST" } else { "DELETE" },
        &format!("{url}/{index}/{way}"),
        None,
    )
    .await;
    let restore = format!("{snapshot}/_restore?wait_for_completion=true");
    must("POST", &restore, Some(&what)).await;
    eventually(
        "it is read again",
        async || store.refresh().await.is_ok(),
        |&ok| ok,
    )
    .await;
    assert_eq!(
        ids(&store),
        ["a", "b"],
        "older, and yet what the index holds"
    );
    let after = store.status().revision.unwrap();
    assert!(after.max_seq_no < before.max_seq_no);

    // After the restore, the store must also publish new writes to the index.
    write(&url, &index, "e").await;
    store.refresh().await.unwrap();
    assert_eq!(ids(&store), ["a", "b", "e"]);
}

#[tokio::test]
async fn p3_an_index_that_is_restored_in_place_is_followed() {
    restored("restored-in-place", "_close").await;
}

#[tokio::test]
async fn p3_an_index_that_is_deleted_and_restored_is_followed() {
    restored("restored-anew", "").await;
}

#[tokio::test]
async fn p3_an_alias_that_is_switched_to_an_older_index_is_followed() {
    let url = shared_url();
    let (one, two) = (
        installed_index(&url, "switch-a").await,
        installed_index(&url, "switch-b").await,
    );
    let alias = unique_index("switch");
    // The test writes the only document of the second index before the documents of the first
    // index, so that this document is older and has a lower `_seq_no` than the last one of the
    // first index.
    write(&url, &two, "x").await;
    for id in ["a", "b", "c"] {
        write(&url, &one, id).await;
    }
    let point_to = async |index: &str, other: &str| {
        let actions = json!({"actions": [
            {"add": {"index": index, "alias": alias}},
            {"remove": {"index": other, "alias": alias, "must_exist": false}},
        ]});
        must("POST", &format!("{url}/_aliases"), Some(&actions)).await;
    };
    point_to(&one, &two).await;
    let store = on_demand(cluster(&url, &alias)).await;
    assert_eq!(ids(&store), ["a", "b", "c"]);
    for (index, other, expected) in [
        (&two, &one, vec!["x"]),
        (&one, &two, vec!["a", "b", "c"]),
        (&two, &one, vec!["x"]),
    ] {
        point_to(index, other).await;
        store.refresh().await.unwrap();
        assert_eq!(ids(&store), expected);
        assert_eq!(&store.status().revision.unwrap().index, index);
    }
}

#[tokio::test]
async fn a_full_disk_stops_writers_but_not_readers() {
    let url = shared_url();
    let index = installed_index(&url, "full").await;
    // The test writes more documents than fit into one page, because a full read of several pages
    // needs a point in time.
    let expires_at = in_hours(1);
    let many: String = (0..10_001)
        .map(|n| {
            let action =
                json!({"index": {"_index": index, "_id": format!("d-{n:05}"), "pipeline": "_none"}});
            let document = stored(json!({"level": "Shape", "tenant": "t", "expires_at": expires_at}));
            format!("{action}\n{document}\n")
        })
        .collect();
    bulk(&url, many).await;
    let store = on_demand(cluster(&url, &index)).await;
    let settings = format!("{url}/{index}/_settings");
    // The setting `read_only_allow_delete` blocks writes to an index, and OpenSearch sets it when
    // the disk reaches the flood-stage watermark.
    let block = json!({"index.blocks.read_only_allow_delete": true});
    must("PUT", &settings, Some(&block)).await;

    let writer = DirectivesApi::new(Client::new(&cluster(&url, &index)).unwrap());
    let draft = Draft::new(
        "a",
        DiagLevel::Shape,
        Expiry::After(std::time::Duration::from_secs(5 * 60)),
    );
    let error = writer
        .apply(std::slice::from_ref(&draft))
        .await
        .unwrap_err();
    let error = error_chain(&error);
    assert!(error.contains("read-only"), "{error}");
    store.refresh().await.unwrap();
    assert_eq!(store.load().len(), 10_001);
    let late = on_demand(cluster(&url, &index)).await;
    assert_eq!(late.load().len(), 10_001);
    for store in [&store, &late] {
        assert_eq!(store.status().counters.polls_failed, 0);
        assert!(store.status().reading.notes.is_empty());
    }

    let unblock = json!({"index.blocks.read_only_allow_delete": null});
    let (status, _) = http::put(&settings, &unblock).await;
    assert_eq!(status, 200);
    writer.apply(&[draft]).await.unwrap();
    store.refresh().await.unwrap();
    assert_eq!(store.load().len(), 10_002);
}
