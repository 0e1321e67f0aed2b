//! Builds the next set from a set and a list of edits, without decoding the directives that did not
//! change.
//!
//! The packed directives between two edits are copied as bytes. Only the lookup table is built from
//! scratch.

use super::packed_directives::PackedDirectives;
use super::{BuildError, DirectiveSet};
use crate::model::directive::DirectiveRef;

/// One difference between a set and the next one.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Edit<'a> {
    /// The position in the set's order.
    pub position: usize,
    /// Whether the directive at this position is removed.
    pub removes: bool,
    /// The directive that is inserted at this position, before a directive that stays.
    pub inserts: Option<DirectiveRef<'a>>,
}

impl Edit<'_> {
    /// The first position that the edit does not affect.
    #[must_use]
    pub fn end(&self) -> usize {
        self.position + usize::from(self.removes)
    }
}

impl DirectiveSet {
    /// Returns the set with these edits. The edits must be in ascending order and must not overlap.
    ///
    /// # Errors
    /// The new set would be too large.
    #[doc(hidden)]
    pub fn patched(&self, edits: &[Edit<'_>]) -> Result<Self, BuildError> {
        let none = PackedDirectives::default();
        let before = self.compiled.as_ref().map_or(&none, |it| &it.directives);
        let inserted = edits.iter().filter_map(|edit| edit.inserts);
        let removed = edits.iter().filter(|edit| edit.removes);
        let removed = removed.filter_map(|edit| before.get(edit.position));
        let bytes = |sum: usize, directive| sum + PackedDirectives::bytes_of(directive);
        // The exact capacity is reserved, so that shrinking does not copy the data again.
        let mut directives = PackedDirectives::default();
        directives.reserve_exact(
            (before.len() + inserted.clone().count()).saturating_sub(removed.clone().count()),
            (before.bytes() + inserted.fold(0, bytes)).saturating_sub(removed.fold(0, bytes)),
        );
        let mut next = 0;
        for edit in edits {
            directives.extend_from(before, next..edit.position)?;
            if let Some(directive) = edit.inserts {
                directives.push(directive)?;
            }
            next = edit.end();
        }
        directives.extend_from(before, next..before.len())?;
        Ok(Self::compile(directives))
    }
}

#[cfg(test)]
mod tests;
