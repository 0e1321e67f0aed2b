//! Tests the polling loop of the refresher under virtual time, with a transport that returns
//! scripted responses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and a transport panics on request"
)]

mod ages;
mod change_log;
mod custom_source;
mod document_limits;
mod fake_transport;
mod hit_counts;
mod long_durations;
mod node_failures;
mod off_switch;
mod panics_and_cut_off_polls;
mod refresher_that_stopped;
mod sightings;
mod start_up;
mod subscriptions;

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::PollErrorKind;
use crate::http::chain;
use crate::http::{Client, ClusterConfig, Transport};
use crate::status::Staleness;
use crate::store::OpenSearchDirectiveStore;
use fake_transport::{Fake, Order};
use opensearch_directives_core::{DirectiveStore as _, EndpointKind, RequestAttrs};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(10);
const NOON: &str = "2030-01-01T12:00:00Z";

/// A clock that always returns noon on the first day of 2030.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        NOON.parse().unwrap()
    }
}

/// A clock that always returns the instant that a test has selected.
#[derive(Debug)]
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn config() -> Config {
    let url = "http://127.0.0.1:9200".parse().unwrap();
    Config::new(ClusterConfig::new([url]))
        .with_interval(INTERVAL)
        .with_instance("proxy-1")
        .with_clock(Arc::new(Noon))
}

async fn start_with(config: &Config, order: Order) -> (Arc<Fake>, OpenSearchDirectiveStore) {
    let fake = Fake::new(order);
    let client = Client::over(Arc::clone(&fake) as Arc<dyn Transport>, &config.cluster);
    let store = OpenSearchDirectiveStore::start_over(config, client).await;
    (fake, store.unwrap())
}

async fn start(order: Order) -> (Arc<Fake>, OpenSearchDirectiveStore) {
    start_with(&config(), order).await
}

#[tokio::test(start_paused = true)]
async fn p8_polls_follow_the_interval_within_a_tenth() {
    let (fake, store) = start(Order::Good(1)).await;
    tokio::time::sleep(INTERVAL * 100).await;
    let pauses = fake.pauses(1);
    assert!((90..=110).contains(&pauses.len()), "{}", pauses.len());
    for pause in &pauses {
        assert!((9.0..=11.01).contains(&pause.as_secs_f64()), "{pause:?}");
    }
    let different: HashSet<u128> = pauses.iter().map(Duration::as_millis).collect();
    assert!(different.len() > 10, "jitter");
    let first = fake.pauses(0)[0];
    assert!(first < INTERVAL, "the phase lies within the interval");
    assert_eq!(store.status().counters.publishes, 1);
}

#[tokio::test(start_paused = true)]
async fn p8_failures_back_off_to_the_cap_and_a_success_resets() {
    let (fake, store) = start(Order::Good(1)).await;
    fake.set(Order::Refuse(503, None));
    tokio::time::sleep(SECOND * 600).await;
    let failed = fake.polls();
    for pause in fake.pauses(1) {
        assert!(
            pause >= INTERVAL && pause <= Duration::from_millis(30_010),
            "{pause:?}"
        );
    }
    assert!(failed < 50, "{failed} polls in ten minutes of failures");
    assert_eq!(store.status().consecutive_failures as usize, failed - 1);
    fake.set(Order::Good(1));
    tokio::time::sleep(SECOND * 300).await;
    let status = store.status();
    assert_eq!((status.consecutive_failures, status.last_error), (0, None));
    let pauses = fake.pauses(failed);
    assert!(
        pauses
            .iter()
            .skip(1)
            .all(|pause| *pause <= INTERVAL * 11 / 10 + SECOND / 100)
    );
}

#[tokio::test(start_paused = true)]
async fn p8_retry_after_is_honoured_up_to_max_backoff() {
    let max_backoff = crate::Config::DEFAULT_MAX_BACKOFF;
    let below = max_backoff.saturating_sub(SECOND);
    for (retry_after, pause) in [(below, below), (SECOND * 3600, max_backoff)] {
        let (fake, _store) = start(Order::Good(1)).await;
        fake.set(Order::Refuse(429, Some(retry_after)));
        tokio::time::sleep(SECOND * 300).await;
        let pauses = fake.pauses(1);
        assert!(pauses.len() >= 5);
        assert!(
            pauses
                .iter()
                .all(|seen| (pause..=max_backoff + SECOND / 100).contains(seen)),
            "{pauses:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_panic_is_reported_in_the_status_and_polling_continues() {
    let (fake, store) = start(Order::Good(3)).await;
    fake.set(Order::Panic);
    let error = store.refresh().await.unwrap_err();
    assert_eq!(error.poll_error().unwrap().kind(), PollErrorKind::Panic);
    tokio::time::sleep(SECOND * 120).await;
    let status = store.status();
    assert_eq!(
        status.last_error.unwrap(),
        "the refresher panicked: requested by the test"
    );
    assert!(status.counters.panics > 2, "{:?}", status.counters);
    assert_eq!(store.load().len(), 3, "the set stays");
    fake.set(Order::Good(4));
    store.refresh().await.unwrap();
    assert_eq!(store.load().len(), 4);
    assert_eq!(store.status().last_error, None);
}

#[tokio::test(start_paused = true)]
async fn p5_a_server_that_hangs_fails_the_poll_but_not_the_loop() {
    let (fake, store) = start(Order::Good(1)).await;
    fake.set(Order::Hang);
    store.refresh().await.unwrap_err();
    assert!(
        store
            .status()
            .last_error
            .unwrap()
            .contains("no complete response within 2s")
    );
    let before = fake.polls();
    tokio::time::sleep(SECOND * 300).await;
    assert!(fake.polls() > before + 3);
    assert_eq!(store.load().len(), 1);
    fake.set(Order::Good(2));
    store.refresh().await.unwrap();
    assert_eq!(store.load().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn p8_a_poll_has_a_deadline_of_its_own() {
    let mut config = config().with_poll_timeout(SECOND * 5);
    config.cluster.request_timeout = SECOND * 60;
    let (fake, store) = start_with(&config, Order::Good(1)).await;
    fake.set(Order::Hang);
    let begin = Instant::now();
    store.refresh().await.unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), 5);
    let said = store.status().last_error.unwrap();
    assert!(said.contains("longer than 5s"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn p9_a_start_that_requires_a_read_ends_within_ten_seconds() {
    let urls = [
        "http://n1",
        "http://n2",
        "http://n3",
        "http://n4",
        "http://n5",
        "http://n6",
    ];
    let mut config = config();
    config.cluster.urls = urls.map(|url| url.parse().unwrap()).to_vec();
    let client = Client::over(Fake::new(Order::Hang), &config.cluster);
    let begin = Instant::now();
    let error = OpenSearchDirectiveStore::start_over(&config, client)
        .await
        .unwrap_err();
    assert!(begin.elapsed() < SECOND * 10, "{:?}", begin.elapsed());
    assert!(chain(&error).contains("poll_timeout"), "{}", chain(&error));
}

#[tokio::test(start_paused = true)]
async fn p10_a_shutdown_during_a_poll_returns_immediately() {
    let (fake, store) = start(Order::Good(1)).await;
    fake.set(Order::Hang);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(fake.polls(), 2, "a poll is under way");
    let begin = Instant::now();
    store.shutdown().await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    tokio::time::sleep(SECOND * 600).await;
    assert_eq!(fake.polls(), 2);
}

#[tokio::test(start_paused = true)]
async fn p10_a_store_dropped_during_a_poll_leaves_no_task() {
    let (fake, store) = start(Order::Good(1)).await;
    fake.set(Order::Hang);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(fake.polls(), 2, "a poll is under way");
    let set = store.load();
    drop(store);
    // The poll that hangs cannot reach its time limit, because the clock of the runtime is paused.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(&fake), 1, "the task still runs");
    assert_eq!(set.len(), 1, "what was loaded stays");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_during_a_poll_waits_for_the_next_poll() {
    let (fake, store) = start(Order::Good(1)).await;
    fake.set(Order::Hang);
    let first = store.refresh();
    let second = async {
        // The poll for the first caller of `refresh` begins while the test sleeps.
        tokio::time::sleep(SECOND).await;
        fake.set(Order::Good(2));
        store.refresh().await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err());
    second.unwrap();
    assert_eq!(store.load().len(), 2);
    assert_eq!(fake.polls(), 3);
}

#[tokio::test(start_paused = true)]
async fn p9_a_start_without_a_cluster_uses_the_last_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = config()
        .with_startup(crate::Startup::LastGood)
        .with_last_good(folder.path().join("last-good"));
    let client = |order: Order| Client::over(Fake::new(order), &config.cluster);
    let start = async |order| OpenSearchDirectiveStore::start_over(&config, client(order)).await;

    let error = start(Order::Refuse(503, None)).await.unwrap_err();
    let said = chain(&error);
    assert!(
        said.contains("status 503") && said.contains("cannot read the last-good"),
        "{said}"
    );

    let first = start(Order::Good(3)).await.unwrap();
    let before = first.status();
    assert_eq!(before.last_good_error, None);
    drop(first);
    let second = start(Order::Refuse(503, None)).await.unwrap();
    let after = second.status();
    assert_eq!(second.load().len(), 3);
    assert_eq!(
        (after.digest, after.revision),
        (before.digest, before.revision)
    );
    assert_eq!(after.last_success, before.last_success);
    assert_eq!(after.staleness, Staleness::Fresh);
    assert!(after.last_error.unwrap().contains("status 503"));
    assert_eq!(after.counters.publishes, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unwritable_last_good_file_is_reported_and_not_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let config = config().with_last_good(folder.path().join("missing/last-good"));
    let (_fake, store) = start_with(&config, Order::Good(1)).await;
    assert_eq!(store.load().len(), 1);
    assert!(store.status().last_good_error.is_some());
}
