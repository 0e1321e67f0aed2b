//! Finds the documents of a later view that may be a step back from the replica.
//!
//! A copy of the shard that lags returns an older view of the index, and nothing in the response
//! says so. Compared with the replica, an older view differs in one of three ways: a document
//! has a lower `_seq_no`, or is missing, or exists although it did not before (it may have been
//! deleted since). Each of these is far more often the truth (a deletion, a new document), so
//! each is only a possible regression, which the primary has to confirm.

use std::cmp::Ordering;

use super::replica::Replica;

/// A document that may be a step back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Regression {
    pub(crate) id: String,
    /// Its number in the later view; `None` if it is missing there.
    pub(crate) seq_no: Option<u64>,
}

/// Whether a document's number may be a step back from its earlier one, or from its absence.
pub(super) fn may_be_regression(earlier: Option<u64>, seq_no: u64) -> bool {
    earlier.is_none_or(|earlier| seq_no < earlier)
}

impl Replica {
    /// The documents of a later view that may be a step back from this one.
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

    /// The `_seq_no` of every document, ordered by id.
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
                // The two sequences have no id in common.
                Ordering::Equal | Ordering::Greater => others.next(),
            }
        })
    }
}
