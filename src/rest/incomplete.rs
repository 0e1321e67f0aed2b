//! What a response of status 200 lacks to be complete.

/// Why a response of status 200 is not a complete one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Incomplete {
    #[error("the search timed out on the server (timed_out)")]
    TimedOut,
    #[error("{failed} of {total} shards failed")]
    FailedShards { failed: u64, total: u64 },
    /// The search covered no shard, for example because an alias has no index.
    #[error("no shard was searched (zero shards)")]
    NoShards,
    #[error("the total is only a lower bound")]
    LowerBound,
    #[error("{read} documents arrived of a total of {total}")]
    Hits { read: u64, total: u64 },
    #[error("the total changed between two pages, from {before} to {after}")]
    TotalChanged { before: u64, after: u64 },
    #[error("a document arrived twice")]
    Repeated,
    #[error("the documents are too many or too long for one directive set")]
    TooLarge,
    // Under document-level security the cluster aggregates documents that no search shows.
    #[error(
        "the documents that arrived are not those that the cluster aggregates; if this persists, \
         does document-level security hide documents from this user?"
    )]
    Fingerprint,
    #[error("the index was replaced during the poll")]
    Replaced,
    #[error("the index changed while its documents were counted")]
    Moving,
    /// A field that shows whether the response is complete.
    #[error("the response lacks {0}")]
    Missing(&'static str),
}
