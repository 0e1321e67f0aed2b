//! Defines the client with which operators read and change directives, and its methods `apply`,
//! `revoke` and `delete`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::error::{Kind, Refusal, WriteError};
use super::execute::Outcome;
use super::planned_write::PlannedWrite;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::http::{Client, Request, RequestError};
use crate::rest::{IndexReader, Session};
use opensearch_directives_core::document::{
    DecodeLimits, Document, Draft, Rejection, decode, is_revoked,
};

/// The version that a document had when it was read. A planned write succeeds only if the document
/// still has the version that was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Version {
    /// The `_seq_no` of the operation that wrote the document.
    pub seq_no: u64,
    /// The primary term of the operation that wrote the document.
    pub primary_term: u64,
}

/// A document as the index stores it, even if proxies reject it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stored {
    /// The document's `_id` in the index, which is also the id of the directive.
    pub id: String,
    /// The decoded document, or the reason why a proxy rejects the document.
    pub document: Result<Document, Rejection>,
    /// The JSON of the document, exactly as the index stores it.
    pub source: Box<RawValue>,
    /// The version of the document, which a planned write requires; `None` if the cluster's
    /// response contains no version.
    pub version: Option<Version>,
}

impl Stored {
    pub(super) fn new(
        id: &str,
        source: &RawValue,
        version: Option<Version>,
        limits: &DecodeLimits,
    ) -> Self {
        Self {
            id: id.to_owned(),
            document: decode(id, source.get(), limits).map(|document| document.to_document()),
            source: source.to_owned(),
            version,
        }
    }

    /// Returns true if the stored JSON of the document has a field with the given name.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        type Fields = serde_json::Map<String, serde_json::Value>;
        serde_json::from_str::<Fields>(self.source.get())
            .is_ok_and(|fields| fields.contains_key(name))
    }

    /// Returns true if the document is revoked, even if the document is malformed.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        is_revoked(self.source.get())
    }
}

/// Reads and changes the directives of one index.
///
/// Plan a change with [`plan`](Self::plan), [`PlannedWrite::revoke`] or [`PlannedWrite::delete`],
/// and then write it with [`execute`](Self::execute). A planned write contains the document that
/// was read, and the document that will be stored. A planned write succeeds only if nobody has
/// changed the stored document since it was read.
#[derive(Clone, Debug)]
pub struct DirectivesApi {
    pub(super) client: Client,
    clock: Arc<dyn Clock>,
    max_ttl: Duration,
    /// The name of the user that the cluster authenticated. Each write stores the name of the
    /// authenticated user in the document.
    pub(super) authenticated_as: Option<String>,
    /// The name under which the history records the writes of this client.
    pub(super) recorded_by: String,
}

impl DirectivesApi {
    /// Creates an API that reads and changes the directives in the client's index.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            clock: Arc::new(SystemClock),
            max_ttl: Config::DEFAULT_MAX_TTL,
            authenticated_as: None,
            recorded_by: "library".to_owned(),
        }
    }

    /// Sets the name under which the [history](crate::history) records the writes of this client.
    /// If the index has a history, the client records each of its writes in the history. By
    /// default, the history records the writes under the name `library`.
    #[must_use]
    pub fn with_recorder_name(mut self, name: impl Into<String>) -> Self {
        self.recorded_by = name.into();
        self
    }

    /// Sets the longest time to live that the client permits for a directive. A directive is
    /// invalid if it expires later than `max_ttl` from now.
    #[must_use]
    pub fn with_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.max_ttl = max_ttl;
        self
    }

    /// Sets the name of the [authenticated user](Self::authenticated_user), which each write then
    /// stores in the document. Each write stores the authenticated user in addition to the author,
    /// because an operator can name any author. Without an authenticated user, each write stores
    /// only the author.
    #[must_use]
    pub fn with_authenticated_user(mut self, name: Option<String>) -> Self {
        self.authenticated_as = name;
        self
    }

    /// Returns the configured name of the index, which may be an alias.
    #[must_use]
    pub fn index(&self) -> &str {
        self.client.index()
    }

    pub(super) fn max_ttl(&self) -> Duration {
        self.max_ttl
    }

    pub(super) fn limits(&self) -> DecodeLimits {
        DecodeLimits {
            now: self.clock.now(),
            max_ttl: self.max_ttl,
        }
    }

    /// Returns the current time according to the cluster's clock. If the user's role does not
    /// permit reading the cluster's time, the method returns the time of the local clock.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the response does not come from
    /// OpenSearch.
    pub async fn now(&self) -> Result<Timestamp, WriteError> {
        let time = self.session().cluster_time().await?;
        Ok(time.unwrap_or_else(|| self.clock.now()))
    }

    /// Returns the name of the user that the cluster authenticated. Returns `None` if the cluster
    /// reports no user, for example because it has no security plugin.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond.
    pub async fn authenticated_user(&self) -> Result<Option<String>, WriteError> {
        Ok(self.caller().await?.map(|caller| caller.name))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn session(&self) -> Session {
        // Readers limit the number of documents. An operator needs all of them, to delete some of
        // them after a reader's limit was exceeded.
        IndexReader::new(self.client.clone(), "list", usize::MAX).session()
    }

    /// Writes directives, and returns as soon as searches find the written directives.
    ///
    /// Each draft replaces the stored document with the same id. A draft that replaces a stored
    /// document preserves only the author and the time of the document's first write. Before the
    /// first draft is written, all drafts are checked, first locally and then by the cluster's
    /// pipeline.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if at least one directive was not written. The error's text says
    /// whether other directives of the same call were written.
    pub async fn apply(&self, drafts: &[Draft]) -> Result<(), WriteError> {
        let plan = self.plan(drafts).await?;
        self.execute_all(plan).await
    }

    /// Revokes a directive, and returns as soon as searches find the revoked document. A revoked
    /// directive stays in the index but applies to no request. If the directive is already revoked
    /// or has expired, the method writes nothing.
    ///
    /// # Errors
    /// Returns an error if the revocation could not be written. If no directive has the given id,
    /// [`WriteError::is_not_found`] returns true for the error.
    pub async fn revoke(&self, id: &str, revoked_by: Option<&str>) -> Result<(), WriteError> {
        let stored = self.require(id).await?;
        let now = self.now().await?;
        let plan = PlannedWrite::revoke(stored, now, revoked_by, None);
        self.execute_all(vec![plan]).await
    }

    /// Deletes a directive, including the fields that say who wrote it and when.
    ///
    /// # Errors
    /// Returns an error if the directive could not be deleted. If no directive has the given id,
    /// [`WriteError::is_not_found`] returns true for the error.
    pub async fn delete(&self, id: &str) -> Result<(), WriteError> {
        let stored = self.require(id).await?;
        self.execute_all(vec![PlannedWrite::delete(stored)]).await
    }

    async fn require(&self, id: &str) -> Result<Stored, WriteError> {
        let stored = self.get(id).await?;
        stored.ok_or_else(|| Kind::NotFound(id.to_owned()).into())
    }

    async fn execute_all(&self, plan: Vec<PlannedWrite>) -> Result<(), WriteError> {
        let report = self.execute(plan).await;
        let mut written = 0;
        let mut problems = Vec::new();
        let mut conflict = None;
        for (planned, outcome) in report.outcomes {
            let reason = match outcome {
                Outcome::Written | Outcome::Unchanged => {
                    written += 1;
                    continue;
                }
                Outcome::Conflict { .. } => {
                    conflict.get_or_insert_with(|| planned.id.clone());
                    "somebody else changed it in the meantime".to_owned()
                }
                Outcome::Refused { reason } => reason,
                Outcome::Unknown => "it is not known whether it was written".to_owned(),
                Outcome::NotSent => "it was not sent".to_owned(),
            };
            let id = planned.id;
            problems.push(Refusal { id, reason });
        }
        match (report.failure, conflict) {
            (Some(error), _) if written == 0 => Err(error),
            (None, Some(id)) if written == 0 => Err(Kind::Conflict(id).into()),
            _ if problems.is_empty() => Ok(()),
            _ if written == 0 => Err(Kind::Refused(problems).into()),
            _ => Err(Kind::Partial { written, problems }.into()),
        }
    }

    /// Sends a request to the cluster, and decodes the JSON of the response as a `T`.
    pub(super) async fn json<T: serde::de::DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, WriteError> {
        match self.client.json(request).await {
            Ok(response) => Ok(response),
            Err(error) => Err(self.failed(error).await),
        }
    }

    pub(super) async fn failed(&self, error: RequestError) -> WriteError {
        if error.is_index_not_found() {
            self.no_index().await
        } else {
            error.into()
        }
    }
}

#[cfg(test)]
#[path = "directives_api_tests.rs"]
mod tests;
