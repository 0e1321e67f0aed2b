//! Plans changes: what is stored now, what would be stored instead, and the bulk action
//! that makes it so.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::directives_api::{DirectivesApi, Stored};
use super::error::{Kind, WriteError};
use super::field_differences::{FieldChange, changes};
use crate::admin::PIPELINE;
use opensearch_directives_core::document::{Audit, Document, Draft, Expiry, encode_draft};

/// What a planned write does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PlannedKind {
    /// It stores a directive under an id that nobody uses.
    Create,
    /// It replaces a directive.
    Replace,
    /// It revokes a directive.
    Revoke,
    /// It deletes a directive.
    Delete,
    /// Nothing: the index holds already what is asked for.
    Nothing,
}

/// One change of one directive: what was read, and what is to be stored instead.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedWrite {
    /// The directive's id.
    pub id: String,
    /// What was read; `None` if there was no such directive.
    pub before: Option<Stored>,
    /// The document that the pipeline makes of it; `None` if nothing is to be stored, or
    /// if what is stored stays malformed.
    pub after: Option<Document>,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Index(Box<RawValue>, Expiry),
    Revoke(Value),
    Delete,
    Nothing,
}

impl PlannedWrite {
    /// Plans to revoke a directive. One that was revoked before or has expired stays as
    /// it is.
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
            // Without a name the former author's must not stay.
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
        }
    }

    /// Plans to delete a directive.
    #[must_use]
    pub fn delete(stored: Stored) -> Self {
        Self {
            id: stored.id.clone(),
            before: Some(stored),
            after: None,
            action: Action::Delete,
        }
    }

    /// The fields that change, without those that only say who wrote when.
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

    /// What the write does.
    #[must_use]
    pub fn kind(&self) -> PlannedKind {
        match &self.action {
            Action::Index(..) if self.before.is_none() => PlannedKind::Create,
            Action::Index(..) => PlannedKind::Replace,
            Action::Revoke(_) => PlannedKind::Revoke,
            Action::Delete => PlannedKind::Delete,
            Action::Nothing => PlannedKind::Nothing,
        }
    }

    pub(super) fn is_delete(&self) -> bool {
        matches!(self.action, Action::Delete)
    }

    /// The lines of a bulk request; `None` if nothing is to be written.
    pub(super) fn action(&self) -> Option<String> {
        let mut target = json!({ "_id": self.id });
        if let Some(version) = self.before.as_ref().and_then(|before| before.version) {
            target["if_seq_no"] = version.seq_no.into();
            target["if_primary_term"] = version.primary_term.into();
        }
        match &self.action {
            Action::Index(source, _) => {
                target["pipeline"] = PIPELINE.into();
                // A condition on `create` fails the whole bulk; it is one by itself.
                let name = if self.before.is_some() {
                    "index"
                } else {
                    "create"
                };
                Some(format!("{}\n{}\n", json!({ name: target }), source.get()))
            }
            // A bulk update does not run the pipeline, which would refuse a document that
            // is malformed or expired: whatever is stored can be revoked.
            Action::Revoke(fields) => {
                let action = json!({ "update": target });
                Some(format!("{action}\n{}\n", json!({ "doc": fields })))
            }
            Action::Delete => Some(format!("{}\n", json!({ "delete": target }))),
            Action::Nothing => None,
        }
    }

    /// The action for an index whose mapping lacks `revoked`, because it is older than the
    /// stored form: there `revoked_at` alone revokes. `None` if it would lose a reason.
    pub(super) fn action_for_older_mapping(&self) -> Option<String> {
        let mut older = self.clone();
        match &mut older.action {
            Action::Revoke(Value::Object(fields)) if !fields.contains_key("revoked_reason") => {
                fields.remove("revoked");
                older.action()
            }
            Action::Revoke(_) | Action::Index(..) | Action::Delete | Action::Nothing => None,
        }
    }

    /// Whether the index holds what was planned.
    pub(super) fn is_stored_as(&self, current: Option<&Stored>) -> bool {
        match (&self.action, current) {
            (Action::Delete, None) | (Action::Nothing, _) => true,
            (Action::Index(..) | Action::Revoke(_), None) | (Action::Delete, Some(_)) => false,
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

    /// Whether the index still holds the version that was read.
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

/// Whether a stored directive already is what a draft asks for. A time to live counts
/// from the write, so the same one once more is the same content and prolongs nothing.
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

impl DirectivesApi {
    /// Plans to store directives: checks each here and by the cluster's pipeline, and
    /// compares with what is stored. Nothing is written.
    ///
    /// # Errors
    /// [`WriteError::is_invalid`] or [`WriteError::is_refused`] if one of the drafts is not
    /// a directive, or why the cluster could not be asked.
    pub async fn plan(&self, drafts: &[Draft]) -> Result<Vec<PlannedWrite>, WriteError> {
        self.check(drafts)?;
        let ids: Vec<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
        let stored = self.get_many(&ids).await?;
        self.plan_from(drafts, stored).await
    }

    /// [`plan`](Self::plan), from what was read before: one entry for each draft.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn plan_from(
        &self,
        drafts: &[Draft],
        stored: Vec<Option<Stored>>,
    ) -> Result<Vec<PlannedWrite>, WriteError> {
        self.check(drafts)?;
        let sources: Vec<Box<RawValue>> = drafts
            .iter()
            .zip(&stored)
            .map(|(draft, stored)| encode_draft(draft, &created(stored.as_ref())))
            .collect();
        let simulated = self.simulate(drafts, &sources).await?;
        let planned = drafts.iter().zip(stored).zip(sources).zip(simulated);
        Ok(planned
            .map(|(((draft, before), source), after)| {
                let equal = before
                    .as_ref()
                    .and_then(|stored| stored.document.as_ref().ok());
                let action = match equal {
                    Some(stored) if is_same_content(stored, &after, draft.expiry) => {
                        Action::Nothing
                    }
                    Some(_) | None => Action::Index(source, draft.expiry),
                };
                let after = match (&action, equal) {
                    (Action::Nothing, Some(stored)) => stored.clone(),
                    _ => after,
                };
                PlannedWrite {
                    id: draft.id.clone(),
                    before,
                    after: Some(after),
                    action,
                }
            })
            .collect())
    }

    fn check(&self, drafts: &[Draft]) -> Result<(), WriteError> {
        let limits = self.limits();
        for draft in drafts {
            draft.check(&limits).map_err(|source| Kind::Invalid {
                id: draft.id.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// Who created a stored directive, and when: it stays when the directive is replaced.
fn created(stored: Option<&Stored>) -> Audit {
    #[derive(Default, Deserialize)]
    struct Created {
        created_at: Option<Value>,
        created_by: Option<Value>,
    }
    let Some(stored) = stored else {
        return Audit::default();
    };
    // Also of a document that is malformed otherwise.
    let created: Created = serde_json::from_str(stored.source.get()).unwrap_or_default();
    let text = |value: Option<Value>| value?.as_str().map(str::to_owned);
    Audit {
        created_at: text(created.created_at).and_then(|time| time.parse().ok()),
        created_by: text(created.created_by),
        ..Audit::default()
    }
}
