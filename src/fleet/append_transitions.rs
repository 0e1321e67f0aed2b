//! Appends the transitions of instances (changes of their states) to the history of the fleet,
//! which is a data stream beside the fleet's index.

use std::collections::VecDeque;
use std::time::Duration;

use opensearch::BulkParts;
use opensearch_directives_core::internal::visible_beginning;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::find_transitions::{LastStates, Transition};
use super::instance_report::InstanceReport;
use crate::history::{Stream, stream_name};
use crate::http::{Client, Method, Request, RequestError, chain};

/// The maximum number of transitions that wait in memory until the data stream accepts them.
const MAX_WAITING: usize = 10_000;
/// The maximum number of transitions in one bulk request.
const BATCH: usize = 500;
/// The maximum number of characters of the reason for which the data stream refused a transition.
const REASON_CHARS: usize = 300;
/// The pause after a failed attempt to append transitions. The log also waits for this time before
/// it checks again whether a missing data stream exists.
const PAUSE: Duration = Duration::from_secs(60);

/// The transitions that wait to be appended to the data stream.
#[derive(Debug)]
pub(super) struct TransitionLog {
    client: Client,
    states: LastStates,
    waiting: VecDeque<Transition>,
    lost: u64,
    /// Whether the data stream exists; `None` if the log has not checked it yet.
    exists: Option<bool>,
    not_before: Instant,
    last_error: Option<String>,
}

impl TransitionLog {
    /// Creates the log for the history of the fleet; the index of `client` must be the fleet's
    /// index.
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            states: LastStates::default(),
            waiting: VecDeque::new(),
            lost: 0,
            exists: None,
            not_before: Instant::now(),
            last_error: None,
        }
    }

    /// Queues each transition that the given reports show, until the data stream accepts it. The
    /// reporter calls this method only after the reports were written.
    pub(super) fn observe<'a>(&mut self, reports: impl Iterator<Item = &'a InstanceReport>) {
        let transitions = reports.filter_map(|report| self.states.observe(report));
        self.waiting.extend(transitions);
        while self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
            self.lost += 1;
        }
    }

    /// Appends the queued transitions to the data stream. The method does nothing if an attempt to
    /// append transitions failed less than a minute ago. If the data stream does not exist, the
    /// method drops the transitions.
    pub(super) async fn flush(&mut self) {
        if self.waiting.is_empty() || Instant::now() < self.not_before {
            return;
        }
        match self.append().await {
            Ok(()) => {
                self.last_error = None;
                if self.lost > 0 {
                    let lost = std::mem::take(&mut self.lost);
                    warn!(
                        lost,
                        "the history of the fleet lacks some state changes of instances"
                    );
                }
            }
            Err(error) => {
                self.not_before = Instant::now() + PAUSE;
                self.exists = None;
                self.note_failure(chain(&error));
            }
        }
    }

    async fn append(&mut self) -> Result<(), RequestError> {
        if self.exists.is_none() {
            // The code first checks whether the data stream exists, because a write to a missing
            // data stream would create an ordinary index.
            self.exists = Some(Stream::of(self.client.clone()).exists().await?);
        }
        if self.exists == Some(false) {
            self.exists = None;
            self.not_before = Instant::now() + PAUSE;
            self.waiting.clear();
            return Ok(());
        }
        while !self.waiting.is_empty() {
            let batch: Vec<&Transition> = self.waiting.iter().take(BATCH).collect();
            let line = |transition: &&Transition| {
                let document = serde_json::to_string(transition).unwrap_or_default();
                format!("{{\"create\":{{}}}}\n{document}\n")
            };
            let (sent, body): (usize, String) = (batch.len(), batch.iter().map(line).collect());
            let stream = stream_name(self.client.index());
            let request = Request::new(Method::Post, BulkParts::Index(&stream).url())
                .query("filter_path", "errors,items.*.error.reason")
                .body("application/x-ndjson", body);
            let response: Value = self.client.json(request).await?;
            self.waiting.drain(..sent);
            self.note_refusals(&response);
        }
        Ok(())
    }

    /// Counts the transitions that the stream has refused. The log does not send a refused
    /// transition again, because the next record of the same state has the same content.
    fn note_refusals(&mut self, response: &Value) {
        let items = response["items"].as_array();
        let reasons = items.into_iter().flatten();
        let mut reasons = reasons.filter_map(|item| item["create"]["error"]["reason"].as_str());
        let first = reasons.next();
        if let Some(first) = first.map(|reason| visible_beginning(reason, REASON_CHARS)) {
            self.lost += 1 + reasons.count() as u64;
            self.note_failure(first);
        }
    }

    /// Logs why a transition could not be recorded. If consecutive attempts fail with the same
    /// error, only the first failure is logged as a warning.
    fn note_failure(&mut self, error: String) {
        if self.last_error.as_ref() == Some(&error) {
            debug!(
                error,
                "state changes of instances still cannot be written to the history of the fleet"
            );
        } else {
            warn!(
                error,
                "state changes of instances cannot be written to the history of the fleet; the \
                 reports continue"
            );
            self.last_error = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::http::{ClusterConfig, NoTransport};

    #[test]
    fn a_bounded_number_of_transitions_waits_and_the_others_are_counted() {
        let cluster = ClusterConfig::new(["http://fleet.example".parse().unwrap()]);
        let client = Client::over(Arc::new(NoTransport), &cluster);
        let mut log = TransitionLog::new(client);
        let now = "2030-01-01T12:00:00Z";
        let reports: Vec<InstanceReport> = (0..MAX_WAITING + 3)
            .map(|number| {
                let report = json!({
                    "instance": format!("proxy-{number}"), "version": "1", "kind": "library",
                    "index": "directives", "documents": 3, "sum_seq_no": 17, "digest": "d",
                    "directives": 3, "revoked": 0, "off": false, "rejected": 0,
                    "staleness": "fresh", "started": now, "reported_at": now,
                    "heartbeat_seconds": 60.0, "left": false,
                });
                serde_json::from_value(report).unwrap()
            })
            .collect();
        log.observe(reports.iter());
        assert_eq!((log.waiting.len(), log.lost), (MAX_WAITING, 3));
        assert_eq!(log.waiting[0].instance, "proxy-3", "the oldest are dropped");
    }
}
