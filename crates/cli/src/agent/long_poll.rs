//! Clients that wait for a change.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::super::duration;
use super::problem::Problem;
use super::query::only;

/// How long a client may wait for a change.
const WAIT_AT_MOST: Duration = Duration::from_mins(1);

/// The places for clients that wait, and the end of all waiting.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    places: Arc<Semaphore>,
    max: usize,
    taken: Gauge,
    stopped: watch::Receiver<bool>,
}

/// A client's place. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    taken: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.dec();
    }
}

impl Waiting {
    pub(super) fn new(max: usize, stopped: watch::Receiver<bool>, metrics: &mut Registry) -> Self {
        let taken = Gauge::default();
        metrics.register(
            "directives_agent_waiting_clients",
            "Clients that wait for a change",
            taken.clone(),
        );
        Self {
            places: Arc::new(Semaphore::new(max)),
            max,
            taken,
            stopped,
        }
    }

    /// A place, if there is one left.
    pub(super) fn place(&self) -> Result<Place, Problem> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let max = self.max;
            Problem::busy(format!(
                "{max} clients wait for a change already (--max-waiting); ask without wait"
            ))
        })?;
        self.taken.inc();
        Ok(Place {
            _permit: permit,
            taken: self.taken.clone(),
        })
    }

    /// Completes when the agent is about to end.
    pub(super) async fn end(&self) {
        // Whoever would say so is gone: as good as said.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

/// How long the client will wait, by the query `wait=30s`.
pub(super) fn wait_of(query: Option<&str>) -> Result<Option<Duration>, Problem> {
    let Some(wait) = only("wait", query)? else {
        return Ok(None);
    };
    let wait = duration::parse(&wait).map_err(|problem| Problem::field("wait", &problem))?;
    if wait > WAIT_AT_MOST {
        let problem = format!("it is longer than {WAIT_AT_MOST:?}; ask again after that");
        return Err(Problem::field("wait", &problem));
    }
    Ok(Some(wait))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_wait_is_a_bounded_length() {
        assert_eq!(wait_of(None).unwrap(), None);
        assert_eq!(wait_of(Some("")).unwrap(), None);
        let wait = |query| wait_of(Some(query)).unwrap();
        assert_eq!(wait("wait=30s"), Some(Duration::from_secs(30)));
        assert_eq!(wait("wait=1m"), Some(WAIT_AT_MOST));
        for wrong in [
            "wait=61s",
            "wait=",
            "wait",
            "wait=30",
            "wait=-1s",
            "wait=0s",
            "wait=1s&wait=1s",
            "wiat=1s",
        ] {
            wait_of(Some(wrong)).unwrap_err();
        }
    }
}
