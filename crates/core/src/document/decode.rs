//! Decodes a stored document into a directive, or rejects the document and names the first invalid
//! field.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::decode_field::{Body, Fields};
use super::hidden_targets_check::TargetFields;
use super::id_check;
use super::rejection::{Fault, Rejection, RejectionReason as Reason};
use super::signature::Signature;
use super::signed_form::{SignedForm, signed_start};
use super::stored_document::{Audit, Document};
use crate::{DiagLevel, DirectiveRef};

/// By how much the creation time of a document may be ahead of the reader's clock, because two
/// clocks never agree exactly. The tolerance is longer than the usual difference between
/// synchronised clocks, but shorter than the usual time between the creation and the start of a
/// scheduled directive.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The current instant and the longest permitted time to live, with which the decoder compares the
/// times in a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeLimits {
    /// The current instant, with which the decoder compares the times in a document.
    pub now: Timestamp,
    /// The longest permitted time from `now` to the expiry of a directive.
    pub max_ttl: Duration,
}

impl DecodeLimits {
    /// Rejects a decoded document whose expiry is more than `max_ttl` after `now`, as [`decode`]
    /// with these limits does. A caller that has decoded the document with other limits needs this
    /// method.
    ///
    /// # Errors
    /// Returns the rejection of a document that expires too late.
    #[doc(hidden)]
    pub fn check_expiry(&self, document: &DocumentRef<'_>) -> Result<(), Rejection> {
        if !self.is_beyond(document.expires_at) {
            return Ok(());
        }
        let value = format!("\"{}\"", document.expires_at);
        Err(Fault::new("expires_at", &value, Reason::BeyondMaxTtl).of(document.id))
    }

    /// Returns true if the given expiry is more than `max_ttl` after `now`.
    pub(super) fn is_beyond(&self, expires_at: Timestamp) -> bool {
        SignedDuration::try_from(self.max_ttl)
            .ok()
            .and_then(|max_ttl| self.now.checked_add(max_ttl).ok())
            .is_some_and(|latest| expires_at > latest)
    }

    /// Returns the start of a directive, or `None` if the directive applies from its creation on.
    ///
    /// The pipeline writes `starts_at` into every document, and in most documents `starts_at`
    /// equals `created_at`. If `starts_at` is not later than `created_at`, the decoder removes the
    /// start from the directive. A directive without a start applies immediately, even on a proxy
    /// whose clock is behind, and the set stores no start for it. The decoder ignores a
    /// `created_at` in the future, because it could make a directive start before its `starts_at`.
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

/// A decoded document, which borrows its strings from the JSON where possible.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentRef<'a> {
    id: &'a str,
    body: Body<'a>,
    level: DiagLevel,
    sample_per_mille: u16,
    starts_at: Option<Timestamp>,
    /// The value of the document's field `starts_at`, even if the directive applies from its
    /// creation on.
    stored_start: Timestamp,
    expires_at: Timestamp,
    revoked: bool,
}

impl<'a> DocumentRef<'a> {
    /// Returns the directive that the document contains. The returned directive has no start if the
    /// directive applies from its creation on.
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

    /// Returns the audit record of the document: its authors, times and reasons.
    #[must_use]
    pub fn audit(&self) -> &Audit<Cow<'a, str>> {
        &self.body.audit
    }

    /// Returns true if the document says that its directive is revoked. A revoked directive applies
    /// to no request.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Returns the signatures in the document, which the decoder has not verified.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.body.signatures
    }

    /// Returns the signed form of this document, that is, the content that a signature covers, for
    /// the index with the given uuid. Adding a signature to a document does not change its signed
    /// form.
    #[must_use]
    pub fn signed_form<'b>(&'b self, index_uuid: &'b str) -> SignedForm<'b> {
        let directive = DirectiveRef {
            starts_at: Some(self.stored_start),
            ..self.directive()
        };
        SignedForm::new(directive, index_uuid)
    }

    /// Returns a copy of the document that owns its strings.
    #[must_use]
    pub fn to_document(&self) -> Document {
        Document::new(self.directive().to_directive())
            .with_audit(self.body.audit.to_owned_texts())
            .with_revoked(self.revoked)
            .with_signatures(self.body.signatures.clone())
    }
}

/// Decodes a stored document, whose `_id` is `id` and whose `_source` is the JSON `source`.
///
/// A stored document must have the fields `targets`, `level`, `sample_per_mille`, `starts_at`,
/// `expires_at` and `revoked`. The list `targets` must name exactly the targets of the document.
/// The decoder refuses a document in which a required field is missing. Field-level security may
/// have hidden the missing field from the reader. If the decoder ignored a hidden field, the
/// directive could apply to more requests than its author intended.
///
/// The decoder accepts a document whose expiry has passed, although its directive no longer applies
/// to any request.
///
/// # Errors
/// Returns an error that names the first invalid field. The decoder refuses the whole document if
/// one field is invalid.
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

/// Returns true if a stored document is marked as revoked. `is_revoked` also recognises a revoked
/// document that [`decode`] refuses.
///
/// The caller need not report that the decoder refused a revoked document, because neither a
/// refused nor a revoked document applies to any request.
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
        // The pipeline converts `author` into `updated_by`, so no stored document has an `author`.
        return Err(Fault::new("author", "", Reason::UnknownField));
    }
    check_id(id, &fields)?;
    let body = fields.body()?;
    let expires_at = expiry(&fields)?;
    let level = stored("level", body.level)?;
    let sample_per_mille = stored("sample_per_mille", body.sample_per_mille)?;
    let starts_at = stored("starts_at", body.starts_at)?;
    let revoked = stored("revoked", body.revoked)?;
    if !revoked && body.audit.revoked_at.is_some() {
        return Err(Fault::new("revoked", "false", Reason::RevokedDisagrees));
    }
    check_end(expires_at, starts_at, &fields, limits)?;
    let document = DocumentRef {
        id,
        level,
        sample_per_mille,
        // A signature covers `starts_at` but not `created_at`. The creation time of a signed
        // directive therefore has no influence on its start.
        starts_at: if body.signatures.is_empty() {
            limits.start(starts_at, body.audit.created_at)
        } else {
            signed_start(Some(starts_at))
        },
        stored_start: starts_at,
        expires_at,
        revoked,
        body,
    };
    check_targets(&document, fields.raw("targets").unwrap_or_default())?;
    Ok(document)
}

fn check_id(id: &str, fields: &Fields<'_>) -> Result<(), Fault> {
    id_check::check(id)?;
    if fields.id()?.is_some_and(|inner| inner != id) {
        let raw = fields.raw("id").unwrap_or_default();
        return Err(Fault::new("id", raw, Reason::IdMismatch));
    }
    Ok(())
}

fn check_end(
    expires_at: Timestamp,
    starts_at: Timestamp,
    fields: &Fields<'_>,
    limits: &DecodeLimits,
) -> Result<(), Fault> {
    let reason = if expires_at <= starts_at {
        Reason::ExpiresBeforeStart
    } else if limits.is_beyond(expires_at) {
        Reason::BeyondMaxTtl
    } else {
        return Ok(());
    };
    let raw = fields.raw("expires_at").unwrap_or_default();
    Err(Fault::new("expires_at", raw, reason))
}

/// Returns the value of a required field of a stored document, or an error if the document does not
/// contain the field.
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

/// Refuses a document in which the list `targets` differs from the targets that the document
/// contains.
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
