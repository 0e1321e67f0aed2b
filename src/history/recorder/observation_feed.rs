//! Defines the observation that a poll makes, and the feed that passes observations to the recorder
//! without waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::status::{RecorderStatus, SharedCounts, update};
use crate::clock::Clock;
use crate::rest::{Collect, Hit, Incomplete};

/// A document that a poll has read.
#[derive(Clone, Debug)]
pub(crate) struct SeenDocument {
    pub(crate) id: Box<str>,
    pub(crate) seq_no: u64,
    pub(crate) primary_term: Option<u64>,
    pub(crate) version: Option<u64>,
    pub(crate) source: Box<str>,
}

/// A complete view of the index that a poll accepted, or the changes since the previous view.
#[derive(Debug)]
pub(crate) struct Observation {
    pub(crate) index_uuid: String,
    /// The history uuid; `None` if the role does not permit the statistics, or the index has
    /// several shards.
    pub(crate) history_uuid: Option<String>,
    /// All documents of the index if `is_full` is true; otherwise the documents that may have
    /// changed since the previous view.
    pub(crate) documents: Vec<SeenDocument>,
    pub(crate) is_full: bool,
    /// All operations up to this `_seq_no` were contained in the previous view.
    pub(crate) complete_until: Option<u64>,
    /// A time at which no `_seq_no` above `complete_until` had been assigned yet. An operation that
    /// the previous view did not contain happened after this time.
    pub(crate) not_assigned_at: Option<Timestamp>,
    /// The highest `_seq_no` that had been assigned when the view was read.
    pub(crate) max_seq_no: Option<u64>,
    pub(crate) seen_at: Timestamp,
}

/// All fields of an [`Observation`] except the documents and the time.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) index_uuid: String,
    pub(crate) history_uuid: Option<String>,
    pub(crate) is_full: bool,
    pub(crate) complete_until: Option<u64>,
    pub(crate) not_assigned_at: Option<Timestamp>,
    pub(crate) max_seq_no: Option<u64>,
}

/// The instant from which the recorder needs a complete observation; `None` if it needs none. The
/// recorder and the feed share this instant.
#[derive(Clone, Debug, Default)]
pub(super) struct NeedsFullFrom(Arc<Mutex<Option<Timestamp>>>);

impl NeedsFullFrom {
    pub(super) fn set(&self, at: Option<Timestamp>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn has_come(&self, now: Timestamp) -> bool {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at <= now)
    }
}

/// Passes the observations of the polls to the recorder.
#[derive(Debug)]
pub(crate) struct HistoryFeed {
    sender: mpsc::Sender<Observation>,
    counts: SharedCounts,
    clock: Arc<dyn Clock>,
    /// Whether the recorder missed an observation and therefore needs a complete observation.
    has_missed: AtomicBool,
    needs_full_from: NeedsFullFrom,
}

impl HistoryFeed {
    pub(super) fn new(
        sender: mpsc::Sender<Observation>,
        counts: SharedCounts,
        clock: Arc<dyn Clock>,
        needs_full_from: NeedsFullFrom,
    ) -> Self {
        Self {
            sender,
            counts,
            clock,
            has_missed: AtomicBool::new(false),
            needs_full_from,
        }
    }

    /// Passes an observation to the recorder. If too many observations already wait for the
    /// recorder, the new observation is dropped.
    pub(crate) fn observe(&self, observed: Observed, documents: Vec<SeenDocument>) {
        let is_full = observed.is_full;
        let observation = Observation {
            index_uuid: observed.index_uuid,
            history_uuid: observed.history_uuid,
            documents,
            is_full,
            complete_until: observed.complete_until,
            not_assigned_at: observed.not_assigned_at,
            max_seq_no: observed.max_seq_no,
            seen_at: self.clock.now(),
        };
        if self.sender.try_send(observation).is_ok() {
            if is_full {
                self.has_missed.store(false, Ordering::Relaxed);
                // The recorder sets `needs_full_from` again if it needs a further complete
                // observation after this one.
                self.needs_full_from.set(None);
            }
        } else {
            self.has_missed.store(true, Ordering::Relaxed);
            update(&self.counts, |counts| counts.missed_polls += 1);
        }
    }

    /// Returns the counts of the recorder.
    pub(crate) fn status(&self) -> RecorderStatus {
        RecorderStatus::of(&self.counts)
    }

    /// Returns true if the next poll must read all documents, because the recorder missed a change,
    /// or must find out whether documents were deleted.
    pub(crate) fn needs_everything(&self) -> bool {
        let has_missed = self.has_missed.load(Ordering::Relaxed);
        self.sender.capacity() > 0
            && (has_missed || self.needs_full_from.has_come(self.clock.now()))
    }
}

/// A collector that passes each document to the inner collector. If there is a recorder, `Keeping`
/// also stores each document for the recorder, in the form in which the poll read it.
#[derive(Debug)]
pub(crate) struct Keeping<C> {
    pub(crate) inner: C,
    pub(crate) seen: Option<Vec<SeenDocument>>,
}

impl<C> Keeping<C> {
    pub(crate) fn new(inner: C, keeps: bool) -> Self {
        Self {
            inner,
            seen: keeps.then(Vec::new),
        }
    }
}

impl<C: Collect> Collect for Keeping<C> {
    fn expect(&mut self, documents: usize) {
        self.inner.expect(documents);
    }

    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
        if let Some(seen) = &mut self.seen {
            seen.push(SeenDocument {
                id: hit.id.as_ref().into(),
                seq_no: hit.seq_no,
                primary_term: hit.primary_term,
                version: hit.version,
                source: hit.source.get().into(),
            });
        }
        self.inner.take(hit)
    }
}
