//! What a store knows of itself, for people, probes and metrics.
//!
//! Last attempt, last success, last change and last error are four things and are
//! kept apart: a store may poll well for days without a change.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub use crate::http::{NodeState, NodeStatus};
pub use opensearch_directives_core::{Digest, DirectiveStates, Revision};

/// A document that was refused, and why.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Rejected {
    /// The document's `_id`.
    pub id: String,
    /// What is wrong; begins with the field's name.
    pub reason: String,
}

/// How far the published set can be trusted to be the index's.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Staleness {
    /// The last complete read is younger than `stale_after`.
    Fresh,
    /// The last complete read is older than `stale_after`.
    Stale,
    /// There was no complete read yet, or the set was emptied for its age.
    Dark,
}

/// What happened since the start; each only grows.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Polls that found the index unchanged, or read it completely.
    pub polls_succeeded: u64,
    /// Polls that failed.
    pub polls_failed: u64,
    /// The failed ones by reason.
    pub failures: PollFailures,
    /// The succeeded ones by what they had to read.
    pub reads: ReadCounters,
    /// How long all polls took together, in seconds.
    #[serde(serialize_with = "seconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub poll_seconds: Duration,
    /// Requests that were sent, to whichever node.
    pub requests: u64,
    /// Bytes of the answers' bodies.
    pub bytes_received: u64,
    /// Sets published.
    pub publishes: u64,
    /// Documents refused, each counted once a revision.
    pub rejections: u64,
    /// Panics in the refresher, each survived.
    pub panics: u64,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Failed polls by reason.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct PollFailures {
    /// A request gave nothing usable: no connection, no answer in time, a refusal.
    pub request: u64,
    /// The index does not exist, or its name stands for none or several.
    pub no_index: u64,
    /// An answer was not complete, or not of one state of the index.
    pub incomplete: u64,
    /// What came was older than what is published, or may be.
    pub stale: u64,
    /// The index holds more documents than is allowed.
    pub too_many_documents: u64,
    /// The poll as a whole took too long.
    pub deadline: u64,
    /// The refresher panicked.
    pub panic: u64,
}

/// What polls had to read.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ReadCounters {
    /// Polls that found the index as it was.
    pub unchanged: u64,
    /// Polls that read the changes alone.
    pub delta_reads: u64,
    /// Polls that read everything.
    pub full_reads: u64,
    /// Answers that were refused because they were older than what is published.
    pub stale_reads: u64,
    /// Reads of everything that showed what the polls before had not: none, unless the
    /// cluster told an untruth.
    pub corrections: u64,
}

/// By what a poll sees whether anything changed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProbedBy {
    /// By the index's statistics: one small request.
    #[default]
    Statistics,
    /// By a search that sums up all documents: two small requests.
    Search,
    /// By nothing: each poll reads everything.
    Nothing,
    /// By another agent's tag of what it has published: one small request.
    Agent,
}

/// How the polls read: in the cheapest way that the cluster and our privileges give,
/// looked at anew whenever everything is read.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct ReadPlan {
    /// By what a poll sees whether anything changed.
    pub probe: ProbedBy,
    /// Whether changes are read alone.
    pub delta: bool,
    /// What the polls do without, and why; empty at best.
    pub notes: Vec<String>,
}

impl Default for ReadPlan {
    fn default() -> Self {
        Self {
            probe: ProbedBy::default(),
            delta: true,
            notes: Vec::new(),
        }
    }
}

/// What a store knows of itself at one instant.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The name of this instance.
    pub instance: String,
    /// The index or alias that is read.
    pub index: String,
    /// What the published set was read from; `None` before the first complete read.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revision: Option<Revision>,
    /// The digest of the published set's content.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{32}$"))]
    pub digest: Digest,
    /// How many directives are published, expired ones included.
    pub directives: usize,
    /// How many documents of that revision are revoked.
    pub revoked: usize,
    /// The documents of that revision that were refused.
    pub rejected: Vec<Rejected>,
    /// When the last poll began.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_attempt: Option<Timestamp>,
    /// When the last poll ended that read the index completely or found it unchanged.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_success: Option<Timestamp>,
    /// When a set was published last.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_change: Option<Timestamp>,
    /// What went wrong with the last poll; `None` after a success.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_error: Option<String>,
    /// Seconds since the published set was last known to be the index's; `None` before
    /// the first complete read.
    #[cfg_attr(feature = "openapi", schema(required, minimum = 0))]
    pub age_seconds: Option<f64>,
    /// What that age amounts to.
    pub staleness: Staleness,
    /// Failed polls in a row.
    pub consecutive_failures: u32,
    /// Seconds from the end of the last poll to the begin of the next.
    pub next_poll_in_seconds: f64,
    /// By how many seconds our clock is ahead of the cluster's, measured whenever
    /// everything is read; `None` if it never was, or we may not ask.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub clock_skew_seconds: Option<f64>,
    /// How the polls read.
    pub reading: ReadPlan,
    /// The nodes and how each does.
    pub nodes: Vec<NodeState>,
    /// Why the last-good file could not be written; `None` if it was, or there is none.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_good_error: Option<String>,
    /// What happened since the start.
    pub counters: Counters,
}
