//! Determines the maximum and the default time to live of directives. Sets the default in drafts
//! without an end, and refuses drafts that exceed the maximum.
//!
//! The command reads both limits from the cluster, if the role permits this request. `--max-ttl`
//! can lower the maximum of the cluster, but cannot raise it.

use std::time::Duration;

use jiff::Timestamp;
use opensearch_directives::Config;
use opensearch_directives::admin::{DirectivesApi, LifetimeLimits};
use opensearch_directives::document::{Draft, Expiry};

use super::directive_text::printable;
use super::duration::{length, signed};
use super::exit::Failure;
use super::stdio::note;

/// If a directive captures bodies, its default time to live is never longer than this constant.
const DEFAULT_CAPTURE_TTL: Duration = Duration::from_mins(5);

/// The limits of the time to live for one run of the command.
#[derive(Clone, Copy, Debug)]
pub(super) struct TtlLimits {
    pub(super) max_ttl: Duration,
    max_capture_ttl: Duration,
    /// The default time to live; `None` if the lifetime limits of the cluster are unknown. If they
    /// are unknown, only the ingest pipeline can set the default.
    default_ttl: Option<Duration>,
    /// The flag or command with which the user can raise `max_ttl`.
    remedy: &'static str,
}

impl TtlLimits {
    /// Reads the lifetime limits of the cluster. If the role does not permit reading the limits,
    /// the maximum is `--max-ttl`. If `--max-ttl` is absent, too, the maximum is the initial
    /// maximum of an installation. Even if the command does not know the limits of the cluster, the
    /// pipeline refuses a write that exceeds them.
    pub(super) async fn read(api: &DirectivesApi, flag: Option<Duration>) -> Result<Self, Failure> {
        match api.lifetime_limits().await? {
            Some(cluster) => Self::of_cluster(cluster, flag),
            None => Ok(Self::without_cluster_limits(flag)),
        }
    }

    /// Returns the limits to use if the limits of the cluster are unknown.
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

    /// If a draft states no end, sets the default time to live, counted from the start of the
    /// directive.
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
            // The pipeline sets the expiry, because only the pipeline knows the default of the
            // cluster.
            None => Expiry::SiteDefault,
        };
        Ok(())
    }

    /// Refuses a draft whose time to live exceeds a limit, with a message that names the flag.
    /// Warns if proxies with default settings would reject the directive.
    pub(super) fn check(&self, drafts: &[Draft], now: Timestamp) -> Result<(), Failure> {
        for draft in drafts {
            let (ttl, from_start) = match (draft.expiry, draft.starts_at) {
                (Expiry::After(ttl), _) => (signed(ttl), signed(ttl)),
                // If a directive captures bodies, its limit is counted from its start.
                (Expiry::At(end), Some(start)) if start > now => {
                    (end.duration_since(now), end.duration_since(start))
                }
                (Expiry::At(end), _) => (end.duration_since(now), end.duration_since(now)),
                // The draft has no end, so the pipeline applies the default of the cluster.
                _ => continue,
            };
            let id = printable(&draft.id);
            if ttl > signed(self.max_ttl) {
                return Err(Failure::usage(format!(
                    "{id}: --ttl {} exceeds the maximum of {}; {}",
                    length(ttl),
                    text(self.max_ttl),
                    self.remedy
                )));
            }
            if draft.capture && from_start > signed(self.max_capture_ttl) {
                return Err(Failure::usage(format!(
                    "{id}: --ttl {} exceeds the maximum of {} for a capture; use a shorter --ttl",
                    length(from_start),
                    text(self.max_capture_ttl)
                )));
            }
            if ttl > signed(Config::DEFAULT_MAX_TTL) {
                note(&format!(
                    "warning: {id}: its expiry is more than {} in the future, so proxies reject it \
                     for now, unless they run with a higher --max-ttl",
                    text(Config::DEFAULT_MAX_TTL)
                ));
            }
        }
        Ok(())
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
