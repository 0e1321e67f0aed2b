//! Reads the state of each instance at an instant from the history of the fleet.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::find_transitions::Transition;
use super::index_name;
use super::instance_report::InstanceReport;
use super::instance_state::silent_after;
use super::read::MAX_BYTES;
use super::reporter::DEFAULT_INTERVAL;
use crate::admin::{DirectivesApi, WriteError};
use crate::history::{Stream, UnreadableRecord};

/// Each running instance records its state at least once in this time, because its heartbeat is at
/// most a day.
const WINDOW: SignedDuration = SignedDuration::from_hours(49);
/// The instances that were running at an instant, as the history of the fleet shows them.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct PastFleet {
    /// The instances that were running at the instant, ordered by name.
    pub instances: Vec<PastInstance>,
    /// The records that cannot be decoded, for example because another program has written them.
    /// The states of the instances whose records cannot be decoded are not known.
    pub unreadable: Vec<UnreadableRecord>,
    /// Whether the history names more than 50,000 instances around the instant, so that
    /// `instances` lacks some of them.
    pub is_truncated: bool,
}

/// The states of an instance around an instant, as its records in the history of the fleet and its
/// last report show them.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct PastInstance {
    /// The last known state of the instance at or before the instant.
    pub before: Transition,
    /// The first known state of the instance after the instant.
    pub after: Option<Transition>,
    instant: Timestamp,
    /// If no later report exists, the instance may have ended when this time has passed since its
    /// last report.
    silent_after: SignedDuration,
}

/// Whether an instance applied a version of a directive at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PastState {
    /// The instance had read the operation that wrote the directive.
    Applied,
    /// The instance had not yet read the operation that wrote the directive.
    NotYet,
    /// The instance had read the operation that wrote the directive, but rejected the document.
    Rejected,
    /// The off file of the instance existed, so the instance applied no directive.
    Off,
    /// The instance had read the operation that replaced or removed the version.
    NoLonger,
    /// Nothing shows whether the instance applied the version.
    Unknown,
}

/// A version of a directive: the document that one operation wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PastVersion<'a> {
    /// The uuid of the index that contains the directive.
    pub index_uuid: &'a str,
    /// The id of the directive, which is also the `_id` of its document.
    pub directive: &'a str,
    /// The `_seq_no` of the operation that wrote the version.
    pub seq_no: u64,
    /// The next operation on the directive; `None` if no operation followed this version.
    pub next: Option<NextOperation>,
}

/// The operation that replaced or removed a version of a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NextOperation {
    /// The lowest and the highest `_seq_no` that the operation can have; `None` if they are not
    /// known.
    pub seq_nos: Option<(u64, u64)>,
    /// Whether the replacing operation may have happened before the instant. If a recorder noticed
    /// a deletion only later, it is uncertain whether the deletion happened before the instant.
    pub may_have_happened: bool,
}

impl<'a> PastVersion<'a> {
    /// Creates a version that no later operation has replaced.
    #[must_use]
    pub fn new(index_uuid: &'a str, directive: &'a str, seq_no: u64) -> Self {
        Self {
            index_uuid,
            directive,
            seq_no,
            next: None,
        }
    }
}

impl DirectivesApi {
    /// Returns the instances that were running at an instant, from the history of the fleet; `None`
    /// if the fleet has no history. At most 50,000 instances are read.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the history of the fleet cannot be read completely.
    pub async fn fleet_at(&self, instant: Timestamp) -> Result<Option<PastFleet>, WriteError> {
        let fleet = self.client().with_index(&index_name(self.client().index()));
        if !Stream::of(fleet).exists().await? {
            return Ok(None);
        }
        let begin = instant.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let end = instant.saturating_add(WINDOW).unwrap_or(Timestamp::MAX);
        let before = json!({ "gte": begin, "lte": instant });
        let before = self.transitions(&before, "desc").await?;
        let mut after = self
            .transitions(&json!({ "gt": instant, "lte": end }), "asc")
            .await?;
        let is_truncated = before.is_truncated || after.is_truncated;
        let mut unreadable = before.unreadable;
        unreadable.append(&mut after.unreadable);
        // An instance adds a record to the history only when its state changes, and once an hour.
        // The last report of the instance shows how long it ran.
        let reports = self.last_reports().await?;
        let instances = before.of.into_values().map(|before| {
            let report = reports.get(&before.instance);
            let after = after.of.remove(&before.instance);
            PastInstance::new(before, after, report, instant)
        });
        Ok(Some(PastFleet {
            instances: instances.filter(PastInstance::was_running).collect(),
            unreadable,
            is_truncated,
        }))
    }

    /// Returns the last report of each instance; nothing if the fleet's index no longer exists.
    async fn last_reports(&self) -> Result<BTreeMap<String, InstanceReport>, WriteError> {
        match self.reports(MAX_BYTES).await {
            Ok(reports) => {
                let reports = reports.readable.into_iter();
                Ok(reports.map(|one| (one.instance.clone(), one)).collect())
            }
            Err(error) if error.is_not_found() => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }
}

impl PastInstance {
    fn new(
        before: Transition,
        after: Option<Transition>,
        report: Option<&InstanceReport>,
        instant: Timestamp,
    ) -> Self {
        let mut instance = Self {
            before,
            after,
            instant,
            silent_after: report.map_or_else(default_silence, InstanceReport::silent_after),
        };
        if let Some(report) = report {
            instance.add(Transition::of(report));
        }
        instance
    }

    /// Adds the state from the last report of the instance, if that report is nearer to the instant
    /// than every record is.
    fn add(&mut self, mut last: Transition) {
        let is_earlier = |after: &Transition| after.timestamp <= last.timestamp;
        if last.timestamp <= self.instant {
            if last.timestamp > self.before.timestamp {
                self.before = last;
            }
        } else if !self.after.as_ref().is_some_and(is_earlier) {
            last.from_reported_at = None;
            self.after = Some(last);
        }
    }

    /// Returns true if the instance may have been running at the instant.
    fn was_running(&self) -> bool {
        let has_restarted = |after: &Transition| after.started <= self.instant;
        !self.before.left || self.after.as_ref().is_some_and(has_restarted)
    }

    /// Returns true if the process of the state `before` was certainly still running at the
    /// instant. A later report of the process proves it, and so does a last report that was recent
    /// enough at the instant.
    fn is_certain(&self) -> bool {
        let age = self.instant.duration_since(self.before.timestamp);
        !self.before.left && (self.same_process_after().is_some() || age <= self.silent_after)
    }

    /// Returns the first state after the instant, if the same process as before the instant had it.
    fn same_process_after(&self) -> Option<&Transition> {
        let after = self.after.as_ref();
        after.filter(|after| after.started == self.before.started)
    }

    /// Returns whether the instance applied a version of a directive.
    #[must_use]
    pub fn state(&self, version: PastVersion<'_>) -> PastState {
        if !self.is_certain() {
            return PastState::Unknown;
        }
        let before = state_of(&self.before, version);
        let next = version.next;
        let may_have_ended = next.is_some_and(|next| next.may_have_happened);
        let Some(after) = self.same_process_after() else {
            // The instance may have read further operations after its last report.
            return match before {
                PastState::NotYet => PastState::Unknown,
                PastState::Applied if may_have_ended => PastState::Unknown,
                before => before,
            };
        };
        let was_unchanged = after.from_reported_at.is_some_and(|at| at >= self.instant);
        match state_of(after, version) {
            _ if was_unchanged => before,
            after if after == before => before,
            // The instance applied the version until it read the next operation.
            PastState::Unknown | PastState::NoLonger
                if before == PastState::Applied && !may_have_ended =>
            {
                before
            }
            // The state of the instance changed between two reports, possibly before the instant.
            _ => PastState::Unknown,
        }
    }
}

/// Returns the time after which an instance counts as silent if its heartbeat is not known.
fn default_silence() -> SignedDuration {
    silent_after(DEFAULT_INTERVAL)
}

/// Returns whether an instance in the given state applies a version of a directive.
///
/// The instance applies every operation up to the low-water mark. Above the low-water mark, the
/// highest `_seq_no` that the instance has read is the only evidence: the instance has read that
/// operation, and no later write. The instance may lack operations between the low-water mark and
/// the highest `_seq_no` that it has read.
fn state_of(state: &Transition, version: PastVersion<'_>) -> PastState {
    if state.index_uuid.as_deref() != Some(version.index_uuid) {
        return PastState::NotYet;
    }
    if state.off {
        return PastState::Off;
    }
    let (applied, highest) = (state.applied_seq_no, state.max_seq_no);
    let is_read = applied >= Some(version.seq_no) || highest == Some(version.seq_no);
    if !is_read {
        let can_be_read = highest.is_none_or(|highest| highest > version.seq_no);
        return if can_be_read {
            PastState::Unknown
        } else {
            PastState::NotYet
        };
    }
    let is_rejected = state.rejected_ids.iter().any(|id| id == version.directive);
    let has_more_rejections = state.rejected > state.rejected_ids.len();
    match version.next.and_then(|next| next.seq_nos) {
        Some((_, last)) if applied >= Some(last) || highest == Some(last) => {
            return PastState::NoLonger;
        }
        Some((first, _)) if applied.max(highest) >= Some(first) => return PastState::Unknown,
        _ => {}
    }
    if is_rejected {
        PastState::Rejected
    } else if has_more_rejections {
        PastState::Unknown
    } else {
        PastState::Applied
    }
}

#[cfg(test)]
#[path = "past_tests.rs"]
mod tests;
