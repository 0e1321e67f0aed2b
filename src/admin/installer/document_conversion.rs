//! Converts old documents to the stored form. An old document is one that an earlier version of
//! this project wrote in an older form.
//!
//! A script adds the fields that an old document lacks, with explicit values. The conversion does
//! not run the ingest pipeline, because the pipeline would refuse an expired document, and so abort
//! the conversion. A malformed document stays malformed, so proxies still reject it after the
//! conversion.

use opensearch::{CountParts, UpdateByQueryParts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::InstallError;
use super::{InstallStep, Installer};
use crate::http::{Method, Request};

/// One request converts at most this many documents, so that the request ends within its time
/// limit.
const BATCH: u64 = 2_000;
/// The conversion fails after this many consecutive requests that converted no document, because
/// other clients wrote the same documents at the same time.
const MAX_IDLE: u32 = 5;
const WHAT: &str = "stored form";

/// The script that adds the missing fields to a document in the older form. The script does not
/// replace an existing list `targets`, because a list that contradicts its document is a sign of
/// damage, which must stay visible.
const SCRIPT: &str = "\
def document = ctx._source;
if (document.containsKey('targets') == false) {
  List targets = new ArrayList();
  for (field in params.targets) {
    if (document.containsKey(field)) { targets.add(field); }
  }
  document.targets = targets;
}
if (document.containsKey('sample_per_mille') == false) { document.sample_per_mille = 1000; }
if (document.containsKey('starts_at') == false) {
  document.starts_at = document.created_at instanceof String ? document.created_at : params.at_once;
}
document.revoked = document.containsKey('revoked_at') && document.revoked_at != null;
";

impl Installer {
    /// Returns the number of documents that are not in the stored form. Proxies reject documents
    /// that are not in the stored form.
    ///
    /// # Errors
    /// Returns an [`InstallError`] if the index cannot be searched.
    pub async fn outdated_documents(&self) -> Result<u64, InstallError> {
        #[derive(Deserialize)]
        struct Count {
            count: u64,
        }
        let body = json!({ "query": outdated() });
        let path = CountParts::Index(&[self.client.index()]).url();
        let request = Request::new(Method::Post, path).json(body.to_string());
        let counted: Result<Count, _> = self.client.json(request).await;
        match counted {
            Ok(Count { count }) => Ok(count),
            Err(error) if error.is_index_not_found() => Ok(0),
            Err(source) => Err(InstallError::request(WHAT, source)),
        }
    }

    /// Runs [`install`](Self::install), and then converts every document to the stored form.
    /// Returns the steps of the installation and the number of converted documents.
    ///
    /// # Errors
    /// Returns an [`InstallError`] if a step fails. If the caller repeats the upgrade, the upgrade
    /// continues with the documents that are not converted yet.
    pub async fn upgrade(&self) -> Result<(Vec<InstallStep>, u64), InstallError> {
        let steps = self.install().await?;
        let (mut converted, mut idle) = (0, 0);
        loop {
            let batch = self.convert_batch().await?;
            converted += batch.updated;
            if batch.total == 0 {
                return Ok((steps, converted));
            }
            idle = if batch.updated == 0 { idle + 1 } else { 0 };
            if idle == MAX_IDLE {
                return Err(InstallError::upgrade(self.client.index(), batch.total));
            }
        }
    }

    async fn convert_batch(&self) -> Result<Batch, InstallError> {
        let body = json!({
            "query": outdated(),
            "script": {
                "lang": "painless",
                "source": SCRIPT,
                "params": {
                    "targets": ["tenant", "index", "principal", "endpoint"],
                    "at_once": "1970-01-01T00:00:00Z",
                },
            },
        });
        let path = UpdateByQueryParts::Index(&[self.client.index()]).url();
        let request = Request::new(Method::Post, path)
            .query("pipeline", "_none")
            .query("conflicts", "proceed")
            .query("refresh", "true")
            .query("max_docs", BATCH.to_string())
            .json(body.to_string());
        let converted = self.client.json(request).await;
        converted.map_err(|source| InstallError::request(WHAT, source))
    }
}

/// The response to a request that converts documents.
#[derive(Debug, Deserialize)]
struct Batch {
    /// The number of documents in the older form that the request found.
    total: u64,
    /// The number of documents that the request converted.
    updated: u64,
}

/// Returns the query for documents that are not in the stored form. In the stored form, every
/// document has the field `revoked`.
fn outdated() -> Value {
    json!({ "bool": { "must_not": { "exists": { "field": "revoked" } } } })
}
