//! Tests under virtual time that a store which changes from one hub to another does not go back to
//! an earlier state of the index.

use super::hub::{Between, Hub};
use super::long_polls::{INTERVAL, config, has, time_until, until_held};
use super::*;
use crate::store::OpenSearchDirectiveStore;

/// One address that leads to one of two hubs, like a load balancer.
#[derive(Debug)]
struct Address {
    hubs: [Arc<Hub>; 2],
    current: Mutex<usize>,
}

impl Address {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            hubs: [Hub::new(), Hub::new()],
            current: Mutex::default(),
        })
    }

    /// Ends the first hub, so that the address leads to the second one.
    fn fail_over(&self) {
        *self.current.lock().unwrap() = 1;
        self.hubs[0].set(Between::Outage);
    }
}

impl Transport for Address {
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        self.hubs[*self.current.lock().unwrap()].send(node, request, timeout)
    }
}

async fn store_at(address: &Arc<Address>) -> OpenSearchDirectiveStore {
    let config = config("proxy-1");
    let client = Client::over(Arc::clone(address) as Arc<dyn Transport>, &config.cluster);
    let store = OpenSearchDirectiveStore::start_over(&config, client).await;
    store.unwrap()
}

/// Creates `directive-1` on both hubs, and cuts the second hub off from the cluster. Then deletes
/// the directive, so that the first hub is back at its first state, which the second hub knows as
/// the state before the creation.
async fn delete_behind_the_second_hub(address: &Address, store: &OpenSearchDirectiveStore) {
    let [first, second] = &address.hubs;
    until_held(first).await;
    first.publish("directive-1");
    second.publish("directive-1");
    time_until(store, "directive-1").await;
    second.lose_cluster();
    until_held(first).await;
    first.publish("directive-0");
    time_until(store, "directive-0").await;
}

#[tokio::test(start_paused = true)]
async fn p3_differences_from_a_hub_that_is_behind_do_not_restore_a_deleted_directive() {
    let address = Address::new();
    let store = store_at(&address).await;
    delete_behind_the_second_hub(&address, &store).await;
    let deleted_at = Instant::now();
    tokio::time::sleep(INTERVAL * 3).await;
    let read_ago = store.age().unwrap();
    address.fail_over();
    let failed_at = Instant::now();
    for _ in 0..100 {
        tokio::time::sleep(SECOND).await;
        assert!(!has(&store, "directive-1"), "the deleted directive applies");
        assert_eq!(store.age().unwrap(), read_ago + failed_at.elapsed());
    }
    assert!(store.age().unwrap() < deleted_at.elapsed());
    let error = store.status().last_error.unwrap_or_default();
    assert!(error.contains("earlier than"), "{error}");

    // When the second hub reads the index again, the store follows it.
    address.hubs[1].set_age(Duration::ZERO);
    address.hubs[1].publish("directive-2");
    time_until(&store, "directive-2").await;
    assert!(store.status().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_not_behind_sends_only_differences_after_a_failover() {
    let address = Address::new();
    let store = store_at(&address).await;
    address.fail_over();
    let before = address.hubs[1].seen().len();
    address.hubs[1].publish("directive-1");
    time_until(&store, "directive-1").await;
    let reads = store.status().counters.reads;
    assert_eq!((reads.full_reads, reads.delta_reads), (1, 1));
    let seen = address.hubs[1].seen();
    assert!(seen[before..].iter().all(|seen| !seen.is_whole));
}
