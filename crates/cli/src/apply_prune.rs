//! `apply --owner NAME --prune`: revokes the directives of this owner that the applied files do not
//! contain. In contrast to the command `directives prune`, the flag `--prune` of `apply` deletes no
//! documents.

use std::collections::HashSet;

use clap::Args;
use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, PlannedWrite, Stored};
use opensearch_directives::document::Draft;

use super::directive_text::printable;
use super::exit::Failure;
use super::field_filters::State;
use super::input::Input;
use super::report_wording::count;
use super::risky_writes::ids;

/// The reason that `apply --prune` stores with a revocation if `--reason` is not given.
const REASON: &str = "the applied files no longer contain it";

/// The flags that concern the owner of directives.
#[derive(Debug, Args)]
pub(super) struct OwnerArgs {
    /// The person or team that is responsible for the directive; with --file, this is set only for
    /// directives without an owner
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,

    /// Also revoke the directives of --owner that the files do not contain. A directive without an
    /// owner, or of another one, is never revoked
    #[arg(long, requires = "owner")]
    prune: bool,
}

impl OwnerArgs {
    /// Sets the owner in each draft that does not state its owner. If `--prune` is given, a draft
    /// with an owner other than `--owner` is an error.
    pub(super) fn assign(&self, drafts: &mut [Draft]) -> Result<(), Failure> {
        for draft in drafts {
            let owner = draft.owner.take().or_else(|| self.owner.clone());
            if self.prune && owner != self.owner {
                return Err(Failure::usage(format!(
                    "{}: its owner is {}, not the --owner of this --prune; apply it without --prune",
                    printable(&draft.id),
                    printable(owner.as_deref().unwrap_or_default()),
                )));
            }
            draft.owner = owner;
        }
        Ok(())
    }

    /// Plans to revoke the owner's directives that the applied files do not contain. The files also
    /// contain the entries that the command skips: somebody may have let a directive apply again
    /// after the export that the files come from.
    pub(super) async fn plan_prune(
        &self,
        api: &DirectivesApi,
        input: &Input,
        author: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Vec<PlannedWrite>, Failure> {
        if !self.prune {
            return Ok(Vec::new());
        }
        let now = api.now().await?;
        let drafts = input.drafts.iter().map(|draft| &draft.id);
        let kept: HashSet<&String> = drafts.chain(&input.skipped).collect();
        let mut all = api.list().await?;
        all.retain(|stored| !kept.contains(&stored.id) && self.owns_live(stored, now));
        let reason = reason.unwrap_or(REASON);
        Ok(all
            .into_iter()
            .map(|stored| PlannedWrite::revoke(stored, now, author, Some(reason)))
            .collect())
    }

    /// Returns true if a stored directive belongs to the owner in `--owner` and has not ended.
    /// Returns false for a malformed document, because the owner of its directive is unknown.
    fn owns_live(&self, stored: &Stored, now: Timestamp) -> bool {
        let live = matches!(State::of(stored, now), State::Active | State::Scheduled);
        let owner = stored
            .document
            .as_ref()
            .ok()
            .map(|document| &document.audit.owner);
        live && self.owner.is_some() && owner == Some(&self.owner)
    }

    /// Returns the question that asks the user to confirm the revocations, or `None` if nothing is
    /// revoked.
    pub(super) fn question(&self, revocations: &[PlannedWrite]) -> Option<String> {
        let owner = printable(self.owner.as_deref()?);
        (!revocations.is_empty()).then(|| {
            let directives = count(revocations.len(), "directive");
            let ids = ids(revocations.iter());
            format!("Revoke {directives} of {owner} that the files do not contain ({ids})?")
        })
    }
}
