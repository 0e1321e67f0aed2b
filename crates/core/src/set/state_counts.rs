//! Counts, for metrics, how many directives of a set are in each state: scheduled, active or
//! expired.

use jiff::Timestamp;

use super::DirectiveSet;
use crate::model::directive::DirectiveState;

/// The number of directives in each [`DirectiveState`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DirectiveStates {
    /// The number of directives in the set that have not started yet.
    pub scheduled: usize,
    /// The number of directives in the set that have started and have not expired.
    pub active: usize,
    /// The number of directives in the set that have expired.
    pub expired: usize,
}

impl DirectiveSet {
    /// Counts the scheduled, active and expired directives of the set at an instant, which reads
    /// every directive.
    #[must_use]
    pub fn states(&self, now: Timestamp) -> DirectiveStates {
        let mut states = DirectiveStates::default();
        for directive in self.iter() {
            *match directive.state(now) {
                DirectiveState::Scheduled => &mut states.scheduled,
                DirectiveState::Active => &mut states.active,
                DirectiveState::Expired => &mut states.expired,
            } += 1;
        }
        states
    }
}
