//! Tests polls with a role that permits no authority to confirm a view that may be older.

use super::*;

#[tokio::test(start_paused = true)]
async fn p3_a_poll_that_finds_the_index_unchanged_ends_the_sighting_of_an_older_view() {
    let fake = Fake::new(Order::Good(2));
    fake.do_not_permit(&["_stats", "_mget", "\"_primary\""]);
    let client = Client::over(Arc::clone(&fake) as Arc<dyn Transport>, &config().cluster);
    let store = OpenSearchDirectiveStore::start_over(&config(), client).await;
    let store = store.unwrap();
    let refresh = async |directives| {
        fake.set(Order::Good(directives));
        store.refresh().await
    };
    for _ in 0..2 {
        let error = refresh(1).await.unwrap_err();
        let kind = error.poll_error().unwrap().kind();
        assert_eq!(kind, PollErrorKind::Stale);
        refresh(2).await.unwrap();
    }
    // The polls accept the view only after two sightings without a contradiction in between.
    refresh(1).await.unwrap_err();
    assert_eq!(store.load().len(), 2);
    refresh(1).await.unwrap();
    assert_eq!(store.load().len(), 1);
}
