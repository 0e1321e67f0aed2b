//! What an operator asks for, before the cluster has stamped it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::decode::DecodeLimits;
use super::fields::Fields;
use super::rejection::{Fault, Rejection, RejectionReason as Reason};
use crate::{DiagLevel, DirectiveMatch};

/// When a directive is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// At this instant.
    At(Timestamp),
    /// So long after it is written, by the cluster's clock; whole seconds.
    After(Duration),
}

/// A directive that an operator asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Draft {
    /// The directive's id.
    pub id: String,
    /// The requests it targets.
    pub match_: DirectiveMatch,
    /// How much to record of them.
    pub level: DiagLevel,
    /// How many of a thousand matching requests.
    pub sample_per_mille: u16,
    /// From when on; `None`: at once.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub expiry: Expiry,
    /// Whether it asks for the ring buffer.
    pub ring_buffer: bool,
    /// Whether it asks for capture.
    pub capture: bool,
    /// Why.
    pub reason: Option<String>,
    /// The ticket it belongs to.
    pub ticket: Option<String>,
    /// Who asks.
    pub author: Option<String>,
}

impl Draft {
    /// A draft for every request, unsampled, that starts at once.
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
            author: None,
        }
    }

    /// Reads a draft from the JSON an operator wrote, `id` included. Checks each
    /// field; [`check`](Self::check) holds it against the clock.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn from_json(source: &str) -> Result<Self, Rejection> {
        let fields = Fields::read(source).map_err(|fault| fault.of(""))?;
        let id = fields.id().ok().flatten().unwrap_or_default();
        Self::from_fields(&fields).map_err(|fault| fault.of(&id))
    }

    fn from_fields(fields: &Fields<'_>) -> Result<Self, Fault> {
        fields.known()?;
        let id = fields
            .id()?
            .ok_or_else(|| Fault::new("id", "", Reason::Missing))?;
        for stamped in [
            "created_at",
            "created_by",
            "updated_at",
            "revoked_at",
            "revoked_by",
        ] {
            if fields.raw(stamped).is_some() {
                return Err(Fault::new(stamped, "", Reason::StampedField));
            }
        }
        let body = fields.body()?;
        let expiry = match (fields.time("expires_at")?, fields.ttl_secs()?) {
            (Some(_), Some(seconds)) => {
                return Err(Fault::new(
                    "ttl_secs",
                    &seconds.to_string(),
                    Reason::TwoExpiries,
                ));
            }
            (Some(at), None) => Expiry::At(at),
            (None, Some(seconds)) => Expiry::After(Duration::from_secs(seconds)),
            (None, None) => return Err(Fault::new("ttl_secs", "", Reason::NoExpiry)),
        };
        let owned = |text: Option<std::borrow::Cow<'_, str>>| text.map(String::from);
        Ok(Self {
            id: id.into_owned(),
            match_: DirectiveMatch {
                tenant: owned(body.tenant),
                index: owned(body.index),
                principal: owned(body.principal),
                endpoint: body.endpoint,
            },
            level: body.level,
            sample_per_mille: body.sample_per_mille,
            starts_at: body.starts_at,
            expiry,
            ring_buffer: body.ring_buffer,
            capture: body.capture,
            reason: owned(body.audit.reason),
            ticket: owned(body.audit.ticket),
            author: owned(body.audit.updated_by),
        })
    }

    /// Holds the draft against the clock and the limits, before anything is sent.
    ///
    /// # Errors
    /// The first field that no proxy would take.
    pub fn check(&self, limits: &DecodeLimits) -> Result<(), Rejection> {
        self.faults(limits).map_err(|fault| fault.of(&self.id))
    }

    fn faults(&self, limits: &DecodeLimits) -> Result<(), Fault> {
        let id = self.id.as_str();
        if id.is_empty() || id.len() > 512 || id.contains(char::is_control) {
            return Err(Fault::new("id", &format!("{id:?}"), Reason::NotAnId));
        }
        for (name, target) in [
            ("tenant", &self.match_.tenant),
            ("index", &self.match_.index),
            ("principal", &self.match_.principal),
        ] {
            if target.as_deref() == Some("") {
                return Err(Fault::new(name, "\"\"", Reason::NotATarget));
            }
        }
        if self.sample_per_mille > 1000 {
            return Err(Fault::new(
                "sample_per_mille",
                &self.sample_per_mille.to_string(),
                Reason::NotASampleRate,
            ));
        }
        let (name, value, expires_at) = match self.expiry {
            Expiry::At(at) => ("expires_at", at.to_string(), at),
            Expiry::After(ttl) => {
                let value = ttl.as_secs().to_string();
                if ttl.as_secs() == 0 || ttl.subsec_nanos() != 0 {
                    return Err(Fault::new("ttl_secs", &format!("{ttl:?}"), Reason::NotATtl));
                }
                // Further than a timestamp reaches is further than any limit.
                let at = SignedDuration::try_from(ttl)
                    .ok()
                    .and_then(|ttl| limits.now.checked_add(ttl).ok())
                    .ok_or_else(|| Fault::new("ttl_secs", &value, Reason::BeyondMaxTtl))?;
                ("ttl_secs", value, at)
            }
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
