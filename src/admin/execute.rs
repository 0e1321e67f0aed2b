//! Executes planned writes with conditional bulk requests, and determines the outcome of each
//! write.

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
    /// The index already contained the planned document, so no request was sent.
    Unchanged,
    /// Somebody else changed the directive between the read and the write, so the planned document
    /// was not written.
    Conflict {
        /// The stored document; `None` if it was deleted or cannot be read.
        current: Option<Box<Stored>>,
    },
    /// The cluster refused the write.
    Refused {
        /// The reason that the cluster gave.
        reason: String,
    },
    /// The request failed, but the cluster may have written the document.
    Unknown,
    /// The write was not sent, because an earlier request failed.
    NotSent,
}

/// The outcome of a list of planned writes.
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteReport {
    /// Each planned write with its outcome, in the order of the plan.
    pub outcomes: Vec<(PlannedWrite, Outcome)>,
    /// The error of the first failed request. The writes after this request were not sent.
    pub failure: Option<WriteError>,
}

impl DirectivesApi {
    /// Executes all planned writes and returns when the documents are visible to searches. If the
    /// cluster refuses one write, the other writes are still executed. The report contains the
    /// outcome of each write.
    pub async fn execute(&self, mut plan: Vec<PlannedWrite>) -> WriteReport {
        for planned in &mut plan {
            planned.authenticate(self.authenticated_as.as_deref());
        }
        let mut outcomes: Vec<Outcome> = plan.iter().map(|_| Outcome::Unchanged).collect();
        let all: Vec<usize> = (0..plan.len()).collect();
        let failure = self.send(&plan, &all, &mut outcomes).await;
        self.repeat_for_older_mapping(&mut plan, &mut outcomes)
            .await;
        self.resolve(&plan, &mut outcomes).await;
        WriteReport {
            outcomes: plan.into_iter().zip(outcomes).collect(),
            failure,
        }
    }

    /// Sends the chosen writes in parts of limited size, and sets their outcomes. Stops at the
    /// first failed request, and returns the error of this request.
    async fn send(
        &self,
        plan: &[PlannedWrite],
        chosen: &[usize],
        outcomes: &mut [Outcome],
    ) -> Option<WriteError> {
        let (sent, actions): (Vec<usize>, Vec<String>) = chosen
            .iter()
            .filter_map(|&at| Some((at, plan[at].action()?)))
            .unzip();
        for &at in &sent {
            outcomes[at] = Outcome::NotSent;
        }
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
                    return Some(error);
                }
            }
            from = to;
        }
        None
    }

    /// Repeats the writes that an older mapping refuses, without the fields that this mapping
    /// lacks. A directive must be revocable even before the index is upgraded.
    async fn repeat_for_older_mapping(&self, plan: &mut [PlannedWrite], outcomes: &mut [Outcome]) {
        // A mapping can lack two fields, and a refusal names only one field at a time, so two
        // rounds are needed.
        for _ in 0..2 {
            let again: Vec<usize> = plan
                .iter_mut()
                .zip(&*outcomes)
                .enumerate()
                .filter_map(|(at, (planned, outcome))| match outcome {
                    Outcome::Refused { reason } => {
                        planned.adapt_to_older_mapping(reason).then_some(at)
                    }
                    _ => None,
                })
                .collect();
            // The error can be ignored, because the outcomes say whether the second attempt
            // succeeded.
            let _ = self.send(plan, &again, outcomes).await;
        }
    }

    /// Re-reads the documents whose outcome is unclear.
    ///
    /// The client repeats a request if its connection is interrupted. If the cluster executed the
    /// interrupted request, the repeated request causes a conflict. If the index contains the
    /// planned document, such a conflict counts as a success.
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
        // If the documents cannot be re-read, the outcomes in the report remain unclear.
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
        // The document that the plan deletes does not exist any more.
        ActionResult::NotFound if planned.is_delete() => Outcome::Written,
        ActionResult::NotFound | ActionResult::Conflict => Outcome::Conflict { current: None },
        ActionResult::Refused(reason) => Outcome::Refused { reason },
    }
}
