//! Computes the pauses between polls. A jitter spreads the polls of a fleet over time. Each
//! consecutive failed poll lengthens the pauses, up to a limit.

use std::time::Duration;

/// A century, which replaces a longer duration in the configuration. The sum of the current instant
/// and a few centuries can always be represented.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The jitter of the pause after a successful poll, in percent of the interval.
const JITTER_PERCENT: u32 = 10;

/// Computes the pauses between the polls of one instance.
#[derive(Debug)]
pub(crate) struct Backoff {
    interval: Duration,
    max: Duration,
    failures: u32,
    random: fastrand::Rng,
}

impl Backoff {
    /// Creates the backoff of one instance, which chooses the pauses with a random number
    /// generator. The seed determines every pause, so a test can use the same seed to get the same
    /// pauses.
    pub(crate) fn new(interval: Duration, max: Duration, seed: u64) -> Self {
        Self {
            interval: interval.min(LONGEST),
            max: max.min(LONGEST),
            failures: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Returns the pause before the first poll of the refresher's loop. The first pause is a random
    /// part of the interval, so instances that start at the same time poll at different times.
    pub(crate) fn phase(&mut self) -> Duration {
        self.interval.mul_f64(self.random.f64())
    }

    /// Returns the pause after a successful poll: the interval ±10 %.
    pub(crate) fn succeeded(&mut self) -> Duration {
        self.failures = 0;
        let percent = self.random.u32(100 - JITTER_PERCENT..=100 + JITTER_PERCENT);
        self.interval * percent / 100
    }

    /// Returns the pause between a failed poll and the next poll.
    ///
    /// The pause is chosen at random between the interval and an upper limit. The upper limit
    /// doubles with each consecutive failure, up to `max`. If the server requests a pause with
    /// `Retry-After`, the pause is at least that long, but never longer than `max`.
    pub(crate) fn failed(&mut self, retry_after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = 1_u32
            .checked_shl(self.failures)
            .and_then(|factor| self.interval.checked_mul(factor))
            .unwrap_or(self.max);
        let least = self.interval.min(self.max);
        let most = doubled.min(self.max);
        let pause = least + most.saturating_sub(least).mul_f64(self.random.f64());
        pause.max(retry_after.unwrap_or_default().min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(SECOND, 30 * SECOND, seed)
    }

    #[test]
    fn p8_pauses_after_successes_stay_near_the_interval_and_differ() {
        let mut one = backoff(1);
        let pauses: Vec<Duration> = (0..100).map(|_| one.succeeded()).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| (0.9..=1.1).contains(&pause.as_secs_f64()))
        );
        assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn p8_pauses_after_failures_grow_to_the_cap_and_are_reset_by_a_success() {
        for seed in 0..200 {
            let mut one = backoff(seed);
            for failure in 1..100_u32 {
                let pause = one.failed(None);
                let most = (SECOND * (1 << failure.min(5))).min(30 * SECOND);
                assert!(pause >= SECOND && pause <= most, "{failure}: {pause:?}");
            }
            one.succeeded();
            assert_eq!(one.failures, 0);
            assert!(one.failed(None) <= 2 * SECOND);
        }
    }

    #[test]
    fn p8_a_retry_after_is_honoured_up_to_the_longest_pause() {
        let mut one = backoff(1);
        assert_eq!(one.failed(Some(20 * SECOND)), 20 * SECOND);
        assert_eq!(one.failed(Some(60 * SECOND)), 30 * SECOND);
        assert_eq!(one.failed(Some(Duration::MAX)), 30 * SECOND);
    }

    #[test]
    fn p8_instances_begin_at_different_times_and_a_seed_repeats() {
        let phases: Vec<Duration> = (0..100).map(|seed| backoff(seed).phase()).collect();
        assert!(phases.iter().all(|phase| *phase < SECOND));
        let early = phases.iter().filter(|phase| **phase < SECOND / 2).count();
        assert!((20..80).contains(&early), "{early}");
        assert_eq!(backoff(7).phase(), backoff(7).phase());
    }

    #[test]
    fn an_interval_above_the_cap_is_capped_while_polls_fail() {
        let mut one = Backoff::new(60 * SECOND, 30 * SECOND, 1);
        assert_eq!(one.failed(None), 30 * SECOND);
    }

    #[test]
    fn p8_pauses_of_any_length_can_be_computed() {
        for long in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
            for seed in 0..200 {
                let mut one = Backoff::new(long, long, seed);
                assert!(one.phase() <= LONGEST);
                let (least, most) = (LONGEST * 9 / 10, LONGEST * 11 / 10);
                assert!((least..=most).contains(&one.succeeded()));
                assert_eq!(one.failed(Some(Duration::MAX)), LONGEST);
            }
        }
    }
}
