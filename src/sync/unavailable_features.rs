//! Records which features the server or the role refuses. Polls work without the refused features,
//! and try them again later.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::status::{PollStrategy, ProbeMethod};

/// After the first refusal of a feature, polls try the feature again after this pause. Each further
/// refusal doubles the pause.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The current polling strategy, which avoids refused features. A refusal may be temporary, so
/// polls try each refused feature again after a pause.
#[derive(Debug)]
pub(super) struct Degradations {
    strategy: PollStrategy,
    /// Whether polls may use reconciliations.
    reconciles: bool,
    /// The notes that were recorded before the last retry. If the retry leads to the same note, the
    /// note is not logged again.
    logged: Vec<String>,
    retry_at: Option<Instant>,
    pause: Duration,
    longest_pause: Duration,
}

impl Degradations {
    /// Creates a strategy that uses all features. The pause before a retry never exceeds
    /// `longest_pause`.
    pub(super) fn new(longest_pause: Duration) -> Self {
        Self {
            strategy: PollStrategy::default(),
            reconciles: true,
            logged: Vec::new(),
            retry_at: None,
            pause: FIRST_PAUSE.min(longest_pause),
            longest_pause,
        }
    }

    pub(super) fn strategy(&self) -> &PollStrategy {
        &self.strategy
    }

    /// Returns true if neither delta reads nor reconciliations were refused since the last retry.
    pub(super) fn permits_reconciles(&self) -> bool {
        self.reconciles && self.strategy.delta
    }

    /// Prepares a poll. The poll tries all refused features again if the pause since the first
    /// refusal is over, or if the poll is a periodic reconcile anyway.
    pub(super) fn begin_poll(&mut self, reconcile: bool) {
        let due = self.retry_at.is_some_and(|at| Instant::now() >= at);
        if reconcile || due {
            self.logged = std::mem::take(&mut self.strategy).notes;
            self.reconciles = true;
            self.retry_at = None;
        }
        if due {
            self.pause = self.pause.saturating_mul(2).min(self.longest_pause);
        }
    }

    /// Records that a poll succeeded. If no feature was refused, later refusals begin with the
    /// shortest pause again.
    pub(super) fn end_poll(&mut self) {
        if self.strategy.notes.is_empty() {
            self.pause = FIRST_PAUSE.min(self.longest_pause);
            self.logged.clear();
        }
    }

    /// Records that polls do not use a feature, and why.
    pub(super) fn note(&mut self, what: &str, why: &str) {
        let note = format!("without {what}: {why}");
        if self.strategy.notes.contains(&note) {
            return;
        }
        if !self.logged.contains(&note) {
            info!("polling {note}");
        }
        self.strategy.notes.push(note);
        if self.retry_at.is_none() {
            self.retry_at = Instant::now().checked_add(self.pause);
        }
    }

    /// Sets the kind of request with which later polls observe the version.
    pub(super) fn probe_by(&mut self, probe: ProbeMethod) {
        self.strategy.probe = probe;
    }

    /// Records that delta reads do not work, and why.
    pub(super) fn without_delta_reads(&mut self, why: &str) {
        self.strategy.delta = false;
        self.note("delta reads", why);
    }

    /// Records that reconciliations do not work, and why.
    pub(super) fn without_reconciles(&mut self, why: &str) {
        self.reconciles = false;
        self.note("reconciles by ranges", why);
    }
}
