//! Selects the counts of matches that one report contains.

use std::cmp::Reverse;

use jiff::Timestamp;
use opensearch_directives_core::{DirectiveHits, Hits};
use serde::{Deserialize, Serialize};

/// A report lists at most this many directives with a match, and at most this many directives
/// without a match.
const MAX_HITS: usize = 50;
/// The maximum number of directives that a report lists.
pub(super) const MAX_LISTED: usize = 2 * MAX_HITS;

/// The counts of matches that a report contains for one directive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportedHits {
    /// The id of the directive whose matches were counted.
    pub id: String,
    /// The number of requests to which the directive has applied in this instance since the
    /// instance started.
    pub count: u64,
    /// The number of requests that have matched the directive in this instance since the instance
    /// started. A directive that samples requests applies only to some of the requests that match
    /// it.
    pub matched: u64,
    /// The time of the last match, according to the instance's clock; absent if no request has
    /// matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_matched: Option<Timestamp>,
    /// The instance has counted the matches of the directive since this time.
    pub counted_since: Timestamp,
}

/// The counts that a report lists, and the number of active directives that it does not list.
pub(super) struct ListedHits {
    pub(super) hits: Vec<ReportedHits>,
    pub(super) omitted: u64,
}

impl ListedHits {
    /// Selects the active directives that applied to the most requests, and active directives that
    /// no request has matched.
    pub(super) fn of(hits: Hits) -> Self {
        let active = hits.directives.into_iter().filter(|hits| hits.active);
        let (mut listed, mut unmatched): (Vec<_>, Vec<_>) = active
            .map(ReportedHits::from)
            .partition(|hits| hits.matched > 0);
        listed.sort_by_key(|hits| Reverse((hits.count, hits.matched)));
        let active = listed.len() + unmatched.len();
        listed.truncate(MAX_HITS);
        unmatched.truncate(MAX_HITS);
        listed.append(&mut unmatched);
        Self {
            omitted: (active - listed.len()) as u64,
            hits: listed,
        }
    }
}

impl From<DirectiveHits> for ReportedHits {
    fn from(hits: DirectiveHits) -> Self {
        Self {
            id: hits.id,
            count: hits.sampled,
            matched: hits.matched,
            last_matched: hits.last_matched,
            counted_since: hits.counted_since,
        }
    }
}
