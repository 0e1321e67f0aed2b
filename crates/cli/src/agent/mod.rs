//! `directives agent`: the refresher made observable over HTTP, for proxies that are
//! not written in Rust and for a look at what a proxy sees.

mod admission;
mod body;
mod directives;
mod etag;
mod evaluate;
mod evaluate_request;
mod listen;
mod log;
mod long_poll;
mod osproxy;
mod problem;
mod query;
mod router;
mod server;
mod snapshot;
#[cfg(unix)]
mod unix_socket;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use opensearch_directives::{Config, OpenSearchDirectiveStore, Startup, Upstream};
use tokio::sync::watch;
use tracing::info;

use super::connection::ConnectionArgs;
use super::duration::parse;
use super::exit::Failure;
use super::output::print;
use listen::ListenArgs;
use log::LogArgs;
use router::Agent;

#[derive(Debug, Args)]
pub(super) struct AgentArgs {
    /// The time between polls, give or take a tenth
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse)]
    interval: Duration,

    /// What answers at --url: the cluster that holds the index, or another agent that
    /// polls it, whose bound on expiries (--max-ttl) then holds
    #[arg(long, value_name = "WHAT", default_value = "index")]
    upstream: UpstreamKind,

    /// What to do when the index cannot be read at the start
    #[arg(long, value_name = "POLICY", default_value = "require")]
    startup: StartupPolicy,

    /// The age of the last complete read at which the set is emptied [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    clear_after: Option<Duration>,

    /// Where to keep the last good set
    #[arg(long, value_name = "FILE", required_if_eq("startup", "last-good"))]
    last_good: Option<PathBuf>,

    /// The age of the last complete read from which on the agent is not ready
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse)]
    stale_after: Duration,

    /// Time limit of one request to one node
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse)]
    request_timeout: Duration,

    /// Time limit of a whole poll: all its requests, on all nodes
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = parse)]
    poll_timeout: Duration,

    /// The longest pause between polls while they fail
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse)]
    max_backoff: Duration,

    /// How long changes alone are read before everything is read once more
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse)]
    reconcile_interval: Duration,

    /// How far ahead an expiry may lie; a document beyond is refused
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse)]
    max_ttl: Duration,

    /// How many documents the index may hold
    #[arg(long, value_name = "N", default_value_t = Config::DEFAULT_MAX_DOCUMENTS)]
    max_documents: usize,

    /// This instance's name in its status [default: a random one]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,

    #[command(flatten)]
    log: LogArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum StartupPolicy {
    /// End, and say why
    Require,
    /// Serve the last good set from a file
    LastGood,
    /// Serve an empty set until a read succeeds
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
    async fn config(&self) -> Result<Config, Failure> {
        let startup = match self.startup {
            StartupPolicy::Require => Startup::Require,
            StartupPolicy::Empty => Startup::Empty,
            StartupPolicy::LastGood => Startup::LastGood,
        };
        let cluster = self.connection.cluster(self.request_timeout).await?;
        let mut config = Config::new(cluster)
            .with_upstream(match self.upstream {
                UpstreamKind::Index => Upstream::Index,
                UpstreamKind::Agent => Upstream::Agent,
            })
            .with_interval(self.interval)
            .with_startup(startup)
            .with_stale_after(self.stale_after)
            .with_poll_timeout(self.poll_timeout)
            .with_max_backoff(self.max_backoff)
            .with_reconcile_interval(self.reconcile_interval)
            .with_max_ttl(self.max_ttl)
            .with_max_documents(self.max_documents);
        if let Some(clear_after) = self.clear_after {
            config = config.with_clear_after(clear_after);
        }
        if let Some(file) = &self.last_good {
            config = config.with_last_good(file);
        }
        if let Some(instance) = &self.instance {
            config = config.with_instance(instance);
        }
        Ok(config)
    }
}

pub(super) async fn run(args: AgentArgs) -> Result<(), Failure> {
    args.log.begin()?;
    // Before the first read, so that a signal during it is not missed.
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let config = args.config().await?;
    let clock = Arc::clone(&config.clock);
    let listeners = args.listen.bind().await?;
    let store = tokio::select! {
        store = OpenSearchDirectiveStore::start(config) => Arc::new(store?),
        () = &mut stop => return Ok(()),
    };
    for listener in &listeners {
        let url = listener.url()?;
        info!(url, "serving");
        print(&format!("listening on {url}"))?;
    }
    let (stopping, stopped) = watch::channel(false);
    let max_waiting = usize::from(args.listen.max_waiting);
    let agent = Agent::new(Arc::clone(&store), clock, max_waiting, stopped.clone());
    let served = server::serve(listeners, router::router(agent), max_waiting, stopped);
    tokio::join!(served, async {
        stop.await;
        stopping.send_replace(true);
    });
    info!("stopping");
    store.shutdown().await;
    Ok(())
}

/// Completes at SIGTERM or SIGINT.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fallible on Unix")]
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        // Without a handler there is no signal to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
