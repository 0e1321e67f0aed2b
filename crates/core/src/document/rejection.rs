//! Why a document is refused: which field, what it held, what is wrong, what to do.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{UnknownDiagLevel, UnknownEndpointKind};

/// How much of a wrong value is kept, in characters.
const VALUE_CHARS: usize = 60;
/// How much of an id is kept: all that an index takes.
const ID_CHARS: usize = 512;

/// A document that was refused, and why. Its text begins with the field's name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rejection {
    /// The document's `_id`.
    pub id: String,
    /// The field that is wrong, or `_source` if it is the document as a whole. The name
    /// of an unknown field is shortened and fit for a terminal.
    pub field: Cow<'static, str>,
    /// What the field held, as JSON, shortened and fit for a terminal; empty if it
    /// held nothing.
    pub value: String,
    /// What is wrong.
    pub reason: RejectionReason,
}

/// What is wrong with a field. Its text says what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectionReason {
    /// The document is not a JSON object.
    NotAnObject,
    /// The field is not one of a directive's.
    UnknownField,
    /// The field is there twice.
    RepeatedField,
    /// A required field is missing.
    Missing,
    /// A target (tenant, index, principal) that is not a non-empty text.
    NotATarget,
    /// Not the name of a level.
    NotALevel,
    /// Not the name of an endpoint kind.
    NotAnEndpoint,
    /// Not a whole number from 0 to 1000.
    NotASampleRate,
    /// Not `true` or `false`.
    NotABoolean,
    /// Not a text.
    NotAText,
    /// Not a time.
    NotATime,
    /// Not a time to live.
    NotATtl,
    /// Not usable as an id.
    NotAnId,
    /// The `id` in the document is not its `_id`.
    IdMismatch,
    /// No expiry but a relative one, which would begin anew at each read.
    RelativeExpiry,
    /// Both a relative and an absolute expiry.
    TwoExpiries,
    /// Neither a relative nor an absolute expiry.
    NoExpiry,
    /// A field that is stamped when a directive is written.
    StampedField,
    /// An expiry that is not after the start.
    ExpiresBeforeStart,
    /// An expiry in the past.
    ExpiresInThePast,
    /// An expiry further ahead than is allowed.
    BeyondMaxTtl,
}

/// A rejection that does not know yet of which document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) field: Cow<'static, str>,
    pub(super) value: String,
    pub(super) reason: RejectionReason,
}

impl Fault {
    pub(super) fn new(
        field: impl Into<Cow<'static, str>>,
        value: &str,
        reason: RejectionReason,
    ) -> Self {
        Self {
            field: field.into(),
            value: printable(value),
            reason,
        }
    }

    pub(super) fn of(self, id: &str) -> Rejection {
        Rejection {
            id: shorten(id, ID_CHARS),
            field: self.field,
            value: self.value,
            reason: self.reason,
        }
    }
}

fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text from outside, short and fit for a terminal and a log: characters that move
/// a cursor or turn the direction of writing are escaped.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for char in shorten(text, VALUE_CHARS).chars() {
        if char.is_control() || is_format(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Whether a character has no shape but changes how others are shown.
fn is_format(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        if !self.value.is_empty() {
            write!(f, "{} ", self.value)?;
        }
        match self.reason {
            RejectionReason::NotATarget => write!(
                f,
                "is not a name; write a non-empty text, or leave the field out to match every {}",
                self.field
            ),
            reason => reason.fmt(f),
        }
    }
}

impl std::error::Error for Rejection {}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotAnObject => "is not a JSON object",
            Self::UnknownField => "is not a field of a directive; correct the name or leave it out",
            Self::RepeatedField => "is there twice; leave one out",
            Self::Missing => "missing; it is required",
            Self::NotATarget => "is not a name; write a non-empty text, or leave the field out",
            Self::NotALevel => return UnknownDiagLevel.fmt(f),
            Self::NotAnEndpoint => {
                return write!(
                    f,
                    "{UnknownEndpointKind}, or leave the field out to match every endpoint"
                );
            }
            Self::NotASampleRate => {
                "is not a rate; write a whole number from 0 to 1000, or leave the field out"
            }
            Self::NotABoolean => "is not a switch; write true or false, or leave the field out",
            Self::NotAText => "is not a text; write a text, or leave the field out",
            Self::NotATime => {
                "is not a time; write RFC 3339 with an offset, such as \"2030-01-31T12:00:00Z\""
            }
            Self::NotATtl => "is not a time to live; write a whole number of seconds, at least 1",
            Self::NotAnId => {
                "is not an id; write a text of 1 to 512 bytes without control characters"
            }
            Self::IdMismatch => "is not the document's _id; leave it out",
            Self::RelativeExpiry => {
                "is relative and would begin anew at each read; write expires_at, or index \
                 through the ingest pipeline, which does"
            }
            Self::TwoExpiries => "stands beside expires_at; write one of the two",
            Self::NoExpiry => "missing, and so is expires_at; write one of the two",
            Self::StampedField => "is stamped when the directive is written; leave it out",
            Self::ExpiresBeforeStart => "is not after starts_at; write a later time",
            Self::ExpiresInThePast => "is not in the future; write a later time",
            Self::BeyondMaxTtl => "lies further ahead than max_ttl allows; write an earlier time",
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::document::{DecodeLimits, decode};

    fn rejection(id: &str, source: &str) -> Rejection {
        let limits = DecodeLimits {
            now: Timestamp::UNIX_EPOCH,
            max_ttl: Duration::MAX,
        };
        decode(id, source, &limits).unwrap_err()
    }

    #[test]
    fn a_rejection_does_not_move_the_cursor_of_whoever_reads_it() {
        for source in [
            r#"{"\u001b[2J\u000alevel":1}"#,
            "{\"level\":\"a\u{202e}b\u{9b}2J\"}",
            "{\"level\":\"Shape\",\"tenant\":[\n1,\r\n2]}",
            "[\n\u{7f}\u{feff}",
        ] {
            let message = rejection("d", source).to_string();
            assert!(!message.contains(char::is_control), "{message:?}");
            assert!(!message.contains(['\u{202e}', '\u{feff}']), "{message:?}");
        }
    }
}
