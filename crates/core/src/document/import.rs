//! What an operator hands in as a file: one document, an array, NDJSON, or the blob
//! `{"directives": [...]}` of osproxy.
//!
//! All of it is usable, or none: an error lists the entries that are wrong. What
//! `list` prints is not taken back as it is: it holds what the cluster stamped.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::draft::Draft;
use super::rejection::{Rejection, printable};

/// How many bytes of input are taken.
const MAX_BYTES: usize = 64 << 20;
/// How many entries are taken: as many as a proxy reads by default.
const MAX_ENTRIES: usize = 200_000;
/// How many problems are listed; the others are counted.
const MAX_PROBLEMS: usize = 20;

/// The drafts in an input, in its order.
///
/// # Errors
/// Every entry that is wrong, not only the first; then none is to be written.
pub fn parse_drafts(input: &[u8]) -> Result<Vec<Draft>, ImportError> {
    if input.len() > MAX_BYTES {
        return Err(ImportError::TooLarge);
    }
    let text = std::str::from_utf8(input).map_err(ImportError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = split(text)?;
    if entries.is_empty() {
        return Err(ImportError::Empty);
    }
    let mut problems = Problems::new(text);
    let mut ids = HashSet::new();
    let mut drafts: Vec<Draft> = Vec::with_capacity(entries.len());
    for (entry, source) in (1..).zip(entries) {
        match Draft::from_json(source.get()) {
            Err(rejection) => problems.add(entry, source, Problem::Wrong(rejection)),
            Ok(draft) => {
                if !ids.insert(draft.id.clone()) {
                    problems.add(entry, source, Problem::Repeated(draft.id.clone()));
                }
                drafts.push(draft);
            }
        }
    }
    if problems.count > 0 {
        return Err(ImportError::Entries {
            problems: problems.listed,
            count: problems.count,
        });
    }
    Ok(drafts)
}

/// The JSON of each entry.
fn split(text: &str) -> Result<Vec<&RawValue>, ImportError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Blob<'a> {
        #[serde(borrow)]
        directives: Entries<'a>,
    }

    if text.trim_start().starts_with('[') {
        let Entries(entries) = serde_json::from_str(text).map_err(ImportError::NotJson)?;
        return Ok(entries);
    }
    let entries: Vec<&RawValue> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .take(MAX_ENTRIES + 1)
        .collect::<Result<_, _>>()
        .map_err(ImportError::NotJson)?;
    if entries.len() > MAX_ENTRIES {
        return Err(ImportError::TooMany);
    }
    if let [only] = entries[..]
        && is_blob(only.get())
    {
        let Blob { directives } =
            serde_json::from_str(only.get()).map_err(ImportError::NotABlob)?;
        return Ok(directives.0);
    }
    Ok(entries)
}

/// Whether the JSON is an object with the key `directives`, which no document has.
fn is_blob(source: &str) -> bool {
    #[derive(Deserialize)]
    struct Peek {
        directives: Option<IgnoredAny>,
    }
    // With the key twice it is neither, and refused like a document.
    source.starts_with('{')
        && serde_json::from_str::<Peek>(source).is_ok_and(|peek| peek.directives.is_some())
}

/// The elements of an array, up to a number of them.
struct Entries<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of directives")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = seq.next_element()? {
                    if entries.len() == MAX_ENTRIES {
                        return Err(S::Error::custom(ImportError::TooMany));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_seq(Array)
    }
}

/// The entries that are wrong: the first ones, and how many.
struct Problems<'a> {
    text: &'a str,
    listed: Vec<ImportProblem>,
    count: usize,
}

impl<'a> Problems<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            listed: Vec::new(),
            count: 0,
        }
    }

    fn add(&mut self, entry: usize, source: &RawValue, problem: Problem) {
        self.count += 1;
        if self.listed.len() < MAX_PROBLEMS {
            let line = self.line(source);
            self.listed.push(ImportProblem {
                entry,
                line,
                problem,
            });
        }
    }

    /// The line on which an entry, which is a part of the text, begins.
    fn line(&self, entry: &RawValue) -> usize {
        let begin = entry
            .get()
            .as_ptr()
            .addr()
            .saturating_sub(self.text.as_ptr().addr());
        let newlines = self.text.bytes().take(begin).filter(|&byte| byte == b'\n');
        newlines.count() + 1
    }
}

/// One entry that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportProblem {
    /// Its place in the input, counted from one.
    entry: usize,
    /// The line on which it begins, counted from one.
    line: usize,
    problem: Problem,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Problem {
    Wrong(Rejection),
    Repeated(String),
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, entry {}", self.line, self.entry)?;
        match &self.problem {
            Problem::Wrong(rejection) if rejection.id.is_empty() => write!(f, ": {rejection}"),
            Problem::Wrong(rejection) => {
                write!(f, " ({}): {rejection}", printable(&rejection.id))
            }
            Problem::Repeated(id) => write!(
                f,
                " ({}): id: it is in the input twice; leave one out",
                printable(id)
            ),
        }
    }
}

/// Why an input cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It holds no entry.
    #[error(
        "the input holds no directive; write one document, an array, one document a line, \
         or {{\"directives\": [...]}}"
    )]
    Empty,
    /// It is larger than is taken.
    #[error("the input is larger than {MAX_BYTES} bytes; split it")]
    TooLarge,
    /// It holds more entries than are taken.
    #[error("the input holds more than {MAX_ENTRIES} entries; split it")]
    TooMany,
    /// It is not text.
    #[error("the input is not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// It is not JSON.
    #[error("the input is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It has the key `directives`, but not as in `{"directives": [...]}`.
    #[error("the input is not {{\"directives\": [...]}} with an array and no other key")]
    NotABlob(#[source] serde_json::Error),
    /// Entries that are wrong.
    #[error("{count} of the entries cannot be used{}", Lines(.problems, *.count))]
    Entries {
        /// The first of them.
        problems: Vec<ImportProblem>,
        /// How many there are.
        count: usize,
    },
}

struct Lines<'a>(&'a [ImportProblem], usize);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.0 {
            write!(f, "\n  {problem}")?;
        }
        match self.1 - self.0.len() {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
