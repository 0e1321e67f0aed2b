//! Packs directives one by one and compiles them into a set.

use std::sync::Arc;

use super::index::Index;
use super::packed::{Full, PackedDirectives};
use super::{BuildError, Compiled, DirectiveSet};
use crate::model::directive::DirectiveRef;

/// Builds a [`DirectiveSet`] from borrowed directives, without a copy of each.
///
/// A pushed directive is packed at once into the form in which the set keeps it, so
/// the builder needs little more memory than the set that it builds.
///
/// ```
/// use jiff::Timestamp;
/// use opensearch_directives_core::{DiagLevel, DiagnosticsDirective, DirectiveSetBuilder};
///
/// let mut builder = DirectiveSetBuilder::default();
/// builder.push(DiagnosticsDirective::new("all", DiagLevel::Shape, Timestamp::MAX).as_ref());
/// assert_eq!(builder.build()?.len(), 1);
/// # Ok::<(), opensearch_directives_core::BuildError>(())
/// ```
#[derive(Debug)]
pub struct DirectiveSetBuilder {
    /// Of all that was pushed, or an error since one had no room.
    pub(super) directives: Result<PackedDirectives, Full>,
}

impl Default for DirectiveSetBuilder {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl DirectiveSetBuilder {
    /// A builder with room for about this many directives.
    #[must_use]
    pub fn with_capacity(directives: usize) -> Self {
        Self {
            directives: Ok(PackedDirectives::with_capacity(directives)),
        }
    }

    /// Adds a directive at the end of the set's order.
    pub fn push(&mut self, directive: DirectiveRef<'_>) {
        if let Ok(directives) = &mut self.directives
            && directives.push(directive).is_err()
        {
            self.directives = Err(Full);
        }
    }

    /// The set.
    ///
    /// # Errors
    /// [`BuildError::is_too_large`]: the directives are more than 2^32, or their ids and
    /// targets together are longer than four gigabytes.
    pub fn build(self) -> Result<DirectiveSet, BuildError> {
        Ok(DirectiveSet::compile(self.directives?))
    }
}

impl DirectiveSet {
    pub(super) fn compile(mut directives: PackedDirectives) -> Self {
        if directives.len() == 0 {
            return Self::new();
        }
        directives.shrink_to_fit();
        let index = Index::build(&directives);
        Self {
            compiled: Some(Arc::new(Compiled { directives, index })),
        }
    }
}
