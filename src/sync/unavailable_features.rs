//! Records which OpenSearch features the server or the role refuses. Polls work without the refused
//! features, and try these features again later.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::status::{PollStrategy, ProbeMethod};

/// The pause after the first refusal of a feature, until polls try the feature again. Each further
/// refusal of a feature doubles the pause before the next try.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The current polling strategy, which avoids refused features. A refusal may be temporary, so
/// polls try each refused feature again after a pause.
#[derive(Debug)]
pub(super) struct Degradations {
    strategy: PollStrategy,
    /// True if polls may use reconciliations.
    reconciles: bool,
    /// The notes about refused features that were recorded before the last retry. If the retry of a
    /// feature leads to the same note as before, the note is not logged again.
    logged: Vec<String>,
    retry_at: Option<Instant>,
    pause: Duration,
    longest_pause: Duration,
}

impl Degradations {
    /// Creates a polling strategy that uses all features. The pause before a retry of refused
    /// features never exceeds `longest_pause`.
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

    /// Decides at the beginning of a poll whether the poll tries the refused features again. A poll
    /// tries all refused features again if the pause since the first refusal is over, or if the
    /// poll makes a periodic reconcile.
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

    /// Records that a poll has succeeded. After a poll without refused features, the pause after
    /// the next refusal is the shortest pause again.
    pub(super) fn end_poll(&mut self) {
        if self.strategy.notes.is_empty() {
            self.pause = FIRST_PAUSE.min(self.longest_pause);
            self.logged.clear();
        }
    }

    /// Records which feature the polls do not use, and why.
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

    /// Sets the kind of request with which later polls observe the version of the index.
    pub(super) fn probe_by(&mut self, probe: ProbeMethod) {
        self.strategy.probe = probe;
    }

    /// Records that delta reads do not work, and why, so that polls make none until the next retry.
    pub(super) fn without_delta_reads(&mut self, why: &str) {
        self.strategy.delta = false;
        self.note("delta reads", why);
    }

    /// Records that reconciliations do not work, and why, so that polls make none until the next
    /// retry.
    pub(super) fn without_reconciles(&mut self, why: &str) {
        self.reconciles = false;
        self.note("reconciles by ranges", why);
    }
}
