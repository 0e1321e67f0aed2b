//! Writes reports into the fleet's index, and deletes the reports of instances that ended long ago.

use std::collections::HashMap;

use opensearch::indices::IndicesGetMappingParts;
use opensearch::{BulkParts, SearchParts};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::instance_report::InstanceReport;
use crate::http::{Client, Exception, Method, Request, RequestError};

/// The document of an instance is deleted this long after the instance's last report.
const KEPT_FOR: &str = "7d";
/// The maximum number of documents that one request deletes.
const MAX_DELETED: u64 = 100;

/// Writes the reports of one instance.
#[derive(Clone, Debug)]
pub(super) struct ReportWriter {
    /// A client of the fleet's index. This client has its own list of node states, so a refused
    /// report does not influence the polls.
    client: Client,
    /// Whether the index existed at the last request.
    has_index: bool,
}

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error("the index {0} does not exist; create it with `directives init --fleet`")]
    NoIndex(String),
    #[error("the index {index} refuses the report: {reason}")]
    Refused { index: String, reason: String },
    #[error("the report could not be written")]
    Request(#[source] RequestError),
}

impl ReportWriter {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            has_index: false,
        }
    }

    /// Replaces the document of the instance.
    pub(super) async fn write(&mut self, report: &InstanceReport) -> Result<(), ReportError> {
        // A write to an index that does not exist would create the index without the mapping.
        if !self.has_index {
            let path = IndicesGetMappingParts::Index(&[self.client.index()]).url();
            self.send(Request::new(Method::Get, path)).await?;
            self.has_index = true;
        }
        let written = self.index(report).await;
        self.has_index = written.is_ok();
        written
    }

    async fn index(&self, report: &InstanceReport) -> Result<(), ReportError> {
        #[derive(Deserialize)]
        struct Bulk {
            items: Vec<HashMap<String, Item>>,
        }
        #[derive(Deserialize)]
        struct Item {
            error: Option<Exception>,
        }

        let document = serde_json::to_string(report).unwrap_or_default();
        // The id is sent in the body, because not every instance name is valid in a path.
        let action = json!({ "index": { "_id": report.instance } });
        let path = BulkParts::Index(self.client.index()).url();
        let request = Request::new(Method::Post, path)
            .body("application/x-ndjson", format!("{action}\n{document}\n"));
        let response: Bulk = self.json(request).await?;
        let mut items = response.items.into_iter().flat_map(HashMap::into_values);
        match items.find_map(|item| item.error) {
            None => Ok(()),
            Some(error) => Err(ReportError::Refused {
                index: self.client.index().to_owned(),
                reason: error.root_reason().to_owned(),
            }),
        }
    }

    /// Deletes the documents of instances that have not reported for a week, by the clock of the
    /// cluster. Otherwise, instances with random names would fill the index over time.
    pub(super) async fn delete_old(&self) -> Result<(), ReportError> {
        let path = SearchParts::Index(&[self.client.index()]).url();
        let range = json!({ "lt": format!("now-{KEPT_FOR}") });
        let query = json!({
            "size": MAX_DELETED,
            "_source": false,
            "seq_no_primary_term": true,
            "query": { "range": { "reported_at": range } },
        });
        let request = Request::new(Method::Post, path).json(query.to_string());
        let found: Found = self.json(request).await?;
        let deletions: String = found.hits.hits.iter().map(Old::deletion).collect();
        if deletions.is_empty() {
            return Ok(());
        }
        let path = BulkParts::Index(self.client.index()).url();
        let request = Request::new(Method::Post, path).body("application/x-ndjson", deletions);
        self.send(request).await.map(drop)
    }

    async fn send(&self, request: Request) -> Result<bytes::Bytes, ReportError> {
        let response = self.client.send(request).await;
        response.map_err(|error| self.failed(error))
    }

    async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, ReportError> {
        let response = self.client.json(request).await;
        response.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: RequestError) -> ReportError {
        if error.is_index_not_found() {
            ReportError::NoIndex(self.client.index().to_owned())
        } else {
            ReportError::Request(error)
        }
    }
}

/// The response to the search for old documents.
#[derive(Deserialize)]
struct Found {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Old>,
}

#[derive(Deserialize)]
struct Old {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_seq_no")]
    seq_no: u64,
    #[serde(rename = "_primary_term")]
    primary_term: u64,
}

impl Old {
    /// Returns the bulk action that deletes the document. The action has no effect if the instance
    /// has reported again.
    fn deletion(&self) -> String {
        let target = json!({
            "_id": self.id,
            "if_seq_no": self.seq_no,
            "if_primary_term": self.primary_term,
        });
        format!("{}\n", json!({ "delete": target }))
    }
}

impl ReportError {
    /// Returns how long the server wants the client to wait; `None` if the server requests no
    /// pause.
    pub(super) fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Request(error) => error.retry_after(),
            Self::NoIndex(_) | Self::Refused { .. } => None,
        }
    }
}
