//! Tests that subscribers are notified of each publish and of the end of the store.

use futures_util::FutureExt as _;

use super::*;
use crate::error::Stopped;

/// Waits for a notification of the subscription, for at most ten minutes.
async fn notified(subscription: &mut Subscription) -> Result<(), Stopped> {
    let changed = tokio::time::timeout(SECOND * 600, subscription.changed()).await;
    changed.unwrap_or_else(|_| panic!("there was no notification"))
}

#[tokio::test(start_paused = true)]
async fn each_publish_is_notified_and_an_unchanged_poll_is_not() {
    let (fake, store) = start(Order::Good(1)).await;
    let mut subscription = store.subscribe();
    store.refresh().await.unwrap();
    assert_eq!(
        subscription.changed().now_or_never(),
        None,
        "neither what was published before the subscription, nor an unchanged poll"
    );
    fake.set(Order::Good(2));
    // The notification comes from a regular poll, which no caller has requested.
    notified(&mut subscription).await.unwrap();
    assert_eq!(store.load().len(), 2);
    assert_eq!(store.snapshot().set().len(), 2);
    fake.set(Order::Refuse(500, None));
    store.refresh().await.unwrap_err();
    assert_eq!(subscription.changed().now_or_never(), None, "a failed poll");
    for directives in [3, 4] {
        fake.set(Order::Good(directives));
        store.refresh().await.unwrap();
    }
    let mut other = subscription.clone();
    notified(&mut subscription).await.unwrap();
    notified(&mut other).await.unwrap();
    assert_eq!(
        subscription.changed().now_or_never(),
        None,
        "two publishes in quick succession are notified as one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_emptied_because_of_its_age_is_notified() {
    let config = config().with_clear_after(SECOND * 60);
    let (fake, store) = start_with(&config, Order::Good(1)).await;
    let mut subscription = store.subscribe();
    fake.set(Order::Refuse(500, None));
    notified(&mut subscription).await.unwrap();
    assert!(store.load().is_empty());
    assert_eq!(store.snapshot().revision(), None);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_store_is_notified() {
    let (fake, store) = start(Order::Good(1)).await;
    let mut before = store.subscribe();
    fake.set(Order::Good(2));
    store.refresh().await.unwrap();
    store.shutdown().await;
    notified(&mut before).await.unwrap();
    assert_eq!(notified(&mut before).await, Err(Stopped));
    assert_eq!(notified(&mut store.subscribe()).await, Err(Stopped));

    let (_fake, store) = start(Order::Good(1)).await;
    let mut dropped = store.subscribe();
    drop(store);
    assert_eq!(notified(&mut dropped).await, Err(Stopped));
}
