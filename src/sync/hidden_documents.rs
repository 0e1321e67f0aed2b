//! Notices documents that the statistics count and no search shows: document-level security
//! hides them from this user, and they must not be taken for deleted.

use super::IndexSynchronizer;
use super::fetch::View;
use super::probe::ObservedVersion;
use crate::rest::{Incomplete, Probe, ReadError, ReadFailure, Session, ShardCheckpoints, Summary};
use crate::safeguard_switches::Safeguard;
use crate::status::ProbeMethod;

impl IndexSynchronizer {
    /// Fails the poll if the view shows fewer documents than the statistics count, unless the
    /// copy that was read merely lags behind the primary.
    ///
    /// An index that is refreshed only on request is exempt: its statistics may count a write
    /// that no search shows until somebody requests a refresh.
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
        let shown = view.replica.fingerprint().documents;
        let counted = before.documents().max(after.documents());
        if shown >= counted
            || view.index.refresh_interval.is_none()
            || !self.checks(Safeguard::HiddenDocuments)
        {
            return Ok(());
        }
        // Statistics and search of the same copy, the primary.
        let summary = session.summary_of_primary(&view.index).await?;
        let shown_by_primary = match summary {
            Some(Summary { of, primary: true }) => of.documents,
            _ => shown,
        };
        let Probe::Checkpoints(again) = session.probe().await? else {
            return Ok(());
        };
        if shown_by_primary >= after.documents().min(again.documents()) {
            return Ok(());
        }
        self.reader.switch_copy();
        if again != after {
            return Err(session.incomplete(Incomplete::Moving));
        }
        Err(session.error(ReadFailure::HiddenDocuments {
            shown: shown_by_primary,
            counted: again.documents(),
        }))
    }

    /// The checkpoints before and after the read; `None` if the role does not permit statistics,
    /// or they do not suffice.
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
            // The statistics did not suffice when the poll began.
            (ObservedVersion::Searched { .. }, _) if permitted => match session.probe().await? {
                Probe::Checkpoints(now) => Some((now.clone(), now)),
                Probe::Unclear(_) | Probe::Unsupported(_) => None,
            },
            _ => None,
        })
    }
}
