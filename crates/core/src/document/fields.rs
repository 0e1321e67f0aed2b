//! A document's fields, each decoded by its JSON type: absent, valid or wrong.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Audit;
use super::rejection::{Fault, RejectionReason as Reason, printable};
use crate::{DiagLevel, EndpointKind};

/// Every field that a document may have, in the order in which they are checked.
pub(super) const NAMES: [&str; 20] = [
    "id",
    "level",
    "tenant",
    "index",
    "principal",
    "endpoint",
    "sample_per_mille",
    "ring_buffer",
    "capture",
    "starts_at",
    "expires_at",
    "ttl_secs",
    "reason",
    "ticket",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "revoked_at",
    "revoked_by",
];

/// The raw text of each field that is there, and the first that should not be there.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    values: [Option<&'a str>; NAMES.len()],
    fault: Option<Fault>,
}

impl<'a> Fields<'a> {
    /// Splits a JSON object into its fields; looks into none of them.
    pub(super) fn read(source: &'a str) -> Result<Self, Fault> {
        serde_json::from_str(source).map_err(|_| Fault::new("_source", source, Reason::NotAnObject))
    }

    /// Whether each field is one that a document may have, and there once.
    pub(super) fn known(&self) -> Result<(), Fault> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// The field's raw text, if it is there.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        let place = NAMES.iter().position(|known| *known == name)?;
        self.values[place]
    }

    fn decode<T>(
        &self,
        name: &'static str,
        reason: Reason,
        decode: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        self.raw(name)
            .map(|raw| decode(raw).ok_or_else(|| Fault::new(name, raw, reason)))
            .transpose()
    }

    /// A text that narrows a match: absent, or non-empty. `null` is wrong: whoever
    /// wrote it may have meant anything but "every tenant".
    fn target(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.decode(name, Reason::NotATarget, |raw| {
            text(raw).filter(|text| !text.is_empty())
        })
    }

    fn switch(&self, name: &'static str) -> Result<bool, Fault> {
        self.decode(name, Reason::NotABoolean, |raw| raw.parse().ok())
            .map(Option::unwrap_or_default)
    }

    /// A text for people: absent, `null` (the same), or a text.
    fn note(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.decode(name, Reason::NotAText, |raw| match raw {
            "null" => Some(None),
            raw => text(raw).map(Some),
        })
        .map(Option::flatten)
    }

    /// A stamp for people: absent, `null` (the same), or a time.
    fn stamp(&self, name: &'static str) -> Result<Option<Timestamp>, Fault> {
        self.decode(name, Reason::NotATime, |raw| match raw {
            "null" => Some(None),
            raw => time(raw).map(Some),
        })
        .map(Option::flatten)
    }

    /// A time that matters: absent or a time, never `null`.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Fault> {
        self.decode(name, Reason::NotATime, time)
    }

    pub(super) fn id(&self) -> Result<Option<Cow<'a, str>>, Fault> {
        self.decode("id", Reason::NotAnId, text)
    }

    pub(super) fn ttl_secs(&self) -> Result<Option<u64>, Fault> {
        self.decode("ttl_secs", Reason::NotATtl, |raw| {
            raw.parse().ok().filter(|&seconds| seconds > 0)
        })
    }

    /// Everything but the id and the expiry.
    pub(super) fn body(&self) -> Result<Body<'a>, Fault> {
        let level = self
            .decode("level", Reason::NotALevel, |raw| text(raw)?.parse().ok())?
            .ok_or_else(|| Fault::new("level", "", Reason::Missing))?;
        Ok(Body {
            level,
            tenant: self.target("tenant")?,
            index: self.target("index")?,
            principal: self.target("principal")?,
            endpoint: self.decode("endpoint", Reason::NotAnEndpoint, |raw| {
                text(raw)?.parse().ok()
            })?,
            sample_per_mille: self
                .decode("sample_per_mille", Reason::NotASampleRate, |raw| {
                    raw.parse().ok().filter(|&rate| rate <= 1000)
                })?
                .unwrap_or(1000),
            ring_buffer: self.switch("ring_buffer")?,
            capture: self.switch("capture")?,
            starts_at: self.time("starts_at")?,
            audit: Audit {
                reason: self.note("reason")?,
                ticket: self.note("ticket")?,
                created_at: self.stamp("created_at")?,
                created_by: self.note("created_by")?,
                updated_at: self.stamp("updated_at")?,
                updated_by: self.note("updated_by")?,
                revoked_at: self.time("revoked_at")?,
                revoked_by: self.note("revoked_by")?,
            },
        })
    }
}

/// A document but for its id and its expiry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Body<'a> {
    pub(super) level: DiagLevel,
    pub(super) tenant: Option<Cow<'a, str>>,
    pub(super) index: Option<Cow<'a, str>>,
    pub(super) principal: Option<Cow<'a, str>>,
    pub(super) endpoint: Option<EndpointKind>,
    pub(super) sample_per_mille: u16,
    pub(super) ring_buffer: bool,
    pub(super) capture: bool,
    pub(super) starts_at: Option<Timestamp>,
    pub(super) audit: Audit<Cow<'a, str>>,
}

/// A JSON text, or `None` if the JSON is something else.
fn text(raw: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(raw).ok().map(|Text(text)| text)
}

/// A time in RFC 3339 with an offset; of years that it cannot write, the form that a
/// [`Timestamp`] has as a text. Jiff takes more: a time without minutes, a zone in
/// brackets which it ignores, an offset of more than a day.
fn time(raw: &str) -> Option<Timestamp> {
    text(raw)
        .filter(|text| is_rfc3339(text.as_bytes()))?
        .parse()
        .ok()
}

/// Whether a text has the shape `2030-01-31T12:00:00[.fraction](Z|+hh:mm|-hh:mm)`, the
/// year being `-002030` if it is before nought.
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

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                #[derive(Deserialize)]
                struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

                let mut fields = Fields {
                    values: [None; NAMES.len()],
                    fault: None,
                };
                while let Some(Key(name)) = map.next_key()? {
                    let value: &'de RawValue = map.next_value()?;
                    let fault = match NAMES.iter().position(|known| *known == name) {
                        Some(place) => fields.values[place]
                            .replace(value.get())
                            .map(|_| Fault::new(NAMES[place], "", Reason::RepeatedField)),
                        None => Some(Fault::new(printable(&name), "", Reason::UnknownField)),
                    };
                    if fields.fault.is_none() {
                        fields.fault = fault;
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Timestamp> {
        time(&serde_json::Value::from(text).to_string())
    }

    #[test]
    fn a_time_is_rfc_3339_with_an_offset() {
        for text in [
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
        ] {
            assert_eq!(read(text), text.parse().ok(), "{text}");
            assert!(read(text).is_some(), "{text}");
        }
        for text in [
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
        ] {
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
