//! Packs directives one by one, and compiles all of them into a set at the end.

use std::sync::Arc;

use super::lookup_table::LookupTable;
use super::packed_directives::{Full, PackedDirectives};
use super::set_end::SetEnd;
use super::{BuildError, Compiled, DirectiveSet};
use crate::hits::Counting;
use crate::model::directive::DirectiveRef;

/// Builds a [`DirectiveSet`] from borrowed directives.
///
/// The builder immediately converts each directive into the packed form in which the set stores it.
/// Building a set therefore needs little more memory than the finished set.
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
    /// The packed form of all added directives, or an error if they need more space than a set can
    /// have.
    pub(super) directives: Result<PackedDirectives, Full>,
}

impl Default for DirectiveSetBuilder {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl DirectiveSetBuilder {
    /// Creates a builder with capacity for the given number of directives.
    #[must_use]
    pub fn with_capacity(directives: usize) -> Self {
        Self {
            directives: Ok(PackedDirectives::with_capacity(directives, 0)),
        }
    }

    /// Reserves memory for the given number of directives in total.
    #[doc(hidden)]
    pub fn reserve_total(&mut self, directives: usize) {
        if let Ok(packed) = &mut self.directives {
            packed.reserve_total(directives);
        }
    }

    /// Adds a directive after all directives that the builder already has.
    pub fn push(&mut self, directive: DirectiveRef<'_>) {
        if let Ok(directives) = &mut self.directives
            && directives.push(directive).is_err()
        {
            self.directives = Err(Full);
        }
    }

    /// Builds the set, which keeps the directives in the order in which they were added.
    ///
    /// # Errors
    /// Returns an error if the builder has more than 2^32 directives, or if their ids and targets
    /// have more than four gigabytes in total (see [`BuildError::is_too_large`]).
    pub fn build(self) -> Result<DirectiveSet, BuildError> {
        Ok(DirectiveSet::compile(self.directives?)?)
    }
}

impl DirectiveSet {
    pub(super) fn compile(mut directives: PackedDirectives) -> Result<Self, Full> {
        if directives.len() == 0 {
            return Ok(Self::new());
        }
        directives.shrink_to_fit();
        let table = LookupTable::build(&mut directives)?;
        let end = SetEnd::at_last_expiry(&table);
        let compiled = Some(Arc::new(Compiled {
            directives,
            table,
            end,
        }));
        Ok(Self {
            compiled,
            counting: Counting::default(),
        })
    }
}
