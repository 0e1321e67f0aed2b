//! `directives list`, `directives get`

use clap::{Args, ValueEnum};
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::{Clock as _, SystemClock};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::exit::{Exit, Failure};
use super::output::{Format, OutputArgs, details, print, print_json, state, table, to_json};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum State {
    Active,
    Scheduled,
    Expired,
    Revoked,
    Rejected,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those in these states; several with commas [default: all]
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(args: ListArgs) -> Result<(), Failure> {
    let writer = DirectivesApi::new(args.connection.client(args.timeout).await?);
    let mut all = writer.list().await?;
    let now = SystemClock.now();
    if !args.state.is_empty() {
        all.retain(|stored| {
            let state = state(stored, now);
            args.state.iter().any(|wanted| {
                wanted
                    .to_possible_value()
                    .is_some_and(|name| name.matches(state, false))
            })
        });
    }
    match args.output.output {
        Format::Json => print_json(&all.iter().map(|stored| to_json(stored, now)).collect()),
        Format::Table if all.is_empty() => print("no directives"),
        Format::Table => print(&table(&all, now)),
    }
}

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The directive's id
    id: String,

    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn get(args: GetArgs) -> Result<(), Failure> {
    let writer = DirectivesApi::new(args.connection.client(args.timeout).await?);
    let stored = writer.get(&args.id).await?.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no directive {}", args.id))
    })?;
    let now = SystemClock.now();
    match args.output.output {
        Format::Json => print_json(&to_json(&stored, now)),
        Format::Table => print(&details(&stored, now)),
    }
}
