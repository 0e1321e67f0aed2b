//! `directives revoke`: ends directives at once, by marking their documents in the index as
//! revoked. The revoked documents stay in the index.

use clap::Args;
use opensearch_directives::admin::PlannedWrite;

use super::exit::{Exit, Failure};
use super::report_wording::count;
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
    let reason = args.reason.as_deref();
    let revoke = |stored| PlannedWrite::revoke(stored, now, Some(&author), reason);
    let question = |number| format!("Revoke {}?", count(number, "directive"));
    selection
        .write(&api, &args.write, revoke, question, now)
        .await
}
