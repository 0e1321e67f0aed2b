//! Writes directives into the index: apply, revoke, delete; and reads them for people.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::clock::{Clock, SystemClock};
use crate::cluster::{Client, Exception, Method, Request, RequestError, malformed, segment};
use crate::config::Config;
use crate::document::{Audit, DecodeLimits, Document, Draft, Rejection, decode, encode_draft};
use crate::hits::{Hit, Incomplete};
use crate::index::PIPELINE;
use crate::source::{Collect, ReadError, Source};

/// Why nothing was written, or not everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A draft that no proxy would take. Nothing was written.
    #[error("{id}: not a directive; nothing was written")]
    Draft {
        /// The draft's id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Rejection,
    },
    /// The cluster's pipeline refuses drafts. Nothing was written.
    #[error("the cluster refuses {} of the directives; nothing was written{}", .0.len(), Refusals(.0))]
    Refused(Vec<Refusal>),
    /// Some were written and some were not.
    #[error("{written} written, {} not{}", .refused.len(), Refusals(.refused))]
    Partly {
        /// How many were written.
        written: usize,
        /// Which were not, and why.
        refused: Vec<Refusal>,
    },
    /// The index does not exist. Nothing was written.
    #[error("the index {0} does not exist; create it with `directives init`")]
    NoIndex(String),
    /// The pipeline does not exist. Nothing was written.
    #[error("the ingest pipeline {PIPELINE} does not exist; install it with `directives init`")]
    NoPipeline,
    /// No directive has this id.
    #[error("there is no directive {0}")]
    NotFound(String),
    /// The cluster could not be asked.
    #[error("cannot write to the cluster")]
    Request(#[from] RequestError),
    /// The index could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A directive that the cluster refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The directive's id.
    pub id: String,
    /// What the cluster said.
    pub reason: String,
}

struct Refusals<'a>(&'a [Refusal]);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LISTED: usize = 20;
        for refusal in self.0.iter().take(LISTED) {
            write!(f, "\n  {}: {}", refusal.id, refusal.reason)?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

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
    client: Client,
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

    fn limits(&self) -> DecodeLimits {
        DecodeLimits {
            now: self.clock.now(),
            max_ttl: self.max_ttl,
        }
    }

    /// Writes directives; one that exists is replaced whole, and keeps only who wrote
    /// it first and when. Returns when a search finds them.
    ///
    /// Each is checked here and by the cluster's pipeline before the first is written.
    ///
    /// # Errors
    /// [`WriteError`]; only [`WriteError::Partly`], and a connection that breaks while
    /// the cluster writes, leave something written.
    pub async fn apply(&self, drafts: &[Draft]) -> Result<(), WriteError> {
        let limits = self.limits();
        for draft in drafts {
            draft.check(&limits).map_err(|source| WriteError::Draft {
                id: draft.id.clone(),
                source,
            })?;
        }
        let mut created = self.created(drafts).await?;
        let documents: Vec<(&str, Box<RawValue>)> = drafts
            .iter()
            .map(|draft| {
                let created = created.remove(&draft.id).unwrap_or_default();
                (draft.id.as_str(), encode_draft(draft, &created))
            })
            .collect();
        self.simulate(&documents).await?;
        self.write(&documents).await
    }

    /// Who wrote first, and when, what is there already.
    async fn created(&self, drafts: &[Draft]) -> Result<HashMap<String, Audit>, WriteError> {
        #[derive(Deserialize)]
        struct Answer {
            docs: Vec<Found>,
        }
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "_id")]
            id: String,
            #[serde(rename = "_source")]
            source: Option<Created>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Created {
            created_at: Option<serde_json::Value>,
            created_by: Option<serde_json::Value>,
        }

        let ids: Vec<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
        let request = self
            .request(Method::Post, "_mget")
            .query("_source_includes", "created_at,created_by")
            .json(json!({ "ids": ids }).to_string());
        let answer: Answer = self
            .client
            .json(request)
            .await
            .map_err(|e| self.failed(e))?;
        if answer.docs.iter().all(|found| found.source.is_none()) {
            // A search of a missing index fails; a multi-get only finds nothing.
            self.require_index().await?;
        }
        Ok(answer
            .docs
            .into_iter()
            .filter_map(|found| {
                let created = found.source?;
                let text = |value: Option<serde_json::Value>| value?.as_str().map(str::to_owned);
                let audit = Audit {
                    created_at: text(created.created_at).and_then(|time| time.parse().ok()),
                    created_by: text(created.created_by),
                    ..Audit::default()
                };
                Some((found.id, audit))
            })
            .collect())
    }

    async fn require_index(&self) -> Result<(), WriteError> {
        let path = format!("/{}/_settings/index.uuid", segment(self.client.index()));
        let asked = self.client.send(Request::new(Method::Get, path)).await;
        asked.map(drop).map_err(|error| self.failed(error))
    }

    /// Asks the pipeline what it would make of the documents.
    async fn simulate(&self, documents: &[(&str, Box<RawValue>)]) -> Result<(), WriteError> {
        #[derive(Deserialize)]
        struct Answer {
            docs: Vec<Outcome>,
        }
        #[derive(Deserialize)]
        struct Outcome {
            error: Option<Exception>,
        }

        let docs: Vec<_> = documents
            .iter()
            .map(|(id, source)| json!({ "_index": self.client.index(), "_id": id, "_source": source }))
            .collect();
        let path = format!("/_ingest/pipeline/{PIPELINE}/_simulate");
        let request = Request::new(Method::Post, path).json(json!({ "docs": docs }).to_string());
        let answer: Answer = self.client.json(request).await.map_err(|error| {
            let missing = format!("pipeline [{PIPELINE}] does not exist");
            match &error.kind {
                crate::cluster::RequestErrorKind::Status { reason, .. } if *reason == missing => {
                    WriteError::NoPipeline
                }
                _ => self.failed(error),
            }
        })?;
        let refused: Vec<Refusal> = documents
            .iter()
            .zip(answer.docs)
            .filter_map(|((id, _), outcome)| {
                Some(Refusal::from(((*id).to_owned(), outcome.error?)))
            })
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(WriteError::Refused(refused))
        }
    }

    async fn write(&self, documents: &[(&str, Box<RawValue>)]) -> Result<(), WriteError> {
        let mut body = String::new();
        for (id, source) in documents {
            body.push_str(&json!({ "index": { "_id": id, "pipeline": PIPELINE } }).to_string());
            body.push('\n');
            body.push_str(source.get());
            body.push('\n');
        }
        let refused: Vec<Refusal> = self
            .bulk(body, documents.len())
            .await?
            .into_iter()
            .map(Refusal::from)
            .collect();
        match documents.len() - refused.len() {
            _ if refused.is_empty() => Ok(()),
            0 => Err(WriteError::Refused(refused)),
            written => Err(WriteError::Partly { written, refused }),
        }
    }

    /// Sends bulk actions, and gives those that were refused.
    async fn bulk(
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

        let preference = "directives-list".to_owned();
        let source = Source::new(
            self.client.clone(),
            preference,
            Config::DEFAULT_MAX_DOCUMENTS,
        );
        let index = source.index().await?;
        let all = All {
            limits: self.limits(),
            stored: Vec::new(),
        };
        let (_, mut all) = source.read(&index, all).await?;
        all.stored.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all.stored)
    }

    fn request(&self, method: Method, rest: &str) -> Request {
        Request::new(method, format!("/{}/{rest}", segment(self.client.index())))
    }

    fn failed(&self, error: RequestError) -> WriteError {
        if error.is_index_not_found() {
            WriteError::NoIndex(self.client.index().to_owned())
        } else {
            WriteError::Request(error)
        }
    }
}

impl From<(String, Exception)> for Refusal {
    fn from((id, error): (String, Exception)) -> Self {
        Self {
            id,
            reason: error.root_reason().to_owned(),
        }
    }
}
