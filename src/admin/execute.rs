//! Executes planned writes with conditional bulk requests, and determines the outcome of each
//! write.

use std::collections::HashMap;

use super::bulk::{ActionResult, OperationNumbers, parts};
use super::directives_api::{DirectivesApi, Stored};
use super::error::WriteError;
use super::planned_write::PlannedWrite;
use super::record_writes::{HistoryReport, Ledger};
use crate::http::BULK_BYTES;

/// The outcome of one planned write, for example that it was executed, refused or not sent.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The write was executed: the index now contains the planned document, or no longer contains
    /// the deleted document.
    Written,
    /// The index already contained the planned document, so the client sent no request for this
    /// write.
    Unchanged,
    /// Somebody else changed the directive after it was read, so the planned document was not
    /// written.
    Conflict {
        /// The document that somebody else stored; `None` if somebody else deleted it or if it
        /// cannot be read again.
        current: Option<Box<Stored>>,
    },
    /// The cluster refused to write the planned document.
    Refused {
        /// The reason that the cluster gave for the refusal.
        reason: String,
    },
    /// The bulk request of the write failed, but the cluster may have written the document.
    Unknown,
    /// The write was not executed, because its own request or an earlier request of the plan
    /// failed.
    NotSent,
}

/// The outcome of each write of a plan, and whether the history records it.
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteReport {
    /// Each planned write with its outcome, in the order of the plan.
    pub outcomes: Vec<(PlannedWrite, Outcome)>,
    /// The error of the first failed request; `None` if no request failed. After a failed request,
    /// the client sends no further writes of the plan. It only repeats writes that an earlier
    /// request contained, if the cluster refused them because of an older mapping.
    pub failure: Option<WriteError>,
    /// Which writes were recorded in the history of the index; `None` if the index has no history,
    /// or if no write was sent.
    pub history: Option<HistoryReport>,
}

/// The outcome of one planned write, and the numbers that the cluster assigned to its operation.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) outcome: Outcome,
    /// The numbers of the write's operation; `None` if the cluster executed no operation, or if its
    /// response was lost.
    pub(super) numbers: Option<OperationNumbers>,
}

impl From<Outcome> for Executed {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            numbers: None,
        }
    }
}

impl DirectivesApi {
    /// Executes all writes of a plan, and returns a report with the outcome of each write. The
    /// method returns as soon as searches find all written documents. If the cluster refuses a
    /// write, the method still executes the other writes of the plan.
    pub async fn execute(&self, mut plan: Vec<PlannedWrite>) -> WriteReport {
        for planned in &mut plan {
            planned.authenticate(self.authenticated_as.as_deref());
        }
        let mut executed: Vec<Executed> = plan.iter().map(|_| Outcome::Unchanged.into()).collect();
        let ledger = if plan.iter().any(|planned| planned.action().is_some()) {
            self.open_ledger().await
        } else {
            Ledger::Absent
        };
        let all: Vec<usize> = (0..plan.len()).collect();
        let failure = self.send(&plan, &all, &mut executed).await;
        let repeated = self.repeat_for_older_mapping(&mut plan, &mut executed);
        let failure = failure.or(repeated.await);
        self.resolve(&plan, &mut executed).await;
        let history = self.record(ledger, &plan, &executed).await;
        let outcomes = executed.into_iter().map(|executed| executed.outcome);
        WriteReport {
            outcomes: plan.into_iter().zip(outcomes).collect(),
            failure,
            history,
        }
    }

    /// Sends the writes at the positions `chosen` of the plan in bulk requests of limited size, and
    /// stores their outcomes in `executed`. If a bulk request fails, the method sends no further
    /// requests and returns the error.
    async fn send(
        &self,
        plan: &[PlannedWrite],
        chosen: &[usize],
        executed: &mut [Executed],
    ) -> Option<WriteError> {
        let (sent, actions): (Vec<usize>, Vec<String>) = chosen
            .iter()
            .filter_map(|&at| Some((at, plan[at].action()?)))
            .unzip();
        for &at in &sent {
            executed[at] = Outcome::NotSent.into();
        }
        let mut from = 0;
        for length in parts(actions.iter().map(String::len), BULK_BYTES) {
            let (part, to) = (&sent[from..from + length], from + length);
            let last = to == actions.len();
            match self.bulk_part(&actions[from..to], last).await {
                Ok(results) => {
                    for (&at, result) in part.iter().zip(results) {
                        executed[at] = outcome(&plan[at], result);
                    }
                }
                Err(error) => {
                    for &at in part {
                        executed[at] = if error.is_refused() {
                            Outcome::NotSent.into()
                        } else {
                            Outcome::Unknown.into()
                        };
                    }
                    return Some(error);
                }
            }
            from = to;
        }
        None
    }

    /// Repeats writes that the cluster refused because an older mapping lacks fields, and leaves
    /// out these fields. Because of the repeated writes, operators can revoke directives even
    /// before the index is upgraded. If a repeated request fails, the method returns the error.
    async fn repeat_for_older_mapping(
        &self,
        plan: &mut [PlannedWrite],
        executed: &mut [Executed],
    ) -> Option<WriteError> {
        // An older mapping can lack two fields, but a refusal names only one missing field, so a
        // write may have to be repeated twice.
        for _ in 0..2 {
            let again: Vec<usize> = plan
                .iter_mut()
                .zip(&*executed)
                .enumerate()
                .filter_map(|(at, (planned, executed))| match &executed.outcome {
                    Outcome::Refused { reason } => {
                        planned.adapt_to_older_mapping(reason).then_some(at)
                    }
                    _ => None,
                })
                .collect();
            let failure = self.send(plan, &again, executed).await;
            if failure.is_some() {
                return failure;
            }
        }
        None
    }

    /// Reads the documents of writes with an unclear outcome again, to determine the outcome of
    /// each.
    ///
    /// If the connection is interrupted, the client repeats the bulk request. If the cluster had
    /// executed the bulk request before the interruption, the repeated request causes a version
    /// conflict. Therefore, a write with a version conflict counts as successful if the index
    /// contains the planned document.
    async fn resolve(&self, plan: &[PlannedWrite], executed: &mut [Executed]) {
        let doubtful: Vec<&str> = plan
            .iter()
            .zip(&*executed)
            .filter(|(_, executed)| {
                matches!(
                    executed.outcome,
                    Outcome::Conflict { .. } | Outcome::Unknown
                )
            })
            .map(|(planned, _)| planned.id.as_str())
            .collect();
        if doubtful.is_empty() {
            return;
        }
        // If the documents cannot be read again, the outcomes in the report stay unclear.
        let Ok(current) = self.get_many(&doubtful).await else {
            return;
        };
        let mut current: HashMap<&str, Option<Stored>> =
            doubtful.into_iter().zip(current).collect();
        for (planned, executed) in plan.iter().zip(executed) {
            let Some(now) = current.remove(planned.id.as_str()) else {
                continue;
            };
            if planned.is_stored_as(now.as_ref()) {
                let version = now.as_ref().and_then(|now| now.version);
                *executed = Executed {
                    outcome: Outcome::Written,
                    numbers: version.map(|version| OperationNumbers {
                        seq_no: version.seq_no,
                        primary_term: version.primary_term,
                        version: None,
                    }),
                };
            } else if let Outcome::Conflict { current } = &mut executed.outcome {
                *current = now.map(Box::new);
            } else if planned.is_unwritten(now.as_ref()) {
                *executed = Outcome::NotSent.into();
            }
        }
    }
}

fn outcome(planned: &PlannedWrite, result: ActionResult) -> Executed {
    let (outcome, numbers) = match result {
        ActionResult::Done(numbers) => (Outcome::Written, numbers),
        // The document that the plan deletes does not exist any more, so the planned deletion has
        // succeeded.
        ActionResult::NotFound(numbers) if planned.is_delete() => (Outcome::Written, numbers),
        ActionResult::NotFound(_) | ActionResult::Conflict => {
            (Outcome::Conflict { current: None }, None)
        }
        ActionResult::Refused(reason) => (Outcome::Refused { reason }, None),
    };
    Executed { outcome, numbers }
}
