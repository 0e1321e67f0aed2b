//! Sends drafts to the `_simulate` API of the ingest pipeline, which returns the documents that the
//! cluster would store.

use opensearch::ingest::IngestSimulateParts;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::bulk::parts;
use super::directives_api::DirectivesApi;
use super::error::{Kind, Refusal, WriteError};
use crate::http::{BULK_BYTES, Exception, Method, Request, malformed};
use crate::rest::PIPELINE;
use opensearch_directives_core::document::{Document, Draft, decode};

impl DirectivesApi {
    /// Returns the documents that the pipeline would make of the drafts. If the pipeline refuses
    /// some drafts, the method returns an error that lists all refused drafts.
    pub(super) async fn simulate(
        &self,
        drafts: &[Draft],
        sources: &[Box<RawValue>],
    ) -> Result<Vec<Document>, WriteError> {
        let docs: Vec<Value> = drafts
            .iter()
            .zip(sources)
            .map(|(draft, source)| {
                json!({ "_index": self.index(), "_id": draft.id, "_source": source })
            })
            .collect();
        let lengths = sources.iter().map(|source| source.get().len() + 200);
        let (mut documents, mut refused, mut from) = (Vec::new(), Vec::new(), 0);
        for length in parts(lengths, BULK_BYTES) {
            let to = from + length;
            let simulated = self.simulate_part(&docs[from..to]).await?;
            for (draft, outcome) in drafts[from..to].iter().zip(simulated) {
                match outcome {
                    Ok(source) => documents.push(self.decode(&draft.id, &source)?),
                    Err(reason) => refused.push(Refusal {
                        id: draft.id.clone(),
                        reason,
                    }),
                }
            }
            from = to;
        }
        if refused.is_empty() {
            Ok(documents)
        } else {
            Err(Kind::Refused(refused).into())
        }
    }

    fn decode(&self, id: &str, source: &RawValue) -> Result<Document, WriteError> {
        let decoded = decode(id, source.get(), &self.limits());
        let document = decoded.map(|document| document.to_document());
        document.map_err(|source| {
            let id = id.to_owned();
            Kind::Invalid { id, source }.into()
        })
    }

    async fn simulate_part(
        &self,
        docs: &[Value],
    ) -> Result<Vec<Result<Box<RawValue>, String>>, WriteError> {
        #[derive(Deserialize)]
        struct Simulated {
            docs: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            doc: Option<Doc>,
            error: Option<Exception>,
        }
        #[derive(Deserialize)]
        struct Doc {
            #[serde(rename = "_source")]
            source: Box<RawValue>,
        }

        let path = IngestSimulateParts::Id(PIPELINE).url();
        let request = Request::new(Method::Post, path).json(json!({ "docs": docs }).to_string());
        let operation = request.operation();
        let response: Simulated = match self.client.json(request).await {
            Ok(response) => response,
            Err(error) => {
                let missing = format!("pipeline [{PIPELINE}] does not exist");
                return Err(match error.reason() {
                    Some(reason) if reason == missing => Kind::NoPipeline.into(),
                    Some(_) | None => self.failed(error).await,
                });
            }
        };
        let items: Option<Vec<_>> = response
            .docs
            .into_iter()
            .map(|item| match (item.doc, item.error) {
                (_, Some(error)) => Some(Err(error.root_reason())),
                (Some(doc), None) => Some(Ok(doc.source)),
                (None, None) => None,
            })
            .collect();
        match items {
            Some(items) if items.len() == docs.len() => Ok(items),
            _ => Err(malformed(operation, "the response lacks some of the documents").into()),
        }
    }
}
