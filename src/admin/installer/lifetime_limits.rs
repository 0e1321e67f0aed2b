//! Defines the limits that a cluster sets for the lifetime of directives. The lifetime limits are
//! stored as parameters of the ingest pipeline.

use std::time::Duration;

use serde_json::Value;

use super::error::InstallError;

/// The cluster's limits for the lifetime of directives. The ingest pipeline enforces the lifetime
/// limits, so they apply to the writes of every client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LifetimeLimits {
    /// The time to live of a directive whose draft has no expiry.
    pub default_ttl: Duration,
    /// The longest permitted time to live of a directive.
    pub max_ttl: Duration,
    /// The longest permitted time to live of a directive that requests capture.
    pub max_capture_ttl: Duration,
}

/// A change of the cluster's [`LifetimeLimits`]. A limit whose new value is `None` keeps its
/// installed value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LifetimeLimitsChange {
    /// The new value of [`LifetimeLimits::default_ttl`]; `None` keeps the installed value.
    pub default_ttl: Option<Duration>,
    /// The new value of [`LifetimeLimits::max_ttl`]; `None` keeps the installed value.
    pub max_ttl: Option<Duration>,
    /// The new value of [`LifetimeLimits::max_capture_ttl`]; `None` keeps the installed value.
    pub max_capture_ttl: Option<Duration>,
}

const DEFAULT_TTL: &str = "default_ttl_secs";
const MAX_TTL: &str = "max_ttl_secs";
const MAX_CAPTURE_TTL: &str = "max_capture_ttl_secs";

impl LifetimeLimits {
    /// The lifetime limits that an installation sets if the cluster has none yet.
    pub const INITIAL: Self = Self {
        default_ttl: Duration::from_secs(15 * 60),
        max_ttl: Duration::from_secs(30 * 24 * 3600),
        max_capture_ttl: Duration::from_secs(3600),
    };

    /// Reads the lifetime limits from the parameters of an ingest pipeline. Returns `None` if the
    /// pipeline comes from an earlier version, which had no lifetime limits.
    pub(super) fn of(params: &Value) -> Option<Self> {
        let seconds = |name: &str| params[name].as_u64().map(Duration::from_secs);
        Some(Self {
            default_ttl: seconds(DEFAULT_TTL)?,
            max_ttl: seconds(MAX_TTL)?,
            max_capture_ttl: seconds(MAX_CAPTURE_TTL)?,
        })
    }

    pub(super) fn write_to(self, params: &mut Value) {
        params[DEFAULT_TTL] = self.default_ttl.as_secs().into();
        params[MAX_TTL] = self.max_ttl.as_secs().into();
        params[MAX_CAPTURE_TTL] = self.max_capture_ttl.as_secs().into();
    }

    /// Applies a change to the lifetime limits, and returns the result. A limit that the change
    /// does not set is lowered to the new `max_ttl` if it exceeds the new `max_ttl`.
    pub(super) fn with(self, change: LifetimeLimitsChange) -> Result<Self, InstallError> {
        let max_ttl = change.max_ttl.unwrap_or(self.max_ttl);
        let limits = Self {
            default_ttl: change.default_ttl.unwrap_or(self.default_ttl.min(max_ttl)),
            max_ttl,
            max_capture_ttl: change
                .max_capture_ttl
                .unwrap_or(self.max_capture_ttl.min(max_ttl)),
        };
        for (flag, ttl) in [
            ("--default-ttl", limits.default_ttl),
            ("--max-ttl", limits.max_ttl),
            ("--max-capture-ttl", limits.max_capture_ttl),
        ] {
            if ttl.as_secs() == 0 || ttl.subsec_nanos() != 0 {
                return Err(InstallError::limits(format!(
                    "{flag} is {ttl:?}; set a whole number of seconds, at least one"
                )));
            }
            if ttl > max_ttl {
                return Err(InstallError::limits(format!(
                    "{flag} ({ttl:?}) is longer than --max-ttl ({max_ttl:?}); shorten it, or \
                     raise --max-ttl"
                )));
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LIMITS: LifetimeLimits = LifetimeLimits {
        default_ttl: Duration::from_secs(15 * 60),
        max_ttl: Duration::from_secs(2 * 60 * 60),
        max_capture_ttl: Duration::from_secs(60 * 60),
    };

    #[test]
    fn a_lower_maximum_lowers_the_limits_that_are_not_set() {
        let change = LifetimeLimitsChange {
            max_ttl: Some(Duration::from_secs(10 * 60)),
            ..LifetimeLimitsChange::default()
        };
        let limits = LIMITS.with(change).unwrap();
        assert_eq!(limits.default_ttl, limits.max_ttl);
        assert_eq!(limits.max_capture_ttl, limits.max_ttl);
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let day = Some(Duration::from_secs(24 * 60 * 60));
        for change in [
            LifetimeLimitsChange {
                default_ttl: day,
                ..LifetimeLimitsChange::default()
            },
            LifetimeLimitsChange {
                max_capture_ttl: day,
                ..LifetimeLimitsChange::default()
            },
            LifetimeLimitsChange {
                max_ttl: Some(Duration::ZERO),
                ..LifetimeLimitsChange::default()
            },
            LifetimeLimitsChange {
                default_ttl: Some(Duration::from_millis(1_500)),
                ..LifetimeLimitsChange::default()
            },
        ] {
            let error = LIMITS.with(change).unwrap_err();
            assert!(error.to_string().starts_with("--"), "{error}");
        }
    }
}
