//! Executes a plan with conditional bulk requests, and determines the outcome of each write.

use std::collections::HashMap;

use super::bulk::{ActionResult, PART_BYTES, parts};
use super::directives_api::{DirectivesApi, Stored};
use super::error::WriteError;
use super::plan::PlannedWrite;

/// The outcome of one planned write.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The index contains the planned document.
    Written,
    /// The index already contained the planned document; nothing was sent.
    Unchanged,
    /// Somebody else changed the directive after it was read, so it was not written.
    Conflict {
        /// The stored document; `None` if it was deleted or cannot be read.
        current: Option<Box<Stored>>,
    },
    /// The cluster refused the write.
    Refused {
        /// The cluster's reason.
        reason: String,
    },
    /// The request failed, but the cluster may have written the document.
    Unknown,
    /// The write was not sent, because an earlier request failed.
    NotSent,
}

/// The outcome of a plan.
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteReport {
    /// Each planned write with its outcome, in the plan's order.
    pub outcomes: Vec<(PlannedWrite, Outcome)>,
    /// The error of the first failed request. Later parts of the plan were not sent.
    pub failure: Option<WriteError>,
}

impl DirectivesApi {
    /// Writes a plan and returns when the documents are visible to searches. A refused write does
    /// not stop the others. The report contains the outcome of each write.
    pub async fn execute(&self, plan: Vec<PlannedWrite>) -> WriteReport {
        let mut outcomes: Vec<Outcome> = plan.iter().map(|_| Outcome::Unchanged).collect();
        let (sent, actions): (Vec<usize>, Vec<String>) = plan
            .iter()
            .enumerate()
            .filter_map(|(at, planned)| Some((at, planned.action()?)))
            .unzip();
        for &at in &sent {
            outcomes[at] = Outcome::NotSent;
        }
        let mut failure = None;
        let mut from = 0;
        for length in parts(actions.iter().map(String::len), PART_BYTES) {
            let (part, to) = (&sent[from..from + length], from + length);
            let last = to == actions.len();
            match self.bulk_part(&actions[from..to], last).await {
                Ok(results) => {
                    for (&at, result) in part.iter().zip(results) {
                        outcomes[at] = outcome(&plan[at], result);
                    }
                }
                Err(error) => {
                    for &at in part {
                        outcomes[at] = if error.is_refused() {
                            Outcome::NotSent
                        } else {
                            Outcome::Unknown
                        };
                    }
                    failure = Some(error);
                    break;
                }
            }
            from = to;
        }
        self.revoke_in_older_mapping(&plan, &mut outcomes).await;
        self.resolve(&plan, &mut outcomes).await;
        WriteReport {
            outcomes: plan.into_iter().zip(outcomes).collect(),
            failure,
        }
    }

    /// Repeats the revocations that an older mapping refuses, in the form that the mapping accepts.
    /// A directive must be revocable before the index is upgraded.
    async fn revoke_in_older_mapping(&self, plan: &[PlannedWrite], outcomes: &mut [Outcome]) {
        let (again, actions): (Vec<usize>, Vec<String>) = plan
            .iter()
            .zip(&*outcomes)
            .enumerate()
            .filter(|(_, (_, outcome))| match outcome {
                Outcome::Refused { reason } => reason.contains("introduction of [revoked"),
                _ => false,
            })
            .filter_map(|(at, (planned, _))| Some((at, planned.action_for_older_mapping()?)))
            .unzip();
        let mut from = 0;
        for length in parts(actions.iter().map(String::len), PART_BYTES) {
            let to = from + length;
            // Without a response, the outcome in the report remains a refusal.
            let Ok(results) = self.bulk_part(&actions[from..to], true).await else {
                return;
            };
            for (&at, result) in again[from..to].iter().zip(results) {
                outcomes[at] = outcome(&plan[at], result);
            }
            from = to;
        }
    }

    /// Reads the documents with an unclear outcome again.
    ///
    /// The client repeats a request if its connection was interrupted, and the second request then
    /// conflicts with the first. If the index contains the planned document, such a conflict is a
    /// success.
    async fn resolve(&self, plan: &[PlannedWrite], outcomes: &mut [Outcome]) {
        let doubtful: Vec<&str> = plan
            .iter()
            .zip(&*outcomes)
            .filter(|(_, outcome)| matches!(outcome, Outcome::Conflict { .. } | Outcome::Unknown))
            .map(|(planned, _)| planned.id.as_str())
            .collect();
        if doubtful.is_empty() {
            return;
        }
        // Without a response, the outcome in the report remains unclear.
        let Ok(current) = self.get_many(&doubtful).await else {
            return;
        };
        let mut current: HashMap<&str, Option<Stored>> =
            doubtful.into_iter().zip(current).collect();
        for (planned, outcome) in plan.iter().zip(outcomes) {
            let Some(now) = current.remove(planned.id.as_str()) else {
                continue;
            };
            if planned.is_stored_as(now.as_ref()) {
                *outcome = Outcome::Written;
            } else if let Outcome::Conflict { current } = outcome {
                *current = now.map(Box::new);
            } else if planned.is_unwritten(now.as_ref()) {
                *outcome = Outcome::NotSent;
            }
        }
    }
}

fn outcome(planned: &PlannedWrite, result: ActionResult) -> Outcome {
    match result {
        ActionResult::Done => Outcome::Written,
        // The document does not exist any more, as planned.
        ActionResult::NotFound if planned.is_delete() => Outcome::Written,
        ActionResult::NotFound | ActionResult::Conflict => Outcome::Conflict { current: None },
        ActionResult::Refused(reason) => Outcome::Refused { reason },
    }
}
