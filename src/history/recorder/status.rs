//! The counts of a recorder, which the status of the store and the metrics contain.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What a recorder has done, and what it could not do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RecorderStatus {
    /// The operations that this recorder recorded.
    pub recorded: u64,
    /// The operations that somebody else had recorded first.
    pub already_recorded: u64,
    /// The records that wait to be sent.
    pub pending: u64,
    /// The operations that this recorder could not see, because they were replaced within one poll
    /// interval. Whoever made them may have recorded them.
    pub unseen: u64,
    /// The operations that this recorder saw and did not record, because the history refused them
    /// or the queue was full.
    pub lost: u64,
    /// The polls whose observation the recorder did not take in time. The next complete read makes
    /// up for them.
    pub missed_polls: u64,
    /// The attempts to write to the history that failed.
    pub failures: u64,
    /// Why the last attempt failed; `None` after a success.
    pub last_error: Option<String>,
}

/// The counts of one recorder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(super) recorded: u64,
    pub(super) already_recorded: u64,
    pub(super) pending: u64,
    pub(super) unseen: u64,
    pub(super) lost: u64,
    /// The number of records that the queue dropped.
    pub(super) dropped: u64,
    pub(super) missed_polls: u64,
    pub(super) failures: u64,
    pub(super) last_error: Option<String>,
}

impl Counts {
    /// Adds the results of one batch.
    pub(super) fn add(&mut self, batch: &Self) {
        self.recorded += batch.recorded;
        self.already_recorded += batch.already_recorded;
        self.lost += batch.lost;
    }
}

/// The counts, which the recorder, the feed and the status share.
pub(crate) type SharedCounts = Arc<Mutex<Counts>>;

pub(super) fn update(counts: &SharedCounts, change: impl FnOnce(&mut Counts)) {
    change(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
}

impl RecorderStatus {
    pub(crate) fn of(counts: &SharedCounts) -> Self {
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            recorded: counts.recorded,
            already_recorded: counts.already_recorded,
            pending: counts.pending,
            unseen: counts.unseen,
            lost: counts.lost + counts.dropped,
            missed_polls: counts.missed_polls,
            failures: counts.failures,
            last_error: counts.last_error.clone(),
        }
    }
}
