//! The state of the index from which a snapshot was read: the identity of the index, and a
//! fingerprint of its documents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of the index from which a published set was read.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Revision {
    /// The name of the concrete index, even if the configured name is an alias.
    pub index: String,
    /// The uuid of the index. If an index is deleted and created again, the new index has another
    /// uuid.
    pub uuid: String,
    /// The number of documents in the index.
    pub documents: u64,
    /// The highest `_seq_no` of all documents in the index; `None` if the index is empty.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub max_seq_no: Option<u64>,
    /// The sum of the `_seq_no`s of all documents in the index, modulo 2^64. The fields
    /// `documents`, `max_seq_no` and `sum_seq_no` together are a fingerprint of the visible
    /// documents.
    pub sum_seq_no: u64,
    /// The latest `updated_at` of all documents in the index.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub updated_at: Option<Timestamp>,
}

impl Revision {
    /// Creates the revision of an empty index. After the call, the caller can set the public fields
    /// of the revision.
    #[must_use]
    pub fn new(index: impl Into<String>, uuid: impl Into<String>) -> Self {
        Self {
            index: index.into(),
            uuid: uuid.into(),
            documents: 0,
            max_seq_no: None,
            sum_seq_no: 0,
            updated_at: None,
        }
    }
}
