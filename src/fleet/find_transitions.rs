//! Compares consecutive reports of an instance, to find out when the state of the instance changed.
//! A transition is a change of an instance's state, and the history of the fleet stores the
//! transitions.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::instance_report::{InstanceKind, InstanceReport};

/// An unchanged state of an instance is recorded again after this time. The repeated record shows
/// how long an instance ran, even if the instance was killed.
const CONFIRMED_EVERY: Duration = Duration::from_secs(60 * 60);
/// The maximum number of instances whose last states are remembered. The next report of an instance
/// whose state was forgotten is recorded again, even if its state has not changed.
const MAX_INSTANCES: usize = 20_000;

/// A state of an instance, and the time at which the state began, in the form in which the history
/// of the fleet stores it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transition {
    /// The time of the first report that shows the new state of the instance. The instance reached
    /// the new state a short time before this report.
    #[serde(rename = "@timestamp")]
    pub timestamp: Timestamp,
    /// The name of the instance, which is also the id of its report in the fleet's index.
    pub instance: String,
    /// The name of the host on which the instance runs; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The kind of program that contains the instance, for example the agent.
    pub kind: InstanceKind,
    /// The agents that forwarded the report, in the order of forwarding; empty if the instance
    /// wrote the report itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// The time at which the instance was started, according to its own clock.
    pub started: Timestamp,
    /// The uuid of the index whose directives the instance applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_uuid: Option<String>,
    /// Before the transition, the instance applied every operation up to this `_seq_no`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_seq_no: Option<u64>,
    /// The time of the last report before the transition, at which the instance was still in the
    /// previous state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_reported_at: Option<Timestamp>,
    /// After the transition, the instance applied every operation up to this `_seq_no`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_seq_no: Option<u64>,
    /// The highest `_seq_no` of the documents from which the applied set was read. After the
    /// transition, the instance applied the write with the `_seq_no` `max_seq_no`, and no later
    /// write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seq_no: Option<u64>,
    /// The digest of the applied directives: instances with the same digest apply the same
    /// directives.
    pub digest: String,
    /// Whether the instance applied no directive because its off file existed.
    pub off: bool,
    /// The number of documents that the instance rejected.
    pub rejected: usize,
    /// The ids of the rejected documents that the report lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected_ids: Vec<String>,
    /// Whether the instance was shut down, according to its report.
    pub left: bool,
}

impl Transition {
    pub(super) fn of(report: &InstanceReport) -> Self {
        let ids = report.rejections.iter();
        Self {
            timestamp: report.reported_at,
            instance: report.instance.clone(),
            host: report.host.clone(),
            kind: report.kind,
            via: report.via.clone(),
            started: report.started,
            index_uuid: report.index_uuid.clone(),
            from_seq_no: None,
            from_reported_at: None,
            applied_seq_no: report.applied_seq_no,
            max_seq_no: report.max_seq_no.filter(|_| report.index_uuid.is_some()),
            digest: report.digest.clone(),
            off: report.off,
            rejected: report.rejected,
            rejected_ids: ids.map(|rejection| rejection.id.clone()).collect(),
            left: report.left,
        }
    }

    /// Returns true if this transition and the other one lead to the same state.
    fn leads_to_same(&self, other: &Self) -> bool {
        let at = |one: &Self| Self {
            timestamp: self.timestamp,
            from_seq_no: None,
            from_reported_at: None,
            ..one.clone()
        };
        at(self) == at(other)
    }
}

/// The last recorded state of each instance, and the time of the last report with this state.
#[derive(Debug, Default)]
pub(super) struct LastStates(BTreeMap<String, (Transition, Timestamp)>);

impl LastStates {
    /// Returns the transition that a report shows; `None` if the state was recorded recently and
    /// has not changed.
    pub(super) fn observe(&mut self, report: &InstanceReport) -> Option<Transition> {
        let mut transition = Transition::of(report);
        if let Some((last, reported_at)) = self.0.get_mut(&report.instance) {
            let age = transition.timestamp.duration_since(last.timestamp);
            let confirmed = SignedDuration::try_from(CONFIRMED_EVERY).unwrap_or_default();
            if last.leads_to_same(&transition) && age < confirmed {
                *reported_at = transition.timestamp.max(*reported_at);
                return None;
            }
            transition.from_reported_at = Some(*reported_at);
            let is_same_index = last.index_uuid == transition.index_uuid;
            transition.from_seq_no = last.applied_seq_no.filter(|_| is_same_index);
        } else if self.0.len() >= MAX_INSTANCES {
            self.0.pop_first();
        }
        if transition.left {
            self.0.remove(&report.instance);
        } else {
            let state = (transition.clone(), transition.timestamp);
            self.0.insert(report.instance.clone(), state);
        }
        Some(transition)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn report(minute: i64, applied: u64) -> InstanceReport {
        let start: Timestamp = "2030-01-01T12:00:00Z".parse().unwrap();
        let at = start + SignedDuration::from_mins(minute);
        serde_json::from_value(json!({
            "instance": "proxy-1", "version": "1", "kind": "library", "index": "directives",
            "index_uuid": "u", "applied_seq_no": applied, "documents": 3, "max_seq_no": 9,
            "sum_seq_no": 17, "digest": "d", "directives": 3, "revoked": 0, "off": false,
            "rejected": 0, "staleness": "fresh", "started": start, "reported_at": at,
            "heartbeat_seconds": 60.0, "left": false,
        }))
        .unwrap()
    }

    #[test]
    fn a_state_is_recorded_when_it_changes_and_once_an_hour() {
        let mut states = LastStates::default();
        let first = states.observe(&report(0, 3)).unwrap();
        assert_eq!((first.from_seq_no, first.applied_seq_no), (None, Some(3)));
        assert_eq!((first.from_reported_at, first.max_seq_no), (None, Some(9)));
        assert_eq!(states.observe(&report(1, 3)), None);
        let second = states.observe(&report(2, 5)).unwrap();
        assert_eq!(
            (second.from_seq_no, second.applied_seq_no),
            (Some(3), Some(5))
        );
        // The report of minute 1 added no record, but it shows that the earlier state lasted until
        // then.
        assert_eq!(second.from_reported_at, Some(report(1, 3).reported_at));
        assert_eq!(states.observe(&report(61, 5)), None);
        let confirmed = states.observe(&report(62, 5)).unwrap();
        assert_eq!(confirmed.from_seq_no, Some(5));
        let mut off = report(63, 5);
        off.off = true;
        assert!(states.observe(&off).unwrap().off);
        let mut other = report(64, 1);
        other.index_uuid = Some("another".to_owned());
        assert_eq!(states.observe(&other).unwrap().from_seq_no, None);
        let mut left = report(65, 1);
        left.left = true;
        assert!(states.observe(&left).unwrap().left);
    }
}
