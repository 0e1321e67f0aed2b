//! One round of reporting writes the instance's own report and the reports that the instance
//! forwards. For each refused report, the round decides whether to send the report again or to drop
//! it.

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::destination::Destination;
use super::instance_report::InstanceReport;
use super::reporter::{CLEANUP_INTERVAL, Reporter, corrected_now};
use super::write::{Refusal, ReportError};
use crate::http::{BULK_BYTES, chain};

impl Reporter {
    /// Writes the reports of other instances, and, if `with_own` is true, the instance's own
    /// report.
    pub(super) async fn report(&mut self, with_own: bool, left: bool) -> Result<(), ReportError> {
        let key = self.shared.report_key();
        let shared = &self.shared;
        let (hits, now) = (shared.hits(), shared.now());
        let own = InstanceReport::new(shared.status(), hits, &self.identity, now, left);
        self.outbox.complete(&own);
        let mut reports = self.outbox.pending(&own, BULK_BYTES);
        let relayed = reports.clone();
        if with_own {
            reports.push(own);
        }
        let written = self.write(reports, &relayed).await;
        if with_own || written.is_err() {
            self.shared.count_report(written.is_ok());
        }
        match &written {
            Ok(()) => {
                if with_own {
                    self.reported = Some(key);
                }
                if self.last_error.take().is_some() {
                    info!("the instance reports again");
                }
                if !left && Instant::now() >= self.cleanup_at {
                    self.clean_up().await;
                }
            }
            Err(error) => self.note_failure(error),
        }
        written
    }

    /// Writes `reports`, which contains the `relayed` reports and, if it is due, the instance's own
    /// report as the last one.
    async fn write(
        &mut self,
        reports: Vec<InstanceReport>,
        relayed: &[InstanceReport],
    ) -> Result<(), ReportError> {
        if reports.is_empty() {
            return Ok(());
        }
        let now = corrected_now(&self.shared);
        let sent = reports.clone();
        let refusals = self.destination.write(reports, now).await?;
        let (refused, remaining) = self.settle(relayed, &refusals);
        if let Some((instance, reason)) = refused.first() {
            let refused = refused.len();
            warn!(
                refused,
                instance,
                reason,
                "the index of the fleet refuses reports of instances that poll this one"
            );
        }
        if let Some(transitions) = &mut self.transitions {
            let written = sent.iter().zip(&refusals);
            let written = written.filter(|(_, refusal)| refusal.is_none());
            transitions.observe(written.map(|(report, _)| report));
            transitions.flush().await;
        }
        let own = refusals.get(relayed.len()).and_then(Option::as_ref);
        match own.map(|refusal| refusal.reason.clone()).or(remaining) {
            None => Ok(()),
            Some(reason) => Err(ReportError::Refused {
                index: self.destination.name(),
                reason,
            }),
        }
    }

    /// Marks forwarded reports as no longer pending if they were written or will never be accepted.
    /// Returns the reports that will never be accepted, with the reasons. Returns, as the second
    /// value, why a refused report stays pending, or `None` if no refused report stays pending.
    fn settle<'a>(
        &self,
        relayed: &'a [InstanceReport],
        refusals: &'a [Option<Refusal>],
    ) -> (Vec<(&'a str, &'a str)>, Option<String>) {
        let (mut refused, mut remaining) = (Vec::new(), None);
        for (report, refusal) in relayed.iter().zip(refusals) {
            match refusal {
                Some(refusal) if !refusal.is_final => {
                    remaining.get_or_insert_with(|| refusal.reason.clone());
                    continue;
                }
                Some(refusal) => refused.push((&*report.instance, &*refusal.reason)),
                None => {}
            }
            self.outbox.settle(report);
        }
        (refused, remaining)
    }

    /// Logs why a report could not be written. If consecutive reports fail with the same error,
    /// only the first failure is logged as a warning.
    fn note_failure(&mut self, error: &ReportError) {
        let text = chain(error);
        if self.last_error.as_ref() == Some(&text) {
            debug!(error = text, "the report failed again");
        } else {
            warn!(
                error = text,
                "the instance cannot report to the fleet; the polls continue"
            );
            self.last_error = Some(text);
        }
    }

    async fn clean_up(&mut self) {
        self.cleanup_at = Instant::now() + CLEANUP_INTERVAL;
        let Destination::Index(index) = &self.destination else {
            return;
        };
        if let Err(error) = index.delete_old().await {
            debug!(error = chain(&error), "old reports were not deleted");
        }
    }
}
