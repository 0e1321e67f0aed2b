//! Compares the report of an instance with the present state of the index.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::instance_report::InstanceReport;

/// An instance counts as silent if it has not reported for this many heartbeats.
const HEARTBEATS: f64 = 3.0;
/// The time by which a report may be late before its instance counts as silent. A report may be
/// late, for example after an adjustment of the instance's clock.
const TOLERANCE: Duration = Duration::from_secs(5);
/// The longest accepted heartbeat interval; a longer interval in a report is treated as this one.
/// Without this limit, an instance with an extremely long heartbeat interval would never count as
/// silent.
pub(super) const LONGEST_HEARTBEAT: Duration = Duration::from_secs(24 * 60 * 60);

/// The state of the index at one instant, with which the reports of instances are compared.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct IndexPosition {
    /// The uuid of the index with which the reports are compared.
    pub index_uuid: String,
    /// The highest `_seq_no` that the index has assigned, even if it belongs to a deletion. The
    /// field is `None` if no `_seq_no` was assigned yet, or if the role does not permit the index
    /// statistics.
    pub assigned_seq_no: Option<u64>,
    /// The highest `_seq_no` of the visible documents.
    pub max_seq_no: Option<u64>,
    pub(super) documents: u64,
    /// The sum of the `_seq_no`s of the visible documents; `None` if the cluster does not return
    /// the exact sum.
    pub(super) sum_seq_no: Option<u64>,
}

/// The state of an instance, compared with the state of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InstanceState {
    /// The instance applies every operation on the index.
    Synced,
    /// The instance applies every operation, but it rejects documents.
    Rejecting,
    /// The instance does not apply some of the operations yet.
    Behind {
        /// An upper bound on the number of operations that the instance does not apply yet; `None`
        /// if no bound is known.
        operations: Option<u64>,
    },
    /// The instance has not reported for three heartbeats. A silent instance may have ended without
    /// a last report.
    Silent {
        /// The time since the last report of the instance.
        since: Duration,
    },
    /// The instance was shut down, according to its last report.
    Left,
}

impl InstanceState {
    /// Returns the name of the state, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Rejecting => "rejecting",
            Self::Behind { .. } => "behind",
            Self::Silent { .. } => "silent",
            Self::Left => "left",
        }
    }

    /// Returns true if the instance reported recently and was not shut down.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Synced | Self::Rejecting | Self::Behind { .. })
    }

    /// Returns true if the instance applies every operation.
    #[must_use]
    pub fn is_converged(self) -> bool {
        matches!(self, Self::Synced | Self::Rejecting)
    }
}

/// A report that cannot be decoded, for example because another tool has written it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UnreadableReport {
    /// The id of the report's document, which is also the name of the instance.
    pub instance: String,
    /// The reason why the report cannot be decoded.
    pub reason: String,
}

/// The reports of all instances and the state of the index, at one instant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fleet {
    /// The decoded reports of all instances, ordered by the name of the instance.
    pub reports: Vec<InstanceReport>,
    /// The reports that cannot be decoded. An instance whose report cannot be decoded counts as not
    /// converged, because nothing shows which operations it applies.
    pub unreadable: Vec<UnreadableReport>,
    /// The number of instances whose reports were not read, because all reports together are too
    /// many or too large. The omitted instances are the last ones in the order of names, and count
    /// as not converged.
    pub omitted: u64,
    /// The state of the index with which the reports are compared.
    pub position: IndexPosition,
    /// The current time, according to the cluster's clock.
    pub now: Timestamp,
}

impl Fleet {
    /// Returns the state of an instance, which follows from its report, the state of the index and
    /// the current time.
    #[must_use]
    pub fn state(&self, report: &InstanceReport) -> InstanceState {
        if report.left {
            return InstanceState::Left;
        }
        let silent_for = report.silent_for(self.now);
        if let Some(since) = silent_for {
            return InstanceState::Silent { since };
        }
        if !self.position.is_applied_by(report) {
            let operations = self.position.missing_in(report);
            return InstanceState::Behind { operations };
        }
        if report.rejected > 0 {
            InstanceState::Rejecting
        } else {
            InstanceState::Synced
        }
    }

    /// Returns the `_seq_no` up to which an instance applies every operation, as far as its report
    /// and the state of the index show; `None` if it is not known.
    #[must_use]
    pub fn applied_seq_no(&self, report: &InstanceReport) -> Option<u64> {
        let position = &self.position;
        let is_applied = position.is_applied_by(report);
        let of_index = position.assigned_seq_no.or(position.max_seq_no);
        let of_index = of_index.filter(|_| is_applied);
        report.applied_seq_no.max(of_index)
    }
}

impl IndexPosition {
    /// Returns true if an instance applies every operation that led to the given state of the
    /// index.
    ///
    /// An instance applies every operation if the `applied_seq_no` in its report is at least the
    /// highest `_seq_no` that the index has assigned. An instance also applies every operation if
    /// it has read exactly the documents in the index, and one of these documents has the highest
    /// assigned `_seq_no`. If the highest assigned `_seq_no` is not known, it is sufficient that
    /// the instance has read exactly the documents in the index. The highest `_seq_no` that an
    /// instance has read is not sufficient evidence: a lower `_seq_no` can become visible later,
    /// and no document has the `_seq_no` of a deletion.
    #[must_use]
    pub fn is_applied_by(&self, report: &InstanceReport) -> bool {
        if report.index_uuid.as_ref() != Some(&self.index_uuid) {
            return false;
        }
        match self.assigned_seq_no {
            Some(assigned) => {
                report.applied_seq_no >= Some(assigned)
                    || self.max_seq_no == Some(assigned) && self.has_same_documents(report)
            }
            None => self.has_same_documents(report),
        }
    }

    /// Returns true if an instance has read exactly the documents of the given state of the index.
    fn has_same_documents(&self, report: &InstanceReport) -> bool {
        report.documents == self.documents
            && report.max_seq_no == self.max_seq_no
            && Some(report.sum_seq_no) == self.sum_seq_no
    }

    /// Returns an upper bound on the number of operations that an instance does not apply yet;
    /// `None` if no bound is known.
    fn missing_in(&self, report: &InstanceReport) -> Option<u64> {
        if report.index_uuid.as_ref() != Some(&self.index_uuid) {
            return None;
        }
        let highest = self.assigned_seq_no.max(self.max_seq_no)?;
        let applied = report.applied_seq_no.or(report.max_seq_no);
        let missing = match applied {
            Some(applied) => highest.saturating_sub(applied),
            None => highest.saturating_add(1),
        };
        // Even if no `_seq_no` seems to be missing, the instance may still apply a document that
        // was deleted, and the `_seq_no` of that deletion is not known.
        (missing > 0).then_some(missing)
    }
}

impl InstanceReport {
    /// Returns the time since this report if the instance counts as silent, and `None` if it does
    /// not.
    pub(super) fn silent_for(&self, now: Timestamp) -> Option<Duration> {
        let age = now.duration_since(self.reported_at);
        (age > self.silent_after()).then(|| Duration::try_from(age).unwrap_or_default())
    }

    /// Returns the time after which the instance counts as silent if it sends no further report.
    pub(super) fn silent_after(&self) -> SignedDuration {
        let longest = LONGEST_HEARTBEAT.as_secs_f64();
        let heartbeat = self.heartbeat_seconds.clamp(0.0, longest);
        silent_after(Duration::from_secs_f64(heartbeat))
    }
}

/// Returns the time after which an instance with the given heartbeat counts as silent.
pub(super) fn silent_after(heartbeat: Duration) -> SignedDuration {
    let limit = heartbeat.mul_f64(HEARTBEATS).saturating_add(TOLERANCE);
    SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
#[path = "instance_state_tests.rs"]
mod tests;
