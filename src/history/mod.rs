//! The history of an index: an append-only data stream beside the index contains one record for
//! each operation on a directive.
//!
//! The index contains only the current documents. OpenSearch assigns the next `_seq_no` to each
//! write. The [`Record`] of a write contains the `_seq_no` of the write, the whole document after
//! the write, the fields that changed, the author, the reason and the time. Each writer derives the
//! id of a record from the identity of its [`Operation`]. The data stream contains only one record
//! of an operation, even if several writers record it, because all of them derive the same id.

mod append_records;
mod audit_log;
mod build_record;
mod classify_operation;
mod directives_at_instant;
mod doubt;
pub(crate) mod fuzzing;
mod ledger;
mod reader;
mod record;
mod recorder;
mod time_of_deletion;
mod verification;

pub(crate) use append_records::{Appended, Entry, Stream};
pub use audit_log::AuditLog;
pub(crate) use build_record::{RecordedBy, Seen, record_of};
pub use classify_operation::{Before, Change, RecordKind, UnknownRecordKind, classify};
pub use directives_at_instant::{End, Past, PastDirective};
pub use doubt::Doubt;
pub use ledger::{Evidence, Gap, IndexLedger, Inherited, Neighbour, TermChange, VersionJump};
pub use reader::{
    BackingIndex, FoundRecords, History, HistoryError, RecordFilter, StreamState, UnreadableRecord,
};
pub use record::{Operation, Record, stream_name};
pub use recorder::RecorderStatus;
pub(crate) use recorder::{HistoryFeed, Keeping, Observed, Recorder, SeenDocument};
pub use verification::{Contradiction, Verification};
