//! Determines the maximum and the default time to live of directives. Sets the default in drafts
//! that state no end, and refuses drafts that exceed the maximum.
//!
//! The command reads the maximum and the default from the cluster, if the user's role permits this.
//! The flag `--max-ttl` can lower the maximum of the cluster, but cannot raise it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use opensearch_directives::Config;
use opensearch_directives::admin::{DirectivesApi, LifetimeLimits};
use opensearch_directives::document::{Draft, Expiry};

use super::directive_text::printable;
use super::duration::{length, signed};
use super::exit::Failure;
use super::output::warn;

/// The longest default time to live of a directive that captures bodies.
const DEFAULT_CAPTURE_TTL: Duration = Duration::from_mins(5);

/// The limits on the time to live that one run of the command uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct TtlLimits {
    pub(super) max_ttl: Duration,
    max_capture_ttl: Duration,
    /// The default time to live; `None` if the command does not know the limits of the cluster. If
    /// the command does not know the default, the ingest pipeline sets it.
    default_ttl: Option<Duration>,
    /// The flag or the command with which the user can raise the maximum time to live.
    remedy: &'static str,
}

impl TtlLimits {
    /// Reads the limits on the time to live from the cluster. If the user's role does not permit
    /// reading the limits, `--max-ttl` is the maximum. If the role does not permit reading the
    /// limits and `--max-ttl` is absent, the maximum is that of a new installation. If the command
    /// does not know the limits of the cluster, the ingest pipeline still refuses a write that
    /// exceeds them.
    pub(super) async fn read(api: &DirectivesApi, flag: Option<Duration>) -> Result<Self, Failure> {
        match api.lifetime_limits().await? {
            Some(cluster) => Self::of_cluster(cluster, flag),
            None => Ok(Self::without_cluster_limits(flag)),
        }
    }

    /// Returns true if the command has read the limits from the cluster.
    pub(super) fn are_of_cluster(&self) -> bool {
        self.default_ttl.is_some()
    }

    /// Returns the limits that the command uses if it does not know those of the cluster.
    pub(super) fn without_cluster_limits(flag: Option<Duration>) -> Self {
        Self {
            max_ttl: flag.unwrap_or(LifetimeLimits::INITIAL.max_ttl),
            max_capture_ttl: LifetimeLimits::INITIAL.max_capture_ttl,
            default_ttl: None,
            remedy: "raise it with --max-ttl",
        }
    }

    fn of_cluster(cluster: LifetimeLimits, flag: Option<Duration>) -> Result<Self, Failure> {
        if let Some(flag) = flag.filter(|flag| *flag > cluster.max_ttl) {
            return Err(Failure::usage(format!(
                "--max-ttl {} exceeds the maximum of this cluster, {}; first raise that maximum with \
                 `directives init --max-ttl`",
                text(flag),
                text(cluster.max_ttl)
            )));
        }
        Ok(Self {
            max_ttl: flag.unwrap_or(cluster.max_ttl),
            max_capture_ttl: cluster.max_capture_ttl,
            default_ttl: Some(cluster.default_ttl),
            remedy: match flag {
                Some(_) => "raise it with --max-ttl",
                None => "raise it for this cluster with `directives init --max-ttl`",
            },
        })
    }

    /// Sets the default time to live in drafts that state no end, and refuses drafts that exceed
    /// the maximum.
    pub(super) fn prepare(
        &self,
        drafts: &mut [Draft],
        flag: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        for draft in &mut *drafts {
            self.set_default(draft)?;
        }
        self.check(drafts, flag, now)
    }

    /// If a draft states no end, sets it to the start of the directive plus the default time to
    /// live.
    pub(super) fn set_default(&self, draft: &mut Draft) -> Result<(), Failure> {
        if draft.expiry != Expiry::SiteDefault {
            return Ok(());
        }
        let known = self
            .default_ttl
            .unwrap_or(LifetimeLimits::INITIAL.default_ttl);
        let ttl = if draft.capture {
            known.min(DEFAULT_CAPTURE_TTL).min(self.max_capture_ttl)
        } else {
            known
        };
        draft.expiry = match draft.starts_at {
            Some(start) => start.checked_add(ttl).map(Expiry::At).map_err(|_| {
                let id = printable(&draft.id);
                Failure::usage(format!("{id}: its start is too far in the future"))
            })?,
            None if draft.capture || self.default_ttl.is_some() => Expiry::After(ttl),
            // The ingest pipeline sets the expiry, because the command does not know the default
            // time to live of the cluster.
            None => Expiry::SiteDefault,
        };
        Ok(())
    }

    /// Returns an error if the time to live in a draft exceeds a limit. The parameter `flag` names
    /// the flag that states the end of the directives; `None` if fields of the drafts state the
    /// end. The function prints a warning if proxies with default settings would reject a
    /// directive.
    pub(super) fn check(
        &self,
        drafts: &[Draft],
        flag: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        for draft in drafts {
            let id = printable(&draft.id);
            if let Some(problem) = self.problem(draft, flag, now) {
                return Err(Failure::usage(format!("{id}: {problem}")));
            }
        }
        let warnings = drafts.iter().filter_map(|draft| warning(draft, now));
        warn(&warnings.collect::<Vec<_>>());
        Ok(())
    }

    /// Describes the limit that a draft exceeds, and names the flag or the field that states the
    /// draft's end.
    pub(super) fn problem(
        &self,
        draft: &Draft,
        flag: Option<&str>,
        now: Timestamp,
    ) -> Option<String> {
        let lifetime = Lifetime::of(draft, now)?;
        let excess = |ttl: SignedDuration, from: &str| match (draft.expiry, flag) {
            (Expiry::At(_), flag) => {
                let word = flag.unwrap_or("expires_at");
                format!("{word}: the end is {} {from}, which exceeds", length(ttl))
            }
            (_, flag) => format!("{} {} exceeds", flag.unwrap_or("ttl_secs"), length(ttl)),
        };
        if lifetime.from_now > signed(self.max_ttl) {
            let excess = excess(lifetime.from_now, "from now");
            let max = text(self.max_ttl);
            return Some(format!("{excess} the maximum of {max}; {}", self.remedy));
        }
        (draft.capture && lifetime.from_start > signed(self.max_capture_ttl)).then(|| {
            let excess = excess(lifetime.from_start, "after the start");
            let max = text(self.max_capture_ttl);
            format!("{excess} the maximum of {max} for a capture; choose an earlier end")
        })
    }
}

/// Returns a warning if proxies with default settings would reject the directive because of its
/// expiry.
pub(super) fn warning(draft: &Draft, now: Timestamp) -> Option<String> {
    let from_now = Lifetime::of(draft, now)?.from_now;
    (from_now > signed(Config::DEFAULT_MAX_TTL)).then(|| {
        format!(
            "{}: its expiry is more than {} in the future, so proxies reject it for now, unless \
             they run with a higher --max-ttl",
            printable(&draft.id),
            text(Config::DEFAULT_MAX_TTL)
        )
    })
}

/// The time for which the directive of a draft applies, counted from now and from its start.
struct Lifetime {
    from_now: SignedDuration,
    /// The time from the start of the directive to its end, which is limited if the directive
    /// captures.
    from_start: SignedDuration,
}

impl Lifetime {
    /// Computes the time for which the directive of a draft applies. Returns `None` if the draft
    /// states no end, because the ingest pipeline then sets the default of the cluster.
    fn of(draft: &Draft, now: Timestamp) -> Option<Self> {
        let (from_now, from_start) = match (draft.expiry, draft.starts_at) {
            (Expiry::After(ttl), _) => (signed(ttl), signed(ttl)),
            (Expiry::At(end), start) => {
                let start = start.map_or(now, |start| start.max(now));
                (end.duration_since(now), end.duration_since(start))
            }
            _ => return None,
        };
        Some(Self {
            from_now,
            from_start,
        })
    }
}

fn text(duration: Duration) -> String {
    length(signed(duration))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use opensearch_directives::DiagLevel;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn cluster() -> LifetimeLimits {
        let mut cluster = LifetimeLimits::INITIAL;
        cluster.default_ttl = Duration::from_mins(10);
        cluster.max_ttl = 3 * HOUR;
        cluster.max_capture_ttl = Duration::from_mins(3);
        cluster
    }

    fn draft(capture: bool) -> Draft {
        let mut draft = Draft::new("a", DiagLevel::Shape, Expiry::SiteDefault);
        draft.capture = capture;
        draft
    }

    fn default_of(limits: TtlLimits, mut draft: Draft) -> Expiry {
        limits.set_default(&mut draft).unwrap();
        draft.expiry
    }

    #[test]
    fn the_default_is_that_of_the_cluster_and_shorter_for_a_capture() {
        let limits = TtlLimits::of_cluster(cluster(), None).unwrap();
        let minutes = |minutes| Expiry::After(Duration::from_mins(minutes));
        assert_eq!(default_of(limits, draft(false)), minutes(10));
        assert_eq!(default_of(limits, draft(true)), minutes(3));
        let unknown = TtlLimits::without_cluster_limits(None);
        assert_eq!(default_of(unknown, draft(false)), Expiry::SiteDefault);
        assert_eq!(default_of(unknown, draft(true)), minutes(5));
        let mut later = draft(false);
        later.starts_at = Some("2030-01-01T12:00:00Z".parse().unwrap());
        let end = Expiry::At("2030-01-01T12:10:00Z".parse().unwrap());
        assert_eq!(default_of(limits, later), end);
    }

    #[test]
    fn the_flag_shortens_the_maximum_of_the_cluster_and_cannot_raise_it() {
        let limit = |flag| TtlLimits::of_cluster(cluster(), flag).map(|limits| limits.max_ttl);
        assert_eq!(limit(None).unwrap(), 3 * HOUR);
        assert_eq!(limit(Some(HOUR)).unwrap(), HOUR);
        assert!(limit(Some(4 * HOUR)).is_err());
        assert_eq!(
            TtlLimits::without_cluster_limits(Some(4 * HOUR)).max_ttl,
            4 * HOUR
        );
    }
}
