//! A document's fields, each decoded by its JSON type: absent, valid or wrong.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Audit;
use super::rejection::{Fault, RejectionReason as Reason, printable};
use crate::domain::{DiagLevel, EndpointKind};

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

fn time(raw: &str) -> Option<Timestamp> {
    text(raw)?.parse().ok()
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
