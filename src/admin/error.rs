//! Why nothing was written, and what the cluster refused.

use std::fmt;

use crate::admin::PIPELINE;
use crate::http::{Exception, RequestError};
use crate::rest::ReadError;
use opensearch_directives_core::document::Rejection;

/// Why nothing was written, or not everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A draft that no proxy would take. Nothing was written.
    #[error("{id}: not a directive; nothing was written")]
    Draft {
        /// The draft's id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Rejection,
    },
    /// The cluster's pipeline refuses drafts. Nothing was written.
    #[error("the cluster refuses {} of the directives; nothing was written{}", .0.len(), Refusals(.0))]
    Refused(Vec<Refusal>),
    /// Some were written and some were not.
    #[error("{written} written, {} not{}", .refused.len(), Refusals(.refused))]
    Partly {
        /// How many were written.
        written: usize,
        /// Which were not, and why.
        refused: Vec<Refusal>,
    },
    /// The index does not exist. Nothing was written.
    #[error("the index {0} does not exist; create it with `directives init`")]
    NoIndex(String),
    /// The pipeline does not exist. Nothing was written.
    #[error("the ingest pipeline {PIPELINE} does not exist; install it with `directives init`")]
    NoPipeline,
    /// No directive has this id.
    #[error("there is no directive {0}")]
    NotFound(String),
    /// The cluster could not be asked.
    #[error("cannot write to the cluster")]
    Request(#[from] RequestError),
    /// The index could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A directive that the cluster refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The directive's id.
    pub id: String,
    /// What the cluster said.
    pub reason: String,
}

struct Refusals<'a>(&'a [Refusal]);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LISTED: usize = 20;
        for refusal in self.0.iter().take(LISTED) {
            write!(f, "\n  {}: {}", refusal.id, refusal.reason)?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl From<(String, Exception)> for Refusal {
    fn from((id, error): (String, Exception)) -> Self {
        Self {
            id,
            reason: error.root_reason().to_owned(),
        }
    }
}
