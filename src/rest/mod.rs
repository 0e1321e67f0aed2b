//! Sends the requests of a poll and decides whether each response is complete. The module `rest`
//! contains one file for each OpenSearch API.
//!
//! | file | API | question that the response answers |
//! |---|---|---|
//! | `index_stats.rs` | `_stats` | Has the index changed since the last poll? |
//! | `search_request.rs`, `search_response.rs` | `_search` | What are count, sum and maximum of the `_seq_no`s on one copy of the shard? |
//! | `delta_read.rs` | `_search` | Which documents changed above a `_seq_no`? |
//! | `reconcile_read.rs`, `histogram.rs` | `_search` | How many documents does each range of `_seq_no`s contain? |
//! | `full_read.rs` | `_search` | Which documents does the index contain? |
//! | `point_in_time.rs` | `_search/point_in_time` | Under which id can all pages of a full read, or all requests of a reconciliation, read the same view? |
//! | `mget.rs` | `_mget` | Which version of a document does the primary hold right now? |
//! | `cluster_state_version.rs` | `_cluster/state` | Does the node have contact with the cluster manager? |
//! | `index_resolution.rs` | `_settings` | To which concrete index does the configured name refer? |
//! | `visible_fields.rs` | `_mapping` | Does the role hide fields from this user? |
//! | `pipeline_bounds.rs` | `_ingest/pipeline` | Which longest time to live does the pipeline permit? |
//! | `node_clock.rs` | `_nodes/stats` | What is the time on the node? |
//!
//! All requests of one poll go through one [`Session`] (`poll_session.rs`). A search response is
//! complete only if every shard responded in time, the total number of documents is exact, and the
//! response contains all these documents (`search_response.rs`, `page_check.rs`). If a document is
//! absent from a complete response, the document was deleted. If a document is absent from an
//! incomplete response, the document may still exist.

mod cluster_state_version;
mod delta_read;
mod full_read;
mod histogram;
mod incomplete;
mod index_resolution;
mod index_stats;
mod mget;
mod node_clock;
mod offload;
mod page_check;
mod page_size;
mod pipeline_bounds;
mod point_in_time;
mod poll_session;
mod read_error;
mod reconcile_read;
mod search_request;
mod search_response;
mod visible_fields;

pub(crate) use cluster_state_version::ClusterVersion;
pub(crate) use delta_read::DeltaRead;
pub(crate) use full_read::FullRead;
pub(crate) use histogram::{Bucket, HistogramQuery, Scope, saturating_sum};
pub(crate) use incomplete::Incomplete;
pub(crate) use index_resolution::ConcreteIndex;
pub(crate) use index_stats::{Probe, ShardCheckpoints, checkpoints_of};
pub(crate) use mget::Lookup;
pub use offload::{off_the_runtime, weight_of};
#[cfg(test)]
pub(crate) use page_check::take_page;
pub(crate) use page_size::{PageSize, TOO_LARGE};
pub(crate) use pipeline_bounds::PIPELINE;
pub use poll_session::CLOSE_TIMEOUT;
pub(crate) use poll_session::{IndexReader, Session};
pub(crate) use read_error::ReadFailure;
pub use read_error::{PollErrorKind, ReadError};
pub(crate) use reconcile_read::{ChangesAndCounts, FirstRead, FrozenView};
pub use search_request::PAGE_SIZE;
pub(crate) use search_request::{HITS_PATH, Summary, search_for};
pub(crate) use search_response::{Aggregates, Collect, Complete, Hit, SearchResponse};
