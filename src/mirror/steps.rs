//! What of a later view may be a step back.
//!
//! A copy of the shard that lags shows an older view of the index, and nothing in it
//! says so. Against what was seen before it shows in one of three ways: a document is
//! of a lower `_seq_no`, or is gone, or is there although it was gone when all numbers
//! up to its own had been seen, or may have been. Each can also be the truth (a
//! deletion, a failover that lost what was not acknowledged), so each is only a
//! suspicion, for the primary to judge.

use std::cmp::Ordering;

use super::Mirror;

/// A document that may be a step back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Suspect {
    pub(crate) id: String,
    /// What the later view shows of it; `None` if it is not there.
    pub(crate) seq_no: Option<u64>,
}

impl Mirror {
    /// What of the later view may be a step back from this one. All numbers up to
    /// `complete_up_to` had been seen in this one; `None` if that is not known of any.
    pub(crate) fn suspects_in(&self, later: &Self, complete_up_to: Option<u64>) -> Vec<Suspect> {
        let mut before = self.numbers().peekable();
        let mut suspects = Vec::new();
        let mut suspect = |id: &str, seq_no| {
            suspects.push(Suspect {
                id: id.to_owned(),
                seq_no,
            });
        };
        for (id, seq_no) in later.numbers() {
            while let Some((gone, _)) = before.next_if(|(other, _)| *other < id) {
                suspect(gone, None);
            }
            match before.next_if(|(other, _)| *other == id) {
                Some((_, earlier)) if seq_no < earlier => suspect(id, Some(seq_no)),
                None if complete_up_to.is_none_or(|seen| seq_no <= seen) => {
                    suspect(id, Some(seq_no));
                }
                _ => {}
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
