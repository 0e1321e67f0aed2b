//! The error that says why the JSON of a snapshot is refused, for example because of a wrong
//! digest.

use std::error::Error;
use std::fmt;

use crate::document::Rejection;
use crate::visible_text::visible_beginning;
use crate::{BuildError, Digest};

/// The maximum number of characters of an untrusted text in the message of a snapshot error.
const SHOWN_CHARS: usize = 200;

/// The reason why a text is not a valid snapshot.
#[derive(Debug)]
pub struct SnapshotError(pub(super) Repr);

/// The kind of a [`SnapshotError`], which says what is wrong with the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SnapshotErrorKind {
    /// The text is not the JSON of a snapshot, or comes from another version of this library.
    NotASnapshot,
    /// A directive of the snapshot is invalid or revoked, or two directives have the same id.
    WrongDirective,
    /// The digest that the snapshot states is not the digest of its directives.
    WrongDigest,
    /// The snapshot has more directives than the reader permits, or more than a set can store.
    TooManyDirectives,
    /// The received differences do not fit the snapshot of the reader.
    WrongDelta,
}

#[derive(Debug)]
pub(super) enum Repr {
    Json(serde_json::Error),
    Directive(Box<Rejection>),
    Revoked(String),
    Repeated,
    Digest {
        claimed: String,
        found: Digest,
    },
    TooManyDirectives {
        directives: usize,
        cap: usize,
    },
    /// The received differences begin at another state than that of the reader, or belong to
    /// another index.
    OtherState,
    /// The directives of the snapshot are more, or have longer strings, than a set can store.
    TooLarge(BuildError),
    /// The directive set would be too large after the reader has applied the differences.
    TooLargeDelta,
}

impl SnapshotError {
    /// Returns the kind of the error, so that a program can distinguish what is wrong with the
    /// snapshot.
    #[must_use]
    pub fn kind(&self) -> SnapshotErrorKind {
        match self.0 {
            Repr::Json(_) => SnapshotErrorKind::NotASnapshot,
            Repr::Directive(_) | Repr::Revoked(_) | Repr::Repeated => {
                SnapshotErrorKind::WrongDirective
            }
            Repr::Digest { .. } => SnapshotErrorKind::WrongDigest,
            Repr::TooManyDirectives { .. } | Repr::TooLarge(_) => {
                SnapshotErrorKind::TooManyDirectives
            }
            Repr::OtherState | Repr::TooLargeDelta => SnapshotErrorKind::WrongDelta,
        }
    }

    /// Creates the error of a reader that could not build the set of a snapshot.
    pub(super) fn of_build(error: BuildError) -> Self {
        Self(if error.is_too_large() {
            Repr::TooLarge(error)
        } else {
            Repr::Repeated
        })
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
            Repr::TooLarge(error) => Some(error),
            _ => None,
        }
    }
}

/// Shortens an untrusted text and escapes its invisible characters. Another agent, or anybody who
/// can write the last-good file, may have chosen the untrusted text.
fn shown(text: &str) -> String {
    visible_beginning(text, SHOWN_CHARS)
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Json(_) => {
                f.write_str("the text is not a snapshot in the format of this version")
            }
            Repr::Directive(rejection) => {
                write!(f, "the directive {} is refused", shown(rejection.id()))
            }
            Repr::Revoked(id) => write!(
                f,
                "the directive {} is revoked, but a snapshot contains no revoked directives",
                shown(id)
            ),
            Repr::OtherState => f.write_str(
                "the differences are not between the snapshot of this reader and a later one",
            ),
            Repr::TooLarge(_) => {
                f.write_str("the directives of the snapshot do not fit into one set")
            }
            Repr::TooLargeDelta => f.write_str("the set with the differences would be too large"),
            Repr::Repeated => f.write_str("the snapshot contains a directive twice"),
            Repr::Digest { claimed, found } => {
                write!(
                    f,
                    "the snapshot states the digest {}, but its directives have the digest {found}",
                    shown(claimed)
                )
            }
            Repr::TooManyDirectives { directives, cap } => write!(
                f,
                "the snapshot has {directives} directives, more than the limit of {cap}; raise `max_documents`"
            ),
        }
    }
}
