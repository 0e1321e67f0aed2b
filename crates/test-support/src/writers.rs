//! Concurrent writers for tests, each of which repeats every write until the cluster acknowledges
//! it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::write_ledger::{Ledger, Operation};

/// The time limit of one bulk request that a writer sends to one node.
const TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
const TRIES: usize = 2_000;
/// The percentage of deletions among a writer's operations in most tests.
pub const FEW_DELETIONS: u32 = 15;

/// One of several concurrent writers, which write to different document ids.
pub struct Writer {
    pub urls: Vec<String>,
    pub index: String,
    pub ledger: Arc<Ledger>,
    pub ids: Range<usize>,
    /// The percentage of deletions among the operations of this writer.
    pub deletions_percent: u32,
    pub random: fastrand::Rng,
}

impl Writer {
    /// Sends `operations` operations in bulk requests, each with a random number of at most `bulk`
    /// operations.
    pub async fn write(&mut self, mut operations: usize, bulk: usize) {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().unwrap();
        while operations > 0 {
            let count = self
                .random
                .usize(1..=bulk.min(operations).min(self.ids.len()));
            operations -= count;
            let places = self.random.choose_multiple(self.ids.clone(), count);
            let batch: Vec<Operation> = places
                .into_iter()
                .map(|slot| {
                    let deletes = self.random.u32(0..100) < self.deletions_percent;
                    self.ledger.next(slot, deletes)
                })
                .collect();
            self.send(&client, batch).await;
        }
    }

    /// Sends a batch of operations to a random node. Repeats the operations that the cluster has
    /// not acknowledged, until the cluster has acknowledged all of them.
    async fn send(&mut self, client: &reqwest::Client, mut batch: Vec<Operation>) {
        for try_ in 0..TRIES {
            if batch.is_empty() {
                return;
            }
            if try_ > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let url = &self.urls[self.random.usize(..self.urls.len())];
            let body: String = batch.iter().map(|one| self.ledger.lines(one)).collect();
            let acknowledged = bulk(client, &format!("{url}/{}/_bulk", self.index), body).await;
            let mut acknowledged = acknowledged.into_iter();
            batch.retain(|operation| {
                let acknowledged = acknowledged.next().unwrap_or(false);
                if !acknowledged {
                    self.ledger.is_uncertain(operation);
                }
                !acknowledged
            });
        }
        panic!("never acknowledged: {batch:?}");
    }
}

/// Sends a bulk request, and returns for each of its operations whether the cluster acknowledged
/// the operation. Returns an empty list if the response is missing or invalid.
async fn bulk(client: &reqwest::Client, url: &str, body: String) -> Vec<bool> {
    let request = client
        .post(url)
        .header("content-type", "application/x-ndjson")
        .body(body);
    let Ok(response) = request.send().await else {
        return Vec::new();
    };
    let Ok(response) = response.json::<Value>().await else {
        return Vec::new();
    };
    let Some(items) = response["items"].as_array() else {
        return Vec::new();
    };
    items
        .iter()
        .map(|item| {
            let (_, outcome) = item.as_object().unwrap().iter().next().unwrap();
            // The statuses 404 and 409 also acknowledge an operation, because they mean that the
            // document to delete is already missing, or that an earlier attempt of the operation
            // succeeded.
            let status = outcome["status"].as_u64().unwrap_or_default();
            let error = outcome["error"]["type"].as_str();
            match status {
                200 | 201 => true,
                404 => error.is_none(),
                409 => error == Some("version_conflict_engine_exception"),
                400 => panic!("refused: {outcome}"),
                _ => false,
            }
        })
        .collect()
}
