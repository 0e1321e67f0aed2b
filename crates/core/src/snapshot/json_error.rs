//! The reasons for which the JSON of a snapshot is refused.

use std::error::Error;
use std::fmt;

use crate::Digest;
use crate::document::Rejection;

/// Why a JSON text is not a snapshot.
#[derive(Debug)]
pub struct SnapshotError(pub(super) Repr);

/// The kinds of [`SnapshotError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SnapshotErrorKind {
    /// It is not the JSON of a snapshot, or it is that of another version.
    NotASnapshot,
    /// A directive in it is refused, revoked or there twice.
    WrongDirective,
    /// Its directives do not have the digest that it names.
    WrongDigest,
    /// It has more directives than is allowed.
    TooManyDirectives,
}

#[derive(Debug)]
pub(super) enum Repr {
    Json(serde_json::Error),
    Directive(Box<Rejection>),
    Revoked(String),
    Repeated,
    Digest { claimed: String, found: Digest },
    TooManyDirectives { directives: usize, cap: usize },
}

impl SnapshotError {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> SnapshotErrorKind {
        match self.0 {
            Repr::Json(_) => SnapshotErrorKind::NotASnapshot,
            Repr::Directive(_) | Repr::Revoked(_) | Repr::Repeated => {
                SnapshotErrorKind::WrongDirective
            }
            Repr::Digest { .. } => SnapshotErrorKind::WrongDigest,
            Repr::TooManyDirectives { .. } => SnapshotErrorKind::TooManyDirectives,
        }
    }
}

impl From<serde_json::Error> for SnapshotError {
    fn from(error: serde_json::Error) -> Self {
        Self(Repr::Json(error))
    }
}

impl Error for SnapshotError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Repr::Json(error) => Some(error),
            Repr::Directive(rejection) => Some(&**rejection),
            _ => None,
        }
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Json(_) => f.write_str("it is not a snapshot of a version that is known here"),
            Repr::Directive(rejection) => {
                write!(f, "the directive {} is refused", rejection.id())
            }
            Repr::Revoked(id) => write!(f, "the directive {id} is revoked, and no set has such"),
            Repr::Repeated => f.write_str("a directive is there twice"),
            Repr::Digest { claimed, found } => {
                write!(
                    f,
                    "its digest is {claimed}, but its directives have {found}"
                )
            }
            Repr::TooManyDirectives { directives, cap } => write!(
                f,
                "it has {directives} directives, above the cap of {cap}; raise `max_documents`"
            ),
        }
    }
}
