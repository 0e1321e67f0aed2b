//! Functions that parse untrusted input in the same way as a store, and return the accepted
//! content. The fuzz targets in `crates/fuzz-targets` call these functions.

use std::time::Duration;

use jiff::Timestamp;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::document::DecodeLimits;

use crate::error::LastGoodError;
pub use crate::fleet::fuzzing::{fleet_reports, relayed_reports};
pub use crate::history::fuzzing::{EvaluatedHistory, history_records};
use crate::rest::{Complete, SearchResponse, checkpoints_of};

/// Parses a search response, and returns the number of its documents if every shard responded in
/// time.
#[must_use]
pub fn search_response(body: &[u8]) -> Option<usize> {
    let response: SearchResponse<'_> = serde_json::from_slice(body).ok()?;
    let Complete { hits, .. } = response.complete().ok()?;
    Some(hits.len())
}

/// The index statistics in a response that the parser accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// The name of the index that the statistics describe.
    pub index: String,
    /// The uuid of the index, which changes if somebody deletes the index and creates it again.
    pub uuid: String,
    /// The number of primary shards of the index.
    pub shards: u32,
    /// The number of documents in all primary shards of the index.
    pub documents: u64,
    /// The highest `_seq_no` in the index; `None` if the index has several shards or has never been
    /// written.
    pub max_seq_no: Option<u64>,
    /// Whether the index is at rest, that is, no write is in progress.
    pub is_at_rest: bool,
}

/// Parses a response to a request for the index statistics. The function returns the index
/// statistics only if they describe exactly one index with one primary for each shard.
#[must_use]
pub fn statistics_response(body: &[u8]) -> Option<Statistics> {
    let checkpoints = checkpoints_of(body)?;
    Some(Statistics {
        shards: checkpoints.shards(),
        documents: checkpoints.documents(),
        max_seq_no: checkpoints.max_seq_no(),
        is_at_rest: checkpoints.is_at_rest(),
        index: checkpoints.index,
        uuid: checkpoints.uuid,
    })
}

/// Parses the content of a last-good file that belongs to the given index.
///
/// # Errors
/// Returns the error that a store would return if it started with this file.
pub fn last_good_file(content: &[u8], index: &str) -> Result<Snapshot, LastGoodError> {
    let limits = DecodeLimits {
        now: Timestamp::UNIX_EPOCH,
        max_ttl: Duration::MAX,
    };
    let path = "last-good".as_ref();
    crate::last_good_format::parse_content(path, content, index, None, &limits)
}
