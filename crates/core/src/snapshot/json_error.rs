//! The reasons why the JSON of a snapshot is refused, such as a wrong directive or a wrong digest.

use std::error::Error;
use std::fmt;

use crate::Digest;
use crate::document::Rejection;
use crate::visible_text::visible_beginning;

/// The message of an error contains at most this many characters of an untrusted text.
const SHOWN_CHARS: usize = 200;

/// The reason why a JSON text is not a valid snapshot.
#[derive(Debug)]
pub struct SnapshotError(pub(super) Repr);

/// The kind of a [`SnapshotError`]: which rule the JSON text breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SnapshotErrorKind {
    /// The text is not the JSON of a snapshot, or another version of this library wrote it.
    NotASnapshot,
    /// The decoder refuses a directive of the snapshot, a directive is revoked, or two directives
    /// have the same id.
    WrongDirective,
    /// The digest of the directives differs from the digest that the snapshot states.
    WrongDigest,
    /// The snapshot has more directives than the reader allows.
    TooManyDirectives,
    /// The received differences do not fit the snapshot that the reader has.
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
    /// The received differences do not begin at the state that the reader has, or belong to another
    /// index.
    OtherState,
    /// The set would be too large after the differences are applied.
    TooLarge,
}

impl SnapshotError {
    /// Returns the kind of the error, by which a program can distinguish the reasons.
    #[must_use]
    pub fn kind(&self) -> SnapshotErrorKind {
        match self.0 {
            Repr::Json(_) => SnapshotErrorKind::NotASnapshot,
            Repr::Directive(_) | Repr::Revoked(_) | Repr::Repeated => {
                SnapshotErrorKind::WrongDirective
            }
            Repr::Digest { .. } => SnapshotErrorKind::WrongDigest,
            Repr::TooManyDirectives { .. } => SnapshotErrorKind::TooManyDirectives,
            Repr::OtherState | Repr::TooLarge => SnapshotErrorKind::WrongDelta,
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

/// Shortens an untrusted text and escapes its invisible characters. The text is untrusted, because
/// another agent, or anybody who can write the last-good file, may have chosen it.
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
            Repr::TooLarge => f.write_str("the set with the differences would be too large"),
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
