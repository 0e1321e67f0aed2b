//! The counts of a recorder, for the status of the store and for metrics.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// How many operations a recorder has recorded, and how many it could not record.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RecorderStatus {
    /// The number of operations that this recorder recorded.
    pub recorded: u64,
    /// The number of operations that another recorder or the command had already recorded.
    pub already_recorded: u64,
    /// The number of records that this recorder still has to send.
    pub pending: u64,
    /// The number of operations that this recorder could not record, because a later write replaced
    /// the document before a poll read it, or because the identity of the operation is not known.
    /// The client that performed such an operation may have recorded it itself.
    pub unseen: u64,
    /// The number of operations that this recorder saw but could not record, because the history
    /// refused the record or the queue was full.
    pub lost: u64,
    /// The number of polls whose observation was dropped, because the recorder was too slow. The
    /// next complete read of the index contains the changes of the dropped observation.
    pub missed_polls: u64,
    /// The number of failed attempts to write to the history.
    pub failures: u64,
    /// The error of the last attempt to write to the history; `None` if this attempt succeeded.
    pub last_error: Option<String>,
}

/// The counts of a recorder. The recorder, the feed and the status share these counts.
pub(crate) type SharedCounts = Arc<Mutex<RecorderStatus>>;

pub(super) fn update(counts: &SharedCounts, change: impl FnOnce(&mut RecorderStatus)) {
    change(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
}

impl RecorderStatus {
    pub(crate) fn of(counts: &SharedCounts) -> Self {
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }

    /// Adds the counts of one batch of records to the counts of the recorder.
    pub(super) fn add(&mut self, batch: &Self) {
        self.recorded += batch.recorded;
        self.already_recorded += batch.already_recorded;
        self.lost += batch.lost;
    }
}
