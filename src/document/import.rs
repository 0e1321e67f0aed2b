//! What an operator hands in as a file: one document, an array, NDJSON, or the blob
//! `{"directives": [...]}` of osproxy.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::draft::Draft;
use super::rejection::Rejection;

/// How many bytes of input are taken.
const MAX_BYTES: usize = 64 << 20;
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
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    let entries = split(text)?;
    if entries.is_empty() {
        return Err(ImportError::Empty);
    }
    let mut problems = Problems::default();
    let mut ids = HashSet::new();
    let mut drafts: Vec<Draft> = Vec::with_capacity(entries.len());
    for (entry, source) in (1..).zip(entries) {
        match Draft::from_json(source.get()) {
            Err(rejection) => problems.add(entry, Problem::Wrong(rejection)),
            Ok(draft) => {
                if !ids.insert(draft.id.clone()) {
                    problems.add(entry, Problem::Repeated(draft.id.clone()));
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
        directives: Vec<&'a RawValue>,
    }

    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(ImportError::NotJson);
    }
    let entries: Vec<&RawValue> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(ImportError::NotJson)?;
    if let [only] = entries[..]
        && let Ok(blob) = serde_json::from_str::<Blob<'_>>(only.get())
    {
        return Ok(blob.directives);
    }
    Ok(entries)
}

#[derive(Default)]
struct Problems {
    listed: Vec<ImportProblem>,
    count: usize,
}

impl Problems {
    fn add(&mut self, entry: usize, problem: Problem) {
        self.count += 1;
        if self.listed.len() < MAX_PROBLEMS {
            self.listed.push(ImportProblem { entry, problem });
        }
    }
}

/// One entry that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportProblem {
    /// Its place in the input, counted from one.
    entry: usize,
    problem: Problem,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Problem {
    Wrong(Rejection),
    Repeated(String),
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}", self.entry)?;
        match &self.problem {
            Problem::Wrong(rejection) if rejection.id.is_empty() => write!(f, ": {rejection}"),
            Problem::Wrong(rejection) => write!(f, " ({}): {rejection}", rejection.id),
            Problem::Repeated(id) => {
                write!(f, " ({id}): id: it is in the input twice; leave one out")
            }
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
    /// It is not text.
    #[error("the input is not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// It is not JSON.
    #[error("the input is not JSON")]
    NotJson(#[source] serde_json::Error),
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
