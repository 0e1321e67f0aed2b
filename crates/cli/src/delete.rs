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
    let plan: Vec<PlannedWrite> = selection
        .found
        .into_iter()
        .map(PlannedWrite::delete)
        .collect();
    if !selection.named && !plan.is_empty() {
        let question = format!(
            "Delete {} directives? `revoke` would keep the record.",
            plan.len()
        );
        args.write.confirm(&question, &plan, now)?;
    }
    if plan.is_empty() && selection.missing.is_empty() {
        super::stdio::note("no directive is selected");
    }
    args.write.execute(&api, plan, selection.missing, now).await
}
