//! Sends long polls: between two polls, a store sends a request that the agent holds until the
//! agent has another snapshot. With long polls, a change passes through a chain of agents in a few
//! round trips, without waiting for the poll interval of each agent.
//!
//! A long poll only shortens the pause between two polls. If a long poll fails, the next regular
//! poll still begins on time. If a proxy cuts off held requests, the long polls fail, but the
//! regular polls still succeed. After repeated failures of long polls, or after a refusal by the
//! agent, the source sends no long poll for some time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::info;

use super::PATH;
use super::response::is_unchanged;
use crate::http::{Client, Method, Request, RequestError, chain};
use crate::source::PauseFuture;

/// The shortest pause between two polls in which a long poll is sent. In a shorter pause, a long
/// poll would save too little time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest time for which the source asks an agent to hold a request.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The time without long polls after the agent has refused a long poll, or after a second
/// consecutive failure. Each further failure doubles the time without long polls.
const FIRST_SUSPENSION: Duration = Duration::from_secs(10);
const LONGEST_SUSPENSION: Duration = Duration::from_secs(10 * 60);

/// The response to a long poll, which the next poll decodes.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) body: Bytes,
    pub(super) sent_at: Instant,
}

#[derive(Debug)]
enum Outcome {
    Arrived(Arrived),
    Failed(Failure),
}

/// The reason why a long poll returned no usable response.
#[derive(Debug)]
struct Failure {
    reason: String,
    /// True if the next long poll may succeed, for example because the agent was only restarted.
    is_transient: bool,
    retry_after: Duration,
}

/// Sends the long polls of one source, and decides when long polls are suspended.
#[derive(Debug)]
pub(super) struct LongPolls {
    outcome: Arc<Mutex<Option<Outcome>>>,
    random: fastrand::Rng,
    failures: u32,
    resume_at: Option<Instant>,
    /// The reason why long polls currently fail; `None` if they work.
    note: Option<String>,
    /// True if the last long poll returned a change. All clients of an agent receive a change at
    /// the same moment, so the wait of the next long poll is random after a change.
    has_just_changed: bool,
}

/// The time limits of one long poll, and the pause in which it is sent.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// The time for which the agent may hold the long poll before it responds.
    wait: Duration,
    /// The time after which the client no longer waits for the response to a long poll. This time
    /// limit of a long poll is shorter than the pause between the polls.
    limit: Duration,
    pause: Duration,
    /// A random number from 0 to 1: the fraction of the remaining pause for which the client waits
    /// after a transient failure. The fraction is random so that the clients of an agent that shuts
    /// down do not send their next requests all at once.
    spread: f64,
}

impl LongPolls {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            outcome: Arc::default(),
            random: fastrand::Rng::with_seed(seed),
            failures: 0,
            resume_at: None,
            note: None,
            has_just_changed: false,
        }
    }

    /// Returns the reason why long polls do not work, for the notes in the status; `None` if they
    /// work.
    pub(super) fn note(&self) -> Option<String> {
        let reason = self.note.as_ref()?;
        Some(format!("without long polls: {reason}"))
    }

    /// Returns a future that sends a long poll, and completes when the next regular poll should
    /// begin.
    pub(super) fn pause(&mut self, client: Client, tag: String, pause: Duration) -> PauseFuture {
        self.lock().take();
        let is_suspended = self.resume_at.is_some_and(|at| Instant::now() < at);
        if is_suspended || pause < SHORTEST_PAUSE {
            return Box::pin(std::future::pending());
        }
        let times = self.times(pause, client.request_timeout());
        let outcome = Arc::clone(&self.outcome);
        Box::pin(async move {
            let sent_at = Instant::now();
            let result = long_poll(&client, &tag, times).await;
            let rest = times.pause.saturating_sub(sent_at.elapsed());
            let rest = match &result {
                Ok(_) => Duration::ZERO,
                Err(failure) if failure.is_transient => rest.mul_f64(times.spread),
                Err(_) => rest,
            };
            let result = result.map(|body| Arrived { body, sent_at });
            let result = result.map_or_else(Outcome::Failed, Outcome::Arrived);
            lock(&outcome).replace(result);
            // The future completes in the same step in which it stores a response, because a poll
            // that a caller requests later must not use this response.
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
        })
    }

    fn times(&mut self, pause: Duration, request_timeout: Duration) -> Times {
        // The agent may not hold the request for the whole pause, because the response must arrive
        // before the pause ends.
        let transit = (pause / 4).min(request_timeout);
        let mut wait = pause.saturating_sub(transit).min(LONGEST_WAIT);
        if self.has_just_changed {
            // The wait gets a random factor, because otherwise all clients of an agent would send
            // their next requests at the same moment.
            wait = wait.mul_f64(0.5 + self.random.f64() / 2.0);
        }
        Times {
            wait,
            limit: wait.saturating_add(transit * 9 / 10),
            pause,
            spread: self.random.f64(),
        }
    }

    /// Returns the response to the last long poll, if the response has arrived. If the last long
    /// poll has failed, the function records the failure and returns `None`.
    pub(super) fn take(&mut self) -> Option<Arrived> {
        let outcome = self.lock().take();
        match outcome? {
            Outcome::Arrived(arrived) => Some(arrived),
            Outcome::Failed(failure) => {
                self.fail(failure);
                None
            }
        }
    }

    /// Records that a long poll has returned a usable response.
    pub(super) fn succeed(&mut self, has_changed: bool) {
        if self.resume_at.take().is_some() {
            info!("changes arrive by long polls again");
        }
        self.failures = 0;
        self.note = None;
        self.has_just_changed = has_changed;
    }

    /// Records that the source has refused the response to a long poll.
    pub(super) fn refuse(&mut self, error: &dyn std::error::Error) {
        self.fail(Failure {
            reason: chain(error),
            is_transient: false,
            retry_after: Duration::ZERO,
        });
    }

    fn fail(&mut self, failure: Failure) {
        self.failures = self.failures.saturating_add(1);
        // The first transient failure does not suspend the long polls.
        let doublings = match self.failures {
            1 if failure.is_transient => None,
            failures if failure.is_transient => Some(failures - 2),
            failures => Some(failures - 1),
        };
        if let Some(doublings) = doublings {
            let pause = FIRST_SUSPENSION.saturating_mul(1 << doublings.min(16));
            let pause = pause.min(LONGEST_SUSPENSION);
            // The pause without long polls is random, because the agent may have refused many
            // clients at the same moment.
            let pause = pause.mul_f64(0.5 + self.random.f64() / 2.0);
            let pause = pause.max(failure.retry_after.min(LONGEST_SUSPENSION));
            if self.resume_at.is_none() {
                info!(reason = failure.reason, "polling without long polls");
            }
            self.resume_at = Instant::now().checked_add(pause);
        }
        self.has_just_changed = false;
        self.note = Some(failure.reason);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outcome>> {
        lock(&self.outcome)
    }
}

fn lock(outcome: &Mutex<Option<Outcome>>) -> MutexGuard<'_, Option<Outcome>> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn long_poll(client: &Client, tag: &str, times: Times) -> Result<Bytes, Failure> {
    let Times { wait, limit, .. } = times;
    let transient = |reason: &str| Failure {
        reason: reason.to_owned(),
        is_transient: true,
        retry_after: Duration::ZERO,
    };
    let request = Request::new(Method::Get, PATH)
        .query("since", tag)
        .query("wait", format!("{}ms", wait.as_millis().max(1)));
    let sent_at = Instant::now();
    let response = tokio::time::timeout(limit, client.send_held(request, wait)).await;
    let body = response
        .map_err(|_| transient("there was no response after the wait; does a proxy hold it?"))?
        .map_err(|error| Failure::of_request(&error))?;
    // An agent that shuts down responds to all held requests at once. An early response without a
    // change counts as a failure, so that the clients do not all send their next requests at the
    // same moment.
    if sent_at.elapsed() < wait * 9 / 10 && is_unchanged(&body, tag) {
        return Err(transient(
            "the agent responded before the wait ended, without a change",
        ));
    }
    Ok(body)
}

impl Failure {
    fn of_request(error: &RequestError) -> Self {
        Self {
            reason: chain(error),
            is_transient: !matches!(error.status(), Some(400..=499 | 503)),
            retry_after: error.retry_after().unwrap_or_default(),
        }
    }
}
