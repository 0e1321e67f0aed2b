//! How many directives of a set apply now, later or no more.

use jiff::Timestamp;

use super::DirectiveSet;

/// Directives by state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DirectiveStates {
    /// Those that have not started yet.
    pub scheduled: usize,
    /// Those that apply.
    pub active: usize,
    /// Those that have expired.
    pub expired: usize,
}

impl DirectiveSet {
    /// Counts the directives by what they are at an instant; looks at all of them.
    #[must_use]
    pub fn states(&self, now: Timestamp) -> DirectiveStates {
        let mut states = DirectiveStates::default();
        for directive in self.iter() {
            let count = if now >= directive.expires_at {
                &mut states.expired
            } else if directive.starts_at.is_some_and(|starts_at| now < starts_at) {
                &mut states.scheduled
            } else {
                &mut states.active
            };
            *count += 1;
        }
        states
    }
}
