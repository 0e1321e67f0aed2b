//! Defines the planned write, which changes one directive. A planned write knows its effect, its
//! bulk action, and whether the index already contains the resulting document.

use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::directives_api::Stored;
use super::field_differences::{FieldChange, changes};
use super::record_writes::Attribution;
use crate::rest::PIPELINE;
use opensearch_directives_core::document::{Document, Draft, Expiry};

/// The field of a document that contains the name of the user that the cluster authenticated.
pub(super) const AUTHENTICATED_AS: &str = "authenticated_as";

/// What a planned write does to its directive, for example that the write revokes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PlannedKind {
    /// The write stores a directive with a new id.
    Create,
    /// The write replaces the stored directive with the same id.
    Replace,
    /// The write revokes a directive, which then stays in the index but applies to no request.
    Revoke,
    /// The write adds signatures to a directive and changes no other part of the directive.
    Sign,
    /// The write removes the directive from the index.
    Delete,
    /// The planned write changes nothing, because the index already contains the planned document,
    /// or because the directive to revoke has already expired.
    Nothing,
}

/// One change of one directive, with the document that was read and the document that will be
/// stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedWrite {
    /// The id of the directive that the planned write changes.
    pub id: String,
    /// The document that was read before the write; `None` if no document had this id.
    pub before: Option<Stored>,
    /// The document that the write will store; `None` if the write deletes the directive or revokes
    /// a malformed document.
    pub after: Option<Document>,
    pub(super) action: Action,
    /// Who deletes the directive and why, for the record of a deletion in the history.
    pub(super) deletion: Attribution,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Index(Box<RawValue>, Expiry),
    Revoke(Value),
    #[cfg_attr(
        not(feature = "signatures"),
        expect(dead_code, reason = "nothing is signed")
    )]
    Sign(Value),
    Delete,
    Nothing,
}

impl PlannedWrite {
    /// Creates the planned write that stores a draft. `after` is the document that the cluster's
    /// pipeline makes of `source`. If the stored document already has the same content as `after`,
    /// the planned write changes nothing.
    pub(super) fn store(
        draft: &Draft,
        before: Option<Stored>,
        source: Box<RawValue>,
        after: Document,
    ) -> Self {
        let stored = before
            .as_ref()
            .and_then(|stored| stored.document.as_ref().ok());
        let (action, after) = match stored {
            Some(stored) if is_same_content(stored, &after, draft.expiry) => {
                (Action::Nothing, stored.clone())
            }
            Some(_) | None => (Action::Index(source, draft.expiry), after),
        };
        Self {
            id: draft.id.clone(),
            before,
            after: Some(after),
            action,
            deletion: Attribution::default(),
        }
    }

    /// Creates the planned write that revokes a directive. If the directive is already revoked or
    /// has expired, the planned write changes nothing.
    #[must_use]
    pub fn revoke(stored: Stored, at: Timestamp, by: Option<&str>, reason: Option<&str>) -> Self {
        let mut after = stored.document.as_ref().ok().cloned();
        let expired = after
            .as_ref()
            .is_some_and(|document| document.directive.expires_at <= at);
        let action = if expired || stored.is_revoked() {
            Action::Nothing
        } else {
            let mut fields = json!({ "revoked": true, "revoked_at": at, "updated_at": at });
            if let Some(reason) = reason {
                fields["revoked_reason"] = reason.into();
            }
            // If the caller names no author of the revocation, `unknown` replaces the name of the
            // previous author.
            fields["updated_by"] = by.unwrap_or("unknown").into();
            if let Some(author) = by {
                fields["revoked_by"] = author.into();
            }
            if let Some(after) = &mut after {
                after.revoked = true;
                after.audit.revoked_at = Some(at);
                after.audit.revoked_by = by.map(str::to_owned);
                after.audit.revoked_reason = reason.map(str::to_owned);
                after.audit.updated_at = Some(at);
                after.audit.updated_by = Some(by.unwrap_or("unknown").to_owned());
            }
            Action::Revoke(fields)
        };
        Self {
            id: stored.id.clone(),
            before: Some(stored),
            after,
            action,
            deletion: Attribution::default(),
        }
    }

    /// Creates the planned write that deletes a directive from the index.
    #[must_use]
    pub fn delete(stored: Stored) -> Self {
        Self {
            id: stored.id.clone(),
            before: Some(stored),
            after: None,
            action: Action::Delete,
            deletion: Attribution::default(),
        }
    }

    /// Returns the fields of the document that the planned write changes, except those with the
    /// authors and the times of writes.
    #[must_use]
    pub fn changes(&self) -> Vec<FieldChange> {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => match &before.document {
                Ok(before) => changes(before, after),
                Err(rejection) => vec![FieldChange::of_malformed(rejection)],
            },
            (_, None) | (None, Some(_)) => Vec::new(),
        }
    }

    /// Returns what the planned write does to its directive, for example that the write revokes it.
    #[must_use]
    pub fn kind(&self) -> PlannedKind {
        match &self.action {
            Action::Index(..) if self.before.is_none() => PlannedKind::Create,
            Action::Index(..) => PlannedKind::Replace,
            Action::Revoke(_) => PlannedKind::Revoke,
            Action::Sign(_) => PlannedKind::Sign,
            Action::Delete => PlannedKind::Delete,
            Action::Nothing => PlannedKind::Nothing,
        }
    }

    pub(super) fn is_delete(&self) -> bool {
        matches!(self.action, Action::Delete)
    }

    /// Returns the lines of a bulk request that execute this write; `None` if the write changes
    /// nothing.
    pub(super) fn action(&self) -> Option<String> {
        let mut target = json!({ "_id": self.id });
        if let Some(version) = self.before.as_ref().and_then(|before| before.version) {
            target["if_seq_no"] = version.seq_no.into();
            target["if_primary_term"] = version.primary_term.into();
        }
        match &self.action {
            Action::Index(source, _) => {
                target["pipeline"] = PIPELINE.into();
                // A `create` action needs no version condition, because it fails if the document
                // exists. If a `create` action had a version condition, OpenSearch would refuse the
                // whole bulk request.
                let name = if self.before.is_some() {
                    "index"
                } else {
                    "create"
                };
                Some(format!("{}\n{}\n", json!({ name: target }), source.get()))
            }
            // Revocations and signatures are written as bulk updates, because a bulk update does
            // not run the ingest pipeline. The pipeline would refuse the revocation of a malformed
            // or expired document. The pipeline must also not change the fields that a signature
            // covers.
            Action::Revoke(fields) | Action::Sign(fields) => {
                let action = json!({ "update": target });
                Some(format!("{action}\n{}\n", json!({ "doc": fields })))
            }
            Action::Delete => Some(format!("{}\n", json!({ "delete": target }))),
            Action::Nothing => None,
        }
    }

    /// Sets the user that a revocation or a signature stores as the authenticated user. In the
    /// stored document, `user` replaces the authenticated user of the previous write, even if
    /// `user` is `None`.
    pub(super) fn authenticate(&mut self, user: Option<&str>) {
        let (Action::Revoke(fields) | Action::Sign(fields)) = &mut self.action else {
            return;
        };
        let former = self.before.as_ref();
        if user.is_some() || former.is_some_and(|before| before.has_field(AUTHENTICATED_AS)) {
            fields[AUTHENTICATED_AS] = user.into();
        }
        if let Some(after) = &mut self.after {
            after.audit.authenticated_as = user.map(str::to_owned);
        }
    }

    /// Removes from the write the field that an older mapping lacks. The text `reason` is the
    /// cluster's reason for refusing the write, and names the missing field. Returns true if the
    /// method removed the missing field, so that the write can be sent again. If the mapping has no
    /// field `revoked`, the field `revoked_at` alone revokes a directive. The method does not adapt
    /// a revocation with a reason to a mapping without `revoked`, because the reason would be lost.
    pub(super) fn adapt_to_older_mapping(&mut self, reason: &str) -> bool {
        let is_about = |field: &str| reason.contains(&format!("introduction of [{field}]"));
        match &mut self.action {
            Action::Index(source, _) if is_about(AUTHENTICATED_AS) => {
                let Ok(Value::Object(mut fields)) = serde_json::from_str(source.get()) else {
                    return false;
                };
                let removed = fields.remove(AUTHENTICATED_AS).is_some();
                match serde_json::value::to_raw_value(&fields) {
                    Ok(adapted) => *source = adapted,
                    Err(_) => return false,
                }
                removed
            }
            Action::Revoke(Value::Object(fields)) | Action::Sign(Value::Object(fields))
                if is_about(AUTHENTICATED_AS) =>
            {
                fields.remove(AUTHENTICATED_AS).is_some()
            }
            Action::Revoke(Value::Object(fields)) if is_about("revoked") => {
                !fields.contains_key("revoked_reason") && fields.remove("revoked").is_some()
            }
            Action::Index(..)
            | Action::Revoke(_)
            | Action::Sign(_)
            | Action::Delete
            | Action::Nothing => false,
        }
    }

    /// Returns true if `current`, the document in the index, is the planned document.
    pub(super) fn is_stored_as(&self, current: Option<&Stored>) -> bool {
        match (&self.action, current) {
            (Action::Delete, None) | (Action::Nothing, _) => true,
            (Action::Index(..) | Action::Revoke(_) | Action::Sign(_), None)
            | (Action::Delete, Some(_)) => false,
            (Action::Sign(_), Some(current)) => {
                let signatures = |document: &Document| document.signatures.clone();
                self.after.as_ref().map(signatures)
                    == current.document.as_ref().ok().map(signatures)
            }
            (Action::Revoke(fields), Some(current)) => {
                let same = |name: &str| {
                    serde_json::from_str::<Value>(current.source.get())
                        .is_ok_and(|source| source[name] == fields[name])
                };
                same("revoked_at") && same("revoked_by")
            }
            (Action::Index(_, expiry), Some(current)) => {
                let (Some(after), Ok(current)) = (&self.after, &current.document) else {
                    return false;
                };
                is_same_content(current, after, *expiry)
                    && current.audit.updated_by == after.audit.updated_by
                    && current.audit.updated_at >= after.audit.updated_at
            }
        }
    }

    /// Returns true if `current`, the document in the index, still has the version that the client
    /// read before the write.
    pub(super) fn is_unwritten(&self, current: Option<&Stored>) -> bool {
        match (&self.before, current) {
            (None, None) => true,
            (Some(before), Some(current)) => {
                before.version.is_some() && before.version == current.version
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

/// Returns true if a stored directive already has the content of a draft. When a draft is compared
/// with a stored directive, the draft's time to live begins at the time at which the stored
/// directive was written. Therefore, writing the same draft again does not make the directive
/// expire later.
fn is_same_content(stored: &Document, wanted: &Document, expiry: Expiry) -> bool {
    let mut wanted = wanted.clone();
    if let (Expiry::After(ttl), Some(written)) = (expiry, stored.audit.updated_at)
        && let Ok(ttl) = SignedDuration::try_from(ttl)
        && stored.directive.expires_at.duration_since(written) == ttl
    {
        wanted.directive.expires_at = stored.directive.expires_at;
    }
    changes(stored, &wanted).is_empty()
}
