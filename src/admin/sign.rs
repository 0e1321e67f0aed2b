//! Signs directives, either as drafts before they are written, or later when they are already
//! stored.
//!
//! A signature covers absolute times, so a simulation of the ingest pipeline first converts the
//! times of a draft to absolute times. After the signing, a second simulation checks that the
//! ingest pipeline would store exactly the signed content.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::directives_api::{DirectivesApi, Stored};
use super::error::{Kind, WriteError};
use super::field_differences::changes;
use super::planned_write::{Action, PlannedWrite};
use crate::error::chain;
use crate::signatures::SigningKey;
use opensearch_directives_core::DiagnosticsDirective;
use opensearch_directives_core::document::{
    Document, DocumentRef, Draft, Expiry, Signature, SignedForm, decode,
};
use opensearch_directives_core::internal::MAX_SIGNATURES;

/// Two times to live count as equal if they differ by at most this duration, which may pass between
/// the signing and the write of a directive.
const SIGNING_TIME: SignedDuration = SignedDuration::from_mins(1);

impl DirectivesApi {
    /// Returns the uuid of the index, which each signature covers.
    ///
    /// # Errors
    /// Returns an error if the index does not exist, or if the cluster does not respond.
    pub async fn index_uuid(&self) -> Result<String, WriteError> {
        match self.session().resolve_index().await {
            Ok(index) => Ok(index.uuid),
            Err(error) if error.is_index_not_found() => Err(self.no_index().await),
            Err(error) => Err(error.into()),
        }
    }

    /// Signs the drafts with the given keys, and then works like [`plan_from`](Self::plan_from).
    /// The method replaces the expiry of each draft with an absolute time. If the content of a
    /// draft differs from the stored directive, the method removes the signatures by other keys
    /// from the draft.
    ///
    /// # Errors
    /// Returns the errors of [`plan`](Self::plan). The method also returns an error if a directive
    /// cannot be signed.
    pub async fn plan_signed(
        &self,
        drafts: &mut [Draft],
        stored: Vec<Option<Stored>>,
        keys: &[SigningKey],
    ) -> Result<Vec<PlannedWrite>, WriteError> {
        for (draft, stored) in drafts.iter_mut().zip(&stored) {
            self.drop_outdated(draft, stored.as_ref());
        }
        let plan = self.plan_from(drafts, stored).await?;
        if keys.is_empty() {
            return Ok(plan);
        }
        let uuid = self.index_uuid().await?;
        let mut stored = Vec::with_capacity(plan.len());
        for (draft, planned) in drafts.iter_mut().zip(plan) {
            if let Some(after) = &planned.after {
                let end = end(draft, &planned, after);
                draft.expiry = Expiry::At(end);
                let directive = draft.to_directive(end);
                let form = SignedForm::new(directive.as_ref(), &uuid);
                draft.signatures = with_signatures(&draft.signatures, keys, &draft.id, &form)?;
            }
            stored.push(planned.before);
        }
        let plan = self.plan_from(drafts, stored).await?;
        for (draft, planned) in drafts.iter().zip(&plan) {
            expect_signed(draft, planned)?;
        }
        Ok(plan)
    }

    /// Creates the planned writes that add signatures by the given keys to stored directives. The
    /// planned writes do not change the signed content of the directives.
    ///
    /// # Errors
    /// Returns an error if a directive is malformed or has too many signatures, or if the cluster
    /// does not respond.
    pub async fn plan_signatures(
        &self,
        stored: Vec<Stored>,
        keys: &[SigningKey],
        at: Timestamp,
        by: &str,
    ) -> Result<Vec<PlannedWrite>, WriteError> {
        let uuid = self.index_uuid().await?;
        stored
            .into_iter()
            .map(|stored| {
                let signatures = {
                    let document = self.decode_stored(&stored)?;
                    let form = document.signed_form(&uuid);
                    with_signatures(document.signatures(), keys, &stored.id, &form)?
                };
                Ok(PlannedWrite::sign(stored, signatures, at, by))
            })
            .collect()
    }

    fn decode_stored<'a>(&self, stored: &'a Stored) -> Result<DocumentRef<'a>, WriteError> {
        decode(&stored.id, stored.source.get(), &self.limits()).map_err(|source| {
            let id = stored.id.clone();
            Kind::Invalid { id, source }.into()
        })
    }

    /// Removes the signatures of the draft if the signed content of the draft differs from that of
    /// the stored directive.
    fn drop_outdated(&self, draft: &mut Draft, stored: Option<&Stored>) {
        let Some(before) = stored.and_then(|stored| self.decode_stored(stored).ok()) else {
            return;
        };
        // The comparison uses an empty uuid for both the draft and the stored directive, so the
        // uuid of the index has no influence.
        let same = match draft.expiry {
            Expiry::At(end) => {
                let directive = draft.to_directive(end);
                let after = SignedForm::new(directive.as_ref(), "");
                after.content() == before.signed_form("").content()
            }
            _ => false,
        };
        if !same {
            draft.signatures.clear();
        }
    }
}

impl PlannedWrite {
    /// Creates the planned write that replaces the signatures of a stored directive. The planned
    /// write does not change the signed content of the directive.
    fn sign(stored: Stored, signatures: Vec<Signature>, at: Timestamp, by: &str) -> Self {
        let mut after = stored.document.as_ref().ok().cloned();
        let action = match &mut after {
            Some(after) if after.signatures != signatures => {
                let action = json!({
                    "signatures": signatures, "updated_at": at, "updated_by": by,
                });
                after.signatures = signatures;
                after.audit.updated_at = Some(at);
                after.audit.updated_by = Some(by.to_owned());
                Action::Sign(action)
            }
            Some(_) | None => Action::Nothing,
        };
        Self {
            id: stored.id.clone(),
            before: Some(stored),
            after,
            action,
            deletion: super::record_writes::Attribution::default(),
        }
    }
}

/// Returns the absolute expiry of a directive that will be signed. If the draft has the same
/// content and the same time to live as the stored directive, returns the stored expiry. Therefore,
/// writing the same draft again does not make the directive expire later.
fn end(draft: &Draft, planned: &PlannedWrite, after: &Document) -> Timestamp {
    let computed = after.directive.expires_at;
    let before = planned.before.as_ref();
    let before = before.and_then(|before| before.document.as_ref().ok());
    let (Some(before), Expiry::After(ttl)) = (before, draft.expiry) else {
        return computed;
    };
    let end = before.directive.expires_at;
    let mut same = after.clone();
    same.directive.expires_at = end;
    same.signatures.clone_from(&before.signatures);
    let passed = before
        .audit
        .updated_at
        .zip(SignedDuration::try_from(ttl).ok())
        .map(|(written, ttl)| ttl.saturating_sub(end.duration_since(written)));
    let is_same_ttl = passed.is_some_and(|passed| !passed.is_negative() && passed <= SIGNING_TIME);
    if is_same_ttl && changes(before, &same).is_empty() {
        end
    } else {
        computed
    }
}

/// Returns the existing signatures together with a new signature by each of the given keys. A new
/// signature replaces an existing signature by the same key.
fn with_signatures(
    signatures: &[Signature],
    keys: &[SigningKey],
    id: &str,
    form: &SignedForm<'_>,
) -> Result<Vec<Signature>, WriteError> {
    let refuse = |reason: String| -> WriteError {
        let id = id.to_owned();
        Kind::NotSigned { id, reason }.into()
    };
    let mut all = signatures.to_vec();
    for key in keys {
        let signature = key.sign(form).map_err(|error| refuse(chain(&error)))?;
        match all.iter_mut().find(|other| other.key() == signature.key()) {
            Some(earlier) => *earlier = signature,
            None => all.push(signature),
        }
    }
    if all.len() > MAX_SIGNATURES {
        return Err(refuse(format!(
            "it would have {} signatures, and proxies take at most {MAX_SIGNATURES}; write it again",
            all.len()
        )));
    }
    Ok(all)
}

/// Returns an error if the cluster would store a content that differs from the signed content.
fn expect_signed(draft: &Draft, planned: &PlannedWrite) -> Result<(), WriteError> {
    let form = |directive: &DiagnosticsDirective| SignedForm::new(directive.as_ref(), "").content();
    let is_signed = planned.after.as_ref().is_some_and(|after| {
        after.signatures == draft.signatures
            && form(&after.directive) == form(&draft.to_directive(after.directive.expires_at))
            && draft.expiry == Expiry::At(after.directive.expires_at)
    });
    if is_signed {
        return Ok(());
    }
    let id = draft.id.clone();
    let reason = "the ingest pipeline changes what was signed; install the one of this version \
                  with `directives init`"
        .to_owned();
    Err(Kind::NotSigned { id, reason }.into())
}
