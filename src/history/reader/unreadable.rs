//! Describes the records that cannot be decoded. One forged record cannot make the whole history
//! unreadable, because all other records stay readable.

use opensearch_directives_core::internal::visible_beginning;
use serde::Serialize;

use crate::history::record::Record;

/// At most this many characters of an id, or of the description of a problem, are shown.
const MAX_CHARACTERS: usize = 300;

/// A record that cannot be decoded. The recorders and the `directives` command of this version
/// append only records that can be decoded. A record that cannot be decoded was therefore appended
/// by a later version of this project or by another program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct UnreadableRecord {
    /// The id of the record in the data stream.
    pub id: String,
    /// The reason why the record cannot be decoded.
    pub problem: String,
}

impl UnreadableRecord {
    pub(crate) fn new(id: &str, problem: &str) -> Self {
        Self {
            id: visible_beginning(id, MAX_CHARACTERS),
            problem: visible_beginning(problem, MAX_CHARACTERS),
        }
    }
}

/// The records of a history that satisfy a filter.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct FoundRecords {
    /// The records in chronological order, with each operation once.
    pub records: Vec<Record>,
    /// The records that satisfy the filter but cannot be decoded.
    pub unreadable: Vec<UnreadableRecord>,
    /// The number of records that the search returned, including duplicates and unreadable records.
    pub(in crate::history) read: u64,
}
