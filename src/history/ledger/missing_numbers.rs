//! Reads the records of one index in the order of their `_seq_no`s, and collects the gaps and the
//! changes of the primary term.

use super::IndexFacts;
use super::entry::Placed;
use super::gap::{Gap, Neighbour};
use super::index_ledger::TermChange;

/// The state of the walk over the records, in the order in which the `_seq_no`s were assigned.
#[derive(Default)]
pub(super) struct Walk<'a> {
    pub(super) expected: u64,
    previous: Option<Placed<'a>>,
    pub(super) recorded: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) term_changes: Vec<TermChange>,
}

impl<'a> Walk<'a> {
    pub(super) fn step(&mut self, one: &Placed<'a>) {
        if let Some(previous) = &self.previous {
            if previous.term != one.term {
                self.change_term(previous.term, one);
            } else if one.number < self.expected {
                // If two records have the same `_seq_no` but different directives, one of the
                // records is wrong, and the walk ignores the second one.
                return;
            }
        }
        if one.number > self.expected {
            let gap = self.gap(Some(one.number - 1), Some(one));
            self.gaps.push(gap);
        }
        self.recorded += 1;
        self.expected = one.number.saturating_add(1);
        self.previous = Some(*one);
    }

    fn change_term(&mut self, from: u64, one: &Placed<'_>) {
        let lost =
            (one.number < self.expected).then(|| (one.number, self.expected.saturating_sub(1)));
        self.term_changes.push(TermChange {
            from,
            to: one.term,
            number: one.number,
            at: one.entry.at,
            lost,
        });
    }

    /// Adds the gap after the last recorded operation, up to the highest `_seq_no` of the index if
    /// this is known. Returns the first and the last recorded `_seq_no` above the highest `_seq_no`
    /// of the index, if there are any.
    pub(super) fn end(&mut self, facts: Option<&IndexFacts>) -> Option<(u64, u64)> {
        let Some(facts) = facts else {
            let gap = self.gap(None, None);
            self.gaps.push(gap);
            return None;
        };
        let end = facts.max_seq_no.map_or(0, |max| max.saturating_add(1));
        if end > self.expected {
            let gap = self.gap(Some(end - 1), None);
            self.gaps.push(gap);
        }
        (end < self.expected).then(|| (end, self.expected - 1))
    }

    fn gap(&self, last: Option<u64>, next: Option<&Placed<'_>>) -> Gap {
        Gap {
            first: self.expected,
            last,
            previous: self.previous.as_ref().map(neighbour),
            next: next.map(neighbour),
            evidence: Vec::new(),
        }
    }
}

fn neighbour(one: &Placed<'_>) -> Neighbour {
    Neighbour {
        number: one.number,
        directive: one.entry.directive.clone(),
        at: one.entry.at,
    }
}
