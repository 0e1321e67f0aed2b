//! `directives delete`: removes the documents of directives from the index.

use clap::Args;
use opensearch_directives::admin::PlannedWrite;

use super::exit::{Exit, Failure};
use super::report_wording::count;
use super::selection::SelectionArgs;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives delete slow-acme
  directives delete --state revoked --by alice

`directives revoke` ends a directive as quickly, and keeps its document as a record.")]
pub(super) struct DeleteArgs {
    #[command(flatten)]
    selection: SelectionArgs,

    /// The reason for the deletion, for the history of the index
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    write: WriteArgs,
}

pub(super) async fn run(args: DeleteArgs) -> Result<Exit, Failure> {
    let api = args.write.api().await?;
    // The command does not need the name of the author, because no document stores the author of a
    // deletion.
    let author = args.write.author(&api).await.ok();
    let now = api.now().await?;
    let selection = args.selection.read(&api, now).await?;
    let question = |number| {
        let directives = count(number, "directive");
        format!("Delete {directives}? `directives revoke` would keep the record.")
    };
    let reason = args.reason.as_deref();
    let delete = |stored| PlannedWrite::delete(stored).deleted_by(author.as_deref(), reason);
    selection
        .write(&api, &args.write, delete, question, now)
        .await
}
