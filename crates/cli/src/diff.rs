//! `directives diff`: compares files with the index, and reports what `directives apply` would
//! change.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::{DirectivesApi, PlannedKind};

use super::apply_prune::OwnerArgs;
use super::connection::{ConnectionArgs, TimeoutArgs};
use super::duration::parse;
use super::exit::{Exit, Failure};
use super::input::{self, Ended};
use super::output::ReportFormat;
use super::ttl_limits::TtlLimits;
use super::write_report::Report;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives diff -f directives.yaml
  directives diff -f directives/ --owner search-team --prune

The exit code is 7 if applying the files would change anything. `directives apply --dry-run` shows
the same changes, and names the flags that the write needs.")]
pub(super) struct DiffArgs {
    /// A file or a folder, in the formats of `apply`; - is standard input
    #[arg(short, long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    /// The longest time to live that this command accepts; it cannot exceed the maximum of the
    /// cluster [default: that maximum, initially 30d]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_ttl: Option<Duration>,

    #[command(flatten)]
    owner: OwnerArgs,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(args: DiffArgs) -> Result<Exit, Failure> {
    let mut input = input::read(&args.file, Ended::Skip).await?;
    args.owner.assign(&mut input.drafts)?;
    let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
    let limits = TtlLimits::read(&api, args.max_ttl).await?;
    let now = api.now().await?;
    limits.prepare(&mut input.drafts, None, now)?;
    let api = api.with_max_ttl(limits.max_ttl);
    let mut plan = api.plan(&input.drafts).await?;
    plan.extend(args.owner.plan_prune(&api, &input, None, None).await?);
    let differs = plan
        .iter()
        .any(|planned| planned.kind() != PlannedKind::Nothing);
    let report = Report::of_plan(args.connection.location(), now, plan);
    match report.print(args.output.is_json())? {
        Exit::Success if differs => Ok(Exit::Differs),
        exit => Ok(exit),
    }
}
