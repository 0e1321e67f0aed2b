//! Parses an instant in the past, which the user writes as an RFC 3339 timestamp or as a duration
//! before now.

use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::duration;

/// An instant in the past, as the user typed it: a timestamp, or a duration before now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PastInstant {
    At(Timestamp),
    Ago(Duration),
}

impl FromStr for PastInstant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(instant) = text.parse() {
            return Ok(Self::At(instant));
        }
        if text.starts_with('+') {
            return Err(
                "it is in the future; a duration counts back from now, so write 5m for \
                        five minutes ago"
                    .to_owned(),
            );
        }
        duration::parse(text).map(Self::Ago).map_err(|_| {
            "it is not a time; write 2030-01-31T14:03Z, 2030-01-31T14:03:00+02:00, or a duration \
             such as 7d, which counts back from now"
                .to_owned()
        })
    }
}

impl PastInstant {
    /// Converts the instant to a timestamp, or returns an error if the instant is in the future.
    pub(super) fn resolve(self, now: Timestamp) -> Result<Timestamp, String> {
        match self {
            Self::At(instant) if instant > now => Err(format!(
                "{instant} is in the future; a history knows only the past"
            )),
            Self::At(instant) => Ok(instant),
            Self::Ago(length) => SignedDuration::try_from(length)
                .ok()
                .and_then(|length| now.checked_sub(length).ok())
                .ok_or_else(|| "the time is too far in the past".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_instant_is_a_time_with_an_offset_or_a_duration_before_now() {
        let now: Timestamp = "2030-01-31T16:00:00Z".parse().unwrap();
        for (text, instant) in [
            ("2030-01-31T14:03Z", "2030-01-31T14:03:00Z"),
            ("2030-01-31T14:03:00.5+02:00", "2030-01-31T12:03:00.5Z"),
            ("90m", "2030-01-31T14:30:00Z"),
            ("7d", "2030-01-24T16:00:00Z"),
        ] {
            let parsed: PastInstant = text.parse().unwrap();
            assert_eq!(parsed.resolve(now), Ok(instant.parse().unwrap()), "{text}");
        }
        for text in ["", "yesterday", "2030-01-31", "2030-01-31T14:03", "-7d"] {
            let error = text.parse::<PastInstant>().unwrap_err();
            assert!(error.contains("counts back"), "{text}: {error}");
        }
        let later = "+5m".parse::<PastInstant>().unwrap_err();
        assert!(later.contains("future"), "{later}");
        let future: PastInstant = "2030-02-01T00:00Z".parse().unwrap();
        assert!(future.resolve(now).unwrap_err().contains("future"));
    }
}
