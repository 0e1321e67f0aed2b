//! Measures the clock skew, that is, the time by which the local clock is ahead of the clock of a
//! cluster node. Directives start and expire according to the local clock. If the local clock is
//! wrong, directives start and expire at the wrong time.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{debug, warn};

use super::IndexSynchronizer;
use crate::http::chain;
use crate::rest::Session;

/// A warning is logged if the local clock is more than this many seconds ahead of the cluster's
/// clock or behind it.
const SKEW_THAT_MATTERS: f64 = 1.0;
/// The longest time that the measurement may delay a poll.
const SKEW_TIMEOUT: Duration = Duration::from_secs(1);

impl IndexSynchronizer {
    /// Measures the clock skew. If the measurement fails, the poll can still succeed.
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
        // It is not known at which moment during the request the node read its clock. The middle of
        // the request is the best estimate of the moment at which the node read its clock.
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
