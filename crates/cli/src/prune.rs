//! `directives prune`: deletes the documents of directives that ended long ago.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use opensearch_directives::admin::{PlannedWrite, Stored};

use super::duration::parse;
use super::exit::{Exit, Failure};
use super::report_wording::count;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  directives prune --ended-before 90d --dry-run")]
pub(super) struct PruneArgs {
    /// Delete the directives that expired or were revoked longer ago than this, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    ended_before: Duration,

    /// The reason for the deletion, for the history of the index
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    write: WriteArgs,
}

pub(super) async fn run(args: PruneArgs) -> Result<Exit, Failure> {
    let api = args.write.api().await?;
    // The command does not need the name of the author, because no document stores the author of a
    // deletion.
    let author = args.write.author(&api).await.ok();
    let now = api.now().await?;
    let bound = now
        .checked_sub(args.ended_before)
        .map_err(|_| Failure::usage("--ended-before: the time is too far in the past"))?;
    let mut all = api.list().await?;
    all.retain(|stored| ended_at(stored).is_some_and(|end| end < bound));
    let reason = args.reason.as_deref();
    let delete = |stored| PlannedWrite::delete(stored).deleted_by(author.as_deref(), reason);
    let plan: Vec<PlannedWrite> = all.into_iter().map(delete).collect();
    if plan.is_empty() {
        super::output::note(&format!("no directive ended before {bound}"));
    } else {
        let question = format!(
            "Delete {} that ended before {bound}?",
            count(plan.len(), "directive")
        );
        args.write.confirm(&question, &plan, now)?;
    }
    args.write.execute(&api, plan, Vec::new(), now).await
}

/// Returns the instant at which a directive ended or will end; `None` for a malformed document.
/// `prune` never deletes a malformed document, because it does not know when the directive of this
/// document ends.
fn ended_at(stored: &Stored) -> Option<Timestamp> {
    let document = stored.document.as_ref().ok()?;
    let expires_at = document.directive.expires_at;
    Some(match document.audit.revoked_at {
        Some(revoked_at) => revoked_at.min(expires_at),
        None => expires_at,
    })
}
