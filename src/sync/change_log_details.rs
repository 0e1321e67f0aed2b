//! Provides the change log with the author and the `_seq_no` of the last write of each directive,
//! and with the reason why a directive left the set (revoked, rejected or deleted).

use std::sync::Arc;

use super::replica::Replica;

/// For each document of the published snapshot, the operation that wrote the document last. All
/// clones of an `Origins` share one replica.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Arc<Replica>);

/// The last write of a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Origin<'a> {
    /// The author of the last write, according to the document.
    pub(crate) by: Option<&'a str>,
    pub(crate) seq_no: Option<u64>,
}

/// The reason why a directive left the set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Removal {
    Revoked,
    Rejected,
    Deleted,
}

impl Removal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Rejected => "rejected",
            Self::Deleted => "deleted",
        }
    }
}

impl Origins {
    pub(super) fn of(replica: &Arc<Replica>) -> Self {
        Self(Arc::clone(replica))
    }

    /// Returns the last write of a document. If the document does not exist, all fields of the
    /// returned `Origin` are `None`.
    pub(crate) fn of_document(&self, id: &str) -> Origin<'_> {
        let replica = &*self.0;
        match replica.set.position_of(id) {
            Ok(position) => Origin {
                by: replica.authors.get(position),
                seq_no: replica.seq_nos.get(position).copied(),
            },
            Err(_) => match replica.others.get(id) {
                Some(other) => Origin {
                    by: other.by.as_deref(),
                    seq_no: Some(other.seq_no),
                },
                None => Origin::default(),
            },
        }
    }

    /// Returns the reason why a directive is not in the set.
    pub(crate) fn removal(&self, id: &str) -> Removal {
        match self.0.others.get(id) {
            None => Removal::Deleted,
            Some(other) if other.rejection.is_none() => Removal::Revoked,
            Some(_) => Removal::Rejected,
        }
    }
}
