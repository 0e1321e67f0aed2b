//! The command `directives record` polls the index only to record the operations on it. The
//! recorder serves only health checks and metrics, and not the API of the agent.
//!
//! The recorder can start before the index and the history exist, and waits until both exist. If
//! the recorder exited instead of waiting, it would miss the first operations on the index.

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
use super::{HEALTH_CONNECTIONS, announce_health, terminated};

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

/// Records until a signal ends the process. The recorder sends its queued records before it ends.
pub(in super::super) async fn run(args: RecordArgs) -> Result<(), Failure> {
    args.log.install()?;
    // The signal handlers are installed before the first read, so that a signal during the first
    // read of the index is not lost.
    let mut signals = Signals::listen()?;
    let config = args.polling.config().await?;
    let config = config
        .with_startup(Startup::Empty)
        .with_record_history(true);
    let clock = Arc::clone(&config.clock);
    let listeners = bind_health(&args.health_listen).await?;
    let store = tokio::select! {
        store = OpenSearchDirectiveStore::start(config) => Arc::new(store?),
        () = terminated(&mut signals) => return Ok(()),
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

/// Reloads the credentials and the certificates for the cluster, and polls at once.
async fn reload(store: &OpenSearchDirectiveStore) {
    info!("reloading credentials and certificates");
    store.reload_credentials();
    if let Err(error) = store.refresh().await {
        warn!(error = %opensearch_directives::error::chain(&error), "the poll after the reload failed");
    }
}
