//! Plans the writes that store drafts as directives. The ingest pipeline returns the documents that
//! it would store for the drafts, and the plan compares these documents with the stored ones.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::directives_api::{DirectivesApi, Stored};
use super::error::{Kind, WriteError};
use super::planned_write::{AUTHENTICATED_AS, PlannedWrite};
use opensearch_directives_core::document::{Audit, Draft, encode_draft};

impl DirectivesApi {
    /// Creates the planned writes that store directives, without executing them. The method checks
    /// each draft locally and with the cluster's pipeline, and compares the draft with the stored
    /// document.
    ///
    /// # Errors
    /// Returns an error if a request fails, or if a draft is not valid. If a draft is not valid,
    /// [`WriteError::is_invalid`] or [`WriteError::is_refused`] returns true for the error.
    pub async fn plan(&self, drafts: &[Draft]) -> Result<Vec<PlannedWrite>, WriteError> {
        self.check(drafts)?;
        let ids: Vec<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
        let stored = self.get_many(&ids).await?;
        self.plan_from(drafts, stored).await
    }

    /// Works like [`plan`](Self::plan), but compares the drafts with documents that the caller has
    /// already read. The list `stored` must have one entry for each draft.
    ///
    /// # Errors
    /// Returns the errors of [`plan`](Self::plan).
    pub async fn plan_from(
        &self,
        drafts: &[Draft],
        stored: Vec<Option<Stored>>,
    ) -> Result<Vec<PlannedWrite>, WriteError> {
        self.check(drafts)?;
        let sources = |authenticated_as: Option<&str>| -> Vec<Box<RawValue>> {
            let records = stored.iter().map(|stored| Audit {
                authenticated_as: authenticated_as.map(str::to_owned),
                ..created(stored.as_ref())
            });
            drafts
                .iter()
                .zip(records)
                .map(|(draft, record)| encode_draft(draft, &record))
                .collect()
        };
        let mut encoded = sources(self.authenticated_as.as_deref());
        let simulated = match self.simulate(drafts, &encoded).await {
            // An older pipeline refuses the field `authenticated_as`, so the code repeats the
            // simulation without this field. Operators must be able to write directives even before
            // the pipeline is upgraded.
            Err(error) if error.is_unknown_field(AUTHENTICATED_AS) => {
                encoded = sources(None);
                self.simulate(drafts, &encoded).await?
            }
            simulated => simulated?,
        };
        let planned = drafts.iter().zip(stored).zip(encoded).zip(simulated);
        Ok(planned
            .map(|(((draft, before), source), after)| {
                PlannedWrite::store(draft, before, source, after)
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

/// Returns who first wrote a stored directive, and when. A write that replaces the directive
/// preserves the author and the time of the first write.
fn created(stored: Option<&Stored>) -> Audit {
    #[derive(Default, Deserialize)]
    struct Created {
        created_at: Option<Value>,
        created_by: Option<Value>,
    }
    let Some(stored) = stored else {
        return Audit::default();
    };
    // The code reads `created_at` and `created_by` even if the document is malformed, so that its
    // replacement preserves both fields.
    let created: Created = serde_json::from_str(stored.source.get()).unwrap_or_default();
    let text = |value: Option<Value>| value?.as_str().map(str::to_owned);
    Audit {
        created_at: text(created.created_at).and_then(|time| time.parse().ok()),
        created_by: text(created.created_by),
        ..Audit::default()
    }
}
