//! Parses and formats durations such as `15m` or `1h30m`.

use std::time::Duration;

use jiff::{RoundMode, SignedDuration, SignedDurationRound, Span, SpanRelativeTo, Timestamp, Unit};

/// Parses a duration such as `200ms`, `5s`, `15m`, `2h` or `7d`. A day in a duration always has 24
/// hours.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let fix = "write a duration such as 200ms, 5s, 15m, 2h or 7d";
    let span: Span = text
        .parse()
        .map_err(|_| format!("it is not a duration; {fix}"))?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| format!("months and years differ in length; {fix}"))?;
    Duration::try_from(duration)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("it must be longer than zero; {fix}"))
}

/// Converts a duration to the type of the crate `jiff`. A duration that is too long for
/// `SignedDuration` becomes [`SignedDuration::MAX`].
pub(super) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Formats the approximate time between now and an instant, such as `in 14m 30s` or `3h 5m ago`.
pub(super) fn relative(instant: Timestamp, now: Timestamp) -> String {
    let distance = instant.duration_since(now);
    if distance.is_negative() {
        format!("{} ago", length(distance.abs()))
    } else {
        format!("in {}", length(distance))
    }
}

/// Formats a duration with only its two largest units, such as `14m 30s`.
pub(super) fn length(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let days = SignedDuration::from_hours(seconds / 86_400 * 24);
    let (unit, rest) = match seconds {
        86_400.. => (Unit::Hour, duration - days),
        3_600.. => (Unit::Minute, duration),
        _ => (Unit::Second, duration),
    };
    // The duration is rounded down, so that the text never shows a longer time than is left.
    let rounding = SignedDurationRound::new()
        .smallest(unit)
        .mode(RoundMode::Trunc);
    let rest = rest.round(rounding).unwrap_or(rest);
    match (seconds / 86_400, rest.is_zero()) {
        (0, _) => format!("{rest:#}"),
        (days, true) => format!("{days}d"),
        (days, false) => format!("{days}d {rest:#}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn durations_with_a_unit_are_parsed() {
        for (text, millis) in [
            ("200ms", 200),
            ("5s", 5_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_fix() {
        for text in ["", "15", "-5m", "0s", "1mo", "1y", "soon", "1e9"] {
            let error = parse(text).unwrap_err();
            assert!(
                error.contains("write a duration such as"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn distances_are_shown_in_two_units_at_most() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        assert_eq!(relative(at(0), now), "in 0s");
        assert_eq!(relative(at(870), now), "in 14m 30s");
        assert_eq!(relative(at(900), now), "in 15m");
        assert_eq!(relative(at(-11_105), now), "3h 5m ago");
        assert_eq!(relative(at(86_400 * 3 + 61), now), "in 3d");
    }
}
