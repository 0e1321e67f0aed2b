//! Builds a set in the order of its ids, and finds an id by binary search. The sets of an index are
//! always ordered by id.

use std::cmp::Ordering;

use super::error::Kind;
use super::packed_directives::PackedDirectives;
use super::{BuildError, DirectiveSet, DirectiveSetBuilder};
use crate::model::directive::DirectiveRef;

impl DirectiveSetBuilder {
    /// Builds the set, ordered by id.
    ///
    /// # Errors
    /// Returns the errors of [`build`](Self::build). Also returns an error if two directives have
    /// the same id (see [`BuildError::repeated_id`]).
    pub fn build_by_id(self) -> Result<DirectiveSet, BuildError> {
        self.build_ordered().map(|(set, _)| set)
    }

    /// Builds the set, ordered by id. Also returns, for each directive of the set, its position in
    /// the order of the calls of `push`.
    #[doc(hidden)]
    pub fn build_ordered(self) -> Result<(DirectiveSet, Vec<usize>), BuildError> {
        let directives = self.directives?;
        // The code sorts only the ids. The directives stay packed.
        let mut ids: Vec<(&str, usize)> = (0..directives.len())
            .filter_map(|index| Some((directives.get(index)?.id, index)))
            .collect();
        let is_ordered = ids.is_sorted();
        if !is_ordered {
            ids.sort_unstable();
        }
        if let Some(pair) = ids.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Kind::RepeatedId(pair[0].0.to_owned()).into());
        }
        let order: Vec<usize> = ids.into_iter().map(|(_, index)| index).collect();
        if is_ordered {
            return Ok((DirectiveSet::compile(directives)?, order));
        }
        let bytes = directives.bytes_of(0..directives.len()).len();
        let mut ordered = PackedDirectives::with_capacity(directives.len(), bytes);
        for &index in &order {
            ordered.extend_from(&directives, index..index + 1)?;
        }
        drop(directives);
        Ok((DirectiveSet::compile(ordered)?, order))
    }
}

impl DirectiveSet {
    /// Returns the position of an id in a set that is ordered by id. If the set does not contain
    /// the id, returns as the error the position at which a directive with this id would be
    /// inserted.
    #[doc(hidden)]
    pub fn position_of(&self, id: &str) -> Result<usize, usize> {
        let (mut start, mut end) = (0, self.len());
        while start < end {
            let middle = usize::midpoint(start, end);
            match self
                .get(middle)
                .map(|directive| directive.id)
                .cmp(&Some(id))
            {
                Ordering::Less => start = middle + 1,
                Ordering::Greater => end = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(start)
    }

    /// Returns the directive at a position.
    #[doc(hidden)]
    #[must_use]
    pub fn get(&self, position: usize) -> Option<DirectiveRef<'_>> {
        self.compiled.as_ref()?.directives.get(position)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use jiff::Timestamp;

    use super::*;
    use crate::{DiagLevel, DiagnosticsDirective};

    fn builder_of(ids: &[&str]) -> DirectiveSetBuilder {
        let mut builder = DirectiveSetBuilder::default();
        for id in ids {
            builder.push(DiagnosticsDirective::new(*id, DiagLevel::Shape, Timestamp::MAX).as_ref());
        }
        builder
    }

    #[test]
    fn directives_are_ordered_by_id() {
        let (set, order) = builder_of(&["c", "a", "b"]).build_ordered().unwrap();
        let ids: Vec<&str> = set.iter().map(|directive| directive.id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(order, [1, 2, 0]);
        for (position, id) in ids.into_iter().enumerate() {
            assert_eq!(set.position_of(id), Ok(position));
        }
        assert_eq!(set.position_of(""), Err(0));
        assert_eq!(set.position_of("bb"), Err(2));
        assert_eq!(set.position_of("d"), Err(3));
    }

    #[test]
    fn a_repeated_id_is_an_error() {
        let error = builder_of(&["a", "b", "a"]).build_by_id().unwrap_err();
        assert_eq!(error.repeated_id(), Some("a"));
        assert!(!error.is_too_large());
    }
}
