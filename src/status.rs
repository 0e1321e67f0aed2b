//! The status that a store reports to operators, health probes and metrics: the published revision
//! with its age, and the results of the polls.
//!
//! The times of the last attempt, the last success and the last change are separate fields, because
//! a store may poll successfully for days without a change.

use std::ops::AddAssign;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub use crate::history::RecorderStatus;
pub use crate::http::{NodeState, NodeStatus};
pub use crate::metric_samples::{Sample, SampleKind};
pub use opensearch_directives_core::document::Rejection;
pub use opensearch_directives_core::{
    Digest, DirectiveHits, DirectiveState, DirectiveStates, Hits, Revision,
};

/// Whether the published set was compared with the index recently enough.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Staleness {
    /// The last complete read is younger than `stale_after`.
    Fresh,
    /// The last complete read is older than `stale_after`.
    Stale,
    /// No read has been completed yet, or the last complete read is older than `clear_after`.
    Dark,
}

/// The state of the refresher, the task that polls the index and publishes sets. The call that
/// returns the status computes this state, so the state is correct even if the refresher hangs.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefresherState {
    /// The refresher has not started yet.
    NotStarted,
    /// The refresher is polling or waiting for the next poll.
    Running,
    /// The refresher should have started or ended a poll by now, but has not done so. Possible
    /// causes: the runtime is blocked or does not run, or the process has forked.
    Overdue {
        /// The time at which the refresher became overdue: five seconds after the poll should have
        /// started or ended.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
        since: Timestamp,
    },
    /// The refresher has ended and will publish no further set, because the store was shut down,
    /// the runtime was dropped, or the runtime has no timer.
    Stopped,
}

impl RefresherState {
    /// Returns true if the refresher is polling or waiting for the next poll.
    #[must_use]
    pub fn is_running(self) -> bool {
        self == Self::Running
    }
}

/// Counters of events since the start. A counter never decreases.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Polls that found the index unchanged, or read it completely.
    pub polls_succeeded: u64,
    /// Polls that failed for any reason.
    pub polls_failed: u64,
    /// The failed polls, counted by the reason of the failure.
    pub failures: PollFailures,
    /// The successful polls, counted by the kind of read.
    pub reads: ReadCounters,
    /// The total duration of all polls, in seconds.
    #[serde(serialize_with = "seconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub poll_seconds: Duration,
    /// Requests that were sent to any node.
    pub requests: u64,
    /// Bytes in the bodies of all responses.
    pub bytes_received: u64,
    /// Successful reloads of changed credentials, certificates, trusted keys and signature
    /// policies.
    pub credential_reloads: u64,
    /// Failed reloads of credentials, certificates, trusted keys and signature policies. After a
    /// failure, the last good values stay in use.
    pub credential_reload_failures: u64,
    /// Signatures that were verified. The signature of unchanged content is verified only once.
    pub signature_verifications: u64,
    /// Sets that were published.
    pub publishes: u64,
    /// Rejected documents. Each rejected version of a document counts once.
    pub rejections: u64,
    /// How often directives changed, by the kind of change. The log has a line for each change, but
    /// at most 100 lines for one publish.
    pub changes: ChangeCounters,
    /// Reports that were written to the index of the fleet.
    pub reports_written: u64,
    /// Reports that could not be written to the index of the fleet.
    pub reports_failed: u64,
    /// Panics that occurred in the refresher, although it continued to run after each of them.
    pub panics: u64,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// A rejection in the status: the id of the document, and the reason.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Serialize)]
struct Rejected<'a> {
    /// The document's `_id`.
    id: &'a str,
    /// The reason, as a text that starts with the name of the field.
    reason: String,
}

fn rejections<S: Serializer>(rejected: &[Rejection], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rejected.iter().map(|rejection| Rejected {
        id: rejection.id(),
        reason: rejection.to_string(),
    }))
}

/// The numbers of failed polls, one number for each reason.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct PollFailures {
    /// Polls that failed because a request received no usable response: the connection failed, the
    /// time limit passed, or the server refused the request.
    pub request: u64,
    /// Polls that failed because the index does not exist, or because its name does not refer to
    /// exactly one index.
    pub no_index: u64,
    /// Polls that failed because a response was incomplete or mixed several states of the index, or
    /// because the role hides documents or fields.
    pub incomplete: u64,
    /// Polls that failed because the response was older than the published set, or may have been
    /// older.
    pub stale: u64,
    /// Polls that failed because the index has more documents than `max_documents` permits.
    pub too_many_documents: u64,
    /// Polls that exceeded their time limit.
    pub deadline: u64,
    /// Polls in which the refresher panicked.
    pub panic: u64,
}

/// The numbers of successful polls, one number for each kind of read.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ReadCounters {
    /// Polls that found the index unchanged.
    pub unchanged: u64,
    /// Polls that read only the changes.
    pub delta_reads: u64,
    /// Polls that compared the `_seq_no`s of all documents by ranges, and read only the documents
    /// that differ. A poll reconciles in this way after a deletion, and periodically as a safety
    /// net.
    pub reconciles: u64,
    /// Polls that read all documents.
    pub full_reads: u64,
    /// Reads that were refused because they were older than the published set.
    pub stale_reads: u64,
    /// Reconciles and full reads that found a difference which earlier polls had missed. The
    /// counter `corrections` is expected to stay 0.
    pub corrections: u64,
}

/// How often the directives that this instance applies changed. An expired directive counts as
/// absent.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ChangeCounters {
    /// Directives that were added, or that apply again after they had expired.
    pub added: u64,
    /// Directives whose document was replaced by another version.
    pub changed: u64,
    /// Directives that were revoked or deleted, and directives whose new version is rejected.
    pub removed: u64,
    /// Scheduled directives that started.
    pub started: u64,
    /// Directives that expired.
    pub expired: u64,
}

impl AddAssign for ChangeCounters {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.removed += other.removed;
        self.started += other.started;
        self.expired += other.expired;
    }
}

/// The kind of request by which a poll finds out whether the index changed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProbeMethod {
    /// The poll requests the index statistics, with one small request.
    #[default]
    Statistics,
    /// The poll requests aggregates over all documents, with two small requests.
    Search,
    /// The server permits none of the small requests of the other variants, so each poll reads all
    /// documents.
    #[serde(rename = "nothing")]
    None,
    /// The poll compares the tag of another agent's snapshot, with one small request.
    Agent,
}

/// The polling strategy of a store: the cheapest kinds of requests that the server and the role
/// permit. After a refusal, the store tries the refused feature again after 10 seconds, and then
/// after growing pauses.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct PollStrategy {
    /// The kind of request by which a poll finds out whether the index changed.
    pub probe: ProbeMethod,
    /// Whether the polls can use delta reads. A delta read returns only the changed documents.
    pub delta: bool,
    /// The features that the polls cannot use, each with the reason. The list is empty if all
    /// features are available.
    pub notes: Vec<String>,
}

impl Default for PollStrategy {
    fn default() -> Self {
        Self {
            probe: ProbeMethod::default(),
            delta: true,
            notes: Vec::new(),
        }
    }
}

/// The state of a store at one instant.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The name of this instance.
    pub instance: String,
    /// The index or alias that is polled.
    pub index: String,
    /// Whether the off file exists. While the off file exists, the published set is empty, although
    /// the store continues to read the index.
    pub off: bool,
    /// The revision of the index from which the published set was read; `None` before the first
    /// complete read.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revision: Option<Revision>,
    /// The published set contains the result of every operation up to this `_seq_no`, including
    /// deletions. The field is `None` if this `_seq_no` is not known, for example because the role
    /// does not permit the index statistics.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub applied_seq_no: Option<u64>,
    /// The digest of the published set's content.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{32}$"))]
    pub digest: Digest,
    /// The number of published directives, including expired ones.
    pub directives: usize,
    /// The number of revoked documents in the published revision.
    pub revoked: usize,
    /// The documents of the published revision that were rejected.
    #[serde(serialize_with = "rejections")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Rejected<'static>>))]
    pub rejected: Vec<Rejection>,
    /// The number of documents that had neither ended nor been revoked at the last complete read;
    /// `None` before the first complete read.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub unfinished: Option<usize>,
    /// The largest permitted value of `unfinished`. A read fails if it finds more unfinished
    /// documents than `max_documents`.
    pub max_documents: usize,
    /// Warnings about conditions that an operator should correct before polls fail or proxies
    /// disagree.
    pub warnings: Vec<String>,
    /// The time at which the last poll began.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_attempt: Option<Timestamp>,
    /// The time at which the last successful poll began. A poll succeeds if it reads the index
    /// completely or finds the index unchanged. If the store polls an agent, `last_success` is the
    /// time at which the index was read.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_success: Option<Timestamp>,
    /// The time of the last publish.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_change: Option<Timestamp>,
    /// The error of the last poll; `None` after a success.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_error: Option<String>,
    /// The age of the published set: the seconds since the last poll that read the set or found it
    /// unchanged; `None` before the first complete read.
    #[cfg_attr(feature = "openapi", schema(required, minimum = 0))]
    pub age_seconds: Option<f64>,
    /// Whether the published set is fresh, stale or dark, according to its age.
    pub staleness: Staleness,
    /// Whether the refresher is running, is overdue, has stopped or has not started.
    pub refresher: RefresherState,
    /// The number of consecutive failed polls.
    pub consecutive_failures: u32,
    /// The seconds from the end of the last poll to the beginning of the next poll.
    pub next_poll_in_seconds: f64,
    /// The local clock is this many seconds ahead of the cluster's clock. The store measures the
    /// difference at each full read. The field is `None` if there is no measurement yet, or if the
    /// role does not permit the measurement.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub clock_skew_seconds: Option<f64>,
    /// The polling strategy: the kinds of requests that the polls send, and the features that they
    /// cannot use.
    pub reading: PollStrategy,
    /// The nodes of the cluster or the agents, with their states.
    pub nodes: Vec<NodeState>,
    /// The error of the last attempt to write the last-good file; `None` if the attempt succeeded,
    /// or if no file is configured.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_good_error: Option<String>,
    /// The trusted keys, as `NAME:KEY`; empty if signatures are not verified.
    pub trusted_keys: Vec<String>,
    /// The counts of the history's recorder at the last poll; `None` if this instance records
    /// nothing.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub recorder: Option<RecorderStatus>,
    /// The counters of events since the start.
    pub counters: Counters,
}
