//! `directives diff`: compares files with the index and reports what `apply` would change.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::{DirectivesApi, PlannedKind};
use opensearch_directives::{Clock as _, SystemClock};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::duration::parse;
use super::exit::{Exit, Failure};
use super::input;
use super::stdio::ReportFormat;
use super::write_report::Report;

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 7 if applying the files would change anything.")]
pub(super) struct DiffArgs {
    /// A file or a folder, in the formats of `apply`; - is standard input
    #[arg(short, long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    /// The longest time to live that this command accepts
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse)]
    max_ttl: Duration,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(args: DiffArgs) -> Result<Exit, Failure> {
    let client = args.connection.client(args.timeout).await?;
    let api = DirectivesApi::new(client).with_max_ttl(args.max_ttl);
    let drafts = input::drafts(&args.file).await?;
    let plan = api.plan(&drafts).await?;
    let differs = plan
        .iter()
        .any(|planned| planned.kind() != PlannedKind::Nothing);
    let report = Report::of_plan(args.connection.location(), SystemClock.now(), plan);
    match report.print(args.output.is_json())? {
        Exit::Success if differs => Ok(Exit::Differs),
        exit => Ok(exit),
    }
}
