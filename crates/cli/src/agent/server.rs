//! Accepts connections, so many at a time, each with a deadline for its headers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, warn};

use super::listen::{Listener, Stream};

/// How many connections are served at a time beside those that may wait for a change;
/// further ones wait to be accepted.
const CONNECTIONS: usize = 512;
/// How long a connection may take to send a request's headers, idle time included.
const HEADERS_AT_MOST: Duration = Duration::from_secs(30);
/// How long requests that are under way may still take after the stop.
const DRAIN: Duration = Duration::from_millis(500);
/// A signal ends the agent within a second.
const _: () = assert!(DRAIN.as_millis() < 1000);
/// The pause after a failed accept: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stopped` is true, then lets requests end, for a moment.
pub(super) async fn serve(
    listeners: Vec<Listener>,
    app: Router,
    max_waiting: usize,
    stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS.saturating_add(max_waiting)));
    let connections = GracefulShutdown::new();
    let loops = listeners
        .into_iter()
        .map(|listener| accept_all(listener, &app, &places, &connections, stopped.clone()));
    futures_util::future::join_all(loops).await;
    // What is still busy after this ends with the process.
    let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
}

async fn accept_all(
    listener: Listener,
    app: &Router,
    places: &Arc<Semaphore>,
    connections: &GracefulShutdown,
    mut stopped: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_AT_MOST);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, places) => accepted,
            // Whoever would say so is gone: as good as said.
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let service = TowerToHyperService::new(app.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
}

async fn accept(
    listener: &Listener,
    places: &Arc<Semaphore>,
) -> Option<(Stream, OwnedSemaphorePermit)> {
    // Never closed.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok(stream) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
