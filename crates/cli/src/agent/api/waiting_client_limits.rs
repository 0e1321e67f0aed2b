//! Limits the number of clients that wait for a change of the set or the snapshot, and how long
//! each client may wait.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::super::duration;
use super::super::signals::PhaseReceiver;
use super::problem::Problem;

/// The longest time for which the agent holds a request that waits for a change.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// The slots for clients that wait for a change, and the signal that ends all waits when the agent
/// stops.
#[derive(Clone, Debug)]
pub(super) struct WaitSlots {
    slots: Arc<Semaphore>,
    max: usize,
    taken: Gauge,
    phase: PhaseReceiver,
}

/// The slot that a waiting client occupies; dropping this value frees the slot for another client.
#[derive(Debug)]
pub(super) struct WaitSlot {
    _permit: OwnedSemaphorePermit,
    taken: Gauge,
}

impl Drop for WaitSlot {
    fn drop(&mut self) {
        self.taken.dec();
    }
}

impl WaitSlots {
    pub(super) fn new(max: usize, phase: PhaseReceiver, registry: &mut Registry) -> Self {
        let taken = Gauge::default();
        registry.register(
            "directives_agent_waiting_clients",
            "Clients that wait for a change",
            taken.clone(),
        );
        Self {
            slots: Arc::new(Semaphore::new(max)),
            max,
            taken,
            phase,
        }
    }

    /// Takes a slot for a client that waits for a change, or returns an error if all slots are in
    /// use.
    pub(super) fn take(&self) -> Result<WaitSlot, Problem> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            let max = self.max;
            Problem::busy(format!(
                "{max} clients wait for a change (--max-waiting); send the request without wait"
            ))
        })?;
        self.taken.inc();
        Ok(WaitSlot {
            _permit: permit,
            taken: self.taken.clone(),
        })
    }

    /// Completes when the agent stops, so that the handlers respond to all waiting clients at once.
    pub(super) async fn ended(&self) {
        self.phase.stopping().await;
    }
}

/// Parses the value of the query parameter `wait`, such as `30s`, and refuses a value above
/// [`MAX_WAIT`].
pub(super) fn parse_wait(wait: &str) -> Result<Duration, Problem> {
    let wait = duration::parse(wait).map_err(|problem| Problem::field("wait", &problem))?;
    if wait > MAX_WAIT {
        let problem = format!(
            "it is longer than {MAX_WAIT:?}; wait for that time and then send another request"
        );
        return Err(Problem::field("wait", &problem));
    }
    Ok(wait)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_wait_is_bounded() {
        assert_eq!(parse_wait("30s").unwrap(), Duration::from_secs(30));
        assert_eq!(parse_wait("1m").unwrap(), MAX_WAIT);
        for wrong in ["61s", "", "30", "-1s", "0s"] {
            parse_wait(wrong).unwrap_err();
        }
    }
}
