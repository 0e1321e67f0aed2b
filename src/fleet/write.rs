//! Writes reports into the index of the fleet, and deletes those of instances that ended long ago.

use std::collections::HashMap;

use opensearch::indices::IndicesGetMappingParts;
use opensearch::{BulkParts, SearchParts};
use serde::Deserialize;
use serde_json::json;

use super::instance_report::InstanceReport;
use crate::http::{Client, Exception, Method, Request, RequestError, malformed};

/// The time after the last report after which the document of an instance is deleted.
const KEPT_FOR: &str = "7d";
/// The number of documents that one request deletes.
const MAX_DELETED: u64 = 100;

/// Writes the reports of one instance.
#[derive(Clone, Debug)]
pub(super) struct ReportWriter {
    /// A client of the fleet's index. It has its own view of the nodes, so a refused report does not
    /// influence the polls.
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
        // A write would create a missing index, without the mapping.
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
        // The id is part of the body, because a path cannot contain every name.
        let action = json!({ "index": { "_id": report.instance } });
        let path = BulkParts::Index(self.client.index()).url();
        let request = Request::new(Method::Post, path)
            .body("application/x-ndjson", format!("{action}\n{document}\n"));
        let operation = request.operation();
        let body = self.send(request).await?;
        let response: Bulk = serde_json::from_slice(&body)
            .map_err(|error| ReportError::Request(malformed(operation, error)))?;
        let items = response.items.into_iter().flat_map(HashMap::into_values);
        match items.filter_map(|item| item.error).next() {
            None => Ok(()),
            Some(error) => Err(ReportError::Refused {
                index: self.client.index().to_owned(),
                reason: error.root_reason().to_owned(),
            }),
        }
    }

    /// Deletes the documents of instances that have not reported for a week, by the clock of the
    /// cluster. Instances with random names would fill the index otherwise.
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
        let operation = request.operation();
        let body = self.send(request).await?;
        let found: Found = serde_json::from_slice(&body)
            .map_err(|error| ReportError::Request(malformed(operation, error)))?;
        let deletions: String = found.hits.hits.iter().map(Old::deletion).collect();
        if deletions.is_empty() {
            return Ok(());
        }
        let path = BulkParts::Index(self.client.index()).url();
        let request = Request::new(Method::Post, path).body("application/x-ndjson", deletions);
        self.send(request).await.map(drop)
    }

    async fn send(&self, request: Request) -> Result<bytes::Bytes, ReportError> {
        self.client.send(request).await.map_err(|error| {
            if error.is_index_not_found() {
                ReportError::NoIndex(self.client.index().to_owned())
            } else {
                ReportError::Request(error)
            }
        })
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
    /// The bulk action that deletes the document unless the instance has reported again.
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
    /// The time that the server asks to wait, if it is overloaded.
    pub(super) fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Request(error) => error.retry_after(),
            Self::NoIndex(_) | Self::Refused { .. } => None,
        }
    }
}
