//! `apply --owner NAME --prune`: revokes the owner's directives that are not in the applied files.
//! The command `directives prune` deletes documents, but the flag `--prune` of `apply` deletes no
//! documents.

use std::collections::HashSet;

use clap::Args;
use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, PlannedWrite, Stored};
use opensearch_directives::document::Draft;

use super::directive_text::printable;
use super::exit::Failure;
use super::field_filters::State;
use super::report_wording::count;

/// The reason that is stored with a revocation by `--prune` if `--reason` is not given.
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
    /// Sets the owner of each draft that states no owner. If `--prune` is given, a draft of another
    /// owner is an error.
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

    /// Plans the revocation of each of the owner's directives for which the files contain no draft.
    pub(super) async fn plan_prune(
        &self,
        api: &DirectivesApi,
        drafts: &[Draft],
        author: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Vec<PlannedWrite>, Failure> {
        if !self.prune {
            return Ok(Vec::new());
        }
        let now = api.now().await?;
        let kept: HashSet<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
        let mut all = api.list().await?;
        all.retain(|stored| !kept.contains(stored.id.as_str()) && self.owns_live(stored, now));
        let reason = reason.unwrap_or(REASON);
        Ok(all
            .into_iter()
            .map(|stored| PlannedWrite::revoke(stored, now, author, Some(reason)))
            .collect())
    }

    /// Returns true if a directive has the owner in `--owner` and has not ended. Returns false for
    /// a malformed document, because its owner is unknown.
    fn owns_live(&self, stored: &Stored, now: Timestamp) -> bool {
        let live = matches!(State::of(stored, now), State::Active | State::Scheduled);
        let owner = stored
            .document
            .as_ref()
            .ok()
            .map(|document| &document.audit.owner);
        live && self.owner.is_some() && owner == Some(&self.owner)
    }

    /// Returns the question with which the user confirms the revocations, or `None` if there are no
    /// revocations.
    pub(super) fn question(&self, revocations: usize) -> Option<String> {
        let owner = printable(self.owner.as_deref()?);
        (revocations > 0).then(|| {
            let directives = count(revocations, "directive");
            format!("Revoke {directives} of {owner} that the files do not contain?")
        })
    }
}
