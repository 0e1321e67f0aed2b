//! Reads the reports of all instances. Also reads the state of the index, with which the reports
//! are compared.

use opensearch::SearchParts;
use opensearch_directives_core::internal::visible_beginning;
use serde_json::{Map, Value, json};

use super::index_name;
use super::instance_report::InstanceReport;
use super::instance_state::{Fleet, IndexPosition, UnreadableReport};
use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Client, RequestError, malformed};
use crate::rest::{HITS_PATH, Hit, Probe, SearchResponse, Session, search_for};

/// The maximum number of instances that one read returns.
const MAX_INSTANCES: usize = 50_000;
/// The number of reports in one page. A page of the largest possible reports is smaller than the
/// size limit of responses.
const PAGE_SIZE: usize = 200;
/// If a report cannot be decoded, at most this many characters of the reason are returned.
const MAX_CHARACTERS: usize = 300;

/// The reports that were read so far.
#[derive(Debug, Default)]
pub(super) struct Reports {
    pub(super) readable: Vec<InstanceReport>,
    pub(super) unreadable: Vec<UnreadableReport>,
    pub(super) omitted: u64,
}

impl DirectivesApi {
    /// Reads the reports of all instances, and the state of the index with which the reports can be
    /// compared. Reads at most 50,000 instances.
    ///
    /// # Errors
    /// Returns an error if an index cannot be read completely. If the fleet's index does not exist,
    /// [`WriteError::is_not_found`] of the error returns true.
    pub async fn fleet(&self) -> Result<Fleet, WriteError> {
        // The state of the index is read before the reports. So it does not contain operations that
        // are newer than the reports.
        let position = self.position().await?;
        let reports = self.reports().await?;
        let now = self.now().await?;
        Ok(Fleet {
            reports: reports.readable,
            unreadable: reports.unreadable,
            omitted: reports.omitted,
            position,
            now,
        })
    }

    /// Reads all reports, page by page, in the order of their instances. If a report is replaced
    /// during the read, its position does not change, so the pages need no common point in time.
    async fn reports(&self) -> Result<Reports, WriteError> {
        let client = self.client().with_index(&index_name(self.client().index()));
        let mut reports = Reports::default();
        let mut after = None;
        loop {
            let page = reports.read_page(&client, after.as_ref()).await;
            let (count, total, last) = match page {
                Err(error) if error.is_index_not_found() => {
                    return Err(WriteError::no_fleet(client.index()));
                }
                page => page?,
            };
            let read = reports.readable.len() + reports.unreadable.len();
            if count < PAGE_SIZE || read >= MAX_INSTANCES {
                reports.omitted = total.saturating_sub(read as u64);
                return Ok(reports);
            }
            after = last;
        }
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

impl Reports {
    /// Reads one page of reports. Returns the number of reports in the page, the number of all
    /// reports, and the sort values of the last report.
    async fn read_page(
        &mut self,
        client: &Client,
        after: Option<&Value>,
    ) -> Result<(usize, u64, Option<Value>), RequestError> {
        let sorted_by = |field: &str| json!({ field: { "order": "asc", "missing": "_last" } });
        // The `_seq_no` is the second sort key, because a report that another tool has written may
        // lack the name of its instance.
        let sort = json!([sorted_by("instance"), { "_seq_no": "asc" }]);
        let mut body = Map::from_iter([("sort".to_owned(), sort)]);
        if let Some(after) = after {
            body.insert("search_after".to_owned(), after.clone());
        }
        let path = SearchParts::Index(&[client.index()]).url();
        let request = search_for(&path, PAGE_SIZE, HITS_PATH, body);
        let operation = request.operation();
        let body = client.send(request).await?;
        let response: SearchResponse<'_> =
            serde_json::from_slice(&body).map_err(|error| malformed(operation.clone(), error))?;
        let complete = response.complete().map_err(|incomplete| {
            malformed(
                operation.clone(),
                format!("the reports are incomplete: {incomplete}"),
            )
        })?;
        let last = complete
            .search_after()
            .map_err(|error| malformed(operation, error))?;
        for hit in &complete.hits {
            self.take(hit);
        }
        Ok((complete.hits.len(), complete.total, last))
    }

    pub(super) fn take(&mut self, hit: &Hit<'_>) {
        match serde_json::from_str(hit.source.get()) {
            Ok(report) => self.readable.push(report),
            Err(error) => self.unreadable.push(UnreadableReport {
                instance: hit.id.clone().into_owned(),
                reason: visible_beginning(&error.to_string(), MAX_CHARACTERS),
            }),
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
