//! A draft: a directive in the form in which an operator writes it. If an operator leaves a field
//! out of a draft, the ingest pipeline sets the field to its default.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::decode::DecodeLimits;
use super::decode_field::{Body, Fields, looks_masked};
use super::hidden_targets_check::TargetFields;
use super::id_check;
use super::rejection::{Fault, Rejection, RejectionReason as Reason};
use super::signature::Signature;
use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveRef};

/// How an operator states when the directive of a draft expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Expiry {
    /// The directive expires at the given instant.
    At(Timestamp),
    /// The directive expires when this duration has passed since the cluster wrote the directive,
    /// according to the cluster's clock. The time to live must consist of whole seconds.
    After(Duration),
    /// The directive expires after the default time to live, which the index's ingest pipeline
    /// adds.
    SiteDefault,
}

/// A directive that an operator wants to write to the index.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Draft {
    /// The directive's id, which becomes the `_id` of its document.
    pub id: String,
    /// The targets, which say which requests match the directive.
    pub match_: DirectiveMatch,
    /// The level: how much a proxy records about a request.
    pub level: DiagLevel,
    /// The sample rate: how many of every thousand matching requests are recorded.
    pub sample_per_mille: u16,
    /// The time at which the directive starts; `None` if the directive applies immediately.
    pub starts_at: Option<Timestamp>,
    /// When the directive expires: at a fixed time, or a given duration after the write.
    pub expiry: Expiry,
    /// Whether a proxy stores the matching requests in its local ring buffer.
    pub ring_buffer: bool,
    /// Whether a proxy copies the matching requests and their responses to the fleet's capture
    /// sink.
    pub capture: bool,
    /// The operator's reason for the directive.
    pub reason: Option<String>,
    /// The ticket (for example of an issue tracker) for which the directive was written.
    pub ticket: Option<String>,
    /// The person or team that is responsible for the directive.
    pub owner: Option<String>,
    /// The author, that is, the person or program that writes the draft to the index.
    pub author: Option<String>,
    /// The signatures of the directive, by which a proxy verifies who approved it. A signed
    /// directive must have an absolute expiry.
    pub signatures: Vec<Signature>,
}

impl Draft {
    /// Creates a draft that targets every request, records all of them and starts immediately.
    #[must_use]
    pub fn new(id: impl Into<String>, level: DiagLevel, expiry: Expiry) -> Self {
        Self {
            id: id.into(),
            match_: DirectiveMatch::all(),
            level,
            sample_per_mille: 1000,
            starts_at: None,
            expiry,
            ring_buffer: false,
            capture: false,
            reason: None,
            ticket: None,
            owner: None,
            author: None,
            signatures: Vec::new(),
        }
    }

    /// Reads a draft from the JSON that an operator wrote. The JSON of a draft must contain the
    /// `id` of the directive.
    ///
    /// `from_json` checks each field separately, but does not compare times with the clock.
    /// [`check`](Self::check) compares the times of the draft with the clock and with the longest
    /// permitted time to live.
    ///
    /// # Errors
    /// Returns an error that names the first invalid field.
    pub fn from_json(source: &str) -> Result<Self, Rejection> {
        let fields = Fields::read(source).map_err(|fault| fault.of(""))?;
        let id = fields.id().ok().flatten().unwrap_or_default();
        Self::from_fields(&fields).map_err(|fault| fault.of(&id))
    }

    fn from_fields(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.check_names()?;
        let id = fields
            .id()?
            .ok_or_else(|| Fault::new("id", "", Reason::Missing))?;
        refuse_stamped(fields)?;
        let body = fields.body()?;
        let level = body
            .level
            .ok_or_else(|| Fault::new("level", "", Reason::Missing))?;
        if body.revoked == Some(true) {
            return Err(Fault::new("revoked", "true", Reason::StampedField));
        }
        let targets = body.targets;
        let expiry = expiry(fields)?;
        let draft = Self::from_body(id, level, expiry, body);
        let present = TargetFields::of(&draft.as_directive());
        if let Some(missing) = targets.and_then(|named| named.first_not_in(present)) {
            return Err(Fault::new(missing, "", Reason::NamedTargetMissing));
        }
        Ok(draft)
    }

    fn from_body(id: Cow<'_, str>, level: DiagLevel, expiry: Expiry, body: Body<'_>) -> Self {
        let owned = |text: Option<Cow<'_, str>>| text.map(String::from);
        Self {
            id: id.into_owned(),
            match_: DirectiveMatch {
                tenant: owned(body.tenant),
                index: owned(body.index),
                principal: owned(body.principal),
                endpoint: body.endpoint,
            },
            level,
            sample_per_mille: body.sample_per_mille.unwrap_or(1000),
            starts_at: body.starts_at,
            expiry,
            ring_buffer: body.ring_buffer,
            capture: body.capture,
            reason: owned(body.audit.reason),
            ticket: owned(body.audit.ticket),
            owner: owned(body.audit.owner),
            author: owned(body.author.or(body.audit.updated_by)),
            signatures: body.signatures,
        }
    }

    /// Returns the draft as a directive that expires at the given time.
    #[must_use]
    pub fn to_directive(&self, expires_at: Timestamp) -> DiagnosticsDirective {
        DirectiveRef {
            expires_at,
            ..self.as_directive()
        }
        .to_directive()
    }

    /// Returns the draft as a directive with a placeholder as its expiry, because a draft may
    /// contain only a relative expiry.
    pub(super) fn as_directive(&self) -> DirectiveRef<'_> {
        DirectiveRef {
            id: &self.id,
            tenant: self.match_.tenant.as_deref(),
            index: self.match_.index.as_deref(),
            principal: self.match_.principal.as_deref(),
            endpoint: self.match_.endpoint,
            level: self.level,
            sample_per_mille: self.sample_per_mille,
            starts_at: self.starts_at,
            expires_at: Timestamp::MIN,
            ring_buffer: self.ring_buffer,
            capture: self.capture,
        }
    }

    /// Checks the fields of the draft, and compares its times with the given limits. Call `check`
    /// before you send a draft to the cluster.
    ///
    /// # Errors
    /// Returns an error if every proxy would reject the directive. The error names the first
    /// invalid field.
    pub fn check(&self, limits: &DecodeLimits) -> Result<(), Rejection> {
        self.check_fields()
            .and_then(|()| self.check_times(limits))
            .map_err(|fault| fault.of(&self.id))
    }

    fn check_fields(&self) -> Result<(), Fault> {
        id_check::check(&self.id)?;
        for (name, target) in [
            ("tenant", &self.match_.tenant),
            ("index", &self.match_.index),
            ("principal", &self.match_.principal),
        ] {
            match target.as_deref() {
                Some("") => return Err(Fault::new(name, "\"\"", Reason::NotATarget)),
                Some(text) if looks_masked(text) => {
                    return Err(Fault::new(name, &format!("{text:?}"), Reason::Masked));
                }
                _ => {}
            }
        }
        if !self.signatures.is_empty() && !matches!(self.expiry, Expiry::At(_)) {
            return Err(Fault::new("signatures", "", Reason::SignedRelativeExpiry));
        }
        if self.sample_per_mille > 1000 {
            let rate = self.sample_per_mille.to_string();
            return Err(Fault::new(
                "sample_per_mille",
                &rate,
                Reason::NotASampleRate,
            ));
        }
        Ok(())
    }

    fn check_times(&self, limits: &DecodeLimits) -> Result<(), Fault> {
        let (name, value, expires_at) = match self.expiry {
            Expiry::At(at) => ("expires_at", at.to_string(), at),
            Expiry::After(ttl) => {
                let value = ttl.as_secs().to_string();
                if ttl.as_secs() == 0 || ttl.subsec_nanos() != 0 {
                    return Err(Fault::new("ttl_secs", &format!("{ttl:?}"), Reason::NotATtl));
                }
                // An expiry that no timestamp can represent is also later than every limit.
                let at = SignedDuration::try_from(ttl)
                    .ok()
                    .and_then(|ttl| limits.now.checked_add(ttl).ok())
                    .ok_or_else(|| Fault::new("ttl_secs", &value, Reason::BeyondMaxTtl))?;
                ("ttl_secs", value, at)
            }
            // The default time to live is not checked here, because only the ingest pipeline knows
            // it.
            Expiry::SiteDefault => return Ok(()),
        };
        let fault = |reason| Err(Fault::new(name, &value, reason));
        if expires_at <= limits.now {
            return fault(Reason::ExpiresInThePast);
        }
        if self.starts_at.is_some_and(|start| expires_at <= start) {
            return fault(Reason::ExpiresBeforeStart);
        }
        if limits.is_beyond(expires_at) {
            return fault(Reason::BeyondMaxTtl);
        }
        Ok(())
    }
}

/// Returns an error if the draft contains a field that only the ingest pipeline or the command may
/// write.
fn refuse_stamped(fields: &Fields<'_>) -> Result<(), Fault> {
    const STAMPED: [&str; 7] = [
        "created_at",
        "created_by",
        "updated_at",
        "authenticated_as",
        "revoked_at",
        "revoked_by",
        "revoked_reason",
    ];
    match STAMPED.into_iter().find(|name| fields.raw(name).is_some()) {
        Some(name) => Err(Fault::new(name, "", Reason::StampedField)),
        None => Ok(()),
    }
}

fn expiry(fields: &Fields<'_>) -> Result<Expiry, Fault> {
    match (fields.time("expires_at")?, fields.ttl_secs()?) {
        (Some(_), Some(seconds)) => Err(Fault::new(
            "ttl_secs",
            &seconds.to_string(),
            Reason::TwoExpiries,
        )),
        (Some(at), None) => Ok(Expiry::At(at)),
        (None, Some(seconds)) => Ok(Expiry::After(Duration::from_secs(seconds))),
        (None, None) => Ok(Expiry::SiteDefault),
    }
}
