//! A reverse proxy in front of OpenSearch, built on axum. The proxy reads its directives from an
//! index of the same cluster. The README of the example describes the settings of the proxy.

#![forbid(unsafe_code)]

mod forward;
mod observed_body;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use example_proxy::{Recorder, Settings, X_REQUEST_ID, ensure_request_id, evaluator};
use opensearch_directives::OpenSearchDirectiveStore;
use opensearch_directives::tower::DirectivesLayer;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use forward::Proxy;

/// The maximum time that the proxy waits after a stop signal for the requests in progress.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::from_env()?;

    // The proxy starts without waiting for the cluster, so no directive applies before the first
    // successful poll.
    let (store, refresher) = OpenSearchDirectiveStore::build(settings.config())?;
    let store = Arc::new(store);
    tokio::spawn(refresher.run());

    let recorder = Arc::new(Recorder::default());
    tokio::spawn(dump_on_signal(Arc::clone(&recorder))?);
    let app = Router::new()
        .fallback(forward::forward)
        .with_state(Proxy::new(&settings, recorder))
        .layer(DirectivesLayer::new(evaluator(store.clone())))
        // The program adds the layer for request ids last, because the last layer runs first and
        // the evaluation of the directives needs the request id.
        .layer(middleware::from_fn(assign_request_id));

    let listener = TcpListener::bind(&settings.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?
        .tap_io(|connection| {
            // The proxy sets `TCP_NODELAY`, because without it a small response could wait until
            // the client acknowledges earlier data.
            let _ = connection.set_nodelay(true);
        });
    tracing::info!("listening on {}", settings.listen);
    let mut stop = stop_signal()?;
    let mut limit = stop.clone();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        let _ = stop.changed().await;
        tracing::info!("stopping: no new connections, waiting for requests");
    });
    tokio::select! {
        served = serving => served?,
        () = async {
            let _ = limit.changed().await;
            tokio::time::sleep(SHUTDOWN_LIMIT).await;
        } => tracing::warn!("requests were still running {SHUTDOWN_LIMIT:?} after the signal"),
    }
    store.shutdown().await;
    Ok(())
}

/// Gives each request a request id, and returns this id to the client in a header of the response.
async fn assign_request_id(mut request: Request, next: Next) -> Response {
    let id = ensure_request_id(request.headers());
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// Returns a receiver that is notified when the process receives SIGTERM or SIGINT.
fn stop_signal() -> Result<tokio::sync::watch::Receiver<()>, std::io::Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = tokio::sync::watch::channel(());
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(());
    });
    Ok(stopped)
}

/// Writes the lines of the recorder's ring buffer into the log whenever the process receives
/// SIGUSR1.
fn dump_on_signal(
    recorder: Arc<Recorder>,
) -> Result<impl Future<Output = ()> + Send, std::io::Error> {
    let mut dump = signal(SignalKind::user_defined1())?;
    Ok(async move {
        while dump.recv().await.is_some() {
            recorder.dump();
        }
    })
}
