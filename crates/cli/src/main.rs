//! The `directives` command: arguments in, library calls, text out. It uses only the public
//! interface of the library.

#![forbid(unsafe_code)]
#![expect(
    clippy::doc_markdown,
    reason = "the docs of arguments are what --help prints"
)]

mod agent;
mod apply;
mod author;
mod confirm;
mod connection;
mod delete;
mod describe;
mod documents;
mod duration;
mod edit;
mod editor;
mod environment;
mod exit;
mod extend;
mod filters;
mod get;
mod guards;
mod init;
mod input;
mod instant;
mod list;
mod output;
mod probe;
mod revoke;
mod selection;
mod values;
mod write_args;
mod write_report;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use exit::{Exit, Failure};

/// Diagnostics directives in an OpenSearch index.
///
/// A directive makes proxies record more about a slice of traffic, for a while.
#[derive(Debug, Parser)]
#[command(name = "directives", version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the ingest pipeline, the index template and the index; can be repeated
    Init(init::InitArgs),
    /// Write directives, from flags or files
    Apply(Box<apply::ApplyArgs>),
    /// List directives
    List(list::ListArgs),
    /// Show directives
    Get(get::GetArgs),
    /// Let directives end later
    Extend(extend::ExtendArgs),
    /// Change fields of a directive, and keep all others
    Edit(Box<edit::EditArgs>),
    /// Revoke directives: they stay in the index and apply nowhere
    Revoke(revoke::RevokeArgs),
    /// Delete directives, and with them the record that they existed
    Delete(delete::DeleteArgs),
    /// Poll the index and serve its directives to proxies over HTTP
    Agent(Box<agent::AgentArgs>),
    /// Ask an agent whether it runs, or is ready: for health checks of containers
    Probe(probe::ProbeArgs),
}

fn main() -> ExitCode {
    run_command_line().into()
}

/// Parses and runs the command line, and reports an error on standard error.
fn run_command_line() -> Exit {
    let cli = match parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // To standard output for --help and --version.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::other(error).report(),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(exit) => exit,
        Err(failure) => failure.report(),
    }
}

fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// The command line with its environment variables.
fn command() -> clap::Command {
    environment::with_variables(Cli::command())
}

async fn run(command: Command) -> Result<Exit, Failure> {
    let done = |()| Exit::Success;
    match command {
        Command::Init(args) => init::run(args).await.map(done),
        Command::Apply(args) => apply::run(*args).await,
        Command::List(args) => list::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Extend(args) => extend::run(args).await,
        Command::Edit(args) => edit::run(*args).await,
        Command::Revoke(args) => revoke::run(args).await,
        Command::Delete(args) => delete::run(args).await,
        Command::Agent(args) => agent::run(*args).await.map(done),
        Command::Probe(args) => probe::run(args).await.map(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
