//! Accepts the connections of a listener, and serves the HTTP requests on them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::super::signals::PhaseReceiver;
use super::connection_limit::{Admitted, Connections};
use super::connection_properties::Peer;
use super::listeners::Listener;
use super::send_limit::{SendingBody, Stream};

/// The time limit from admitting a connection to receiving its first request, including the TLS
/// handshake.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for which a connection may be idle between two requests. The idle time exceeds 60 s,
/// after which nginx and common load balancers close idle connections, so that the client is the
/// first to close a connection. If the agent closed the connection first, it would lose a request
/// that the client sends at the same moment.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// The maximum total size of a request's headers in bytes. Each connection can use this much memory
/// for headers before the agent refuses the request.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The time limit after the stop signal for completing the requests in progress.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// The pause after the agent could not accept a connection, so that a lack of file descriptors does
/// not make the agent try again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Receives the current TLS configuration for new connections; `None` if the listener does not use
/// TLS.
#[cfg(feature = "rustls-tls")]
pub(in super::super) type TlsReceiver =
    Option<tokio::sync::watch::Receiver<Arc<tokio_rustls::rustls::ServerConfig>>>;
/// A build without `rustls-tls` has no TLS configuration, so this type has only the value `None`.
#[cfg(not(feature = "rustls-tls"))]
pub(in super::super) type TlsReceiver = Option<std::convert::Infallible>;

/// The state that all connections of a listener share.
#[derive(Clone, Debug)]
struct Server {
    app: Router,
    connections: Connections,
    tls: TlsReceiver,
    phase: PhaseReceiver,
}

/// Serves requests until the phase is [`Stopping`](super::super::signals::Phase::Stopping). After
/// the stop signal, the requests in progress must complete within [`DRAIN_TIMEOUT`].
pub(in super::super) async fn serve(
    listeners: Vec<Listener>,
    app: Router,
    connections: Connections,
    tls: TlsReceiver,
    phase: PhaseReceiver,
) {
    let server = Server {
        app,
        connections,
        tls,
        phase,
    };
    let loops = listeners
        .into_iter()
        .map(|listener| accept_loop(listener, server.clone()));
    futures_util::future::join_all(loops).await;
}

async fn accept_loop(listener: Listener, server: Server) {
    let mut tasks = JoinSet::new();
    loop {
        // The loop removes the tasks of ended connections here, so that the set of tasks does not
        // grow forever. If a branch of `select!` removed the tasks, each completion of this branch
        // would cancel the future of `accept`, and the agent would lose a client that waits for a
        // free slot.
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = accept(&listener, &server.connections) => accepted,
            () = server.phase.stopping() => break,
        };
        if let Some((stream, admitted)) = accepted {
            let peer = Peer {
                is_unix: listener.is_unix(),
                health_only: admitted.health_only,
            };
            tasks.spawn(server.clone().serve_connection(stream, admitted, peer));
        }
    }
    drop(listener);
    let ended = async { while tasks.join_next().await.is_some() {} };
    // Connections that are still busy after `DRAIN_TIMEOUT` are closed when the process exits.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, ended).await;
}

async fn accept(listener: &Listener, connections: &Connections) -> Option<(Stream, Admitted)> {
    match listener.accept().await {
        Ok(stream) => Some((stream, connections.admit().await)),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            if lacks_file_descriptors(&error) {
                connections.shed();
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Returns true if a connection could not be accepted because the process (`EMFILE`) or the system
/// (`ENFILE`) has no free file descriptor. Every other error concerns only the connection that
/// could not be accepted.
fn lacks_file_descriptors(error: &std::io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

impl Server {
    async fn serve_connection(self, stream: Stream, admitted: Admitted, peer: Peer) {
        let first_request = Instant::now() + FIRST_REQUEST_TIMEOUT;
        let result = match self.tls {
            #[cfg(feature = "rustls-tls")]
            Some(ref tls) if !peer.is_unix => {
                let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&tls.borrow()));
                let handshake = acceptor.accept(stream);
                tokio::select! {
                    stream = tokio::time::timeout_at(first_request, handshake) => match stream {
                        Ok(Ok(stream)) => self.serve_http(stream, &admitted, peer, first_request).await,
                        Ok(Err(error)) => Err(error.into()),
                        Err(_) => Err("the TLS handshake took too long".into()),
                    },
                    () = admitted.evicted() => Ok(()),
                }
            }
            _ => {
                self.serve_http(stream, &admitted, peer, first_request)
                    .await
            }
        };
        if let Err(error) = result {
            debug!(error, "a connection ended early");
        }
    }

    /// Serves the requests on a connection. Closes the connection if its first request has not
    /// arrived by the instant `first_request`.
    async fn serve_http(
        &self,
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        admitted: &Admitted,
        peer: Peer,
        first_request: Instant,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let has_served = AtomicBool::new(false);
        let app = TowerToHyperService::new(self.app.clone());
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            has_served.store(true, Ordering::Relaxed);
            let under_way = admitted.begin_request();
            request.extensions_mut().insert(peer);
            let response = app.call(request);
            async move {
                let response = response.await;
                response.map(|it| it.map(|body| SendingBody::new(body, under_way)))
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT)
            .max_buf_size(MAX_HEADER_BYTES);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut first_request = pin!(tokio::time::sleep_until(first_request));
        let mut is_closing = false;
        loop {
            tokio::select! {
                // `biased` makes the agent serve a request that has arrived, even if the agent has
                // just selected its connection to make room for another connection.
                biased;
                result = connection.as_mut() => return Ok(result?),
                () = &mut first_request, if !has_served.load(Ordering::Relaxed) => {
                    // The loop checks `has_served` again, because the first request may have
                    // arrived at the instant at which its time limit passed.
                    if !has_served.load(Ordering::Relaxed) {
                        return Err("no request arrived in time".into());
                    }
                }
                () = admitted.evicted(), if !is_closing => {
                    if admitted.is_aborted() {
                        return Err("the client still read a response when no slot was free".into());
                    }
                    is_closing = true;
                }
                () = self.phase.stopping(), if !is_closing => is_closing = true,
            }
            if is_closing {
                if !has_served.load(Ordering::Relaxed) {
                    return Ok(());
                }
                // A graceful shutdown ends an idle connection at once, and a busy connection after
                // its response.
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
