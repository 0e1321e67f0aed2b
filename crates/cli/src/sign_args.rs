//! Defines the flag `--sign-with` of the verbs that write directives, and signs the drafts before
//! the command writes them.

use std::path::PathBuf;

use clap::Args;
use opensearch_directives::admin::{DirectivesApi, PlannedWrite, Stored};
use opensearch_directives::document::Draft;
use opensearch_directives::signatures::SigningKey;

use super::exit::Failure;
use super::output::note;

#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// Sign each written directive; the private key is in this file, which `directives keygen`
    /// created; repeat the flag for several keys
    #[arg(long, value_name = "FILE")]
    sign_with: Vec<PathBuf>,
}

/// Reads one private key from each of the given files.
pub(super) fn keys(files: &[PathBuf]) -> Result<Vec<SigningKey>, Failure> {
    files
        .iter()
        .map(|file| SigningKey::read(file).map_err(Failure::usage))
        .collect()
}

impl SignArgs {
    /// Reads the private keys from the files that `--sign-with` names. The verbs call this function
    /// before their first request, so that the command reports a missing key file as a mistake in
    /// the command line.
    pub(super) fn signer(&self) -> Result<Signer, Failure> {
        keys(&self.sign_with).map(Signer)
    }
}

/// Signs the directives that a command writes, with the private keys that the user has given.
#[derive(Debug)]
pub(super) struct Signer(Vec<SigningKey>);

impl Signer {
    /// Signs the drafts, and plans their writes. If the caller has already read the stored
    /// directives, it passes them in `stored`, in the order of the drafts.
    pub(super) async fn plan(
        &self,
        api: &DirectivesApi,
        drafts: &mut [Draft],
        stored: Option<Vec<Option<Stored>>>,
    ) -> Result<Vec<PlannedWrite>, Failure> {
        let stored = if let Some(stored) = stored {
            stored
        } else {
            let ids: Vec<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
            api.get_many(&ids).await?
        };
        let plan = api.plan_signed(drafts, stored, &self.0).await?;
        for planned in &plan {
            let lost = planned.changes().into_iter().find(|change| {
                change.field == "signatures" && change.before.is_some() && change.after.is_none()
            });
            if let Some(signers) = lost.and_then(|lost| lost.before) {
                note(&format!(
                    "warning: {}: it is no longer signed, because the signatures of {signers} do \
                     not cover the change; sign it with --sign-with",
                    super::directive_text::printable(&planned.id)
                ));
            }
        }
        Ok(plan)
    }
}
