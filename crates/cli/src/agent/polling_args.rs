//! Defines the flags that control polling, and converts them to the configuration of the agent's
//! store.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use opensearch_directives::{Config, Startup, Upstream};

use super::super::connection::ConnectionArgs;
use super::super::duration::parse;
use super::super::exit::Failure;
use super::super::signature_args::SignatureArgs;
use super::access::AccessArgs;
use super::log_args::LogArgs;
use super::report_args::ReportArgs;
use super::server::ListenArgs;

/// The flags for the connection to the index and for the polls. All commands that poll have these
/// flags.
#[derive(Debug, Args)]
pub(super) struct PollingArgs {
    /// Time between polls, with a jitter of ±10 %. With `--upstream agent`, changes arrive at once,
    /// and the interval is the longest time without a response
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse)]
    interval: Duration,

    /// Treat the set as stale when the last complete read is older than this. A metric, the status
    /// and /readyz?fresh report this [default: 30s, or three intervals if they are longer]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    stale_after: Option<Duration>,

    /// Time limit of one request to one node
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse)]
    request_timeout: Duration,

    /// Time limit of a whole poll, which may consist of several requests to several nodes
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = parse)]
    poll_timeout: Duration,

    /// Longest pause between polls while they fail
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse)]
    max_backoff: Duration,

    /// Interval between reconciles (±20 % jitter): a safety net behind the checks of each poll
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse)]
    reconcile_interval: Duration,

    /// Longest time from now to the expiry of a directive; a document with a later expiry is
    /// rejected
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse)]
    max_ttl: Duration,

    /// Largest number of documents that the index may hold
    #[arg(long, value_name = "N", default_value_t = Config::DEFAULT_MAX_DOCUMENTS)]
    max_documents: usize,

    /// Name of this instance in its status [default: a random name]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

impl PollingArgs {
    /// Converts the polling flags to a configuration of the store.
    pub(super) async fn config(&self) -> Result<Config, Failure> {
        self.connection.require_renewable_credentials()?;
        let cluster = self.connection.cluster(self.request_timeout).await?;
        let mut config = Config::new(cluster)
            .with_interval(self.interval)
            .with_poll_timeout(self.poll_timeout)
            .with_max_backoff(self.max_backoff)
            .with_reconcile_interval(self.reconcile_interval)
            .with_max_ttl(self.max_ttl)
            .with_max_documents(self.max_documents);
        if let Some(stale_after) = self.stale_after {
            config = config.with_stale_after(stale_after);
        }
        if let Some(instance) = &self.instance {
            config = config.with_instance(instance);
        }
        Ok(config)
    }
}

#[derive(Debug, Args)]
pub(in super::super) struct AgentArgs {
    #[command(flatten)]
    polling: PollingArgs,

    /// Kind of the server at --url: the cluster that holds the index, or another agent that polls
    /// it. For an agent, the --max-ttl of that agent applies
    #[arg(long, value_name = "KIND", default_value = "index")]
    upstream: UpstreamKind,

    /// Behaviour if the index cannot be read at the start
    #[arg(long, value_name = "POLICY", default_value = "require")]
    startup: StartupPolicy,

    /// Empty the set when the last complete read is older than this [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    clear_after: Option<Duration>,

    /// File that keeps the last good set
    #[arg(long, value_name = "FILE", required_if_eq_any([("startup", "last-good"), ("startup", "last-good-or-empty")]))]
    last_good: Option<PathBuf>,

    /// Kill switch: while this file exists, no directive applies in this agent. The agent looks for
    /// the file twice a second, even while the cluster is unreachable
    #[arg(long, value_name = "FILE")]
    off_file: Option<PathBuf>,

    /// Number of directives, in the order of their ids, for which /metrics has a series with the
    /// number of matches; /v1/hits always has the matches of all directives
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=10_000))]
    pub(super) metrics_directives: u16,

    /// Write a record of every operation that the polls find into the history of the index, which
    /// `directives init --history` creates. A few such agents for each index are enough
    #[arg(long)]
    record_history: bool,

    /// Time after SIGTERM in which the agent still polls and serves while /readyz fails, so that
    /// load balancers stop sending traffic first [default: stop at once]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(super) shutdown_delay: Option<Duration>,

    #[command(flatten)]
    pub(super) report: ReportArgs,

    #[command(flatten)]
    pub(super) log: LogArgs,

    #[command(flatten)]
    pub(super) listen: ListenArgs,

    #[command(flatten)]
    pub(super) access: AccessArgs,

    #[command(flatten)]
    signatures: SignatureArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum StartupPolicy {
    /// The agent exits with an error
    Require,
    /// The agent serves the last good set from its file, or exits with an error
    LastGood,
    /// The agent serves the last good set from its file, or an empty set
    LastGoodOrEmpty,
    /// The agent serves an empty set until a read succeeds
    Empty,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum UpstreamKind {
    /// A cluster
    Index,
    /// An agent
    Agent,
}

impl AgentArgs {
    /// Returns true if `--upstream` states that the server at `--url` is another agent.
    pub(super) fn polls_agent(&self) -> bool {
        self.upstream == UpstreamKind::Agent
    }

    pub(super) async fn config(&self) -> Result<Config, Failure> {
        let startup = match self.startup {
            StartupPolicy::Require => Startup::default(),
            StartupPolicy::Empty => Startup::Empty,
            StartupPolicy::LastGood => Startup::LastGood,
            StartupPolicy::LastGoodOrEmpty => Startup::LastGoodOrEmpty,
        };
        let upstream = match self.upstream {
            UpstreamKind::Index => Upstream::Index,
            UpstreamKind::Agent => Upstream::Agent,
        };
        let mut config = self
            .polling
            .config()
            .await?
            .with_upstream(upstream)
            .with_startup(startup)
            .with_hit_counts()
            .with_record_history(self.record_history);
        if let Some(clear_after) = self.clear_after {
            config = config.with_clear_after(clear_after);
        }
        if let Some(checks) = self.signatures.checks()? {
            config = config.with_signatures(checks);
        }
        if let Some(file) = &self.last_good {
            config = config.with_last_good(file);
        }
        if let Some(file) = &self.off_file {
            config = config.with_off_file(file);
        }
        Ok(config)
    }
}
