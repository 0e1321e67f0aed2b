//! Tests stores that are built without a tokio runtime, and each start-up policy with a first read
//! that fails.

use super::*;
use crate::status::RefresherState;
use crate::{RefreshError, StartError, Startup, Upstream};
use opensearch_directives_core::document::RejectionReason;

/// Builds a store with a scripted transport, and a refresher that has not started.
fn build(config: &Config, order: Order) -> (Arc<Fake>, OpenSearchDirectiveStore, Refresher) {
    let fake = Fake::new(order);
    let client = Client::over(Arc::clone(&fake) as Arc<dyn Transport>, &config.cluster);
    let (store, refresher) = OpenSearchDirectiveStore::build_over(
        config,
        Poller::new(config, client, std::sync::Arc::default()),
    );
    (fake, store, refresher)
}

#[test]
fn a_store_is_built_without_a_runtime_and_says_that_it_was_not_run() {
    let (store, refresher) = OpenSearchDirectiveStore::build(config()).unwrap();
    assert!(store.load().is_empty());
    let status = store.status();
    assert_eq!(status.refresher, RefresherState::NotStarted);
    assert_eq!(
        (status.staleness, status.last_attempt),
        (Staleness::Dark, None)
    );
    drop(refresher);
    assert_eq!(store.status().refresher, RefresherState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_store_is_ready_after_its_first_complete_read() {
    let (fake, store, refresher) = build(&config(), Order::Refuse(503, None));
    let error = store.ready(SECOND).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "there was no complete read within 1s, because the refresher was not run"
    );
    let polling = tokio::spawn(refresher.run());
    let error = store.ready(SECOND).await.unwrap_err();
    assert!(error.poll_error().is_some(), "{error:?}");
    let text = chain(&error);
    assert!(
        text.starts_with("there was no complete read within 1s: ") && text.contains("status 503"),
        "{text}"
    );
    fake.set(Order::Good(2));
    // A refresher that the application runs itself continues to poll after a failed first read,
    // even if the start-up policy requires a successful first read.
    store.ready(SECOND * 60).await.unwrap();
    assert_eq!(store.load().len(), 2);
    store.ready(Duration::ZERO).await.unwrap();
    drop(store);
    polling.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_refresher_ends_is_not_awaited() {
    let (_fake, store, refresher) = build(&config(), Order::Hang);
    let polling = tokio::spawn(refresher.run());
    let aborted = async {
        tokio::time::sleep(SECOND).await;
        polling.abort();
    };
    let (ready, ()) = tokio::join!(store.ready(Duration::MAX), aborted);
    let text = ready.unwrap_err().to_string();
    assert_eq!(text, "the refresher ended before the first complete read");
}

#[test]
fn a_refresher_runs_on_a_thread_of_its_own() {
    let (_fake, store, refresher) = build(&config(), Order::Good(3));
    let thread = refresher.spawn_thread().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ready: Result<(), StartError> = runtime.block_on(store.ready(SECOND * 60));
    ready.unwrap();
    assert_eq!(store.load().len(), 3);
    let polled: Result<(), RefreshError> = runtime.block_on(store.refresh());
    polled.unwrap();
    drop(store);
    thread.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn p9_a_required_read_is_tried_again_for_as_long_as_the_policy_says() {
    let require = |within| config().with_startup(Startup::Require { within });
    for (within, attempts) in [(Duration::ZERO, 1..=1), (SECOND * 120, 4..=13)] {
        let fake = Fake::new(Order::Refuse(503, None));
        let client = Client::over(Arc::clone(&fake) as Arc<dyn Transport>, &config().cluster);
        let begin = Instant::now();
        let error = OpenSearchDirectiveStore::start_over(&require(within), client).await;
        assert!(chain(&error.unwrap_err()).contains("status 503"));
        assert!(begin.elapsed() <= within, "{:?}", begin.elapsed());
        assert!(attempts.contains(&fake.polls()), "{}", fake.polls());
    }

    let fake = Fake::new(Order::Refuse(503, None));
    let client = Client::over(Arc::clone(&fake) as Arc<dyn Transport>, &config().cluster);
    let config = require(SECOND * 120);
    let recovers = async {
        tokio::time::sleep(SECOND * 50).await;
        fake.set(Order::Good(1));
    };
    let (store, ()) = tokio::join!(
        OpenSearchDirectiveStore::start_over(&config, client),
        recovers
    );
    assert_eq!(store.unwrap().load().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p9_last_good_or_empty_starts_in_any_case() {
    let folder = tempfile::tempdir().unwrap();
    let config = config()
        .with_startup(Startup::LastGoodOrEmpty)
        .with_last_good(folder.path().join("last-good"));
    let (_fake, empty) = start_with(&config, Order::Refuse(503, None)).await;
    assert_eq!(empty.load().len(), 0);
    assert_eq!(empty.status().staleness, Staleness::Dark);
    assert!(empty.ready(Duration::ZERO).await.is_err());
    drop(empty);
    start_with(&config, Order::Good(2)).await;
    let (_fake, restored) = start_with(&config, Order::Refuse(503, None)).await;
    assert_eq!(restored.load().len(), 2);
    restored.ready(Duration::ZERO).await.unwrap();

    // The refresher must also use the last-good file if the application runs the refresher itself.
    let (_fake, store, refresher) = build(&config, Order::Refuse(503, None));
    tokio::spawn(refresher.run());
    store.ready(SECOND).await.unwrap();
    assert_eq!(store.load().len(), 2);
}

#[test]
fn a_policy_that_restores_a_file_needs_one() {
    for startup in [Startup::LastGood, Startup::LastGoodOrEmpty] {
        let error = OpenSearchDirectiveStore::build(config().with_startup(startup)).unwrap_err();
        assert!(error.to_string().contains("set `last_good`"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lowered_max_ttl_also_holds_for_the_set_of_the_last_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = config()
        .with_startup(Startup::LastGood)
        .with_last_good(folder.path().join("last-good"));
    drop(start_with(&config, Order::Good(2)).await);
    let restore = async |minutes: u64, upstream: Upstream| {
        let config = config.clone().with_upstream(upstream);
        let config = config.with_max_ttl(SECOND * 60 * u32::try_from(minutes).unwrap());
        start_with(&config, Order::Refuse(503, None)).await.1
    };
    // The directives of the transport expire in twenty minutes.
    assert_eq!(restore(20, Upstream::Index).await.load().len(), 2);
    let store = restore(19, Upstream::Index).await;
    assert_eq!(store.load().len(), 0);
    let snapshot = store.snapshot();
    let rejections = snapshot.rejections();
    assert_eq!(rejections.len(), 2, "{rejections:?}");
    for rejection in rejections {
        assert_eq!(rejection.reason(), RejectionReason::BeyondMaxTtl);
        assert_eq!(
            rejection.to_string(),
            "expires_at: \"2030-01-01T12:20:00Z\" is later than max_ttl allows; write an earlier \
             time"
        );
    }
    // The limit of the polled agent applies to a store that polls an agent.
    assert_eq!(restore(19, Upstream::Agent).await.load().len(), 2);
}
