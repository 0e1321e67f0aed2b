//! Prints the results of a command to standard output, and notes to standard error.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Args, ValueEnum};
use opensearch_directives::internal::is_invisible;
use serde_json::Value;

use super::exit::Failure;

/// The formats of `get` and `list`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// A table of the most important fields
    Table,
    /// A table with more columns
    Wide,
    /// The ids, one per line
    Name,
    /// An array of documents, or one document for `get` with one id; `apply -f` can read it
    Json,
    /// YAML documents; `apply -f` can read them
    Yaml,
    /// Comma-separated values with a header
    Csv,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct OutputArgs {
    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Format,
}

/// The formats of a report, such as the report of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum ReportFormat {
    /// Lines of text
    Text,
    /// One JSON object
    Json,
}

impl ReportFormat {
    pub(super) fn is_json(self) -> bool {
        self == Self::Json
    }
}

/// Prints a line of text to standard output. The colours in the text are removed if standard output
/// is not a terminal or if `NO_COLOR` is set.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// Prints a JSON value to standard output. Control characters and invisible characters in the JSON
/// are escaped, because other people may have written the strings. A JSON parser that reads the
/// output restores the original strings.
pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&escaped_json(value))
}

/// Formats a JSON value with indentation, and escapes control characters and invisible characters.
fn escaped_json(value: &Value) -> String {
    escape(&format!("{value:#}"), |escaped, char| {
        for unit in char.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    })
}

/// Formats a value as YAML, and escapes control characters and invisible characters.
pub(super) fn escaped_yaml(value: &Value) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(value).map_err(Failure::other)?;
    if !text.contains(is_unsafe) {
        return Ok(text);
    }
    // YAML has no escape sequences in plain scalars, that is, in strings without quotes. The value
    // is therefore formatted as JSON with the escape sequences of YAML, which is valid YAML.
    Ok(escape(&format!("{value:#}"), |escaped, char| {
        let _ = write!(escaped, "\\U{:08x}", u32::from(char));
    }))
}

fn is_unsafe(char: char) -> bool {
    char != '\n' && is_invisible(char)
}

/// Replaces unsafe characters in the text of a JSON value. Unsafe characters occur only inside the
/// strings of the JSON text. Line feeds between the lines of the JSON text are safe, and line feeds
/// in a string are already escaped.
fn escape(text: &str, replacement: impl Fn(&mut String, char)) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe(char) {
            replacement(&mut escaped, char);
        } else {
            escaped.push(char);
        }
    }
    escaped
}

/// Prints the first ten warnings to standard error, and then the number of omitted warnings.
pub(super) fn warn(warnings: &[String]) {
    const SHOWN: usize = 10;
    for warning in warnings.iter().take(SHOWN) {
        note(&format!("warning: {warning}"));
    }
    if warnings.len() > SHOWN {
        note(&format!("and {} more warnings", warnings.len() - SHOWN));
    }
}

/// Prints a note to standard error, where it does not mix with the results of the command.
pub(super) fn note(text: &str) {
    // If writing to standard error fails, the error is ignored and the user does not see the note.
    let _ = writeln!(anstream::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_yaml_cannot_control_the_terminal_and_lose_nothing() {
        for text in [
            "\u{1b}[2J\u{9b}2J\u{7f}\r\n\t",
            "\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}",
            "\u{e0041}",
            "- a: \u{9b}",
            "é\\\"#",
        ] {
            let value = json!({ "reason": text, text: [text, 1] });
            for (json, shown) in [
                (true, escaped_json(&value)),
                (false, escaped_yaml(&value).unwrap()),
            ] {
                assert!(!shown.contains(is_unsafe), "{shown:?}");
                let read: Value = if json {
                    serde_json::from_str(&shown).unwrap()
                } else {
                    serde_saphyr::from_str(&shown).unwrap()
                };
                assert_eq!(read, value, "{shown}");
            }
        }
    }
}
