//! `directives agent`: polls the index and serves the published set over HTTP. The agent is for
//! proxies that are not written in Rust, and for operators who want to see the set that a proxy
//! applies.
//!
//! The module `server` accepts connections, `access` decides which requests the agent serves, and
//! `api` computes the responses.

mod access;
mod api;
mod log_args;
mod polling_args;
mod record_command;
mod report_args;
mod server;
mod signals;

use std::sync::Arc;

use opensearch_directives::OpenSearchDirectiveStore;
use tracing::{info, warn};

use super::exit::Failure;
use super::output::print;
use access::Access;
use api::Agent;
pub(crate) use api::fuzzing;
pub(super) use polling_args::AgentArgs;
pub(super) use record_command::{RecordArgs, run as record};
pub(super) use server::Address;
use server::{Connections, Listener, Listeners};
use signals::{Signals, phases, run_until_stopped};

/// The maximum number of connections that the API listeners serve at the same time. Connections
/// whose clients wait for a change do not count towards `API_CONNECTIONS`.
const API_CONNECTIONS: usize = 512;
/// The maximum number of connections that the health listener serves at the same time.
const HEALTH_CONNECTIONS: usize = 64;

pub(super) async fn run(args: AgentArgs) -> Result<(), Failure> {
    args.log.install()?;
    // The agent installs the signal handlers before it first reads the index, so that it does not
    // lose a signal during this read.
    let mut signals = Signals::listen()?;
    let access = Access::load(&args.access).await?;
    let config = args.config().await?;
    let clock = Arc::clone(&config.clock);
    let cluster = config.cluster.clone();
    let listeners = args.listen.bind(&args.access).await?;
    let store = tokio::select! {
        store = OpenSearchDirectiveStore::start(config) => Arc::new(store?),
        () = signals.terminated() => return Ok(()),
    };
    let (reporting, relay) = args
        .report
        .start(&store, &cluster, args.polls_agent())?
        .unzip();
    announce(&listeners, access.serves_tls())?;
    let max_waiting = usize::from(args.listen.max_waiting);
    let (sender, phase) = phases();
    let connections = Connections::new(API_CONNECTIONS.saturating_add(max_waiting));
    let agent = Agent::new(
        Arc::clone(&store),
        clock,
        max_waiting,
        usize::from(args.metrics_directives),
        phase.clone(),
        &connections,
    )
    .with_relay(relay);
    let apis = server::serve(
        listeners.api,
        api::router(agent.clone(), Arc::clone(&access)),
        connections,
        access.tls(),
        phase.clone(),
    );
    let health = server::serve(
        listeners.health,
        api::health_router(agent),
        Connections::new(HEALTH_CONNECTIONS),
        None,
        phase,
    );
    let reload = async || reload(&access, &store).await;
    tokio::join!(
        apis,
        health,
        run_until_stopped(&sender, &mut signals, args.shutdown_delay, reload),
    );
    store.shutdown().await;
    if let Some(reporting) = reporting {
        // The reporting task ends within a limited time after the store has ended. The result of
        // the reporting task is ignored, because a panic of this task has already been printed.
        let _ = reporting.await;
    }
    Ok(())
}

/// Prints the addresses on which the agent listens. The lines on standard output have a stable
/// form, because programs that start the agent parse them.
fn announce(listeners: &Listeners, tls: bool) -> Result<(), Failure> {
    for listener in &listeners.api {
        let url = listener.url(tls)?;
        info!(url, "serving");
        print(&format!("listening on {url}"))?;
    }
    announce_health(&listeners.health)
}

fn announce_health(listeners: &[Listener]) -> Result<(), Failure> {
    for listener in listeners {
        let url = listener.url(false)?;
        info!(url, "serving health and metrics");
        print(&format!("health on {url}"))?;
    }
    Ok(())
}

/// Reloads all tokens, credentials and certificates, and then polls at once. If a file with tokens,
/// credentials or certificates is unusable, the agent continues to use the earlier content of this
/// file.
async fn reload(access: &Access, store: &OpenSearchDirectiveStore) {
    info!("reloading tokens and certificates");
    access.reload().await;
    store.reload_credentials();
    if let Err(error) = store.refresh().await {
        warn!(error = %opensearch_directives::error::chain(&error), "the poll after the reload failed");
    }
}
