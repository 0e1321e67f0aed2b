//! Counts how many requests each directive has matched. The counts cover all threads, and
//! publishing another set preserves them.
//!
//! # How it works
//!
//! `counters.rs` stores the counts of the directives in blocks. Each directive has a *slot*, that
//! is, a position for its counters, in one block. In the first 16 blocks, each of the first 64
//! threads has its own row of counters. The first 64 threads count without locks and without
//! contention, because each of them writes only to its own row. `set_hits.rs` finds a directive's
//! slot from the directive's position in a set. `registry.rs` assigns a slot to each directive. A
//! directive keeps its slot as long as the directive is published. Requests with an old set and
//! requests with the new set therefore count in the same slots, and a publish neither moves nor
//! loses a count.

mod counters;
mod registry;
mod set_hits;

use jiff::Timestamp;
use serde::Serialize;

pub use registry::{HitCounters, HitTotals};
pub(crate) use set_hits::{Counting, SetHits};

/// The numbers of requests that the directives of a store matched in this process.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Hits {
    /// The number of matches of all directives since this process created the store.
    pub matched: u64,
    /// The number of matches whose request was in the sample of the directive.
    pub sampled: u64,
    /// The number of forgotten directives. `directives` keeps the counts of a directive for some
    /// time after the directive has left the set, and then forgets it. `matched` and `sampled` still
    /// include the counts of forgotten directives.
    pub forgotten: u64,
    /// The counts of the directives of the set, and of the directives that left the set last,
    /// ordered by id.
    pub directives: Vec<DirectiveHits>,
}

/// The numbers of requests that one directive matched in this process.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct DirectiveHits {
    /// The id of the directive.
    pub id: String,
    /// Whether the directive is in the set that requests use now. `published` is `false` if the
    /// directive was revoked or deleted, or if the whole set is hidden or was emptied.
    pub published: bool,
    /// Whether the directive can match requests now: it is published, has started and has not
    /// expired.
    pub active: bool,
    /// The number of requests that matched the targets of the directive while the directive was
    /// active. A directive with a sample rate of zero applies to no request, so its matches are not
    /// counted.
    pub matched: u64,
    /// The number of matched requests that were in the sample of the directive, so that the
    /// directive applied to them.
    pub sampled: u64,
    /// The time of the last match, in whole seconds. The time of a match is the time that the
    /// caller passed to the evaluation. `last_matched` is `None` if the directive has not matched
    /// any request yet.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_matched: Option<Timestamp>,
    /// The time of the directive's first publish in this process. The process has counted the
    /// matches of the directive since its first publish.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub counted_since: Timestamp,
}

#[cfg(test)]
mod tests;
