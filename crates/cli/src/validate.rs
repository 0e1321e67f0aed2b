//! `directives validate`: decodes the directives in files with the decoder of the proxies.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use opensearch_directives::document::DecodeLimits;
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::json;

use super::directive_text::printable;
use super::duration::parse;
use super::exit::{Exit, Failure};
use super::guards::{self, GuardArgs};
use super::input;
use super::stdio::{ReportFormat, print};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// A file or a folder, in the formats of `apply`; - is standard input
    #[arg(short, long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    /// The longest time to live that this command accepts
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse)]
    max_ttl: Duration,

    #[command(flatten)]
    guards: GuardArgs,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,
}

pub(super) async fn run(args: ValidateArgs) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let drafts = input::drafts(&args.file).await?;
    guards::check_lengths(&drafts, args.max_ttl, now)?;
    args.guards.check_drafts(&drafts)?;
    let limits = DecodeLimits {
        now,
        max_ttl: args.max_ttl,
    };
    let problems: Vec<(String, String)> = drafts
        .iter()
        .filter_map(|draft| {
            let rejection = draft.check(&limits).err()?;
            Some((draft.id.clone(), rejection.to_string()))
        })
        .collect();
    if args.output.is_json() {
        let problems: Vec<_> = problems
            .iter()
            .map(|(id, problem)| json!({ "id": id, "problem": problem }))
            .collect();
        let report = json!({ "directives": drafts.len(), "problems": problems });
        print(&format!("{report:#}"))?;
    } else {
        for (id, problem) in &problems {
            print(&format!(
                "invalid {}: {}",
                printable(id),
                printable(problem)
            ))?;
        }
        print(&format!(
            "{} of {} directives are valid",
            drafts.len() - problems.len(),
            drafts.len()
        ))?;
    }
    Ok(if problems.is_empty() {
        Exit::Success
    } else {
        Exit::Usage
    })
}
