//! Prints results to standard output and notes to standard error, and survives a closed pipe.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use super::exit::Failure;

/// The formats of `get` and `list`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// Columns for people
    Table,
    /// More columns
    Wide,
    /// The ids, one a line
    Name,
    /// An array of documents (get of one id: the document); `apply -f` reads it
    Json,
    /// The same as YAML
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

/// The formats of a report: of a verb that writes, or that checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum ReportFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

impl ReportFormat {
    pub(super) fn is_json(self) -> bool {
        self == Self::Json
    }
}

/// Prints a line. Colours are stripped where there is no terminal or NO_COLOR is set. An
/// early end of the reader is not an error of ours.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// Prints a note for people on standard error.
pub(super) fn note(text: &str) {
    // A failure to write to standard error cannot be reported anywhere.
    let _ = writeln!(anstream::stderr(), "{text}");
}
