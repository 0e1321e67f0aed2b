//! Entry points that the fuzz targets call. Each entry point parses untrusted input in the same way
//! as the command or its agent, and returns the result.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory as _;
use opensearch_directives::fleet::{Fleet, InstanceReport};

pub use super::agent::fuzzing::{Attributes, batch_body, evaluate_body, evaluate_headers, query};
pub use super::history::fuzzing::history_texts;
use super::{Cli, flags_before_verb, input, parse, status, wait};

/// The arguments of a command line after the flags were moved behind the verb, and the message of
/// the parser.
#[derive(Debug)]
pub struct ParsedArguments {
    /// The arguments in the order that the parser receives, with the flags behind the verb.
    pub moved: Vec<OsString>,
    /// The error message of the parser, or the text of `--help` or `--version`; `None` if the
    /// command line is valid.
    pub message: Option<String>,
}

/// Parses a command line, but does not run the command.
#[must_use]
pub fn command_line(arguments: Vec<OsString>) -> ParsedArguments {
    let moved = flags_before_verb::move_behind_verb(arguments, &Cli::command());
    let refused = parse(moved.clone(), None).err();
    ParsedArguments {
        moved,
        message: refused.map(|error| error.render().to_string()),
    }
}

/// Converts the content of a YAML file for `apply -f` to lines of JSON.
///
/// # Errors
/// Returns the error message if the content is not valid YAML.
pub fn yaml_file(text: &[u8]) -> Result<Vec<u8>, String> {
    input::from_yaml(Path::new("input.yaml"), text).map_err(|failure| failure.to_string())
}

/// Returns the texts that `directives status` and `directives wait` would print about a fleet.
#[must_use]
pub fn fleet_texts(fleet: &Fleet) -> Vec<String> {
    let reports: Vec<&InstanceReport> = fleet.reports.iter().collect();
    vec![status::table(fleet, &reports), wait::text_of(fleet.clone())]
}
