//! The command `directives`: parses the command line, runs the subcommand, and maps the result to
//! an exit code. The command uses only the public interface of the library `opensearch-directives`.
//!
//! This package has a library so that both the binary `directives` and the fuzz targets can call
//! its code. Other programs must not use this library, because it can change incompatibly in every
//! release.

#![forbid(unsafe_code)]
#![expect(
    clippy::doc_markdown,
    reason = "the docs of arguments are what --help prints"
)]

mod agent;
mod agent_client;
mod apply;
mod apply_prune;
mod author;
mod bounded_file;
mod completion_and_man;
mod completion_candidates;
mod confirm;
mod connection;
mod context;
mod context_file;
mod covered_by_another;
mod credential_command;
mod csv;
mod dashboards_address;
mod delete;
mod diff;
mod directive_table;
mod directive_text;
mod doctor;
mod duration;
mod edit;
mod editor;
mod environment;
mod error_text;
mod exit;
mod explain;
mod explain_source;
mod extend;
mod field_filters;
mod fitted_table;
mod flag_values;
mod flags_before_verb;
mod fleet_progress;
#[doc(hidden)]
pub mod fuzzing;
mod get;
mod history;
mod hits;
mod hits_of_fleet;
mod init;
mod init_report;
mod input;
mod instant;
mod keygen;
mod list;
mod output;
mod output_formats;
mod probe;
mod prune;
mod recording_warnings;
mod report_wording;
mod revoke;
mod risky_writes;
mod selection;
mod short_help;
mod sign_args;
mod sign_stored;
mod signature_args;
mod status;
mod ttl_limits;
mod validate;
mod verify;
mod wait;
mod watch_flag;
mod write_args;
mod write_report;
mod write_result;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use context_file::Selected;
use exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  directives apply slow-acme --level ShapeTiming --tenant acme --reason INC-1
  directives list
  directives extend slow-acme --by 15m
  directives revoke slow-acme

`directives VERB -h` shows the flags of a verb with examples, and `directives VERB --help` all of
them. `directives --help` lists the environment variables and the exit codes.";

/// Diagnostics directives in an OpenSearch index.
///
/// A directive makes proxies record more about a part of the traffic, for a limited time.
#[derive(Debug, Parser)]
#[command(
    name = "directives",
    version,
    after_help = EXAMPLES,
    after_long_help = exit::HELP,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the ingest pipeline, the index template and the index; repeating it is safe
    Init(init::InitArgs),
    /// Create or replace directives, from flags or from files
    Apply(Box<apply::ApplyArgs>),
    /// List directives
    List(list::ListArgs),
    /// Show all fields of directives
    Get(get::GetArgs),
    /// Move the end of directives to a later time
    Extend(extend::ExtendArgs),
    /// Change single fields of a directive; the other fields stay as they are
    Edit(Box<edit::EditArgs>),
    /// End directives at once; their documents stay in the index as a record
    Revoke(revoke::RevokeArgs),
    /// Create the key with which a person signs directives
    Keygen(keygen::KeygenArgs),
    /// Add a signature to stored directives
    Sign(sign_stored::SignStoredArgs),
    /// Show who signed directives, and which ones a proxy with these keys would reject
    Verify(verify::VerifyArgs),
    /// Remove the documents of directives; no record of them stays
    Delete(delete::DeleteArgs),
    /// Delete directives that ended long ago
    Prune(prune::PruneArgs),
    /// Show what applying files would change
    Diff(diff::DiffArgs),
    /// Validate files; no cluster is needed
    Validate(validate::ValidateArgs),
    /// Show the decision for a request, and the reason why each directive applies or does not
    Explain(explain::ExplainArgs),
    /// Show how many requests each directive matched in an agent
    Hits(hits::HitsArgs),
    /// Show what was done to directives, which ones applied at an instant, and whether the record
    /// of it is complete
    History(Box<history::HistoryArgs>),
    /// Check the cluster, the installation and the documents
    Doctor(doctor::DoctorArgs),
    /// Show which instances apply every operation on the index
    Status(status::StatusArgs),
    /// Wait until the instances apply every operation on the index
    Wait(wait::WaitArgs),
    /// Store the addresses of clusters under names, and select the current cluster
    Context(context::ContextArgs),
    /// Print the script that completes commands and flags in a shell
    Completion(completion_and_man::CompletionArgs),
    /// Write the manual pages
    Man(completion_and_man::ManArgs),
    /// Poll the index and serve its directives to proxies over HTTP
    Agent(Box<agent::AgentArgs>),
    /// Poll the index and record the operations on it in its history, without serving directives
    Record(agent::RecordArgs),
    /// Check the health or the readiness of an agent, for example from a container
    Probe(probe::ProbeArgs),
}

/// Runs the subcommand that the process's arguments name, and returns the exit code. If a shell has
/// started the process to complete a command line, prints the completion candidates instead.
#[must_use]
pub fn main() -> ExitCode {
    match completion_candidates::complete_if_requested() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => run_command_line().into(),
        Err(error) => error.exit(),
    }
}

/// Parses the command line, runs the subcommand, and returns the exit code. If parsing or the
/// subcommand fails, prints the error to standard error.
fn run_command_line() -> Exit {
    let args = flags_before_verb::move_behind_verb(std::env::args_os().collect(), &Cli::command());
    let context = match context_file::select(&args) {
        Ok(context) => context,
        Err(failure) => return failure.report(),
    };
    let cli = match parse(args, context.as_ref()) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints the texts of `--help` and `--version` to standard output, and errors to
            // standard error.
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

fn parse(args: Vec<OsString>, context: Option<&Selected>) -> Result<Cli, clap::Error> {
    let mut command = command(context);
    let verb = args.get(1).cloned();
    let matches = command
        .try_get_matches_from_mut(args)
        .map_err(|error| with_whole_usage(error, &mut command, verb))?;
    let verb = matches.subcommand().map(|(_, verb)| verb);
    let verbose = verb.and_then(|verb| verb.try_get_one("verbose").ok().flatten());
    // The agent and the recorder do not have the flag `--verbose`. Errors of the agent and the
    // recorder always contain all details, because these errors go to a log.
    error_text::set_verbose(verbose != Some(&false));
    Cli::from_arg_matches(&matches)
}

/// Replaces the usage line of a parser's error by the usage line in the verb's help text. The usage
/// line that clap generates also contains flags that environment variables set, as if the user had
/// to type these flags.
fn with_whole_usage(
    mut error: clap::Error,
    command: &mut clap::Command,
    verb: Option<OsString>,
) -> clap::Error {
    let verb = verb.and_then(|verb| command.find_subcommand_mut(verb));
    if let Some(verb) = verb.filter(|verb| !verb.has_subcommands())
        && error.get(ContextKind::Usage).is_some()
    {
        let usage = ContextValue::StyledStr(verb.render_usage());
        error.insert(ContextKind::Usage, usage);
    }
    error
}

/// Builds the parser of the command line, with the environment variables that can set flags. The
/// values in the given context become the defaults of the flags.
fn command(context: Option<&Selected>) -> clap::Command {
    let command = history::with_flags_for_all_verbs(Cli::command());
    short_help::with_fewer_flags(environment::with_variables(command, context))
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
        Command::Keygen(args) => keygen::run(&args).map(done),
        Command::Sign(args) => sign_stored::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Delete(args) => delete::run(args).await,
        Command::Prune(args) => prune::run(args).await,
        Command::Diff(args) => diff::run(args).await,
        Command::Validate(args) => validate::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Hits(args) => hits::run(args).await,
        Command::History(args) => history::run(*args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Wait(args) => wait::run(args).await,
        Command::Context(args) => context::run(args).map(done),
        Command::Completion(args) => completion_and_man::run(&args).map(done),
        Command::Man(args) => completion_and_man::man(&args).map(done),
        Command::Agent(args) => agent::run(*args).await.map(done),
        Command::Record(args) => agent::record(args).await.map(done),
        Command::Probe(args) => probe::run(args).await.map(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command(None).debug_assert();
    }
}
