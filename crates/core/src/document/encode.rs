//! Serialises a directive as a stored document, and a draft as the input of the ingest pipeline.

use jiff::{SignedDuration, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::decode::{DecodeLimits, decode};
use super::draft::{Draft, Expiry};
use super::hidden_targets_check::TargetFields;
use super::rejection::Rejection;
use super::signature::Signature;
use super::stored_document::{Audit, Document};
use crate::{DirectiveRef, EndpointKind};

/// Serialises a stored document. The JSON does not contain the id, because the id is stored as the
/// document's `_id`.
///
/// [`decode`] converts the JSON back to the same document, with one exception: a start at or before
/// the document's creation becomes `None`.
///
/// # Errors
/// If every proxy would reject the document, returns the rejection that [`decode`] returns for the
/// document.
pub fn encode(document: &Document, limits: &DecodeLimits) -> Result<Box<RawValue>, Rejection> {
    let json = to_json(&StoredJson { document, limits });
    decode(&document.directive.id, json.get(), limits)?;
    Ok(json)
}

/// Serialises a draft as the input of the ingest pipeline. The pipeline makes the expiry absolute,
/// adds the missing fields and sets the times of the audit record.
///
/// Call [`Draft::check`] before you encode a draft. If the index already has a document with the
/// draft's id, `record` contains the author and the time of the first write of this id. If the
/// cluster told the caller which user it authenticates, `record` also contains this user. The other
/// fields of `record` are ignored.
#[must_use]
pub fn encode_draft(draft: &Draft, record: &Audit) -> Box<RawValue> {
    let audit = Audit {
        reason: draft.reason.clone(),
        ticket: draft.ticket.clone(),
        owner: draft.owner.clone(),
        created_at: record.created_at,
        created_by: match record.created_at {
            Some(_) => record.created_by.clone(),
            None => draft.author.clone(),
        },
        updated_by: draft.author.clone(),
        authenticated_as: record.authenticated_as.clone(),
        ..Audit::default()
    };
    to_json(&DraftJson {
        draft,
        audit: &audit,
    })
}

fn to_json(value: &impl Serialize) -> Box<RawValue> {
    // Serialising a document or a draft never fails, because its fields are only strings, numbers
    // and times.
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Writes the level, and each target that the directive specifies.
pub(crate) fn write_scope<M: SerializeMap>(
    map: &mut M,
    directive: &DirectiveRef<'_>,
) -> Result<(), M::Error> {
    map.serialize_entry("level", &directive.level)?;
    for (name, target) in [
        ("tenant", directive.tenant),
        ("index", directive.index),
        ("principal", directive.principal),
        ("endpoint", directive.endpoint.map(EndpointKind::as_str)),
    ] {
        if let Some(target) = target {
            map.serialize_entry(name, target)?;
        }
    }
    Ok(())
}

/// Writes the sample rate and the flags for the ring buffer and capture.
pub(crate) fn write_effects<M: SerializeMap>(
    map: &mut M,
    directive: &DirectiveRef<'_>,
) -> Result<(), M::Error> {
    map.serialize_entry("sample_per_mille", &directive.sample_per_mille)?;
    map.serialize_entry("ring_buffer", &directive.ring_buffer)?;
    map.serialize_entry("capture", &directive.capture)
}

/// Writes the fields that every stored document contains. If the directive has no start, `at_once`
/// becomes its `starts_at`.
fn write_directive<M: SerializeMap>(
    map: &mut M,
    directive: &DirectiveRef<'_>,
    at_once: Timestamp,
    revoked: bool,
) -> Result<(), M::Error> {
    map.serialize_entry("targets", &TargetFields::of(directive))?;
    write_scope(map, directive)?;
    write_effects(map, directive)?;
    // The decoder requires that the start is before the expiry, even if the directive expired long
    // ago.
    let before_expiry = directive
        .expires_at
        .checked_sub(SignedDuration::from_nanos(1))
        .unwrap_or(Timestamp::MIN);
    let starts_at = directive.starts_at.unwrap_or(at_once.min(before_expiry));
    map.serialize_entry("starts_at", &starts_at)?;
    map.serialize_entry("expires_at", &directive.expires_at)?;
    map.serialize_entry("revoked", &revoked)
}

/// Writes the field `signatures`, unless the document has no signatures.
fn write_signatures<M: SerializeMap>(
    map: &mut M,
    signatures: &[Signature],
) -> Result<(), M::Error> {
    if signatures.is_empty() {
        return Ok(());
    }
    map.serialize_entry("signatures", signatures)
}

fn write_audit<M: SerializeMap>(map: &mut M, audit: &Audit) -> Result<(), M::Error> {
    for (name, text) in [
        ("reason", &audit.reason),
        ("ticket", &audit.ticket),
        ("owner", &audit.owner),
        ("created_by", &audit.created_by),
        ("updated_by", &audit.updated_by),
        ("authenticated_as", &audit.authenticated_as),
        ("revoked_by", &audit.revoked_by),
        ("revoked_reason", &audit.revoked_reason),
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
    Ok(())
}

/// Serialises a document in the stored form.
struct StoredJson<'a> {
    document: &'a Document,
    limits: &'a DecodeLimits,
}

impl Serialize for StoredJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Document {
            directive,
            revoked,
            audit,
            signatures,
        } = self.document;
        let at_once = audit
            .created_at
            .filter(|_| signatures.is_empty())
            .map_or(Timestamp::UNIX_EPOCH, |at| at.min(self.limits.now));
        let mut map = serializer.serialize_map(None)?;
        write_directive(&mut map, &directive.as_ref(), at_once, *revoked)?;
        write_audit(&mut map, audit)?;
        write_signatures(&mut map, signatures)?;
        map.end()
    }
}

/// Serialises a directive in the stored form, with its id and its signatures, without an audit
/// record.
pub(crate) struct DirectiveJson<'a> {
    pub(crate) directive: DirectiveRef<'a>,
    pub(crate) signatures: &'a [Signature],
}

impl Serialize for DirectiveJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.directive.id)?;
        write_directive(&mut map, &self.directive, Timestamp::UNIX_EPOCH, false)?;
        write_signatures(&mut map, self.signatures)?;
        map.end()
    }
}

/// Serialises a draft. The ingest pipeline adds the defaults of the fields that are missing in the
/// JSON.
struct DraftJson<'a> {
    draft: &'a Draft,
    audit: &'a Audit,
}

impl Serialize for DraftJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let draft = self.draft;
        let directive = draft.as_directive();
        let mut map = serializer.serialize_map(None)?;
        write_scope(&mut map, &directive)?;
        write_effects(&mut map, &directive)?;
        // The JSON of a signed draft always contains `starts_at`. Without `starts_at` in the JSON,
        // the pipeline would set `starts_at` to the creation time, and the stored document would
        // differ from the signed document.
        let signed = (!draft.signatures.is_empty()).then_some(Timestamp::UNIX_EPOCH);
        if let Some(starts_at) = draft.starts_at.or(signed) {
            map.serialize_entry("starts_at", &starts_at)?;
        }
        match draft.expiry {
            Expiry::At(at) => map.serialize_entry("expires_at", &at)?,
            Expiry::After(ttl) => map.serialize_entry("ttl_secs", &ttl.as_secs())?,
            Expiry::SiteDefault => {}
        }
        write_audit(&mut map, self.audit)?;
        write_signatures(&mut map, &draft.signatures)?;
        map.end()
    }
}
