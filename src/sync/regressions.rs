//! What of a later view may be a step back.
//!
//! A copy of the shard that lags shows an older view of the index, and nothing in it
//! says so. Against what was seen before it shows in one of three ways: a document is
//! of a lower `_seq_no`, or is gone, or is there although it was not (it may have been
//! deleted before). Each is the truth far more often (a deletion, a new document), so
//! each is only a suspicion, for the primary to judge.

use std::cmp::Ordering;

use super::replica::Replica;

/// A document that may be a step back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Regression {
    pub(crate) id: String,
    /// What the later view shows of it; `None` if it is not there.
    pub(crate) seq_no: Option<u64>,
}

/// Whether a document's number may be a step back from its earlier one, or from its
/// absence.
pub(super) fn is_suspect(earlier: Option<u64>, seq_no: u64) -> bool {
    earlier.is_none_or(|earlier| seq_no < earlier)
}

impl Replica {
    /// What of the later view may be a step back from this one.
    pub(crate) fn suspects_in(&self, later: &Self) -> Vec<Regression> {
        let mut before = self.numbers().peekable();
        let mut suspects = Vec::new();
        let mut suspect = |id: &str, seq_no| {
            suspects.push(Regression {
                id: id.to_owned(),
                seq_no,
            });
        };
        for (id, seq_no) in later.numbers() {
            while let Some((gone, _)) = before.next_if(|(other, _)| *other < id) {
                suspect(gone, None);
            }
            let earlier = before.next_if(|(other, _)| *other == id);
            if is_suspect(earlier.map(|(_, seq_no)| seq_no), seq_no) {
                suspect(id, Some(seq_no));
            }
        }
        for (gone, _) in before {
            suspect(gone, None);
        }
        suspects
    }

    /// The `_seq_no` of every document, ordered by id.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&str, u64)> {
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
                // No id is in both.
                Ordering::Equal | Ordering::Greater => others.next(),
            }
        })
    }
}
