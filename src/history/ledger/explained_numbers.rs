//! Finds the missing `_seq_no`s that must belong to deletions that recorders noticed without their
//! `_seq_no`s.
//!
//! Each noticed deletion has one `_seq_no`, within the range of the deletion. If a range has as
//! many missing `_seq_no`s as noticed deletions, the missing `_seq_no`s belong to these deletions.
//! A deletion counts for a range only if the range of the deletion lies completely within it.

use std::collections::BTreeSet;

use super::entry::{Number, Placed};
use super::gap::Gap;
use super::index_ledger::TermChange;

/// The maximum number of deletions with overlapping ranges for which all ranges are examined. In a
/// larger group, only the ranges that end with the group's last deletion are examined, because the
/// effort grows with the square of the number of deletions. A range that is not examined explains
/// no `_seq_no`.
const MAX_OVERLAPPING: usize = 2_000;

/// A deletion whose `_seq_no` is above `after` and at most `until`.
struct Noticed {
    after: u64,
    until: u64,
    index: usize,
}

/// Removes from the gaps the `_seq_no`s that must belong to deletions without an exact `_seq_no`.
/// Returns the remaining gaps, and the positions of the deletions whose `_seq_no`s were removed.
pub(super) fn without_noticed_deletions(
    gaps: Vec<Gap>,
    placed: &[Placed<'_>],
    term_changes: &[TermChange],
) -> (Vec<Gap>, BTreeSet<usize>) {
    let mut noticed: Vec<Noticed> = placed.iter().filter_map(noticed).collect();
    noticed.sort_by_key(|one| (one.after, one.until));
    let missing = MissingNumbers::of(&gaps);
    let (mut accounted, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for group in overlapping(&noticed) {
        for (after, until) in exhausted_ranges(group, &missing) {
            let reassigns = |change: &TermChange| change.number > after && change.number <= until;
            if term_changes.iter().any(reassigns) {
                continue;
            }
            let within = |one: &&Noticed| one.after >= after && one.until <= until;
            accounted.extend(group.iter().filter(within).map(|one| one.index));
            numbers.extend(missing_between(&gaps, after, until));
        }
    }
    let gaps = gaps.into_iter().flat_map(|gap| {
        let last = gap.last.unwrap_or(u64::MAX);
        let explained = numbers.range(gap.first..=last).copied();
        gap.without(explained)
    });
    (gaps.collect(), accounted)
}

fn noticed(placed: &Placed<'_>) -> Option<Noticed> {
    match placed.entry.number {
        Number::Within { after, until } if after < until => Some(Noticed {
            after,
            until,
            index: placed.index,
        }),
        _ => None,
    }
}

/// Splits the deletions, sorted by the start of their ranges, into groups. The ranges of different
/// groups do not overlap.
fn overlapping(noticed: &[Noticed]) -> Vec<&[Noticed]> {
    let mut groups = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (position, one) in noticed.iter().enumerate() {
        if one.after >= end && position > start {
            groups.push(&noticed[start..position]);
            start = position;
        }
        end = end.max(one.until);
    }
    groups.push(&noticed[start..]);
    groups
}

/// Returns each range in which the number of missing `_seq_no`s equals the number of deletions.
fn exhausted_ranges(group: &[Noticed], missing: &MissingNumbers) -> Vec<(u64, u64)> {
    let mut ends: BTreeSet<u64> = group.iter().map(|one| one.until).collect();
    if group.len() > MAX_OVERLAPPING {
        ends = ends.last().copied().into_iter().collect();
    }
    let mut ranges = Vec::new();
    for until in ends {
        let mut within = group
            .iter()
            .rev()
            .filter(|one| one.until <= until)
            .peekable();
        let mut deletions = 0;
        while let Some(one) = within.next() {
            deletions += 1;
            let begins_here = within.peek().is_none_or(|next| next.after < one.after);
            if begins_here && missing.between(one.after, until) == deletions {
                ranges.push((one.after, until));
            }
        }
    }
    ranges
}

fn missing_between(gaps: &[Gap], after: u64, until: u64) -> impl Iterator<Item = u64> {
    let first = after.saturating_add(1);
    gaps.iter()
        .flat_map(move |gap| gap.first.max(first)..=gap.last.unwrap_or(until).min(until))
}

/// Counts missing `_seq_no`s without enumerating them, because a gap can be arbitrarily long.
struct MissingNumbers {
    /// For each gap: its first `_seq_no`, its last `_seq_no`, and how many `_seq_no`s the gaps
    /// before it contain.
    gaps: Vec<(u64, u64, u64)>,
}

impl MissingNumbers {
    fn of(gaps: &[Gap]) -> Self {
        let mut before = 0_u64;
        let gaps = gaps.iter().map(|gap| {
            let last = gap.last.unwrap_or(u64::MAX);
            let counted = (gap.first, last, before);
            let length = last.saturating_sub(gap.first).saturating_add(1);
            before = before.saturating_add(length);
            counted
        });
        Self {
            gaps: gaps.collect(),
        }
    }

    /// Returns how many missing `_seq_no`s are higher than `after` and at most `until`.
    fn between(&self, after: u64, until: u64) -> u64 {
        self.up_to(until).saturating_sub(self.up_to(after))
    }

    fn up_to(&self, number: u64) -> u64 {
        let position = self.gaps.partition_point(|(first, ..)| *first <= number);
        let Some((first, last, before)) = position.checked_sub(1).map(|at| self.gaps[at]) else {
            return 0;
        };
        let contained = number.min(last).saturating_sub(first).saturating_add(1);
        before.saturating_add(contained)
    }
}
