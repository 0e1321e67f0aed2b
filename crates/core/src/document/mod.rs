//! One directive as a document of the index: decoding, encoding, and what is refused.
//!
//! The decoder is the last line: an index's mapping and pipeline can be got around,
//! and a JSON text can say anything. For each field *absent*, *valid* and *wrong* are
//! three things, and what is wrong never widens what a directive matches nor
//! lengthens how long it lives: the whole document is refused.

mod decode;
mod draft;
mod encode;
mod fields;
mod import;
mod rejection;

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::{DiagnosticsDirective, DirectiveRef};

pub use decode::{DecodeLimits, decode};
pub use draft::{Draft, Expiry};
pub use encode::{encode, encode_draft};
pub use import::{ImportError, ImportProblem, parse_drafts};
pub use rejection::{Rejection, RejectionReason};

/// A document of the index: a directive, and for people who wrote it and why.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Document {
    /// The directive.
    pub directive: DiagnosticsDirective,
    /// What is kept for people.
    pub audit: Audit,
}

impl Document {
    /// A document with nothing kept for people.
    #[must_use]
    pub fn new(directive: DiagnosticsDirective) -> Self {
        Self {
            directive,
            audit: Audit::default(),
        }
    }

    /// Sets what is kept for people.
    #[must_use]
    pub fn with_audit(mut self, audit: Audit) -> Self {
        self.audit = audit;
        self
    }

    /// What the directive does at an instant.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> DocumentState {
        if self.audit.revoked_at.is_some() {
            DocumentState::Revoked
        } else if now >= self.directive.expires_at {
            DocumentState::Expired
        } else if self.directive.starts_at.is_some_and(|start| now < start) {
            DocumentState::Scheduled
        } else {
            DocumentState::Active
        }
    }
}

/// What a document keeps for people; none of it changes what a directive matches,
/// except that a document with `revoked_at` applies nowhere.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(bound(serialize = "Text: Serialize"))]
pub struct Audit<Text = String> {
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// The ticket it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
    /// When the id was written first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Who wrote it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Text>,
    /// When it was written last, by the cluster's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Who wrote it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<Text>,
    /// When it was revoked; set, it applies nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Who revoked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<Text>,
}

/// What a document's directive does at an instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DocumentState {
    /// It applies to the requests that match.
    Active,
    /// Its start is still to come.
    Scheduled,
    /// Its expiry has passed.
    Expired,
    /// It was revoked.
    Revoked,
}

impl DocumentState {
    /// The state's name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Scheduled => "scheduled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for DocumentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A decoded document whose texts are borrowed from the JSON where they can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentRef<'a> {
    id: &'a str,
    body: fields::Body<'a>,
    expires_at: Timestamp,
}

impl<'a> DocumentRef<'a> {
    /// The directive, borrowed.
    #[must_use]
    pub fn directive(&self) -> DirectiveRef<'_> {
        let body = &self.body;
        DirectiveRef {
            id: self.id,
            tenant: body.tenant.as_deref(),
            index: body.index.as_deref(),
            principal: body.principal.as_deref(),
            endpoint: body.endpoint,
            level: body.level,
            sample_per_mille: body.sample_per_mille,
            starts_at: body.starts_at,
            expires_at: self.expires_at,
            ring_buffer: body.ring_buffer,
            capture: body.capture,
        }
    }

    /// What is kept for people.
    #[must_use]
    pub fn audit(&self) -> &Audit<Cow<'a, str>> {
        &self.body.audit
    }

    /// Whether it was revoked, and so applies nowhere.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.body.audit.revoked_at.is_some()
    }

    /// The same document, owned.
    #[must_use]
    pub fn to_document(&self) -> Document {
        Document::new(self.directive().to_directive()).with_audit(self.body.audit.to_owned_texts())
    }
}

impl Audit<Cow<'_, str>> {
    fn to_owned_texts(&self) -> Audit {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Audit {
            reason: owned(&self.reason),
            ticket: owned(&self.ticket),
            created_at: self.created_at,
            created_by: owned(&self.created_by),
            updated_at: self.updated_at,
            updated_by: owned(&self.updated_by),
            revoked_at: self.revoked_at,
            revoked_by: owned(&self.revoked_by),
        }
    }
}

#[cfg(test)]
mod tests;
