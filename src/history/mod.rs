//! The history of an index: one record for each operation on a directive, in an append-only data
//! stream beside the index.
//!
//! The index contains only the present. Every write to it takes the next `_seq_no`, and a
//! [`Record`] states what the write with that number did: the whole document after it, the fields
//! that changed, the author, the reason and the time. The id of a record is derived from the
//! [`Operation`], so any number of writers record one operation once.

mod entry;
mod kind;
mod record;
mod recorder;
mod stream;

pub(crate) use entry::{RecordedBy, Seen, record_of};
pub use kind::{Before, Change, RecordKind, UnknownRecordKind, classify};
pub use record::{Operation, Record, stream_name};
pub use recorder::RecorderStatus;
pub(crate) use recorder::{HistoryFeed, Keeping, Observed, Recorder, SeenDocument};
pub(crate) use stream::{Appended, Entry, Stream};
