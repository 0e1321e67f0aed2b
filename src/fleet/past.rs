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

/// The time in which each state is recorded at least once, because the heartbeat is at most a day.
const WINDOW: SignedDuration = SignedDuration::from_hours(49);
/// The instances that were running at an instant, as the history of the fleet shows them.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct PastFleet {
    /// The instances, ordered by name.
    pub instances: Vec<PastInstance>,
    /// The records that cannot be decoded, for example because another program has written them.
    /// The states of the instances that these records concern are not known.
    pub unreadable: Vec<UnreadableRecord>,
    /// Whether the history names more than 50,000 instances around the instant, so that
    /// `instances` lacks some of them.
    pub is_truncated: bool,
}

/// An instance as its records in the history of the fleet and its last report show it around an
/// instant.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct PastInstance {
    /// The last known state at or before the instant.
    pub before: Transition,
    /// The first known state after the instant.
    pub after: Option<Transition>,
    instant: Timestamp,
    /// If nothing shows that the instance was still running, it may have ended when this time has
    /// passed since its last report.
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
    /// The uuid of the index.
    pub index_uuid: &'a str,
    /// The directive's id.
    pub directive: &'a str,
    /// The number of the operation that wrote the version.
    pub seq_no: u64,
    /// The next operation on the directive; `None` if there is none.
    pub next: Option<NextOperation>,
}

/// The operation that replaced or removed a version of a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NextOperation {
    /// The lowest and the highest number that the operation can have; `None` if they are not known.
    pub seq_nos: Option<(u64, u64)>,
    /// Whether the operation may have happened before the instant. This is uncertain if a recorder
    /// only noticed a deletion later.
    pub may_have_happened: bool,
}

impl<'a> PastVersion<'a> {
    /// Creates the version that no later operation replaced.
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
        // The history contains a record of an instance only if its state changed, and once an hour.
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

    /// Adds the state of the last report, if it is nearer to the instant than the records are.
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

    /// Returns true if the process of the state `before` was still running at the instant: it
    /// reported later, or its last report was so recent that it does not count as silent.
    fn is_certain(&self) -> bool {
        let age = self.instant.duration_since(self.before.timestamp);
        !self.before.left && (self.same_process_after().is_some() || age <= self.silent_after)
    }

    /// Returns the next state, if it is a state of the same process.
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
            // The state changed between two reports, possibly before the instant.
            _ => PastState::Unknown,
        }
    }
}

/// Returns the time after which an instance counts as silent if its heartbeat is not known.
fn default_silence() -> SignedDuration {
    silent_after(DEFAULT_INTERVAL)
}

/// Returns whether an instance applies a version in a state.
///
/// The instance applies every operation up to the low-water mark. Above this mark, the highest
/// number of the documents that the instance has read is the only evidence: the instance has read
/// the operation with this number, and no later write. Operations between these two numbers may be
/// missing.
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
