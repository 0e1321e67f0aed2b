//! The command `directives record` polls the index, only to record the operations on the index in
//! its history. The recorder serves health checks and metrics, but not the API of the agent.
//!
//! The recorder can start before the index and its history exist, and then waits until both exist.
//! A recorder that exited while the index or its history does not exist would miss the first
//! operations on the index.

use std::sync::Arc;

use clap::Args;
use opensearch_directives::{OpenSearchDirectiveStore, Startup};
use tracing::{info, warn};

use super::super::exit::Failure;
use super::api::{self, Agent};
use super::log_args::LogArgs;
use super::polling_args::PollingArgs;
use super::server::{Address, Connections, bind_health, serve};
use super::signals::{Signals, phases, run_until_stopped};
use super::{HEALTH_CONNECTIONS, announce_health};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  directives record --url https://opensearch:9200 --username recorder --password-file password

Run two or three recorders for each index: an operation is recorded once, whoever records it first.
`directives init --history` creates the history.")]
pub(in super::super) struct RecordArgs {
    #[command(flatten)]
    polling: PollingArgs,

    /// Address that serves only /healthz, /readyz and /metrics, for probes and Prometheus; other
    /// hosts may reach it: HOST:PORT, :PORT for all interfaces, or unix: and the path of a socket
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = "127.0.0.1:9981",
        help_heading = "Serving"
    )]
    health_listen: Vec<Address>,

    #[command(flatten)]
    log: LogArgs,
}

/// Records operations until a signal ends the process. Before the recorder ends, it writes its
/// queued records to the history.
pub(in super::super) async fn run(args: RecordArgs) -> Result<(), Failure> {
    args.log.install()?;
    // The recorder installs the signal handlers before it first reads the index, so that it does
    // not lose a signal during this read.
    let mut signals = Signals::listen()?;
    let config = args.polling.config().await?;
    let config = config
        .with_startup(Startup::Empty)
        .with_record_history(true);
    let clock = Arc::clone(&config.clock);
    let listeners = bind_health(&args.health_listen).await?;
    let store = tokio::select! {
        store = OpenSearchDirectiveStore::start(config) => Arc::new(store?),
        () = signals.terminated() => return Ok(()),
    };
    announce_health(&listeners)?;
    let (sender, phase) = phases();
    let connections = Connections::new(HEALTH_CONNECTIONS);
    let recorder = Agent::new(Arc::clone(&store), clock, 0, 0, phase.clone(), &connections);
    let router = api::health_router(recorder.recording_only());
    let reload = async || reload(&store).await;
    tokio::join!(
        serve(listeners, router, connections, None, phase),
        run_until_stopped(&sender, &mut signals, None, reload),
    );
    store.shutdown().await;
    Ok(())
}

/// Reloads the recorder's credentials and certificates for the cluster, and then polls at once.
async fn reload(store: &OpenSearchDirectiveStore) {
    info!("reloading credentials and certificates");
    store.reload_credentials();
    if let Err(error) = store.refresh().await {
        warn!(error = %opensearch_directives::error::chain(&error), "the poll after the reload failed");
    }
}
