//! Detects documents that the index statistics count although no search of this user returns them.
//! Document-level security may hide documents from this user, so the poll must not treat hidden
//! documents as deleted.

use super::IndexSynchronizer;
use super::fetch::View;
use super::probe::ObservedVersion;
use crate::rest::{Incomplete, Probe, ReadError, ReadFailure, Session, ShardCheckpoints, Summary};
use crate::safeguard_switches::Safeguard;
use crate::status::ProbeMethod;

impl IndexSynchronizer {
    /// Returns an error, so that the poll fails, if the view contains fewer documents than the
    /// index statistics count. This check does not fail if documents are missing only because the
    /// shard copy is behind the primary.
    ///
    /// If the index refreshes only on request, hidden documents are not detected, because the
    /// statistics may count a write that no search returns until somebody requests a refresh.
    pub(super) async fn check_hidden_documents(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
        after: Option<&ShardCheckpoints>,
        view: &View,
    ) -> Result<(), ReadError> {
        let Some((before, after)) = self.checkpoints_around(session, observed, after).await? else {
            return Ok(());
        };
        let visible = view.replica.fingerprint().documents;
        let counted = before.documents().max(after.documents());
        if visible >= counted
            || view.index.refresh_interval.is_none()
            || !self.checks(Safeguard::HiddenDocuments)
        {
            return Ok(());
        }
        // The index statistics come from the primary, so the poll compares them with the count of a
        // search on the primary.
        let summary = session.summary_of_primary(&view.index).await?;
        let visible_on_primary = match summary {
            Some(Summary { of, primary: true }) => of.documents,
            _ => visible,
        };
        let Probe::Checkpoints(again) = session.probe().await? else {
            return Ok(());
        };
        if visible_on_primary >= after.documents().min(again.documents()) {
            return Ok(());
        }
        self.reader.switch_copy();
        if again != after {
            return Err(session.incomplete(Incomplete::Moving));
        }
        Err(session.error(ReadFailure::HiddenDocuments {
            visible: visible_on_primary,
            counted: again.documents(),
        }))
    }

    /// Returns the checkpoints before and after the read of a view; `None` if the role does not
    /// permit index statistics, or if the statistics are incomplete.
    async fn checkpoints_around(
        &self,
        session: &Session,
        observed: &ObservedVersion,
        after: Option<&ShardCheckpoints>,
    ) -> Result<Option<(ShardCheckpoints, ShardCheckpoints)>, ReadError> {
        let permitted = self.degradations.strategy().probe == ProbeMethod::Statistics;
        Ok(match (observed, after) {
            (ObservedVersion::Checkpoints(before), Some(after)) => {
                Some((before.clone(), after.clone()))
            }
            // The index statistics were incomplete when the poll began, so the poll now requests
            // them again.
            (ObservedVersion::Searched { .. }, _) if permitted => match session.probe().await? {
                Probe::Checkpoints(now) => Some((now.clone(), now)),
                Probe::Unclear(_) | Probe::Unsupported(_) => None,
            },
            _ => None,
        })
    }
}
