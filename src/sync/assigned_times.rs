//! Remembers which `_seq_no`s the index had assigned at the time of each poll, so that the recorder
//! can state after which time a deletion happened.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::IndexSynchronizer;
use super::probe::ObservedVersion;

/// The number of polls whose observations of the highest `_seq_no` are kept. Keeping 256
/// observations is sufficient, because a poll reads every assigned `_seq_no` within three refresh
/// intervals, even under continuous writes.
const REMEMBERED: usize = 256;

/// The highest assigned `_seq_no` that each of the last polls observed, in the order of the polls.
#[derive(Debug, Default)]
pub(super) struct AssignedTimes(VecDeque<Observed>);

#[derive(Clone, Copy, Debug)]
struct Observed {
    /// The time at the beginning of the poll, shortly before the poll observed `max_seq_no`.
    at: Timestamp,
    max_seq_no: Option<u64>,
}

impl AssignedTimes {
    /// Adds the observation of a poll: at the time `at`, the index had assigned no `_seq_no` above
    /// `max_seq_no`.
    pub(super) fn observe(&mut self, at: Timestamp, max_seq_no: Option<u64>) {
        match self.0.back_mut() {
            Some(last) if last.max_seq_no == max_seq_no => last.at = at,
            _ => self.0.push_back(Observed { at, max_seq_no }),
        }
        if self.0.len() > REMEMBERED {
            // The second-oldest observation is removed and the oldest one stays, because the
            // replica may be older than all other observations.
            self.0.remove(1);
        }
    }

    /// Returns the last known time at which the index had assigned no number above `seq_no`. An
    /// operation with a `_seq_no` above `seq_no` happened after the returned time.
    pub(super) fn before_assigning_above(&self, seq_no: u64) -> Option<Timestamp> {
        let mut observed = self.0.iter().rev();
        let found = observed.find(|observed| observed.max_seq_no <= Some(seq_no));
        found.map(|observed| observed.at)
    }

    /// Forgets all observations, because a new primary may assign the same `_seq_no`s again.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl IndexSynchronizer {
    /// Remembers for the recorder which `_seq_no`s the index had assigned at the beginning of the
    /// poll.
    pub(super) fn note_assigned(&mut self, observed: &ObservedVersion, began_at: Timestamp) {
        let known = self.state.known();
        if known.is_some_and(|known| !observed.follows_known(known)) {
            // The observations of the earlier polls may come from a former primary, which knew only
            // a part of the assigned `_seq_no`s.
            self.assigned_times.clear();
            return;
        }
        if let (Some(checkpoints), true) = (observed.checkpoints(), self.history.is_some()) {
            let assigned = checkpoints.max_seq_no();
            self.assigned_times.observe(began_at, assigned);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use jiff::SignedDuration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    #[test]
    fn an_operation_happened_after_the_last_poll_that_observed_no_higher_number() {
        let mut times = AssignedTimes::default();
        assert_eq!(times.before_assigning_above(7), None);
        for (second, number) in [(1, 3), (2, 3), (3, 5), (4, 9)] {
            times.observe(at(second), Some(number));
        }
        assert_eq!(times.before_assigning_above(2), None);
        assert_eq!(times.before_assigning_above(3), Some(at(2)));
        assert_eq!(times.before_assigning_above(8), Some(at(3)));
        assert_eq!(times.before_assigning_above(9), Some(at(4)));
    }

    #[test]
    fn under_continuous_writes_the_number_of_observations_is_bounded() {
        let mut times = AssignedTimes::default();
        for number in 0..10_000_u32 {
            times.observe(at(number.into()), Some(number.into()));
        }
        assert_eq!(times.0.len(), REMEMBERED);
        assert_eq!(times.before_assigning_above(1_000), Some(at(0)));
        assert_eq!(times.before_assigning_above(9_990), Some(at(9_990)));
    }
}
