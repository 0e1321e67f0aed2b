//! Finds the reasons why the reconstructed directives of an instant may be wrong.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::directives_at_instant::PastDirective;
use super::ledger::Gap;
use opensearch_directives_core::document::Document;

/// A reason why the reconstructed directives may be wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// Some operations have no record, and at least one of them may have happened before the
    /// instant.
    Gap(Gap),
    /// The content of the directive is not known, because its document was replaced before a
    /// recorder could read it.
    UnknownDocument {
        /// The id of the directive whose content is not known.
        directive: String,
        /// The `_seq_no` of the operation that wrote the unknown document.
        seq_no: Option<u64>,
    },
    /// At the instant, the remaining lifetime of the directive was longer than the longest time to
    /// live of the proxies today. A proxy with the limit of today rejected such a directive at the
    /// instant, but a proxy with a higher limit applied it.
    BeyondMaxTtl {
        /// The id of the directive whose remaining lifetime was longer than the limit.
        directive: String,
        /// The expiry of the directive, as its document contains it.
        expires_at: Timestamp,
    },
    /// A recorder noticed that the directive had been deleted, but the deletion may have happened
    /// before or after the instant.
    Deletion {
        /// The id of the deleted directive.
        directive: String,
        /// The deletion happened after this time.
        after: Timestamp,
        /// The deletion happened before this time.
        until: Timestamp,
        /// The highest `_seq_no` that the deletion can have; `None` if it is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq_no_until: Option<u64>,
    },
    /// A new index has replaced the index after the last recorded operation, and possibly before
    /// the instant.
    Replaced,
}

/// Returns a doubt if the next operation on a directive is a deletion that may have happened before
/// the instant. Returns no doubt for an expired or revoked directive, because it did not apply at
/// the instant anyway.
pub(super) fn deletion(directive: &PastDirective, instant: Timestamp) -> Option<Doubt> {
    let next = directive
        .later
        .first()
        .filter(|next| next.is_noticed_deletion())?;
    let after = next.deleted_after?;
    let applied = |document: &Document| document.directive.expires_at > instant;
    let is_possible = after <= instant && directive.live().is_some_and(applied);
    is_possible.then(|| Doubt::Deletion {
        directive: next.directive.clone(),
        after,
        until: next.timestamp,
        seq_no_until: next.seq_no_until,
    })
}

/// Returns a doubt for each directive whose remaining lifetime at the instant exceeded the longest
/// time to live of today. The directive may still have applied, because the longest time to live
/// may have been higher at the instant.
pub(super) fn beyond_max_ttl(
    directives: &[PastDirective],
    instant: Timestamp,
    max_ttl: Duration,
) -> impl Iterator<Item = Doubt> {
    let latest = SignedDuration::try_from(max_ttl).ok();
    let latest = latest.and_then(|max_ttl| instant.checked_add(max_ttl).ok());
    directives.iter().filter_map(move |one| {
        let expires_at = one.live()?.directive.expires_at;
        latest
            .is_some_and(|latest| expires_at > latest)
            .then(|| Doubt::BeyondMaxTtl {
                directive: one.record.directive.clone(),
                expires_at,
            })
    })
}
