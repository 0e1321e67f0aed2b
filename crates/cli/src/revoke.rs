//! `directives revoke`: ends directives at once, and keeps their documents.

use clap::Args;
use opensearch_directives::admin::PlannedWrite;

use super::exit::{Exit, Failure};
use super::selection::SelectionArgs;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives revoke slow-acme
  directives revoke --all --yes --reason 'INC-1 is over'
  directives revoke --matches tenant=acme --capture")]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    selection: SelectionArgs,

    /// The reason for the revocation
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    write: WriteArgs,
}

pub(super) async fn run(args: RevokeArgs) -> Result<Exit, Failure> {
    let api = args.write.api().await?;
    let author = args.write.author(&api).await?;
    let now = api.now().await?;
    let selection = args.selection.read(&api, now).await?;
    let plan: Vec<PlannedWrite> = selection
        .found
        .into_iter()
        .map(|stored| PlannedWrite::revoke(stored, now, Some(&author), args.reason.as_deref()))
        .collect();
    if !selection.named && !plan.is_empty() {
        let question = format!("Revoke {} directives?", plan.len());
        args.write.confirm(&question, &plan, now)?;
    }
    if plan.is_empty() && selection.missing.is_empty() {
        super::stdio::note("no directive is selected");
    }
    args.write.execute(&api, plan, selection.missing, now).await
}
