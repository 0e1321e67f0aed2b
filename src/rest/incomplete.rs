//! The reasons why a response does not count as complete although its status is 200.

/// The reason why a response is incomplete although its status is 200.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Incomplete {
    #[error("the search timed out on the server (timed_out)")]
    TimedOut,
    #[error("{failed} of {total} shards failed")]
    FailedShards { failed: u64, total: u64 },
    /// The search covered no shard, for example because the searched alias refers to no index.
    #[error("no shard was searched (zero shards)")]
    NoShards,
    #[error("the total number of documents is only a lower bound")]
    LowerBound,
    #[error("the response contains {read} of {total} documents")]
    Hits { read: u64, total: u64 },
    #[error("the total number of documents changed between two pages, from {before} to {after}")]
    TotalChanged { before: u64, after: u64 },
    #[error("the response contains a document twice")]
    Repeated,
    #[error("the documents are too many or too long for one directive set")]
    TooLarge,
    // With document-level security, the aggregates include documents that the role hides from
    // searches.
    #[error(
        "the documents that were read do not match the cluster's aggregates; if this persists, \
         does document-level security hide documents from this user?"
    )]
    Fingerprint,
    #[error("the index was replaced during the poll")]
    Replaced,
    #[error("the index changed while its documents were counted")]
    Moving,
    /// The response lacks the named field, without which the client cannot know whether the
    /// response is complete.
    #[error("the response lacks {0}")]
    Missing(&'static str),
}
