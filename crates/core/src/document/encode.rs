//! From a directive to the JSON that is written into the index.

use serde::Serialize;
use serde::ser::SerializeMap as _;
use serde_json::value::RawValue;

use super::decode::{DecodeLimits, decode};
use super::draft::{Draft, Expiry};
use super::rejection::Rejection;
use super::{Audit, Document};
use crate::DirectiveRef;

/// The JSON of a document as it is kept in the index, without the id (which is the
/// document's `_id`). [`decode`] gives the same document back.
///
/// # Errors
/// What no proxy would take is not written: the rejection that decoding it would give.
pub fn encode(document: &Document, limits: &DecodeLimits) -> Result<Box<RawValue>, Rejection> {
    let json = to_json(&Body {
        directive: document.directive.as_ref(),
        expiry: Expiry::At(document.directive.expires_at),
        audit: &document.audit,
    });
    decode(&document.directive.id, json.get(), limits)?;
    Ok(json)
}

/// The JSON to index through the ingest pipeline, which makes a relative expiry
/// absolute and stamps the times. Call [`Draft::check`] first. `created` tells when
/// the id was written first and by whom, if it was.
#[must_use]
pub fn encode_draft(draft: &Draft, created: &Audit) -> Box<RawValue> {
    let audit = Audit {
        reason: draft.reason.clone(),
        ticket: draft.ticket.clone(),
        created_at: created.created_at,
        created_by: match created.created_at {
            Some(_) => created.created_by.clone(),
            None => draft.author.clone(),
        },
        updated_by: draft.author.clone(),
        ..Audit::default()
    };
    let directive = DirectiveRef {
        id: &draft.id,
        tenant: draft.match_.tenant.as_deref(),
        index: draft.match_.index.as_deref(),
        principal: draft.match_.principal.as_deref(),
        endpoint: draft.match_.endpoint,
        level: draft.level,
        sample_per_mille: draft.sample_per_mille,
        starts_at: draft.starts_at,
        expires_at: jiff::Timestamp::MIN,
        ring_buffer: draft.ring_buffer,
        capture: draft.capture,
    };
    to_json(&Body {
        directive,
        expiry: draft.expiry,
        audit: &audit,
    })
}

/// One document's fields, those that are set.
struct Body<'a> {
    directive: DirectiveRef<'a>,
    expiry: Expiry,
    audit: &'a Audit,
}

fn to_json(body: &Body<'_>) -> Box<RawValue> {
    // Texts, numbers and times always have a JSON form.
    serde_json::value::to_raw_value(body).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl Serialize for Body<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let directive = &self.directive;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("level", &directive.level)?;
        for (name, target) in [
            ("tenant", directive.tenant),
            ("index", directive.index),
            ("principal", directive.principal),
            (
                "endpoint",
                directive.endpoint.map(crate::EndpointKind::as_str),
            ),
        ] {
            if let Some(target) = target {
                map.serialize_entry(name, target)?;
            }
        }
        map.serialize_entry("sample_per_mille", &directive.sample_per_mille)?;
        map.serialize_entry("ring_buffer", &directive.ring_buffer)?;
        map.serialize_entry("capture", &directive.capture)?;
        if let Some(starts_at) = directive.starts_at {
            map.serialize_entry("starts_at", &starts_at)?;
        }
        match self.expiry {
            Expiry::At(at) => map.serialize_entry("expires_at", &at)?,
            Expiry::After(ttl) => map.serialize_entry("ttl_secs", &ttl.as_secs())?,
        }
        let audit = self.audit;
        for (name, text) in [
            ("reason", &audit.reason),
            ("ticket", &audit.ticket),
            ("created_by", &audit.created_by),
            ("updated_by", &audit.updated_by),
            ("revoked_by", &audit.revoked_by),
        ] {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        for (name, time) in [
            ("created_at", audit.created_at),
            ("updated_at", audit.updated_at),
            ("revoked_at", audit.revoked_at),
        ] {
            if let Some(time) = time {
                map.serialize_entry(name, &time)?;
            }
        }
        map.end()
    }
}
