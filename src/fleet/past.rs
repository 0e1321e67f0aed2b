//! Reads the state of each instance at an instant from the history of the fleet.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::find_transitions::{CONFIRMED_EVERY, Transition};
use super::index_name;
use crate::admin::{DirectivesApi, WriteError};
use crate::history::{Stream, UnreadableRecord};

/// The time in which each state is recorded at least once, because the heartbeat is at most a day.
const WINDOW: SignedDuration = SignedDuration::from_hours(49);
/// An instance without a later record counts as running until `CONFIRMED_EVERY` and this additional
/// time have passed since its last record.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

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

/// An instance as the history of the fleet shows it around an instant.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct PastInstance {
    /// The last record of the instance at or before the instant.
    pub before: Transition,
    /// The first record of the instance after the instant; `None` if there is no such record.
    pub after: Option<Transition>,
    instant: Timestamp,
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
    /// The history of the fleet does not show whether the instance applied the version.
    Unknown,
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
        let instances = before.of.into_values().map(|before| PastInstance {
            after: after.of.remove(&before.instance),
            before,
            instant,
        });
        Ok(Some(PastFleet {
            instances: instances.filter(PastInstance::was_running).collect(),
            unreadable,
            is_truncated,
        }))
    }
}

impl PastInstance {
    /// Returns true if the instance may have been running at the instant.
    fn was_running(&self) -> bool {
        let has_restarted = |after: &Transition| after.started <= self.instant;
        !self.before.left || self.after.as_ref().is_some_and(has_restarted)
    }

    /// Returns true if a record shows that the process that made the record `before` was still
    /// running at the instant.
    fn is_certain(&self) -> bool {
        let confirmed = SignedDuration::try_from(CONFIRMED_EVERY).unwrap_or_default();
        let age = self.instant.duration_since(self.before.timestamp);
        let is_same_process = |after: &Transition| after.started == self.before.started;
        !self.before.left
            && (self.after.as_ref().is_some_and(is_same_process) || age <= confirmed + TOLERANCE)
    }

    /// Returns whether the instance applied, at the instant, the version of a directive that the
    /// operation with the given `_seq_no` wrote.
    #[must_use]
    pub fn state(&self, index_uuid: &str, seq_no: u64, directive: &str) -> PastState {
        let before = &self.before;
        let is_rejected = before.rejected_ids.iter().any(|id| id == directive);
        let has_more_rejections = before.rejected > before.rejected_ids.len();
        if !self.is_certain() {
            return PastState::Unknown;
        }
        if before.index_uuid.as_deref() != Some(index_uuid) {
            return PastState::NotYet;
        }
        match before.applied_seq_no {
            None => PastState::Unknown,
            Some(applied) if applied < seq_no => PastState::NotYet,
            Some(_) if before.off => PastState::Off,
            Some(_) if is_rejected => PastState::Rejected,
            Some(_) if has_more_rejections => PastState::Unknown,
            Some(_) => PastState::Applied,
        }
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
            "index_uuid": "u", "applied_seq_no": applied, "digest": "d", "off": false,
            "rejected": 0, "left": false,
        }))
        .unwrap()
    }

    fn state(before: Transition, after: Option<Transition>) -> PastState {
        let past = PastInstance {
            before,
            after,
            instant: at(0),
        };
        past.state("u", 9, "slow")
    }

    /// Responds to each search with the same records of the history of the fleet.
    fn respond(records: &[Value], request: &Request) -> Response {
        if request.path.starts_with("/_data_stream/") {
            let stream = json!({ "name": "directives-fleet-history" });
            return json_response(200, &json!({ "data_streams": [stream] }));
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
        let good = serde_json::to_value(transition(-10, Some(9))).unwrap();
        let forged = json!({ "@timestamp": at(-5), "instance": "proxy-2", "kind": "\u{1b}[2J" });
        let records = [forged, good];
        let client = scripted_client(move |request| Ok(respond(&records, request)));
        let api = DirectivesApi::new(client);
        let past = api.fleet_at(at(0)).await.unwrap().unwrap();
        assert_eq!(past.instances.len(), 1);
        assert_eq!(past.instances[0].state("u", 9, "slow"), PastState::Applied);
        // Both searches, before and after the instant, return the record that cannot be decoded.
        assert_eq!(past.unreadable.len(), 2);
        let unreadable = &past.unreadable[0];
        assert_eq!(unreadable.id, "r0");
        assert!(unreadable.problem.contains("\\u{1b}[2J"), "{unreadable:?}");
    }

    #[test]
    fn only_what_the_records_show_counts_as_applied() {
        let nine = || transition(-10, Some(9));
        assert_eq!(state(nine(), None), PastState::Applied);
        assert_eq!(state(transition(-10, Some(8)), None), PastState::NotYet);
        assert_eq!(state(transition(-10, None), None), PastState::Unknown);
        // If there was no record for a long time, the state is unknown, because an instance that is
        // killed writes no last record.
        assert_eq!(state(transition(-90, Some(9)), None), PastState::Unknown);
        let later = || transition(30, Some(12));
        assert_eq!(
            state(transition(-90, Some(9)), Some(later())),
            PastState::Applied
        );
        let mut restarted = later();
        restarted.started = at(20);
        let killed = state(transition(-90, Some(9)), Some(restarted));
        assert_eq!(killed, PastState::Unknown);
        let change = |change: fn(&mut Transition)| {
            let mut before = nine();
            change(&mut before);
            state(before, None)
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
}
