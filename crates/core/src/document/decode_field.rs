//! Splits a document into its fields and decodes each field by its JSON type. The decoder
//! distinguishes for each field whether its value is absent, valid or invalid.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::hidden_targets_check::TargetFields;
use super::rejection::{Fault, RejectionReason as Reason, printable};
use super::signature::{self, Signature};
use super::stored_document::Audit;
use super::time;
use crate::{DiagLevel, EndpointKind};

/// The names of all fields of drafts and stored documents, in the order in which the decoder checks
/// them.
pub(super) const NAMES: [&str; 27] = [
    "id",
    "targets",
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
    "revoked",
    "reason",
    "ticket",
    "owner",
    "author",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "authenticated_as",
    "revoked_at",
    "revoked_by",
    "revoked_reason",
    "signatures",
];

/// The length of a string that the security plugin has masked, in characters. By default, the
/// security plugin replaces the value of a masked field with the 64 hexadecimal digits of its
/// `BLAKE2b` hash (256 bits).
const MASKED_CHARS: usize = 64;

/// The raw JSON of each field of a document, and the name of the first field that is unknown or
/// repeated.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    values: [Option<&'a str>; NAMES.len()],
    fault: Option<Fault>,
}

impl<'a> Fields<'a> {
    /// Splits a JSON object into its fields, without decoding the values of the fields.
    pub(super) fn read(source: &'a str) -> Result<Self, Fault> {
        serde_json::from_str(source).map_err(|_| Fault::new("_source", source, Reason::NotAnObject))
    }

    /// Returns an error if a field is unknown or repeated.
    pub(super) fn check_names(&self) -> Result<(), Fault> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Returns the raw JSON of the field with the given name, or `None` if the field is absent.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        let position = NAMES.iter().position(|known| *known == name)?;
        self.values[position]
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

    /// Decodes the value of a target field (tenant, index or principal). A document must either
    /// leave a target out or give it a non-empty string. The decoder refuses a target with the
    /// value `null`, because its author may have meant either "every tenant" or "no tenant".
    fn target(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        let target = self.decode(name, Reason::NotATarget, |raw| {
            text(raw).filter(|text| !text.is_empty())
        })?;
        match &target {
            Some(text) if looks_masked(text) => {
                let raw = self.raw(name).unwrap_or_default();
                Err(Fault::new(name, raw, Reason::Masked))
            }
            _ => Ok(target),
        }
    }

    fn switch(&self, name: &'static str) -> Result<Option<bool>, Fault> {
        self.decode(name, Reason::NotABoolean, |raw| raw.parse().ok())
    }

    /// Decodes a string field that has no influence on any decision, such as the reason or the
    /// author. A string field with the value `null` counts as absent.
    fn note(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.decode(name, Reason::NotAText, |raw| match raw {
            "null" => Some(None),
            raw => text(raw).map(Some),
        })
        .map(Option::flatten)
    }

    /// Decodes a time that has no influence on any decision, such as the time of the last write. A
    /// time with the value `null` counts as absent.
    fn stamp(&self, name: &'static str) -> Result<Option<Timestamp>, Fault> {
        self.decode(name, Reason::NotATime, |raw| match raw {
            "null" => Some(None),
            raw => time::parse(raw).map(Some),
        })
        .map(Option::flatten)
    }

    /// Decodes a time that decides whether a directive applies, such as the expiry. A document may
    /// lack such a field (for example `starts_at` in a draft), but the field must not be `null`.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Fault> {
        self.decode(name, Reason::NotATime, time::parse)
    }

    pub(super) fn id(&self) -> Result<Option<Cow<'a, str>>, Fault> {
        self.decode("id", Reason::NotAnId, text)
    }

    pub(super) fn ttl_secs(&self) -> Result<Option<u64>, Fault> {
        self.decode("ttl_secs", Reason::NotATtl, |raw| {
            raw.parse().ok().filter(|&seconds| seconds > 0)
        })
    }

    pub(super) fn revoked(&self) -> Result<Option<bool>, Fault> {
        self.switch("revoked")
    }

    pub(super) fn revoked_at(&self) -> Result<Option<Timestamp>, Fault> {
        self.time("revoked_at")
    }

    /// Decodes all fields that both drafts and stored documents have, except the id and the expiry.
    pub(super) fn body(&self) -> Result<Body<'a>, Fault> {
        Ok(Body {
            targets: self.decode("targets", Reason::NotTargets, |raw| {
                serde_json::from_str(raw).ok()
            })?,
            level: self.decode("level", Reason::NotALevel, |raw| text(raw)?.parse().ok())?,
            tenant: self.target("tenant")?,
            index: self.target("index")?,
            principal: self.target("principal")?,
            endpoint: self.decode("endpoint", Reason::NotAnEndpoint, |raw| {
                text(raw)?.parse().ok()
            })?,
            sample_per_mille: self.decode("sample_per_mille", Reason::NotASampleRate, |raw| {
                raw.parse().ok().filter(|&rate| rate <= 1000)
            })?,
            ring_buffer: self.switch("ring_buffer")?.unwrap_or_default(),
            capture: self.switch("capture")?.unwrap_or_default(),
            starts_at: self.time("starts_at")?,
            revoked: self.revoked()?,
            author: self.note("author")?,
            audit: Audit {
                reason: self.note("reason")?,
                ticket: self.note("ticket")?,
                owner: self.note("owner")?,
                created_at: self.stamp("created_at")?,
                created_by: self.note("created_by")?,
                updated_at: self.stamp("updated_at")?,
                updated_by: self.note("updated_by")?,
                authenticated_as: self.note("authenticated_as")?,
                revoked_at: self.revoked_at()?,
                revoked_by: self.note("revoked_by")?,
                revoked_reason: self.note("revoked_reason")?,
            },
            signatures: self
                .decode("signatures", Reason::NotSignatures, signature::decode_list)?
                .unwrap_or_default(),
        })
    }
}

/// The decoded fields that both drafts and stored documents have, except the id and the expiry. A
/// field is `None` if the document does not contain it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Body<'a> {
    pub(super) targets: Option<TargetFields>,
    pub(super) level: Option<DiagLevel>,
    pub(super) tenant: Option<Cow<'a, str>>,
    pub(super) index: Option<Cow<'a, str>>,
    pub(super) principal: Option<Cow<'a, str>>,
    pub(super) endpoint: Option<EndpointKind>,
    pub(super) sample_per_mille: Option<u16>,
    pub(super) ring_buffer: bool,
    pub(super) capture: bool,
    pub(super) starts_at: Option<Timestamp>,
    pub(super) revoked: Option<bool>,
    pub(super) author: Option<Cow<'a, str>>,
    pub(super) audit: Audit<Cow<'a, str>>,
    pub(super) signatures: Vec<Signature>,
}

/// Decodes a JSON string, or returns `None` if the JSON value is not a string.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(raw).ok().map(|Text(text)| text)
}

/// Returns true if a string looks like a value that the security plugin has masked. No draft may
/// have a target that looks masked. A target of a stored document that looks masked was therefore
/// masked by the security plugin for this reader.
pub(super) fn looks_masked(text: &str) -> bool {
    text.len() == MASKED_CHARS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
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
                        Some(n) => fields.values[n]
                            .replace(value.get())
                            .map(|_| Fault::new(NAMES[n], "", Reason::RepeatedField)),
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
