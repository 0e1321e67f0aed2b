//! Parses an import file, which contains drafts in one of four formats: one document, an array,
//! NDJSON, or osproxy's object `{"directives":[...]}`.
//!
//! If one entry of an import file is invalid, the parser refuses the whole file. The error for a
//! refused import file lists up to 20 wrong entries.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::draft::Draft;
use super::draft_file_error::{
    ImportError, ImportErrorKind as Kind, MAX_BYTES, MAX_ENTRIES, Problem, Problems,
};

/// Parses the drafts of an import file, and returns them in the order of the file.
///
/// # Errors
/// Returns an [`ImportError`] that lists up to 20 wrong entries of the file.
pub fn parse_drafts(input: &[u8]) -> Result<Vec<Draft>, ImportError> {
    if input.len() > MAX_BYTES {
        return Err(Kind::TooLarge.into());
    }
    let text = std::str::from_utf8(input).map_err(ImportError::not_utf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = split(text)?;
    if entries.is_empty() {
        return Err(Kind::Empty.into());
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
    problems.into_result()?;
    Ok(drafts)
}

/// Splits an import file into the JSON of each draft.
fn split(text: &str) -> Result<Vec<&RawValue>, ImportError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Blob<'a> {
        #[serde(borrow)]
        directives: Entries<'a>,
    }

    if text.trim_start().starts_with('[') {
        let Entries(entries) = serde_json::from_str(text).map_err(ImportError::not_json)?;
        return Ok(entries);
    }
    let entries: Vec<&RawValue> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .take(MAX_ENTRIES + 1)
        .collect::<Result<_, _>>()
        .map_err(ImportError::not_json)?;
    if entries.len() > MAX_ENTRIES {
        return Err(Kind::TooManyEntries.into());
    }
    if let [only] = entries[..]
        && is_blob(only.get())
    {
        let Blob { directives } =
            serde_json::from_str(only.get()).map_err(ImportError::not_a_blob)?;
        return Ok(directives.0);
    }
    Ok(entries)
}

/// Returns true if the JSON is a blob: a list of directives in osproxy's format, that is, an object
/// with the key `directives`. A blob cannot be confused with a draft, because no draft has a field
/// `directives`.
fn is_blob(source: &str) -> bool {
    #[derive(Deserialize)]
    struct Peek {
        directives: Option<IgnoredAny>,
    }
    // An object with two keys `directives` does not count as a blob, so the parser later refuses it
    // as an invalid draft.
    source.starts_with('{')
        && serde_json::from_str::<Peek>(source).is_ok_and(|peek| peek.directives.is_some())
}

/// The JSON of each entry of an array in the import file. The parser refuses an array with more
/// than `MAX_ENTRIES` entries.
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
                        return Err(S::Error::custom(ImportError::from(Kind::TooManyEntries)));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_seq(Array)
    }
}
