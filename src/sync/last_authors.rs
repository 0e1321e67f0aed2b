//! Stores the author of the last write of each directive, in two bytes for each directive.
//!
//! The name of each author is stored only once, because an index has few authors.

use std::collections::BTreeMap;
use std::sync::Arc;

use opensearch_directives_core::internal::Order;

/// The author number of a directive whose author is unknown.
const UNKNOWN: u16 = 0;

/// Author names that no directive uses are removed only if the list contains at least this many
/// names.
const MANY_NAMES: usize = 1_024;

/// The author of each directive of a replica, in the order of the replica's directive set. Several
/// replicas share one list of author names.
#[derive(Clone, Debug, Default)]
pub(super) struct Authors {
    numbers: Vec<u16>,
    names: Arc<Names>,
}

/// The name of each author, and the number that stands for the name. The number of an author is the
/// position of its name in `names`, plus one.
#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u16>,
}

impl Authors {
    /// Creates an empty list of authors that shares the author names of `other`.
    pub(super) fn with_names_of(other: &Self) -> Self {
        Self {
            numbers: Vec::with_capacity(other.numbers.len() + 1),
            names: Arc::clone(&other.names),
        }
    }

    /// Adds the author of the next directive to the list.
    pub(super) fn push(&mut self, author: Option<&str>) {
        let number = author.map_or(UNKNOWN, |name| self.number_of(name));
        self.numbers.push(number);
    }

    /// Adds the authors in the range `part` of `other` to the list. `self` and `other` must share
    /// the same list of author names.
    pub(super) fn extend_from(&mut self, other: &Self, part: std::ops::Range<usize>) {
        let part = other.numbers.get(part).unwrap_or_default();
        self.numbers.extend_from_slice(part);
    }

    /// Reserves memory for the authors of `more` further directives.
    pub(super) fn reserve(&mut self, more: usize) {
        self.numbers.reserve_exact(more);
    }

    /// Sorts the authors into the order of the directives in the directive set.
    pub(super) fn sort(&mut self, order: &Order) {
        order.apply(&mut self.numbers);
        self.numbers.shrink_to_fit();
    }

    /// Removes the author names that no directive uses, if the list contains many names. Unused
    /// names that are not removed stay in memory until the next full read.
    pub(super) fn without_unused_names(self) -> Self {
        let names = self.names.names.len();
        if names < MANY_NAMES || names < 2 * self.numbers.len() {
            return self;
        }
        let mut used = Self::default();
        used.numbers.reserve_exact(self.numbers.len());
        for position in 0..self.numbers.len() {
            used.push(self.get(position));
        }
        used
    }

    /// Returns the author of the directive at `position` in the directive set.
    pub(super) fn get(&self, position: usize) -> Option<&str> {
        let number = self.numbers.get(position)?.checked_sub(1)?;
        self.names
            .names
            .get(usize::from(number))
            .map(|name| &**name)
    }

    fn number_of(&mut self, name: &str) -> u16 {
        if let Some(&number) = self.names.numbers.get(name) {
            return number;
        }
        let names = Arc::make_mut(&mut self.names);
        // After 65,535 different authors, each further author counts as unknown until the next full
        // read.
        let Ok(number) = u16::try_from(names.names.len() + 1) else {
            return UNKNOWN;
        };
        let name: Arc<str> = name.into();
        names.names.push(Arc::clone(&name));
        names.numbers.insert(name, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_found_by_position_after_every_operation() {
        let mut first = Authors::default();
        for author in [Some("alice"), Some("bob"), None, Some("bob")] {
            first.push(author);
        }
        let all = |authors: &Authors| -> Vec<Option<String>> {
            (0..5)
                .map(|at| authors.get(at).map(str::to_owned))
                .collect()
        };
        let named = |names: [Option<&str>; 5]| names.map(|name| name.map(str::to_owned)).to_vec();
        assert_eq!(
            all(&first),
            named([Some("alice"), Some("bob"), None, Some("bob"), None])
        );
        let mut second = Authors::with_names_of(&first);
        second.extend_from(&first, 0..1);
        second.push(Some("carol"));
        second.extend_from(&first, 2..4);
        assert_eq!(
            all(&second),
            named([Some("alice"), Some("carol"), None, Some("bob"), None])
        );
        assert_eq!(first.names.names.len(), 2, "the first list stays as it was");
    }

    #[test]
    fn names_without_directives_do_not_accumulate() {
        let mut authors = Authors::default();
        authors.push(Some("alice"));
        for change in 0..3 * MANY_NAMES {
            let mut next = Authors::with_names_of(&authors);
            next.extend_from(&authors, 0..1);
            next.push(Some(&format!("author-{change}")));
            authors = next.without_unused_names();
            assert_eq!(authors.get(0), Some("alice"));
            assert_eq!(authors.get(1), Some(&*format!("author-{change}")));
        }
        assert!(authors.names.names.len() <= MANY_NAMES);
    }
}
