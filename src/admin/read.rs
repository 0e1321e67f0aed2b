//! Reads stored directives: single directives by id in real time, or all directives of the index.

use std::collections::BTreeMap;

use opensearch::MgetParts;
use opensearch::indices::IndicesGetMappingParts;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use super::directives_api::{DirectivesApi, Stored, Version};
use super::error::{Kind, Refusal, WriteError};
use crate::http::{Exception, Method, Request, malformed};
use crate::rest::{Collect, Hit, Incomplete};
use opensearch_directives_core::document::DecodeLimits;

/// One multi-get request reads at most this many documents, so the response stays far below the
/// size limit of responses.
const MULTI_GET: usize = 2_000;

/// The response to a multi-get request, with one item for each requested id.
#[derive(Deserialize)]
struct MultiGet {
    docs: Vec<Item>,
}
/// The item for one id in a multi-get response: a document, the information that no document
/// exists, or an error.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "_id")]
    id: String,
    found: Option<bool>,
    error: Option<Exception>,
    #[serde(rename = "_source")]
    source: Option<Box<RawValue>>,
    #[serde(rename = "_seq_no")]
    seq_no: Option<u64>,
    #[serde(rename = "_primary_term")]
    primary_term: Option<u64>,
}

impl DirectivesApi {
    /// Reads the document with the given id. Returns `None` if OpenSearch reports that the document
    /// does not exist.
    ///
    /// # Errors
    /// Returns an error if the document could not be read.
    pub async fn get(&self, id: &str) -> Result<Option<Stored>, WriteError> {
        Ok(self.get_many(&[id]).await?.pop().flatten())
    }

    /// Reads the documents with the given ids in real time, without waiting for a refresh. The
    /// returned list has one entry for each id, in the order of `ids`. The entry of an id is `None`
    /// if no document has this id.
    ///
    /// # Errors
    /// Returns an error if one of the documents could not be read.
    pub async fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<Stored>>, WriteError> {
        let mut all = Vec::with_capacity(ids.len());
        for part in ids.chunks(MULTI_GET) {
            all.extend(self.multi_get(part).await?);
        }
        Ok(all)
    }

    async fn multi_get(&self, ids: &[&str]) -> Result<Vec<Option<Stored>>, WriteError> {
        let path = MgetParts::Index(self.client.index()).url();
        let request = Request::new(Method::Post, path).json(json!({ "ids": ids }).to_string());
        let operation = request.operation();
        let response: MultiGet = self.json(request).await?;
        if response.docs.len() != ids.len() {
            return Err(
                malformed(operation, "the response lacks some of the requested ids").into(),
            );
        }
        let limits = self.limits();
        let mut all = Vec::with_capacity(ids.len());
        for (id, item) in ids.iter().zip(response.docs) {
            if item.id != **id {
                return Err(malformed(
                    operation,
                    "the response contains an id that was not requested",
                )
                .into());
            }
            all.push(match (item.found, item.error, item.source) {
                (Some(false), None, None) => None,
                (Some(true), None, Some(source)) => {
                    let version = item.seq_no.zip(item.primary_term);
                    let version = version.map(|(seq_no, primary_term)| Version {
                        seq_no,
                        primary_term,
                    });
                    Some(Stored::new(id, &source, version, &limits))
                }
                (_, Some(error), _) if error.is("index_not_found_exception") => {
                    return Err(self.no_index().await);
                }
                (_, Some(error), _) => {
                    let reason = error.root_reason();
                    let id = (*id).to_owned();
                    return Err(Kind::Refused(vec![Refusal { id, reason }]).into());
                }
                _ => {
                    return Err(malformed(
                        operation,
                        "the response does not state whether a document exists",
                    )
                    .into());
                }
            });
        }
        Ok(all)
    }

    /// Reads every document of the index, ordered by id.
    ///
    /// # Errors
    /// Returns an error if the index could not be read completely.
    pub async fn list(&self) -> Result<Vec<Stored>, WriteError> {
        struct All {
            limits: DecodeLimits,
            stored: Vec<Stored>,
        }
        impl Collect for All {
            fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
                let version = hit.primary_term.map(|primary_term| Version {
                    seq_no: hit.seq_no,
                    primary_term,
                });
                let stored = Stored::new(&hit.id, hit.source, version, &self.limits);
                self.stored.push(stored);
                Ok(())
            }
        }

        let mut session = self.session();
        let index = match session.resolve_index().await {
            Ok(index) => index,
            Err(error) if error.is_index_not_found() => return Err(self.no_index().await),
            Err(error) => return Err(error.into()),
        };
        let all = All {
            limits: self.limits(),
            stored: Vec::new(),
        };
        let mut all = session.read_all(&index, all).await?.collector;
        all.stored.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all.stored)
    }

    /// Creates the error for an index that does not exist. The name of the missing index may be
    /// mistyped, so the error lists the indices that contain directives.
    pub(crate) async fn no_index(&self) -> WriteError {
        #[derive(Deserialize)]
        struct Index {
            mappings: Mappings,
        }
        #[derive(Deserialize)]
        struct Mappings {
            #[serde(rename = "_meta")]
            meta: Option<Meta>,
            /// `Some` only if the mapping contains `sample_per_mille`, the one field for which the
            /// request asks. An index of directives has the field `sample_per_mille`, but the
            /// history and the fleet's index do not have it.
            properties: Option<IgnoredAny>,
        }
        #[derive(Deserialize)]
        struct Meta {
            managed_by: Option<String>,
        }
        let filter = "*.mappings._meta.managed_by,*.mappings.properties.sample_per_mille.type";
        let request = Request::new(Method::Get, IndicesGetMappingParts::None.url())
            .query("filter_path", filter);
        let all = self.client.json::<BTreeMap<String, Index>>(request).await;
        let ours = |index: &Index| {
            let meta = index.mappings.meta.as_ref();
            let managed_by = meta.and_then(|meta| meta.managed_by.as_deref());
            managed_by == Some("opensearch-directives") && index.mappings.properties.is_some()
        };
        Kind::NoIndex {
            index: self.client.index().to_owned(),
            // If the user's role does not permit reading the mappings, the error lists no other
            // indices.
            others: all
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(name, index)| ours(&index).then_some(name))
                .collect(),
        }
        .into()
    }
}
