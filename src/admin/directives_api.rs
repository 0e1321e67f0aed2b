//! Writes directives into the index: apply, revoke, delete; and reads them for people.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::http::{Client, Exception, Method, Request, RequestError, malformed, segment};
use crate::rest::Source;
use crate::rest::{Collect, Hit, Incomplete};
use opensearch_directives_core::document::{DecodeLimits, Document, Rejection, decode};

use super::error::WriteError;

/// A document as it is kept, whether a proxy takes it or not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stored {
    /// The document's id.
    pub id: String,
    /// What a proxy makes of it.
    pub document: Result<Document, Rejection>,
    /// What is kept, as JSON.
    pub source: Box<RawValue>,
}

impl Stored {
    fn read(id: &str, source: &RawValue, limits: &DecodeLimits) -> Self {
        Self {
            id: id.to_owned(),
            document: decode(id, source.get(), limits).map(|document| document.to_document()),
            source: source.to_owned(),
        }
    }
}

/// Writes directives, and reads them for people.
#[derive(Clone, Debug)]
pub struct DirectiveWriter {
    pub(super) client: Client,
    clock: Arc<dyn Clock>,
    max_ttl: Duration,
}

impl DirectiveWriter {
    /// A writer for the client's index.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            clock: Arc::new(SystemClock),
            max_ttl: Config::DEFAULT_MAX_TTL,
        }
    }

    /// Sets how far ahead an expiry may lie.
    #[must_use]
    pub fn with_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.max_ttl = max_ttl;
        self
    }

    pub(super) fn limits(&self) -> DecodeLimits {
        DecodeLimits {
            now: self.clock.now(),
            max_ttl: self.max_ttl,
        }
    }

    /// Sends bulk actions, and gives those that were refused.
    pub(super) async fn bulk(
        &self,
        body: String,
        actions: usize,
    ) -> Result<Vec<(String, Exception)>, WriteError> {
        #[derive(Deserialize)]
        struct Answer {
            // Each with one key, the action's name.
            items: Vec<HashMap<String, Outcome>>,
        }
        #[derive(Deserialize)]
        struct Outcome {
            #[serde(rename = "_id")]
            id: String,
            error: Option<Exception>,
        }

        let request = self
            .request(Method::Post, "_bulk")
            .query("refresh", "true")
            .body("application/x-ndjson", body);
        let operation = request.operation();
        let answer: Answer = self
            .client
            .json(request)
            .await
            .map_err(|e| self.failed(e))?;
        if answer.items.len() != actions {
            return Err(malformed(operation, "not an answer for each action").into());
        }
        Ok(answer
            .items
            .into_iter()
            .flatten()
            .filter_map(|(_, outcome)| Some((outcome.id, outcome.error?)))
            .collect())
    }

    /// Revokes a directive: it stays, for whoever audits, and applies nowhere. One that
    /// was revoked before stays as it is. Returns when a search finds it revoked.
    ///
    /// # Errors
    /// [`WriteError::NotFound`], or why it could not be written.
    pub async fn revoke(&self, id: &str, revoked_by: Option<&str>) -> Result<(), WriteError> {
        let stored = self
            .get(id)
            .await?
            .ok_or_else(|| WriteError::NotFound(id.to_owned()))?;
        if matches!(&stored.document, Ok(document) if document.audit.revoked_at.is_some()) {
            return Ok(());
        }
        let now = self.clock.now();
        let mut changes = json!({ "revoked_at": now, "updated_at": now });
        if let Some(author) = revoked_by {
            changes["revoked_by"] = author.into();
            changes["updated_by"] = author.into();
        }
        // A bulk update does not go through the pipeline, which would refuse a document
        // that is malformed: whatever is there can be revoked.
        let action = json!({ "update": { "_id": id, "retry_on_conflict": 3 } });
        let body = format!("{action}\n{}\n", json!({ "doc": changes }));
        let refused = self.bulk(body, 1).await?;
        match refused.into_iter().next() {
            None => Ok(()),
            Some((_, error)) if error.is("document_missing_exception") => {
                Err(WriteError::NotFound(id.to_owned()))
            }
            Some(refused) => Err(WriteError::Refused(vec![refused.into()])),
        }
    }

    /// Deletes a directive, and with it whatever shows that it was.
    ///
    /// # Errors
    /// [`WriteError::NotFound`], or why it could not be deleted.
    pub async fn delete(&self, id: &str) -> Result<(), WriteError> {
        let request = self
            .request(Method::Delete, &format!("_doc/{}", segment(id)))
            .query("refresh", "true");
        match self.client.send(request).await {
            Ok(_) => Ok(()),
            Err(error) if error.status() == Some(404) && !error.is_index_not_found() => {
                Err(WriteError::NotFound(id.to_owned()))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The document of this id, as it is kept this instant.
    ///
    /// # Errors
    /// Why it could not be read.
    pub async fn get(&self, id: &str) -> Result<Option<Stored>, WriteError> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "_source")]
            source: Option<Box<RawValue>>,
        }
        let request = self.request(Method::Get, &format!("_doc/{}", segment(id)));
        match self.client.json::<Found>(request).await {
            Ok(found) => Ok(found
                .source
                .map(|source| Stored::read(id, &source, &self.limits()))),
            Err(error) if error.status() == Some(404) && !error.is_index_not_found() => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Every document of the index, ordered by id.
    ///
    /// # Errors
    /// Why the index could not be read completely.
    pub async fn list(&self) -> Result<Vec<Stored>, WriteError> {
        struct All {
            limits: DecodeLimits,
            stored: Vec<Stored>,
        }
        impl Collect for All {
            fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
                let stored = Stored::read(&hit.id, hit.source, &self.limits);
                self.stored.push(stored);
                Ok(())
            }
        }

        let source = Source::new(self.client.clone(), "list", Config::DEFAULT_MAX_DOCUMENTS);
        let index = source.index().await?;
        let all = All {
            limits: self.limits(),
            stored: Vec::new(),
        };
        let mut all = source.read(&index, all).await?.collector;
        all.stored.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all.stored)
    }

    pub(super) fn request(&self, method: Method, rest: &str) -> Request {
        Request::new(method, format!("/{}/{rest}", segment(self.client.index())))
    }

    pub(super) fn failed(&self, error: RequestError) -> WriteError {
        if error.is_index_not_found() {
            WriteError::NoIndex(self.client.index().to_owned())
        } else {
            WriteError::Request(error)
        }
    }
}
