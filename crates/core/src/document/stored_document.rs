//! A stored document: a directive, whether it is revoked, and the audit record of who wrote it,
//! when and why.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::signature::Signature;
use crate::{DiagnosticsDirective, DirectiveState};

/// A document of the index, which contains a directive, its revocation and its audit record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Document {
    /// The directive, without its revocation and its audit record.
    pub directive: DiagnosticsDirective,
    /// Whether an operator has revoked the directive. A revoked directive applies to no request.
    pub revoked: bool,
    /// The audit record: authors, times and reasons, which only people read.
    pub audit: Audit,
    /// The signatures of the directive, which the decoder has not verified.
    pub signatures: Vec<Signature>,
}

impl Document {
    /// Creates a document that is not revoked, with an empty audit record.
    #[must_use]
    pub fn new(directive: DiagnosticsDirective) -> Self {
        Self {
            directive,
            revoked: false,
            audit: Audit::default(),
            signatures: Vec::new(),
        }
    }

    /// Sets the audit record of the document. If the audit record contains `revoked_at`,
    /// `with_audit` also revokes the document.
    #[must_use]
    pub fn with_audit(mut self, audit: Audit) -> Self {
        self.revoked |= audit.revoked_at.is_some();
        self.audit = audit;
        self
    }

    /// Sets whether an operator has revoked the directive.
    #[must_use]
    pub fn with_revoked(mut self, revoked: bool) -> Self {
        self.revoked = revoked;
        self
    }

    /// Sets the signatures of the directive.
    #[must_use]
    pub fn with_signatures(mut self, signatures: Vec<Signature>) -> Self {
        self.signatures = signatures;
        self
    }

    /// Returns whether the document's directive is scheduled, active, expired or revoked at an
    /// instant. A revoked document has the state [`DocumentState::Revoked`] at every instant.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> DocumentState {
        if self.revoked {
            return DocumentState::Revoked;
        }
        match self.directive.as_ref().state(now) {
            DirectiveState::Scheduled => DocumentState::Scheduled,
            DirectiveState::Active => DocumentState::Active,
            DirectiveState::Expired => DocumentState::Expired,
        }
    }
}

/// The fields of a document that only people read: who wrote it, when and why. The audit record has
/// no influence on any decision about a request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(bound(serialize = "Text: Serialize"))]
pub struct Audit<Text = String> {
    /// The reason for the directive, as stated by the writer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// The ticket (for example of an issue tracker) for which the directive was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
    /// The person or team that is responsible for the directive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// When the document was written for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Who wrote the document for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Text>,
    /// When the document was last written, according to the cluster's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Who last wrote the document, according to the writer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<Text>,
    /// The user that the cluster authenticated when the document was last written; `None` if the
    /// cluster did not report a user. The program that writes a document asks the cluster for the
    /// authenticated user. The document contains the authenticated user in addition to the author,
    /// because a writer can state any name as the author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated_as: Option<Text>,
    /// The time at which somebody revoked the directive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// The person or program that revoked the directive, as stated by the writer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<Text>,
    /// The reason for the revocation, as stated by the writer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<Text>,
}

impl Audit<Cow<'_, str>> {
    pub(super) fn to_owned_texts(&self) -> Audit {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Audit {
            reason: owned(&self.reason),
            ticket: owned(&self.ticket),
            owner: owned(&self.owner),
            created_at: self.created_at,
            created_by: owned(&self.created_by),
            updated_at: self.updated_at,
            updated_by: owned(&self.updated_by),
            authenticated_as: owned(&self.authenticated_as),
            revoked_at: self.revoked_at,
            revoked_by: owned(&self.revoked_by),
            revoked_reason: owned(&self.revoked_reason),
        }
    }
}

/// Whether a document's directive is scheduled, active, expired or revoked at an instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DocumentState {
    /// The directive has started and has not expired, so it applies to the requests that match.
    Active,
    /// The directive has not started yet, so it applies to no request.
    Scheduled,
    /// The expiry of the directive has passed, so it applies to no request.
    Expired,
    /// An operator has revoked the directive, so it applies to no request.
    Revoked,
}

impl DocumentState {
    /// Returns the name of the state, in lower case.
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
