//! Finds the documents that show that a view may in fact be older than the replica, although the
//! view was read later than the replica.
//!
//! If a shard copy is behind the primary, it returns an older view of the index, and the response
//! does not show that the view is older. An older view differs from the replica in one of three
//! ways:
//!
//! - In the older view, a document has a lower `_seq_no`.
//! - In the older view, a document is missing.
//! - In the older view, a document is new. The new document may in fact have been deleted before
//!   the replica was read, and the older view still contains it.
//!
//! Usually a difference between a view and the replica is a normal change, for example a deletion
//! or a new document. Because a difference is only a *possible* regression, the primary must
//! confirm the view.

use std::cmp::Ordering;

use super::replica::Replica;

/// A document that shows that a view may in fact be older than the replica, although the view was
/// read later than the replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Regression {
    pub(crate) id: String,
    /// The `_seq_no` of the document in the later view; `None` if the later view does not contain
    /// the document.
    pub(crate) seq_no: Option<u64>,
}

/// Returns true if the `_seq_no` of a document shows that the later view may in fact be older.
/// `earlier` is the document's previous `_seq_no`, or `None` if the document did not exist.
pub(super) fn may_be_regression(earlier: Option<u64>, seq_no: u64) -> bool {
    earlier.is_none_or(|earlier| seq_no < earlier)
}

impl Replica {
    /// Returns the documents that show that the later view may in fact be older than `self`.
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

    /// Returns the id and the `_seq_no` of every document, ordered by id.
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
                // `Equal` does not occur, because no id is in both sequences.
                Ordering::Equal | Ordering::Greater => others.next(),
            }
        })
    }
}
