//! Handles the signals that the agent's process receives. After SIGHUP, the agent reloads its
//! secrets and certificates from their files. After SIGTERM or SIGINT, the agent serves requests
//! for the drain time and then stops.

use std::time::Duration;

use tokio::sync::watch;
use tracing::info;

use super::super::exit::Failure;

/// The phase of the agent's life, which decides how the agent handles requests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    /// The agent polls the index and serves all requests.
    Serving,
    /// The agent still polls and serves requests, but `/readyz` fails, so that load balancers send
    /// no new traffic.
    Draining,
    /// The agent accepts no new connections, and responds at once to clients that wait for a
    /// change.
    Stopping,
}

/// Sets the phase of the agent; [`run_until_stopped`] owns this sender.
#[derive(Debug)]
pub(super) struct PhaseSender(watch::Sender<Phase>);

/// Reads the phase of the agent; every part of the agent that serves requests has a receiver of the
/// phase.
#[derive(Clone, Debug)]
pub(super) struct PhaseReceiver(watch::Receiver<Phase>);

pub(super) fn phases() -> (PhaseSender, PhaseReceiver) {
    let (sender, receiver) = watch::channel(Phase::Serving);
    (PhaseSender(sender), PhaseReceiver(receiver))
}

impl PhaseReceiver {
    pub(super) fn is_draining(&self) -> bool {
        *self.0.borrow() != Phase::Serving
    }

    /// Waits until the agent begins to stop, or until the sender of the phase is dropped.
    pub(super) async fn stopping(&self) {
        let _ = self
            .0
            .clone()
            .wait_for(|phase| *phase == Phase::Stopping)
            .await;
    }
}

/// The request that an operator sends to the agent by a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// SIGTERM or SIGINT (Ctrl-C): serve requests for the drain time, and then stop.
    Terminate,
    /// SIGHUP: reload the files with secrets and certificates.
    Reload,
}

/// Handles the signals of a running agent, until the agent must stop. At the first termination
/// signal, the drain time begins, in which the agent still serves requests. A second termination
/// signal ends the drain time at once. A reload signal works both before and during the drain time.
pub(super) async fn run_until_stopped(
    phase: &PhaseSender,
    signals: &mut Signals,
    drain_time: Option<Duration>,
    mut reload: impl AsyncFnMut(),
) {
    while let Request::Reload = signals.next().await {
        reload().await;
    }
    if let Some(drain_time) = drain_time {
        info!(
            ?drain_time,
            "draining: the agent still serves, but it is no longer ready"
        );
        phase.0.send_replace(Phase::Draining);
        let end = tokio::time::sleep(drain_time);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                request = signals.next() => match request {
                    Request::Reload => reload().await,
                    Request::Terminate => break,
                },
            }
        }
    }
    info!("stopping");
    phase.0.send_replace(Phase::Stopping);
}

/// Receives the signals that the process gets after the creation of this value.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.terminate.recv() => Request::Terminate,
            _ = self.interrupt.recv() => Request::Terminate,
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}

/// Receives Ctrl-C, the only signal that the agent handles on this platform.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "fallible on Unix")]
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Request {
        // If no handler for Ctrl-C can be installed, the process never receives the signal, so this
        // future never completes.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Request::Terminate
    }
}
