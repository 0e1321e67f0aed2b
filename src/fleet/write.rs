//! Writes reports into the fleet's index, and deletes the reports of instances that ended long ago.

use opensearch::indices::IndicesGetMappingParts;
use opensearch::{BulkParts, SearchParts};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::instance_report::InstanceReport;
use crate::http::{ActionStatus, BulkResponse, Client, Method, Request, RequestError};

/// The document of an instance is deleted when this time has passed since its last report.
const KEPT_FOR: &str = "7d";
/// The maximum number of documents that one request deletes.
const MAX_DELETED: u64 = 100;

/// Writes reports into the fleet's index.
#[derive(Clone, Debug)]
pub(super) struct IndexWriter {
    /// The client that sends requests to the fleet's index. The writer's client has its own list of
    /// node states, so a refused report does not influence the polls.
    client: Client,
    /// Whether the fleet's index existed at the last request.
    has_index: bool,
}

/// The error if reports could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error("the index {0} does not exist; create it with `directives init --fleet`")]
    NoIndex(String),
    #[error("the index {index} refuses the report: {reason}")]
    Refused { index: String, reason: String },
    #[error("the report could not be written")]
    Request(#[source] RequestError),
}

/// The refusal of one report by the fleet's index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether the index would refuse the same report every time.
    pub(super) is_final: bool,
}

impl IndexWriter {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            has_index: false,
        }
    }

    pub(super) fn index(&self) -> &str {
        self.client.index()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Replaces the documents of the instances by the given reports, and returns the refusal of
    /// each report that the index did not accept.
    pub(super) async fn write(
        &mut self,
        reports: &[InstanceReport],
    ) -> Result<Vec<Option<Refusal>>, ReportError> {
        // The code first checks whether the fleet's index exists, because a write to a missing
        // index would create the index without its mapping.
        if !self.has_index {
            let path = IndicesGetMappingParts::Index(&[self.client.index()]).url();
            self.send(Request::new(Method::Get, path)).await?;
            self.has_index = true;
        }
        let written = self.replace(reports).await;
        let are_accepted = |refusals: &Vec<_>| refusals.iter().all(Option::is_none);
        self.has_index = written.as_ref().is_ok_and(are_accepted);
        written
    }

    async fn replace(
        &self,
        reports: &[InstanceReport],
    ) -> Result<Vec<Option<Refusal>>, ReportError> {
        let lines = reports.iter().map(|report| {
            // The bulk request contains the id of each report in its body, because not every
            // instance name is valid in a path.
            let action = json!({ "index": { "_id": report.instance } });
            format!("{action}\n{}\n", report.json())
        });
        let path = BulkParts::Index(self.client.index()).url();
        let request = Request::new(Method::Post, path)
            .body("application/x-ndjson", lines.collect::<String>());
        let operation = request.operation();
        let response: BulkResponse<ActionStatus> = self.json(request).await?;
        let results = response
            .results(reports.len(), operation)
            .map_err(ReportError::Request)?;
        let refusal = |result: ActionStatus| {
            Some(Refusal {
                reason: result.error?.root_reason(),
                is_final: result.status == 400,
            })
        };
        Ok(results.into_iter().map(refusal).collect())
    }

    /// Deletes the documents of instances that have not reported for a week, according to the
    /// cluster's clock. If old documents were not deleted, instances with random names would fill
    /// the index over time.
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
    /// Returns the bulk action that deletes an old document. The deletion has no effect if the
    /// instance has reported since the search for old documents.
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
    /// Returns how long the client must wait before the next attempt, according to the server;
    /// `None` if the server requests no pause.
    pub(super) fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Request(error) => error.retry_after(),
            Self::NoIndex(_) | Self::Refused { .. } => None,
        }
    }
}
