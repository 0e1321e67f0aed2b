//! Tests long polls under virtual time. A new snapshot of the hub must reach the store by a long
//! poll, or by the next regular poll if a fault between the store and the hub blocks long polls.

use super::hub::{Between, Hub, ROUND_TRIP, Seen};
use super::*;
use crate::config::Upstream;
use crate::status::Staleness;
use crate::store::OpenSearchDirectiveStore;
use opensearch_directives_core::DirectiveStore as _;

pub(super) const INTERVAL: Duration = Duration::from_secs(10);

pub(super) fn config(instance: &str) -> Config {
    let url = "http://127.0.0.1:9980".parse().unwrap();
    Config::new(ClusterConfig::new([url]))
        .with_upstream(Upstream::Agent)
        .with_interval(INTERVAL)
        .with_instance(instance)
        .with_clock(Arc::new(Noon))
}

async fn start(config: &Config, hub: &Arc<Hub>) -> OpenSearchDirectiveStore {
    let client = Client::over(Arc::clone(hub) as Arc<dyn Transport>, &config.cluster);
    OpenSearchDirectiveStore::start_over(config, client)
        .await
        .unwrap()
}

async fn store_of(hub: &Arc<Hub>) -> OpenSearchDirectiveStore {
    start(&config("proxy-1"), hub).await
}

pub(super) fn has(store: &OpenSearchDirectiveStore, id: &str) -> bool {
    store.load().iter().any(|directive| directive.id == id)
}

/// Waits until the store has published the directive `id`, and returns the waiting time.
pub(super) async fn time_until(store: &OpenSearchDirectiveStore, id: &str) -> Duration {
    let begun = Instant::now();
    let mut subscription = store.subscribe();
    let until_published = async {
        while !has(store, id) {
            subscription.changed().await.unwrap();
        }
    };
    let in_time = tokio::time::timeout(SECOND * 3600, until_published).await;
    assert!(in_time.is_ok(), "{id} is not published");
    begun.elapsed()
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Waits until the hub holds a request, and until the shortest pause has passed.
pub(super) async fn until_held(hub: &Hub) {
    let (before, begun) = (hub.held(), Instant::now());
    while hub.held() == before {
        assert!(begun.elapsed() < SECOND * 3600, "no long poll arrives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(ROUND_TRIP + SHORTEST_PAUSE).await;
}

fn notes(store: &OpenSearchDirectiveStore) -> Vec<String> {
    store.status().reading.notes
}

#[tokio::test(start_paused = true)]
async fn a_change_arrives_within_a_round_trip_and_as_a_difference() {
    let hub = Hub::new();
    let store = store_of(&hub).await;
    for n in 1..20 {
        until_held(&hub).await;
        hub.publish(&format!("directive-{n}"));
        let time = time_until(&store, &format!("directive-{n}")).await;
        assert!(time <= ROUND_TRIP, "{n}: {time:?}");
    }
    let reads = store.status().counters.reads;
    assert_eq!((reads.full_reads, reads.delta_reads), (1, 19));
    assert_eq!(hub.seen().iter().filter(|seen| seen.is_whole).count(), 1);
    assert!(notes(&store).is_empty());
}

#[tokio::test(start_paused = true)]
async fn p5_the_age_counts_the_wait_that_no_response_has_confirmed() {
    let hub = Hub::new();
    let store = store_of(&hub).await;
    let before = hub.seen().len();
    for _ in 0..200 {
        tokio::time::sleep(SECOND).await;
        let age = store.age().unwrap();
        assert!(age <= INTERVAL * 11 / 10 + ROUND_TRIP, "{age:?}");
    }
    // The store sends only one long poll after the other.
    let requests = hub.seen().len() - before;
    assert!((15..=32).contains(&requests), "{requests}");
    assert_eq!(store.status().staleness, Staleness::Fresh);

    // The age grows while no response arrives.
    hub.set(Between::Outage);
    tokio::time::sleep(ROUND_TRIP).await;
    let age = store.age().unwrap();
    tokio::time::sleep(SECOND * 100).await;
    assert_eq!(store.age().unwrap(), age + SECOND * 100);
}

#[tokio::test(start_paused = true)]
async fn p5_the_age_of_the_hub_is_added() {
    let hub = Hub::new();
    hub.set_age(SECOND * 60);
    let store = store_of(&hub).await;
    for n in 1..5 {
        until_held(&hub).await;
        hub.publish(&format!("directive-{n}"));
        time_until(&store, &format!("directive-{n}")).await;
        let age = store.age().unwrap();
        assert!(age >= SECOND * 60 && age <= SECOND * 62, "{age:?}");
        assert_eq!(store.status().staleness, Staleness::Stale);
    }
    // The transit time is added to the age of the hub, so the age of the new snapshot seems higher
    // than that of the published one. The differences are accepted, and the lower age counts.
    until_held(&hub).await;
    let age = store.age().unwrap();
    hub.set_age(age);
    hub.publish("next");
    assert!(time_until(&store, "next").await <= ROUND_TRIP);
    assert!(store.age().unwrap() < age + ROUND_TRIP);
    assert_eq!(store.status().counters.reads.full_reads, 1);
}

#[tokio::test(start_paused = true)]
async fn p5_clear_after_holds_during_a_long_poll() {
    let hub = Hub::new();
    let after = SECOND * 15;
    let store = start(&config("proxy-1").with_clear_after(after), &hub).await;
    tokio::time::sleep(SECOND * 100).await;
    assert!(has(&store, "directive-0"), "long polls keep the set alive");
    until_held(&hub).await;
    hub.set(Between::Outage);
    let age = store.age().unwrap();
    tokio::time::sleep(after.saturating_sub(age)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(store.load().is_empty());
    hub.set(Between::Nothing);
    assert!(time_until(&store, "directive-0").await < SECOND * 60);
    assert!(hub.seen().iter().filter(|seen| seen.is_whole).count() >= 2);
}

#[tokio::test(start_paused = true)]
async fn whatever_does_not_let_long_polls_through_costs_only_the_time_of_a_poll() {
    for (between, reason) in [
        (
            Between::EarlierVersion,
            "the agent is of an earlier version",
        ),
        (Between::Full, "status 503"),
        (Between::Buffer, "there was no response after the wait"),
        (Between::Cut, "the connection failed"),
        (Between::GatewayTimeout, "status 504"),
        (Between::Page, "not the expected JSON"),
        (Between::Cache, "does a proxy in between cache responses?"),
    ] {
        let hub = Hub::new();
        hub.set(between);
        let store = store_of(&hub).await;
        tokio::time::sleep(INTERVAL * 4).await;
        for n in 1..60 {
            tokio::time::sleep(SECOND * 7).await;
            hub.publish(&format!("directive-{n}"));
            let time = time_until(&store, &format!("directive-{n}")).await;
            assert!(
                time <= INTERVAL * 11 / 10 + ROUND_TRIP * 2,
                "{between:?}: {time:?}"
            );
            let age = store.age().unwrap();
            assert!(
                age <= INTERVAL * 11 / 10 + ROUND_TRIP * 2,
                "{between:?}: {age:?}"
            );
        }
        let notes = notes(&store);
        assert!(
            notes.len() == 1 && notes[0].contains(reason),
            "{between:?}: {notes:?}"
        );
        assert_eq!(store.status().counters.polls_failed, 0, "{between:?}");
        assert!(hub.held() <= 8, "{between:?}: {} long polls", hub.held());

        // After the fault, the store tries long polls again and receives changes at once.
        hub.set(Between::Nothing);
        tokio::time::sleep(SECOND * 60 * 21).await;
        assert!(self::notes(&store).is_empty(), "{between:?}");
        until_held(&hub).await;
        hub.publish("again");
        assert!(
            time_until(&store, "again").await <= ROUND_TRIP,
            "{between:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_interruption_does_not_end_the_long_polls() {
    let hub = Hub::new();
    let store = store_of(&hub).await;
    until_held(&hub).await;
    let before = hub.seen().len();
    hub.set(Between::Outage);
    tokio::time::sleep(Duration::from_millis(1)).await;
    hub.set(Between::Nothing);
    until_held(&hub).await;
    // The next long poll follows the first regular poll after the interruption.
    let are_held: Vec<bool> = hub.seen()[before..]
        .iter()
        .map(|seen| seen.is_held)
        .collect();
    assert_eq!(are_held, [false, true]);
    hub.publish("next");
    assert!(time_until(&store, "next").await <= ROUND_TRIP);
}

#[tokio::test(start_paused = true)]
async fn p1_differences_that_do_not_lead_to_the_digest_cause_a_full_read_in_the_same_poll() {
    let hub = Hub::new();
    let store = store_of(&hub).await;
    hub.set(Between::WrongDelta);
    until_held(&hub).await;
    hub.publish("next");
    assert!(time_until(&store, "next").await <= ROUND_TRIP * 3);
    assert!(!has(&store, "directive-0"));
    let counters = store.status().counters;
    assert_eq!(
        (counters.reads.full_reads, counters.reads.delta_reads),
        (2, 0)
    );
    assert_eq!(counters.polls_failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_does_not_wait_for_the_long_poll() {
    let hub = Hub::new();
    let store = store_of(&hub).await;
    until_held(&hub).await;
    let begun = Instant::now();
    store.refresh().await.unwrap();
    assert_eq!(begun.elapsed(), ROUND_TRIP);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_sends_its_request_after_the_call() {
    let hub = Hub::new();
    let store = store_of(&hub).await;
    // A response to an earlier request may arrive in the shortest pause, when no poll begins.
    until_held(&hub).await;
    hub.publish("first");
    time_until(&store, "first").await;
    hub.publish("second");
    tokio::time::sleep(SHORTEST_PAUSE * 3 / 4).await;
    hub.publish("third");
    store.refresh().await.unwrap();
    assert!(has(&store, "third"));
    // The test calls `refresh` at the instant at which the response to an earlier request arrives.
    for n in 0..20 {
        until_held(&hub).await;
        hub.publish(&format!("earlier-{n}"));
        tokio::time::sleep(ROUND_TRIP / 2).await;
        hub.publish(&format!("later-{n}"));
        store.refresh().await.unwrap();
        assert!(has(&store, &format!("later-{n}")), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn p3_a_hub_that_was_restarted_sends_the_whole_snapshot_and_an_older_one_is_refused() {
    let hub = Hub::new();
    let store = store_of(&hub).await;
    until_held(&hub).await;
    hub.restart("next");
    assert!(time_until(&store, "next").await <= ROUND_TRIP);
    let reads = store.status().counters.reads;
    assert_eq!((reads.full_reads, reads.delta_reads), (2, 0));
    until_held(&hub).await;
    hub.publish("later");
    time_until(&store, "later").await;
    assert_eq!(store.status().counters.reads.delta_reads, 1);

    until_held(&hub).await;
    hub.set_age(SECOND * 3600);
    hub.restart("next");
    tokio::time::sleep(INTERVAL * 3).await;
    assert!(
        has(&store, "later"),
        "the snapshot of the new process is older"
    );
    let error = store.status().last_error.unwrap_or_default();
    assert!(error.contains("earlier than"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn p5_a_hub_that_is_itself_stale_does_not_keep_the_set_alive() {
    let hub = Hub::new();
    let after = SECOND * 60;
    let store = start(&config("proxy-1").with_clear_after(after), &hub).await;
    until_held(&hub).await;
    hub.lose_cluster();
    let lost_at = Instant::now();
    tokio::time::sleep(after.saturating_sub(INTERVAL * 2)).await;
    assert!(has(&store, "directive-0"));
    // The estimated age contains at most one wait of a long poll and one round trip.
    tokio::time::sleep(after.saturating_sub(lost_at.elapsed())).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(store.load().is_empty());
    tokio::time::sleep(INTERVAL * 10).await;
    assert!(
        store.load().is_empty(),
        "the hub responds, but its set is too old"
    );
    hub.set_age(Duration::ZERO);
    assert!(time_until(&store, "directive-0").await < SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn p8_the_clients_of_a_hub_that_ends_do_not_come_back_at_once() {
    for end in [Between::Outage, Between::Ending] {
        let hub = Hub::new();
        let mut stores = Vec::new();
        for n in 0..100 {
            stores.push(start(&config(&format!("proxy-{n}-x{}", n * 7919)), &hub).await);
        }
        // A change reaches all clients of an agent at the same moment, so without a random wait all
        // clients would send their next requests at once.
        tokio::time::sleep(INTERVAL * 2).await;
        hub.publish("next");
        tokio::time::sleep(SECOND).await;
        let before = hub.seen().len();
        hub.set(end);
        tokio::time::sleep(INTERVAL).await;
        let mut after: Vec<Seen> = hub.seen()[before..].to_vec();
        after.truncate(100);
        let in_second = |n: u32| {
            let begin = after[0].at + SECOND * n;
            let seconds = begin..begin + SECOND;
            after
                .iter()
                .filter(|seen| seconds.contains(&seen.at))
                .count()
        };
        let busiest = (0..10).map(in_second).max().unwrap();
        assert!(busiest <= 30, "{end:?}: {busiest} of 100 within a second");
    }
}
