//! Runs the polling loop, which waits, polls and publishes until the store is dropped or shut down.
//!
//! A failed poll changes only the status; the published snapshot stays. After a successful poll,
//! the loop publishes the new snapshot in one swap, if it differs from the published snapshot.

mod change_log;
mod first_read;
mod last_good_persistence;
mod liveness;
mod max_ttl_comparison;
mod off_switch;
mod outlet;
mod poll;
mod polling_state;
mod publish;
mod read_age;
mod shared_state;
mod subscription;

use std::io;
use std::panic::AssertUnwindSafe;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::error::{PollError, chain};
use crate::history::Recorder;
use crate::time_limit::until;

pub(crate) use liveness::GRACE;
use liveness::Liveness;
use poll::panic_text;
pub use polling_state::Poller;
pub(crate) use polling_state::seed_of;
pub use shared_state::Shared;
pub(crate) use shared_state::{Progress, ReportKey};
pub use subscription::Subscription;

/// The channel through which a caller of `refresh` receives the result of the next poll.
pub(crate) type Waiter = oneshot::Sender<Result<(), PollError>>;

/// The task that polls the index and publishes new directive sets.
///
/// [`OpenSearchDirectiveStore::build`](crate::OpenSearchDirectiveStore::build) returns the
/// refresher together with the store. The application runs the refresher in a task with
/// [`run`](Self::run), or on a thread with [`spawn_thread`](Self::spawn_thread). A process that
/// forks must run the refresher only after the fork.
///
/// The refresher ends when the store is dropped or shut down. If the application drops the
/// refresher before the store, the published set stays in use, and the
/// [status](crate::Status::refresher) reports that the refresher has stopped.
#[derive(Debug)]
#[must_use = "a refresher does nothing unless it is run"]
pub struct Refresher {
    poller: Poller,
    /// The signal with which the store stops the refresher. The value of the channel becomes `true`
    /// at a shutdown, and the channel closes when the store is dropped.
    stop: watch::Receiver<bool>,
    // `waiting` must be the last field. Rust drops fields in the order of their declaration, so
    // this channel closes after all other fields are dropped.
    waiting: mpsc::Receiver<Waiter>,
}

impl Refresher {
    pub(crate) fn new(
        poller: Poller,
        stop: watch::Receiver<bool>,
        waiting: mpsc::Receiver<Waiter>,
    ) -> Self {
        Self {
            poller,
            stop,
            waiting,
        }
    }

    /// Reads the index for the first time, then polls until the store is dropped or shut down. If
    /// the store is dropped or shut down during a poll, the future cancels the poll and completes.
    ///
    /// If the first read fails and the [`Startup`](crate::Startup) policy permits the use of the
    /// last-good file, the refresher publishes the set from this file. The refresher continues to
    /// poll after a failed first read, whatever the start-up policy is.
    /// [`ready`](crate::OpenSearchDirectiveStore::ready) waits until the first directive set is
    /// published.
    ///
    /// The future of `run` needs a tokio runtime with time and I/O enabled. In another runtime, the
    /// future completes immediately, and the status contains the reason.
    pub async fn run(self) {
        self.run_after(None).await;
    }

    /// Runs the refresher on a new thread with its own tokio runtime, so that the application needs
    /// no runtime.
    ///
    /// # Errors
    /// Returns an error if the operating system cannot create the runtime or the thread.
    pub fn spawn_thread(self) -> io::Result<JoinHandle<()>> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build()?;
        thread::Builder::new()
            .name("directives".to_owned())
            .spawn(move || runtime.block_on(self.run()))
    }

    /// Returns the poller, so that the caller can run the first read itself.
    pub(crate) fn poller(&mut self) -> &mut Poller {
        &mut self.poller
    }

    /// Runs the polling loop until the store is dropped or shut down. Dropping the store also
    /// cancels a running poll. The first poll begins after `pause`. If `pause` is `None`, this
    /// function performs the first read of the index before the first poll.
    pub(crate) async fn run_after(mut self, pause: Option<Duration>) {
        let mut stop = self.stop.clone();
        let off_switch = self.poller.off_switch.clone();
        let mut recorder = self.poller.recorder.take();
        let polls = async {
            let pause = match pause {
                Some(pause) => pause,
                None => self.first_read().await,
            };
            self.poll_forever(pause).await;
        };
        // The refresher checks the off file and records operations even while a poll is running.
        let polls = async {
            tokio::select! {
                never = off_switch.run() => match never {},
                () = recording(recorder.as_mut()) => {}
                () = polls => {}
            }
        };
        // A panic outside of a poll, for example in a runtime without a timer, ends the polling
        // loop, because the panic would occur again immediately. The polling loop continues after a
        // panic in a poll, because `Poller::poll` catches it.
        let polls = AssertUnwindSafe(polls).catch_unwind();
        let panic = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            ended = polls => ended.err(),
        };
        if let Some(panic) = panic {
            let error = PollError::panic(panic_text(panic.as_ref()));
            self.poller.record_failure(&error);
        } else if let Some(mut recorder) = recorder {
            recorder.finish().await;
        }
    }

    /// Makes the first read of the index, and returns the pause before the next poll.
    async fn first_read(&mut self) -> Duration {
        let startup = self.poller.startup.once();
        match self.poller.begin(startup).await {
            Ok(pause) => pause,
            Err(error) => {
                warn!(error = %chain(&error), "the first read failed; the store is empty until a poll succeeds");
                self.poller.pause_after(error.poll_error())
            }
        }
    }

    /// Polls again and again until the store is dropped. The first poll begins after `pause`. All
    /// callers of `refresh` that are waiting when a poll begins receive the result of this poll.
    async fn poll_forever(&mut self, mut pause: Duration) {
        while let Some(waiters) = self.wait(pause).await {
            let result = self.poller.poll().await;
            pause = self.poller.pause_after(result.as_ref().err());
            for waiter in waiters {
                // An error of `send` is ignored, because it means that the caller no longer waits
                // for the result.
                let _ = waiter.send(result.clone());
            }
            self.poller.compare_max_ttl().await;
        }
    }

    /// Waits until the next poll is due or the source has learned of a change. Returns the callers
    /// of `refresh` that wait for the result of the next poll, or `None` if the store was dropped.
    /// If the published directive set reaches its age limit during this wait, publishes an empty
    /// set.
    async fn wait(&mut self, pause: Duration) -> Option<Vec<Waiter>> {
        self.poller.announce_pause(pause);
        let mut waiters = Vec::new();
        let pause = self.poller.pause(pause);
        tokio::pin!(pause);
        loop {
            let clear_at = self.poller.clear_at();
            let boundary_at = self.poller.boundary_at();
            tokio::select! {
                is_early = &mut pause => {
                    if is_early {
                        // The source has already received the snapshot that the next poll returns.
                        // A waiting caller of `refresh` gets the result of the poll after the next
                        // one, because the snapshot may have been sent before the call.
                        return Some(waiters);
                    }
                    break;
                }
                () = until(clear_at) => self.poller.clear(),
                () = until(boundary_at) => self.poller.log_boundary(),
                waiter = self.waiting.recv() => {
                    waiters.push(waiter?);
                    break;
                }
            }
        }
        while let Ok(waiter) = self.waiting.try_recv() {
            waiters.push(waiter);
        }
        Some(waiters)
    }
}

/// Reports in the status that the polling loop has ended, whatever the reason is. For example, a
/// runtime that is dropped also drops the refresher and so ends the polling loop.
impl Drop for Refresher {
    fn drop(&mut self) {
        let is_expected = self.stop.has_changed().is_err() || *self.stop.borrow();
        if !is_expected {
            error!("the refresher ended although its store is in use; it publishes no more sets");
        }
        self.poller
            .shared
            .update(|progress| progress.liveness = Liveness::Ended);
    }
}

/// Runs the recorder of the history, if there is one. The future of `recording` never completes, so
/// the polls continue even after the recorder has panicked.
async fn recording(recorder: Option<&mut Recorder>) {
    if let Some(recorder) = recorder {
        recorder.run().await;
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests;
