//! Finds possible regressions: documents which suggest that a later read has returned an older
//! state of the index than the replica.
//!
//! A shard copy that is behind the primary returns an older view of the index, and the response
//! does not show that the view is older. An older view differs from the replica in one of three
//! ways:
//!
//! - In the older view, a document has a lower `_seq_no` than in the replica.
//! - In the older view, a document of the replica is missing.
//! - The older view contains a document that the replica lacks, because the document was deleted
//!   before the replica was read.
//!
//! Usually a difference between a view and the replica is a normal change, for example a deletion
//! or a new document. A difference between a view and the replica is only a *possible* regression,
//! so the primary must confirm the view.

use std::cmp::Ordering;

use super::replica::Replica;

/// A possible regression: a document which suggests that a later read has returned an older state
/// of the index than the replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Regression {
    pub(crate) id: String,
    /// The `_seq_no` of the document in the later view; `None` if the later view does not contain
    /// the document.
    pub(crate) seq_no: Option<u64>,
}

/// Returns true if the `_seq_no` of a document suggests that a later view shows an older state of
/// the index. `earlier` is the `_seq_no` of the document in the earlier view, or `None` if the
/// earlier view lacks the document.
pub(super) fn may_be_regression(earlier: Option<u64>, seq_no: u64) -> bool {
    earlier.is_none_or(|earlier| seq_no < earlier)
}

impl Replica {
    /// Returns the documents which suggest that `later` shows an older state of the index than
    /// `self`, although it was read later.
    pub(crate) fn regressions_in(&self, later: &Self) -> Vec<Regression> {
        let mut before = self.seq_nos_by_id().peekable();
        let mut regressions = Vec::new();
        let mut note = |id: &str, seq_no| {
            regressions.push(Regression {
                id: id.to_owned(),
                seq_no,
            });
        };
        for (id, seq_no) in later.seq_nos_by_id() {
            while let Some((gone, _)) = before.next_if(|(other, _)| *other < id) {
                note(gone, None);
            }
            let earlier = before.next_if(|(other, _)| *other == id);
            if may_be_regression(earlier.map(|(_, seq_no)| seq_no), seq_no) {
                note(id, Some(seq_no));
            }
        }
        for (gone, _) in before {
            note(gone, None);
        }
        regressions
    }

    /// Returns the id and the `_seq_no` of every document of the replica, ordered by id.
    pub(super) fn seq_nos_by_id(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut directives = self
            .set
            .iter()
            .map(|directive| directive.id)
            .zip(self.seq_nos.iter().copied())
            .peekable();
        let mut others = self
            .others
            .iter()
            .map(|(id, other)| (id.as_ref(), other.seq_no))
            .peekable();
        std::iter::from_fn(move || {
            let order = match (directives.peek(), others.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            match order {
                Ordering::Less => directives.next(),
                // `Equal` does not occur, because no document is both a directive and in `others`.
                Ordering::Equal | Ordering::Greater => others.next(),
            }
        })
    }
}
