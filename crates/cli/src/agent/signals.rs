//! Handles the signals that the agent's process receives. After SIGHUP, the agent reloads its
//! secrets and certificates from their files. After SIGTERM or SIGINT, the agent serves requests
//! for the drain time and then stops.

use std::time::Duration;

use tokio::sync::{Notify, watch};
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
/// signal ends the drain time at once. A reload signal works both before and during the drain time,
/// and also if the process received it while the agent started. A reload delays no termination.
pub(super) async fn run_until_stopped(
    phase: &PhaseSender,
    signals: &mut Signals,
    drain_time: Option<Duration>,
    reload: impl AsyncFnMut(),
) {
    let Signals { receiver, reloads } = signals;
    handle(
        phase,
        async || receiver.next().await,
        reloads,
        drain_time,
        reload,
    )
    .await;
}

async fn handle(
    phase: &PhaseSender,
    mut next: impl AsyncFnMut() -> Request,
    reloads: &Notify,
    drain_time: Option<Duration>,
    mut reload: impl AsyncFnMut(),
) {
    let reloading = async {
        loop {
            reloads.notified().await;
            reload().await;
        }
    };
    let terminating = async {
        terminated(&mut next, reloads).await;
        if let Some(drain_time) = drain_time {
            info!(
                ?drain_time,
                "draining: the agent still serves, but it is no longer ready"
            );
            phase.0.send_replace(Phase::Draining);
            // The drain time ends when it has passed, or at the second termination signal.
            let _ = tokio::time::timeout(drain_time, terminated(&mut next, reloads)).await;
        }
    };
    tokio::select! {
        () = reloading => {}
        () = terminating => {}
    }
    info!("stopping");
    phase.0.send_replace(Phase::Stopping);
}

/// Completes at the next termination signal. Notifies `reloads` of the reload signals before it.
async fn terminated(next: &mut impl AsyncFnMut() -> Request, reloads: &Notify) {
    while next().await == Request::Reload {
        reloads.notify_one();
    }
}

/// The signals that the process gets after the creation of this value.
#[derive(Debug)]
pub(super) struct Signals {
    receiver: Receiver,
    /// Remembers a reload signal until the agent reloads.
    reloads: Notify,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            receiver: Receiver::listen()?,
            reloads: Notify::new(),
        })
    }

    /// Completes when the process receives its first termination signal while the agent starts.
    /// [`run_until_stopped`] handles the reload signals that the process receives in the meantime.
    pub(super) async fn terminated(&mut self) {
        let Self { receiver, reloads } = self;
        terminated(&mut async || receiver.next().await, reloads).await;
    }
}

/// Receives the signals of the process.
#[cfg(unix)]
#[derive(Debug)]
struct Receiver {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Receiver {
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Request {
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
struct Receiver;

#[cfg(not(unix))]
impl Receiver {
    #[expect(clippy::unnecessary_wraps, reason = "fallible on Unix")]
    fn listen() -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn next(&mut self) -> Request {
        // If no handler for Ctrl-C can be installed, the process never receives the signal, so this
        // future never completes.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Request::Terminate
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::*;

    /// Sends the signals after the given times, handles them with a drain time of ten minutes, and
    /// returns the time that passed until the agent stops.
    async fn handle_all(signals: &[(u64, Request)], reload: impl AsyncFnMut()) -> Duration {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let next = async || match receiver.recv().await {
            Some(request) => request,
            None => pending().await,
        };
        let sending = async {
            for (seconds, request) in signals {
                tokio::time::sleep(Duration::from_secs(*seconds)).await;
                let _ = sender.send(*request);
            }
            pending::<()>().await;
        };
        let begun = Instant::now();
        let (phase, _receiver) = phases();
        let reloads = Notify::new();
        let drain_time = Some(Duration::from_mins(10));
        tokio::select! {
            () = handle(&phase, next, &reloads, drain_time, reload) => {}
            () = sending => {}
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_that_hangs_delays_no_termination() {
        let signals = [
            (0, Request::Reload),
            (1, Request::Terminate),
            (1, Request::Terminate),
        ];
        let lasted = handle_all(&signals, async || pending().await).await;
        assert_eq!(lasted, Duration::from_secs(2));
        let signals = [(0, Request::Terminate), (1, Request::Reload)];
        let lasted = handle_all(&signals, async || pending().await).await;
        assert_eq!(lasted, Duration::from_mins(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_goes_on_after_the_first_termination_signal() {
        let reloads = Cell::new(0);
        let signals = [
            (0, Request::Reload),
            (1, Request::Terminate),
            (1, Request::Reload),
        ];
        let reload = async || {
            tokio::time::sleep(Duration::from_secs(30)).await;
            reloads.set(reloads.get() + 1);
        };
        handle_all(&signals, reload).await;
        assert_eq!(reloads.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_signal_during_the_start_causes_a_reload_after_it() {
        let reloads = Notify::new();
        let mut received = [Request::Reload, Request::Terminate].into_iter();
        let mut next = async || match received.next() {
            Some(request) => request,
            None => pending().await,
        };
        // The agent polls this future while it starts, and drops it when it has started.
        terminated(&mut next, &reloads).await;
        let (phase, _receiver) = phases();
        let has_reloaded = Cell::new(false);
        let stopped = handle(&phase, next, &reloads, None, async || {
            has_reloaded.set(true);
        });
        let _ = tokio::time::timeout(Duration::from_secs(1), stopped).await;
        assert!(has_reloaded.get());
    }
}
