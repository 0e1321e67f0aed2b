//! The destination of reports: either the fleet's index, or the agent that the instance polls.

use super::instance_report::InstanceReport;
use super::relay::SentReports;
use super::write::{IndexWriter, Refusal, ReportError};
use crate::http::{Client, Method, Request};

/// The path at which an agent accepts reports.
const PATH: &str = "/v1/reports";

/// The receiver to which a reporter sends its reports.
#[derive(Clone, Debug)]
pub(super) enum Destination {
    Index(IndexWriter),
    /// An agent that writes the reports itself, or sends them to the agent that it polls.
    Agent(Client),
}

impl Destination {
    /// Returns the name of the receiver, for error messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Index(index) => index.index().to_owned(),
            Self::Agent(_) => PATH.to_owned(),
        }
    }

    /// Sends reports, and returns the refusal of each report that was not accepted. `now` is the
    /// current time, according to the same clock as the times in the reports.
    pub(super) async fn write(
        &mut self,
        reports: Vec<InstanceReport>,
        now: jiff::Timestamp,
    ) -> Result<Vec<Option<Refusal>>, ReportError> {
        match self {
            Self::Index(index) => index.write(&reports).await,
            Self::Agent(agent) => {
                let number = reports.len();
                let sent = SentReports { now, reports };
                let body = serde_json::to_string(&sent).unwrap_or_default();
                let request = Request::new(Method::Post, PATH).json(body);
                agent.send(request).await.map_err(ReportError::Request)?;
                Ok(vec![None; number])
            }
        }
    }
}
