//! Why the index could not be read completely.

use std::time::Duration;

use crate::http::RequestError;
use crate::rest::Incomplete;
use opensearch_directives_core::SnapshotError;

/// Why the index could not be read completely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The index does not exist.
    #[error("the index {index} does not exist; create it with `directives init`")]
    NoIndex {
        /// The index or alias that was asked for.
        index: String,
        /// The cluster's answer.
        #[source]
        source: Box<RequestError>,
    },
    /// A request gave nothing usable.
    #[error("cannot read the index {index}")]
    Request {
        /// The index or alias that was asked for.
        index: String,
        /// What went wrong.
        #[source]
        source: Box<RequestError>,
    },
    /// An answer that is not complete.
    #[error("the read of {index} is not complete")]
    Incomplete {
        /// The index or alias that was asked for.
        index: String,
        /// What is missing.
        #[source]
        source: Incomplete,
    },
    /// The name is an alias of none or of several indices.
    #[error(
        "{index} stands for {} indices; make it the name or an alias of exactly one",
        .indices.len()
    )]
    NotOneIndex {
        /// The alias that was asked for.
        index: String,
        /// What it stands for.
        indices: Vec<String>,
    },
    /// What came is an older state of the index than what is published.
    #[error("what {index} shows is older than what was read before: {what}")]
    Stale {
        /// The index or alias that was asked for.
        index: String,
        /// What shows it.
        what: String,
    },
    /// The name stands for another index than before, and nobody may be asked whether
    /// that is the latest.
    #[error("{index} is not the index that it was; read if the next poll finds the same")]
    Unconfirmed {
        /// The index or alias that was asked for.
        index: String,
    },
    /// The version of the cluster's state was told before, and now it is not: what is read
    /// could be of a node that is cut off.
    #[error(
        "the cluster does not tell the version of its state any more; {index} is read \
             without it if that stays so for a minute"
    )]
    Untold {
        /// The index or alias that was asked for.
        index: String,
    },
    /// The index holds more documents than is allowed.
    #[error(
        "{index} holds {documents} documents, above the cap of {cap}; delete old ones or raise \
         `max_documents`"
    )]
    TooManyDocuments {
        /// The index or alias that was asked for.
        index: String,
        /// How many there are.
        documents: u64,
        /// How many may be.
        cap: usize,
    },
    /// What the upstream agent gives is not taken.
    #[error("what the upstream agent has of {index} is not taken")]
    Upstream {
        /// The index or alias that was asked for.
        index: String,
        /// Why.
        #[source]
        source: UpstreamError,
    },
}

/// Why what an upstream agent gives is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It is not a snapshot that is taken.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The response is not the JSON of an agent.
    #[error("it is not a snapshot that this version knows")]
    Json(#[from] serde_json::Error),
    /// The agent polls another index.
    #[error("it is of the index {0}; name that, or another agent")]
    OtherIndex(String),
    /// The age is not a length of time.
    #[error("its age is not a number of seconds from 0")]
    Age,
    /// The agent says that nothing changed since something else than what we have.
    #[error("it says that nothing changed, and not since what is published here")]
    Unasked,
    /// It was read from the index earlier than what is published already: by another
    /// agent than before, that is behind.
    #[error("it was read from the index earlier than what is published already")]
    Older,
    /// It is as old as a set may not become.
    #[error("the index was read {age:.1?} ago, and a set is emptied after {clear_after:?}")]
    TooOld {
        /// How long ago.
        age: Duration,
        /// After how long a set is emptied.
        clear_after: Duration,
    },
}
