//! `directives validate`: checks the directives in files with the decoder that proxies use and, if
//! requested, against the lifetime limits of the cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::document::DecodeLimits;
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::json;

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::duration::parse;
use super::exit::{Exit, Failure};
use super::input;
use super::risky_writes::GuardArgs;
use super::stdio::{ReportFormat, note, print, print_json};
use super::ttl_limits::TtlLimits;

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// A file or a folder, in the formats of `apply`; - is standard input
    #[arg(short, long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    /// The longest time to live that this command accepts [default: 30d; with --with-cluster,
    /// the maximum of the cluster]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_ttl: Option<Duration>,

    /// Also read the lifetime limits of the cluster from its pipeline
    #[arg(long)]
    with_cluster: bool,

    #[command(flatten)]
    guards: GuardArgs,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(args: ValidateArgs) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let mut drafts = input::drafts(&args.file).await?;
    args.guards.check_drafts(&drafts)?;
    let ttl_limits = if args.with_cluster {
        let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
        let limits = TtlLimits::read(&api, args.max_ttl).await?;
        if !limits.are_of_cluster() {
            note(
                "note: the lifetime limits of the cluster are not known, because the role does not \
                 permit reading its pipeline, or the pipeline does not exist; the pipeline may refuse \
                 what is valid here",
            );
        }
        limits
    } else {
        TtlLimits::without_cluster_limits(args.max_ttl)
    };
    for draft in &mut drafts {
        ttl_limits.set_default(draft)?;
    }
    ttl_limits.check(&drafts, now)?;
    let limits = DecodeLimits {
        now,
        max_ttl: ttl_limits.max_ttl,
    };
    let problems: Vec<(String, String)> = drafts
        .iter()
        .filter_map(|draft| {
            let rejection = draft.check(&limits).err()?;
            Some((draft.id.clone(), rejection.to_string()))
        })
        .collect();
    report(&problems, drafts.len(), args.output)?;
    Ok(if problems.is_empty() {
        Exit::Success
    } else {
        Exit::Usage
    })
}

/// Prints the id of each invalid directive with its problem.
fn report(
    problems: &[(String, String)],
    directives: usize,
    format: ReportFormat,
) -> Result<(), Failure> {
    if format.is_json() {
        let problems: Vec<_> = problems
            .iter()
            .map(|(id, problem)| json!({ "id": id, "problem": problem }))
            .collect();
        return print_json(&json!({ "directives": directives, "problems": problems }));
    }
    for (id, problem) in problems {
        let (id, problem) = (printable(id), printable(problem));
        print(&format!("invalid {id}: {problem}"))?;
    }
    let valid = directives - problems.len();
    print(&format!("{valid} of {directives} directives are valid"))
}
