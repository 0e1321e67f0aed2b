//! A stored document: a directive, its revocation, and the audit record, which says who wrote the
//! document, when and why.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::signature::Signature;
use crate::{DiagnosticsDirective, DirectiveState};

/// A document of the index: a directive, with its revocation and its audit record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Document {
    /// The directive that the document contains.
    pub directive: DiagnosticsDirective,
    /// Whether the document is revoked. A revoked directive applies to no request.
    pub revoked: bool,
    /// The audit record: authors, times and reasons, which only people read.
    pub audit: Audit,
    /// The signatures that the document contains. The decoder does not verify the signatures of a
    /// document.
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

    /// Sets the audit record of the document. If the audit record contains `revoked_at`, this
    /// method also revokes the document.
    #[must_use]
    pub fn with_audit(mut self, audit: Audit) -> Self {
        self.revoked |= audit.revoked_at.is_some();
        self.audit = audit;
        self
    }

    /// Sets whether the document is revoked.
    #[must_use]
    pub fn with_revoked(mut self, revoked: bool) -> Self {
        self.revoked = revoked;
        self
    }

    /// Sets the signatures that the document contains.
    #[must_use]
    pub fn with_signatures(mut self, signatures: Vec<Signature>) -> Self {
        self.signatures = signatures;
        self
    }

    /// Returns the state of the document's directive at an instant. If the document is revoked, the
    /// state is [`DocumentState::Revoked`].
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

/// The part of a document that only people read. The audit record has no influence on the decision
/// about a request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(bound(serialize = "Text: Serialize"))]
pub struct Audit<Text = String> {
    /// The reason why the directive was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// The ticket (for example of an issue tracker) for which the directive was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Text>,
    /// The person or team that is responsible for the directive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// The time at which a document with this id was written for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The author of the first write of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Text>,
    /// The time of the last write of the document, according to the cluster's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// The author of the last write of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<Text>,
    /// The user that the cluster authenticated for the last write of the document; `None` if the
    /// cluster did not return a user. The program that wrote the document requested the
    /// authenticated user from the cluster. A writer can name any author, so the document contains
    /// the authenticated user in addition to the author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated_as: Option<Text>,
    /// The time at which the directive was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// The person or program that revoked the directive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<Text>,
    /// The reason why the directive was revoked.
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

/// The state of a document's directive at an instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DocumentState {
    /// The directive is active: it applies to the requests that match.
    Active,
    /// The directive is scheduled: its start is in the future.
    Scheduled,
    /// The expiry of the directive has passed.
    Expired,
    /// The document of the directive was revoked.
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
