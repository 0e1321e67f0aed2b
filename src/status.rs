//! What a store knows of itself, for people, probes and metrics.
//!
//! Last attempt, last success, last change and last error are four things and are
//! kept apart: a store may poll well for days without a change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cluster::NodeState;
use crate::domain::Digest;

/// Which state of the index a published set was read from.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Revision {
    /// The concrete index (an alias is followed).
    pub index: String,
    /// The index's uuid: a re-created index is another one.
    pub uuid: String,
    /// How many documents it holds.
    pub documents: u64,
    /// The highest `_seq_no` among them; `None` when there are none.
    pub max_seq_no: Option<u64>,
    /// The sum of their `_seq_no`s, modulo 2^64: with the count and the highest, a
    /// fingerprint of the documents that are visible.
    pub sum_seq_no: u64,
    /// The newest `updated_at` among them.
    pub updated_at: Option<Timestamp>,
}

/// A document that was refused, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Rejected {
    /// The document's `_id`.
    pub id: String,
    /// What is wrong; begins with the field's name.
    pub reason: String,
}

/// How far the published set can be trusted to be the index's.
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Polls that read the index completely.
    pub polls_succeeded: u64,
    /// Polls that failed.
    pub polls_failed: u64,
    /// Sets published.
    pub publishes: u64,
    /// Documents refused, each counted once a revision.
    pub rejections: u64,
    /// Panics in the refresher, each survived.
    pub panics: u64,
}

/// What a store knows of itself at one instant.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The name of this instance.
    pub instance: String,
    /// The index or alias that is read.
    pub index: String,
    /// What the published set was read from; `None` before the first complete read.
    pub revision: Option<Revision>,
    /// The digest of the published set's content.
    pub digest: Digest,
    /// How many directives are published, expired ones included.
    pub directives: usize,
    /// The documents of that revision that were refused.
    pub rejected: Vec<Rejected>,
    /// When the last poll began.
    pub last_attempt: Option<Timestamp>,
    /// When the last complete read ended.
    pub last_success: Option<Timestamp>,
    /// When a set was published last.
    pub last_change: Option<Timestamp>,
    /// What went wrong with the last poll; `None` after a success.
    pub last_error: Option<String>,
    /// Seconds since the last complete read; `None` before the first.
    pub age_seconds: Option<f64>,
    /// What that age amounts to.
    pub staleness: Staleness,
    /// Failed polls in a row.
    pub consecutive_failures: u32,
    /// Seconds from the end of the last poll to the begin of the next.
    pub next_poll_in_seconds: f64,
    /// The nodes and how each does.
    pub nodes: Vec<NodeState>,
    /// Why the last-good file could not be written; `None` if it was, or there is none.
    pub last_good_error: Option<String>,
    /// What happened since the start.
    pub counters: Counters,
}
