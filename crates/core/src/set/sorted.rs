//! The order in which what was read from an index is published.

use std::cmp::Ordering;

use super::compiled::unpack;
use super::string_arena::Texts;
use super::{DirectiveSet, DirectiveSetBuilder};
use crate::model::directive::DirectiveRef;

impl DirectiveSetBuilder {
    /// The set, ordered by id.
    ///
    /// # Errors
    /// An id that was pushed twice.
    pub fn build_by_id(self) -> Result<DirectiveSet, RepeatedId> {
        self.build_ordered().map(|(set, _)| set)
    }

    /// The set, ordered by id, and for each of its directives as the how many-th it was
    /// pushed.
    #[doc(hidden)]
    pub fn build_ordered(mut self) -> Result<(DirectiveSet, Vec<usize>), RepeatedId> {
        self.forget_what_is_known();
        let packed = self.records.iter().map(|record| self.texts.get(record.id));
        let overflow = self.beside.overflow.iter();
        // Only the ids are sorted: the directives stay packed.
        let mut ids: Vec<(&str, usize)> = packed
            .chain(overflow.map(|directive| directive.id.as_str()))
            .zip(0..)
            .collect();
        let is_ordered = ids.is_sorted();
        if !is_ordered {
            ids.sort_unstable();
        }
        if let Some(pair) = ids.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(RepeatedId(pair[0].0.to_owned()));
        }
        let order = ids.iter().map(|&(_, place)| place);
        if is_ordered {
            let order = order.collect();
            return Ok((self.build(), order));
        }
        let mut ordered = Self::with_capacity(ids.len());
        ordered.texts = Texts::default().with_room(self.texts.end());
        for directive in order.clone().filter_map(|place| {
            unpack(
                &self.records,
                &self.targets,
                &self.texts,
                &self.beside,
                place,
            )
        }) {
            ordered.push(directive);
        }
        let order = order.collect();
        drop(self);
        Ok((ordered.build(), order))
    }
}

impl DirectiveSet {
    /// The place of an id in the order of a set that is ordered by id; or else where it
    /// would stand.
    #[doc(hidden)]
    #[must_use]
    pub fn place_of(&self, id: &str) -> Result<usize, usize> {
        let Some(compiled) = &self.compiled else {
            return Err(0);
        };
        let (mut from, mut to) = (0, compiled.iter().len());
        while from < to {
            let middle = usize::midpoint(from, to);
            match compiled.id(middle).cmp(&Some(id)) {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(from)
    }

    /// The directive of a place.
    #[doc(hidden)]
    #[must_use]
    pub fn get(&self, place: usize) -> Option<DirectiveRef<'_>> {
        self.compiled.as_ref()?.get(place)
    }
}

/// An id that two directives of one read have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("two directives have the id {0:?}")]
pub struct RepeatedId(pub String);

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
    fn the_order_is_that_of_the_ids() {
        let set = builder_of(&["c", "a", "b"]).build_by_id().unwrap();
        let ids: Vec<&str> = set.iter().map(|directive| directive.id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn the_same_id_twice_is_never_published_silently() {
        let error = builder_of(&["a", "b", "a"]).build_by_id().unwrap_err();
        assert_eq!(error, RepeatedId("a".to_owned()));
    }
}
