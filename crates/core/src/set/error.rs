//! The error for directives that cannot be compiled into a set, because they need too much space or
//! two of them have the same id.

use super::packed_directives::Full;

/// The error for directives that cannot be compiled into a set.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(transparent)]
pub struct BuildError(#[from] Kind);

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Kind {
    #[error(
        "the directives are too many or too long for one set; remove some directives, or shorten \
         their ids and targets to less than four gigabytes in total"
    )]
    TooLarge,
    #[error("two directives have the id {0:?}; rename or remove one of them")]
    RepeatedId(String),
}

impl BuildError {
    /// Returns the error for a set that is too large, which a test cannot cause in a small memory.
    #[cfg(test)]
    pub(crate) fn too_large() -> Self {
        Self(Kind::TooLarge)
    }

    /// Returns true if there are more directives, or more bytes of strings, than a set can store.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.0 == Kind::TooLarge
    }

    /// Returns the id that two directives share, or `None` if the error has another cause.
    #[must_use]
    pub fn repeated_id(&self) -> Option<&str> {
        match &self.0 {
            Kind::RepeatedId(id) => Some(id),
            Kind::TooLarge => None,
        }
    }
}

impl From<Full> for BuildError {
    fn from(_: Full) -> Self {
        Self(Kind::TooLarge)
    }
}
