//! The `directives` command: arguments in, library calls, text out. It uses only the public
//! interface of the library.

#![forbid(unsafe_code)]
#![expect(
    clippy::doc_markdown,
    reason = "the docs of arguments are what --help prints"
)]

mod agent;
mod apply;
mod connection;
mod duration;
mod exit;
mod init;
mod list;
mod output;
mod probe;
mod revoke;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use exit::{Exit, Failure};

/// Diagnostics directives that live in an OpenSearch index.
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
    /// Install the ingest pipeline, the index template and the index; twice is fine
    Init(init::InitArgs),
    /// Write directives; one of the same id is replaced whole
    Apply(Box<apply::ApplyArgs>),
    /// List directives
    List(list::ListArgs),
    /// Show one directive
    Get(list::GetArgs),
    /// Revoke directives: they stay in the index and apply nowhere
    Revoke(revoke::RevokeArgs),
    /// Delete directives, and with them whatever shows that they were
    Delete(revoke::DeleteArgs),
    /// Poll the index and serve what a proxy sees over HTTP
    Agent(Box<agent::AgentArgs>),
    /// Ask an agent whether it runs, or is ready: for health checks of containers
    Probe(probe::ProbeArgs),
}

fn main() -> ExitCode {
    run_command_line().into()
}

/// Parses, runs, and says what went wrong on standard error.
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
        Ok(()) => Exit::Success,
        Err(failure) => failure.report(),
    }
}

fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// The command line, with an environment variable for each long flag.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|subcommand| {
        subcommand.mut_args(|arg| match arg.get_long() {
            Some(long) if !matches!(long, "help" | "version") => {
                let variable = variable(long);
                // A value may contain a secret: the help does not print it.
                arg.env(variable).hide_env_values(true)
            }
            _ => arg,
        })
    })
}

/// The variable of a flag: `DIRECTIVES_` and the flag's name.
fn variable(long: &str) -> String {
    let name = match long {
        "directives-index" => "index",
        // The one that is targeted, not the one that holds the directives.
        "index" => "match-index",
        other => other,
    };
    format!("DIRECTIVES_{}", name.replace('-', "_").to_uppercase())
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(args) => init::run(args).await,
        Command::Apply(args) => apply::run(*args).await,
        Command::List(args) => list::run(args).await,
        Command::Get(args) => list::get(args).await,
        Command::Revoke(args) => revoke::run(args).await,
        Command::Delete(args) => revoke::delete(args).await,
        Command::Agent(args) => agent::run(*args).await,
        Command::Probe(args) => probe::run(args).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_and_none_takes_a_secret() {
        for subcommand in command().get_subcommands() {
            let mut variables = std::collections::HashSet::new();
            for arg in subcommand.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                if matches!(long, "help" | "version") {
                    continue;
                }
                let variable = arg.get_env().and_then(std::ffi::OsStr::to_str);
                let variable = variable.unwrap_or_default().to_owned();
                assert!(variable.starts_with("DIRECTIVES_"), "--{long}");
                assert!(variables.insert(variable), "--{long}");
                for secret in ["password", "token", "key"] {
                    assert!(!long.ends_with(secret), "--{long}");
                }
            }
        }
    }
}
