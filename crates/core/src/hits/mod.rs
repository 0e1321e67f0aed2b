//! Counts, for each directive, the requests that it matched, across publishes and threads.
//!
//! # How it works
//!
//! `counters.rs` stores the counts in blocks. A directive has a *slot* in a block, and each of the
//! first 64 threads has a row of its own in most blocks, so a count is neither locked nor contended.
//! `set_hits.rs` connects a set with the blocks: it maps the position of a directive to its slot.
//! `registry.rs` assigns the slots. A directive keeps its slot while it is published, whatever else
//! changes, so requests that still use an old set count into the same slot, and no count is moved or
//! lost by a publish.

mod counters;
mod registry;
mod set_hits;

use jiff::Timestamp;
use serde::Serialize;

pub use registry::{HitCounters, HitTotals};
pub(crate) use set_hits::{Counting, SetHits};

/// The requests that the directives of a store matched in this process.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Hits {
    /// The number of matches of all directives since the start. It only grows.
    pub matched: u64,
    /// The number of these matches that were in the sample of the directive. It only grows.
    pub sampled: u64,
    /// The number of directives that left the set so long ago that `directives` no longer contains
    /// them. The totals include their counts.
    pub forgotten: u64,
    /// Each directive of the set, and those that left it last, ordered by id.
    pub directives: Vec<DirectiveHits>,
}

/// The requests that one directive matched in this process.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct DirectiveHits {
    /// The id of the directive.
    pub id: String,
    /// Whether requests see the directive now. It is not published if it was revoked or deleted, or
    /// if the whole set is hidden or was emptied.
    pub published: bool,
    /// The number of requests that had the targets of the directive while it was active. A
    /// directive with a sample rate of zero applies to no request, and is not counted.
    pub matched: u64,
    /// The number of these requests that were in its sample, so that it applied to them.
    pub sampled: u64,
    /// The second of the last match, by the time that was passed to the evaluation; `None` if there
    /// was none.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_matched: Option<Timestamp>,
    /// The time from which on this process counts the directive: its first publish.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub counted_since: Timestamp,
}

#[cfg(test)]
mod tests;
