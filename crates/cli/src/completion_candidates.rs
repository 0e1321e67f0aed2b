//! Prints the candidates with which a shell completes a command line: ids of directives, contexts,
//! levels, endpoints and fields.
//!
//! The shell's completion script runs the binary `directives` to get the candidates. The completion
//! script passes the name of the shell in the environment variable [`VARIABLE`], and the typed
//! words as arguments.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, FromArgMatches as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use opensearch_directives::admin::{Client, DirectivesApi, Stored};
use opensearch_directives::history::RecordKind;
use opensearch_directives::{Clock as _, DiagLevel, EndpointKind, SystemClock};

use super::connection::ConnectionArgs;
use super::context_file::{self, Contexts};
use super::directive_text::printable;
use super::edit;
use super::field_filters::State;
use super::flags_before_verb::move_behind_verb;

/// The environment variable with which the shell's completion script requests candidates.
pub(super) const VARIABLE: &str = "DIRECTIVES_COMPLETE";

/// The time limit of a request to the cluster for completion candidates. The limit is short,
/// because the user waits for the candidates at the prompt.
const TIMEOUT: Duration = Duration::from_secs(2);

/// If a shell has started this process to complete a command line, prints the candidates and
/// returns true; if not, returns false.
pub(super) fn complete_if_requested() -> Result<bool, clap::Error> {
    let own = std::env::args_os().take_while(|arg| arg != "--");
    let words = reordered_words();
    let args = own.chain(std::iter::once("--".into())).chain(words);
    CompleteEnv::with_factory(|| with_candidates(super::command(None)))
        .var(VARIABLE)
        .try_complete(args, std::env::current_dir().ok().as_deref())
}

/// Returns the words that the user has typed so far, with the flags moved behind the verb.
fn reordered_words() -> Vec<OsString> {
    let words = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
    let words: Vec<OsString> = words.collect();
    let command = super::command(None);
    let moved = move_behind_verb(words.clone(), &command);
    // While the user still types the verb, the function moves no words, because the shell completes
    // the word at the cursor.
    match moved.get(1).and_then(|verb| verb.to_str()) {
        Some(verb) if command.find_subcommand(verb).is_some() => moved,
        Some(_) | None => words,
    }
}

fn with_candidates(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        let is_context = verb.get_name() == "context";
        let verb = verb.mut_args(with_values);
        if is_context {
            return verb.mut_subcommands(|verb| match verb.get_name() {
                "set" => verb,
                _ => verb.mut_args(|arg| with(arg, contexts)),
            });
        }
        verb
    })
}

fn with_values(arg: Arg) -> Arg {
    match (arg.get_id().as_str(), arg.is_positional()) {
        ("id", true) => with(arg, ids),
        ("context", false) => with(arg, contexts),
        ("level", false) => with(arg, || names(DiagLevel::ALL, DiagLevel::as_str)),
        ("endpoint", false) => with(arg, || names(EndpointKind::ALL, EndpointKind::as_str)),
        ("kind", false) => with(arg, || names(&RecordKind::ALL, RecordKind::as_str)),
        ("unset", false) => with(arg, || edit::FIELDS.map(CompletionCandidate::new).into()),
        _ => arg,
    }
}

fn with(arg: Arg, candidates: fn() -> Vec<CompletionCandidate>) -> Arg {
    arg.add(ArgValueCandidates::new(candidates))
}

fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<CompletionCandidate> {
    let names = all.iter().copied().map(name);
    names.map(CompletionCandidate::new).collect()
}

fn contexts() -> Vec<CompletionCandidate> {
    let contexts = Contexts::read().unwrap_or_default().contexts;
    contexts.into_keys().map(CompletionCandidate::new).collect()
}

/// Returns the ids of all directives in the index, as completion candidates. If the cluster does
/// not respond in time, returns no ids, because an error message would disturb the user at the
/// prompt.
fn ids() -> Vec<CompletionCandidate> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return Vec::new();
    };
    let stored = runtime.block_on(async { tokio::time::timeout(TIMEOUT, stored()).await });
    let now = SystemClock.now();
    let candidate = |stored: &Stored| {
        let state = State::of(stored, now).as_str();
        CompletionCandidate::new(printable(&stored.id)).help(Some(state.into()))
    };
    match stored {
        Ok(Some(stored)) => stored.iter().map(candidate).collect(),
        Ok(None) | Err(_) => Vec::new(),
    }
}

async fn stored() -> Option<Vec<Stored>> {
    let words = reordered_words();
    let context = context_file::select(&words).ok()?;
    let command = super::command(context.as_ref()).ignore_errors(true);
    let matches = command.try_get_matches_from(words).ok()?;
    let (_, verb): (&str, &ArgMatches) = matches.subcommand()?;
    let connection = ConnectionArgs::from_arg_matches(verb).ok()?;
    let client = Client::new(&connection.cluster(TIMEOUT).await.ok()?).ok()?;
    DirectivesApi::new(client).list().await.ok()
}
