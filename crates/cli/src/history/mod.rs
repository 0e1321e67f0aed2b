//! `directives history`: shows the operations on directives, the directives that applied at an
//! instant, and whether the history is complete.

mod applying;
mod at;
mod audit_log_check;
pub(super) mod fuzzing;
mod gap_text;
mod past_instances;
mod past_instant;
mod records;
mod statement;
mod verified_authors;
mod verify;

use clap::{Args, Command, Subcommand, ValueEnum};
use opensearch_directives::EndpointKind;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::history::{History, RecordFilter, RecordKind, UnreadableRecord};
use opensearch_directives::{Clock as _, SystemClock};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::exit::{Exit, Failure};
use super::flag_values;
use super::output::{print, warn};
use audit_log_check::AuditLogArgs;
use past_instant::PastInstant;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives history slow-acme
  directives history --by alice --since 7d
  directives history --at 2030-01-31T14:03Z --tenant acme
  directives history --at 2030-01-31T14:03Z --tenant acme --index orders --principal checkout \\
    --endpoint Search
  directives history verify

The history of a directive whose id is verify is shown by `directives history -- verify`.")]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    verb: Option<HistoryVerb>,

    /// Only operations on the directives with these ids [default: all]
    id: Vec<String>,

    /// Only operations by this person: as the writer claimed, or as the cluster authenticated
    #[arg(long, value_name = "NAME")]
    by: Option<String>,

    /// Only operations on directives with this ticket
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,

    /// Only operations at or after this time: 2030-01-31T14:03Z, or a duration such as 7d, which
    /// counts back from now
    #[arg(long, value_name = "TIME")]
    since: Option<PastInstant>,

    /// Only operations before this time
    #[arg(long, value_name = "TIME")]
    until: Option<PastInstant>,

    /// Only operations of this kind, such as widened or deleted; separate several by commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kind: Vec<RecordKind>,

    /// Only directives that match requests of this tenant. A directive that targets no tenant
    /// matches all of them
    #[arg(long)]
    tenant: Option<String>,

    /// Show which directives applied at this time, who wrote them, and how they ended
    #[arg(long, value_name = "TIME", conflicts_with_all = ["by", "ticket", "since", "until", "kind"])]
    at: Option<PastInstant>,

    #[command(flatten)]
    audit_log: AuditLogArgs,

    #[command(flatten)]
    request: RequestArgs,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: HistoryFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

impl HistoryArgs {
    /// Returns true if a flag or an id on the command line selects operations or an instant.
    fn selects_operations(&self) -> bool {
        let times = [self.at, self.since, self.until];
        let texts = [&self.by, &self.ticket, &self.tenant];
        !self.id.is_empty()
            || !self.kind.is_empty()
            || times.iter().any(Option::is_some)
            || texts.iter().any(|text| text.is_some())
    }
}

/// The request that `--at` evaluates.
#[derive(Debug, Args)]
struct RequestArgs {
    /// The index of the request
    #[arg(long, requires = "at")]
    index: Option<String>,

    /// The principal of the request
    #[arg(long, requires = "at")]
    principal: Option<String>,

    /// The class of endpoints of the request, such as Search
    #[arg(long, requires = "at", value_parser = flag_values::endpoint)]
    endpoint: Option<EndpointKind>,

    /// The id of the request, which decides whether a sample contains it; without this flag, only
    /// a sample of 100% contains the request
    #[arg(long, requires = "at", value_name = "ID", default_value = "")]
    request_id: String,
}

/// The output formats of `history`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum HistoryFormat {
    /// A table, or a report
    Table,
    /// JSON
    Json,
    /// Comma-separated values with a header
    Csv,
}

#[derive(Debug, Subcommand)]
enum HistoryVerb {
    /// Account for every operation on the index, and check that the history is intact
    Verify(verify::VerifyArgs),
}

pub(super) async fn run(args: HistoryArgs) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let client = args.connection.client(args.timeout).await?;
    let api = DirectivesApi::new(client.clone());
    let history = History::new(client);
    if let Some(HistoryVerb::Verify(verify)) = &args.verb {
        if args.selects_operations() {
            let problem = "`history verify` accounts for every operation, so it takes no filter";
            return Err(Failure::usage(problem));
        }
        return verify::run(&history, verify, &args.audit_log, args.output).await;
    }
    if let Some(at) = args.at {
        let instant = at.resolve(now).map_err(Failure::usage)?;
        let question = at::Question {
            ids: &args.id,
            tenant: args.tenant.as_deref(),
            request: &args.request,
        };
        let sources = at::Sources {
            history: &history,
            api: &api,
            audit_log: &args.audit_log,
        };
        return at::run(&sources, instant, &question, args.output).await;
    }
    let resolve = |time: Option<PastInstant>| time.map(|time| time.resolve(now)).transpose();
    let mut filter = RecordFilter::default();
    filter.since = resolve(args.since).map_err(Failure::usage)?;
    filter.until = resolve(args.until).map_err(Failure::usage)?;
    filter.directives = args.id;
    filter.by = args.by;
    filter.ticket = args.ticket;
    filter.kinds = args.kind;
    filter.tenant = args.tenant;
    records::run(&history, &filter, &args.audit_log, args.output).await
}

/// Prints a warning for each record of the history that cannot be decoded.
fn warn_of_unreadable(stream: &str, unreadable: &[UnreadableRecord]) {
    let warnings = unreadable.iter().map(|one| warning(stream, one));
    warn(&warnings.collect::<Vec<_>>());
}

fn warning(stream: &str, unreadable: &UnreadableRecord) -> String {
    let UnreadableRecord { id, problem, .. } = unreadable;
    format!(
        "the record {id} of {stream} is not readable: {problem}; a later version appended it, or it \
         is forged"
    )
}

/// Prints the lines of a report about the history. Characters that control a terminal are replaced,
/// because other people may have written the ids, names and uuids in these lines.
fn print_report(lines: &[String]) -> Result<(), Failure> {
    print(&printed(lines))
}

fn printed(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}

/// Lets the user write the flags for the connection, the audit log and the output either directly
/// behind `history` or behind its verb.
pub(super) fn with_flags_for_all_verbs(command: Command) -> Command {
    let shared = TimeoutArgs::augment_args(ConnectionArgs::augment_args(Command::new("shared")));
    let shared = AuditLogArgs::augment_args(shared);
    let names: Vec<clap::Id> = shared
        .get_arguments()
        .map(|arg| arg.get_id().clone())
        .collect();
    command.mut_subcommand("history", |history| {
        history.mut_args(|arg| {
            let is_shared = arg.get_id() == "output" || names.contains(arg.get_id());
            arg.global(is_shared)
        })
    })
}

fn kind(text: &str) -> Result<RecordKind, String> {
    let kind: Result<RecordKind, _> = text.to_lowercase().parse();
    kind.map_err(|error| error.to_string())
}
