//! Defines the report, the document that each instance writes to the fleet's index. The report says
//! which state of the index the instance applies, and how old this state is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use opensearch_directives_core::Hits;
use opensearch_directives_core::document::Rejection;
use serde::{Deserialize, Serialize};

use super::reported_hits::{ListedHits, MAX_LISTED, ReportedHits};
use crate::status::{Staleness, Status};

/// The maximum number of rejections that a report lists. The field `rejected` contains the total
/// number of rejections.
const MAX_REJECTIONS: usize = 20;
/// The maximum number of characters of a text in a report, and of an error about a report. A text
/// with more characters is cut off.
pub(super) const MAX_CHARACTERS: usize = 300;

/// The maximum number of agents that can forward a report on its way to the fleet's index.
pub(super) const MAX_HOPS: usize = 8;
/// The maximum length of a name in a report of another instance, in bytes. OpenSearch refuses an
/// `_id` with more than 512 bytes.
const MAX_NAME_BYTES: usize = 512;

/// The kind of program that contains an instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum InstanceKind {
    /// An application that embeds the library.
    Library,
    /// The agent of the `directives` command.
    Agent,
    /// An osproxy that contains the adapter of this project.
    Osproxy,
}

impl InstanceKind {
    /// Returns the name of this kind of program, as the reports contain it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Agent => "agent",
            Self::Osproxy => "osproxy",
        }
    }
}

/// The report in which one instance tells which state of the index it applies. The fields of the
/// document in the index have the same names as the fields of this struct.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstanceReport {
    /// The name of the instance, which is also the id of its document in the fleet's index.
    pub instance: String,
    /// The name of the host on which the instance runs; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The version of this library that the instance contains.
    pub version: String,
    /// The kind of program that contains the instance, for example the agent.
    pub kind: InstanceKind,
    /// The agents that forwarded the report, in the order of forwarding; empty if the instance
    /// wrote the report itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// The index or alias that the instance polls.
    pub index: String,
    /// The uuid of the index from which the applied set was read; absent before the first read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_uuid: Option<String>,
    /// The low-water mark: the instance applies every operation up to this `_seq_no`. The field is
    /// absent if this `_seq_no` is not known, for example because the instance's role does not
    /// permit the index statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_seq_no: Option<u64>,
    /// The number of documents from which the applied set was read.
    pub documents: u64,
    /// The highest `_seq_no` of the documents from which the applied set was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seq_no: Option<u64>,
    /// The sum of the `_seq_no`s of all documents from which the applied set was read, modulo 2^64.
    pub sum_seq_no: u64,
    /// The digest of the applied directives: instances with the same digest apply the same
    /// directives.
    pub digest: String,
    /// The number of applied directives, including expired ones.
    pub directives: usize,
    /// The number of revoked documents in the state of the index that the instance applies.
    pub revoked: usize,
    /// Whether the instance applies no directive because its off file exists.
    pub off: bool,
    /// The number of documents that the instance rejects.
    pub rejected: usize,
    /// The first 20 rejections, ordered by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<ReportedRejection>,
    /// For each listed active directive, how many requests it matched; empty if the instance does
    /// not count hits. The list begins with the 50 directives that applied to the most requests,
    /// followed by the first 50 directives that no request has matched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<ReportedHits>,
    /// The number of active directives that are not in `hits`; absent if the instance does not
    /// count hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits_omitted: Option<u64>,
    /// Whether the applied set is `fresh`, `stale` or `dark`, according to its age and the limits
    /// of the instance.
    pub staleness: String,
    /// The seconds by which the instance's clock is ahead of the cluster's clock; absent if the
    /// skew was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<f64>,
    /// The time at which the reporter was created, according to the instance's clock.
    pub started: Timestamp,
    /// The time at which the last successful poll began, according to the instance's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// The time at which the store last published a snapshot, according to the instance's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<Timestamp>,
    /// The time of the report, according to the instance's clock. If the clock skew is known, it is
    /// already subtracted from this time.
    pub reported_at: Timestamp,
    /// The instance will send its next report within this number of seconds.
    pub heartbeat_seconds: f64,
    /// Whether the instance was shut down and will not report again.
    pub left: bool,
}

/// A rejected document in a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportedRejection {
    /// The `_id` of the rejected document.
    pub id: String,
    /// Why the instance rejects the document; the text starts with the name of the invalid field.
    pub reason: String,
}

impl ReportedRejection {
    /// Returns the first rejections, at most as many as a report lists.
    fn first_of(rejected: &[Rejection]) -> Vec<Self> {
        let listed = rejected.iter().take(MAX_REJECTIONS);
        listed
            .map(|rejection| Self {
                id: shortened(rejection.id()),
                reason: shortened(&rejection.to_string()),
            })
            .collect()
    }
}

/// The values in a report that do not come from the status of the store.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) host: Option<String>,
    pub(super) kind: InstanceKind,
    pub(super) started: Timestamp,
    pub(super) heartbeat: Duration,
}

impl InstanceReport {
    /// Creates a report from the status of a store. `now` is the current time of the instance's
    /// clock.
    pub(super) fn new(
        status: Status,
        hits: Option<Hits>,
        identity: &Identity,
        now: Timestamp,
        left: bool,
    ) -> Self {
        let skew = status.clock_skew_seconds.unwrap_or_default();
        let skew = SignedDuration::try_from_secs_f64(skew).unwrap_or_default();
        let revision = status.revision;
        let listed = hits.map(ListedHits::of);
        Self {
            rejections: ReportedRejection::first_of(&status.rejected),
            hits_omitted: listed.as_ref().map(|listed| listed.omitted),
            hits: listed.map(|listed| listed.hits).unwrap_or_default(),
            rejected: status.rejected.len(),
            instance: status.instance,
            host: identity.host.as_deref().map(shortened),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kind: identity.kind,
            via: Vec::new(),
            index: status.index,
            applied_seq_no: status.applied_seq_no.filter(|_| revision.is_some()),
            documents: revision.as_ref().map_or(0, |revision| revision.documents),
            max_seq_no: revision.as_ref().and_then(|revision| revision.max_seq_no),
            sum_seq_no: revision.as_ref().map_or(0, |revision| revision.sum_seq_no),
            index_uuid: revision.map(|revision| revision.uuid),
            digest: status.digest.to_string(),
            directives: status.directives,
            revoked: status.revoked,
            off: status.off,
            staleness: match status.staleness {
                Staleness::Fresh => "fresh",
                Staleness::Stale => "stale",
                Staleness::Dark => "dark",
            }
            .to_owned(),
            clock_skew_seconds: status.clock_skew_seconds,
            started: identity.started,
            last_success: status.last_success,
            last_change: status.last_change,
            reported_at: now.saturating_sub(skew).unwrap_or(now),
            heartbeat_seconds: identity.heartbeat.as_secs_f64(),
            left,
        }
    }

    /// Returns the report as the JSON that the fleet's index stores.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns true if the instances of both reports have read exactly the same documents.
    pub(super) fn has_read_the_same_as(&self, other: &Self) -> bool {
        let read = |report: &Self| {
            let index = report.index_uuid.clone();
            (
                index,
                report.documents,
                report.max_seq_no,
                report.sum_seq_no,
            )
        };
        self.index_uuid.is_some() && read(self) == read(other)
    }

    /// Returns the name of a field whose value no instance of this project would report; `None` if
    /// there is no such field.
    pub(super) fn field_out_of_bounds(&self) -> Option<&'static str> {
        let is_name = |text: &str| !text.is_empty() && text.len() <= MAX_NAME_BYTES;
        let is_short = |text: &str| text.chars().count() <= MAX_CHARACTERS;
        let is_number = |number: u64| i64::try_from(number).is_ok();
        let numbers = [self.documents, self.max_seq_no.unwrap_or_default()];
        let counts = [self.directives, self.revoked, self.rejected];
        let rejections = &self.rejections;
        let checks = [
            ("instance", is_name(&self.instance)),
            ("host", self.host.as_deref().is_none_or(is_short)),
            ("version", is_short(&self.version)),
            (
                "via",
                self.via.len() <= MAX_HOPS && self.via.iter().all(|agent| is_name(agent)),
            ),
            ("index", is_name(&self.index)),
            (
                "index_uuid",
                self.index_uuid.as_deref().is_none_or(is_short),
            ),
            ("digest", is_short(&self.digest)),
            ("staleness", is_short(&self.staleness)),
            ("documents", numbers.into_iter().all(is_number)),
            ("applied_seq_no", self.applied_seq_no.is_none_or(is_number)),
            (
                "directives",
                counts.into_iter().all(|count| is_number(count as u64)),
            ),
            (
                "rejections",
                rejections.len() <= MAX_REJECTIONS
                    && rejections
                        .iter()
                        .all(|one| is_short(&one.id) && is_short(&one.reason)),
            ),
            (
                "hits",
                self.hits.len() <= MAX_LISTED
                    && self
                        .hits
                        .iter()
                        .all(|one| is_name(&one.id) && is_number(one.count.max(one.matched))),
            ),
            ("hits_omitted", self.hits_omitted.is_none_or(is_number)),
            (
                "heartbeat_seconds",
                (1.0..=86_400.0).contains(&self.heartbeat_seconds),
            ),
        ];
        let wrong = checks.into_iter().find(|(_, is_valid)| !is_valid);
        wrong.map(|(field, _)| field)
    }
}

/// Returns the text, or its beginning and an ellipsis if the text is too long.
fn shortened(text: &str) -> String {
    if text.chars().nth(MAX_CHARACTERS).is_none() {
        return text.to_owned();
    }
    let beginning = text.chars().take(MAX_CHARACTERS - 1);
    beginning.chain(['…']).collect()
}
