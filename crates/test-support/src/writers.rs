//! Concurrent writers for tests. A writer repeats each write until the cluster acknowledges it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::write_ledger::{Ledger, Operation};

/// The time limit of one request to one node.
const TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
const TRIES: usize = 2_000;
/// The usual percentage of deletions among the operations.
pub const FEW_DELETIONS: u32 = 15;

/// One of several concurrent writers. No two writers write to the same id.
pub struct Writer {
    pub urls: Vec<String>,
    pub index: String,
    pub ledger: Arc<Ledger>,
    pub ids: Range<usize>,
    /// The percentage of deletions among the operations.
    pub deletions_percent: u32,
    pub random: fastrand::Rng,
}

impl Writer {
    /// Sends the given number of operations in bulk requests. Each request has a random number of
    /// operations, at most `bulk`.
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

    /// Sends the operations of a batch to a random node, and repeats those that are not
    /// acknowledged until all operations are acknowledged.
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

/// Returns, for each operation, whether it was acknowledged. If the response is missing or invalid,
/// the function returns an empty list.
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
            // The statuses 404 and 409 also count as acknowledged: the document to delete was
            // already missing, or an earlier attempt succeeded.
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
