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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::Value;

    use super::*;
    use crate::http::scripted_transport::{complete_search, json_response, scripted_client};
    use crate::http::{Request, Response};

    fn at(minute: i64) -> Timestamp {
        let noon: Timestamp = "2030-01-01T12:00:00Z".parse().unwrap();
        noon + SignedDuration::from_mins(minute)
    }

    fn transition(minute: i64, applied: Option<u64>) -> Transition {
        serde_json::from_value(json!({
            "@timestamp": at(minute), "instance": "proxy-1", "kind": "agent", "started": at(-600),
            "index_uuid": "u", "applied_seq_no": applied, "max_seq_no": applied, "digest": "d",
            "off": false, "rejected": 0, "left": false,
        }))
        .unwrap()
    }

    const SLOW: PastVersion<'_> = PastVersion {
        index_uuid: "u",
        directive: "slow",
        seq_no: 9,
        next: None,
    };

    fn past(before: Transition, after: Option<Transition>) -> PastInstance {
        PastInstance {
            before,
            after,
            instant: at(0),
            silent_after: default_silence(),
        }
    }

    fn state(before: Transition, after: Option<Transition>) -> PastState {
        past(before, after).state(SLOW)
    }

    /// Returns the last report of the instance of [`transition`].
    fn report(minute: i64, applied: u64) -> InstanceReport {
        serde_json::from_value(json!({
            "instance": "proxy-1", "version": "1", "kind": "agent", "index": "directives",
            "index_uuid": "u", "applied_seq_no": applied, "documents": 3, "max_seq_no": applied,
            "sum_seq_no": 17, "digest": "d", "directives": 3, "revoked": 0, "off": false,
            "rejected": 0, "staleness": "fresh", "started": at(-600), "reported_at": at(minute),
            "heartbeat_seconds": 60.0, "left": false,
        }))
        .unwrap()
    }

    /// Responds to each search with the same records of the history of the fleet.
    fn respond(records: &[Value], request: &Request) -> Response {
        if request.path.starts_with("/_data_stream/") {
            let stream = json!({ "name": "directives-fleet-history" });
            return json_response(200, &json!({ "data_streams": [stream] }));
        }
        if !request.path.contains("-history") {
            return json_response(200, &complete_search(0));
        }
        let buckets = records.iter().enumerate().map(|(number, record)| {
            let hit = json!({ "_id": format!("r{number}"), "_source": record });
            let key = json!({ "instance": record["instance"] });
            json!({ "key": key, "first": { "hits": { "hits": [hit] } } })
        });
        let mut body = complete_search(records.len());
        body["aggregations"] = json!({ "instances": { "buckets": buckets.collect::<Vec<_>>() } });
        json_response(200, &body)
    }

    #[tokio::test]
    async fn a_record_of_an_instance_that_cannot_be_decoded_hides_no_other_instance() {
        let good = serde_json::to_value(transition(-2, Some(9))).unwrap();
        let forged = json!({ "@timestamp": at(-5), "instance": "proxy-2", "kind": "\u{1b}[2J" });
        let records = [forged, good];
        let client = scripted_client(move |request| Ok(respond(&records, request)));
        let api = DirectivesApi::new(client);
        let past = api.fleet_at(at(0)).await.unwrap().unwrap();
        assert_eq!(past.instances.len(), 1);
        assert_eq!(past.instances[0].state(SLOW), PastState::Applied);
        // Both searches, before and after the instant, return the record that cannot be decoded.
        assert_eq!(past.unreadable.len(), 2);
        let unreadable = &past.unreadable[0];
        assert_eq!(unreadable.id, "r0");
        assert!(unreadable.problem.contains("\\u{1b}[2J"), "{unreadable:?}");
    }

    #[test]
    fn only_what_the_records_show_counts_as_applied_and_only_what_they_refute_as_not_yet() {
        let later = |applied| {
            let mut after = transition(30, applied);
            after.from_reported_at = Some(at(1));
            Some(after)
        };
        let nine = || transition(-2, Some(9));
        assert_eq!(state(nine(), None), PastState::Applied);
        assert_eq!(state(nine(), later(Some(12))), PastState::Applied);
        // The last state says nothing about the time after it.
        let eight = || transition(-2, Some(8));
        assert_eq!(state(eight(), None), PastState::Unknown);
        // The instance still reported this state after the instant.
        assert_eq!(state(eight(), later(Some(9))), PastState::NotYet);
        // The state changed between two reports, before or after the instant.
        let mut between = transition(30, Some(9));
        between.from_reported_at = Some(at(-1));
        assert_eq!(state(eight(), Some(between)), PastState::Unknown);
        // Both states lack the operation, so the instance lacked it in between, too.
        assert_eq!(
            state(eight(), Some(transition(30, Some(8)))),
            PastState::NotYet
        );
        assert_eq!(state(transition(-2, None), None), PastState::Unknown);
        let change = |change: fn(&mut Transition)| {
            let mut before = nine();
            change(&mut before);
            state(before, later(Some(12)))
        };
        let off = change(|before| before.off = true);
        assert_eq!(off, PastState::Off);
        let rejected = change(|before| {
            before.rejected = 1;
            before.rejected_ids = vec!["slow".to_owned()];
        });
        assert_eq!(rejected, PastState::Rejected);
        let many = change(|before| before.rejected = 21);
        assert_eq!(many, PastState::Unknown);
        let other = change(|before| before.index_uuid = Some("v".to_owned()));
        assert_eq!(other, PastState::NotYet);
    }

    #[test]
    fn above_the_low_water_mark_only_the_highest_read_number_shows_whether_an_operation_was_read() {
        let read = |applied, highest| {
            let mut before = transition(-2, applied);
            before.max_seq_no = highest;
            let mut after = before.clone();
            after.timestamp = at(30);
            state(before, Some(after))
        };
        assert_eq!(read(Some(7), Some(9)), PastState::Applied);
        assert_eq!(read(Some(7), Some(8)), PastState::NotYet);
        // Number 9 may be missing, although the instance has read number 10.
        assert_eq!(read(Some(7), Some(10)), PastState::Unknown);
        assert_eq!(read(Some(9), Some(10)), PastState::Applied);
        assert_eq!(read(None, Some(9)), PastState::Applied);
    }

    #[test]
    fn an_instance_that_may_have_read_the_end_of_a_version_does_not_count_as_applying_it() {
        let ended = |seq_nos| {
            let next = NextOperation {
                seq_nos: Some(seq_nos),
                may_have_happened: false,
            };
            let version = PastVersion {
                next: Some(next),
                ..SLOW
            };
            past(transition(-2, Some(11)), None).state(version)
        };
        assert_eq!(ended((12, 14)), PastState::Applied);
        assert_eq!(ended((11, 14)), PastState::Unknown);
        assert_eq!(ended((10, 11)), PastState::NoLonger);
        assert_eq!(ended((11, 11)), PastState::NoLonger);
    }

    #[test]
    fn a_deletion_that_may_have_happened_leaves_it_open_whether_an_instance_still_applied() {
        let may_have_ended = |after| {
            let next = NextOperation {
                seq_nos: Some((10, 11)),
                may_have_happened: true,
            };
            let version = PastVersion {
                next: Some(next),
                ..SLOW
            };
            past(transition(-2, Some(9)), after).state(version)
        };
        assert_eq!(may_have_ended(None), PastState::Unknown);
        let mut after = transition(30, Some(11));
        assert_eq!(may_have_ended(Some(after.clone())), PastState::Unknown);
        // The instance still reported after the instant that it had not read the deletion.
        after.from_reported_at = Some(at(1));
        assert_eq!(may_have_ended(Some(after)), PastState::Applied);
    }

    #[test]
    fn an_instance_that_no_longer_reported_is_not_known() {
        // An instance that is killed writes no last record.
        let nine = |minute| transition(minute, Some(9));
        assert_eq!(state(nine(-10), None), PastState::Unknown);
        assert_eq!(state(transition(-10, Some(8)), None), PastState::Unknown);
        let running = state(nine(-90), Some(transition(30, Some(12))));
        assert_eq!(running, PastState::Applied);
        let mut restarted = transition(30, Some(12));
        restarted.started = at(20);
        assert_eq!(state(nine(-90), Some(restarted)), PastState::Unknown);
        // The last report shows how long the instance ran.
        let reported = |minute, applied| {
            let report = report(minute, applied);
            let past = PastInstance::new(transition(-50, Some(8)), None, Some(&report), at(0));
            past.state(SLOW)
        };
        assert_eq!(reported(5, 9), PastState::Unknown);
        assert_eq!(reported(5, 8), PastState::NotYet);
        assert_eq!(reported(-2, 9), PastState::Applied);
        assert_eq!(reported(-10, 9), PastState::Unknown);
        assert_eq!(reported(-10, 8), PastState::Unknown);
    }
}
