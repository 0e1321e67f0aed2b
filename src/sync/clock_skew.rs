//! Measures the clock skew, that is, the time by which the local clock is ahead of the clock of a
//! cluster node. Directives start and expire according to the local clock. With a wrong local
//! clock, directives start and expire at the wrong time.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{debug, warn};

use super::IndexSynchronizer;
use crate::http::chain;
use crate::rest::Session;

/// The clock skew in seconds from which the synchronizer logs a warning, whether the local clock is
/// ahead of the cluster's clock or behind it.
const SKEW_THAT_MATTERS: f64 = 1.0;
/// The longest time by which the measurement of the clock skew may delay a poll.
const SKEW_TIMEOUT: Duration = Duration::from_secs(1);

impl IndexSynchronizer {
    /// Measures the clock skew between the local clock and the clock of the node that serves the
    /// poll. A failed measurement of the clock skew does not make the poll fail.
    pub(super) async fn measure_clock_skew(&mut self, session: &Session) {
        let before = self.clock.now();
        let theirs = match timeout(SKEW_TIMEOUT, session.cluster_time()).await {
            Ok(Ok(Some(theirs))) => theirs,
            Ok(Ok(None)) => {
                let why = "the server refuses the request";
                return self.degradations.note("the cluster's time", why);
            }
            Ok(Err(error)) => {
                return debug!(error = chain(&error), "cannot read the cluster's time");
            }
            Err(_) => return debug!("reading the cluster's time took too long"),
        };
        // The node has read its clock at an unknown moment during the request, so the middle of the
        // request is the best estimate.
        let half = self.clock.now().duration_since(before) / 2;
        let ours = before.saturating_add(half).unwrap_or(before);
        let skew = ours.duration_since(theirs).as_secs_f64();
        let mattered = |skew: f64| skew.abs() > SKEW_THAT_MATTERS;
        if mattered(skew) && !self.clock_skew.is_some_and(mattered) {
            warn!(
                clock_skew_seconds = skew,
                "the local clock differs from the cluster's; directives start and expire by the local clock"
            );
        }
        self.clock_skew = Some(skew);
    }
}
