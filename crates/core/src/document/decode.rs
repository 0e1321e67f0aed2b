//! From a document of the index to a directive, or to a rejection.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::DocumentRef;
use super::fields::Fields;
use super::rejection::{Fault, Rejection, RejectionReason as Reason};

/// What a document is held against besides itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeLimits {
    /// The current instant.
    pub now: Timestamp,
    /// How far ahead of it an expiry may lie.
    pub max_ttl: Duration,
}

impl DecodeLimits {
    /// Whether an expiry lies further ahead than is allowed.
    pub(super) fn is_beyond(&self, expires_at: Timestamp) -> bool {
        SignedDuration::try_from(self.max_ttl)
            .ok()
            .and_then(|max_ttl| self.now.checked_add(max_ttl).ok())
            .is_some_and(|latest| expires_at > latest)
    }
}

/// Decodes a document: `source` is the JSON of its `_source`, `id` its `_id`.
///
/// An expiry in the past is no reason to refuse: such a document simply does not
/// apply any more.
///
/// # Errors
/// The first field that is wrong. Then nothing of the document counts.
///
/// ```
/// use std::time::Duration;
/// use opensearch_directives_core::document::{DecodeLimits, decode};
///
/// let limits = DecodeLimits {
///     now: "2030-01-01T12:00:00Z".parse()?,
///     max_ttl: Duration::from_secs(3600),
/// };
/// let source = r#"{"level":"Shape","tenant":42,"expires_at":"2030-01-01T12:15:00Z"}"#;
/// let rejection = decode("d", source, &limits).unwrap_err();
/// assert_eq!(
///     rejection.to_string(),
///     "tenant: 42 is not a name; write a non-empty text, or leave the field out to match every tenant"
/// );
/// # Ok::<(), jiff::Error>(())
/// ```
pub fn decode<'a>(
    id: &'a str,
    source: &'a str,
    limits: &DecodeLimits,
) -> Result<DocumentRef<'a>, Rejection> {
    decode_fields(id, source, limits).map_err(|fault| fault.of(id))
}

fn decode_fields<'a>(
    id: &'a str,
    source: &'a str,
    limits: &DecodeLimits,
) -> Result<DocumentRef<'a>, Fault> {
    let fields = Fields::read(source)?;
    fields.known()?;
    if let Some(inner) = fields.id()?
        && inner != id
    {
        let raw = fields.raw("id").unwrap_or_default();
        return Err(Fault::new("id", raw, Reason::IdMismatch));
    }
    let body = fields.body()?;
    let expires_at = match (fields.raw("expires_at"), fields.raw("ttl_secs")) {
        (Some(_), Some(ttl)) => return Err(Fault::new("ttl_secs", ttl, Reason::TwoExpiries)),
        (None, Some(_)) => return Err(Fault::new("expires_at", "", Reason::RelativeExpiry)),
        (_, None) => fields
            .time("expires_at")?
            .ok_or_else(|| Fault::new("expires_at", "", Reason::Missing))?,
    };
    let raw = fields.raw("expires_at").unwrap_or_default();
    let fault = |reason| Fault::new("expires_at", raw, reason);
    if body.starts_at.is_some_and(|start| expires_at <= start) {
        return Err(fault(Reason::ExpiresBeforeStart));
    }
    if limits.is_beyond(expires_at) {
        return Err(fault(Reason::BeyondMaxTtl));
    }
    Ok(DocumentRef {
        id,
        body,
        expires_at,
    })
}
