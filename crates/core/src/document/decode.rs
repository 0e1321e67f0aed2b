//! From a stored document to a directive, or to a rejection.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::decode_field::{Body, Fields};
use super::id;
use super::record::{Audit, Document};
use super::rejection::{Fault, Rejection, RejectionReason as Reason};
use super::targets_check::TargetFields;
use crate::{DiagLevel, DirectiveRef};

/// How far `created_at` may lie ahead of the reader's clock to count as the past: more than
/// the clocks of a well-kept site differ, and far less than anybody schedules ahead.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The limits that a document must keep, besides its own consistency.
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

    /// The start of a directive, or `None` for one that started when it was created.
    ///
    /// The pipeline writes `starts_at` into every document, and for most of them it is
    /// `created_at`. Such a directive applies at once: it must not wait for a proxy whose clock
    /// is behind, and it costs a set no space. A `created_at` in the future proves nothing, so
    /// it cannot move a start forward.
    fn start(&self, starts_at: Timestamp, created_at: Option<Timestamp>) -> Option<Timestamp> {
        let latest = self
            .now
            .checked_add(CLOCK_TOLERANCE)
            .unwrap_or(Timestamp::MAX);
        let at_once = starts_at <= Timestamp::UNIX_EPOCH
            || created_at.is_some_and(|created_at| starts_at <= created_at && starts_at <= latest);
        (!at_once).then_some(starts_at)
    }
}

/// A decoded document. Its texts borrow from the JSON where they can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentRef<'a> {
    id: &'a str,
    body: Body<'a>,
    level: DiagLevel,
    sample_per_mille: u16,
    starts_at: Option<Timestamp>,
    expires_at: Timestamp,
    revoked: bool,
}

impl<'a> DocumentRef<'a> {
    /// The directive, borrowed. Its start is `None` if it started when it was created.
    #[must_use]
    pub fn directive(&self) -> DirectiveRef<'_> {
        let body = &self.body;
        DirectiveRef {
            id: self.id,
            tenant: body.tenant.as_deref(),
            index: body.index.as_deref(),
            principal: body.principal.as_deref(),
            endpoint: body.endpoint,
            level: self.level,
            sample_per_mille: self.sample_per_mille,
            starts_at: self.starts_at,
            expires_at: self.expires_at,
            ring_buffer: body.ring_buffer,
            capture: body.capture,
        }
    }

    /// The audit record.
    #[must_use]
    pub fn audit(&self) -> &Audit<Cow<'a, str>> {
        &self.body.audit
    }

    /// Whether it is revoked, and therefore applies to no request.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// The same document, owned.
    #[must_use]
    pub fn to_document(&self) -> Document {
        Document::new(self.directive().to_directive())
            .with_audit(self.body.audit.to_owned_texts())
            .with_revoked(self.revoked)
    }
}

/// Decodes a stored document: `source` is the JSON of its `_source`, `id` its `_id`.
///
/// A stored document is explicit. `targets`, `level`, `sample_per_mille`, `starts_at`,
/// `expires_at` and `revoked` must be there, and `targets` must name exactly the targets that
/// are there. A document in which one of them is missing is refused, because a role with
/// field-level security may hide it and the rest would then say more than its author wrote.
///
/// An expiry in the past does not refuse a document: the directive has ended.
///
/// # Errors
/// The first field that is wrong. The whole document is then refused.
///
/// ```
/// use std::time::Duration;
/// use opensearch_directives_core::document::{DecodeLimits, decode};
///
/// let limits = DecodeLimits {
///     now: "2030-01-01T12:00:00Z".parse()?,
///     max_ttl: Duration::from_secs(3600),
/// };
/// let source = r#"{"targets":["tenant"],"level":"Shape","tenant":42,"sample_per_mille":1000,
///     "starts_at":"2030-01-01T12:00:00Z","expires_at":"2030-01-01T12:15:00Z","revoked":false}"#;
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

/// Whether a document says that it is revoked, even if [`decode`] refuses it.
///
/// A refused document applies to no request, so a revoked one is as its operator wants it and
/// needs nobody's attention.
#[must_use]
pub fn is_revoked(source: &str) -> bool {
    Fields::read(source).is_ok_and(|fields| {
        matches!(fields.revoked(), Ok(Some(true))) || matches!(fields.revoked_at(), Ok(Some(_)))
    })
}

fn decode_fields<'a>(
    id: &'a str,
    source: &'a str,
    limits: &DecodeLimits,
) -> Result<DocumentRef<'a>, Fault> {
    let fields = Fields::read(source)?;
    fields.check_names()?;
    if fields.raw("author").is_some() {
        // The pipeline makes `updated_by` of it.
        return Err(Fault::new("author", "", Reason::UnknownField));
    }
    id::check(id)?;
    if let Some(inner) = fields.id()?
        && inner != id
    {
        let raw = fields.raw("id").unwrap_or_default();
        return Err(Fault::new("id", raw, Reason::IdMismatch));
    }
    let body = fields.body()?;
    let expires_at = expiry(&fields)?;
    let level = stored("level", body.level)?;
    let sample_per_mille = stored("sample_per_mille", body.sample_per_mille)?;
    let starts_at = stored("starts_at", body.starts_at)?;
    let revoked = stored("revoked", body.revoked)?;
    if !revoked && body.audit.revoked_at.is_some() {
        return Err(Fault::new("revoked", "false", Reason::RevokedDisagrees));
    }
    let raw = fields.raw("expires_at").unwrap_or_default();
    if expires_at <= starts_at {
        return Err(Fault::new("expires_at", raw, Reason::ExpiresBeforeStart));
    }
    if limits.is_beyond(expires_at) {
        return Err(Fault::new("expires_at", raw, Reason::BeyondMaxTtl));
    }
    let document = DocumentRef {
        id,
        level,
        sample_per_mille,
        starts_at: limits.start(starts_at, body.audit.created_at),
        expires_at,
        revoked,
        body,
    };
    check_targets(&document, fields.raw("targets").unwrap_or_default())?;
    Ok(document)
}

/// A field that every stored document has.
fn stored<T>(name: &'static str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(name, "", Reason::HiddenOrMissing))
}

fn expiry(fields: &Fields<'_>) -> Result<Timestamp, Fault> {
    match (fields.raw("expires_at"), fields.raw("ttl_secs")) {
        (Some(_), Some(ttl)) => Err(Fault::new("ttl_secs", ttl, Reason::TwoExpiries)),
        (None, Some(_)) => Err(Fault::new("expires_at", "", Reason::RelativeExpiry)),
        (_, None) => stored("expires_at", fields.time("expires_at")?),
    }
}

/// Refuses a document in which `targets` and the targets themselves disagree.
fn check_targets(document: &DocumentRef<'_>, raw: &str) -> Result<(), Fault> {
    let named = stored("targets", document.body.targets)?;
    let present = TargetFields::of(&document.directive());
    if let Some(missing) = named.first_not_in(present) {
        return Err(Fault::new(missing, "", Reason::HiddenTarget));
    }
    match present.first_not_in(named) {
        Some(_) => Err(Fault::new("targets", raw, Reason::TargetNotNamed)),
        None => Ok(()),
    }
}
