//! Accepts the reports of instances that poll an agent instead of the index. The agent writes the
//! accepted reports into the fleet's index.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use opensearch_directives_core::internal::visible_beginning;
use serde::{Deserialize, Serialize};

use super::instance_report::{InstanceReport, MAX_CHARACTERS, MAX_HOPS};
use super::outbox::Outbox;
use crate::refresher::Shared;

/// The reports that one instance sends to an agent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SentReports {
    /// The time at which the reports were sent, according to the same clock as the times in the
    /// reports.
    pub(super) now: Timestamp,
    pub(super) reports: Vec<InstanceReport>,
}

/// Accepts the reports of other instances for a [`Reporter`](super::Reporter). The reporter writes
/// the accepted reports together with its own report. All clones of a relay belong to the same
/// reporter.
#[derive(Clone, Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
}

/// The error for reports that a relay did not accept.
#[derive(Debug)]
pub struct RelayError(Kind);

#[derive(Debug)]
enum Kind {
    Malformed(String),
    Full,
}

impl Relay {
    pub(super) fn new(shared: Arc<Shared>, outbox: Arc<Outbox>) -> Self {
        Self { shared, outbox }
    }

    /// Accepts reports in the JSON form that [`Reporter::through_agent`](super::Reporter) sends,
    /// and returns the number of accepted reports. The caller must limit the size of the JSON. The
    /// reporter writes the reports within about a second, or later if the index of the fleet is not
    /// available.
    ///
    /// # Errors
    /// Returns a [`RelayError`] if the JSON or one of the reports is malformed, or if too many
    /// instances report. If the relay does not accept one of the reports, it accepts none of them.
    pub fn accept(&self, json: &[u8]) -> Result<usize, RelayError> {
        let now = super::reporter::corrected_now(&self.shared);
        let reports = decode(json, self.shared.instance(), now)?;
        let number = reports.len();
        match self.outbox.add(reports, now) {
            Ok(()) => Ok(number),
            Err(_) => Err(RelayError(Kind::Full)),
        }
    }
}

/// Decodes the reports that a client sends to the agent `own`, and adds this agent to the list
/// `via` of each report.
pub(super) fn decode(
    json: &[u8],
    own: &str,
    now: Timestamp,
) -> Result<Vec<InstanceReport>, RelayError> {
    let sent: SentReports =
        serde_json::from_slice(json).map_err(|error| RelayError::malformed(&error.to_string()))?;
    let ahead = sent.now.duration_since(now);
    let mut reports = sent.reports;
    for report in &mut reports {
        check(report, own)?;
        // The relay corrects the time of the report, because the clock of the instance may be
        // wrong.
        let reported_at = report.reported_at.saturating_sub(ahead).unwrap_or(now);
        report.reported_at = reported_at.min(now);
        report.via.push(own.to_owned());
    }
    Ok(reports)
}

fn check(report: &InstanceReport, own: &str) -> Result<(), RelayError> {
    if report.instance == own || report.via.iter().any(|agent| agent == own) {
        return Err(RelayError::malformed(&format!(
            "the agent {own} does not forward its own report; each instance needs a name of its own"
        )));
    }
    if report.via.len() >= MAX_HOPS {
        return Err(RelayError::malformed(&format!(
            "a report goes through at most {MAX_HOPS} agents"
        )));
    }
    match report.field_out_of_bounds() {
        Some(field) => Err(RelayError::malformed(&format!(
            "the field {field} of a report is out of bounds"
        ))),
        None => Ok(()),
    }
}

impl RelayError {
    /// Creates the error for reports that are malformed. Only the beginning of `problem` is kept,
    /// because it may contain a text of the client.
    fn malformed(problem: &str) -> Self {
        Self(Kind::Malformed(visible_beginning(problem, MAX_CHARACTERS)))
    }

    /// Returns true if the relay may accept the same reports later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.0, Kind::Full)
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Malformed(problem) => f.write_str(problem),
            Kind::Full => f.write_str("too many instances report through this agent"),
        }
    }
}

impl std::error::Error for RelayError {}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
