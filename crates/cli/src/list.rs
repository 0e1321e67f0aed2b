//! `directives list`: prints the directives that match the filters, one line each.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, Stored};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::exit::{Exit, Failure};
use super::filters::{FilterArgs, State};
use super::output_formats::print_all;
use super::stdio::OutputArgs;

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
        return watch(&api, &args).await;
    }
    let (all, found, now) = select(&api, &args).await?;
    print_all(&all, args.output.output, now)?;
    if all.len() < found {
        super::stdio::note(&format!("{} more (--limit)", found - all.len()));
    }
    Ok(Exit::Success)
}

/// Prints the list at each change until the process ends. On a terminal it prints the list every
/// two seconds, because the times in it are relative.
async fn watch(api: &DirectivesApi, args: &ListArgs) -> Result<Exit, Failure> {
    let terminal = std::io::stdout().is_terminal();
    let mut shown = None;
    loop {
        match select(api, args).await {
            Ok((all, _, now)) => {
                let states: Vec<_> = all
                    .iter()
                    .map(|stored| (stored.id.clone(), stored.version, State::of(stored, now)))
                    .collect();
                if terminal || shown.as_ref() != Some(&states) {
                    if terminal {
                        // These sequences clear the screen.
                        super::stdio::print("\x1b[2J\x1b[H")?;
                    }
                    print_all(&all, args.output.output, now)?;
                    shown = Some(states);
                }
            }
            // A failed read does not end the command, since the next one may succeed.
            Err(error) => super::stdio::note(&error.to_string()),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Returns the directives to print, their number before the limit, and the cluster's time.
async fn select(
    api: &DirectivesApi,
    args: &ListArgs,
) -> Result<(Vec<Stored>, usize, Timestamp), Failure> {
    let mut all = api.list().await?;
    let now = api.now().await?;
    all.retain(|stored| args.filters.pass(stored, now));
    sort(&mut all, args.sort, now);
    let found = all.len();
    all.truncate(args.limit.unwrap_or(usize::MAX));
    Ok((all, found, now))
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
        // The library already returns the directives in the order of their ids.
        SortKey::Id => {}
        SortKey::State => all.sort_by_key(|stored| (State::of(stored, now), end(stored))),
        SortKey::Expires => all.sort_by_key(end),
        SortKey::Updated => all.sort_by_key(|stored| std::cmp::Reverse(updated(stored))),
    }
}
