//! Decides whether a poll can end after its probe, because the last accepted view already contains
//! every change.

use tokio::time::Instant;

use super::IndexSynchronizer;
use super::convergence::{Convergence, LowWatermark};
use super::probe::ObservedVersion;
use crate::rest::{ReadError, Session};
use crate::safeguard_switches::Safeguard;

impl IndexSynchronizer {
    /// Returns true if the last accepted view contains the current version of every document of the
    /// index.
    pub(super) async fn is_unchanged(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
    ) -> Result<bool, ReadError> {
        let Some(known) = self.state.known().filter(|_| !self.was_overtaken) else {
            return Ok(false);
        };
        let checkpoints = match observed {
            ObservedVersion::Checkpoints(checkpoints) => checkpoints,
            ObservedVersion::Searched { index, aggregates } => {
                let same = aggregates
                    .as_ref()
                    .is_some_and(|all| known.agrees_with(all));
                return Ok(same && known.index.identity() == index.identity());
            }
        };
        if known.checkpoints.as_ref() != Some(checkpoints) {
            return Ok(false);
        }
        match known.convergence {
            _ if !self.checks(Safeguard::Convergence) => return Ok(true),
            Convergence::Converged => return Ok(true),
            Convergence::Unrefreshed => return Ok(false),
            Convergence::Converging { until } if Instant::now() < until => return Ok(false),
            Convergence::Converging { .. } if !self.checks(Safeguard::ConfirmConvergence) => {
                return Ok(true);
            }
            Convergence::Converging { .. } => {}
        }
        if !checkpoints.is_at_rest()
            || known.replica.fingerprint().documents != checkpoints.documents()
        {
            return Ok(false);
        }
        // If the server does not support the aggregations of a summary, the primary cannot confirm
        // that the replica has converged, so only a later read can show the convergence.
        let converged = session
            .summary_of_primary(&known.index)
            .await?
            .is_some_and(|summary| known.agrees_with(&summary.of));
        if converged && let Some(known) = self.state.known_mut() {
            known.convergence = Convergence::Converged;
            known.low_watermark = LowWatermark::converged(checkpoints);
        }
        Ok(converged)
    }
}
