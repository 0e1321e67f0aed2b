//! Models an operation: a write or a deletion of one document. An operation is in flight,
//! acknowledged or lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::document_generator::Document;

/// The state of a shard: the last operation on each document, which may be a deletion.
pub(crate) type State = BTreeMap<&'static str, Arc<Operation>>;

/// A write or a deletion of one document.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) seq_no: u64,
    /// The primary term in which the `_seq_no` was assigned.
    pub(crate) term: u64,
    /// The document that was written; `None` for a deletion.
    pub(crate) document: Option<Arc<Document>>,
    fate: AtomicU8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    InFlight,
    Acknowledged,
    /// A failover has lost the operation, and the new primary will assign the same `_seq_no` to
    /// another operation.
    Lost,
}

impl Operation {
    pub(crate) fn new(
        id: &'static str,
        seq_no: u64,
        term: u64,
        document: Option<Arc<Document>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            seq_no,
            term,
            document,
            fate: AtomicU8::new(0),
        })
    }

    /// Creates an operation that is already acknowledged.
    pub(crate) fn acknowledged(
        id: &'static str,
        seq_no: u64,
        document: Option<Arc<Document>>,
    ) -> Arc<Self> {
        let operation = Self::new(id, seq_no, 1, document);
        operation.set_fate(Fate::Acknowledged);
        operation
    }

    pub(crate) fn fate(&self) -> Fate {
        match self.fate.load(Ordering::Relaxed) {
            0 => Fate::InFlight,
            1 => Fate::Acknowledged,
            _ => Fate::Lost,
        }
    }

    /// Returns a short description of the operation for the report of a broken promise.
    pub(crate) fn brief(&self) -> String {
        let gone = if self.document.is_some() {
            ""
        } else {
            " deleted"
        };
        format!("{}{gone} {} {:?}", self.id, self.seq_no, self.fate())
    }

    pub(crate) fn set_fate(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::Relaxed);
    }
}

/// Returns the documents that are not deleted in the state of a shard, each with the operation that
/// wrote the document.
pub(crate) fn documents(state: &State) -> impl Iterator<Item = (&Operation, &Arc<Document>)> {
    state
        .values()
        .filter_map(|operation| Some((operation.as_ref(), operation.document.as_ref()?)))
}
