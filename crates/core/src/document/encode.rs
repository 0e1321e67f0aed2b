//! Serialises a stored document, or a draft as the JSON that the ingest pipeline receives.

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

/// Serialises a document in the stored form. The JSON does not contain the directive's id, because
/// OpenSearch stores the id as the document's `_id`.
///
/// [`decode`] converts the JSON of a stored document back to the same document, with one exception:
/// a start at or before the creation of the document becomes `None`.
///
/// # Errors
/// Returns the rejection of the document if every proxy would reject it.
pub fn encode(document: &Document, limits: &DecodeLimits) -> Result<Box<RawValue>, Rejection> {
    let json = to_json(&StoredJson { document, limits });
    decode(&document.directive.id, json.get(), limits)?;
    Ok(json)
}

/// Serialises a draft as the JSON that the ingest pipeline receives. The ingest pipeline makes a
/// draft's expiry absolute, adds the missing fields and sets the times of the audit record.
///
/// Call [`Draft::check`] before you encode a draft. If the index already contains a document with
/// the draft's id, pass the author and the time of its first write in `record`. If the cluster has
/// reported its authenticated user, `record` also contains this user. `encode_draft` ignores all
/// other fields of `record`.
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
    // Serialising a document or a draft cannot fail, because the fields are only strings, numbers
    // and times.
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Writes the level of a directive, and each target that the directive specifies.
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

/// Writes the sample rate of a directive and its flags for the ring buffer and capture.
pub(crate) fn write_effects<M: SerializeMap>(
    map: &mut M,
    directive: &DirectiveRef<'_>,
) -> Result<(), M::Error> {
    map.serialize_entry("sample_per_mille", &directive.sample_per_mille)?;
    map.serialize_entry("ring_buffer", &directive.ring_buffer)?;
    map.serialize_entry("capture", &directive.capture)
}

/// Writes the fields that every stored document contains. If the directive has no start, the
/// function writes `at_once` as `starts_at`.
fn write_directive<M: SerializeMap>(
    map: &mut M,
    directive: &DirectiveRef<'_>,
    at_once: Timestamp,
    revoked: bool,
) -> Result<(), M::Error> {
    map.serialize_entry("targets", &TargetFields::of(directive))?;
    write_scope(map, directive)?;
    write_effects(map, directive)?;
    // The encoder chooses a `starts_at` before the expiry, because the decoder refuses any other
    // document.
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

/// Implements `Serialize` for a document in the stored form.
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

/// Implements `Serialize` for a directive in the stored form, with its id and signatures but
/// without an audit record.
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

/// Implements `Serialize` for a draft. The JSON of a draft leaves out fields for which the ingest
/// pipeline sets a default.
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
        // The JSON of a signed draft always contains `starts_at`. Without `starts_at`, the pipeline
        // would set the field to the creation time, so the stored document would differ from the
        // signed content.
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
