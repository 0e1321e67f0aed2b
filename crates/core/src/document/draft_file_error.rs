//! The error that explains why an import file is refused, and which of its entries are wrong.

use std::error::Error;
use std::fmt;

use serde_json::value::RawValue;

use super::rejection::{Rejection, printable};

/// The maximum size of an import file, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// The maximum number of entries in an import file. The maximum number of entries in an import file
/// equals the default number of documents that a proxy reads at most.
pub(super) const MAX_ENTRIES: usize = 200_000;
/// The maximum number of wrong entries that the error for an import file lists before it only
/// counts them.
const MAX_PROBLEMS: usize = 20;

/// The reason why an import file is refused.
#[derive(Debug)]
pub struct ImportError(Repr);

/// The kind of an [`ImportError`], which says why the import file is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ImportErrorKind {
    /// The import file does not contain any draft.
    Empty,
    /// The import file is larger than the maximum size.
    TooLarge,
    /// The import file has more entries than the maximum number.
    TooManyEntries,
    /// The import file is not valid UTF-8.
    NotUtf8,
    /// The import file is not valid JSON.
    NotJson,
    /// The import file is an object with the key `directives`, but does not have osproxy's format
    /// `{"directives":[...]}`.
    NotABlob,
    /// At least one entry of the import file is not a valid draft, or repeats the id of an earlier
    /// entry.
    WrongEntries,
}

#[derive(Debug)]
enum Repr {
    Bare(ImportErrorKind),
    Utf8(std::str::Utf8Error),
    Json(ImportErrorKind, serde_json::Error),
    Entries {
        problems: Vec<EntryProblem>,
        count: usize,
    },
}

impl ImportError {
    fn new(repr: Repr) -> Self {
        Self(repr)
    }

    pub(super) fn not_utf8(error: std::str::Utf8Error) -> Self {
        Self(Repr::Utf8(error))
    }

    pub(super) fn not_json(error: serde_json::Error) -> Self {
        Self(Repr::Json(ImportErrorKind::NotJson, error))
    }

    pub(super) fn not_a_blob(error: serde_json::Error) -> Self {
        Self(Repr::Json(ImportErrorKind::NotABlob, error))
    }

    /// Returns the kind of the error, so that a program can distinguish why the import file was
    /// refused.
    #[must_use]
    pub fn kind(&self) -> ImportErrorKind {
        match &self.0 {
            Repr::Bare(kind) | Repr::Json(kind, _) => *kind,
            Repr::Utf8(_) => ImportErrorKind::NotUtf8,
            Repr::Entries { .. } => ImportErrorKind::WrongEntries,
        }
    }
}

impl From<ImportErrorKind> for ImportError {
    fn from(kind: ImportErrorKind) -> Self {
        Self(Repr::Bare(kind))
    }
}

impl Error for ImportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Repr::Utf8(error) => Some(error),
            Repr::Json(_, error) => Some(error),
            Repr::Bare(_) | Repr::Entries { .. } => None,
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Repr::Entries { problems, count } = &self.0 {
            write!(f, "{count} of the entries cannot be used")?;
            for problem in problems {
                write!(f, "\n  {problem}")?;
            }
            return match count - problems.len() {
                0 => Ok(()),
                more => write!(f, "\n  and {more} more"),
            };
        }
        match self.kind() {
            ImportErrorKind::Empty => f.write_str(
                "the input contains no directive; write one document, an array, one document on \
                 each line, or {\"directives\": [...]}",
            ),
            ImportErrorKind::TooLarge => {
                write!(f, "the input has more than {MAX_BYTES} bytes; split it")
            }
            ImportErrorKind::TooManyEntries => {
                write!(f, "the input has more than {MAX_ENTRIES} entries; split it")
            }
            ImportErrorKind::NotUtf8 => f.write_str("the input is not UTF-8"),
            ImportErrorKind::NotABlob => f.write_str(
                "the input is not {\"directives\": [...]} with an array and no other key",
            ),
            ImportErrorKind::NotJson | ImportErrorKind::WrongEntries => {
                f.write_str("the input is not JSON")
            }
        }
    }
}

/// Says which entry of an import file is wrong, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
struct EntryProblem {
    /// The number of the wrong entry in the import file, counted from one.
    entry: usize,
    /// The number of the line on which the wrong entry begins, counted from one.
    line: usize,
    problem: Problem,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Problem {
    Wrong(Rejection),
    Repeated(String),
}

impl fmt::Display for EntryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, entry {}", self.line, self.entry)?;
        match &self.problem {
            Problem::Wrong(rejection) if rejection.id().is_empty() => write!(f, ": {rejection}"),
            Problem::Wrong(rejection) => {
                write!(f, " ({}): {rejection}", printable(rejection.id()))
            }
            Problem::Repeated(id) => write!(
                f,
                " ({}): id: the input contains this id twice; remove one of the entries",
                printable(id)
            ),
        }
    }
}

/// Collects the first wrong entries of an import file, and counts all wrong entries.
pub(super) struct Problems<'a> {
    text: &'a str,
    listed: Vec<EntryProblem>,
    count: usize,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            listed: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn add(&mut self, entry: usize, source: &RawValue, problem: Problem) {
        self.count += 1;
        if self.listed.len() < MAX_PROBLEMS {
            let line = self.line(source);
            self.listed.push(EntryProblem {
                entry,
                line,
                problem,
            });
        }
    }

    /// Returns the number of the line on which an entry of the import file begins. The entry must
    /// be a slice of `self.text`, because the method compares their addresses.
    fn line(&self, entry: &RawValue) -> usize {
        let begin = entry
            .get()
            .as_ptr()
            .addr()
            .saturating_sub(self.text.as_ptr().addr());
        let newlines = self.text.bytes().take(begin).filter(|&byte| byte == b'\n');
        newlines.count() + 1
    }

    pub(super) fn into_result(self) -> Result<(), ImportError> {
        if self.count == 0 {
            return Ok(());
        }
        Err(ImportError::new(Repr::Entries {
            problems: self.listed,
            count: self.count,
        }))
    }
}
