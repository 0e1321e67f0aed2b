//! Handles the signals that the process receives. After SIGHUP, the agent reloads its files. After
//! SIGTERM or SIGINT, the agent drains and then stops.

use std::time::Duration;

use tokio::sync::watch;
use tracing::info;

use super::super::exit::Failure;

/// The phase of the agent, which decides how the agent handles requests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    /// The agent polls the index and serves requests.
    Serving,
    /// The agent polls and serves, but `/readyz` fails, so that load balancers send no new traffic.
    Draining,
    /// The agent accepts no new connections, and responds at once to the clients that wait for a
    /// change.
    Stopping,
}

/// The sending half of the channel for the phase, which [`run_until_stopped`] owns.
#[derive(Debug)]
pub(super) struct PhaseSender(watch::Sender<Phase>);

/// The receiving half of the channel for the phase. The parts of the agent that serve requests read
/// the phase from this receiver.
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

    /// Returns when the agent begins to stop, or when the sender of the phase has been dropped.
    pub(super) async fn stopping(&self) {
        let _ = self
            .0
            .clone()
            .wait_for(|phase| *phase == Phase::Stopping)
            .await;
    }
}

/// What the operator requests with a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// SIGTERM or SIGINT (Ctrl-C): the agent drains and then stops.
    Terminate,
    /// SIGHUP: the agent reloads the files with secrets and certificates.
    Reload,
}

/// Handles the signals of a running agent, and returns when the agent must stop. The first
/// termination signal starts the drain time, in which the agent still serves requests. A second
/// termination signal ends the drain time early. Reload signals are handled before and during the
/// drain time.
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

/// Receives the signals of the process from the moment at which this value is created.
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

/// Receives Ctrl-C, the only signal on this platform.
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
        // If no handler can be installed, the process never receives a signal, so this future never
        // completes.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Request::Terminate
    }
}
