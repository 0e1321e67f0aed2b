//! Keeps the last report of each instance that reports through this instance, until the fleet's
//! index or an agent has accepted it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::instance_report::InstanceReport;

/// The maximum number of instances that can report through this instance.
const MAX_CLIENTS: usize = 10_000;
/// The maximum total size of the last reports of all other instances, in bytes of JSON.
const MAX_BYTES: usize = 32 << 20;

/// The last report of each other instance that reports through this instance.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    clients: Mutex<Clients>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Clients {
    reports: BTreeMap<String, Client>,
    bytes: usize,
}

#[derive(Debug)]
struct Client {
    report: InstanceReport,
    bytes: usize,
    is_pending: bool,
    /// The `applied_seq_no` of the other instance; `None` if it is not known yet.
    applied: Option<u64>,
}

/// The error if the outbox has no room for another report.
#[derive(Debug)]
pub(super) struct Full;

impl Outbox {
    /// Adds reports to the outbox. Each report replaces the earlier report of the same instance. If
    /// one of the given reports does not fit into the outbox, the outbox adds none of them. To make
    /// room, the outbox forgets instances that are silent at the time `now` and have no pending
    /// report.
    pub(super) fn add(&self, reports: Vec<InstanceReport>, now: Timestamp) -> Result<(), Full> {
        let mut clients = self.lock();
        let sized: Vec<(usize, InstanceReport)> = reports
            .into_iter()
            .map(|report| (report.json().len(), report))
            .collect();
        if !clients.has_room_for(&sized) {
            clients.forget_silent(now);
            if !clients.has_room_for(&sized) {
                return Err(Full);
            }
        }
        for (bytes, report) in sized {
            clients.insert(report, bytes);
        }
        drop(clients);
        self.added.notify_one();
        Ok(())
    }

    /// Completes as soon as reports were added since the last call of this method.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    pub(super) fn has_pending(&self) -> bool {
        self.lock().reports.values().any(|one| one.is_pending)
    }

    /// Returns pending reports of at most `limit` bytes in total. If there is any pending report,
    /// the method returns at least one report, whatever its size. Each returned report stays
    /// pending until [`settle`](Self::settle) is called for it.
    ///
    /// An instance that polls an agent does not know up to which `_seq_no` it applies every
    /// operation. If an instance that polls an agent has read the same documents as the instance of
    /// `own`, its report gets the `applied_seq_no` of `own`.
    pub(super) fn pending(&self, own: &InstanceReport, limit: usize) -> Vec<InstanceReport> {
        let mut clients = self.lock();
        let mut bytes = 0;
        let mut taken = Vec::new();
        for client in clients.reports.values_mut().filter(|one| one.is_pending) {
            bytes += client.bytes;
            if bytes > limit && !taken.is_empty() {
                break;
            }
            client.complete(own);
            let applied_seq_no = client.applied;
            taken.push(InstanceReport {
                applied_seq_no,
                ..client.report.clone()
            });
        }
        taken
    }

    /// Fills in the `applied_seq_no` of each report whose instance has read the same documents as
    /// the instance of the report `own`. A report becomes pending again when its `applied_seq_no`
    /// has changed.
    pub(super) fn complete(&self, own: &InstanceReport) {
        for client in self.lock().reports.values_mut() {
            client.is_pending |= client.complete(own);
        }
    }

    /// Records that a report was written or will never be accepted. If the outbox has a newer
    /// report of the same instance, the newer report stays pending. The outbox forgets an instance
    /// after a report was written that says that the instance was shut down.
    pub(super) fn settle(&self, report: &InstanceReport) {
        let mut clients = self.lock();
        let Some(client) = clients.reports.get_mut(&report.instance) else {
            return;
        };
        let is_same = client.report.reported_at == report.reported_at
            && client.report.left == report.left
            && client.applied == report.applied_seq_no;
        client.is_pending &= !is_same;
        if report.left && is_same {
            clients.remove(&report.instance);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    fn has_room_for(&self, sized: &[(usize, InstanceReport)]) -> bool {
        let is_new = |report: &InstanceReport| !self.reports.contains_key(&report.instance);
        let new = sized.iter().filter(|(_, report)| is_new(report)).count();
        let bytes: usize = sized.iter().map(|(bytes, _)| bytes).sum();
        self.reports.len() + new <= MAX_CLIENTS && self.bytes + bytes <= MAX_BYTES
    }

    fn insert(&mut self, report: InstanceReport, bytes: usize) {
        let old = self.remove(&report.instance);
        let old = old.filter(|old| old.report.has_read_the_same_as(&report));
        self.bytes += bytes;
        let client = Client {
            bytes,
            is_pending: true,
            applied: report.applied_seq_no.or(old.and_then(|old| old.applied)),
            report,
        };
        self.reports.insert(client.report.instance.clone(), client);
    }

    fn remove(&mut self, instance: &str) -> Option<Client> {
        let client = self.reports.remove(instance)?;
        self.bytes -= client.bytes;
        Some(client)
    }

    fn forget_silent(&mut self, now: Timestamp) {
        self.reports.retain(|_, client| {
            let is_kept = client.is_pending || client.report.silent_for(now).is_none();
            if !is_kept {
                self.bytes -= client.bytes;
            }
            is_kept
        });
    }
}

impl Client {
    /// If the instance does not know its `applied_seq_no` but has read the same documents as the
    /// instance of `own`, uses the `applied_seq_no` of `own`. Returns true if the `applied_seq_no`
    /// for the instance has changed.
    fn complete(&mut self, own: &InstanceReport) -> bool {
        let before = self.applied;
        if self.report.applied_seq_no.is_none() && self.report.has_read_the_same_as(own) {
            self.applied = self.applied.max(own.applied_seq_no);
        }
        self.applied != before
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    const NOON: &str = "2030-01-01T12:00:00Z";

    fn report(instance: &str, documents: u64, applied: Option<u64>) -> InstanceReport {
        let report = json!({
            "instance": instance, "version": "1", "kind": "library", "index": "directives",
            "index_uuid": "u", "applied_seq_no": applied, "documents": documents, "max_seq_no": 9,
            "sum_seq_no": 17, "digest": "d", "directives": 3, "revoked": 0, "off": false,
            "rejected": 0, "staleness": "fresh", "started": NOON, "reported_at": NOON,
            "heartbeat_seconds": 60.0, "left": false,
        });
        serde_json::from_value(report).unwrap()
    }

    fn now() -> Timestamp {
        NOON.parse().unwrap()
    }

    /// Marks all pending reports as written. Returns the instance and the `applied_seq_no` of each
    /// report.
    fn write(outbox: &Outbox, own: &InstanceReport) -> Vec<(String, Option<u64>)> {
        let written = outbox.pending(own, usize::MAX).into_iter().map(|report| {
            outbox.settle(&report);
            (report.instance, report.applied_seq_no)
        });
        written.collect()
    }

    #[test]
    fn an_instance_with_the_same_documents_applies_the_same_operations() {
        let outbox = Outbox::default();
        let reports = vec![report("behind", 2, None), report("same", 3, None)];
        outbox.add(reports, now()).unwrap();
        let written = write(&outbox, &report("agent", 3, Some(9)));
        let [behind, same] = ["behind", "same"].map(str::to_owned);
        assert_eq!(written, [(behind, None), (same.clone(), Some(9))]);
        assert!(!outbox.has_pending());
        // Operation 10 changed no document, so the instances do not report again after this
        // operation.
        let own = report("agent", 3, Some(10));
        outbox.complete(&own);
        assert_eq!(write(&outbox, &own), [(same.clone(), Some(10))]);
        // The agent has already read operation 11, but the instance has not.
        outbox.add(vec![report("same", 3, None)], now()).unwrap();
        let written = write(&outbox, &report("agent", 4, Some(11)));
        assert_eq!(written, [(same, Some(10))]);
    }

    #[test]
    fn the_outbox_is_bounded_and_loses_no_report_that_was_not_written() {
        let outbox = Outbox::default();
        let all = |from: usize, to: usize| {
            let names = (from..to).map(|number| format!("proxy-{number:05}"));
            names.map(|name| report(&name, 3, None)).collect::<Vec<_>>()
        };
        let one_more = || all(MAX_CLIENTS, MAX_CLIENTS + 1);
        outbox.add(all(0, MAX_CLIENTS), now()).unwrap();
        assert!(outbox.add(one_more(), now()).is_err());
        outbox.add(all(0, 1), now()).unwrap();
        let own = report("agent", 3, Some(9));
        let part = outbox.pending(&own, 1000);
        assert!((1..10).contains(&part.len()), "{}", part.len());
        // While a report is being written, a newer report of the same instance replaces it.
        let mut newer = report("proxy-00000", 4, None);
        newer.reported_at = now() + jiff::SignedDuration::from_secs(1);
        outbox.add(vec![newer], now()).unwrap();
        outbox.settle(&part[0]);
        assert_eq!(write(&outbox, &own).len(), MAX_CLIENTS);
        // To make room, the outbox forgets instances that have not reported for a long time.
        let day = jiff::SignedDuration::from_hours(24);
        outbox.add(one_more(), now() + day).unwrap();
        let mut left = report("left", 3, None);
        left.left = true;
        outbox.add(vec![left], now()).unwrap();
        assert_eq!(write(&outbox, &own).len(), 2);
        assert_eq!(outbox.lock().reports.len(), 1);
    }
}
