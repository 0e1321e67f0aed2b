//! Tells the change log the author and the `_seq_no` of the last write of each directive, and why a
//! directive left the directive set (revoked, rejected or deleted).

use std::sync::Arc;

use super::replica::Replica;

/// The author and the `_seq_no` of the last write of each document in the published snapshot. All
/// clones of an `Origins` share one replica.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Arc<Replica>);

/// The author and the `_seq_no` of the last write of one document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Origin<'a> {
    /// The author of the last write, as the document itself states it.
    pub(crate) by: Option<&'a str>,
    pub(crate) seq_no: Option<u64>,
}

/// The reason why a directive is no longer in the directive set.
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

    /// Returns the author and the `_seq_no` of the last write of the document `id`. If the document
    /// does not exist, all fields of the returned `Origin` are `None`.
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

    /// Returns the reason why the directive `id` is no longer in the directive set.
    pub(crate) fn removal(&self, id: &str) -> Removal {
        match self.0.others.get(id) {
            None => Removal::Deleted,
            Some(other) if other.rejection.is_none() => Removal::Revoked,
            Some(_) => Removal::Rejected,
        }
    }
}
