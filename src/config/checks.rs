//! Checks the settings of a store before the store sends the first request, and refuses settings
//! with which it could not poll.

use std::time::Duration;

use super::{Config, Upstream};
use crate::http::ConfigError;

impl Config {
    /// Returns the age above which the published set counts as stale. The age of the published set
    /// is the time since the last complete read.
    pub(crate) fn effective_stale_after(&self) -> Duration {
        let three_intervals = self.interval.saturating_mul(3);
        self.stale_after
            .unwrap_or(Self::DEFAULT_STALE_AFTER.max(three_intervals))
    }

    /// Returns an error if a setting is invalid; a store calls this check before it sends the first
    /// request.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.cluster.check()?;
        self.check_polling()
    }

    /// Checks all settings except those of the cluster, which a store over another source does not
    /// use.
    pub(crate) fn check_polling(&self) -> Result<(), ConfigError> {
        self.check_durations()?;
        if self.startup.restores() && self.last_good.is_none() {
            return Err(ConfigError::setting(
                "startup",
                "this policy restores a last-good file; set `last_good`",
            ));
        }
        if self.record_history && self.upstream == Upstream::Agent {
            return Err(ConfigError::setting(
                "record_history",
                "another agent's snapshot does not contain the documents; record the history in an \
                 agent that polls the index",
            ));
        }
        Ok(())
    }

    fn check_durations(&self) -> Result<(), ConfigError> {
        for (name, duration) in [
            ("interval", self.interval),
            ("max_backoff", self.max_backoff),
            ("poll_timeout", self.poll_timeout),
            ("reconcile_interval", self.reconcile_interval),
            ("max_ttl", self.max_ttl),
        ] {
            if duration.is_zero() {
                return Err(ConfigError::zero_duration(name));
            }
        }
        if self.interval < Self::MIN_INTERVAL {
            let (interval, min) = (self.interval, Self::MIN_INTERVAL);
            let problem = format!("{interval:?} is too short; set at least {min:?}");
            return Err(ConfigError::setting("interval", problem));
        }
        let longest_pause = self.interval.saturating_mul(11) / 10;
        for (name, age) in [
            ("stale_after", self.stale_after),
            ("clear_after", self.clear_after),
        ] {
            if let Some(age) = age.filter(|age| *age <= longest_pause) {
                let problem = format!(
                    "the set reaches the age {age:?} before each poll, since polls are up to \
                     {longest_pause:?} apart; set a longer time, or a shorter interval"
                );
                return Err(ConfigError::setting(name, problem));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn config() -> Config {
        Config::for_url("http://127.0.0.1:9200".parse().unwrap())
    }

    #[test]
    fn durations_that_cannot_work_are_refused() {
        let refused = |config: Config, name: &str| {
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
        };
        config().check().unwrap();
        refused(config().with_interval(Duration::ZERO), "interval");
        refused(config().with_interval(Duration::from_nanos(1)), "interval");
        refused(config().with_poll_timeout(Duration::ZERO), "poll_timeout");
        let ten_seconds = config().with_interval(SECOND * 10);
        for age in [Duration::ZERO, SECOND * 10, SECOND * 11] {
            refused(ten_seconds.clone().with_stale_after(age), "stale_after");
            refused(ten_seconds.clone().with_clear_after(age), "clear_after");
        }
        let after = SECOND * 12;
        let accepted = ten_seconds.with_stale_after(after).with_clear_after(after);
        accepted.check().unwrap();
    }

    #[test]
    fn a_long_interval_lengthens_the_default_age_of_a_stale_set() {
        assert_eq!(config().effective_stale_after(), SECOND * 30);
        let hourly = config().with_interval(SECOND * 3600);
        hourly.check().unwrap();
        assert_eq!(hourly.effective_stale_after(), SECOND * 3 * 3600);
        let earlier = hourly.with_stale_after(SECOND * 5000);
        assert_eq!(earlier.effective_stale_after(), SECOND * 5000);
    }
}
