//! Why the index could not be read completely.

use crate::cluster::RequestError;
use crate::hits::Incomplete;

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
}
