//! The state of the index that a snapshot was read from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which state of the index a published set was read from.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Revision {
    /// The concrete index (an alias is followed).
    pub index: String,
    /// The index's uuid: a re-created index is another one.
    pub uuid: String,
    /// How many documents it holds.
    pub documents: u64,
    /// The highest `_seq_no` among them; `None` when there are none.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub max_seq_no: Option<u64>,
    /// The sum of their `_seq_no`s, modulo 2^64: with the count and the highest, a
    /// fingerprint of the documents that are visible.
    pub sum_seq_no: u64,
    /// The newest `updated_at` among them.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub updated_at: Option<Timestamp>,
}

impl Revision {
    /// The revision of an empty index; its fields are public and may be set.
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
