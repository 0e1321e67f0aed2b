//! Defines the flags for the agent's reports to the fleet, and starts the task that writes these
//! reports into an index.

use std::time::Duration;

use clap::Args;
use opensearch_directives::fleet::{InstanceKind, Relay, Reporter};
use opensearch_directives::{ClusterConfig, OpenSearchDirectiveStore};
use tokio::task::JoinHandle;

use super::super::duration::parse;
use super::super::exit::Failure;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Write reports about what this agent applies into the index INDEX-fleet, which `directives
    /// init --fleet` creates. Also accept the reports of instances that poll this agent. An agent
    /// that polls another agent reports through that agent. `directives status` shows the reports
    #[arg(long)]
    pub(super) report: bool,

    /// Longest time between two reports, from 1s to 1d; a change is reported at once
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = report_interval)]
    report_interval: Duration,
}

impl ReportArgs {
    /// Starts the task that writes the agent's reports to the fleet. Returns the task, and a handle
    /// that accepts the reports of other instances. When the store has ended, the task writes a
    /// last report, which states that the agent has left the fleet. The parameter `server` is the
    /// cluster or the agent that the store polls.
    pub(super) fn start(
        &self,
        store: &OpenSearchDirectiveStore,
        server: &ClusterConfig,
        polls_agent: bool,
    ) -> Result<Option<(JoinHandle<()>, Relay)>, Failure> {
        if !self.report {
            return Ok(None);
        }
        let reporter = if polls_agent {
            Reporter::through_agent(store, server)?
        } else {
            Reporter::new(store, server)?
        };
        let mut reporter = reporter
            .with_kind(InstanceKind::Agent)
            .with_interval(self.report_interval);
        if let Ok(host) = whoami::hostname() {
            reporter = reporter.with_host(host);
        }
        let relay = reporter.relay();
        Ok(Some((tokio::spawn(reporter.run()), relay)))
    }
}

/// Parses the interval between two reports, and refuses an interval outside
/// [`Reporter::INTERVALS`].
fn report_interval(text: &str) -> Result<Duration, String> {
    let interval = parse(text)?;
    if Reporter::INTERVALS.contains(&interval) {
        Ok(interval)
    } else {
        Err("an interval is from 1s to 1d".to_owned())
    }
}
