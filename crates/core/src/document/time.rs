//! Parses the times in drafts and stored documents. Each time must be in the format RFC 3339, with
//! an offset from UTC.

use jiff::Timestamp;

use super::decode_field::text;

/// Parses the JSON string of a time in the format RFC 3339, with an offset from UTC. For negative
/// years, which RFC 3339 lacks, the parser accepts the format in which a [`Timestamp`] is
/// displayed.
///
/// The parser checks the format before jiff parses the string, because jiff also accepts times
/// without minutes, time zones in brackets (which jiff ignores), and offsets of more than a day.
pub(super) fn parse(raw: &str) -> Option<Timestamp> {
    text(raw)
        .filter(|text| is_rfc3339(text.as_bytes()))?
        .parse()
        .ok()
}

/// Returns true if a string has the shape `2030-01-31T12:00:00[.fraction](Z|+hh:mm|-hh:mm)`. A year
/// before the year zero must have the form `-002030`.
fn is_rfc3339(text: &[u8]) -> bool {
    fn has_shape(text: &[u8], shape: &[u8]) -> bool {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                letter => byte.eq_ignore_ascii_case(letter),
            })
    }
    let text = text.strip_prefix(b"-00").unwrap_or(text);
    let Some((date_time, mut rest)) = text.split_at_checked(19) else {
        return false;
    };
    if let [b'.', fraction @ ..] = rest {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        rest = &fraction[digits..];
    }
    has_shape(date_time, b"0000-00-00T00:00:00")
        && match rest {
            [b'Z' | b'z'] => true,
            [b'+' | b'-', offset @ ..] => has_shape(offset, b"00:00") && *offset < b"24"[..],
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Timestamp> {
        parse(&serde_json::Value::from(text).to_string())
    }

    const TIMES: &[&str] = &[
        "2030-01-01T12:15:00Z",
        "2030-01-01t12:15:00z",
        "2030-01-01T12:15:00.1Z",
        "2030-01-01T12:15:00.123456789Z",
        "2030-01-01T13:15:00+01:00",
        "2030-01-01T12:15:00-00:00",
        "2029-12-31T13:15:00-23:00",
        "0000-01-01T00:00:00Z",
        "-000001-01-01T00:00:00Z",
        "2030-12-31T23:59:60Z",
    ];
    const OTHER_TEXTS: &[&str] = &[
        "2030-01-01",
        "2030-01-01T12:15:00",
        "2030-01-01T12:15Z",
        "2030-01-01T12Z",
        "2030-01-01 12:15:00Z",
        "2030-01-01T12:15:00.Z",
        "2030-01-01T12:15:00,5Z",
        "2030-01-01T12:15:00.1234567891Z",
        "2030-01-01T12:15:00+0100",
        "2030-01-01T12:15:00+01",
        "2030-01-01T12:15:00+01:00:00",
        "2030-01-01T12:15:00+24:00",
        "2030-01-01T12:15:00Z[UTC]",
        "2030-01-01T12:15:00+01:00[Europe/Berlin]",
        "2030-01-01T12:15:00 Z",
        " 2030-01-01T12:15:00Z",
        "2030-01-01T12:15:00Z ",
        "20300101T121500Z",
        "+002030-01-01T12:15:00Z",
        "-000000-01-01T12:15:00Z",
        "-012030-01-01T12:15:00Z",
        "12030-01-01T12:15:00Z",
        "9999-12-31T23:59:59Z",
        "2030-02-30T12:15:00Z",
        "2030-13-01T12:15:00Z",
        "2030-01-01T24:00:00Z",
        "2030-01-01T12:60:00Z",
        "2030-W01-2T12:15:00Z",
        "２０３０-01-01T12:15:00Z",
        "now",
        "now+15m",
        "1893499200",
    ];

    #[test]
    fn a_time_is_rfc_3339_with_an_offset() {
        for text in TIMES {
            assert_eq!(read(text), text.parse().ok(), "{text}");
            assert!(read(text).is_some(), "{text}");
        }
        for text in OTHER_TEXTS {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_timestamp_is_read_from_its_own_text(
            nanosecond in Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond(),
        ) {
            let at = Timestamp::from_nanosecond(nanosecond).unwrap();
            prop_assert_eq!(read(&at.to_string()), Some(at));
        }
    }

    #[test]
    fn the_first_and_the_last_timestamp_are_read() {
        for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            assert_eq!(read(&at.to_string()), Some(at));
        }
    }
}
