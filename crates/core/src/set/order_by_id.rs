//! Builds a directive set in the order of the ids, and finds an id in the set by binary search. The
//! sets that are read from an index are always ordered by id.

use std::cmp::Ordering;

use super::error::Kind;
use super::sorting::Order;
use super::{BuildError, DirectiveSet, DirectiveSetBuilder};
use crate::model::directive::DirectiveRef;

impl DirectiveSetBuilder {
    /// Builds a set in which the directives are ordered by id.
    ///
    /// # Errors
    /// Returns the same errors as [`build`](Self::build), and also an error if two directives have
    /// the same id (see [`BuildError::repeated_id`]).
    pub fn build_by_id(self) -> Result<DirectiveSet, BuildError> {
        self.build_ordered().map(|(set, _)| set)
    }

    /// Builds a set in which the directives are ordered by id, and also returns how the order has
    /// changed. With the returned order, the caller can sort other lists in the same way as the
    /// directives.
    #[doc(hidden)]
    pub fn build_ordered(self) -> Result<(DirectiveSet, Order), BuildError> {
        let mut directives = self.directives?;
        let order = directives.sort_by_id()?;
        let id = |index: usize| Some(directives.get(index)?.id);
        let repeated = (1..directives.len()).find(|&index| id(index) == id(index - 1));
        if let Some(id) = repeated.and_then(id) {
            return Err(Kind::RepeatedId(id.to_owned()).into());
        }
        Ok((DirectiveSet::compile(directives)?, order))
    }
}

impl DirectiveSet {
    /// Returns the position of the directive with the given id in a set that is ordered by id. If
    /// the set does not contain the id, the method returns an error with the position at which a
    /// directive with the id would be inserted.
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

    /// Returns the directive at the given position, or `None` if the set has fewer directives.
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
        let pushed = ["c", "a", "b"];
        let (set, order) = builder_of(&pushed).build_ordered().unwrap();
        let ids: Vec<&str> = set.iter().map(|directive| directive.id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        let mut ordered = pushed;
        order.apply(&mut ordered);
        assert_eq!(ordered, ["a", "b", "c"]);
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
