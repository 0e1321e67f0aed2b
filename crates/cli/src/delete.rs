//! `directives delete`: removes the documents of directives from the index.

use clap::Args;
use opensearch_directives::admin::PlannedWrite;

use super::exit::{Exit, Failure};
use super::selection::SelectionArgs;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "`directives revoke` ends a directive as quickly, and keeps its document as a record."
)]
pub(super) struct DeleteArgs {
    #[command(flatten)]
    selection: SelectionArgs,

    #[command(flatten)]
    write: WriteArgs,
}

pub(super) async fn run(args: DeleteArgs) -> Result<Exit, Failure> {
    let api = args.write.api().await?;
    let now = api.now().await?;
    let selection = args.selection.read(&api, now).await?;
    let question = |count| format!("Delete {count} directives? `revoke` would keep the record.");
    selection
        .write(&api, &args.write, PlannedWrite::delete, question, now)
        .await
}
