//! Builds the next directive set from the current set and a list of edits, without decoding
//! unchanged directives.
//!
//! The directives between two edits are copied in packed form. Only the lookup table of the next
//! set is built from scratch.

use super::packed_directives::PackedDirectives;
use super::{BuildError, DirectiveSet};
use crate::model::directive::DirectiveRef;

/// One difference between the current set and the next set.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Edit<'a> {
    /// The position in the current set at which the edit removes or inserts a directive.
    pub position: usize,
    /// Whether the edit removes the directive at `position`.
    pub removes: bool,
    /// The directive that the edit inserts before the one at `position`.
    pub inserts: Option<DirectiveRef<'a>>,
}

impl Edit<'_> {
    /// Returns the position of the first directive after the edit.
    #[must_use]
    pub fn end(&self) -> usize {
        self.position + usize::from(self.removes)
    }
}

impl DirectiveSet {
    /// Applies the edits to a copy of the set, and returns the copy. The edits must be in ascending
    /// order of their positions and must not overlap.
    ///
    /// # Errors
    /// Returns an error if the resulting set would be too large.
    #[doc(hidden)]
    pub fn patched(&self, edits: &[Edit<'_>]) -> Result<Self, BuildError> {
        let none = PackedDirectives::default();
        let before = self.compiled.as_ref().map_or(&none, |it| &it.directives);
        let mut inserted = PackedDirectives::default();
        for directive in edits.iter().filter_map(|edit| edit.inserts) {
            inserted.push(directive)?;
        }
        // The code reserves exactly the needed capacity, because shrinking a vector later would
        // copy all its data.
        let removed = edits.iter().flat_map(|edit| edit.position..edit.end());
        let removed_bytes = removed.clone().map(|index| before.strings_of(index).len());
        let removed_bytes: usize = removed_bytes.sum();
        let mut directives = PackedDirectives::with_capacity(
            before.len() + inserted.len() - removed.count(),
            before.bytes() + inserted.bytes() - removed_bytes,
        );
        let (mut next, mut insert) = (0, 0);
        for edit in edits {
            directives.extend_from(before, next..edit.position)?;
            if edit.inserts.is_some() {
                directives.extend_from(&inserted, insert..insert + 1)?;
                insert += 1;
            }
            next = edit.end();
        }
        directives.extend_from(before, next..before.len())?;
        Ok(Self::compile(directives)?)
    }
}

#[cfg(test)]
mod tests;
