//! The state of the index that a snapshot was read from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of the index that a published set was read from.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Revision {
    /// The concrete index, also where an alias is polled.
    pub index: String,
    /// The index's uuid, which a re-created index does not share.
    pub uuid: String,
    /// The number of documents in it.
    pub documents: u64,
    /// The highest `_seq_no` among them; `None` when there are none.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub max_seq_no: Option<u64>,
    /// The sum of their `_seq_no`s, modulo 2^64. With the count and the highest number it is
    /// a fingerprint of the visible documents.
    pub sum_seq_no: u64,
    /// The newest `updated_at` among them.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub updated_at: Option<Timestamp>,
}

impl Revision {
    /// The revision of an empty index; its public fields may be changed.
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
