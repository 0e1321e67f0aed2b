//! Entry points for the fuzz targets. Each entry point parses untrusted input as the command or its
//! agent does, and returns the parsed values.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory as _;
use opensearch_directives::fleet::{Fleet, InstanceReport};

pub use super::agent::fuzzing::{Attributes, batch_body, evaluate_body, evaluate_headers, query};
pub use super::history::fuzzing::history_texts;
use super::{Cli, flags_before_verb, input, parse, status, wait};

/// A command line whose flags were moved behind the verb, and the parser's message about the
/// command line.
#[derive(Debug)]
pub struct ParsedArguments {
    /// The arguments in their new order.
    pub moved: Vec<OsString>,
    /// The error message if the parser refused the command line, or the text of `--help` or
    /// `--version`.
    pub message: Option<String>,
}

/// Parses a command line without running it.
#[must_use]
pub fn command_line(arguments: Vec<OsString>) -> ParsedArguments {
    let moved = flags_before_verb::move_behind_verb(arguments, &Cli::command());
    let refused = parse(moved.clone(), None).err();
    ParsedArguments {
        moved,
        message: refused.map(|error| error.render().to_string()),
    }
}

/// Converts a YAML file for `apply -f` to lines of JSON.
///
/// # Errors
/// Returns the error message if the text is not YAML.
pub fn yaml_file(text: &[u8]) -> Result<Vec<u8>, String> {
    input::from_yaml(Path::new("input.yaml"), text).map_err(|failure| failure.to_string())
}

/// Returns each text that `status` and `wait` would print about a fleet.
#[must_use]
pub fn fleet_texts(fleet: &Fleet) -> Vec<String> {
    let reports: Vec<&InstanceReport> = fleet.reports.iter().collect();
    vec![status::table(fleet, &reports), wait::text_of(fleet.clone())]
}
