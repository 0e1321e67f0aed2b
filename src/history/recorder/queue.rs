//! A bounded queue of the records that wait to be sent. While the queue is full, the queue stores
//! only the ids of the directives that change. The recorder can later record the latest version of
//! each directive that changed while the queue was full.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Entry;
use crate::http::BULK_BYTES;

/// The maximum number of records in the queue.
const MAX_RECORDS: usize = 10_000;
/// The maximum size of all records in the queue, in bytes.
const MAX_BYTES: usize = 32 << 20;
/// The maximum number of changed directives whose ids a full queue remembers.
const MAX_BEHIND: usize = 100_000;
/// The maximum number of records in one batch.
const BATCH_RECORDS: usize = 500;
/// How long the queue holds a deletion whose `_seq_no` is unknown, or a version whose previous
/// version is unknown. During this delay, the command that performed the operation can append its
/// own, more exact record.
const HOLD: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    bytes: usize,
    due: Instant,
}

/// The queue of one recorder: the records to send, and the directives whose records did not fit.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The maximum size of one batch, in bytes. A batch that has only one record can be larger than
    /// `batch_bytes`.
    batch_bytes: usize,
    /// The directives that changed while the queue was full.
    behind: BTreeSet<String>,
    /// The number of operations that were dropped since the last call of
    /// [`take_lost`](Queue::take_lost).
    lost: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            batch_bytes: BULK_BYTES,
            behind: BTreeSet::new(),
            lost: 0,
        }
    }
}

impl Queue {
    /// Adds a record to the queue. If the queue is full, the queue remembers only the directive of
    /// the record.
    pub(super) fn push(&mut self, entry: Entry) {
        let bytes = entry.weight();
        if self.is_full(bytes) {
            self.remember(entry);
        } else {
            self.add(entry, bytes);
        }
    }

    fn add(&mut self, entry: Entry, bytes: usize) {
        let hold = if entry.is_exact { Duration::ZERO } else { HOLD };
        let due = Instant::now() + hold;
        self.bytes += bytes;
        self.waiting.push_back(Waiting { entry, bytes, due });
    }

    fn is_full(&self, bytes: usize) -> bool {
        self.waiting.len() >= MAX_RECORDS
            || (self.bytes + bytes > MAX_BYTES && !self.waiting.is_empty())
    }

    /// Remembers the directive of a record that does not fit into the queue. The recorder can later
    /// record the latest version of this directive, but no earlier version.
    fn remember(&mut self, entry: Entry) {
        let directive = entry.record.directive;
        let is_deletion = entry.record.document.is_none();
        let had_missed = self.behind.contains(&directive);
        if is_deletion {
            self.behind.remove(&directive);
            self.lost += 1 + u64::from(had_missed);
        } else if had_missed || self.behind.len() >= MAX_BEHIND {
            self.lost += 1;
        } else {
            self.behind.insert(directive);
        }
    }

    /// Returns true if directives changed while the queue was full, and the queue has room for
    /// their records now.
    pub(super) fn can_refill(&self) -> bool {
        !self.behind.is_empty()
            && self.waiting.len() < MAX_RECORDS / 2
            && self.bytes < MAX_BYTES / 2
    }

    /// Adds the latest versions of the directives that changed while the queue was full, as long as
    /// the queue has room. A record that does not fit now is added later.
    pub(super) fn refill(&mut self, mut latest: impl FnMut(&str) -> Option<Entry>) {
        while self.can_refill()
            && let Some(directive) = self.behind.pop_first()
        {
            let Some(entry) = latest(&directive) else {
                self.lost += 1;
                continue;
            };
            let bytes = entry.weight();
            if self.is_full(bytes) {
                self.behind.insert(directive);
                return;
            }
            self.add(entry, bytes);
        }
    }

    /// Returns the records to send next, without the records that must still wait. Each record
    /// stays in the queue until [`remove`](Self::remove) is called for it.
    pub(super) fn batch(&self) -> Vec<Entry> {
        let now = Instant::now();
        let mut bytes = 0;
        let due = self.waiting.iter().filter(|waiting| waiting.due <= now);
        due.take(BATCH_RECORDS)
            .take_while(|waiting| {
                bytes += waiting.bytes;
                bytes <= self.batch_bytes || bytes == waiting.bytes
            })
            .map(|waiting| waiting.entry.clone())
            .collect()
    }

    /// Permanently halves the maximum size of batches. The recorder calls this method after a
    /// server has refused a batch as too large.
    pub(super) fn halve_batches(&mut self) {
        self.batch_bytes /= 2;
    }

    /// Removes a record that was sent. A record that was sent is usually near the front of the
    /// queue, where the search begins.
    pub(super) fn remove(&mut self, id: &str) {
        let position = self.waiting.iter().position(|one| one.entry.id == id);
        if let Some(removed) = position.and_then(|at| self.waiting.remove(at)) {
            self.bytes -= removed.bytes;
        }
    }

    /// Makes every record in the queue due now, so that the recorder can send all records without
    /// waiting.
    pub(super) fn release(&mut self) {
        let now = Instant::now();
        for waiting in &mut self.waiting {
            waiting.due = waiting.due.min(now);
        }
    }

    /// Returns the instant at which the first record of the queue may be sent; `None` if the queue
    /// is empty.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.due).min()
    }

    /// Returns how many records are still to be sent: those in the queue, and one for each
    /// directive whose record did not fit.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.behind.len()
    }

    /// Returns the number of operations that were dropped since the previous call of `take_lost`.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    /// Returns an entry for a version of a directive, with a document of the given number of bytes.
    fn entry(directive: &str, bytes: usize) -> Entry {
        let record = json!({
            "@timestamp": "2026-11-27T14:03:00Z", "kind": "replaced", "directive": directive,
            "document": { "reason": "x".repeat(bytes) }, "index_uuid": "I", "history_uuid": "H",
            "primary_term": 1, "seq_no": 1, "recorded_at": "2026-11-27T14:03:01Z",
            "recorded_by": "test",
        });
        Entry {
            id: directive.to_owned(),
            is_exact: true,
            record: serde_json::from_value(record).unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_larger_than_the_queue_waits_until_the_queue_is_empty() {
        let mut queue = Queue::default();
        queue.push(entry("small", 10));
        queue.push(entry("large", 33 << 20));
        assert_eq!((queue.batch().len(), queue.len()), (1, 2));
        let mut requests = 0;
        let mut latest = |directive: &str| {
            requests += 1;
            assert!(requests < 10, "the queue requests {directive} endlessly");
            Some(entry(directive, 33 << 20))
        };
        queue.refill(&mut latest);
        assert_eq!((queue.batch().len(), queue.len()), (1, 2));
        queue.remove("small");
        queue.refill(&mut latest);
        let ids: Vec<String> = queue.batch().into_iter().map(|one| one.id).collect();
        assert_eq!(ids, ["large"]);
        assert_eq!((requests, queue.len(), queue.take_lost()), (2, 1, 0));
    }
}
