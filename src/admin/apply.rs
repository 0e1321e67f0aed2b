//! Writing directives: checked here, then by the cluster, and only then written.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::directives_api::DirectiveWriter;
use super::error::{Refusal, WriteError};
use crate::admin::PIPELINE;
use crate::http::{Exception, Method, Request, malformed, segment};
use opensearch_directives_core::document::{Audit, Draft, encode_draft};

impl DirectiveWriter {
    /// Writes directives; one that exists is replaced whole, and keeps only who wrote
    /// it first and when. Returns when a search finds them.
    ///
    /// Each is checked here and by the cluster's pipeline before the first is written.
    ///
    /// # Errors
    /// [`WriteError`]; only [`WriteError::Partly`], and a connection that breaks while
    /// the cluster writes, leave something written.
    pub async fn apply(&self, drafts: &[Draft]) -> Result<(), WriteError> {
        if drafts.is_empty() {
            return Ok(());
        }
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
        let operation = request.operation();
        let answer: Answer = self.client.json(request).await.map_err(|error| {
            let missing = format!("pipeline [{PIPELINE}] does not exist");
            match error.reason() {
                Some(reason) if reason == missing => WriteError::NoPipeline,
                _ => self.failed(error),
            }
        })?;
        if answer.docs.len() != documents.len() {
            return Err(malformed(operation, "not an answer for each document").into());
        }
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
}
