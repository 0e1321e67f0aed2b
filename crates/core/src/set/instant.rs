//! Instants as pairs of integers, which an evaluation compares faster than timestamps.

use jiff::Timestamp;

/// The seconds and the nanoseconds of a `Timestamp`, which always have the same sign. Pairs of
/// seconds and nanoseconds have the same order as the timestamps.
pub(super) type Instant = (i64, i32);

/// An instant that is earlier than every `Timestamp`.
pub(super) const ALWAYS: Instant = (i64::MIN, 0);

#[inline]
pub(super) fn instant(timestamp: Timestamp) -> Instant {
    (timestamp.as_second(), timestamp.subsec_nanosecond())
}

/// Converts an [`Instant`] back to a `Timestamp`, or returns `None` for [`ALWAYS`].
pub(super) fn timestamp((second, nanosecond): Instant) -> Option<Timestamp> {
    // `ALWAYS` is not a valid timestamp, and is handled separately because creating jiff's error
    // would allocate.
    let is_timestamp = (second, nanosecond) != ALWAYS;
    is_timestamp.then(|| Timestamp::new(second, nanosecond).ok())?
}

/// Rounds an instant up to a whole number of seconds since 1970. An instant has passed if
/// `now.as_second()` is at least the rounded number of seconds. (The result for an instant up to
/// the start of 1970 is one second higher, because `as_second` rounds negative times up.)
pub(super) fn rounded_up((second, nanosecond): Instant) -> i64 {
    let rounds = nanosecond > 0 || second <= 0;
    second.saturating_add(i64::from(rounds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn instants_have_the_order_of_timestamps_and_convert_back() {
        let around = |nanos: i128| {
            (-2..=2).filter_map(move |step| Timestamp::from_nanosecond(nanos + step).ok())
        };
        let second = 1_000_000_000;
        let mut timestamps = vec![Timestamp::MIN, Timestamp::MAX];
        for nanos in [0, second, -second, i64::MIN.into(), i64::MAX.into()] {
            timestamps.extend(around(nanos));
        }
        for &a in &timestamps {
            for &b in &timestamps {
                assert_eq!(instant(a).cmp(&instant(b)), a.cmp(&b), "{a} {b}");
            }
            assert_eq!(timestamp(instant(a)), Some(a));
            assert!(ALWAYS < instant(a));
        }
        assert_eq!(timestamp(ALWAYS), None);
    }
}
