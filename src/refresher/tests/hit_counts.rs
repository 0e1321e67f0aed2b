//! Tests that a store counts the matches of its directives, and that a publish changes no count.

use super::*;

/// Evaluates a request at an instant at which all directives of the scripted index are active.
fn request(set: &opensearch_directives_core::DirectiveSet) {
    let attrs = RequestAttrs::new("orders", "svc", EndpointKind::Search);
    let _ = set.evaluate(&attrs, "2030-01-01T12:15:00Z".parse().unwrap(), "r");
}

/// Returns the id of each directive, its number of matches, and whether it is published.
fn counted(store: &OpenSearchDirectiveStore) -> Vec<(String, u64, bool)> {
    let directives = store.hits().unwrap().directives.into_iter();
    directives
        .map(|hits| (hits.id, hits.matched, hits.published))
        .collect()
}

fn expected<const N: usize>(counts: [u64; N], published: usize) -> Vec<(String, u64, bool)> {
    let numbered = counts.into_iter().enumerate();
    numbered
        .map(|(id, matched)| (id.to_string(), matched, id < published))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn matches_are_counted_across_publishes_and_by_each_way_to_read() {
    let (fake, store) = start_with(&config().with_hit_counts(), Order::Good(1)).await;
    assert_eq!(counted(&store), expected([0], 1));
    let mut reader = store.reader();
    request(&store.load());
    request(reader.load());
    request(store.snapshot().set());
    let held = store.load();
    // This change is so small that the refresher patches the published directive set instead of
    // building it anew.
    fake.set(Order::Good(3));
    store.refresh().await.unwrap();
    request(&held);
    request(&store.load());
    assert_eq!(counted(&store), expected([5, 1, 1], 3));
    fake.set(Order::Good(1));
    store.refresh().await.unwrap();
    tokio::time::sleep(SECOND * 300).await;
    assert_eq!(store.load().len(), 1);
    request(&store.load());
    assert_eq!(counted(&store), expected([6, 1, 1], 1));
    let last = store.hits().unwrap().directives[0].last_matched;
    assert_eq!(last, Some("2030-01-01T12:15:00Z".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn the_counts_stay_while_the_set_is_hidden_or_was_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let off_file = folder.path().join("off");
    let config = config()
        .with_hit_counts()
        .with_clear_after(SECOND * 3600)
        .with_off_file(&off_file);
    let (fake, store) = start_with(&config, Order::Good(2)).await;
    request(&store.load());
    std::fs::write(&off_file, "").unwrap();
    tokio::time::sleep(SECOND).await;
    request(&store.load());
    assert_eq!(counted(&store), expected([1, 1], 0));
    std::fs::remove_file(&off_file).unwrap();
    tokio::time::sleep(SECOND).await;
    request(&store.load());
    assert_eq!(counted(&store), expected([2, 2], 2));
    fake.set(Order::Refuse(503, None));
    tokio::time::sleep(SECOND * 3700).await;
    request(&store.load());
    assert_eq!(counted(&store), expected([2, 2], 0));
    fake.set(Order::Good(2));
    store.refresh().await.unwrap();
    request(&store.load());
    assert_eq!(counted(&store), expected([3, 3], 2));
}

#[tokio::test(start_paused = true)]
async fn the_set_of_the_last_good_file_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let config = config()
        .with_hit_counts()
        .with_startup(crate::Startup::LastGood)
        .with_last_good(folder.path().join("last-good"));
    start_with(&config, Order::Good(2)).await;
    let (fake, store) = start_with(&config, Order::Refuse(503, None)).await;
    request(&store.load());
    assert_eq!(counted(&store), expected([1, 1], 2));
    fake.set(Order::Good(3));
    store.refresh().await.unwrap();
    request(&store.load());
    assert_eq!(counted(&store), expected([2, 2, 1], 3));
}

#[tokio::test(start_paused = true)]
async fn only_a_store_that_counts_exports_counts() {
    let samples = |store: &OpenSearchDirectiveStore| {
        let samples = store.samples().into_iter();
        let names = [
            "directives_matched_total",
            "directives_sampled_total",
            "directives_unmatched",
        ];
        samples
            .filter(|sample| names.contains(&sample.name))
            .map(|sample| sample.value)
            .collect::<Vec<_>>()
    };
    let (_fake, store) = start(Order::Good(2)).await;
    request(&store.load());
    assert_eq!(store.hits(), None);
    assert!(samples(&store).is_empty());
    let during = Standing("2030-01-01T12:15:00Z".parse().unwrap());
    let config = config().with_hit_counts().with_clock(Arc::new(during));
    let (_fake, store) = start_with(&config, Order::Good(2)).await;
    assert_eq!(samples(&store), [0.0, 0.0, 2.0]);
    request(&store.load());
    assert_eq!(samples(&store), [2.0, 2.0, 0.0]);
}
