//! Reads the reports of all instances, and the state of the index with which they are compared.

use opensearch::SearchParts;
use serde::Deserialize;
use serde_json::json;

use super::index_name;
use super::instance_report::InstanceReport;
use super::instance_state::{Fleet, IndexPosition};
use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request, malformed};
use crate::rest::{Probe, Session};

/// The maximum number of instances that one read returns.
const MAX_INSTANCES: u64 = 10_000;

#[derive(Deserialize)]
struct Response {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    total: u64,
    failed: u64,
}

#[derive(Deserialize)]
struct Hits {
    total: Total,
    /// Because of `filter_path`, the response does not contain this field if the list is empty.
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_source")]
    source: InstanceReport,
}

impl DirectivesApi {
    /// Reads the reports of all instances, and the state of the index with which the reports are
    /// compared. At most 10,000 instances are read.
    ///
    /// # Errors
    /// Fails with [`WriteError::is_not_found`] if the fleet's index does not exist, and with
    /// another error if an index could not be read.
    pub async fn fleet(&self) -> Result<Fleet, WriteError> {
        // The state of the index is read before the reports, so that this state does not contain
        // operations that are newer than the reports.
        let position = self.position().await?;
        let (reports, omitted) = self.reports().await?;
        let now = self.now().await?;
        Ok(Fleet {
            reports,
            omitted,
            position,
            now,
        })
    }

    async fn reports(&self) -> Result<(Vec<InstanceReport>, u64), WriteError> {
        let client = self.client().with_index(&index_name(self.client().index()));
        let path = SearchParts::Index(&[client.index()]).url();
        let body = json!({
            "size": MAX_INSTANCES,
            "track_total_hits": true,
            "sort": [{ "reported_at": "desc" }],
        });
        let request = Request::new(Method::Post, path)
            .query("allow_partial_search_results", "false")
            .query(
                "filter_path",
                "timed_out,_shards,hits.total,hits.hits._source",
            )
            .json(body.to_string());
        let operation = request.operation();
        let response: Response = match client.json(request).await {
            Ok(response) => response,
            Err(error) if error.is_index_not_found() => {
                return Err(WriteError::no_fleet(client.index()));
            }
            Err(error) => return Err(error.into()),
        };
        if response.timed_out || response.shards.failed > 0 || response.shards.total == 0 {
            return Err(malformed(operation, "the response is not complete").into());
        }
        let hits = response.hits.hits;
        let omitted = response.hits.total.value.saturating_sub(hits.len() as u64);
        let mut reports: Vec<InstanceReport> = hits.into_iter().map(|hit| hit.source).collect();
        reports.sort_by(|one, other| one.instance.cmp(&other.instance));
        Ok((reports, omitted))
    }

    /// Reads the present state of the index.
    async fn position(&self) -> Result<IndexPosition, WriteError> {
        let session = self.session();
        let position = position_of(&session).await;
        session.close().await;
        match position {
            Ok(position) => Ok(position),
            Err(error) if error.is_index_not_found() => Err(self.no_index().await),
            Err(error) => Err(error),
        }
    }
}

async fn position_of(session: &Session) -> Result<IndexPosition, WriteError> {
    let assigned = match session.probe().await? {
        Probe::Checkpoints(checkpoints) => Some(checkpoints),
        Probe::Unclear(_) | Probe::Unsupported(_) => None,
    };
    let index = session.resolve_index().await?;
    let summary = session.summary_of_primary(&index).await?;
    let of = summary.map(|summary| summary.of);
    Ok(IndexPosition {
        assigned_seq_no: assigned
            .filter(|checkpoints| checkpoints.uuid == index.uuid)
            .and_then(|checkpoints| checkpoints.max_seq_no()),
        index_uuid: index.uuid,
        documents: of.as_ref().map_or(u64::MAX, |of| of.documents),
        max_seq_no: of.as_ref().and_then(|of| exact(of.max_seq_no?)),
        sum_seq_no: of.map_or(f64::NAN, |of| of.sum_seq_no),
    })
}

/// Converts a number that the cluster returned as a floating-point number. Every `_seq_no` is far
/// below the limit of exact numbers, 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is checked"
)]
fn exact(number: f64) -> Option<u64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    (0.0..LIMIT).contains(&number).then_some(number as u64)
}
