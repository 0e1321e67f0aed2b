//! `directives list`: prints one line for each directive that passes the filters.

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use opensearch_directives::DiagnosticsDirective;
use opensearch_directives::admin::{DirectivesApi, Stored, Version};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::duration::relative;
use super::exit::{Exit, Failure};
use super::field_filters::{FilterArgs, State};
use super::output::{Format, OutputArgs, note, print};
use super::output_formats::print_all;
use super::watch_flag::watch;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives list --state active
  directives list --matches tenant=acme --ending-within 1h
  directives list -o yaml > directives.yaml")]
pub(super) struct ListArgs {
    #[command(flatten)]
    filters: FilterArgs,

    /// Order of the list; `state` lists active directives first, and those that end soonest first
    /// within each state
    #[arg(long, value_name = "KEY", default_value = "state")]
    sort: SortKey,

    /// Keep running, and print the list again when it changes
    #[arg(short, long)]
    watch: bool,

    /// Print at most this number of directives
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum SortKey {
    State,
    Id,
    Expires,
    Updated,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit, Failure> {
    let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
    if args.watch {
        let read = async || select(&api, &args).await;
        let show = |listing: &Listing| listing.print_with_next(args.output.output);
        return watch(read, Listing::states, show).await;
    }
    let listing = select(&api, &args).await?;
    print_all(&listing.shown, args.output.output, listing.now)?;
    if listing.more > 0 {
        note(&format!("{} more (--limit)", listing.more));
    }
    Ok(Exit::Success)
}

/// The directives that one read of the index returned and that passed the filters and `--limit`.
struct Listing {
    shown: Vec<Stored>,
    /// The number of directives that the list does not show because of `--limit`.
    more: usize,
    /// A text that names the next directive to start and the next directive to end.
    next: Option<String>,
    /// The cluster's time when the command read the index.
    now: Timestamp,
}

impl Listing {
    /// Returns the id, the version and the state of each directive in the list. `--watch` compares
    /// the versions and states to detect a change of the list; relative times would differ at every
    /// read.
    fn states(&self) -> Vec<(String, Option<Version>, State)> {
        let state = |stored: &Stored| {
            let state = State::of(stored, self.now);
            (stored.id.clone(), stored.version, state)
        };
        self.shown.iter().map(state).collect()
    }

    /// Prints the directives, and below a table also the next directive to start and the next
    /// directive to end.
    fn print_with_next(&self, format: Format) -> Result<(), Failure> {
        print_all(&self.shown, format, self.now)?;
        if let (Format::Table | Format::Wide, Some(next)) = (format, &self.next) {
            print(&format!("\nnext: {next}"))?;
        }
        Ok(())
    }
}

async fn select(api: &DirectivesApi, args: &ListArgs) -> Result<Listing, Failure> {
    let mut all = api.list().await?;
    let now = api.now().await?;
    all.retain(|stored| args.filters.pass(stored, now));
    let next = next_changes(&all, now);
    sort(&mut all, args.sort, now);
    let shown = args.limit.unwrap_or(usize::MAX).min(all.len());
    let more = all.len() - shown;
    all.truncate(shown);
    Ok(Listing {
        shown: all,
        more,
        next,
        now,
    })
}

/// Describes the next directive to start and the next directive to end.
fn next_changes(all: &[Stored], now: Timestamp) -> Option<String> {
    let next = |verb: &str, state: State, time: fn(&DiagnosticsDirective) -> Option<Timestamp>| {
        let (at, id) = all
            .iter()
            .filter(|stored| State::of(stored, now) == state)
            .filter_map(|stored| {
                let document = stored.document.as_ref().ok()?;
                Some((time(&document.directive)?, &stored.id))
            })
            .min()?;
        Some(format!("{} {verb} {}", printable(id), relative(at, now)))
    };
    let starts = next("starts", State::Scheduled, |directive| directive.starts_at);
    let ends = next("ends", State::Active, |directive| {
        Some(directive.expires_at)
    });
    let both: Vec<String> = starts.into_iter().chain(ends).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

fn sort(all: &mut [Stored], key: SortKey, now: Timestamp) {
    let end = |stored: &Stored| match &stored.document {
        Ok(document) => document.directive.expires_at,
        Err(_) => Timestamp::MAX,
    };
    let updated = |stored: &Stored| match &stored.document {
        Ok(document) => document.audit.updated_at,
        Err(_) => None,
    };
    match key {
        // The directives are already in the order of their ids, because the library returns them in
        // this order.
        SortKey::Id => {}
        SortKey::State => all.sort_by_key(|stored| (State::of(stored, now), end(stored))),
        SortKey::Expires => all.sort_by_key(end),
        SortKey::Updated => all.sort_by_key(|stored| std::cmp::Reverse(updated(stored))),
    }
}
