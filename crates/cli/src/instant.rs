//! Parses times that the user types, such as `+15m`, `18:00` or an RFC 3339 timestamp, and formats
//! instants for reports.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::duration;

/// A time, as the user typed it. A time such as `+15m` or `18:00` becomes an instant only when the
/// command knows the current time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When {
    /// An instant that the user typed as an RFC 3339 timestamp.
    At(Timestamp),
    /// A duration from now on, such as `+15m`.
    In(Duration),
    /// The next instant at which a local clock shows the given time of day, such as `18:00`.
    Local(Time),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(length) = text.strip_prefix('+') {
            return duration::parse(length).map(Self::In);
        }
        if let Ok(instant) = text.parse() {
            return Ok(Self::At(instant));
        }
        // Only a time of day, such as `18:00` or `18:00:30`, refers to the local time zone. The
        // parser refuses a date and time without a UTC offset, because it would have to guess the
        // time zone.
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b':');
        match text.parse() {
            Ok(time) if digits && text.contains(':') => Ok(Self::Local(time)),
            _ => Err(
                "it is not a time; write +15m (from now), 18:00 (local time, today or tomorrow) or \
                 2030-01-31T18:00:00+02:00"
                    .to_owned(),
            ),
        }
    }
}

impl When {
    /// Converts the time that the user typed to an instant after `now`.
    pub(super) fn resolve(self, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
        let too_far = "the time is too far in the future".to_owned();
        match self {
            Self::At(instant) => Ok(instant),
            Self::In(length) => now.checked_add(length).map_err(|_| too_far),
            Self::Local(time) => {
                let today = zone.to_datetime(now).date();
                let tomorrow = today.checked_add(1.day()).map_err(|_| too_far.clone())?;
                for date in [today, tomorrow] {
                    let local = zone.to_ambiguous_timestamp(date.to_datetime(time));
                    // On a day on which the clocks are set back, they can show a time of day twice,
                    // so the loop tries both instants. If the clocks are set forward and skip a
                    // time of day, the result is later than the skipped time by the length of the
                    // skip.
                    for instant in [local.compatible(), local.later()] {
                        let instant = instant.map_err(|_| too_far.clone())?;
                        if instant > now {
                            return Ok(instant);
                        }
                    }
                }
                Err(too_far)
            }
        }
    }

    /// Returns true for a time of day, because the local time zone then decides which instant it
    /// means.
    pub(super) fn is_local(self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// Formats the end of a directive for a report, such as `until 14:18:03Z (15m)`. The date is
/// omitted if the directive ends today.
pub(super) fn until(end: Timestamp, now: Timestamp) -> String {
    let left = end.duration_since(now);
    let shown = clock(end, now);
    if left.is_positive() {
        // The time until the end of the directive is rounded to seconds. Without the rounding, the
        // report would show 14m 59s for a new directive with a time to live of 15m.
        let seconds = left.as_millis().saturating_add(500) / 1_000;
        let left = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        format!("until {shown} ({})", duration::length(left))
    } else {
        format!("ended {shown}")
    }
}

/// Formats an instant in UTC, rounded down to whole seconds.
pub(super) fn to_the_second(instant: Timestamp) -> String {
    let whole = Timestamp::from_second(instant.as_second()).unwrap_or(instant);
    whole.to_string()
}

/// Converts a time that the user typed to an instant. If the time is a time of day, the function
/// returns the first instant after `begin` at which the local clock shows this time, and prints the
/// instant, because the user may have meant another time zone. The printed line begins with `name`,
/// the name of the flag.
pub(super) fn resolve_and_show(
    name: &str,
    when: When,
    now: Timestamp,
    begin: Timestamp,
) -> Result<Timestamp, String> {
    let base = if when.is_local() { begin } else { now };
    let instant = when.resolve(base, &TimeZone::system())?;
    if when.is_local() {
        let local = instant.to_zoned_datetime(TimeZone::system());
        super::output::note(&format!("{name} is {local} ({instant})"));
    }
    Ok(instant)
}

/// Formats an instant in UTC, rounded up to whole seconds.
pub(super) fn to_the_next_second(instant: Timestamp) -> String {
    let is_whole = instant.subsec_nanosecond() == 0;
    let next = instant.as_second().saturating_add(i64::from(!is_whole));
    Timestamp::from_second(next).unwrap_or(instant).to_string()
}

/// Formats a time range in whole seconds, such as `between 2030-01-31T14:20:00Z and
/// 2030-01-31T14:20:05Z`. The start is rounded down and the end is rounded up, so that the text
/// covers the whole range.
pub(super) fn between(after: Timestamp, until: Timestamp) -> String {
    let until = to_the_next_second(until);
    format!("between {} and {until}", to_the_second(after))
}

/// Formats an instant in UTC, rounded down to whole seconds. The date is omitted if the instant is
/// today.
pub(super) fn clock(instant: Timestamp, now: Timestamp) -> String {
    let text = to_the_second(instant);
    let today = now.to_string();
    match today.get(..11).and_then(|today| text.strip_prefix(today)) {
        Some(time) => time.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_form_of_a_time_is_parsed() {
        let now = at("2030-01-31T12:00:00Z");
        for (text, instant) in [
            ("+15m", "2030-01-31T12:15:00Z"),
            ("18:00", "2030-01-31T16:00:00Z"),
            ("13:59:59", "2030-02-01T11:59:59Z"),
            ("2030-02-01T00:00:00+02:00", "2030-01-31T22:00:00Z"),
        ] {
            let zone = TimeZone::fixed(jiff::tz::offset(2));
            let when: When = text.parse().unwrap();
            assert_eq!(when.resolve(now, &zone).unwrap(), at(instant), "{text}");
        }
        for text in [
            "",
            "soon",
            "15m",
            "2030-01-31",
            "2030-01-31T12:00:00",
            "18",
            "25:00",
            "+0s",
        ] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_is_the_next_one_also_when_clocks_change() {
        let zone = || TimeZone::get("America/New_York").unwrap();
        for (now, text, instant) in [
            ("2030-03-09T08:00:00Z", "02:30", "2030-03-10T07:30:00Z"),
            // On 10 March, the local clocks jump from 02:00 to 03:00, so they never show 02:30.
            ("2030-03-10T06:00:00Z", "02:30", "2030-03-10T07:30:00Z"),
            ("2030-03-10T08:00:00Z", "02:30", "2030-03-11T06:30:00Z"),
            // On 3 November, the local clocks are set back, so they show 01:30 twice.
            ("2030-11-03T05:00:00Z", "01:30", "2030-11-03T05:30:00Z"),
            ("2030-11-03T05:45:00Z", "01:30", "2030-11-03T06:30:00Z"),
            ("2030-11-03T06:45:00Z", "01:30", "2030-11-04T06:30:00Z"),
            // At this instant, the local date and the date in UTC are different.
            ("2030-06-01T02:00:00Z", "23:00", "2030-06-01T03:00:00Z"),
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!(
                when.resolve(at(now), &zone()).unwrap(),
                at(instant),
                "{now} {text}"
            );
        }
    }

    #[test]
    fn a_range_of_time_is_printed_at_least_as_long_as_it_is() {
        assert_eq!(
            between(at("2030-01-31T12:00:00.7Z"), at("2030-01-31T12:00:01.2Z")),
            "between 2030-01-31T12:00:00Z and 2030-01-31T12:00:02Z"
        );
        let noon = at("2030-01-31T12:00:00Z");
        assert_eq!(to_the_next_second(noon), "2030-01-31T12:00:00Z");
    }

    #[test]
    fn an_end_is_shown_with_its_date_unless_it_is_today() {
        let now = at("2030-01-31T12:00:00.5Z");
        assert_eq!(
            until(at("2030-01-31T12:15:00Z"), now),
            "until 12:15:00Z (15m)"
        );
        assert_eq!(
            until(at("2030-02-01T13:00:00Z"), now),
            "until 2030-02-01T13:00:00Z (1d 1h)"
        );
        assert_eq!(until(at("2030-01-31T11:00:00Z"), now), "ended 11:00:00Z");
    }
}
