//! Prints results to standard output, and notes to standard error.

use std::io::Write as _;

use clap::{Args, ValueEnum};

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

/// Prints a line. Colours are removed if the output is not a terminal or if NO_COLOR is set.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// Prints the first warnings to standard error, and the number of the warnings that are not shown.
pub(super) fn warn(warnings: &[String]) {
    const SHOWN: usize = 10;
    for warning in warnings.iter().take(SHOWN) {
        note(&format!("warning: {warning}"));
    }
    if warnings.len() > SHOWN {
        note(&format!("and {} more warnings", warnings.len() - SHOWN));
    }
}

/// Prints a note to standard error.
pub(super) fn note(text: &str) {
    // If the process cannot write to standard error, the note is lost.
    let _ = writeln!(anstream::stderr(), "{text}");
}
